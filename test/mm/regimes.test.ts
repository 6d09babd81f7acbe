/**
 * The table of regimes: trees that Hugh Dickins calls unsafe fail where he says so, the others are silent there, a cell in which the two cannot meet is not called safe, and who measures does not know what
 * is expected.
 */
import { posix } from 'node:path';
import ts from 'typescript';
import * as assert from 'uvu/assert';
import { EXIT } from '../../harness/cli/errors.ts';
import { findSubjects } from '../../harness/cli/subjects.ts';
import { type Trace, traceOf } from '../../harness/engines/trace.ts';
import { replay } from '../../harness/explore/replay.ts';
import { decode } from '../../harness/explore/token.ts';
import { expected } from '../../harness/mm/expected.ts';
import { type CellResult, measureCell } from '../../harness/mm/measure.ts';
import { meeting } from '../../harness/mm/overlap.ts';
import { inWords, judgeCell, tableLines } from '../../harness/mm/table.ts';
import { REGIMES } from '../../src/mm/regime.ts';
import { cellByName, cellNames, cellParts, READERS, WRITERS } from '../../src/mm/regimes/cells.ts';
import { lockrig, refused, said } from '../fixtures/torture/cli.ts';
import { filesIn, read } from '../project.ts';
import { seed } from '../seed.ts';
import { haveTurn, suite } from '../suite.ts';

const test = suite('mm regimes');

/** Measures a cell: all schedules with one preemption, and no others. */
function measure(name: string): Promise<CellResult> {
  const { regime, reader, writer } = cellParts(`mm/regimes/${name}`)!;
  return measureCell(regime, reader, writer, { executions: 0, seed });
}

/** What was unsafe, most of it by the word of Hugh Dickins, and what it fails by. */
const UNSAFE: readonly (readonly [name: string, by: RegExp])[] = [
  ['J1/swapout-anon/vma_merge', /CPU 0 accesses vm_area_struct#\d\.\w+, which CPU 1 has freed|O-LIN|O-VMA/],
  ['J2/swapout-anon/unmap_region', /O-LIN|O-VMA|which CPU 1 has freed/],
  ['J2/swapout-anon/vma_merge', /which CPU 1 has freed|O-LIN|O-VMA/],
  // Of which he says nothing: CVE-2005-0001, in his tree as in all others.
  ['HU/stack/expand_stack', /O-VMA/],
];
const SAFE = [
  ...['L', 'A4', 'HU'].flatMap((regime) =>
    ['swapout-anon', 'unuse'].flatMap((reader) =>
      ['vma_merge', 'unmap_region'].map((writer) => `${regime}/${reader}/${writer}`),
    ),
  ),
  // The faults of mlock run beside no other, so a stack that grows does not meet them; and one that looks again may meet another.
  'A4/stack/vm_flags',
  'AM/stack/expand_stack',
];

test(`J1/unuse/vma_merge fails, and its token is found by the name of the cell (seed ${seed})`, async () => {
  const result = await measure('J1/unuse/vma_merge');
  assert.is(result.verdict, 'unsafe', inWords(result));
  assert.match(result.failure!.text, /which CPU 1 has freed|O-SWAPOFF/);
  const run = decode(result.failure!.token);
  const [subject] = await findSubjects([run.subject]);
  const { same, difference } = await replay(subject!.lock, run, { times: 2 });
  assert.is(same, 2, difference);
});

for (const [name, by] of haveTurn(UNSAFE, UNSAFE.length))
  test(`${name} fails, as it did (seed ${seed})`, async () => {
    const result = await measure(name);
    assert.is(result.verdict, 'unsafe', inWords(result));
    assert.match(result.failure!.text, by);
  });

for (const name of haveTurn(SAFE, SAFE.length))
  test(`${name} has no schedule with one preemption that fails, and reader and writer meet (seed ${seed})`, async () => {
    const result = await measure(name);
    assert.is(result.verdict, 'proved', result.failure?.text ?? inWords(result));
    assert.ok(result.executions > 100 && result.orders > 1, inWords(result));
  });

const NAMES: Readonly<Record<number, string>> = {
  4: 'mm_struct#0.page_table_lock',
  8: 'vm_area_struct#1.vm_end',
  12: 'vm_area_struct#2.vm_end',
  16: 'zone.lru_lock',
};
const LOCK = 4;

/** A trace of lines such as `0 acquired 4`. */
const traced = (...lines: string[]): Trace =>
  traceOf(
    lines.map((line) => {
      const [cpu, op, addr] = line.split(' ');
      return { cpu: Number(cpu), op: op!, addr: Number(addr) };
    }),
  );
const section = (cpu: number, ...inside: string[]): string[] => [
  `${cpu} acquiring ${LOCK}`,
  `${cpu} acquired ${LOCK}`,
  ...inside.map((line) => `${cpu} ${line}`),
  `${cpu} released ${LOCK}`,
];

test('reader and writer have met if both were at a vma that changed, waiting for a lock included', () => {
  const met = meeting((addr) => NAMES[addr], 0, 'vma', 8);
  const writes = section(1, 'read 8', 'write 8');
  const reads = section(0, 'read 8');
  const cases: [what: string, lines: string[], expected: boolean][] = [
    ['one after the other', [...reads, ...writes], false],
    ['the reader waits', [reads[0]!, ...writes, ...reads.slice(1)], true],
    ['the writer waits', [writes[0]!, ...reads, ...writes.slice(1)], true],
    ['another vma', [reads[0]!, ...section(1, 'write 12'), ...reads.slice(1)], false],
    ['nothing changed', [reads[0]!, ...section(1, 'read 8'), ...reads.slice(1)], false],
    ['the reader knocks', [writes[0]!, writes[1]!, '0 casFailed 4', ...writes.slice(2)], true],
    [
      'the reader knocks while another vma changes',
      [`1 acquiring ${LOCK}`, `1 acquired ${LOCK}`, '0 casFailed 4', '1 write 12', `1 released ${LOCK}`],
      false,
    ],
    ['under a lock that has nothing to do with vmas', ['0 acquired 16', '0 read 8', ...writes], false],
  ];
  for (const [what, lines, expectation] of cases) assert.is(met(traced(...lines)), expectation, what);
});

const measured = (more: Partial<CellResult>): CellResult => ({
  name: 'mm/regimes/L/unuse/vma_merge',
  regime: 'L',
  reader: 'unuse',
  writer: 'vma_merge',
  verdict: 'proved',
  executions: 400,
  orders: 9,
  proof: { bound: 1, executions: 300, gaps: [] },
  overlap: { sampled: 24, met: 12 },
  seconds: 1,
  ...more,
});
const failure = {
  oracle: 'check' as const,
  text: 'O-LIN: other',
  token: 'lr1:x',
  model: 'sc' as const,
  preemptions: 1,
  accesses: 9,
};

test('a cell that was not exercised is not called safe, and is marked where the thread calls it unsafe', () => {
  const silent = { verdict: 'not exercised', overlap: { sampled: 24, met: 1 } } as const;
  const quiet = judgeCell(measured(silent));
  assert.match(inWords(quiet), /^not exercised: they met in 1 of 24/);
  assert.is(quiet.disagrees, false);
  assert.is(
    judgeCell(measured({ ...silent, name: 'mm/regimes/J1/unuse/vma_merge', regime: 'J1' })).disagrees,
    true,
  );
  assert.is(judgeCell(measured({ verdict: 'unsafe', failure })).disagrees, true);
  assert.is(judgeCell(measured({ verdict: 'not run' })).disagrees, false);
});

test('the table marks what contradicts the thread, and gives the token of what fails', () => {
  const cells = [
    measured({}),
    measured({ name: 'mm/regimes/J1/unuse/vma_merge', regime: 'J1', verdict: 'unsafe', failure }),
    measured({ name: 'mm/regimes/A4/unuse/vma_merge', regime: 'A4', verdict: 'unsafe', failure }),
  ];
  const text = tableLines(cells.map(judgeCell)).join('\n');
  assert.match(text, /^ {2}L +p1 400\/9$/m);
  assert.match(text, /^ {2}J1 +UNSAFE$/m);
  assert.match(text, /^ {2}A4 +UNSAFE !$/m);
  assert.match(text, /lockrig replay 'lr1:x'/);
  assert.match(
    text,
    /against the thread:\n {2}mm\/regimes\/A4\/unuse\/vma_merge: measured unsafe; safe by Hugh Dickins/,
  );
});

test('what is expected is said of regimes, readers and writers that there are', () => {
  const unsafe = cellNames().filter((name) => {
    const { regime, reader, writer } = cellParts(name)!;
    return expected(regime.name, reader.name, writer.name).verdict === 'unsafe';
  });
  const by = (regime: string): number =>
    unsafe.filter((name) => name.startsWith(`mm/regimes/${regime}/`)).length;
  assert.equal(
    REGIMES.map(({ name }) => [name, by(name)]).filter(([, count]) => count !== 0),
    [
      ['V24', 1],
      ['L', 1],
      ['M3', 1],
      ['J2', 4],
      ['J1', 5],
      ['3-Mar', 5],
      ['A4', 3],
      ['HU', 1],
      ['N03', 1],
      ['vma-ptl-naive', 2],
    ],
  );
});

test('every cell is a scenario of its name, and no other name is one', () => {
  assert.is(cellNames().length, REGIMES.length * READERS.length * WRITERS.length);
  for (const name of cellNames().filter((_, at) => at % 17 === 0)) assert.is(cellByName(name)?.name, name);
  for (const name of ['L', 'L/unuse', 'L/unuse/vma_merge/more', 'L/unuse/truncate', '/unuse/vma_merge'])
    assert.is(cellByName(`mm/regimes/${name}`), undefined, name);
});

/** All modules of the project that one imports, by whatever way, itself among them. */
function reached(from: string, seen = new Set<string>()): Set<string> {
  if (seen.has(from)) return seen;
  seen.add(from);
  const text = read(from);
  const { importedFiles } = ts.preProcessFile(text, true, true);
  for (const { fileName } of importedFiles)
    if (fileName.startsWith('.')) reached(posix.join(posix.dirname(from), fileName), seen);
  // Programs of threads and processes are named by URLs.
  for (const [, name] of text.matchAll(/new URL\(\s*[`'"](\.[^`'"$]*?)\.(?:ts|\$\{extension\})[`'"]/g))
    reached(posix.join(posix.dirname(from), `${name}.ts`), seen);
  return seen;
}

test('the code that measures does not know what is expected', () => {
  const table = 'harness/mm/expected.ts';
  for (const from of ['harness/mm/regimes.ts', 'harness/mm/regimes-child.ts', 'src/mm/regimes/cells.ts'])
    assert.not.ok(reached(from).has(table), from);
  assert.ok(
    reached('harness/mm/regimes.ts').has('harness/mm/regimes-child.ts'),
    'programs of processes are followed',
  );
  assert.ok(reached('harness/mm/regimes-child.ts').has('harness/mm/measure.ts'));
  const importers = [...filesIn('harness'), ...filesIn('src'), ...filesIn('workers')].filter(
    (file) => file.endsWith('.ts') && /['"`][./\w-]*\/expected(?:\.ts)?['"`]/.test(read(file)),
  );
  assert.equal(importers, ['harness/mm/table.ts']);
});

test('names that there are not are answered with the nearest, and exit code 2', async () => {
  refused(await lockrig(['mm', 'regimes', 'j1']), /no regime 'j1'; the nearest are J1/);
  refused(await lockrig(['mm', 'regimes', '--reader', 'unsue']), /no reader 'unsue'; the nearest are unuse/);
  const misspelt = 'mm/regime/J1/unuse/vma_merge';
  refused(await lockrig(['hunt', misspelt]), /the nearest are mm\/regimes\/J1\/unuse\/vma_merge/);
  refused(await lockrig(['mm', 'regime']), /there is no 'mm regime': mm regimes, mm races is expected/);
});

test('the cells that were asked for are measured, each read out in words', async () => {
  const asked = ['J1,3-Mar', '--reader', 'unuse', '--writer', 'vma_merge'];
  const ended = await lockrig(['mm', 'regimes', ...asked, '--executions', '0', '--json']);
  assert.is(ended.code, EXIT.clean, said(ended));
  type Cells = { cells: (CellResult & { reads: string; disagrees: boolean })[]; complete: boolean };
  const { cells, complete } = JSON.parse(ended.stdout) as Cells;
  assert.is(complete, true);
  assert.equal(
    cells.map(({ name, sameAs, disagrees }) => [name, sameAs, disagrees]),
    [
      ['mm/regimes/J1/unuse/vma_merge', undefined, false],
      ['mm/regimes/3-Mar/unuse/vma_merge', 'J1', false],
    ],
  );
  for (const { name, reads } of cells)
    assert.ok(reads.startsWith(`unsafe (lr1:${encodeURIComponent(name)}:`), reads);
});

test.run();
