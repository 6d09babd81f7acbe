/**
 * User code that knows what it has written: reads and writes that are held against a ledger while everybody else runs, for O-TAG and O-LOST.
 *
 *   write    the ledger says that it may be found; it is made; the ledger says that it must be found. One that fails leaves what was known: nothing, where it had been forgotten and what was to go stayed
 *   read     finds what must have been found before it began, or later, and nothing that may not be found when it has ended
 *   remap    the ledger forgets, then the place goes or comes
 *   fork     the child has what must be found before, or later, and nothing that may not be found afterwards
 *
 * A read by another CPU than the writer proves nothing if the writer has mapped or unmapped there meanwhile, which `remaps` tells; pages of files stay.
 *
 * What stands in a page is told by who wrote it (`Party.me`), and a page has one writer. So another's write is as wrong as an old one.
 */
import type { Addr } from '../../arch/index.ts';
import type { Kernel } from '../kernel.ts';
import type { Ledger } from '../oracles/ledger.ts';
import { MmViolation } from '../oracles/violation.ts';
import { PAGE_SHIFT } from '../pte.ts';
import type { UserRead } from '../user.ts';
import type { Party } from './party.ts';

/** What is read and written, and known of it: a page of private memory, or of a file. */
interface Place {
  readonly owner: Addr;
  readonly page: number;
  readonly generation: number;
  /** The CPU that writes it. */
  readonly writer: number;
  /** Nobody unmaps its content. */
  readonly stays: boolean;
}

/** Checked users. Pages are numbers of virtual pages. @returns whether there was something to read or write */
export interface Users {
  /** Writes to a page of this CPU's block. */
  write(mm: Addr, page: number): boolean;
  /** Reads a page of a CPU's block. */
  read(mm: Addr, page: number, writer: number): boolean;
  /** Writes, if it is this CPU's, or reads a page of a file by its place in the file area. */
  file(mm: Addr, index: number, page: number, write: boolean): boolean;
  /** Runs what lets the content of pages of this CPU's block go. */
  remap<T>(mm: Addr, page: number, pages: number, run: () => T): T;
  /** Forks. @returns the child, 0: no memory */
  fork(mm: Addr): Addr;
}

export function users(k: Kernel, book: Ledger, party: Party, cpus: number): Users {
  const { isa, cpu, slabs } = k;
  const { me } = party;

  function put(mm: Addr, address: number, { owner, page, generation }: Place): boolean {
    const known = book.find(owner, page);
    const last = known?.generation === generation ? known : undefined;
    const version = party.next();
    const least = last?.version ?? 0;
    const place = { owner, page, generation, by: me };
    book.promise({ ...place, version: least, most: version });
    isa.wmb();
    const written = k.user.userWrite(mm, address, me, version) === 0;
    isa.wmb();
    if (written) book.promise({ ...place, version, most: version });
    else if (last) book.promise({ ...place, version: least, most: last.most });
    else book.forgot(owner, page, page + 1);
    return written;
  }

  function judge(place: string, seen: UserRead, by: number, least: number, most: number): void {
    const { owner, version } = seen;
    const there = owner === 0 && version === 0 ? 'none' : `write ${version} of ${owner}`;
    if (owner !== by && owner !== 0)
      throw new MmViolation(
        'O-TAG',
        `CPU ${cpu.id} reads ${place} and finds ${there}; it is written by ${by} only`,
      );
    if (version < least)
      throw new MmViolation(
        'O-LOST',
        `CPU ${cpu.id} reads ${place} and finds ${there}; write ${least} of ${by} had been acknowledged`,
      );
    if (version > most)
      throw new MmViolation(
        'O-TAG',
        `CPU ${cpu.id} reads ${place} and finds ${there}, which was not written there: ${most} is the last one that was`,
      );
  }

  function get(mm: Addr, address: number, { owner, page, generation, writer, stays }: Place): boolean {
    const epoch = party.remaps(writer);
    const before = book.find(owner, page);
    const seen = k.user.userRead(mm, address);
    if (seen.fault !== 0) return false;
    isa.rmb();
    const after = book.find(owner, page);
    const proves = stays || writer === cpu.id || ((epoch & 1) === 0 && party.remaps(writer) === epoch);
    if (proves && before?.generation === generation && after?.generation === generation)
      judge(
        `0x${address.toString(16)} of ${mm === owner ? 'mm' : 'a file in mm'} 0x${mm.toString(16)}`,
        seen,
        before.by,
        before.version,
        after.most,
      );
    return true;
  }

  const ofMm = (mm: Addr, page: number, writer: number): Place => ({
    owner: mm,
    page,
    generation: slabs.mms.generation(mm),
    writer,
    stays: false,
  });

  return {
    write: (mm, page) => put(mm, page << PAGE_SHIFT, ofMm(mm, page, cpu.id)),
    read: (mm, page, writer) => get(mm, page << PAGE_SHIFT, ofMm(mm, page, writer)),
    file(mm, index, page, write) {
      const owner = slabs.files.objectAt(index);
      const writer = page % cpus;
      const place = { owner, page, generation: slabs.files.generation(owner), writer, stays: true };
      const address = (party.file(index).first + page) << PAGE_SHIFT;
      return write && writer === cpu.id ? put(mm, address, place) : get(mm, address, place);
    },
    remap: (mm, page, pages, run) =>
      party.remapping(mm, () => {
        book.forgot(mm, page, page + pages);
        return run();
      }),
    fork: (mm) =>
      party.alone(mm, () => {
        const before = book.all(mm);
        const child = k.mms.fork(mm);
        if (child === 0) return 0;
        const generation = slabs.mms.generation(child);
        const parents = slabs.mms.generation(mm);
        book.forgot(child, 0, 2 ** 31);
        for (const { page, by, most, generation: of } of book.all(mm)) {
          if (of !== parents) continue;
          const then = before.find((each) => each.page === page && each.generation === parents);
          book.promise({ owner: child, page, generation, by, version: then?.version ?? 0, most });
        }
        return child;
      }),
  };
}
