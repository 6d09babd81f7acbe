/**
 * mm->rss, which counts present entries: under the page_table_lock that protects them, by plain accesses; where each vma has a lock of its own, two CPUs count at a time, so by atomic additions
 * (Linux 2.6.15, whose page_table_lock is split, has atomic counters for the same reason).
 */
import type { Addr, Isa } from '../arch/index.ts';
import type { Regime } from './regime.ts';
import { Mm } from './structs.ts';

/** Adds to a counter of an address space that page_table_lock protects. */
export type Counting = (mm: Addr, by: number) => void;

/** What counts a word of the mm in a regime. @param word an offset in mm_struct; that of rss unless given */
export function counting(
  { isa, sections }: { readonly isa: Isa; readonly sections?: { readonly regime: Pick<Regime, 'ptl'> } },
  word: number = Mm.rss,
): Counting {
  const atomically: Counting = (mm, by) => {
    isa.fetchAdd(mm + word, by);
  };
  const underTheLock: Counting = (mm, by) => isa.write(mm + word, isa.read(mm + word) + by);
  return sections?.regime.ptl === 'vma' ? atomically : underTheLock;
}
