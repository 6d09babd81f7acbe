/**
 * O-DUP: one place has one frame (docs/mm.md, Oracles).
 *
 *   a page of a file     no page says that it is this one while the cache has another
 *   a swap entry         likewise, of pages with PG_swapcache
 *
 * Two frames for an address of an address space leave one that nothing maps: O-MAP's, O-LEAK's.
 */
import { PG } from '../structs.ts';
import type { Census, Frame } from './census.ts';
import { first, type Oracle } from './oracle.ts';

function other({ frameOf, files, read, world, spec }: Census, frame: Frame): [Frame, string] | undefined {
  const { flags, refs, mapping, index } = frame;
  if (refs <= 0) return undefined;
  const cached = (word: number, name: string): [Frame, string] | undefined => {
    const there = read(word);
    const found = there === 0 || there === frame.at ? undefined : frameOf(there);
    return found && [found, name];
  };
  if ((flags & PG.swapcache.mask) !== 0 && frame.private > 0 && frame.private <= spec.swapPages) {
    const found = cached(world.swapCache + 4 * (frame.private - 1), `swap entry ${frame.private}`);
    if (found) return found;
  }
  const file = files.at(mapping);
  if (!file || index >= spec.filePages) return undefined;
  const slot = world.pageTrees + 4 * (file.index * spec.filePages + index);
  return cached(slot, `page ${index} of ${file.name}`);
}

export const dup: Oracle = {
  name: 'O-DUP',
  says: 'a page of a file, or a swap entry, has one frame',
  check: (census) =>
    first(census.frames, (frame) => {
      const found = other(census, frame);
      return found && `${frame.name} is ${found[1]}, and so is ${found[0].name}`;
    }),
};
