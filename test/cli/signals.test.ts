/** Interrupting a run gets what it has found so far; stopping it, holding for long and going slowly is no stall. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import type { TortureResult } from '../../harness/index.ts';
import { folder, lockFile, lockrig, said, start } from '../fixtures/torture/cli.ts';
import { inTurn, suite } from '../suite.ts';

const test = suite('cli: signals');
const box = folder();
const at = { cwd: box.path };

const load = (name: string): { complete: boolean; results: readonly TortureResult[] } =>
  JSON.parse(readFileSync(join(box.path, name), 'utf8')) as never;

test('the first SIGINT or SIGTERM ends the run with the verdict so far and exit code 130', async () => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const run = start(
      ['torture', 'ticket', 'mcs', '--duration', '1h', '--json', 'cut.json', '--out', 'cut'],
      at,
    );
    await run.until('stdout', /^torture:ticket /m);
    await sleep(700);
    run.child.kill(signal);
    const ended = await run.ended;
    assert.is(ended.code, 130, said(ended));
    assert.match(ended.stdout, /^torture:ticket .* INTERRUPTED, no violation so far$/m);
    assert.not.match(ended.stdout, /torture:mcs/);
    assert.match(ended.stderr, /stopping at the end of the round; once more to stop at once/);
    for (const file of ['cut.json', 'cut/results.json']) {
      const { complete, results } = load(file);
      assert.equal([complete, results.map(({ verdict }) => verdict)], [false, ['interrupted']], file);
      assert.ok((results[0]?.acquisitions ?? 0) > 0);
    }
  }
});

test('a violation that was found before the interruption is not lost', async () => {
  const run = start(['torture', 'busted/no-exclusion', '--duration', '1h', '--json'], at);
  await run.until('stdout', /"event":"progress".*"violations":[1-9]/);
  run.child.kill('SIGINT');
  const ended = await run.ended;
  assert.is(ended.code, 1, said(ended).slice(0, 2000));
  assert.match(ended.stdout, /"event":"result".*"verdict":"failure"/);
});

test('the second SIGINT ends at once, even where the round does not end', async () => {
  const hold = ['torture', 'mutex3', '--long-hold', '10m', '--duration', '1h', '--json'];
  const run = start(hold, at);
  // The first round has begun, and with it a hold of ten minutes.
  await run.until('stdout', /"event":"progress".*"rounds":1,/);
  run.child.kill('SIGINT');
  await run.until('stderr', /stopping at the end of the round/);
  await sleep(300);
  assert.is(run.child.exitCode, null, 'the round has not ended yet');
  run.child.kill('SIGINT');
  const ended = await run.ended;
  assert.is(ended.code, 130, said(ended));
});

test('SIGINT reaches the process that --jit has started', async () => {
  const run = start(['torture', 'ticket', '--duration', '1h', '--jit', 'interpreter', '--json'], at);
  await run.until('stdout', /"event":"progress"/);
  run.child.kill('SIGINT');
  const ended = await run.ended;
  assert.is(ended.code, 130, said(ended));
  assert.match(ended.stdout, /"verdict":"interrupted"/);
});

test('the process that --jit has started does not outlive the one that was killed', async () => {
  const run = start(['torture', 'ticket', '--duration', '1h', '--jit', 'interpreter', '--json'], at);
  await run.until('stdout', /"event":"progress"/);
  run.child.kill('SIGKILL');
  // Both have the pipe: it is closed when neither is there any more.
  assert.is((await run.ended).signal, 'SIGKILL');
});

inTurn(test, 2)(
  'a stopped process, long holds and many CPUs are no stall',
  async () => {
    const stopped = start(['torture', 'ticket', '--duration', '3s'], at);
    const held = lockrig(
      ['torture', 'mutex3', '--long-hold', '2s', '--duration', '6s', '--json', 'held.json'],
      at,
    );
    const many = ['ticket', 'mcs'].map((name) =>
      lockrig(['torture', name, '--cpus', '16', '--duration', '3s'], at),
    );
    await stopped.until('stdout', /^torture:ticket /m);
    await sleep(500);
    stopped.child.kill('SIGSTOP');
    await sleep(10_000);
    stopped.child.kill('SIGCONT');
    for (const ended of await Promise.all([stopped.ended, held, ...many])) {
      assert.is(ended.code, 0, said(ended));
      assert.match(ended.stdout, / SUCCESS\n$/);
    }
    const holds = load('held.json').results[0]?.cpus.reduce((total, { longHolds }) => total + longHolds, 0);
    assert.ok((holds ?? 0) > 0, 'there was no long hold');
  },
  { deadline: 150_000 },
);

test('a lock that waits in a loop of its own is a stall, with the place of the loop', async () => {
  const create = `(isa) => ({
    acquire(lock) {
      if (isa.exchange(lock, 1) === 0) return;
      for (let turns = 0; turns >= 0; ) turns = (turns + 1) % 7;
    },
    release() {},
  })`;
  box.write({ 'loops.ts': lockFile('loops', { create }) });
  const ended = await lockrig(['torture', './loops.ts', '--stall-after', '1s', '--duration', '1h'], at);
  assert.is(ended.code, 3, said(ended));
  assert.match(ended.stdout, /stall: no CPU has got anything done for \d+\.\d s/);
  assert.match(
    ended.stdout,
    /CPU \d: waits for loops, held by nobody; running\n +at acquire \(loops\.ts:(9|10):\d+\)/,
  );
  assert.match(ended.stdout, /FAILURE \(progress: stall\)\n$/);
});

test('a lock that swallows what is thrown is ended all the same', async () => {
  const create = `(isa) => ({
    acquire(lock) { for (;;) try { isa.spinWhile(lock, 0); throw new Error('on'); } catch {} },
    release() {},
  })`;
  box.write({ 'swallows.ts': lockFile('swallows', { create }) });
  const ended = await lockrig(['torture', './swallows.ts', '--duration', '1h'], at);
  assert.is(ended.code, 3, said(ended));
  assert.match(ended.stdout, /FAILURE \(progress: deadlock\)\n$/);
});

test.run();
