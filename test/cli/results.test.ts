/** What a run says and leaves behind: verdicts and exit codes, documents, events, files that are whole whatever happens. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import type { Environment, TortureResult } from '../../harness/index.ts';
import { type Ended, folder, lockFile, lockrig, said, start } from '../fixtures/torture/cli.ts';
import { elements, parseXml } from '../fixtures/torture/xml.ts';
import { haveTurn, suite } from '../suite.ts';

const test = suite('cli: results');
const box = folder();
const at = { cwd: box.path };

interface Document {
  readonly schemaVersion: number;
  readonly command: string;
  readonly complete: boolean;
  readonly environment: Environment;
  readonly results: readonly TortureResult[];
}

interface Event {
  readonly event: string;
  readonly lock?: string;
  readonly seconds?: number;
  readonly exitCode?: number;
  readonly result?: TortureResult;
}

const load = <Shape = Document>(name: string): Shape =>
  JSON.parse(readFileSync(join(box.path, name), 'utf8')) as Shape;

const BROKEN = 'busted/no-exclusion';
const KEEPS = lockFile('keeps', {
  create:
    '(isa) => ({ acquire(l) { while (isa.compareExchange(l, 0, 1) !== 0) isa.spinWhile(l, 1); }, release() {} })',
});
const KEEPS_TAS =
  '(isa) => ({ acquire(l) { while (isa.compareExchange(l, 0, 1) !== 0) isa.spinWhile(l, 1); }, release(l) { isa.storeWake(l, 0); } })';
// biome-ignore lint/suspicious/noControlCharactersInRegex: it looks for them
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/;

test('the parameters come first and last, with the verdict, and the exit code is that of the verdict', async () => {
  box.write({ 'keeps.ts': KEEPS });
  for (const [line, code, verdict] of [
    [['ticket', '--rounds', '3', '--seed', '77', '--nested', '2'], 0, 'SUCCESS'],
    [[BROKEN, '--duration', '30s', '--fail-fast', '--seed', '78'], 1, 'FAILURE (exclusion)'],
    [['./keeps.ts', '--duration', '1h', '--seed', '79'], 3, 'FAILURE (progress: deadlock)'],
  ] as const) {
    const ended = await lockrig(['torture', ...line], at);
    assert.is(ended.code, code, said(ended));
    const lines = ended.stdout.trimEnd().split('\n');
    assert.match(
      lines[0] ?? '',
      /^torture:\S+ cpus=2 (rounds|duration)=\S+ seed=\d+ isa=wasm waiting=spin-then-park .*hotplug=0ms$/,
    );
    assert.is(lines.at(-1), `${lines[0]} ${verdict}`);
    assert.match(lines[0] ?? '', `seed=${line.at(line.indexOf('--seed') + 1) ?? ''}`);
    assert.is(ended.stderr, '');
  }
});

test('what is piped has no control characters, whatever the environment says of colours', async () => {
  const environments: readonly Readonly<Record<string, string>>[] = [
    { FORCE_COLOR: '1' },
    { NO_COLOR: '1' },
    { TERM: 'xterm-256color', COLORTERM: 'truecolor' },
  ];
  for (const env of environments) {
    for (const line of [
      ['ticket', '--rounds', '2'],
      [BROKEN, '--duration', '30s', '--fail-fast'],
      ['tiket'],
    ]) {
      const { stdout, stderr } = await lockrig(['torture', ...line], { ...at, env });
      assert.ok(stdout.length + stderr.length > 0);
      assert.not.match(stdout + stderr, CONTROL);
    }
  }
});

test('--json FILE has the verdict, the parameters and where it was', async () => {
  const ended = await lockrig(
    ['torture', 'ticket', BROKEN, '--duration', '1500ms', '--seed', '5', '--json', 'new/all.json'],
    at,
  );
  assert.is(ended.code, 1, said(ended));
  const { schemaVersion, command, complete, environment, results } = load('new/all.json');
  assert.equal([schemaVersion, command, complete], [1, 'torture', true]);
  assert.is(environment.node, process.versions.node);
  assert.is(environment.v8, process.versions.v8);
  assert.ok(environment.cores >= 1 && environment.argv.includes('--seed'));
  assert.equal(
    results.map(({ lock, verdict, oracle, params, schemaVersion: version }) => [
      lock,
      verdict,
      oracle,
      params.seed,
      version,
    ]),
    [
      ['ticket', 'success', undefined, 5, 1],
      [BROKEN, 'failure', 'exclusion', 5, 1],
    ],
  );
  assert.ok(results[1]?.violations.every(({ text }) => text.includes('CPU')));
  assert.equal(readdirSync(join(box.path, 'new')), ['all.json']);
});

test('--json without a file writes events, a line each, and nothing else', async () => {
  const ended = await lockrig(['torture', 'ticket', BROKEN, '--duration', '900ms', '--json'], at);
  assert.is(ended.code, 1, said(ended));
  const events = ended.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Event);
  const kinds = events.map(({ event }) => event);
  assert.equal(
    kinds.filter((kind) => kind !== 'progress'),
    ['start', 'result', 'start', 'result', 'end'],
  );
  assert.ok(kinds.filter((kind) => kind === 'progress').length >= 3, kinds.join());
  const progress = events.filter(({ event, lock }) => event === 'progress' && lock === 'ticket');
  const seconds = progress.map(({ seconds: now }) => now ?? -1);
  assert.equal(
    seconds,
    [...seconds].sort((a, b) => a - b),
  );
  assert.is(events.at(-1)?.exitCode, 1);
  const verdicts = events.filter(({ event }) => event === 'result').map(({ result }) => result?.verdict);
  assert.equal(verdicts, ['success', 'failure']);
});

test('--junit is XML with a case a lock, whatever the locks are called', async () => {
  const odd = `<b> & "c" ]]>`;
  box.write({
    'odd.ts': lockFile(odd),
    'bad.ts': lockFile('bad', {
      create: `(isa) => ({
        acquire(lock) { while (isa.compareExchange(lock, 0, 1) !== 0) isa.spinWhile(lock, 1); },
        release() { throw new Error('</failure> & \\u0001\\u001b[31m') },
      })`,
    }),
  });
  const ended = await lockrig(
    ['torture', './odd.ts', './bad.ts', BROKEN, '--duration', '1500ms', '--junit', 'r.xml'],
    at,
  );
  assert.is(ended.code, 1, said(ended));
  const root = parseXml(readFileSync(join(box.path, 'r.xml'), 'utf8'));
  const cases = elements(root, 'testcase');
  assert.equal(
    cases.map(({ attributes }) => attributes.name),
    [odd, 'bad', BROKEN],
  );
  assert.equal(
    cases.map((test) => elements(test, 'failure').map(({ attributes }) => attributes.message)),
    [[], ['FAILURE (exception)'], ['FAILURE (exclusion)']],
  );
  const [suites] = elements(root, 'testsuite');
  assert.equal([suites?.attributes.tests, suites?.attributes.failures], ['3', '2']);
});

/** Writes down, in order, what reaches the disk and what reaches stdout. */
const LOG = `import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
const { renameSync, appendFileSync } = fs;
const log = (what) => appendFileSync(process.env.ORDER, what + '\\n');
fs.renameSync = (from, to) => { renameSync(from, to); log('file ' + to); };
syncBuiltinESMExports();
const { write } = process.stdout;
process.stdout.write = function (text, ...rest) { log('said ' + text); return write.call(this, text, ...rest); };`;

test('--out: a failure is on disk before it is printed, under a name of its own', async () => {
  box.write({ 'no-exclusion.ts': lockFile(BROKEN, { create: '() => ({ acquire() {}, release() {} })' }) });
  const ended = await lockrig(
    ['torture', BROKEN, './no-exclusion.ts', 'ticket', '--duration', '1s', '--out', 'out'],
    {
      ...at,
      env: { ORDER: join(box.path, 'order') },
      node: ['--import', `data:text/javascript,${encodeURIComponent(LOG)}`],
    },
  );
  assert.is(ended.code, 1, said(ended));
  const order = readFileSync(join(box.path, 'order'), 'utf8');
  const onDisk = order.search(/^file .*failure-busted_no-exclusion\.json$/m);
  assert.ok(onDisk > 0 && onDisk < order.search(/!!!/), order);
  assert.equal(readdirSync(join(box.path, 'out')).sort(), [
    'failure-busted_no-exclusion-2.json',
    'failure-busted_no-exclusion.json',
    'progress.json',
    'results.json',
  ]);
  assert.equal([load('out/results.json').complete, load('out/results.json').results.length], [true, 3]);
  assert.is(load('out/failure-busted_no-exclusion.json').results[0]?.verdict, 'failure');
});

const wholeFiles = (name: string): void => {
  for (const file of readdirSync(join(box.path, name)))
    if (!file.endsWith('.tmp')) assert.ok(load<object>(join(name, file)), file);
};

test('SIGKILL leaves whole files and the counters of the last second', async () => {
  const run = start(['torture', BROKEN, 'ticket', '--duration', '5s', '--out', 'killed'], at);
  await run.until('stdout', /^torture:ticket /m);
  const seconds = (): number =>
    existsSync(join(box.path, 'killed/progress.json'))
      ? load<{ lock: string; seconds: number; acquisitions: number }>('killed/progress.json').seconds
      : 0;
  const before = load('killed/results.json');
  assert.equal([before.complete, before.results.length], [false, 1]);
  let looks = 0;
  for (let last = -1; looks < 2; await sleep(20)) {
    if (run.child.exitCode !== null) break;
    const now = seconds();
    if (now !== last) looks += 1;
    last = now;
  }
  run.child.kill('SIGKILL');
  const ended = await run.ended;
  assert.is(ended.signal, 'SIGKILL', said(ended));
  wholeFiles('killed');
  assert.is(load('killed/failure-busted_no-exclusion.json').results[0]?.verdict, 'failure');
  assert.is(load('killed/results.json').complete, false);
  assert.ok(load<{ acquisitions: number }>('killed/progress.json').acquisitions > 0);
});

test('counters are written about once a second while a lock is tortured', async () => {
  const run = start(['torture', 'ticket', '--duration', '1h', '--out', 'counters'], at);
  const seen = new Set<number>();
  while (seen.size < 3 && run.child.exitCode === null) {
    await sleep(20);
    const file = join(box.path, 'counters/progress.json');
    if (existsSync(file))
      seen.add(load<{ rounds: number; seconds: number }>('counters/progress.json').seconds);
  }
  run.child.kill('SIGKILL');
  await run.ended;
  const gaps = [...seen].slice(1).map((now, index) => now - ([...seen][index] ?? 0));
  assert.ok(gaps.length === 2 && gaps.every((gap) => gap >= 1), `${[...seen]}`);
});

test('a result that cannot be written ends in a sentence', async () => {
  mkdirSync(join(box.path, 'full/failure-busted_no-exclusion.json'), { recursive: true });
  const ended = await lockrig(['torture', BROKEN, '--duration', '30s', '--fail-fast', '--out', 'full'], at);
  assert.is(ended.code, 2, said(ended));
  assert.match(ended.stderr, /^lockrig: .*failure-busted_no-exclusion\.json cannot be written: [^\n]*\n$/);
});

test('results go where a link leads, into no device, and not two into one file', async () => {
  writeFileSync(join(box.path, 'real.json'), 'old');
  symlinkSync('real.json', join(box.path, 'link.json'));
  const linked = await lockrig(['torture', 'ticket', '--duration', '200ms', '--json', 'link.json'], at);
  assert.is(linked.code, 0, said(linked));
  assert.ok(lstatSync(join(box.path, 'link.json')).isSymbolicLink());
  assert.is(load('real.json').results.length, 1);
  const same = await lockrig(['torture', 'ticket', '--json', 'one', '--junit', './one'], at);
  assert.is(same.code, 2, said(same));
  assert.match(same.stderr, /^lockrig: one cannot be written: --json and --junit both name it\n$/);
  if (existsSync('/dev/null')) {
    const device = await lockrig(['torture', 'ticket', '--duration', '200ms', '--json', '/dev/null'], at);
    assert.is(device.code, 0, said(device));
    assert.ok(lstatSync('/dev/null').isCharacterDevice());
  }
});

test('what a plugin throws in a callback of its own ends in a sentence and exit code 4', async () => {
  box.write({
    'later.ts': `setTimeout(() => { throw new Error('much later'); }, 200);\n${lockFile('later', { create: KEEPS_TAS })}`,
  });
  const ended = await lockrig(['torture', './later.ts', '--duration', '30s'], at);
  assert.is(ended.code, 4, said(ended));
  assert.match(ended.stderr, /^lockrig: .*much later/m);
});

test('--jit runs the torture once, in a process with the flags of the tier', async () => {
  const tiers = [
    ['interpreter', '--no-sparkplug'],
    ['baseline', '--always-sparkplug'],
    ['optimised', '--no-liftoff'],
  ] as const;
  for (const [tier, flag] of haveTurn(tiers, 3)) {
    const ended: Ended = await lockrig(
      ['torture', 'ticket', '--duration', '300ms', '--jit', tier, '--json', `${tier}.json`],
      at,
    );
    assert.is(ended.code, 0, said(ended));
    assert.is(ended.stdout.match(/ SUCCESS$/gm)?.length, 1, said(ended));
    const { environment, results } = load(`${tier}.json`);
    assert.ok(environment.flags.includes(flag), environment.flags.join(' '));
    assert.ok((results[0]?.acquisitions ?? 0) > 0);
  }
  const failed = await lockrig(
    ['torture', BROKEN, '--duration', '30s', '--fail-fast', '--jit', 'baseline'],
    at,
  );
  assert.is(failed.code, 1, said(failed));
});

test.run();
