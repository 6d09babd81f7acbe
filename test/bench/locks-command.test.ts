/** `lockrig bench locks` as a command: peers beside locks, comparison with an earlier run, colours, bad input that takes an earlier run. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import type { SweepPeer } from '../../bench/locks/peer.ts';
import { sweep } from '../../bench/locks/sweep.ts';
import { Histogram, timesOf } from '../../bench/locks/times.ts';
import { EXIT } from '../../harness/cli/errors.ts';
import type { LockStatDocument, Measured, Setting, SweepDocument } from '../../harness/measure/schema.ts';
import { lockByName } from '../../src/locks.ts';
import { folder, lockrig, refused, said } from '../fixtures/torture/cli.ts';
import { suite } from '../suite.ts';

const test = suite('bench locks: command');
const box = folder();
const LINE = [
  ...['bench', 'locks', 'ticket', '--quick', '--cpus', '1', '--section', '0', '--outside', '0'],
  ...['--waiting', 'spin', '--locks', '1', '--forks', '2'],
];
const file = join(box.path, 'locks.json');
const read = (): SweepDocument => JSON.parse(readFileSync(file, 'utf8')) as SweepDocument;
const ESCAPE = String.fromCharCode(27);

test('a peer stands beside locks; one that fails, lets two in or cannot is told of, and asked no more', async () => {
  const setting: Setting = { cpus: 1, section: 0, outside: 0, reads: 0, waiting: 'spin', locks: 1 };
  const asked = new Map<string, number>();
  const peer = (name: string, more: Partial<SweepPeer> = {}): SweepPeer => ({
    name,
    kind: 'native',
    version: `${name} 1.0`,
    cannot: () => undefined,
    measure: async (_setting, budget) => {
      asked.set(name, (asked.get(name) ?? 0) + 1);
      const waits = new Histogram();
      for (const time of [10, 1000, 100_000]) waits.add(time * asked.get(name)!);
      return {
        throughput: Array.from({ length: budget.rounds }, () => 42),
        shares: [7],
        latency: timesOf(waits.counted(), 8),
        handoffs: [[0, asked.get(name)!]],
      };
    },
    ...more,
  });
  const failing = (name: string, code: string): SweepPeer =>
    peer(name, {
      measure: () => {
        asked.set(name, (asked.get(name) ?? 0) + 1);
        return Promise.reject(Object.assign(new Error(`${name} has a problem`), { code }));
      },
    });
  const { points, complete, problems } = await sweep(
    {
      locks: [{ name: 'ticket', subject: { lock: lockByName('ticket')! } }],
      peers: [
        peer('good'),
        peer('unable', { cannot: () => 'it knows no such thing' }),
        failing('broken', 'ECOUNTER'),
        failing('absent', 'EPEER'),
      ],
      settings: [setting, { ...setting, section: 100 }],
      forks: 2,
      budget: { rounds: 2, warmup: 5, window: 5, stallAfter: 5000 },
      pin: [],
    },
    2,
  );
  assert.is(complete, true);
  assert.equal(problems, { stalled: false, failed: false, broken: false, told: [] });
  const of = (lock: string) => points.filter((point) => point.lock === lock);
  assert.ok(of('ticket').every(({ throughput }) => throughput?.samples.length === 4));
  for (const { throughput, peer: from, latency, p99, handoffs } of of('good')) {
    assert.equal(throughput?.samples, [42, 42, 42, 42]);
    assert.equal(from, { kind: 'native', version: 'good 1.0' });
    // Forks are added up, not the last one taken for all.
    assert.is(latency?.samples, 6);
    assert.is(
      latency!.buckets.reduce((sum, [, , count]) => sum + count, 0),
      6,
    );
    assert.is(p99?.forks?.length, 2);
    assert.ok(handoffs?.[0]?.[1] === 1 + 3 || handoffs?.[0]?.[1] === 2 + 4, JSON.stringify(handoffs));
  }
  assert.equal(
    of('unable').map(({ skipped }) => skipped),
    ['it knows no such thing', 'it knows no such thing'],
  );
  assert.equal(
    of('broken').map(({ skipped, violation, throughput }) => [skipped, violation, throughput]),
    [
      ['broken has a problem', true, undefined],
      ['broken has a problem', true, undefined],
    ],
  );
  assert.equal(
    of('absent').map(({ skipped, violation }) => [skipped, violation]),
    [
      ['absent has a problem', undefined],
      ['absent has a problem', undefined],
    ],
  );
  assert.equal(Object.fromEntries(asked), { good: 4, broken: 1, absent: 2 });
});

/** A run as an earlier one that always did so many sections a second. */
function earlier(rate: number, more: (document: SweepDocument) => SweepDocument = (same) => same): string {
  const document = read();
  const throughput: Measured = {
    median: rate,
    low: rate,
    high: rate,
    samples: [rate],
    forks: [rate],
    variation: 0,
  };
  const points = document.points.map(({ p99: _left, ...point }) => ({ ...point, throughput }));
  const name = join(box.path, `earlier-${rate}.json`);
  writeFileSync(name, JSON.stringify(more({ ...document, points })));
  return name;
}

test('a run is held against an earlier one: exit 1 where it is worse; runs that are not comparable only by force, and marked', async () => {
  const first = await lockrig([...LINE, '--json', file]);
  assert.is(first.code, 0, said(first));
  assert.is(read().complete, true);
  assert.equal(
    read().points.map(({ throughput }) => throughput?.forks?.length),
    [2],
  );
  const worse = await lockrig([...LINE, '--compare', earlier(1e15)]);
  assert.is(worse.code, EXIT.violation, said(worse));
  assert.match(worse.stdout, /1 worse/);
  const elsewhere = earlier(1e-9, (document) => ({
    ...document,
    environment: { ...document.environment, node: '1.2.3', cpu: 'another' },
    options: { ...document.options, forks: 99 },
  }));
  const unlike = await lockrig([...LINE, '--compare', elsewhere]);
  refused(
    unlike,
    /not comparable \(processor .* now, "another" then; Node .* "1\.2\.3" then; option forks 2 now, 99 then\); --force/,
  );
  const forced = await lockrig([...LINE, '--compare', elsewhere, '--force', '--json', file]);
  assert.is(forced.code, 0, said(forced));
  assert.match(forced.stdout, /1 better/);
  assert.match(forced.stdout, /better \(forced\)/);
  assert.match(forced.stdout, /Forced although the runs are not comparable: processor/);
  const { comparison } = read();
  const { forced: reasons, rows } = comparison!;
  assert.is(reasons.length, 3);
  assert.ok(rows.length > 0 && rows.every((row) => row.forced === true));
});

test('an earlier run that is cut short, newer or something else is one sentence', async () => {
  const bad = (name: string, text: string): string => {
    const path = join(box.path, name);
    writeFileSync(path, text);
    return path;
  };
  const whole = readFileSync(file, 'utf8');
  for (const [path, sentence] of [
    [bad('cut.json', whole.slice(0, whole.length / 2)), /is no result of bench locks, or was cut short/],
    [
      bad('newer.json', JSON.stringify({ ...read(), schemaVersion: 99 })),
      /a newer lockrig wrote it \(schema 99; this one reads 1\)/,
    ],
    [bad('other.json', '{"command":"torture","results":[]}'), /it is no result of bench locks$/m],
    [
      bad('damaged.json', JSON.stringify({ ...read(), points: [{ lock: 'ticket' }] })),
      /it is damaged: point 1 is none/,
    ],
    [
      bad('headless.json', JSON.stringify({ ...read(), options: undefined })),
      /it does not say how it was run/,
    ],
    [bad('null.json', 'null'), /it is no result of bench locks$/m],
  ] as const)
    refused(await lockrig([...LINE, '--compare', path]), sentence);
});

test('no colours into a pipe or with NO_COLOR, colours with FORCE_COLOR, and the same letters', async () => {
  const noisy = ['--forks', '1'];
  const line = [...LINE.slice(0, -2), ...noisy];
  const plain = await lockrig(line, { env: { NO_COLOR: '1' } });
  assert.not.ok(plain.stdout.includes(ESCAPE), said(plain));
  const forced = await lockrig(line, { env: { FORCE_COLOR: '1' } });
  assert.ok(forced.stdout.includes(`${ESCAPE}[`), said(forced));
  for (const { stdout, stderr } of [plain, forced]) {
    // One fork is marked as noisy by its letter, too.
    assert.match(stdout, /~\d/);
    assert.match(stdout, /┃/);
    assert.not.match(stderr, /left/);
  }
});

test('--stat keeps lock statistics of each lock, which top reads while the sweep goes on', async () => {
  const out = join(box.path, 'watched');
  const line = [
    ...['bench', 'locks', 'ticket', 'mutex3', '--quick', '--cpus', '2', '--section', '1us', '--outside', '0'],
    ...['--waiting', 'spin-then-park', '--locks', '1', '--forks', '2', '--stat', '--out', out],
  ];
  const running = lockrig(line, { cwd: box.path });
  const stats = ['stat-ticket.json', 'stat-mutex3.json'].map((name) => join(out, name));
  while (!stats.every((each) => existsSync(each))) await setTimeout(20);
  const top = await lockrig(['top', out, '--interval', '100ms'], { cwd: box.path });
  assert.is(top.code, EXIT.clean, said(top));
  assert.match(top.stdout, /^top:(?:ticket|mutex3), sections of 1 us cpus=2 at/);
  const ended = await running;
  assert.is(ended.code, EXIT.clean, said(ended));
  for (const each of stats) {
    const { complete, command, cpus, classes } = JSON.parse(readFileSync(each, 'utf8')) as LockStatDocument;
    assert.equal([complete, command, cpus], [true, 'bench locks', 2]);
    const [first] = classes;
    assert.ok(first!.acquisitions > 0 && first!.hold.p50 > 500, JSON.stringify(first));
  }
  assert.is((JSON.parse(readFileSync(join(out, 'locks.json'), 'utf8')) as SweepDocument).options.stat, true);
  assert.match(ended.stdout, `report: ${join(out, 'report.html')} (`);
  const page = readFileSync(join(out, 'report.html'), 'utf8');
  for (const title of ['What the locks cost', 'Who waited for which lock']) assert.match(page, title);
});

test.run();
