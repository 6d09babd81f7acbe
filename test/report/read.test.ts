/** Reading results: what is cut short is read as far as it goes, what is newer or missing is said, and nothing is made up. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { readResults } from '../../harness/report/html/read.ts';
import type { Results } from '../../harness/report/html/results.ts';
import { hunt, numbers, stat, sweep, timeline, torture } from '../fixtures/report/documents.ts';
import { seed } from '../seed.ts';
import { suite } from '../suite.ts';

const test = suite('report: read');

async function read(files: Readonly<Record<string, string>>): Promise<Results> {
  const folder = mkdtempSync(join(tmpdir(), 'lockrig-read-'));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    return await readResults(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function refusal(files: Readonly<Record<string, string>>): Promise<string> {
  try {
    await read(files);
  } catch (error) {
    assert.is((error as { code?: string }).code, 'EUSAGE');
    return (error as Error).message;
  }
  return 'it was read';
}

const text = (document: object): string => JSON.stringify(document, null, 2);

/** What a document's records are called, and where a report has them. */
const KINDS = [
  { name: 'locks.json', document: sweep(), field: 'points', of: ({ sweeps }: Results) => sweeps[0]?.points },
  { name: 'stat.json', document: stat(), field: 'classes', of: ({ stats }: Results) => stats[0]?.classes },
  {
    name: 'timeline.json',
    document: timeline(20),
    field: 'spans',
    of: ({ timelines }: Results) => timelines[0]?.spans,
  },
  {
    name: 'results.json',
    document: torture(),
    field: 'results',
    of: ({ tortures }: Results) => tortures[0]?.runs,
  },
  { name: 'hunt.json', document: hunt(), field: 'results', of: ({ hunts }: Results) => hunts[0]?.subjects },
] as const;

test('whole documents are read whole, and are no problem', async () => {
  for (const { name, document, field, of } of KINDS) {
    const results = await read({ [name]: text(document) });
    assert.equal(results.problems, [], name);
    assert.equal(of(results), (document as unknown as Record<string, unknown>)[field], name);
  }
});

test(`a document that is cut anywhere gives whole records of its own or none, and says so (seed ${seed})`, async () => {
  const random = numbers(seed);
  let some = 0;
  let cut = 0;
  for (const { name, document, field, of } of KINDS) {
    const whole = text(document);
    const records = (document as unknown as Record<string, readonly unknown[]>)[field]!;
    const end = whole.indexOf('\n  ]', whole.indexOf(`"${field}": [`));
    for (let time = 0; time < 40; time += 1) {
      const length = 1 + Math.floor(random() * (whole.length - 3));
      const files = { [name]: whole.slice(0, length), 'other.json': text(stat(['kept'])) };
      const results = await read(files);
      const what = `${name} cut at ${length} of ${whole.length}`;
      cut += 1;
      assert.is(results.problems.length, 1, `${what}: ${results.problems}`);
      assert.match(results.problems[0]!, new RegExp(`^${name} is cut short`), what);
      assert.ok(
        results.stats.some(({ classes }) => classes[0]?.name === 'kept'),
        what,
      );
      const had = name === 'stat.json' && results.stats.length < 2 ? [] : (of(results) ?? []);
      had.forEach((record, at) => {
        assert.equal(record, records[at], `${what}: record ${at}`);
        some += 1;
      });
      assert.ok(had.length < records.length || length > end, what);
    }
  }
  assert.ok(some > 20, `${some} records of ${cut} cut documents`);
});

test('a newer schema is not read, by whatever kind of file, and the rest is', async () => {
  for (const { name, document } of KINDS) {
    const newer = text({ ...document, schemaVersion: 2 });
    const results = await read({ [name]: newer, 'zz.json': text(timeline(5)) });
    assert.equal(results.problems, [
      `${name} has schema version 2, and this lockrig reads up to 1: it is left out`,
    ]);
    assert.is(results.timelines.length, 1);
    assert.match(await refusal({ [name]: newer }), /holds nothing that can be reported: .* schema version 2/);
  }
});

test('what is no result is refused or passed over', async () => {
  assert.match(await refusal({}), /holds no results: locks\.json, /);
  assert.match(await refusal({ 'package.json': '{"name":"x"}' }), /holds no results/);
  assert.match(await refusal({ 'locks.json': '' }), /nothing of it can be read/);
  assert.match(await refusal({ 'locks.json': '{' }), /locks\.json is cut short/);
  assert.match(await refusal({ 'locks.json': '[1, 2' }), /cut short or no JSON/);
  const results = await read({ 'package.json': '{"name":"x"}', 'locks.json': text(sweep()) });
  assert.equal(results.problems, []);
  assert.equal(
    results.files.map(({ name, used }) => [name, used]),
    [
      ['locks.json', true],
      ['package.json', false],
    ],
  );
});

test('a record that is not what it should be is left out and counted', async () => {
  const { points, ...rest } = sweep();
  const wrong = [
    { ...points[0], cpus: '2' },
    { ...points[1], latency: { p50: 1 } },
    null,
    ...points.slice(2),
  ];
  const results = await read({ 'locks.json': text({ ...rest, points: wrong }) });
  assert.equal(results.sweeps[0]!.points, points.slice(2));
  assert.equal(results.problems, [
    `locks.json: 3 of ${wrong.length} points are not what they should be, and are left out`,
  ]);
});

test('a run that did not come to its end is no problem, and is told', async () => {
  const results = await read({ 'locks.json': text({ ...sweep(), complete: false }) });
  assert.equal(results.problems, []);
  assert.equal(results.unfinished, ['locks.json']);
});

test('what two files say is told once', async () => {
  const both = torture() as { results: object[] };
  const found = (hunt() as { results: { subject: string; failures: object[] }[] }).results[0]!;
  const results = await read({
    'results.json': text(both),
    'failure-first.json': text({ ...both, results: both.results.slice(1) }),
    'hunt.json': text(hunt()),
    'orders.progress.1.json': text({ subject: found.subject, ...found.failures[0] }),
  });
  assert.is(results.tortures.length, 1);
  assert.is(results.hunts.length, 1);
  const alone = await read({ 'orders.progress.1.json': text({ subject: 'orders', ...found.failures[0] }) });
  assert.is(alone.hunts[0]!.subjects[0]!.subject, 'orders');
});

test.run();
