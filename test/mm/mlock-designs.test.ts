/**
 * Each design for mlocked pages in the whole kernel, as `createKernel({ mlock })` makes it: one CPU draws faults, mlock, munlock, fork, exit, reclaim and swapoff, and after every operation every law holds, that of the
 * design among them; and CPUs that run free over those that are not broken leave every law intact. Those that are broken as the thread has them are found out: PG_locked by a CPU that waits for itself, PG_reserved by references that stay behind, the sketch by its count.
 */
import * as assert from 'uvu/assert';
import { torture } from '../../harness/torture/run.ts';
import type { Tortured } from '../../harness/torture/setup.ts';
import { summarize } from '../../harness/torture/summary.ts';
import type { Kernel } from '../../src/mm/index.ts';
import { type MlockName, MmMlockError, regimeByName, VM, Vma } from '../../src/mm/index.ts';
import { quiescent, takeCensus } from '../../src/mm/oracles/index.ts';
import { ptePresent } from '../../src/mm/pte.ts';
import * as mixes from '../fixtures/mm/mlock-mixes.ts';
import { CROWDED, churn, oneCpu } from '../fixtures/mm/workload.ts';
import { seed } from '../seed.ts';
import { inTurn, suite } from '../suite.ts';

const test = suite('mm: mlock designs in the kernel');
const OPERATIONS = 250;
const MIXES_URL = new URL('../fixtures/mm/mlock-mixes.js', import.meta.url).href;

/** Where each is tried, and what gives it away if it is broken. */
const PLACES: Readonly<Record<MlockName, readonly [regime: string, says?: RegExp]>> = {
  refile: ['L'],
  reserved: ['A4', /^O-/],
  'pg-locked': ['HU', /waits for itself|O-LOCKBAL/],
  bit: ['vma-ptl'],
  count: ['N03'],
  'off-lru': ['A4'],
  sketch: ['J2', /^O-/],
  'sketch-from-zero': ['AM'],
  'lru-count': ['V24'],
};

/** The first thing that is wrong. */
function wrong(k: Kernel): string | undefined {
  k.lru.drain();
  const census = takeCensus(k);
  const lockers = (page: number): number =>
    census
      .frameOf(page)!
      .entries.filter(({ vma }) => vma && (k.isa.read(vma.at + Vma.vm_flags) & VM.LOCKED) !== 0).length;
  return quiescent(k)[0] ?? k.mlock.validate(lockers);
}

/** What is found out in so many operations; undefined: nothing. */
function found(mlock: MlockName, regime: string, random: number): string | undefined {
  const { k } = oneCpu(CROWDED, () => ({ regime: regimeByName(regime)!, mlock }), random);
  const waits = (): never => {
    throw new Error('it waits for itself');
  };
  Object.assign(k.isa, { spinWhile: waits, wait: waits, spinBriefly: waits });
  try {
    churn(
      k,
      (below) => k.cpu.below(below),
      OPERATIONS,
      (what) => {
        const sentence = wrong(k) ?? (k.cpu.tracking.held().length > 0 ? 'locks are held' : undefined);
        if (sentence !== undefined) throw new Error(`${sentence}, after ${what}`);
      },
    );
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

for (const [name, [regime, says]] of Object.entries(PLACES) as [MlockName, (typeof PLACES)[MlockName]][])
  test(`${name}, under ${regime}: ${says ? 'it is found out' : 'every law holds after every operation'} (seed ${seed})`, () => {
    if (!says) return assert.is(found(name, regime, seed), undefined);
    const sentences = [0, 1, 2, 3].map((more) => found(name, regime, seed + more));
    assert.ok(
      sentences.some((sentence) => sentence !== undefined && says.test(sentence)),
      sentences.join('\n'),
    );
  });

/** Two address spaces lock a page of a file that is on its way to the list, and one unlocks it. @returns what O-MLOCK-STRONG says then, and when reclaim has met the page */
function lockedTwice(mlock: MlockName): readonly [said: number, marked: boolean, stays: boolean] {
  const { k } = oneCpu(CROWDED, () => ({ mlock }), seed);
  const file = k.pageCache.create(1);
  const mms = [k.mms.create(), k.mms.create()] as const;
  for (const mm of mms) {
    k.maps.mmap(mm, { address: 0x10000, length: 4096, flags: VM.READ | VM.SHARED, file });
    assert.is(k.maps.mlock(mm, 0x10000, 4096), 0);
  }
  k.lru.drain();
  assert.is(k.maps.munlock(mms[1], 0x10000, 4096), 0);
  assert.equal(quiescent(k), []);
  const strong = (): number => quiescent(k, { only: ['O-MLOCK-STRONG'] }).length;
  const said = strong();
  for (let round = 0; round < 4; round += 1) k.reclaim.balance(CROWDED.frames!);
  assert.equal(quiescent(k), []);
  return [said, strong() === 0, ptePresent(k.pgtable.read(k.pgtable.lookup(mms[0], 0x10000)))];
}

test('a count in lru is lost while the page is on its way to the list: reclaim meets the vma and marks the page again; exact designs keep the mark', () => {
  assert.equal(lockedTwice('lru-count'), [1, true, true]);
  for (const exact of ['bit', 'count', 'off-lru'] as const)
    assert.equal(lockedTwice(exact), [0, true, true], exact);
});

const MIXES = [mixes.refile, mixes.bit, mixes.count, mixes.offLru, mixes.lruCount];
const some = inTurn(test, 2);
for (const [at, mix] of MIXES.entries())
  some(`${mix.name}: two CPUs that run free leave every law intact (seed ${seed})`, async () => {
    const regime = ['L', 'A4', 'vma-ptl'][at % 3]!;
    const params = { seed, cpus: 2, rounds: 2, regime } as const;
    const result = await torture(mix as unknown as Tortured, { ...params }, { url: MIXES_URL });
    assert.is(result.verdict, 'success', summarize(result).join('\n'));
  });

test('a design that there is not is refused by name', () => {
  assert.throws(
    () => oneCpu(CROWDED, () => ({ mlock: 'bits' as MlockName })),
    (error: unknown) => error instanceof MmMlockError && /no mlock design 'bits'/.test(error.message),
  );
  assert.equal(
    MIXES.map(({ name }) => name),
    mixes.SOUND.map((name) => `mlocks-${name}`),
  );
});

test.run();
