/**
 * The litmus runner itself: its tests mean what their names say, its counts add up, and it says what it
 * cannot run.
 */
import * as assert from 'uvu/assert';
import { type LitmusOptions, type LitmusResult, printLitmus, runLitmus } from '../../bench/litmus.ts';
import {
  bindRecipe,
  finalBits,
  type LitmusName,
  type LitmusTest,
  litmusTests,
  outcomeName,
  type Recipe,
  recipes,
} from '../../bench/litmus-tests.ts';
import type { Isa } from '../../src/arch/index.ts';
import { suite } from '../suite.ts';

const X = 64;
const Y = 128;
const BASE = 10;

interface Step {
  readonly addr: number;
  /** Undefined: a read. */
  readonly value?: number;
}

/** Runs one actor on a memory that records its accesses and answers its reads from a list. */
function play(test: LitmusTest, recipe: Recipe, cpu: 0 | 1, reads: readonly number[]) {
  const steps: Step[] = [];
  let at = 0;
  const read = (addr: number): number => {
    steps.push({ addr });
    return reads[at++] ?? 0;
  };
  const write = (addr: number, value: number): void => {
    steps.push({ addr, value });
  };
  const none = (): void => {};
  const barriers = { mb: none, rmb: none, wmb: none };
  const isa = {
    read,
    readOnce: read,
    load: read,
    loadAcquire: read,
    write,
    writeOnce: write,
    store: write,
    ...barriers,
  };
  const bound = bindRecipe({ ...isa, storeRelease: write } as unknown as Isa, recipe, 0);
  return { steps, registers: test.bind(bound)[cpu](X, Y, BASE) };
}

/** Every outcome of the interleavings of two accesses a CPU. */
function interleavings(test: LitmusTest, recipe: Recipe): Set<string> {
  const scripts = [play(test, recipe, 0, []).steps, play(test, recipe, 1, []).steps] as const;
  const total = scripts[0].length + scripts[1].length;
  const outcomes = new Set<string>();
  for (let choice = 0; choice < 2 ** total; choice += 1) {
    const memory = new Map([
      [X, BASE],
      [Y, BASE],
    ]);
    const reads: [number[], number[]] = [[], []];
    const next = [0, 0];
    for (let turn = 0; turn < total; turn += 1) {
      const cpu = ((choice >> turn) & 1) as 0 | 1;
      const step = scripts[cpu][next[cpu]!];
      next[cpu]! += 1;
      if (step === undefined) break;
      if (step.value === undefined) reads[cpu].push(memory.get(step.addr)!);
      else memory.set(step.addr, step.value);
    }
    if (next[0] !== scripts[0].length || next[1] !== scripts[1].length) continue;
    const [p, q] = [play(test, recipe, 0, reads[0]).registers, play(test, recipe, 1, reads[1]).registers];
    outcomes.add(outcomeName(test, (p << 2) | q | finalBits(test, memory.get(X)!, memory.get(Y)!, BASE)));
  }
  return outcomes;
}

const test = suite('litmus tests');

for (const name of Object.keys(litmusTests) as LitmusName[]) {
  test(`the weak outcome of ${name} is the one that no interleaving gives`, () => {
    const one: LitmusTest = litmusTests[name];
    for (const recipe of [recipes.plain, recipes.once, recipes.relacq, recipes.seqcst, recipes['once+mb']]) {
      const outcomes = interleavings(one, recipe);
      assert.is(outcomes.size, 3, [...outcomes].join(' | '));
      assert.not.ok(outcomes.has(one.weak), [...outcomes].join(' | '));
    }
  });
}

test('a final write that is nowhere to be found is an outcome of its own', () => {
  assert.match(
    outcomeName(litmusTests['2+2W'], finalBits(litmusTests['2+2W'], BASE, BASE + 2, BASE)),
    'lost',
  );
});

test.run();

const runs = suite('litmus runner');
const quick = { test: 'SB', access: 'seqcst', instances: 50_000 } as const;
const sum = ({ outcomes }: LitmusResult): number => Object.values(outcomes).reduce((a, b) => a + b, 0);

runs('every instance has one outcome, in every layout', async () => {
  for (const layout of [
    'pairs',
    'packed',
    'long',
    'line',
    'lines',
    'arrays',
    { stride: 12, y: 4, batch: 96 },
  ] as const) {
    const result = await runLitmus({ ...quick, layout });
    assert.ok(result.instances >= quick.instances);
    assert.is(sum(result), result.instances);
    assert.is(result.weak, 0);
    for (const outcome of Object.keys(result.outcomes)) assert.match(outcome, /^0:a=[01]; 1:a=[01];$/);
    assert.ok(result.perSecond > 0 && Number.isFinite(result.perSecond));
    assert.ok(result.peakPerSecond > 0 && Number.isFinite(result.peakPerSecond));
  }
});

runs('takes a recipe that is spelled out, and an engine for each CPU', async () => {
  const access: Recipe = {
    data: { write: 'write', read: 'read' },
    sync: { write: 'exchangeRelease', read: 'fetchAddAcquire' },
    fence: { ww: 'wmb' },
  };
  const result = await runLitmus({ test: 'MP', access, instances: 20_000, engine: ['wasm', 'atomics'] });
  assert.is(result.engine, 'wasm+atomics');
  assert.is(sum(result), result.instances);
  assert.is(result.outcomes['1:a=1; 1:b=0;'], undefined);
});

runs('prints what litmus7 prints', async () => {
  const result = await runLitmus(quick);
  const lines = printLitmus([result]).split('\n');
  assert.ok(lines.includes(`Histogram (${Object.keys(result.outcomes).length} states)`));
  assert.ok(lines.includes(`Positive: 0, Negative: ${result.instances}`));
  assert.ok(lines.includes(`Observation SB Never 0 ${result.instances}`));
  const counted = lines
    .flatMap((line) => /^(\d+) +:>/.exec(line)?.[1] ?? [])
    .reduce((a, b) => a + Number(b), 0);
  assert.is(counted, result.instances);

  const outcomes = { '0:a=0; 1:a=0;': 40, '0:a=0; 1:a=1;': 999_960 };
  const weak = { ...result, instances: 1_000_000, outcomes, weak: 40, weakShare: 4e-5 };
  assert.match(printLitmus([weak]), /^40 +\*>0:a=0; 1:a=0;$/m);
  assert.match(printLitmus([weak]), /^Observation SB Sometimes 40 999960$/m);
});

const refusals: readonly [string, Partial<Record<keyof LitmusOptions, unknown>>, RegExp][] = [
  ['a test', { test: 'SP' }, /no litmus test 'SP'.*SB, MP/],
  ['a name that every object has', { test: 'toString' }, /no litmus test 'toString'/],
  ['an access', { access: 'atomic' }, /no access 'atomic'.*plain, once/],
  ['a layout', { layout: 'loose' }, /no layout 'loose'.*packed/],
  ['a stride', { layout: { stride: 6, y: 4, batch: 32 } }, /stride .* not 6/],
  ['an offset', { layout: { stride: 8, y: 8, batch: 32 } }, /below the stride 8, not 8/],
  ['a batch', { layout: { stride: 8, y: 4, batch: 100 } }, /multiple of 32 instances, not 100/],
  ['a number', { instances: 0 }, /1 to 10\^12 instances, not 0/],
];
for (const [what, wrong, message] of refusals) {
  runs(`refuses ${what} that cannot be: ${JSON.stringify(wrong)}`, async () => {
    const error = await runLitmus({ ...quick, ...wrong } as LitmusOptions).catch((thrown: unknown) => thrown);
    assert.instance(error, RangeError);
    assert.match((error as Error).message, message);
  });
}

runs.run();
