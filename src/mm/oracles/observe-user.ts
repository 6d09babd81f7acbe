/**
 * User accesses that are recorded in a ledger and held against it, and the system calls by which places lose or move their content: O-TAG and O-LOST for a whole workload.
 *
 *   createKernel({ …, modules: observeUser({ book }) })
 *
 *   userWrite       made, then recorded: from there on nobody may find less
 *   userRead        finds what was recorded before it began, or a later write of the same writer
 *   munmap, mmap over something, MADV_DONTNEED, brk, mremap     forget before they begin: whoever reads meanwhile finds the one or the other
 *   fork            the child's places are its parent's, as they were at one moment during the fork
 *
 * A place is a page of an address space, or of a file where `shared` says so. It has one writer at a time; two threads that write one place are the users' own race.
 */
import type { Addr, Isa } from '../../arch/index.ts';
import type { Mms } from '../fork.ts';
import type { Kernel } from '../kernel.ts';
import type { Maps } from '../mmap.ts';
import type { Mremap } from '../mremap.ts';
import { PAGE_SHIFT, pageAlign } from '../pte.ts';
import { Mm } from '../structs.ts';
import type { User } from '../user.ts';
import { accesses } from './access.ts';
import type { Ledger, Written } from './ledger.ts';
import type { Replacements } from './observe.ts';
import { unobserved } from './observe-isa.ts';
import { MmViolation } from './violation.ts';

/** How users are observed. */
export interface ObservedUsers {
  /** The ledger of a kernel's model: `(k) => ledger(k.isa, at, places)`. */
  readonly book: (k: Kernel) => Ledger;
  /** The file that an address maps shared, and the page of it; undefined, or left out: it is private memory. */
  readonly shared?: (
    k: Kernel,
    mm: Addr,
    address: number,
  ) => { readonly file: Addr; readonly page: number } | undefined;
}

const pageOf = (address: number): number => address >>> PAGE_SHIFT;

/** Replacements of modules, as `createKernel` takes them. */
export function observeUser({
  book,
  shared = () => undefined,
}: ObservedUsers): Pick<Replacements, 'user' | 'maps' | 'mremap' | 'mms'> {
  const stampOf = (k: Kernel) => accesses({ ...k, isa: unobserved<Isa>(k.isa) }).stamp;

  /** What is wrong with what a read has seen, given what was recorded before it. */
  function judge(least: Written, owner: number, version: number): [oracle: string, what: string] | undefined {
    const none = owner === 0 && version === 0;
    if (owner !== least.by && !none)
      return ['O-TAG', `write ${version} of ${owner} stands there, not of ${least.by}`];
    if (version >= least.version) return undefined;
    return [
      'O-LOST',
      `${none ? 'no write' : `write ${version}`} stands there, and write ${least.version} was acknowledged`,
    ];
  }

  return {
    user(k, original): User {
      const ops = original(k);
      const ledger = book(k);
      const stamp = stampOf(k);
      const placeOf = (mm: Addr, address: number): { owner: Addr; page: number } => {
        const file = shared(k, mm, address);
        return file ? { owner: file.file, page: file.page } : { owner: mm, page: pageOf(address) };
      };
      return {
        ...ops,
        userWrite(mm, address, by, version) {
          const fault = ops.userWrite(mm, address, by, version);
          const { owner, page } = placeOf(mm, address);
          if (fault === 0) ledger.wrote(owner, page, stamp(owner), by, version);
          return fault;
        },
        userRead(mm, address) {
          const { owner, page } = placeOf(mm, address);
          const least = ledger.find(owner, page);
          const seen = ops.userRead(mm, address);
          if (seen.fault !== 0 || least?.generation !== stamp(owner)) return seen;
          const wrong = judge(least, seen.owner, seen.version);
          if (!wrong) return seen;
          // What was let go, or written by somebody else meanwhile, was not promised.
          const now = ledger.find(owner, page);
          if (now?.by !== least.by || now.generation !== least.generation) return seen;
          throw new MmViolation(wrong[0], `a read of 0x${address.toString(16)}: ${wrong[1]}`);
        },
      };
    },
    maps(k, original): Maps {
      const ops = original(k);
      const ledger = book(k);
      const forget = (mm: Addr, start: number, length: number): void =>
        ledger.forgot(mm, pageOf(start), pageOf(start + pageAlign(length)));
      return {
        ...ops,
        mmap(mm, args) {
          if ((args.address ?? 0) !== 0) forget(mm, args.address!, args.length);
          return ops.mmap(mm, args);
        },
        munmap(mm, start, length) {
          forget(mm, start, length);
          return ops.munmap(mm, start, length);
        },
        brk(mm, end) {
          const old = k.isa.readOnce(mm + Mm.brk);
          if (end < old) forget(mm, end, old - end);
          return ops.brk(mm, end);
        },
        madviseDontneed(mm, start, length) {
          forget(mm, start, length);
          return ops.madviseDontneed(mm, start, length);
        },
      };
    },
    mremap(k, original): Mremap {
      const ops = original(k);
      const ledger = book(k);
      return {
        ...ops,
        mremap(mm, from, oldLength, newLength, flags, to = 0) {
          const kept = ledger
            .all(mm)
            .filter(
              ({ page }) => page >= pageOf(from) && page < pageOf(from + Math.min(oldLength, newLength)),
            );
          ledger.forgot(mm, pageOf(from), pageOf(from + pageAlign(oldLength)));
          if (to !== 0) ledger.forgot(mm, pageOf(to), pageOf(to + pageAlign(newLength)));
          const at = ops.mremap(mm, from, oldLength, newLength, flags, to);
          const where = at < 0 ? from : at;
          for (const each of kept)
            ledger.promise({ ...each, page: each.page - pageOf(from) + pageOf(where) });
          return at;
        },
      };
    },
    mms(k, original): Mms {
      const ops = original(k);
      const ledger = book(k);
      const stamp = stampOf(k);
      return {
        ...ops,
        fork(parent) {
          const before = ledger.all(parent);
          const child = ops.fork(parent);
          if (child !== 0) ledger.forked(child, stamp(child), parent, before);
          return child;
        },
      };
    },
  };
}
