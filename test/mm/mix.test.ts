/**
 * CPUs that run free over the whole model leave every law intact at each check; a module that forgets something is found out at the next one. What the draw is made of is stated, counted, and
 * refused by the nearest names when there is no such thing.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { findSubjects } from '../../harness/cli/subjects.ts';
import { hunt } from '../../harness/index.ts';
import { ParameterError, type TortureParams } from '../../harness/torture/params.ts';
import type { TortureResult } from '../../harness/torture/result.ts';
import { torture } from '../../harness/torture/run.ts';
import type { Tortured } from '../../harness/torture/setup.ts';
import { summarize } from '../../harness/torture/summary.ts';
import { settled } from '../../harness/torture/workload.ts';
import { loadWorkload, workloadNames } from '../../src/catalog.ts';
import { defineMmWorkload } from '../../src/mm/index.ts';
import { defineWorkload } from '../../src/workload.ts';
import {
  deletesIsolated,
  forgetsFlush,
  forgetsReference,
  forgetsRss,
  lawful,
  regathersNot,
  unmapsNot,
} from '../fixtures/mm/mixes.ts';
import { seed } from '../seed.ts';
import { inTurn, suite } from '../suite.ts';

const test = suite('mm: mixes');
const FIXTURES = new URL('../fixtures/mm/mixes.js', import.meta.url).href;

const said = (result: TortureResult): string => summarize(result).join('\n');
const ran = (workload: unknown, params: Partial<TortureParams>, url?: string): Promise<TortureResult> =>
  torture(workload as Tortured, { seed, ...params }, url === undefined ? {} : { url });

// Of those without an unsafe cell in the table of regimes; without stacks A4 has none.
const formsOf = (name: string): readonly string[] =>
  name === 'mm/anon-vma'
    ? ['A4']
    : name === 'mm/spf'
      ? ['v11', 'v10', 'v5', 'rcu', 'per-vma-lock', 'off']
      : name === 'mm/cross'
        ? ['v11', 'per-vma-lock', 'off']
        : ['L', 'AM'];

// Most of the time goes into starting CPUs, so they take turns.
const some = inTurn(test, 2);
for (const name of workloadNames)
  for (const regime of formsOf(name)) {
    some(`${name}: every law holds under ${regime} (seed ${seed})`, async () => {
      // As many as it takes to come to every operation.
      const rounds = name === 'mm/spf' || name === 'mm/cross' ? 5 : 3;
      const result = await ran(await loadWorkload(name), { rounds, regime });
      assert.is(result.verdict, 'success', said(result));
      assert.is(result.rounds, rounds);
      const done = result.operations!.reduce((sum, each) => sum + each.done, 0);
      assert.is(done, result.acquisitions);
      for (const { name: operation, done: times, vain } of result.operations!)
        assert.ok(times > 0 && vain <= times, `${operation}: ${times}, ${vain} of them in vain`);
    });
  }

test(`mm/spf: faults are served without mmap_sem, by entries of one word and of two, and the end of a run says how many (seed ${seed})`, async () => {
  for (const pteWords of [1, 2]) {
    const result = await ran(await loadWorkload('mm/spf'), { rounds: 3, regime: 'v10', sizes: { pteWords } });
    assert.is(result.verdict, 'success', said(result));
    const [note = ''] = result.notes;
    const [, attempts, successes] =
      /^(\d+) faults were tried without mmap_sem, (\d+) served so/.exec(note) ?? [];
    assert.ok(Number(successes) > 0 && Number(successes) <= Number(attempts), note);
    assert.ok(said(result).includes(`Note:  ${note}`), said(result));
  }
  const { notes } = await ran(await loadWorkload('mm/spf'), { rounds: 1, regime: 'off' });
  assert.equal(notes, []);
});

const broken = inTurn(test, 2);
for (const [workload, oracle] of [
  [forgetsRss, /O-RSS/],
  [forgetsReference, /O-REF/],
  [forgetsFlush, /O-TLB/],
  [regathersNot, /O-RSS/],
  [unmapsNot, /O-KMAP/],
  // What a list says that is damaged.
  [deletesIsolated, /on no list/],
] as const)
  broken(
    `${workload.name} is found out by ${oracle.source}, and the run ends there (seed ${seed})`,
    async () => {
      // The first to tell may be who has come upon the damage: each run fails, and one of a few by that oracle.
      for (let run = 0; run < 5; run += 1) {
        const result = await ran(workload, { rounds: 20, seed: seed + run }, FIXTURES);
        assert.is(result.verdict, 'failure', said(result));
        assert.ok(result.rounds < 20, said(result));
        const sentences = [...(result.outcomes?.failures ?? []), result.exception?.message ?? ''];
        if (sentences.some((sentence) => oracle.test(sentence))) return;
      }
      assert.unreachable(`5 runs have failed, and none by ${oracle.source}`);
    },
  );

test('one CPU and one seed draw the same, another seed something else', async () => {
  const counts = async (from: number): Promise<string> => {
    const { operations, verdict } = await ran(await loadWorkload('mm/objrmap'), {
      cpus: 1,
      rounds: 1,
      seed: from,
    });
    assert.is(verdict, 'success');
    return JSON.stringify(operations);
  };
  const once = await counts(seed);
  assert.is(await counts(seed), once);
  assert.is.not(await counts(seed + 1), once);
});

test("a law of one's own is asked at each rest", async () => {
  const { verdict, outcomes } = await ran(lawful, { rounds: 3 }, FIXTURES);
  assert.is(verdict, 'failure');
  assert.equal(outcomes?.failures, ['mine: the first rest is wrong']);
});

test('weights are heeded, and nothing else is drawn', async () => {
  const mix = (await loadWorkload('mm/objrmap'))!;
  const weights = Object.fromEntries(
    Object.keys(mix.operations).map((name) => [name, name === 'fault' ? 1 : 0]),
  );
  const { operations } = await ran(mix, { cpus: 1, rounds: 1, weights });
  for (const { name, done } of operations!) assert.is(done > 0, name === 'fault', name);
});

test('what there is not is refused, with the nearest names', async () => {
  const mix = (await loadWorkload('mm/all'))!;
  const refused: [Partial<TortureParams>, RegExp][] = [
    [{ regime: 'vma_ptl' }, /no regime 'vma_ptl'; the nearest are vma-ptl/],
    [{ weights: { falt: 3 } }, /no operation 'falt'; the nearest are fault/],
    [{ weights: { fault: -1 } }, /weight of fault/],
    [{ sizes: { frame: 64 } }, /no size 'frame'; the nearest are frames/],
    [{ sizes: { frames: 3 } }, /frames is a whole number from 48/],
    [
      { weights: Object.fromEntries(Object.keys(mix.operations).map((name) => [name, 0])) },
      /nothing would be done/,
    ],
  ];
  for (const [given, sentence] of refused)
    assert.throws(
      () => settled(mix, given),
      (error: unknown) => error instanceof ParameterError && sentence.test(error.message),
      String(sentence),
    );
  await hunt(mix).then(
    () => assert.unreachable(),
    (error: Error) => assert.match(error.message, /only run free/),
  );
  const main = fileURLToPath(new URL('../../harness/cli/main.js', import.meta.url));
  const { status, stderr } = spawnSync(process.execPath, [main, 'torture', 'mm/objmap'], {
    encoding: 'utf8',
  });
  assert.is(status, 2);
  assert.match(stderr, /mm\/objrmap/);
});

test('a glob of a torture stands for workloads, too', async () => {
  assert.equal(
    (await findSubjects(['mm/*'], { workloads: true })).map(({ lock }) => lock.name),
    [...workloadNames],
  );
  assert.ok((await findSubjects(['*'], { workloads: true })).every(({ lock }) => lock.definition === 'lock'));
});

test('a workload that makes no sense is refused where it is defined', () => {
  const sound = { name: 'mine', state: 64, operations: { a: { weight: 1, run() {} } }, rest() {} };
  defineWorkload(sound);
  const wrong: [object, RegExp][] = [
    [{ name: '' }, /needs a name/],
    [{ operations: {} }, /no operations/],
    [{ operations: { a: { weight: 0.5, run() {} } } }, /weight 0.5/],
    [{ operations: { a: { weight: 0, run() {} } } }, /draws nothing/],
    [{ operations: { a: { weight: 1, async run() {} } } }, /async/],
    [{ rest: undefined }, /judges nothing/],
    [{ state: 0 }, /no state/],
    [{ regimes: 5 }, /else than a list of names for regimes/],
    [{ sizes: { a: { value: 5, least: 6, most: 7 } } }, /size 'a'/],
  ];
  for (const [part, sentence] of wrong)
    assert.throws(() => defineWorkload({ ...sound, ...part } as never), sentence, String(sentence));
  for (const define of [defineWorkload, defineMmWorkload] as readonly ((given: never) => unknown)[])
    assert.throws(() => define(undefined as never), new RegExp(`needs a name: ${define.name}`), define.name);
  assert.throws(() => defineMmWorkload({ name: 'mine' } as never), /no operations: operations: T0 is/);
});

test.run();
