/**
 * O-MLOCK: no page is held in memory for more vmas than have it locked; and, of designs that keep exact account, each page of a locked vma is marked (docs/mm.md, Oracles).
 *
 *   counted in page.mlocked     a word of its own
 *   counted in mlock_count      the word of lru.prev: while the page is unevictable and PG_lru (2022), or while it is PG_mlocked and on no list (the sketch of 2004)
 *   marked by PG_mlocked        counted by nothing
 *   VM_IO                       a vma to whose pages mlock() has yet to come: none at rest
 *
 * A design that is advisory may have lost count while a page was isolated: its count is too small, then, never too large. That reclaim takes no page of a locked vma is seen
 * when it does: `unmapping` in access.ts.
 */
import { LIST_POISON_PREV } from '../../memory/index.ts';
import { Page, PG, VM, Vma, Zone } from '../structs.ts';
import { type Census, counts, type Frame } from './census.ts';
import { first, type Oracle, times } from './oracle.ts';

const PLACE = PG.lru.mask | PG.unevictable.mask;

/** VM_LOCKED vmas that map a page. */
function lockers({ read }: Census, { entries }: Frame): number {
  let count = 0;
  for (const { vma } of entries) if (vma && (read(vma.at + Vma.vm_flags) & VM.LOCKED) !== 0) count += 1;
  return count;
}

/** How often a page is counted as locked; undefined: it is not counted. */
function counted({ read }: Census, { at, flags, lists, batched, refs }: Frame): number | undefined {
  const own = read(at + Page.mlocked);
  if (own !== 0) return own;
  if ((flags & PG.mlocked.mask) === 0 || refs <= 0) return undefined;
  const word = read(at + Page.mlock_count);
  if ((flags & PLACE) === PLACE) return word;
  const off = (flags & PLACE) === 0 && lists.length === 0 && batched === 0;
  return off && word !== LIST_POISON_PREV ? word : undefined;
}

export const mlock: Oracle = {
  name: 'O-MLOCK',
  says: 'no page is counted as mlocked more often than VM_LOCKED vmas map it',
  check(census, { isolated }) {
    const { frames, read, world } = census;
    const marked = frames.filter(({ flags }) => (flags & PG.mlocked.mask) !== 0).length;
    const nr = read(world.zone + Zone.nr_mlock);
    return (
      first(census.vmas.live, ({ at, name }) =>
        (read(at + Vma.vm_flags) & VM.IO) === 0 ? undefined : `${name} has VM_IO, and nobody is in mlock`,
      ) ??
      first(frames, (frame) => {
        const count = counted(census, frame);
        if (count === undefined || (isolated > 0 && (frame.flags & PLACE) === 0)) return undefined;
        const vmas = lockers(census, frame);
        return count < 0 || count > vmas
          ? `${frame.name} is counted ${times(count, 'time')}, and ${times(vmas, 'VM_LOCKED vma')} ${vmas === 1 ? 'maps' : 'map'} it`
          : undefined;
      }) ??
      (nr === marked
        ? undefined
        : `zone.nr_mlock is ${nr}, and PG_mlocked is set in ${times(marked, 'page')}`)
    );
  },
};

export const mlockStrong: Oracle = {
  name: 'O-MLOCK-STRONG',
  says: 'each page that a VM_LOCKED vma maps is marked or counted: of exact designs',
  optional: true,
  check: (census) =>
    first(census.frames, (frame) => {
      const marked = (frame.flags & PG.mlocked.mask) !== 0 || census.read(frame.at + Page.mlocked) > 0;
      return marked || !counts(frame) || lockers(census, frame) === 0
        ? undefined
        : `${frame.name} is mapped by ${times(lockers(census, frame), 'VM_LOCKED vma')}, and bears no mark`;
    }),
};
