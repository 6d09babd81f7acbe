/**
 * O-REF: a reference count is the number of those who refer (mm.md C.4).
 *
 * What nobody refers to at all, and is not free, is a leak and O-LEAK's. The entries of reserved pages hold no references, so theirs are not judged.
 */
import { AnonMm, AnonVma } from '../structs.ts';
import { counts } from './census.ts';
import { first, type Oracle, times } from './oracle.ts';
import { owedTo, owedToAnonMm, owedToAnonVma } from './references.ts';

export const refs: Oracle = {
  name: 'O-REF',
  says: 'the reference count of a page, anon_vma or anonmm is the number of those who refer to it',
  check(census, asked) {
    const { frames, pageLists, anonVmas, anonMms, read } = census;
    return (
      first(frames, (frame) => {
        if (frame.untouched || !counts(frame)) return undefined;
        const { name, lists } = frame;
        const owed = owedTo(frame, asked);
        const free = lists.find((each) => pageLists.free.includes(each));
        if (frame.refs === owed.refs || (owed.refs === 0 && !free)) return undefined;
        return free && owed.refs === 0
          ? `${name} is on ${free.name()} with ${times(frame.refs, 'reference')}`
          : `${name}._refcount is ${frame.refs}, and ${owed.refs} is right: ${owed.made()}`;
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
