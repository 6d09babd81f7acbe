/**
 * Disks in memory over the store of small objects: who uses it, as zram does (drivers/block/zram/zram_drv.c, Linux 4.8).
 *
 *   write      an object is allocated and filled, then takes the slot; what the slot had is freed
 *   rewrite    the object that the slot has is written once more, where it is
 *   read       what stands in the slot is what was written last, all of it (O-LOST)
 *   discard    the object is freed
 *   reset      all slots are emptied, the pool is destroyed, and there is another one
 *   work       what the pool has left to be freed later: a kernel has a workqueue for that, here it is whoever comes by
 *
 * Locks: init_lock, for writing by who resets, for reading by all others, so that nobody uses a pool that is being destroyed; then the slot. The VM has neither: it comes from the pages.
 *
 * It lies in the bytes that the store's driver has for its user (`zsmalloc(rules, zramBytes(…))`).
 */
import type { Addr } from '../../arch/index.ts';
import { Rwsem } from '../../locking/rwsem.ts';
import { LINE, ptr, roundUp, sizeOf, struct, u32 } from '../../memory/index.ts';
import type { Kernel } from '../kernel.ts';
import { MmViolation } from '../oracles/violation.ts';
import { ZS_CLASSES } from './structs.ts';
import type { Zs } from './zs.ts';

const Disk = struct('zram', {
  init_lock: ptr('rwsem', sizeOf(Rwsem) / 4).ownLine(),
  pool: ptr('zs_pool').ownLine(),
});
const Slot = struct('zram_table_entry', { value: u32, handle: ptr('zs_handle'), by: u32, version: u32 });

/** How many disks, and slots of each. */
export interface ZramSize {
  readonly disks: number;
  readonly slots: number;
}

const diskBytes = ({ slots }: ZramSize): number =>
  roundUp(sizeOf(Disk), LINE) + roundUp(slots * sizeOf(Slot), LINE);

/** Bytes that they take. */
export const zramBytes = (size: ZramSize): number => size.disks * diskBytes(size);

/** Disks. @returns false where it came to nothing: no memory, no object, somebody resets the disk */
export interface Zram {
  /** Gives each disk its pool; once, before any CPU uses them. */
  init(): void;
  /** Gives a slot another object, filled. */
  write(disk: number, slot: number): boolean;
  /** Fills the object that a slot has once more. */
  rewrite(disk: number, slot: number): boolean;
  /** Reads the object of a slot, and holds it against what was written. @throws MmViolation O-LOST */
  read(disk: number, slot: number): boolean;
  /** Frees the object of a slot. */
  discard(disk: number, slot: number): boolean;
  /** Empties all slots, and gives the disk another pool. */
  reset(disk: number): boolean;
  /** Frees what the disk's pool was left empty. */
  work(disk: number): boolean;
}

/** The disks of one CPU. */
export function zram({ isa, cpu, locks }: Kernel, zs: Zs, size: ZramSize): Zram {
  const { rwsem, spin } = locks;
  const diskAt = (disk: number): Addr => zs.userBytes + disk * diskBytes(size);
  const slotAt = (disk: number, slot: number): Addr =>
    diskAt(disk) + roundUp(sizeOf(Disk), LINE) + slot * sizeOf(Slot);
  const me = cpu.id + 1;

  function used<T>(disk: number, run: (pool: Addr) => T): T {
    const at = diskAt(disk);
    rwsem.acquireRead(at + Disk.init_lock);
    const result = run(isa.read(at + Disk.pool));
    rwsem.releaseRead(at + Disk.init_lock);
    return result;
  }

  function inSlot<T>(slot: Addr, run: (handle: Addr) => T): T {
    spin.acquire(slot + Slot.value);
    const result = run(isa.read(slot + Slot.handle));
    spin.release(slot + Slot.value);
    return result;
  }

  /** The slot is locked: what is written to its object next. */
  function fill(slot: Addr, handle: Addr): void {
    const version = isa.read(slot + Slot.version) + 1;
    zs.write(handle, me, version);
    isa.write(slot + Slot.by, me);
    isa.write(slot + Slot.version, version);
  }

  function judge(disk: number, slot: Addr, handle: Addr): void {
    const [by, version] = [isa.read(slot + Slot.by), isa.read(slot + Slot.version)];
    const there = zs.read(handle);
    if (there.by === by && there.version === version && there.torn === 0) return;
    const torn = there.torn === 0 ? '' : `, ${there.torn} words of it not`;
    throw new MmViolation(
      'O-LOST',
      `CPU ${cpu.id} reads an object of disk ${disk}, which has write ${there.version} of ${there.by}${torn}; write ${version} of ${by} had been acknowledged`,
    );
  }

  return {
    init() {
      for (let disk = 0; disk < size.disks; disk += 1) {
        const pool = zs.createPool();
        if (pool === 0) throw new RangeError(`there are not pools for ${size.disks} disks`);
        isa.write(diskAt(disk) + Disk.pool, pool);
      }
    },
    write: (disk, slot) =>
      used(disk, (pool) => {
        const handle = pool === 0 ? 0 : zs.malloc(pool, cpu.below(ZS_CLASSES.length));
        if (handle === 0) return false;
        const at = slotAt(disk, slot);
        inSlot(at, (last) => {
          fill(at, handle);
          isa.write(at + Slot.handle, handle);
          if (last !== 0) zs.free(last);
        });
        return true;
      }),
    rewrite: (disk, slot) =>
      used(disk, () => {
        const at = slotAt(disk, slot);
        return inSlot(at, (handle) => {
          if (handle !== 0) fill(at, handle);
          return handle !== 0;
        });
      }),
    read: (disk, slot) =>
      used(disk, () => {
        const at = slotAt(disk, slot);
        return inSlot(at, (handle) => {
          if (handle !== 0) judge(disk, at, handle);
          return handle !== 0;
        });
      }),
    discard: (disk, slot) =>
      used(disk, () => {
        const at = slotAt(disk, slot);
        return inSlot(at, (handle) => {
          if (handle !== 0) zs.free(handle);
          isa.write(at + Slot.handle, 0);
          return handle !== 0;
        });
      }),
    reset(disk) {
      const at = diskAt(disk);
      rwsem.acquireWrite(at + Disk.init_lock);
      const pool = isa.read(at + Disk.pool);
      for (let slot = 0; slot < size.slots; slot += 1) {
        const handle = isa.read(slotAt(disk, slot) + Slot.handle);
        if (handle !== 0) zs.free(handle);
        isa.write(slotAt(disk, slot) + Slot.handle, 0);
      }
      if (pool !== 0) zs.destroyPool(pool);
      isa.write(at + Disk.pool, zs.createPool());
      rwsem.releaseWrite(at + Disk.init_lock);
      return pool !== 0;
    },
    work: (disk) => used(disk, (pool) => pool !== 0 && zs.freeWork(pool) > 0),
  };
}
