/**
 * The page that `lockrig report` makes, parsed without a browser: it is whole, says what was measured, and nothing that comes from results becomes markup.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { steppers } from '../../harness/report/html/client/stepper.ts';
import { fromColumns } from '../../harness/report/html/interleaving.ts';
import { page } from '../../harness/report/html/page.ts';
import { readResults } from '../../harness/report/html/read.ts';
import { HOSTILE, sweep } from '../fixtures/report/documents.ts';
import { all, type Document, type Parse, type Parsed, parse, rowsOf } from '../fixtures/report/dom.ts';
import { writeEverything } from '../fixtures/report/write.ts';
import { suite } from '../suite.ts';

const test = suite('report: page');

const made = new Map<string | undefined, string>();

/** The text of a page of everything; the same for whoever asks. */
async function textOf(name?: string): Promise<string> {
  const known = made.get(name);
  if (known !== undefined) return known;
  const folder = mkdtempSync(join(tmpdir(), 'lockrig-report-'));
  try {
    writeEverything(folder, name);
    const text = await page(await readResults(folder), { version: '0', name: name ?? 'results' });
    made.set(name, text);
    return text;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const open = async (name?: string): Promise<Parse> => parse(await textOf(name));
const titles = (document: Document): string[] => all(document, 'h3').map((each) => each.textContent ?? '');

test('ids are given once, and whatever refers to one finds it', async () => {
  for (const name of [undefined, HOSTILE]) {
    const { document } = await open(name);
    const ids = all(document, '[id]').map(({ id }) => id);
    assert.equal([...new Set(ids)].length, ids.length, 'an id is given twice');
    const known = new Set(ids);
    let references = 0;
    for (const attribute of ['aria-labelledby', 'aria-describedby', 'for'])
      for (const element of all(document, `[${attribute}]`))
        for (const id of (element.getAttribute(attribute) ?? '').split(' ')) {
          references += 1;
          assert.ok(known.has(id), `${attribute} ${id}`);
        }
    for (const link of all(document, 'a[href^="#"]'))
      assert.ok(known.has((link.getAttribute('href') ?? '').slice(1)), link.getAttribute('href') ?? '');
    for (const [, id] of (await textOf(name)).matchAll(/url\(#([^)]+)\)/g)) assert.ok(known.has(id!), id);
    assert.ok(references > 50, `${references} references`);
  }
});

test('it asks nobody for anything: no address but one to follow, and a policy that forbids all requests', async () => {
  const { document } = await open();
  for (const element of all(document, '[src], [href], [action], [data], [poster], [srcset]'))
    for (const { name, value } of element.attributes) {
      if (!['src', 'href', 'action', 'data', 'poster', 'srcset'].includes(name)) continue;
      const followed = element.tagName === 'A' && value === 'https://ui.perfetto.dev';
      assert.ok(followed || /^(#|data:)/.test(value), `${element.tagName} ${name}=${value.slice(0, 60)}`);
    }
  const policy = document.querySelector('meta[http-equiv]')?.getAttribute('content') ?? '';
  assert.match(policy, /^default-src 'none'; style-src 'sha256-/);
  assert.not.match(policy, /unsafe|http/);
  assert.not.match(await textOf(), /@import|url\((?!#)/);
});

test('it has every picture, drawn from data, with the same numbers as a table and as CSV', async () => {
  const { document } = await open();
  const there = titles(document);
  for (const title of [
    /^Throughput by CPUs: sections of 0 ns$/,
    /^Latency by CPUs: sections of 500 ns$/,
    /^Throughput by length of the section: 2 CPUs$/,
    /^Distribution of latency, /,
    /^Distribution of hand-off times, /,
    /^Distribution of hold times, /,
    /^Fairness, /,
    /^Hand-offs of /,
    /^What is left of the throughput/,
    /^Contention for page_table_lock$/,
    /^Time waited for each lock of mm\/objrmap$/,
    /^Distribution of hold times/,
    /^Timeline of mm\/objrmap$/,
    /^Lock order of mm\/objrmap$/,
    /^Lock order of orders of first$/,
    /^Who waits for whom: first$/,
    /^Fairness under torture$/,
  ])
    assert.ok(
      there.some((each) => title.test(each)),
      `${title} is not among ${there.join(', ')}`,
    );
  const figures = all(document, 'figure');
  assert.ok(figures.length > 25, `${figures.length} figures`);
  for (const figure of figures) {
    const title = figure.querySelector('h3')?.textContent ?? '';
    const shapes = all(figure, 'svg[role=img] path, svg[role=img] rect, svg[role=img] circle').filter(
      (shape) => !shape.closest('[aria-hidden], defs, marker'),
    );
    assert.ok(shapes.length >= 2, `${title} shows ${shapes.length} shapes`);
    assert.ok((figure.querySelector('svg[role=img]')?.getAttribute('aria-label') ?? '').length > 5, title);
    for (const shape of shapes)
      assert.not.match(shape.getAttribute('d') ?? '', /NaN|undefined|Infinity/, title);
    const rows = await rowsOf(figure.querySelector('a.csv')!);
    const table = all(figure, 'tbody tr');
    assert.ok(table.length > 0, title);
    assert.is(Math.min(100, rows.length - 1), table.length, title);
    assert.is(new Set(rows.map(({ length }) => length)).size, 1, `${title}: rows of one length`);
  }
});

test('CSV holds what was measured, digit by digit', async () => {
  const { document } = await open();
  const figure = all(document, 'figure').find(
    (each) => each.querySelector('h3')?.textContent === 'Throughput by CPUs: sections of 500 ns',
  )!;
  const [head, ...rows] = await rowsOf(figure.querySelector('a.csv')!);
  const { points } = sweep();
  const expected = points.filter(({ section }) => section === 500);
  assert.is(rows.length, expected.length);
  const at = (row: string[], column: string): string => row[head!.indexOf(column)]!;
  for (const { lock, cpus, throughput, stalled, violation } of expected) {
    const row = rows.find((each) => at(each, 'lock') === lock && at(each, 'cpus') === String(cpus))!;
    assert.is(at(row, 'throughput_per_s'), throughput ? String(throughput.median) : '');
    assert.is(at(row, 'throughput_high'), throughput ? String(throughput.high) : '');
    assert.is(at(row, 'state').includes('stalled'), stalled !== undefined, at(row, 'state'));
    assert.is(at(row, 'state').includes('let two in'), violation === true, at(row, 'state'));
  }
});

test('the summary says who was best, what stalled, what was noisy, which lock is waited for and what broke', async () => {
  const { document } = await open();
  const text = document.querySelector('.summary')?.textContent ?? '';
  for (const sentence of [
    /The most sections by the second with 2 CPUs, sections of 0 ns: ticket, 8\.\d+ M\/s/,
    /my-lock let two CPUs in, at 2 points/,
    /ttas is shared unevenly/,
    /1 point did not come to an end: ttas stalled/,
    /too noisy at 2 points/,
    /most is waited for page_table_lock/,
    /first hung, caught by progress: deadlock/,
    /orders of first is broken: deadlock/,
  ])
    assert.match(text, sentence);
  // It is noisy with 8 CPUs, and would be the one of which most is left.
  assert.not.match(text, /with 8 CPUs[^.]*mutex3/);
});

test('differences smaller than the noise are not called differences', async () => {
  const [one, other] = sweep(['one', 'other']).points.filter(
    ({ cpus, section }) => cpus === 2 && section === 0,
  );
  const throughput = { ...one!.throughput!, median: 1e6, low: 0.9e6, high: 1.1e6 };
  const points = [
    { ...one!, throughput },
    { ...other!, throughput: { ...throughput, median: 0.95e6, low: 0.85e6, high: 1.05e6 } },
  ];
  const folder = mkdtempSync(join(tmpdir(), 'lockrig-report-'));
  try {
    writeFileSync(join(folder, 'locks.json'), JSON.stringify({ ...sweep(['one', 'other']), points }));
    const { document } = await parse(await page(await readResults(folder), { version: '0', name: 'noise' }));
    const text = document.querySelector('.summary')?.textContent ?? '';
    assert.match(text, /one and other, at about 1 M\/s; their ranges touch, so they cannot be told apart/);
    assert.not.match(text, /times other/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('a name from a result is text wherever it stands', async () => {
  const { document } = await open(HOSTILE);
  const scripts = all(document, 'script');
  assert.is(scripts.filter((each) => each.getAttribute('type') !== 'application/json').length, 1);
  assert.is(all(document, 'img').length, 0);
  for (const element of all(document, '*'))
    for (const { name } of element.attributes) assert.not.match(name, /^on/, element.tagName);
  const visible = HOSTILE.replace('\u202e', '\\u202e');
  assert.ok(
    titles(document).some((title) => title.includes(visible)),
    titles(document).join('\n'),
  );
  assert.ok(all(document, 'td, th').some(({ textContent }) => textContent === visible));
  for (const json of all(document, 'script[type="application/json"]')) JSON.parse(json.textContent ?? '');
});

test('headings go down by one, tables have headers, and what can be pressed has a name', async () => {
  const { document } = await open();
  let level = 0;
  for (const heading of all(document, 'h1, h2, h3, h4')) {
    const now = Number(heading.tagName.slice(1));
    assert.ok(now <= level + 1, `${heading.textContent} is h${now} after h${level}`);
    level = now;
  }
  assert.is(all(document, 'main').length, 1);
  assert.is(all(document, 'h1').length, 1);
  for (const table of all(document, 'table')) assert.ok(all(table, 'thead th[scope=col]').length > 0);
  for (const button of all(document, 'button, a, input, summary')) {
    const labelled = button.id !== '' && document.querySelector(`label[for="${button.id}"]`) !== null;
    const name = button.getAttribute('aria-label') ?? button.textContent ?? '';
    assert.ok(labelled || name.trim() !== '', button.tagName);
  }
});

/** A stepper of the page, with its script. */
async function stepper(): Promise<{
  root: Parsed;
  press: (key: string) => void;
  now: () => string;
  Event: Parse['Event'];
}> {
  const { document, Event } = await open();
  steppers(document);
  const root = document.querySelector('.stepper')!;
  const press = (key: string): void => {
    const event = Object.assign(new Event('keydown', { bubbles: true, cancelable: true }) as object, { key });
    root.dispatchEvent(event);
  };
  return { root, press, now: () => root.querySelector('output')?.textContent ?? '', Event };
}

test('the stepper steps by keys and by buttons, and shows values and who has which lock', async () => {
  const { root, press, now, Event } = await stepper();
  const value = (word: string): string =>
    all(root, '[data-word]')
      .find((row) => row.querySelector('th')?.textContent === word)
      ?.querySelector('td')?.textContent ?? 'none';
  const cpu = (at: number): string => root.querySelector(`[data-cpu="${at}"] td`)?.textContent ?? '';
  assert.match(now(), /^Step 8 of 8: CPU 1 blocks: x is 1; progress: deadlock/);
  press('Home');
  assert.is(now(), 'Before the first of 8 steps');
  assert.is(value('x'), '0');
  assert.is(cpu(0), 'holds nothing');
  assert.is(all(root, 'g.step.future').length, 8);
  press('ArrowRight');
  assert.is(now(), 'Step 1 of 8: CPU 0 compareExchange x: 0 → 1');
  assert.is(value('x'), '0 → 1');
  assert.is(all(root, 'g.step.current').length, 1);
  press('ArrowDown');
  assert.is(cpu(0), 'holds x');
  assert.is(value('x'), '1');
  press('s');
  assert.match(now(), /^Step 3 of 8: CPU 1 compareExchange y/);
  press('ArrowLeft');
  assert.match(now(), /^Step 2 of 8: CPU 0 \[has x\]/);
  root.querySelector('[data-to=last]')!.dispatchEvent(new Event('click', { bubbles: true }));
  assert.match(now(), /^Step 8 of 8/);
  assert.is(cpu(0), 'holds x; waits for y to differ from 1');
  press('ArrowRight');
  assert.match(now(), /^Step 8 of 8/);
});

test('columns are read back into steps: CPU, what was left out, values from both sides of a write', () => {
  const run = fromColumns(
    [
      '  CPU 0                   CPU 1',
      '                          load a.b = 4',
      '  … 12 more',
      '  #15  store a.b: 4 → 7',
      '                          read a.b = 7',
    ],
    'check: wrong',
  )!;
  assert.equal(
    run.steps.map(({ cpu, text, skipped }) => [cpu, text, skipped]),
    [
      [1, 'load a.b = 4', 0],
      [0, 'store a.b: 4 → 7', 12],
      [1, 'read a.b = 7', 0],
    ],
  );
  assert.equal(run.words, ['a.b']);
  assert.equal(run.values, [[4], [4], [7], [7]]);
  assert.equal(run.flows, [{ from: 1, to: 2, label: 'a.b = 7' }]);
  assert.is(fromColumns([], ''), undefined);
});

test('a comparison that was forced is marked as such in each of its figures', async () => {
  const row = { lock: 'ticket', cpus: 2, figure: 'throughput', now: 2e6, before: 4e6, verdict: 'worse' };
  const ratio = { value: 0.5, low: 0.48, high: 0.52 };
  const rows = [
    { ...row, ratio },
    { ...row, verdict: 'same', ratio },
  ];
  for (const forced of [[], ['another version of Node']]) {
    const folder = mkdtempSync(join(tmpdir(), 'lockrig-report-'));
    try {
      const comparison = { threshold: 0.1, forced, rows };
      writeFileSync(join(folder, 'locks.json'), JSON.stringify({ ...sweep(['ticket']), comparison }));
      const { document } = await parse(
        await page(await readResults(folder), { version: '0', name: 'compared' }),
      );
      const table = all(document, 'table').find((each) => /now by before/.test(each.textContent ?? ''))!;
      const marked = all(table, 'tbody tr').filter((each) => /forced: the runs/.test(each.textContent ?? ''));
      assert.is(marked.length, forced.length > 0 ? 2 : 0);
      assert.match(document.querySelector('.summary')?.textContent ?? '', /1 worse by more than 10 %/);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
});

test.run();
