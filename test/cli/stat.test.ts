/** `lockrig stat` and `lockrig top`: what they print can be read by who reads lock_stat, files can be read again, bad ones are refused in a sentence. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import type { LockStatDocument, TimelineDocument } from '../../harness/measure/schema.ts';
import { folder, lockrig, refused, said, start } from '../fixtures/torture/cli.ts';
import { seed } from '../seed.ts';
import { suite } from '../suite.ts';

const test = suite('cli: stat and top');
const box = folder();
const at = { cwd: box.path };

const load = <Shape>(name: string): Shape => JSON.parse(readFileSync(join(box.path, name), 'utf8')) as Shape;

/** The rows of the kernel's table: the class, and twelve numbers. */
function rowsOf(text: string): Map<string, number[]> {
  const rows = [...text.matchAll(/^ *(\S.*?):((?: +-?\d+(?:\.\d\d)?){12})$/gm)];
  return new Map(rows.map(([, name, numbers]) => [name!, numbers!.trim().split(/ +/).map(Number)]));
}

test('a lock’s statistics are printed as /proc/lock_stat does, written, and read again', async () => {
  console.log(`seed ${seed}`);
  const ran = await lockrig(
    ['stat', 'rwsem', '--duration', '400ms', '--seed', String(seed), '--out', 'results', '--window', '50ms'],
    at,
  );
  assert.is(ran.code, 0, said(ran));
  assert.match(ran.stdout, /^lock_stat version 0\.4\n-{221}\n {30}class name {4}con-bounces {4}contentions /);
  const document = load<LockStatDocument>('results/stat.json');
  assert.equal(
    [document.command, document.complete, document.subject, document.cpus],
    ['stat', true, 'rwsem', 2],
  );
  const rows = rowsOf(ran.stdout);
  assert.equal([...rows.keys()], ['rwsem-W', 'rwsem-R']);
  for (const { name, mode, ...stats } of document.classes) {
    const row = rows.get(`${name}-${mode === 'write' ? 'W' : 'R'}`)!;
    const { contentionBounces, contentions, acquisitionBounces, acquisitions, wait, hold } = stats;
    assert.equal(
      [row[0], row[1], row[6], row[7]],
      [contentionBounces, contentions, acquisitionBounces, acquisitions],
    );
    for (const [column, ns] of [
      [2, wait.min],
      [4, wait.total],
      [9, hold.max],
      [11, hold.mean],
    ] as const)
      assert.ok(
        Math.abs(row[column]! * 1000 - ns) <= 5,
        `${name} ${mode} column ${column}: ${row[column]} and ${ns}`,
      );
    assert.ok(acquisitions > 0 && hold.samples > 0 && hold.p50 <= hold.p99 && hold.p99 <= hold.max);
  }
  const { spans, nanoseconds, complete } = load<TimelineDocument>('results/timeline.json');
  assert.ok(complete && nanoseconds > 0 && spans.length > 0);
  assert.ok(spans.every(({ lock, mode }) => lock.startsWith('rwsem') && /^(read|write)$/.test(mode)));

  const again = await lockrig(['stat', 'results/stat.json'], at);
  assert.is(again.stdout, ran.stdout);
  const csv = await lockrig(['stat', 'results/stat.json', '--csv'], at);
  const lines = csv.stdout
    .trim()
    .split('\n')
    .map((line) => line.split(','));
  assert.is(lines.length, 1 + document.classes.length);
  assert.ok(lines.every((line) => line.length === lines[0]!.length));
  assert.is(lines[1]![lines[0]!.indexOf('acquisitions')], String(document.classes[0]!.acquisitions));
  const json = await lockrig(['stat', 'results/stat.json', '--json'], at);
  assert.equal(JSON.parse(json.stdout), document);
  const plain = await lockrig(['stat', 'results/stat.json', '--plain'], at);
  assert.ok(again.stdout.startsWith(plain.stdout.trimEnd()) && !plain.stdout.includes('p99.9'));
  const top = await lockrig(['top', 'results'], at);
  assert.is(top.code, 0, said(top));
  assert.match(
    top.stdout,
    /^top:rwsem cpus=2 at [\d.]+ s, last [\d.]+ s\nlock .*acq\/s.*\nrwsem (read|write) /,
  );
});

test('a workload has a row for each class of its locks, and a torture run prints them before its verdict', async () => {
  const ran = await lockrig(
    ['torture', 'mm/objrmap', '--stat', '--duration', '600ms', '--json', 'run.json'],
    at,
  );
  assert.is(ran.code, 0, said(ran));
  const names = [...rowsOf(ran.stdout).keys()].map((name) => name.replace(/-[RW]$/, ''));
  const due = [
    'mmap_sem',
    'page_table_lock',
    'i_mmap_lock',
    'lru_lock',
    'PG_locked',
    'zone.lock',
    'alone.mutex',
  ];
  for (const name of due) assert.ok(names.includes(name), `${name} is not among ${names.join(', ')}`);
  assert.not.match(names.join(), /unnamed/);
  assert.match(ran.stdout, /torture:mm\/objrmap .* SUCCESS\n$/);
});

test('top shows a run in another process while it goes on', async () => {
  const run = start(['torture', 'ticket', '--stat', '--duration', '60s', '--out', 'live'], at);
  for (let tries = 0; tries < 300; tries += 1) {
    const look = await lockrig(['stat', 'live/stat.json'], at);
    if (look.code === 0) break;
    assert.is(look.code, 2, said(look));
    await sleep(100);
  }
  const top = start(['top', 'live', '--interval', '200ms'], at);
  await top.until('stdout', /top:ticket[\s\S]*top:ticket[^\n]*\nlock[^\n]*\nticket write +[1-9]/);
  top.child.kill('SIGINT');
  assert.is((await top.ended).code, 130);
  run.child.kill('SIGINT');
  assert.is((await run.ended).code, 130);
  const document = load<LockStatDocument>('live/stat.json');
  assert.ok(!document.complete && document.classes[0]!.acquisitions > 0);
  const partial = await lockrig(['stat', 'live/stat.json'], at);
  assert.match(partial.stdout, /\(partial: the run did not come to its end\)\n$/);
});

/** The same with a row of a matrix that is none. */
function broken(document: LockStatDocument): object {
  const [first, ...others] = document.classes;
  return { ...document, classes: [{ ...first, matrix: [[1, 2, 3], 'x'] }, ...others] };
}

test('a table of several locks has one head', async () => {
  const { stdout, code } = await lockrig(['stat', 'ticket', 'mcs', '--csv', '--duration', '100ms'], at);
  assert.is(code, 0);
  const names = stdout
    .trim()
    .split('\n')
    .map((line) => line.split(',')[0]);
  assert.equal(names, ['class', 'ticket', 'mcs']);
});

test('what cannot be read or run is refused in a sentence', async () => {
  const whole = { schemaVersion: 1, command: 'stat', complete: true, environment: {}, subject: 'x', cpus: 2 };
  box.write({
    'cut.json': '{"schemaVersion": 1, "classes": [{"na',
    'newer.json': JSON.stringify({ ...whole, schemaVersion: 99, classes: [] }),
    'other.json': JSON.stringify({ schemaVersion: 1, command: 'torture', results: [] }),
    'damaged.json': JSON.stringify({ ...whole, seconds: 1, classes: [{ name: 'x', mode: 'write' }] }),
    'none/readme': '',
    'results/wrong.json': JSON.stringify(broken(load<LockStatDocument>('results/stat.json'))),
  });
  if (process.platform !== 'win32') execFileSync('mkfifo', [join(box.path, 'pipe.json')]);
  for (const [line, sentence] of [
    [['stat'], /nothing to run: lockrig stat takes locks, scenarios, workloads or a stat\.json/],
    [['stat', 'missing.json'], /missing\.json cannot be read: there is no such file/],
    [['stat', 'cut.json'], /cut\.json is no whole JSON document: it was cut short/],
    [['stat', 'newer.json'], /newer\.json has schema version 99, and this lockrig reads up to 1/],
    [['stat', 'other.json'], /other\.json holds no lock statistics/],
    [['stat', 'damaged.json'], /damaged\.json holds lock statistics with a damaged row: number 1/],
    [['stat', 'results/wrong.json'], /wrong\.json holds lock statistics with a damaged row: number 1/],
    ...(process.platform === 'win32'
      ? []
      : ([[['stat', 'pipe.json'], /pipe\.json cannot be read: it is no regular file/]] as const)),
    [['stat', 'ticket', 'cut.json'], /cut\.json was measured before/],
    [['stat', 'ticket', 'mcs', '--timeline', 't.json'], /are for one subject: --out DIR/],
    [['stat', 'ticket', '--window', '2s'], /--window 2s is not right/],
    [['stat', 'ticket', '--csv', '--json'], /--csv and --json both say what goes to stdout/],
    [['stat', 'ticket', '--out', 'cut.json', '--duration', '100ms'], /cut\.json\S* cannot be written/],
    [['stat', 'tiket'], /no lock, no scenario and no workload 'tiket'/],
    [['top', 'none'], /none holds no stat\.json: lockrig torture --stat --out none/],
    [['top', 'nowhere'], /there is no folder nowhere, and there is no lock, no scenario and no workload/],
    [['top', 'tick*'], /'tick\*' stands for 2 subjects: top shows one/],
    [['top', 'ticket', '--interval', '1ms'], /--interval 1ms is not right/],
  ] as const)
    refused(await lockrig([...line], at), sentence);
});

test.run();
