/**
 * Entries of pages that are on the swap device, read without a lock (mm.md R3.2 to R3.5; the thread on "Speculative page faults" v7 04/24, "Don't assume page-table invariance during faults", February 2018).
 *
 * torn-entry (R3.4; entries of two words)
 *   1. CPU 0 reads the first word of the entry: it says "swap"
 *   2. CPU 1 has read the page in, and stores the entry of its frame: the second word, then the first
 *   3. CPU 0 reads the second word, and looks up the slot that has the frame's number
 *
 * entry-stays-mapped (R3.2)
 *   v7 leaves the check out where it compiles speculation in; the check also unmapped the entry, and nobody else does
 *
 * status-inverted (R3.3)
 *   what is not NOTSAME leaves: so "same" is success, with nothing done, for ever; and "different" goes on
 *
 * status-escapes (R3.3; entries of two words)
 *   1. CPU 0 has read the entry
 *   2. CPU 1 reads the page in
 *   3. CPU 0 finds another entry, and says so to its caller's caller
 *
 * page-not-put (R3.3; entries of two words)
 *   as before; CPU 0 has the page of the swap cache in hand already, and leaves with its reference
 *
 * second-install (R3.5)
 *   1. CPU 0 has read the entry, and waits for the page
 *   2. CPU 1 installs it, and gives its count of the slot back
 *   3. CPU 0 does not look at the entry again, and installs it once more
 *
 * loser-keeps-page (R3.5)
 *   as before; CPU 0 looks, and leaves with its reference to the page
 *
 * check-compiled-out (R3.2), check-stubbed-out (R3.2), auxiliary-status (R3.3)
 *   Who is told "same" of an entry that is old looks up a slot that may be another's by now, and reads a page in that nobody wants. It is compared again before it is replaced, and so is the vma. What the model
 *   cannot show of the draft with two return values is a caller that goes on unlocked: the next lock asks all of it again.
 */
import type { Kernel } from '../../mm/kernel.ts';
import { PG } from '../../mm/structs.ts';
import { type Act, mmAt, mmControl, mmRace, unmapAt } from './objrmap-scene.ts';
import { ANON, asked, fault, history, N, REGIME, rules, SPF, swapped, V, WIDE } from './spf-scene.ts';

const THREAD = `${SPF}: the thread on v7 04/24, February 2018`;
const SHARED = {
  spec: ANON,
  regime: REGIME,
  init: swapped(),
  actors: [fault(V, false), fault(V, false)],
  fixed: { spf: rules() },
} as const;

/** R3.4. */
export const tornEntry = mmRace({
  ...SHARED,
  name: 'mm/spf/torn-entry',
  wrong:
    'an entry of two words that was read without a lock is believed: it may be half of one and half of another',
  source: `${THREAD}; mm.md R3.4`,
  spec: WIDE,
  caughtBy: 'exception',
  says: 'O-PTEHIST',
  modules: history,
  // Who asks nothing unmaps nothing, either.
  except: ['O-KMAP'],
  broken: { spf: rules({ same: 'stub' }) },
});

/** R3.2. */
export const entryStaysMapped = mmRace({
  ...SHARED,
  name: 'mm/spf/entry-stays-mapped',
  wrong: 'the check that also unmaps the entry is compiled out',
  source: `${THREAD}: v7; mm.md R3.2`,
  caughtBy: 'check',
  says: 'O-KMAP',
  broken: { spf: 'v7' },
  fixed: { spf: 'v10' },
});

const readOnce: Act = ({ k }) => void k.user.userRead(mmAt(k), V);

/** R3.3. */
export const statusInverted = mmRace({
  ...SHARED,
  name: 'mm/spf/status-inverted',
  wrong: 'a status is taken the wrong way round: an entry that is the same counts as dealt with',
  source: `${THREAD}: Matthew Wilcox’s sketch; mm.md R3.3`,
  caughtBy: 'progress',
  actors: [readOnce, unmapAt(V)],
  broken: { spf: rules({ same: 'inverted' }) },
});

/** R3.3. */
export const statusEscapes = mmRace({
  ...SHARED,
  name: 'mm/spf/status-escapes',
  wrong: 'VM_FAULT_PTNOTSAME leaves the handler, whose callers do not know it',
  source: `${SPF}: Jérôme Glisse on v9; mm.md R3.3`,
  spec: WIDE,
  caughtBy: 'exception',
  says: 'O-RC',
  modules: asked,
  broken: { spf: rules({ hides: false }) },
});

/** R3.3. */
export const pageNotPut = mmRace({
  ...SHARED,
  name: 'mm/spf/page-not-put',
  wrong: 'a fault that finds the entry changed leaves with the page that it has from readahead',
  source: `${THREAD}: "if (page) put_page(page)"; mm.md R3.3`,
  spec: WIDE,
  caughtBy: 'check',
  says: 'O-REF',
  init: (context) => {
    swapped()(context);
    readAhead(context);
  },
  broken: { spf: rules({ readahead: true, puts: false }) },
  fixed: { spf: rules({ readahead: true }) },
});

/** The page is in the swap cache again. */
function readAhead({ k }: Parameters<Act>[0]): void {
  const page = k.swap.readSwapCache(1);
  if (k.pages.putTestzero(page)) k.lru.release(page);
}

/** R3.5. */
export const secondInstall = mmRace({
  ...SHARED,
  name: 'mm/spf/second-install',
  wrong: 'an entry is not looked at again before it is replaced',
  source: `${THREAD}; mm.md R3.5`,
  caughtBy: 'check',
  says: 'O-SWAPCNT',
  or: [{ caughtBy: 'exception', says: 'O-SWAPCNT' }],
  broken: { spf: rules({ late: false }) },
});

/** R3.5. */
export const loserKeepsPage = mmRace({
  ...SHARED,
  name: 'mm/spf/loser-keeps-page',
  wrong: 'who finds the entry replaced keeps his reference to the page',
  source: `${THREAD}; mm.md R3.5`,
  caughtBy: 'check',
  says: 'O-REF',
  broken: { spf: rules({ puts: false }) },
});

const stale = {
  spec: WIDE,
  regime: REGIME,
  init: swapped([N]),
  actors: [fault(V, false), unmapAt(V)],
};

/** Pages of the swap cache that nothing maps. */
function readForNobody({ pages, spec }: Kernel): number {
  let wasted = 0;
  for (let pfn = 1; pfn <= spec.frames; pfn += 1) {
    const page = pages.pageAt(pfn);
    if (pages.has(page, PG.swapcache.mask) && !pages.mapped(page)) wasted += 1;
  }
  return wasted;
}

/** R3.2. */
export const checkCompiledOut = mmControl({
  ...stale,
  spec: ANON,
  name: 'mm/spf/check-compiled-out',
  why: 'an entry that is old was there once, and is compared again before it is replaced: what comes of it is a page that was read in for nobody',
  source: `${THREAD}: v7; mm.md R3.2`,
  spf: 'v7',
  except: ['O-KMAP'],
  check: ({ k }) => {
    const wasted = readForNobody(k);
    return wasted > 1 ? `${wasted} pages are read in for nobody, by one fault` : undefined;
  },
});

/** R3.3. */
export const auxiliaryStatus = mmControl({
  ...stale,
  name: 'mm/spf/auxiliary-status',
  why: 'that the vma has changed is not looked at where the entry is asked about, but it is where the entry is locked',
  source: `${THREAD}: Laurent Dufour’s draft; mm.md R3.3`,
  spf: rules({ same: 'aux' }),
});
