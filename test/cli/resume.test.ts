/**
 * A hunt that is killed goes on: every failure that was printed is on disk, and in the end it has found what a hunt finds that nobody killed. A folder that cannot be
 * written any more costs neither the verdict nor the exit code.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { HuntResult } from '../../harness/index.ts';
import { folder, lockrig, refused, said, start } from '../fixtures/torture/cli.ts';
import { suite } from '../suite.ts';

const test = suite('cli: resume');
const box = folder();
const at = { cwd: box.path };

/** Four words, and an increment of each that is lost now and then. */
box.write({
  'many.ts': `import { defineScenario, struct, u32 } from 'lockrig';
const State = struct('many', { a: u32, b: u32.ownLine(), c: u32.ownLine(), d: u32.ownLine(), busy: u32.ownLine() });
const words = [State.a, State.b, State.c, State.d];
export default defineScenario({
  name: 'many',
  state: State,
  actors: ({ isa, state }) => {
    for (const word of words) {
      for (let turn = 0; turn < 10; turn += 1) isa.fetchAdd(state + State.busy, 1);
      isa.write(state + word, isa.read(state + word) + 1);
    }
  },
  check: ({ isa, state, fail }) => {
    const lost = words.findIndex((word) => isa.read(state + word) !== 2);
    if (lost >= 0) fail('lost in ' + 'abcd'[lost]);
  },
});
`,
});

const HUNT = ['hunt', 'ticket', './many.ts', '--all', '--budget', '3000', '--seed', '5'];

interface Progress {
  readonly finished: number;
  readonly state?: { readonly chunk: number; readonly executions: number };
  readonly failures: readonly string[];
}

const load = <Content>(...path: string[]): Content =>
  JSON.parse(readFileSync(join(box.path, ...path), 'utf8')) as Content;

/** What was found: by subject, every failure by what a run that goes on must not change. */
const outcome = (name: string): unknown =>
  load<{ results: HuntResult[] }>(name, 'hunt.json').results.map(
    ({ subject, verdict, executions, accesses, failures }) => ({
      subject,
      verdict,
      executions,
      accesses,
      failures: failures.map(({ key, token, rate, after }) => ({ key, token, rate, at: after.executions })),
    }),
  );

test(
  'a hunt that is killed again and again finds what one finds that is not',
  async () => {
    const whole = await lockrig([...HUNT, '--out', 'whole'], at);
    assert.is(whole.code, 1, said(whole));
    let before = { finished: 0, executions: 0 };
    const printed = new Set<string>();
    let kills = 0;
    for (let killed = true; killed; ) {
      const resume = existsSync(join(box.path, 'cut/progress.json')) ? ['--resume'] : [];
      const run = start([...HUNT, '--out', 'cut', ...resume], at);
      // The next failure is on the screen in full.
      // Three times; then it may finish.
      killed =
        kills < 3 &&
        (await run.until('stdout', /lockrig replay '.*'.*\n/).then(
          () => run.child.kill('SIGKILL'),
          () => false,
        ));
      const ended = await run.ended;
      for (const [, token = ''] of ended.stdout.matchAll(/lockrig replay '(.*?)'/g)) printed.add(token);
      const { finished, state, failures } = load<Progress>('cut/progress.json');
      const now = { finished, executions: state?.executions ?? 0 };
      assert.ok(
        now.finished > before.finished || now.executions >= before.executions,
        `${JSON.stringify(now)} after ${JSON.stringify(before)}`,
      );
      before = now;
      if (ended.signal !== 'SIGKILL') {
        assert.is(ended.code, 1, said(ended));
        break;
      }
      kills += 1;
      const onDisk = new Set(failures.map((file) => load<{ token: string }>('cut', file).token));
      for (const token of printed) assert.ok(onDisk.has(token), `${token} was printed and is not on disk`);
      if (resume.length > 0) assert.match(ended.stdout, /^hunt:ticket .* SUCCESS .*, before$/m);
    }
    assert.ok(kills >= 3, `it was killed ${kills} times only`);
    assert.equal(outcome('cut'), outcome('whole'));
  },
  { deadline: 240_000 },
);

test('one that is finished says so again, and one that was asked for something else is refused', async () => {
  const again = await lockrig([...HUNT, '--out', 'whole', '--resume'], at);
  assert.is(again.code, 1, said(again));
  assert.match(again.stdout, /^hunt:many .* FAILURE .*, before$/m);
  const other = (args: readonly string[], sentence: RegExp): Promise<void> =>
    lockrig(args, at).then((ended) => refused(ended, sentence));
  mkdirSync(join(box.path, 'bad'));
  writeFileSync(join(box.path, 'bad/progress.json'), '{"command":"hunt"');
  await Promise.all([
    other([...HUNT.slice(0, -1), '6', '--out', 'whole', '--resume'], /--seed was 5 and is 6/),
    other(['hunt', 'ticket', '--out', 'whole', '--resume'], /subjects was ticket, many .* and is ticket:/),
    other([...HUNT, '--resume'], /--out DIR is expected/),
    other([...HUNT, '--out', 'none', '--resume'], /none holds no hunt to go on with/),
    other([...HUNT, '--out', 'bad', '--resume'], /bad\/progress\.json cannot be read/),
  ]);
  assert.not.ok(existsSync(join(box.path, 'none')));
});

test('a folder that cannot be written any more costs neither the verdict nor the exit code', async () => {
  const run = start(['hunt', 'ticket', './many.ts', '--budget', '4000', '--out', 'lost'], at);
  await run.until('stdout', /^hunt:ticket$/m);
  // A file in its place: nobody can write there, whoever they are.
  renameSync(join(box.path, 'lost'), join(box.path, 'found'));
  writeFileSync(join(box.path, 'lost'), '');
  const ended = await run.ended;
  rmSync(join(box.path, 'lost'));
  assert.is(ended.code, 1, said(ended));
  assert.match(ended.stdout, /^hunt:many .* FAILURE/m);
  assert.match(ended.stdout, /lockrig replay 'lr1:/);
  assert.is(ended.stderr.match(/cannot be written/g)?.length, 1, said(ended));
  const full = await lockrig(['hunt', './many.ts', '--budget', '4000', '--json', '/dev/full'], at);
  refused(full, /\/dev\/full cannot be written: ENOSPC/);
});

test.run();
