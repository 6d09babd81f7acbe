/**
 * O-LIST: doubly linked lists are whole (docs/mm.md, Oracles).
 *
 * An entry has one pair of words, so it points back to one neighbour: what is on two lists, or on one twice, is damage of one of them, and shows there.
 */
import type { Oracle } from './oracle.ts';

export const list: Oracle = {
  name: 'O-LIST',
  says: 'doubly linked lists are whole, so nothing is on two of them',
  check({ pageLists: { free, active, inactive, drivers, isolated }, otherLists }) {
    const broken = [...free, active, inactive, ...drivers, ...isolated, ...otherLists].find(
      ({ wrong }) => wrong !== undefined,
    );
    return broken && `${broken.name()}: ${broken.wrong}`;
  },
};
