/** Locks whose figures are known by construction, swept by the real program: what it counted is what was planted, and what cannot be measured is told. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import type { SweepDocument, SweepPoint } from '../../harness/measure/schema.ts';
import { type Ended, folder, lockrig, said, start } from '../fixtures/torture/cli.ts';
import { root } from '../project.ts';
import { inTurn, suite } from '../suite.ts';

const test = suite('bench locks: planted');
/** Each of these starts processes, and says little that the others do not. */
const some = inTurn(test, 2);
const box = folder();
const planted = (name: string): string => `${join(root, 'test/fixtures/bench/planted.ts')}#${name}`;
const read = (file: string): SweepDocument => JSON.parse(readFileSync(file, 'utf8')) as SweepDocument;

/** Everything at one value, so that a test measures little. */
const SMALL = ['--quick', '--outside', '0', '--waiting', 'spin-then-park', '--locks', '1'];

async function swept(
  name: string,
  args: readonly string[],
): Promise<{ ended: Ended; document: SweepDocument }> {
  const file = join(box.path, `${name}.json`);
  const ended = await lockrig(['bench', 'locks', ...args, ...SMALL, '--json', file]);
  return { ended, document: read(file) };
}

const of = ({ points }: SweepDocument, lock: string, more: Partial<SweepPoint> = {}): SweepPoint[] =>
  points.filter(
    (point) =>
      point.lock === lock &&
      Object.entries(more).every(([axis, value]) => point[axis as keyof SweepPoint] === value),
  );

test(
  'an unfair lock: one CPU of two has three of four sections, and the other the rest',
  async () => {
    const { ended, document } = await swept('unfair', [
      planted('unfair'),
      ...['--cpus', '2', '--section', '5us', '--forks', '2'],
    ]);
    assert.is(ended.code, 0, said(ended));
    const [point] = of(document, 'unfair') as [SweepPoint];
    const { shares, jain, ratio } = point.fairness!;
    const all = shares[0]! + shares[1]!;
    assert.ok(all > 100, `too few to tell: ${shares}`);
    const share = shares[0]! / all;
    assert.ok(share > 0.95 * 0.75 && share < 1.05 * 0.75, `CPU 0 has ${share}`);
    assert.ok(Math.abs(ratio - shares[0]! / shares[1]!) < 1e-9);
    // (3 + 1)² by 2 (3² + 1²)
    assert.ok(jain > 0.95 * 0.8 && jain < 1.05 * 0.8, String(jain));
    const [from] = point.handoffs as [number[]];
    assert.is(from[0], 0, 'nobody hands over to itself');
  },
  { deadline: 120_000 },
);

test(
  'a lock that stalls with two CPUs: that point is marked, all others are measured, exit 3',
  async () => {
    const { ended, document } = await swept('stalls', [
      planted('stalls'),
      ...['--against', 'ticket', '--cpus', '1,2', '--section', '0', '--forks', '1'],
    ]);
    assert.is(ended.code, 3, said(ended));
    assert.is(document.complete, true);
    assert.match(of(document, 'stalls', { cpus: 2 })[0]?.stalled ?? '', /deadlock, proven/);
    assert.is(of(document, 'stalls', { cpus: 2 })[0]?.throughput, undefined);
    for (const point of [...of(document, 'stalls', { cpus: 1 }), ...of(document, 'ticket')]) {
      assert.is(point.throughput?.forks?.length, 1, `${point.lock} ${point.cpus}`);
      assert.is(point.stalled, undefined);
    }
    assert.match(ended.stdout, /stalled !/);
    assert.match(ended.stdout, /stalls does not always come to an end/);
    assert.match(ended.stderr, /^lockrig: stalls: .*deadlock, proven.*$/m);
  },
  { deadline: 120_000 },
);

test(
  'a lock that lets two in has no figure anywhere, and the exit code of a violation',
  async () => {
    const { ended, document } = await swept('lets-in', [
      'busted/no-exclusion',
      ...['--against', 'ticket', '--cpus', '1,2', '--section', '1us', '--forks', '1'],
    ]);
    assert.is(ended.code, 1, said(ended));
    const points = of(document, 'busted/no-exclusion');
    assert.is(points.length, 2);
    assert.match(ended.stderr, /^lockrig: 'busted\/no-exclusion' let two CPUs in: .*$/m);
    for (const point of points) {
      assert.is(point.throughput, undefined);
      assert.is(point.violation, true);
      assert.match(point.skipped ?? '', /let two CPUs in: what it protects shows \d+ where \d+ was due/);
    }
    assert.ok(of(document, 'ticket').every(({ throughput }) => throughput !== undefined));
  },
  { deadline: 120_000 },
);

some(
  'readers who meet a writer are seen',
  async () => {
    const { ended, document } = await swept('open', [
      planted('open-to-writers'),
      ...['--cpus', '2', '--section', '1us', '--reads', '0.5', '--forks', '1'],
    ]);
    assert.is(ended.code, 1, said(ended));
    assert.match(
      of(document, 'open-to-writers')[0]?.skipped ?? '',
      /let a writer in with readers: \d+ reads/,
    );
  },
  { deadline: 120_000 },
);

some(
  'a lock that throws, or takes its process with it, is told of, and the others are measured',
  async () => {
    const { ended, document } = await swept('throws', [
      planted('throws'),
      planted('kills'),
      ...['--against', 'ticket', '--cpus', '1', '--section', '0', '--forks', '1'],
    ]);
    assert.is(ended.code, 4, said(ended));
    assert.match(of(document, 'throws')[0]?.skipped ?? '', /planted/);
    assert.match(of(document, 'kills')[0]?.skipped ?? '', /its process has ended, SIGKILL/);
    assert.match(ended.stderr, /^lockrig: throws: .*planted.*$/m);
    assert.match(ended.stderr, /^lockrig: kills: its process has ended, SIGKILL.*$/m);
    assert.not.match(ended.stderr, /ticket/);
    assert.ok(of(document, 'ticket')[0]?.throughput);
  },
  { deadline: 120_000 },
);

some(
  'the section is as many turns as it takes, by what a turn was measured to take',
  async () => {
    const { ended, document } = await swept('section', [
      'mutex3',
      ...['--cpus', '1', '--section', '1us,10us', '--forks', '1'],
    ]);
    assert.is(ended.code, 0, said(ended));
    for (const section of [1000, 10_000]) {
      const [point] = of(document, 'mutex3', { section }) as [SweepPoint];
      const { turn, turns, section: length } = point.calibrated!;
      assert.ok(turn! > 0 && Math.abs(length - section) <= turn!, JSON.stringify(point.calibrated));
      assert.is(turns, Math.round(section / turn!));
      assert.ok(point.hold!.samples > 0 && point.latency!.samples > 0);
    }
  },
  { deadline: 120_000 },
);

test(
  'killed in the middle, it leaves what it had; interrupted, it says so and ends with 130',
  async () => {
    for (const signal of ['SIGKILL', 'SIGINT'] as const) {
      const dir = join(box.path, signal);
      const run = start([
        ...['bench', 'locks', 'ticket', ...SMALL],
        ...['--cpus', '1,2', '--section', '0', '--forks', '1000', '--out', dir],
      ]);
      const file = join(dir, 'locks.json');
      while (!existsSync(file) || read(file).points.length === 0) await sleep(50);
      run.child.kill(signal);
      const ended = await run.ended;
      const document = read(file);
      assert.is(document.complete, false, signal);
      assert.ok(
        document.points.some(({ throughput }) => throughput !== undefined),
        signal,
      );
      if (signal === 'SIGINT') {
        assert.is(ended.code, 130, said(ended));
        assert.match(ended.stdout, /interrupted: these are the figures up to then/);
        assert.match(ended.stdout, /ticket/);
      }
    }
  },
  { deadline: 120_000 },
);

test.run();
