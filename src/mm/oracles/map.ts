/**
 * O-MAP: a page's `_mapcount` is the number of entries that map it, and reverse mapping finds them all (docs/mm.md, Oracles).
 *
 * Which entries a page has comes from the page tables of all address spaces, read from end to end; what reverse mapping finds from the design at hand. A design that keeps the
 * entries themselves must not have others, either. An anonymous page of which the anon_vma has no vma that maps it is O-AV's.
 */
import { type Census, counts, type Entry, type Frame } from './census.ts';
import { first, type Oracle } from './oracle.ts';
import { isAnon, pointerOf } from './rmap.ts';

const MAP = [() => 'no entry maps it', () => '1 entry maps it', (count: number) => `${count} entries map it`];
const where = ({ entries }: Frame): string =>
  entries.length === 0 ? '' : `: ${entries.map((each) => each.name()).join(', ')}`;

/** Whether none of the vmas that map an anonymous page is on the list of its anon_vma: what O-AV is about, unless the design at hand keeps the entries themselves. */
export function isLost(census: Census, frame: Frame): boolean {
  if (!isAnon(frame)) return false;
  const pointer = pointerOf(frame.mapping);
  if (census.anonMms.at(pointer)) return false;
  const known = census.familyOf(pointer);
  for (const { vma } of frame.entries) if (vma && known.includes(vma)) return false;
  return true;
}

export const map: Oracle = {
  name: 'O-MAP',
  says: 'a mapcount is the number of entries that map the page, and reverse mapping finds each of them',
  check(census, { rmapOf }) {
    const { frames, called } = census;
    return first(frames, (frame) => {
      const { at, name, maps, entries, untouched } = frame;
      if (untouched || !counts(frame)) return undefined;
      if (maps !== entries.length)
        return `${name}._mapcount says ${maps}, and ${MAP[Math.min(entries.length, 2)]!(entries.length)}${where(frame)}`;
      const found = rmapOf(at, census);
      let missed: Entry | undefined;
      for (const entry of entries) if (!found.entries.includes(entry.at)) missed ??= entry;
      if (missed && !found.exact && isLost(census, frame)) return undefined;
      if (missed) return `${name} is mapped at ${missed.name()}, and reverse mapping does not find it there`;
      if (!found.exact) return undefined;
      const other = found.entries.find((entry) => entry !== 0 && !entries.some((each) => each.at === entry));
      return other === undefined
        ? undefined
        : `reverse mapping of ${name} leads to ${called(other)}, which does not map it`;
    });
  },
};
