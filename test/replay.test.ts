/** A replay shows what a run did: whose line made an access, what memory held and who waited at any point of it, step by step and on a timeline. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { EXIT } from '../harness/cli/errors.ts';
import { OP } from '../harness/engines/trace.ts';
import { Exploration } from '../harness/explore/exploration.ts';
import { hunt } from '../harness/explore/hunt.ts';
import { record } from '../harness/explore/replay.ts';
import { recordingOf } from '../harness/explore/tape.ts';
import { decode } from '../harness/explore/token.ts';
import type { TraceEvent } from '../harness/report/perfetto.ts';
import { Stepper } from '../harness/report/stepper.ts';
import type { Tortured } from '../harness/torture/setup.ts';
import { lost, url } from './fixtures/hunt.ts';
import { complaints, lock } from './fixtures/recordings.ts';
import { type Ended, folder, MAIN, refused, said } from './fixtures/torture/cli.ts';
import { read, root } from './project.ts';
import { seed } from './seed.ts';
import { suite } from './suite.ts';

const test = suite('replay');
const MODELS = ['sc', 'tso', 'weak'] as const;
const own = (subject: unknown): Tortured => subject as Tortured;

test(`stacks name the line that made each access, and the run stays the same (seed ${seed})`, async () => {
  const exploration = await Exploration.open(lock('ticket'), { cpus: 2 });
  let drawn = 0;
  try {
    for (const [at, model] of MODELS.entries()) {
      const schedule = { policy: 'random', parameter: 2, length: 80, seed: seed + at };
      const bare = await exploration.execution(schedule, { model });
      assert.is(bare.stacks.size, 0, 'none where none was asked for');
      const full = await exploration.execution(schedule, { model, stacks: 'all' });
      assert.is(full.hash, bare.hash);
      assert.equal([...full.trace.words], [...bare.trace.words]);
      const { trace, stacks } = full;
      const { lock: addr } = exploration.setup;
      for (let place = 0; place < trace.length; place += 1) {
        const frames = stacks.get(place);
        if (trace.op(place) === OP.drain) assert.is(frames, undefined, 'who drains did not make the store');
        else assert.ok(frames, `record ${place} has a stack`);
        for (const { file } of frames ?? [])
          assert.not.ok(file.includes(join('harness', 'engines')) || file.includes('explore'), file);
        if (trace.op(place) !== OP.fetchAdd || trace.addr(place) !== addr) continue;
        drawn += 1;
        assert.is(frames![0]!.file, join(root, 'src/locking/ticket.ts'));
        assert.match(frames![0]!.functionName, /acquire/i);
        assert.match(read('src/locking/ticket.ts').split('\n')[frames![0]!.line - 1]!, /fetchAdd/);
      }

      const places = [3, trace.length - 2, 1 << 20].filter((place) => trace.op(place) !== OP.drain);
      const some = await exploration.execution(schedule, { model, stacks: places });
      assert.is(some.hash, bare.hash);
      assert.equal(
        some.stacks,
        new Map(places.filter((place) => place < trace.length).map((place) => [place, stacks.get(place)])),
      );
    }
    // What was asked for behind the end of a run is not taken in a longer one.
    const run = (at: number, stacks: readonly number[]) =>
      exploration.execution({ policy: 'random', parameter: 2, length: 80, seed: seed + at }, { stacks });
    const lengths: number[] = [];
    for (let at = 0; at < 12; at += 1) lengths.push((await run(at, [])).trace.length);
    const [shortest, longest] = [Math.min(...lengths), Math.max(...lengths)];
    assert.ok(shortest < longest, lengths.join());
    const behind = Array.from({ length: longest - shortest }, (_, more) => shortest + more);
    assert.is((await run(lengths.indexOf(shortest), behind)).stacks.size, 0);
    assert.is((await run(lengths.indexOf(longest), [])).stacks.size, 0, 'and is forgotten');
    assert.ok(drawn >= 2, `${drawn} tickets`);
  } finally {
    await exploration.close();
  }
});

test('in a scenario the first frame is the line of the actor', async () => {
  const exploration = await Exploration.open(own(lost), { url });
  try {
    const { trace, stacks } = await exploration.execution({ switches: [], seed: 1 }, { stacks: 'all' });
    const text = read('test/fixtures/hunt.ts').split('\n');
    const lines = Array.from({ length: trace.length }, (_, place) => place)
      .filter((place) => trace.op(place) === OP.read || trace.op(place) === OP.write)
      .map((place) => text[stacks.get(place)![0]!.line - 1]!);
    assert.is(lines.length, 4);
    for (const line of lines) assert.match(line, /isa\.write\(state \+ Word\.value, isa\.read/);
  } finally {
    await exploration.close();
  }
});

test(`the last access before a failure is before the oracle fired, not before the end (seed ${seed})`, async () => {
  const subject = lock('busted/no-exclusion');
  const { failures } = await hunt(subject, { seed, executions: 5000, models: ['sc'] });
  const { recording } = await record(subject, decode(failures[0]!.token));
  const { trace, failedAt, failure } = recording;
  assert.is(failure?.oracle, 'exclusion');
  assert.ok(failedAt > 0 && failedAt < trace.length, `${failedAt} of ${trace.length}`);
  // Who reports has just read who is inside: another CPU when it enters or leaves, or none when it leaves. Or what it has written, when the others had come and gone in between.
  const [cpu, inside] = [trace.cpu(failedAt - 1), trace.value(failedAt - 1) - 1];
  const name = recording.name(trace.addr(failedAt - 1));
  const owner = name === 'protected.owner';
  assert.match(name, /^protected\.(owner|first\[\d+\])$/);
  assert.ok(!owner || inside !== cpu, 'the CPU itself is no failure');
  const stepper = new Stepper(recording, failedAt - 1);
  const [said] = (await stepper.answer('n'))!;
  const whose = !owner ? [`CPU ${cpu} was alone inside and still saw ${name} at ${inside + 1}`] : undefined;
  const sentences =
    whose ??
    (inside < 0
      ? [`another CPU entered and left while CPU ${cpu} was inside`]
      : [
          `CPU ${cpu} entered while CPU ${inside} was inside`,
          `CPU ${inside} entered while CPU ${cpu} was inside`,
        ]);
  assert.ok(
    sentences.some((sentence) => said!.includes(`!!! exclusion: ${sentence}`)),
    said!,
  );
  const exploration = await Exploration.open(subject, { cpus: 2 });
  try {
    await exploration.execution(decode(failures[0]!.token).schedule);
    const execution = await exploration.execution({ switches: [], seed: 1 });
    const alone = recordingOf(exploration, execution, 'sc');
    assert.is(alone.failure, undefined, 'one after the other they do no harm');
    assert.is(alone.failedAt, alone.trace.length);
  } finally {
    await exploration.close();
  }
});

/** The command line, with commands on its standard input. */
function lockrig(args: readonly string[], input = ''): Promise<Ended> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  const text = { stdout: '', stderr: '' };
  for (const where of ['stdout', 'stderr'] as const)
    child[where].setEncoding('utf8').on('data', (chunk: string) => {
      text[where] += chunk;
    });
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  return new Promise((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal, ...text }));
  });
}

test(
  `lockrig replay shows a failure with stacks, up to an access, by steps and as a timeline (seed ${seed})`,
  async () => {
    const { failures } = await hunt(lock('busted/mutex3-blind-park'), { seed, executions: 5000 });
    const [{ token } = { token: '' }] = failures;
    const { recording } = await record(lock('busted/mutex3-blind-park'), decode(token));
    assert.is(recording.failure?.oracle, 'wakeup');
    const file = join(folder().path, 'run.json');
    const replay = (...more: string[]) => lockrig(['replay', token, ...more]);
    const first = `0x${recording.words.keys().next().value!.toString(16)}`;
    const [until, json, step, unknown, unwritable] = await Promise.all([
      replay('--stacks', '--until', 'lock.word', '--perfetto', file),
      replay('--until', first, '--nth', '1', '--json'),
      lockrig(['replay', token, '--step'], 'n\nk\np lock\nc\nw\n'),
      replay('--until', 'wrod'),
      replay('--perfetto', '/proc/x/run.json'),
    ]);
    for (const ended of [until, json, step]) {
      assert.is(ended.code, EXIT.violation, said(ended));
      assert.is(ended.stderr, '', said(ended));
    }
    assert.match(until.stdout, /src\/locking\/broken\/mutex3\.ts:\d+ acquire .*#\d+/);
    assert.match(until.stdout, /after access \d+ of \d+, the last before the failure \(#\d+, CPU \d/);
    assert.match(until.stdout, /CPU \d wants busted\/mutex3-blind-park/);
    assert.is(JSON.parse(json.stdout).until.nth, 1);
    for (const part of [
      /#\d+ {2}CPU \d/,
      /at \w+ \(.*\.ts:\d+:\d+\)/,
      /word=\d/,
      /the run ends\n/,
      /CPU \d wants .*, sleeps until it is woken on busted\/mutex3-blind-park\n/,
    ])
      assert.match(step.stdout, part);
    const { traceEvents } = JSON.parse(readFileSync(file, 'utf8'));
    assert.equal(complaints(traceEvents), []);
    assert.ok(traceEvents.some(({ args }: TraceEvent) => /mutex3\.ts:\d+ acquire/.test(`${args?.site}`)));
    refused(unknown, /no word 'wrod' in this run: the nearest are .*word/);
    refused(unwritable, /run\.json cannot be written/);
    assert.is(unknown.stdout + unwritable.stdout, '');
  },
  { deadline: 120_000 },
);

test.run();
