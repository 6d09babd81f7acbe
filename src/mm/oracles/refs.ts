/**
 * O-REF: a reference count is the number of those who refer (docs/mm.md, Oracles).
 *
 * What nobody refers to at all, and is not free, is a leak and O-LEAK's. The entries of reserved pages hold no references, so theirs are not judged.
 */
import { AnonMm, AnonVma } from '../structs.ts';
import { counts, freeListOf } from './census.ts';
import { first, type Oracle, times } from './oracle.ts';
import { madeOf, owedToAnonMm, owedToAnonVma, refsOwed } from './references.ts';

export const refs: Oracle = {
  name: 'O-REF',
  says: 'the reference count of a page, anon_vma or anonmm is the number of those who refer to it',
  check(census, asked) {
    const { frames, anonVmas, anonMms, read } = census;
    return (
      first(frames, (frame) => {
        if (frame.untouched || !counts(frame)) return undefined;
        const { name } = frame;
        const owed = refsOwed(frame, asked);
        if (frame.refs === owed) return undefined;
        const free = freeListOf(census, frame);
        if (owed === 0 && !free) return undefined;
        return free && owed === 0
          ? `${name} is on ${free.name()} with ${times(frame.refs, 'reference')}`
          : `${name}._refcount is ${frame.refs}, and ${owed} is right: ${madeOf(frame, asked)}`;
      }) ??
      first(anonVmas.live, (anonVma) => {
        const owed = owedToAnonVma(census, anonVma, asked);
        const has = read(anonVma.at + AnonVma.ref);
        return owed && owed.refs !== 0 && owed.refs !== has
          ? `${anonVma.name}.ref is ${has}, and ${owed.refs} is right: ${owed.made()}`
          : undefined;
      }) ??
      first(anonMms.live, (anonMm) => {
        const owed = owedToAnonMm(census, anonMm);
        const has = read(anonMm.at + AnonMm.count);
        return owed.refs !== 0 && owed.refs !== has
          ? `${anonMm.name}.count is ${has}, and ${owed.refs} is right: ${owed.made()}`
          : undefined;
      })
    );
  },
};
