/**
 * User code: instructions that read and write memory through the TLB, and fault where there is no translation.
 *
 * An instruction is a translation and an access with interrupts off (tlb.ts): a shootdown is acknowledged before it or after it. Where there is no translation the
 * processor raises a page fault, the kernel handles it with interrupts on, and the instruction begins anew: it may find that what the handler mapped is gone
 * again. Where faults are speculative (spf.ts) the handler is tried without mmap_sem first.
 *
 * What lies in a page is a Payload. Every write has an owner, whose number nobody else uses, and a version, which he counts up, so that an oracle can tell whose write a
 * frame holds, and which (O-TAG, O-LOST). Accesses are marked: that two CPUs write to one page is the users' business, and no race of the kernel's.
 */

import type { Addr } from '../arch/index.ts';
import { VM_FAULT_ERROR } from './fault.ts';
import type { Base } from './kernel.ts';
import { pteNumber } from './pte.ts';
import { Payload } from './structs.ts';
import type { Tlb } from './tlb.ts';
import { FRAME_BYTES } from './world.ts';

/** What a read saw. */
export interface UserRead {
  /** VM_FAULT_*: 0, or why there is nothing to read. */
  readonly fault: number;
  readonly owner: number;
  readonly version: number;
}

/** What user code does to its memory. */
export interface User {
  /**
   * Writes owner and version to the page that is mapped at an address.
   * @returns 0, or the VM_FAULT_* number of the fault that could not be handled: then nothing was written
   */
  userWrite(mm: Addr, address: number, owner: number, version: number): number;
  /** Reads the page that is mapped at an address. */
  userRead(mm: Addr, address: number): UserRead;
}

export function user(
  kernel: Base & {
    readonly tlb: Tlb;
    /** @returns VM_FAULT_*; without a bit of VM_FAULT_ERROR the access is tried again */
    readonly faults: { handleMmFault(mm: Addr, address: number, write: boolean): number };
    /** Faults without mmap_sem; left out: there are none. */
    readonly spf?: {
      readonly on: boolean;
      handleUserFault(mm: Addr, address: number, write: boolean): number;
    };
  },
): User {
  const { isa, cpu, world, tlb } = kernel;
  const { owner: ownerWord, version: versionWord } = Payload;
  const { frames } = world;
  const { spf } = kernel;
  const serve =
    spf?.on === true
      ? spf.handleUserFault
      : (mm: Addr, address: number, write: boolean): number =>
          kernel.faults.handleMmFault(mm, address, write);

  /** Translates until it can be used. @returns the content of the page, with interrupts off; or less than 0, a fault's number negated, with them on */
  function reach(mm: Addr, address: number, write: boolean): number {
    for (;;) {
      cpu.irqDisable();
      const pte = tlb.translate(mm, address, write);
      if (pte !== 0) return frames + FRAME_BYTES * pteNumber(pte);
      cpu.irqEnable();
      const fault = serve(mm, address, write);
      if ((fault & VM_FAULT_ERROR) !== 0) return -(fault & VM_FAULT_ERROR);
    }
  }

  return {
    userWrite(mm, address, owner, version) {
      const at = reach(mm, address, true);
      if (at < 0) return -at;
      isa.writeOnce(at + ownerWord, owner);
      isa.writeOnce(at + versionWord, version);
      cpu.irqEnable();
      return 0;
    },
    userRead(mm, address) {
      const at = reach(mm, address, false);
      if (at < 0) return { fault: -at, owner: 0, version: 0 };
      const owner = isa.readOnce(at + ownerWord);
      const version = isa.readOnce(at + versionWord);
      cpu.irqEnable();
      return { fault: 0, owner, version };
    },
  };
}
