/**
 * Drivers with pages that may be moved: what they bring along (struct address_space_operations, Linux 4.8), and how the model knows them.
 *
 *   address_space.a_ops   the number of the driver, in shared memory; 0: a file
 *   DriverType            its code, the same for all CPUs: what the number means
 *
 * The VM calls all three operations with the page locked. Which pages are the driver's it says itself: `__SetPageMovable` when it has one, `__ClearPageMovable`, under the page lock, before it gives one up.
 *
 *   isolatePage   takes the page off the driver's own list. From true on `page.lru` and PG_isolated are the VM's
 *   migratepage   moves the content, has the new page, gives up the old one. 0: done; -EAGAIN: once more, soon; another: not this time
 *   putbackPage   the page was not migrated: back onto the driver's list
 *
 * What a driver keeps lies in shared memory: in the struct address_space (`private_lock`, `private_list`), in pages, or in `bytes` of its own, which the size `driverBytes` of the model has to have room for.
 */
import type { Addr } from '../../arch/index.ts';
import { LINE, roundUp } from '../../memory/index.ts';
import type { Kernel } from '../kernel.ts';
import { MmSpecError } from '../spec.ts';
import { AddressSpace } from '../structs.ts';
import { pool } from './pool.ts';

/** How much a migration may wait. */
export type MigrateMode = 'async' | 'sync';

/** What the VM calls; the page is locked. */
export interface MovableOps {
  /** @returns whether the page is off the driver's lists */
  isolatePage(page: Addr, mode: MigrateMode): boolean;
  /** Both pages are locked. @returns 0, -EAGAIN, or another error negated */
  migratepage(mapping: Addr, newpage: Addr, page: Addr, mode: MigrateMode): number;
  /** Of a page that was isolated. */
  putbackPage(page: Addr): void;
}

/** A driver on one CPU. */
export interface MovableDriver {
  readonly ops: MovableOps;
}

/** What a driver is. */
export interface DriverType<D extends MovableDriver = MovableDriver> {
  readonly name: string;
  /** `a_ops` of its address_spaces, from 1 on; no two of a kernel have the same. */
  readonly id: number;
  /** Bytes of shared memory that it has for itself, zero at first; 0 unless given. */
  readonly bytes?: number;
  /** The driver of one CPU. It accesses no shared memory. @param at where its bytes lie */
  make(k: Kernel, at: Addr): D;
}

/** The drivers of a kernel. */
export interface Drivers {
  /** A driver, by what it is. @throws RangeError when the kernel has none of it, MmSpecError when the model has no room for its bytes */
  of<D extends MovableDriver>(type: DriverType<D>): D;
  /** What the VM calls for the pages of an address_space; undefined: it is a file's. */
  opsOf(mapping: Addr): MovableOps | undefined;
  /** Makes an address_space for pages of a driver; 0: there are too many files. */
  mapping(type: DriverType): Addr;
}

/** What a kernel has unless told otherwise. */
export const DRIVERS: readonly DriverType[] = [pool];

/** Bytes that the model has to have for drivers: its size `driverBytes`. */
export const driverBytes = (types: readonly DriverType[]): number =>
  types.reduce((sum, { bytes = 0 }) => sum + roundUp(bytes, LINE), 0);

/** Makes the module. */
export function drivers(k: Kernel, types: readonly DriverType[] = DRIVERS): Drivers {
  const { isa, spec, world, lists, pageCache } = k;
  const made = new Map<number, MovableDriver>();
  const places = new Map<number, Addr>();
  let end = world.drivers;
  for (const { id, name, bytes = 0 } of types) {
    if (id < 1 || places.has(id))
      throw new RangeError(`the driver '${name}' has the number ${id}: another one from 1 on is expected`);
    places.set(id, end);
    end += roundUp(bytes, LINE);
  }

  // Not before they are asked for: they take modules out of the kernel that come behind this one.
  function driver(id: number): MovableDriver | undefined {
    const known = made.get(id);
    const type = types.find((each) => each.id === id);
    if (known || !type) return known;
    const at = places.get(id)!;
    if (at + roundUp(type.bytes ?? 0, LINE) > world.drivers + roundUp(spec.driverBytes, LINE))
      throw new MmSpecError(
        `'driverBytes' of the model is ${spec.driverBytes}: there is no room for those of the driver '${type.name}', all of them need ${driverBytes(types)}`,
      );
    const driver = type.make(k, at);
    made.set(id, driver);
    return driver;
  }

  return {
    of<D extends MovableDriver>(type: DriverType<D>): D {
      if (!types.includes(type)) throw new RangeError(`the kernel has no driver '${type.name}'`);
      return driver(type.id) as D;
    },
    opsOf: (mapping) => driver(isa.read(mapping + AddressSpace.a_ops))?.ops,
    mapping({ id }) {
      const mapping = pageCache.create(0);
      if (mapping === 0) return 0;
      isa.write(mapping + AddressSpace.a_ops, id);
      lists.init(mapping + AddressSpace.private_list);
      return mapping;
    },
  };
}
