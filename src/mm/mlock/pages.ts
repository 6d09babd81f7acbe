/**
 * Asks the mlock design about pages whose entries come and go, under the locks that it wants (design.ts has the table).
 *
 * The paths of fault, zap, mlock and munlock have page_table_lock when they know that there is something to ask. A design that wants no page lock is asked there and then. For one that does the page
 * is referenced and waits, since the page lock sleeps and comes before page_table_lock (docs/field-locks.md); `settle` asks when page_table_lock has been given away. Only mmap_sem is held then.
 *
 *   mapped     page lock, then page_table_lock: asked if the entry still maps the page and the vma is still VM_LOCKED; else somebody else has been asked about that since
 *   unmapped, munlocked     page lock: the entry, or VM_LOCKED, is gone, so the reverse mapping says who else has it locked
 *
 * mmap_sem keeps the vma from the one to the other. The last reference to an unmapped page may be the one that it waits with: then it is freed here.
 *
 * What waits stands in an array of this CPU's thread; between operations it is empty.
 */
import type { Addr } from '../../arch/index.ts';
import type { Kernel } from '../kernel.ts';
import { pteNumber, ptePresent } from '../pte.ts';
import { VM, Vma } from '../structs.ts';

/** Asks about pages; page_table_lock is held but where it says otherwise. */
export interface MlockPages {
  /** An entry of a VM_LOCKED vma maps the page from now on. */
  mapped(page: Addr, vma: Addr, address: number): void;
  /** An entry of a VM_LOCKED vma is about to map the page no more. */
  unmapped(page: Addr): void;
  /** An entry maps the page, and its vma is not VM_LOCKED any more. */
  munlocked(page: Addr): void;
  /** Asks what had to wait. No spinlock and no page lock is held. */
  settle(): void;
}

interface Waiting {
  readonly page: Addr;
  /** Of a page that was mapped; 0: it was unmapped, or munlocked. */
  readonly vma: Addr;
  readonly address: number;
  readonly ask: (page: Addr) => void;
}

export function mlockPages(k: Kernel): MlockPages {
  const { isa, locks, mlock, pages } = k;
  const { underPageLock, mlockVmaPage, munlockVmaPage, unmapLocked } = mlock;
  const waiting: Waiting[] = [];

  function later(page: Addr, vma: Addr, address: number, ask: (page: Addr) => void): void {
    pages.get(page);
    waiting.push({ page, vma, address, ask });
  }

  /** Under the page lock: asks about an entry if it is still what it was. */
  function askMapped({ page, vma, address, ask }: Waiting): void {
    const mm = isa.read(vma + Vma.vm_mm);
    k.sections.enter('pteChange', { mm, vma });
    const at = k.pgtable.lookup(mm, address);
    const pte = at === 0 ? 0 : k.pgtable.read(at);
    const locked = (isa.read(vma + Vma.vm_flags) & VM.LOCKED) !== 0;
    if (locked && ptePresent(pte) && pages.pageAt(pteNumber(pte)) === page) ask(page);
    k.sections.leave();
  }

  return {
    mapped(page, vma, address) {
      if (underPageLock) later(page, vma, address, mlockVmaPage);
      else mlockVmaPage(page);
    },
    unmapped(page) {
      if (underPageLock) later(page, 0, 0, unmapLocked);
      else unmapLocked(page);
    },
    munlocked(page) {
      if (underPageLock) later(page, 0, 0, munlockVmaPage);
      else munlockVmaPage(page);
    },
    settle() {
      for (let one = waiting.shift(); one; one = waiting.shift()) {
        const { page, vma, ask } = one;
        locks.page.acquire(page);
        if (vma !== 0) askMapped(one);
        else ask(page);
        locks.page.release(page);
        if (pages.putTestzero(page)) k.lru.release(page);
      }
    },
  };
}
