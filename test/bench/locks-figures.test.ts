/** What sweeps say from figures, on figures that are given: settings, histograms, advice, comparison, pictures. */
import * as assert from 'uvu/assert';
import { advise } from '../../bench/locks/advice.ts';
import { compare, differencesOf } from '../../bench/locks/compare.ts';
import { measuredOf } from '../../bench/locks/figures.ts';
import { bar, boxPlot, sparkline } from '../../bench/locks/pictures.ts';
import { type Axes, baseOf, defaultCpus, duration, keyOf, settingsOf } from '../../bench/locks/settings.ts';
import {
  type Counted,
  countedOf,
  Histogram,
  percentile,
  timesOf,
  together,
} from '../../bench/locks/times.ts';
import { work } from '../../bench/locks/work.ts';
import type { Setting, SweepDocument, SweepPoint } from '../../harness/measure/schema.ts';
import { seed } from '../seed.ts';
import { suite } from '../suite.ts';

const test = suite('bench locks: figures');

const AXES: Axes = {
  cpus: [1, 2, 8],
  section: [100, 0, 1000],
  outside: [0],
  reads: [0],
  waiting: ['spin-then-park', 'spin'],
  locks: [1, 16],
};
const BASE = baseOf(AXES, 2);

test('one axis at a time is walked from the base, and the product on demand', () => {
  assert.equal(BASE, { cpus: 2, section: 100, outside: 0, reads: 0, waiting: 'spin-then-park', locks: 1 });
  const walks = settingsOf(AXES, BASE, false);
  assert.equal(walks[0], BASE);
  // The base, and of each axis what is not the base.
  assert.is(walks.length, 1 + 2 + 2 + 1 + 1);
  const changed = (setting: Setting): number =>
    Object.entries(setting).filter(([axis, value]) => BASE[axis as keyof Setting] !== value).length;
  assert.ok(walks.slice(1).every((setting) => changed(setting) === 1));
  const product = settingsOf(AXES, BASE, true);
  assert.is(product.length, 3 * 3 * 2 * 2);
  assert.is(new Set(product.map(keyOf)).size, product.length);
  assert.equal(defaultCpus(2), [1, 2, 4, 8]);
  assert.equal(defaultCpus(3), [1, 2, 3, 4, 6, 8, 12]);
});

test('a turn of work is a step of the generator that it is', () => {
  let x = 12345n;
  for (let turn = 0; turn < 1000; turn += 1) x = (x * 1664525n + 1013904223n) % 2n ** 32n;
  assert.is(work(12345, 1000) >>> 0, Number(x));
  assert.is(work(7, 0), 7);
});

test('percentiles of a histogram are those of the samples, to a bucket of 3 %', () => {
  console.log(`seed ${seed}`);
  let state = seed | 1;
  const random = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  const [first, second] = [new Histogram(), new Histogram()];
  const all: number[] = [];
  for (let sample = 0; sample < 20_000; sample += 1) {
    const time = Math.exp(random() * 25);
    all.push(time);
    (sample % 3 === 0 ? first : second).add(time);
  }
  all.sort((a, b) => a - b);
  const both = together([first.counted(), second.counted()]);
  assert.is(both.samples, all.length);
  assert.is(both.min, all[0]);
  assert.is(both.max, all.at(-1));
  for (const share of [0.01, 0.5, 0.9, 0.99, 0.999, 1]) {
    const due = all[Math.max(0, Math.ceil(share * all.length) - 1)]!;
    const found = percentile(both, share);
    assert.ok(Math.abs(found - due) <= Math.max(1, due / 32), `${share}: ${found}, due ${due}`);
  }
  const { buckets, total } = timesOf(both, 10);
  assert.is(
    buckets.reduce((sum, [, , count]) => sum + count, 0),
    all.length,
  );
  assert.ok(Math.abs(total / (10 * all.reduce((sum, each) => sum + each, 0)) - 1) < 1e-9);
  const again = countedOf(timesOf(both, 10));
  assert.equal(again.buckets, both.buckets);
});

test('an empty histogram is all zero, and a time below zero is zero', () => {
  const empty: Counted = together([new Histogram().counted()]);
  assert.equal(timesOf(empty, 1), {
    samples: 0,
    every: 1,
    min: 0,
    max: 0,
    mean: 0,
    p50: 0,
    p90: 0,
    p99: 0,
    p999: 0,
    total: 0,
    buckets: [],
  });
  const corrected = new Histogram();
  corrected.add(-20);
  assert.equal(corrected.counted(), { buckets: [0, 1], samples: 1, sum: 0, min: 0, max: 0 });
});

/** Seven forks of three windows around a rate, which differ by a share. */
function around(rate: number, share = 0.01): SweepPoint['throughput'] {
  return measuredOf(
    Array.from({ length: 7 }, (_, fork) =>
      [-1, 0, 1].map((window) => rate * (1 + share * (((fork * 5) % 7) / 3 - 1 + window / 10))),
    ),
  );
}

const point = (lock: string, rate: number, more: Partial<SweepPoint> = {}): SweepPoint => ({
  lock,
  ...BASE,
  throughput: around(rate),
  ...more,
});
const said = (points: readonly SweepPoint[]): string =>
  advise(points, BASE, 2)
    .map(({ text, evidence }) => `${text} [${evidence.join('; ')}]`)
    .join('\n');

test('advice: who does most is named with its lead, and who cannot be told apart together', () => {
  assert.match(
    said([point('slow', 1e6), point('fast', 2e6), point('middle', 1.5e6)]),
    /^2 CPUs, section 100 ns.*: fast does most \[fast 2\.00 M\/s; 1\.33 × \(.*\) the next, middle\]$/,
  );
  const tied = {
    throughput: measuredOf(Array.from({ length: 7 }, (_, fork) => [1e6 * (1 + (fork % 2 ? 0.02 : -0.02))])),
  };
  const other = {
    throughput: measuredOf(Array.from({ length: 7 }, (_, fork) => [1e6 * (1 + (fork % 2 ? -0.02 : 0.02))])),
  };
  assert.match(
    said([point('a', 0, tied), point('b', 0, other), point('c', 5e5)]),
    /[ab] and [ab] do most, and noise hides which/,
  );
  assert.match(
    said([point('a', 0, tied), point('b', 0, other)]),
    /noise hides which of [ab] and [ab] does most/,
  );
});

test('advice: nothing is said from points that are noisy, stalled or broken', () => {
  const noisy = point('fast', 2e6, { noisy: 'forks differ by 40.0 % (at most 10 %)' });
  const text = said([point('slow', 1e6), noisy, point('middle', 1.5e6)]);
  assert.match(text, /middle does most/);
  assert.not.match(text, /fast/);
  assert.match(text, /nothing is said from 1 of 3 points/);
  const stuck = said([point('a', 1e6), point('b', 2e6), point('s', 3e6, { stalled: 'deadlock, proven' })]);
  assert.match(stuck, /s does not always come to an end: lockrig torture s says why \[.*deadlock, proven\]/);
  assert.match(stuck, /b does most/);
  const { throughput: _none, ...without } = point('x', 1);
  assert.match(
    said([{ ...without, skipped: "'x' let two CPUs in", violation: true }]),
    /x is no lock: it has no figures/,
  );
});

test('advice: a cliff, an unfair lock and the shortest wait are told with their figures', () => {
  const crowd = { cpus: 8 };
  const fairness = (shares: number[], jain: number): Partial<SweepPoint> => ({
    fairness: {
      shares,
      ratio: shares[0]! / shares[1]!,
      jain,
      byFork: measuredOf(Array.from({ length: 7 }, () => [jain])),
    },
  });
  const p99 = (value: number): Partial<SweepPoint> => ({ p99: around(value)! });
  const text = said([
    point('steep', 2e6, { ...fairness([5, 5], 1), ...p99(500) }),
    point('flat', 1e6, { ...fairness([9, 1], 0.61), ...p99(9000) }),
    point('steep', 1e5, crowd),
    point('flat', 9.9e5, crowd),
  ]);
  assert.match(text, /8 CPUs on 2 cores: steep falls off a cliff.*\[steep 0\.050/);
  assert.match(text, /8 CPUs on 2 cores: flat keeps what it does with 2 \[flat 0\.99/);
  assert.match(
    text,
    /flat starves some CPUs; steep shares evenly \[flat: Jain's index 0\.610, greatest share by least 9\.00/,
  );
  assert.match(
    text,
    /one wait in a hundred is shortest with steep \[p99 of steep 500 ns; next: flat 9.*us\]/,
  );
  assert.match(text, /with 8 CPUs: flat does most \[flat 990 k\/s; 9\.90 ×.*the next, steep\]/);
});

const document = (points: readonly SweepPoint[], more: Partial<SweepDocument> = {}): SweepDocument => ({
  schemaVersion: 1,
  command: 'bench locks',
  complete: true,
  environment: {
    node: '22.0.0',
    v8: '12',
    cpu: 'one',
    cores: 2,
    arch: 'x64',
    platform: 'linux',
    flags: [],
    argv: [],
  },
  options: { axes: AXES, forks: 7 },
  locks: [],
  peers: [],
  absent: [],
  points,
  advice: [],
  noise: '',
  ...more,
});
const verdicts = (now: readonly SweepPoint[], then: readonly SweepPoint[]): string[] =>
  compare(document(now), document(then), 0.05, []).rows.map(({ verdict }) => verdict);

test('worse is what is worse by more than the threshold and outside of the noise', () => {
  assert.equal(verdicts([point('a', 1e6)], [point('a', 1.03e6)]), ['same']);
  assert.equal(verdicts([point('a', 1e6)], [point('a', 1.2e6)]), ['worse']);
  assert.equal(verdicts([point('a', 1.2e6)], [point('a', 1e6)]), ['better']);
  const wide = { throughput: around(1e6, 0.3)! };
  assert.equal(verdicts([point('a', 0, wide)], [point('a', 1.2e6)]), ['unclear']);
  const idle = {
    throughput: measuredOf([
      [0, 0],
      [0, 1e6],
    ]),
  };
  const [none] = compare(document([point('a', 1e6)]), document([point('a', 0, idle)]), 0.05, []).rows;
  assert.equal([none?.verdict, none?.ratio], ['unclear', undefined]);
  // A wait that became longer is worse.
  const waits = (p99: number): Partial<SweepPoint> => ({ p99: around(p99)! });
  assert.equal(verdicts([point('a', 1e6, waits(900))], [point('a', 1e6, waits(300))]), ['same', 'worse']);
  const { throughput: _none, ...without } = point('a', 1);
  const [row] = compare(
    document([{ ...without, stalled: 'deadlock' }]),
    document([point('a', 1e6)]),
    0.05,
    [],
  ).rows;
  assert.is(row?.verdict, 'worse');
  assert.is(row?.why, 'deadlock');
});

test('what only one of two runs has is counted; forced is marked on every figure', () => {
  const compared = compare(
    document([point('a', 1e6), point('new', 1e6)]),
    document([point('a', 1e6), point('old', 1e6)], { complete: false }),
    0.05,
    ['Node "22" now, "20" then'],
  );
  assert.equal(compared.missing, { now: 1, before: 1 });
  assert.is(compared.partial, true);
  assert.ok(compared.rows.length === 1 && compared.rows.every(({ forced }) => forced === true));
});

test('runs of other machines, versions of Node or options are not comparable, and it says which', () => {
  const now = document([]);
  assert.equal(differencesOf(now, document([])), []);
  const other = (environment: Partial<SweepDocument['environment']>): SweepDocument =>
    document([], { environment: { ...now.environment, ...environment } });
  assert.equal(differencesOf(now, other({ node: '20.1.0' })), ['Node "22.0.0" now, "20.1.0" then']);
  assert.match(differencesOf(now, other({ cpu: 'two' })).join(), /^processor/);
  assert.match(differencesOf(now, other({ cores: 4 })).join(), /^cores/);
  assert.match(differencesOf(now, other({ flags: ['--jitless'] })).join(), /^flags of Node/);
  assert.match(
    differencesOf(now, document([], { options: { axes: AXES, forks: 3 } })).join(),
    /^option forks 7 now, 3 then/,
  );
  // What was run is not how it was run.
  assert.equal(differencesOf(now, other({ argv: ['bench', 'locks'] })), []);
});

test('pictures: shapes of known figures', () => {
  assert.is(sparkline([0, 1, 2, 4, 8]), '▁▁▂▄█');
  assert.is(sparkline([undefined, 5]), '·█');
  assert.is(sparkline([0, 0]), '▁▁');
  const box = { least: 0, low: 2, median: 5, high: 8, greatest: 10 };
  assert.is(boxPlot(box, 0, 10, 11), '├─▒▒▒┃▒▒▒─┤');
  assert.is(boxPlot({ ...box, greatest: 9 }, 0, 10, 11), '├─▒▒▒┃▒▒▒┤');
  assert.is(
    boxPlot({ least: 1, low: 10, median: 100, high: 1000, greatest: 10_000 }, 1, 10_000, 9, true),
    '├─▒▒┃▒▒─┤',
  );
  assert.is(bar(1, 4), '████');
  assert.is(bar(0.5, 4), '██');
  assert.is(bar(0.03, 4), '▏');
  assert.is(duration(1500), '1.5 us');
  assert.is(duration(99.6), '100 ns');
});

test.run();
