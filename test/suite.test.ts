/** Each way in which a broken test file could pass for a good one ends in exit code 1, with the reason in the output. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { suite } from './suite.ts';

const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
const fixture = (name: string) =>
  fileURLToPath(new URL(`fixtures/suite/${name}${extension}`, import.meta.url));
const runner = fileURLToPath(new URL(`run${extension}`, import.meta.url));

function run(args: readonly string[], env: Record<string, string> = {}) {
  const plain: NodeJS.ProcessEnv = { ...process.env, ...env };
  delete plain.FORCE_COLOR;
  const child = spawnSync(process.execPath, args, { env: plain, encoding: 'utf8', timeout: 50_000 });
  return {
    code: child.status,
    output: child.stdout + child.stderr,
    last: child.stdout.trimEnd().split('\n').at(-1),
  };
}

const trap = (name: string, env?: Record<string, string>) => run([fixture('traps'), name], env);

const test = suite('suite');

test('a file whose tests hold ends in 0 and names them', () => {
  const { code, output } = trap('passes');
  assert.is(code, 0, output);
  assert.match(output, /holds {2}\(\d+ ms\)/);
  assert.match(output, /holds later {2}\(\d+ ms\)/);
});

const reasons: Record<string, readonly RegExp[]> = {
  fails: [/FAIL.*"victim"/, /planted failure/, /bystander {2}\(/],
  'before throws': [/FAIL.*"victim"/, /before: planted in before/],
  'before.each throws': [/FAIL.*"victim"/, /before\.each: planted in before\.each/],
  'after.each throws': [/FAIL.*"victim"/, /FAIL.*"bystander"/, /after\.each: planted in after\.each/],
  'after throws': [/suite "trap".*planted in after/],
  'test never settles': [/FAIL.*"victim"/, /the test did not settle within 50 ms/, /bystander {2}\(/],
  'run is forgotten': [/suite "forgotten" was declared but never run/],
  'one of two runs is forgotten': [/innocent {2}\(/, /suite "forgotten" was declared but never run/],
  'test is declared after run': [/suite "trap": 1 of 2 tests never ran/],
  'no tests': [/suite "hollow" has no tests/],
  'no suite': [/declares no suite/],
  'throws a string': [/FAIL.*"victim"/, /not an Error: 'planted string'/, /bystander {2}\(/],
  'rejects with undefined': [/FAIL.*"victim"/, /not an Error: undefined/, /bystander {2}\(/],
  'asserts on values that cannot be printed': [/FAIL.*"victim"/, /planted bigint/, /bystander {2}\(/],
  'exits in a test': [/suite "trap" did not finish/],
  'leaves a promise to reject': [/planted stray rejection/],
  'leaves a worker asleep': [/still alive .* after the last test: a worker/],
};

for (const [name, expected] of Object.entries(reasons)) {
  test(`a file ends in 1 and says why: ${name}`, () => {
    const { code, output } = trap(name);
    assert.is(code, 1, output);
    for (const reason of expected) assert.match(output, reason);
  });
}

test('a long test is skipped with the way to run it', () => {
  const { code, output } = trap('long tests', { LOCKRIG_LONG: '' });
  assert.is(code, 0, output);
  assert.match(output, /goes on and on {2}skipped: long, run it with: npm run test:long/);
  assert.match(output, /Skipped:\s+1/);
});

test('a long test runs when LOCKRIG_LONG=1', () => {
  const { code, output } = trap('long tests', { LOCKRIG_LONG: '1' });
  assert.is(code, 0, output);
  assert.match(output, /goes on and on {2}\(\d+ ms\)/);
});

test('output is free of colour when piped', () => {
  assert.not.match(trap('fails').output, '\u001b');
});

test.run();

const runs = suite('run');

runs('sums the files and counts skipped tests apart', () => {
  const { code, output, last } = run([
    runner,
    fixture('passes'),
    fixture('passes').replace('passes', './passes'),
  ]);
  assert.is(code, 0, output);
  assert.is(last, '2 passed, 0 failed, 1 skipped');
});

runs('ends a file that blocks its main thread, counts it as failed and goes on', () => {
  const { code, output, last } = run([runner, '--deadline', '2', fixture('blocks'), fixture('passes')]);
  assert.is(code, 1, output);
  assert.match(output, /blocks\.[jt]s took longer than 2 s/);
  assert.is(last, '3 passed, 1 failed, 1 skipped');
});

runs('counts a file that dies as failed', () => {
  const { code, output, last } = run([runner, fixture('crashes')]);
  assert.is(code, 1, output);
  assert.match(output, /was ended by SIGKILL/);
  assert.is(last, '1 passed, 1 failed');
});

runs('counts a file without a test as failed', () => {
  const { code, output, last } = run([runner, fixture('silent')]);
  assert.is(code, 1, output);
  assert.match(output, /silent\.[jt]s ran no test/);
  assert.is(last, '0 passed, 1 failed');
});

runs('fails when every test was skipped', () => {
  const { code, output, last } = run([runner, fixture('skips')]);
  assert.is(code, 1, output);
  assert.is(last, '0 passed, 0 failed, 1 skipped');
});

runs('runs the long tests with --long', () => {
  const { code, output, last } = run([runner, '--long', fixture('skips')]);
  assert.is(code, 0, output);
  assert.is(last, '1 passed, 0 failed');
});

runs('refuses a name that no file has', () => {
  const { code, output } = run([runner, 'no-such-lock']);
  assert.is(code, 2, output);
  assert.match(output, /'no-such-lock'/);
});

runs('refuses a deadline that is no number', () => {
  const { code, output } = run([runner, '--deadline', 'soon']);
  assert.is(code, 2, output);
  assert.match(output, /'soon'/);
});

runs.run();
