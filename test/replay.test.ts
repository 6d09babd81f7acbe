/** A replay shows what a run did: whose line made an access, what memory held and who waited at any point of it, step by step and on a timeline. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { EXIT } from '../harness/cli/errors.ts';
import { OP, OPERATIONS, traceOf } from '../harness/engines/trace.ts';
import { Exploration } from '../harness/explore/exploration.ts';
import { hunt } from '../harness/explore/hunt.ts';
import { record } from '../harness/explore/replay.ts';
import { findWord, type Recording, recordingOf } from '../harness/explore/tape.ts';
import { decode } from '../harness/explore/token.ts';
import { momentAt, Walk, waitLines } from '../harness/report/moment.ts';
import { type TraceEvent, timeline } from '../harness/report/perfetto.ts';
import { Stepper } from '../harness/report/stepper.ts';
import type { Tortured } from '../harness/torture/setup.ts';
import { lockByName } from '../src/locks.ts';
import { embrace, lost, url } from './fixtures/hunt.ts';
import { type Ended, folder, MAIN, refused, said } from './fixtures/torture/cli.ts';
import { read, root } from './project.ts';
import { suite } from './suite.ts';

const test = suite('replay');
const MODELS = ['sc', 'tso', 'weak'] as const;
const seed = Date.now() % 2 ** 31;
const lock = (name: string): Tortured => lockByName(name) as Tortured;
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

const RUNS = 5;
const recorded = new Map<string, Recording[]>();

/** Runs of a lock under each model, recorded; the same for whoever asks. */
async function runs(name: string): Promise<Recording[]> {
  const known = recorded.get(name);
  if (known) return known;
  const exploration = await Exploration.open(lock(name), { cpus: 2 });
  const all: Recording[] = [];
  try {
    for (const model of MODELS)
      for (let at = 0; at < RUNS; at += 1) {
        const schedule = { policy: 'random', parameter: 3, length: 80, seed: seed + at };
        const execution = await exploration.execution(schedule, { model });
        all.push(recordingOf(exploration, execution, model));
      }
  } finally {
    await exploration.close();
  }
  recorded.set(name, all);
  return all;
}

/** A recording of what is written down. */
function made(events: Parameters<typeof traceOf>[0], more: Partial<Recording> = {}): Recording {
  const trace = traceOf(events);
  return {
    subject: 'made',
    cpus: 3,
    model: 'sc',
    trace,
    stacks: new Map(),
    memory: new Int32Array(64),
    failure: undefined,
    failedAt: trace.length,
    name: (addr) => `word${addr}`,
    words: new Map(),
    ...more,
  };
}

test(`memory at each place is what the accesses there say (seed ${seed})`, async () => {
  let checked = 0;
  for (const name of ['ticket', 'mutex3', 'rwsem'])
    for (const recording of await runs(name)) {
      const { trace, model, words } = recording;
      const walk = new Walk(recording);
      for (let at = 0; at < trace.length; at += 1) {
        const { op, addr, value, before } = trace.event(at);
        const { reads, writes } = OPERATIONS[op]!;
        while (walk.place < at - 1) walk.next();
        const held = walk.word(addr);
        const what = `${name} under ${model}, #${at} ${OPERATIONS[op]!.name} ${recording.name(addr)}`;
        if (op === OP.drain || (reads && writes) || (writes && model === 'sc')) assert.is(held, before, what);
        else if (reads && model === 'sc' && !words.get(addr)!.unseen) assert.is(held, value, what);
        else continue;
        checked += 1;
      }
    }
  assert.ok(checked > 500, `${checked} accesses`);
});

test('a buffered store is no memory yet, and a notify wakes as many as it says, first come first', () => {
  const sleep = (cpu: number) => [
    { op: 'wait', cpu, addr: 4 },
    { op: 'blocked', cpu, addr: 4 },
  ];
  const recording = made(
    [
      { op: 'write', addr: 8, value: 5 },
      ...sleep(2),
      ...sleep(1),
      { op: 'notify', addr: 4, value: 1 },
      { op: 'drain', addr: 8, value: 5 },
    ],
    { model: 'tso' },
  );
  assert.is(momentAt(recording, 0).word(8), 0);
  assert.is(momentAt(recording, 0).buffered.length, 1);
  const end = momentAt(recording, 6);
  assert.is(end.word(8), 5);
  assert.is(end.buffered.length, 0);
  const [, first, second] = waitLines(recording, end);
  assert.match(first!, /CPU 1 sleeps until it is woken on word4/);
  assert.match(second!, /CPU 2 slept on word4 and was woken/);
  assert.is(momentAt({ ...recording, model: 'sc' }, 0).word(8), 5);
});

test('a deadlock says who holds what and who waits for it', async () => {
  const exploration = await Exploration.open(own(embrace), { url });
  try {
    const execution = await exploration.execution({ switches: [], seed: 1 });
    const recording = recordingOf(exploration, execution, 'sc');
    const lines = waitLines(recording, momentAt(recording, recording.trace.length - 1));
    assert.match(lines[0]!, /CPU 0 waits for embrace\.other to differ from 0/);
    assert.match(lines[1]!, /CPU 1 waits for embrace\.\w+ to differ from 0/);
    assert.is((await findWord(recording, 'value')).addr, exploration.setup.lock);
    assert.is((await findWord(recording, 'lock.other')).name, 'embrace.other');
    const unknown = await findWord(recording, 'othr').catch((error: Error) => error.message);
    assert.match(String(unknown), /no word 'othr' in this run: the nearest are .*embrace\.other/);
  } finally {
    await exploration.close();
  }
  const held = made([
    { op: 'acquiring', addr: 32, value: 1 },
    { op: 'acquired', addr: 32, value: 1 },
    { op: 'acquiring', cpu: 1, addr: 32, value: 2 },
  ]);
  const [owner, waiter, idle] = waitLines(held, momentAt(held, 2));
  assert.match(owner!, /CPU 0 holds word32; runs/);
  assert.match(waiter!, /CPU 1 wants word32 to read \(held by CPU 0\)/);
  assert.match(idle!, /CPU 2 has not begun/);
});

test(`the last access before a failure is before the oracle fired, not before the end (seed ${seed})`, async () => {
  const subject = lock('busted/no-exclusion');
  const { failures } = await hunt(subject, { seed, executions: 5000, models: ['sc'] });
  const { recording } = await record(subject, decode(failures[0]!.token));
  const { trace, failedAt, failure } = recording;
  assert.is(failure?.oracle, 'exclusion');
  assert.ok(failedAt > 0 && failedAt < trace.length, `${failedAt} of ${trace.length}`);
  // Who reports has just read that somebody is inside.
  assert.is(recording.name(trace.addr(failedAt - 1)), 'protected.owner');
  assert.is.not(trace.value(failedAt - 1), 0);
  const stepper = new Stepper(recording, failedAt - 1);
  const [said] = (await stepper.answer('n'))!;
  assert.match(said!, /!!! exclusion: CPU \d entered while CPU \d was inside/);
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

test(`a walk goes forward, to the next switch, to the end and back (seed ${seed})`, async () => {
  const [recording] = await runs('ticket');
  const stepper = new Stepper(recording!);
  const say = async (command: string): Promise<string> => (await stepper.answer(command))!.join('\n');
  const first = await say('n');
  assert.match(first, /^ +#\d+ {2}CPU \d/);
  const second = await say('');
  assert.not.equal(second, first);
  assert.is(await say('b'), first);
  assert.match(await say('b'), /before the first/);
  await say('n');
  const cpu = /CPU (\d)/.exec(first)![1];
  const passed = (await say('s')).split('\n').filter((line) => line.includes('CPU'));
  assert.match(passed.at(-1)!, new RegExp(`CPU ${1 - Number(cpu)} `));
  for (const line of passed.slice(0, -1)) assert.match(line, new RegExp(`CPU ${cpu} `));
  assert.match(await say('c'), /the run ends, without a failure/);
  assert.match(await say('n'), /has ended/);
  const { trace, words } = recording!;
  const next = [...words.values()].find(({ field }) => field === 'next')!;
  const drawn = Array.from({ length: trace.length }, (_, at) => trace.event(at))
    .filter(({ addr, op }) => addr === next.addr && OPERATIONS[op]!.writes)
    .at(-1)!.value;
  assert.match(await say('p ticket.next'), new RegExp(`ticket\\.next = ${drawn} `));
  assert.match(await say('p lock'), new RegExp(`next=${drawn} owner=${drawn}`));
  assert.match(await say('w'), /CPU 0 is done\n.*CPU 1 is done/);
  assert.match(await say('p tickt.next'), /the nearest are ticket\.next/);
  assert.match(await say('jump'), /no command 'jump'/);
  assert.match(await say('h'), /the next switch/);
  assert.is(await stepper.answer('q'), undefined);
});

/** What is wrong with events of the Trace Event Format, as far as viewers care. */
function complaints(events: readonly TraceEvent[]): string[] {
  const wrong: string[] = [];
  const tracks = new Map<number, TraceEvent[]>();
  const flows = new Map<number, TraceEvent[]>();
  const named = new Set(events.filter(({ name }) => name === 'thread_name').map(({ tid }) => tid));
  for (const event of events) {
    const what = JSON.stringify(event).slice(0, 160);
    if (!['X', 'M', 'i', 's', 'f'].includes(event.ph)) wrong.push(`phase: ${what}`);
    for (const field of ['ts', 'pid', 'tid'] as const)
      if (!Number.isFinite(event[field])) wrong.push(`${field}: ${what}`);
    if (typeof event.name !== 'string' || event.name === '') wrong.push(`name: ${what}`);
    if (event.ph !== 'M' && !named.has(event.tid)) wrong.push(`track without a name: ${what}`);
    if (event.ph === 'i' && !['g', 'p', 't'].includes(event.s ?? '')) wrong.push(`scope: ${what}`);
    if (event.ph === 'X') {
      if (!((event.dur ?? -1) > 0)) wrong.push(`dur: ${what}`);
      tracks.set(event.tid, [...(tracks.get(event.tid) ?? []), event]);
    }
    if (event.ph === 's' || event.ph === 'f')
      flows.set(event.id ?? -1, [...(flows.get(event.id ?? -1) ?? []), event]);
  }
  const end = ({ ts, dur = 0 }: TraceEvent): number => ts + dur;
  for (const slices of tracks.values()) {
    slices.sort((one, other) => one.ts - other.ts || end(other) - end(one));
    const open: TraceEvent[] = [];
    for (const slice of slices) {
      while (open.length > 0 && end(open.at(-1)!) <= slice.ts) open.pop();
      if (open.length > 0 && end(open.at(-1)!) < end(slice)) wrong.push(`overlap: ${slice.name}`);
      open.push(slice);
    }
  }
  for (const [id, ends] of flows) {
    const [from, to] = [ends.filter(({ ph }) => ph === 's'), ends.filter(({ ph }) => ph === 'f')];
    if (from.length !== 1 || to.length !== 1 || from[0]!.ts > to[0]!.ts) wrong.push(`flow ${id}`);
    for (const { tid, ts, name } of ends)
      if (!tracks.get(tid)?.some((slice) => slice.ts <= ts && ts < end(slice)))
        wrong.push(`${name} at ${ts} is in no slice`);
  }
  return wrong;
}

test('the checker of timelines finds what is wrong', () => {
  const name = { ph: 'M', pid: 1, tid: 1, ts: 0, name: 'thread_name' } as const;
  const slice = { ph: 'X', pid: 1, tid: 1, ts: 0, dur: 2, name: 'a' } as const;
  const flow = { ph: 's', pid: 1, tid: 1, ts: 1, name: 'f', id: 1 } as const;
  assert.equal(complaints([name, slice, { ...slice, ts: 2 }]), []);
  assert.equal(complaints([name, slice, flow, { ...flow, ph: 'f' }]), []);
  const planted: (readonly TraceEvent[])[] = [
    [slice],
    [name, { ...slice, dur: 0 }],
    [name, { ...slice, ts: Number.NaN }],
    [name, { ...slice, name: '' }],
    [name, slice, { ...slice, ts: 1 }],
    [name, slice, flow],
    [name, slice, flow, { ...flow, ph: 'f', ts: 5 }],
    [name, { ...slice, ph: 'i' }],
  ];
  for (const events of planted) assert.is(complaints(events).length, 1, JSON.stringify(events));
});

test(`a timeline keeps the format, and its arrows lead from what ended a wait (seed ${seed})`, async () => {
  let arrows = 0;
  for (const name of ['ticket', 'mutex3', 'rwsem'])
    for (const recording of await runs(name)) {
      const { trace } = recording;
      const { traceEvents } = timeline(recording);
      const what = `${name} under ${recording.model}`;
      assert.equal(complaints(traceEvents), [], what);
      const slices = (cat: string) => traceEvents.filter((event) => event.cat === cat);
      const count = (fits: (at: number) => boolean): number =>
        Array.from({ length: trace.length }, (_, at) => at).filter(fits).length;
      assert.is(
        slices('lock').length,
        count((at) => trace.op(at) === OP.acquired),
        what,
      );
      assert.is(
        slices('wait').length,
        count((at) => trace.op(at) === OP.blocked),
        what,
      );
      assert.is(
        slices('drain').length,
        count((at) => trace.op(at) === OP.drain),
        what,
      );
      for (const { ts } of traceEvents.filter(
        (event) => event.ph === 's' && event.name === 'lets it go on',
      )) {
        arrows += 1;
        const op = trace.op(Math.floor(ts));
        assert.ok(op === OP.notify || op === OP.drain || OPERATIONS[op]!.writes, what);
      }
    }
  assert.ok(arrows > 3, `${arrows} arrows`);
  const hand = made([
    { op: 'acquired', addr: 4, value: 1 },
    { op: 'acquired', addr: 8, value: 1 },
    { op: 'released', addr: 4, value: 1 },
    { op: 'released', addr: 8, value: 1 },
  ]);
  const { traceEvents } = timeline(hand);
  assert.equal(complaints(traceEvents), [], 'locks that are given back hand over hand');
  const tracks = traceEvents.filter(({ name }) => name === 'thread_name').map(({ args }) => args?.name);
  assert.ok(tracks.includes('CPU 0 locks 2'), tracks.join());
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
