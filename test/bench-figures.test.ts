/**
 * What the benchmark says follows from its samples: ratios, spreads and refusals, the order of turns, the
 * verdicts of the bars.
 */
import * as assert from 'uvu/assert';
import { type Bar, bars, hold, holdAll } from '../bench/bars.ts';
import { THREE, TOGETHER } from '../bench/gated-modes.ts';
import { HUNTED } from '../bench/hunted.ts';
import { MM_ROWS } from '../bench/mm/index.ts';
import { caseName, formsOf } from '../bench/rounds.ts';
import type { Row } from '../bench/section.ts';
import { STAT_ROWS } from '../bench/stat.ts';
import {
  exactly,
  jain,
  longestSilence,
  quantile,
  ratesOf,
  ratioOf,
  seriesOf,
  tells,
} from '../bench/stats.ts';
import { barsTable, noise, ratio } from '../bench/table.ts';
import { TRACED_MODES } from '../bench/traced.ts';
import { CONTENDED, LOOPS } from '../bench/traced-cpu.ts';
import { takeTurns } from '../bench/turns.ts';
import { locks } from '../src/locks.ts';
import { suite } from './suite.ts';

const failure = (promise: Promise<unknown>): Promise<Error | undefined> =>
  promise.then(
    () => undefined,
    (thrown: Error) => thrown,
  );

const statistics = suite('bench statistics');

statistics('quantiles lie between samples in proportion, also beside infinite ones', () => {
  assert.is(quantile([3, 1, 2], 0.5), 2);
  assert.is(quantile([1, 2], 0.5), 1.5);
  assert.is(
    quantile([1, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY], 0.75),
    Number.POSITIVE_INFINITY,
  );
  assert.ok(Number.isNaN(quantile([], 0.5)));
  assert.equal(ratesOf([50, Number.POSITIVE_INFINITY]), [2e7, 0]);
});

statistics('a ratio is that of pairs: what slows both down at once does not show', () => {
  const steady = ratioOf([20, 40, 20, 80], [10, 20, 10, 40]);
  assert.equal(steady, { value: 2, low: 2, high: 2 });
  assert.equal(ratioOf([1, 0, 6], [1, 0, 2]).value, 2, 'a pair of zeroes says nothing');
});

statistics('a difference inside the spread is none', () => {
  assert.ok(tells({ value: 1.2, low: 1.1, high: 1.3 }, 1));
  assert.ok(tells({ value: 0.8, low: 0.7, high: 0.9 }, 1));
  assert.not.ok(tells({ value: 1.2, low: 0.9, high: 1.5 }, 1));
  assert.is(ratio({ value: 1.02, low: 0.95, high: 1.1 }), '≈ 1');
  assert.is(ratio({ value: 1.2, low: 0.9, high: 1.5 }), '?');
  assert.is(ratio({ value: 1.2, low: 1.1, high: 1.5 }), '1.20 ×');
});

statistics("Jain's index is 1 for equal shares and 1/n when one has all", () => {
  assert.is(jain([5, 5, 5, 5]), 1);
  assert.is(jain([8, 0, 0, 0]), 0.25);
});

statistics('silence is the longest time in which one count stands still, the end of the run included', () => {
  const times = [0, 100, 200, 300, 400];
  const steady = [1, 2, 3, 4, 5];
  const looks = (other: number[]): number[][] => steady.map((count, at) => [count, other[at]!]);
  assert.is(longestSilence(times, looks(steady)), 100);
  assert.is(longestSilence(times, looks([0, 1, 1, 1, 2])), 300);
  assert.is(longestSilence(times, looks([0, 0, 0, 0, 0])), 400, 'never');
  assert.is(longestSilence(times, looks([0, 1, 1, 1, 1])), 300, 'not any more');
});

statistics.run();

const turns = suite('bench turns');

turns('contestants go in turn, one at a time, and their samples stay in order', async () => {
  const log: string[] = [];
  let running = 0;
  const contestant = (name: string, nanoseconds: number) => ({
    name,
    async block() {
      assert.is(running, 0, 'alone');
      running += 1;
      log.push(name);
      await new Promise((resolve) => setTimeout(resolve, name === 'a' ? 3 : 1));
      running -= 1;
      return nanoseconds - log.length;
    },
  });
  const samples = await takeTurns([contestant('a', 100), contestant('b', 200)], 3);
  assert.is(log.join(''), 'ababab');
  assert.equal(samples.get('a'), [99, 97, 95]);
  assert.equal(samples.get('b'), [198, 196, 194]);
});

turns('what a block throws is thrown, and nobody runs after it', async () => {
  let after = 0;
  const fails = {
    name: 'fails',
    block: (): Promise<number> => Promise.reject(new Error('a lock that throws')),
  };
  const other = {
    name: 'other',
    async block(): Promise<number> {
      after += 1;
      return 1;
    },
  };
  const error = await failure(takeTurns([fails, other], 3));
  assert.is(error?.message, 'a lock that throws');
  assert.is(after, 0);
});

turns('an aborted run ends before its next block', async () => {
  const controller = new AbortController();
  let blocks = 0;
  const once = {
    name: 'once',
    async block(): Promise<number> {
      blocks += 1;
      controller.abort(new Error('enough'));
      return 1;
    },
  };
  const error = await failure(takeTurns([once], 3, controller.signal));
  assert.is(error?.message, 'enough');
  assert.is(blocks, 1);
});

turns.run();

const verdicts = suite('bench bars');

const row = (name: string, figures: Row['figures'], more: Partial<Row> = {}): Row => ({
  name,
  judged: true,
  fifo: false,
  parties: {},
  figures,
  ...more,
});
const between = (low: number, value: number, high: number) => ({ value, low, high });
const most: Bar = { section: 's', text: 't', figure: 'f', rows: 'all', most: 2, unit: '×' };
const least: Bar = { section: 's', text: 't', figure: 'f', rows: 'fifo', least: 2, unit: '×' };

verdicts('a figure passes or misses by its value, either way', () => {
  const verdict = (bar: Bar, value: number) => hold(bar, row('x', { f: exactly(value) })).verdict;
  assert.equal(
    [1.9, 2, 2.1].map((value) => verdict(most, value)),
    ['pass', 'pass', 'MISS'],
  );
  assert.equal(
    [1.9, 2, 2.1].map((value) => verdict(least, value)),
    ['MISS', 'pass', 'pass'],
  );
  assert.is(verdict(least, Number.NaN), 'MISS');
});

verdicts('a figure nearer to the bar than its spread is marked', () => {
  assert.ok(hold(most, row('x', { f: between(1.5, 1.9, 2.2) })).close);
  assert.not.ok(hold(most, row('x', { f: between(1.5, 1.7, 1.9) })).close);
  assert.not.ok(hold(most, row('x', { f: exactly(2) })).close);
  assert.match(barsTable([hold(most, row('x', { f: between(1.5, 1.9, 2.2) }))]), /too close to call/);
});

verdicts('a bar is about the rows that it names, and about no users’ lock', () => {
  const rows = [
    row('a', { f: exactly(1) }),
    row('b', { f: exactly(3) }, { fifo: true }),
    row('mine', { f: exactly(1) }, { judged: false, fifo: true }),
  ];
  const held = (bar: Bar) => holdAll({ s: rows }, undefined, [bar]).map((each) => each.row);
  assert.equal(held(most), ['a', 'b']);
  assert.equal(held(least), ['b']);
  assert.equal(held({ ...most, rows: ['a', 'elsewhere'] }), ['a']);
  assert.equal(holdAll({}, undefined, [most]), [], 'a section that was not run');
});

verdicts('a lock that could not be measured misses, one without a partner is skipped', () => {
  assert.is(hold(most, row('x', {}, { problem: 'it threw' })).verdict, 'MISS');
  const native = { ...most, figure: 'lockrig / C release' };
  assert.is(hold(native, row('x', {}), 'no compiler').verdict, 'skipped');
  assert.is(hold(native, row('x', {}), 'no compiler').why, 'no compiler');
  assert.is(hold(most, row('x', {}, { missing: { f: 'too short' } }), 'no compiler').why, 'too short');
});

verdicts('every bar names figures and locks that exist', () => {
  const named = locks.flatMap((lock) =>
    (['alone', 'together'] as const).flatMap((where) =>
      formsOf(lock.kind, where).map((form) => caseName(lock, form)),
    ),
  );
  const published = 'mutex by multithreading/mutex';
  const gated = [...TOGETHER.map(({ name }) => name), `${THREE.name}, pinned`, `${THREE.name}, not pinned`];
  const traced = LOOPS.flatMap((loop) => TRACED_MODES.map((mode) => `${loop}: ${mode}`));
  const known = new Set([
    ...named,
    published,
    ...['SB plain', 'SB once', 'SB seqcst'],
    ...gated,
    ...traced,
    ...CONTENDED.map((loop) => `${loop}: races`),
    ...Object.values(HUNTED),
    ...MM_ROWS,
    ...STAT_ROWS,
  ]);
  for (const { rows, figure, most: high, least: low } of bars) {
    if (typeof rows === 'object') for (const name of rows) assert.ok(known.has(name), name);
    assert.ok(figure.length > 0);
    assert.ok((high === undefined) !== (low === undefined) || high === low, 'one limit, or one value');
  }
});

verdicts('the noise is that of the blocks', () => {
  const parties = { wasm: seriesOf('ns', [10, 10, 10, 10]), pthread_mutex: seriesOf('ns', [10, 20, 30, 40]) };
  const text = noise({ uncontended: [row('tas', {}, { parties })] });
  assert.match(text, /at most by 96 % \(tas, pthread_mutex, uncontended\)/);
  assert.is(noise({}), '');
});

verdicts.run();
