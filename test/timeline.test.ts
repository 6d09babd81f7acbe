import * as assert from 'uvu/assert';
import { OP, OPERATIONS } from '../harness/engines/trace.ts';
import { Exploration } from '../harness/explore/exploration.ts';
import { findWord, recordingOf } from '../harness/explore/tape.ts';
import { momentAt, Walk, waitLines } from '../harness/report/moment.ts';
import { type TraceEvent, timeline } from '../harness/report/perfetto.ts';
import { Stepper } from '../harness/report/stepper.ts';
import type { Tortured } from '../harness/torture/setup.ts';
import { embrace, url } from './fixtures/hunt.ts';
import { complaints, made, runs } from './fixtures/recordings.ts';
import { seed } from './seed.ts';
import { suite } from './suite.ts';

const test = suite('moments and timelines');
const own = (subject: unknown): Tortured => subject as Tortured;

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

test.run();
