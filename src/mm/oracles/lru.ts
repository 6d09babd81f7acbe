/**
 * O-LRU: the lists that reclaim works on hold the pages that say so, and are as long as is counted (docs/mm.md, Oracles).
 *
 *   PG_lru                    on inactive_list      PG_lru PG_unevictable     on no list, counted in nr_unevictable
 *   PG_lru PG_active          on active_list        no PG_lru                 on neither: in a batch, isolated, free, or no page for reclaim
 *
 * What is known of a damaged list is O-LIST's to say; then this says nothing.
 */
import { PG, Zone } from '../structs.ts';
import type { Census, Frame } from './census.ts';
import { first, type Oracle } from './oracle.ts';
import { driversPage } from './references.ts';

const LRU = PG.lru.mask;
const PLACE = LRU | PG.active.mask | PG.unevictable.mask;
/** Flags of pages that reclaim must not meet. */
const NOT_ITS = PG.table.mask | PG.isolated.mask;

export const lru: Oracle = {
  name: 'O-LRU',
  says: 'pages are on the LRU list that their flags name, and its counters are right',
  check({ pageLists: { active, inactive }, frames, read, world }: Census, { isolated }) {
    if (active.wrong !== undefined || inactive.wrong !== undefined) return undefined;
    const counted = { active: 0, inactive: 0, unevictable: 0 };

    function judge(frame: Frame): string | undefined {
      const { name, flags, lists } = frame;
      const on = lists.find((each) => each === active || each === inactive);
      const should =
        (flags & PLACE) === LRU ? inactive : (flags & PLACE) === (LRU | PG.active.mask) ? active : undefined;
      if (on !== should && lists.length <= 1)
        return on
          ? `${name} is on ${on.name()}, and its flags do not say so`
          : `${name} is not on ${should!.name()}`;
      if ((flags & LRU) === 0) return undefined;
      if ((flags & NOT_ITS) !== 0 || driversPage(frame))
        return `${name} has PG_lru and is none that reclaim may have`;
      if ((flags & PG.unevictable.mask) !== 0) counted.unevictable += 1;
      else if ((flags & PG.active.mask) !== 0) counted.active += 1;
      else counted.inactive += 1;
      return undefined;
    }

    const { zone } = world;
    return (
      first(frames, judge) ??
      first(
        [
          ['nr_active', Zone.nr_active, counted.active],
          ['nr_inactive', Zone.nr_inactive, counted.inactive],
          ['nr_unevictable', Zone.nr_unevictable, counted.unevictable],
          ['nr_isolated', Zone.nr_isolated, isolated],
        ] as const,
        ([name, word, should]) =>
          read(zone + word) === should
            ? undefined
            : `zone.${name} is ${read(zone + word)}, and ${should} are`,
      )
    );
  },
};
