/**
 * The traced engine: what a ring says is what its CPU did; the exact order is one that every load agrees with, and tracers that are broken on purpose are found
 * out; delays strike where they are aimed; a failure that torture saw free-running becomes a token that replays.
 */
import * as assert from 'uvu/assert';
import { runCrew } from '../bench/crew.ts';
import { OP, OPERATIONS } from '../harness/engines/trace.ts';
import type { Chaos } from '../harness/engines/traced/chaos.ts';
import { Delays } from '../harness/engines/traced/chaos.ts';
import { disagreement, OrderError, reconstruct } from '../harness/engines/traced/reconstruct.ts';
import { conflicts, type RingRecord, Rings, traceFrom, traceMemory } from '../harness/engines/traced/ring.ts';
import { reproduce } from '../harness/explore/focus.ts';
import { replay } from '../harness/explore/replay.ts';
import { decode } from '../harness/explore/token.ts';
import { torture } from '../harness/torture/run.ts';
import type { Tortured } from '../harness/torture/setup.ts';
import { summarize } from '../harness/torture/summary.ts';
import { lockByName, mutants } from '../src/locks.ts';
import { createMachine } from '../src/memory/index.ts';
import type { EngineArgs, ProgramArgs } from './fixtures/traced/engines.ts';
import { seed } from './seed.ts';
import { longOnly, suite } from './suite.ts';

const test = suite('traced');
const lock = (name: string): Tortured => lockByName(name) as Tortured;
const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
const fixture = new URL(`./fixtures/traced/engines${extension}`, import.meta.url).href;
const ACCESSES = 900;

interface Ran {
  readonly rings: Rings;
  readonly each: readonly (readonly RingRecord[])[];
}

/** Runs random programs on traced CPUs. */
async function run(
  ordered: boolean,
  about: { cpus?: number; seed?: number; broken?: EngineArgs['broken']; chaos?: Chaos; words?: number } = {},
): Promise<Ran> {
  const { cpus = 2, chaos = 'none', broken, words: count = 4 } = about;
  const machine = createMachine({ cpus });
  const first = machine.alloc(4096);
  const words = Array.from({ length: count }, (_, at) => first + 4 * at);
  const handle = traceMemory(cpus, ordered);
  const args: EngineArgs = { handle, chaos, ...(broken === undefined ? {} : { broken }) };
  await runCrew<ProgramArgs, number>({
    machine,
    engine: { module: fixture, factory: 'engine', args },
    job: { module: fixture, name: 'program' },
    args: { words, seed: about.seed ?? seed, accesses: ACCESSES },
    attach: {},
  });
  const rings = new Rings(handle);
  return { rings, each: Array.from({ length: cpus }, (_, cpu) => rings.records(cpu)) };
}

/** What is wrong with an ordered run; undefined: every load agrees with the order. */
function wrong({ each }: Ran): string | undefined {
  try {
    return disagreement(reconstruct(each, true), () => 0);
  } catch (error) {
    if (error instanceof OrderError) return error.message;
    throw error;
  }
}

test(`every load of random programs agrees with the order that is reconstructed (seed ${seed})`, async () => {
  for (let at = 0; at < 6; at += 1) {
    const chaos = at % 3 === 2 ? 'uniform' : 'none';
    const ran = await run(true, { cpus: 2 + (at % 2), seed: seed + at, words: 1 + 2 * at, chaos });
    for (const records of ran.each) assert.ok(records.length >= ACCESSES);
    assert.is(wrong(ran), undefined, `seed ${seed + at}`);
    const order = reconstruct(ran.each, true);
    const switches = order.filter(({ cpu }, place) => place > 0 && order[place - 1]!.cpu !== cpu).length;
    assert.ok(switches > 0);
    assert.is(traceFrom(order).length, order.length);
  }
});

test(`a tracer that drops a write is found out (seed ${seed})`, async () => {
  assert.match(wrong(await run(true, { broken: 'drops' })) ?? '', /not recorded|nobody has written|found/);
});

test(
  `an order whose writers do not exclude each other is found out (seed ${seed})`,
  async () => {
    // Two CPUs have to meet within an access: on a busy machine that may take a few runs.
    for (let at = 0; at < 60; at += 1)
      if (wrong(await run(true, { broken: 'unlocked', seed: seed + at, words: 1 })) !== undefined) return;
    assert.unreachable('60 runs without the stripe lock, and every load agrees');
  },
  { deadline: 120_000 },
);

test('records that contradict each other have no order', () => {
  const record = (cpu: number, op: string, version: number, value: number, before = 0): RingRecord => ({
    cpu,
    op: OP[op]!,
    addr: 64,
    value,
    before,
    version,
  });
  // Each CPU reads what the other writes afterwards.
  const cycle = [
    [record(0, 'load', 4, 2), record(0, 'store', 2, 1)],
    [record(1, 'load', 2, 1), record(1, 'store', 4, 2, 1)],
  ];
  assert.throws(() => reconstruct(cycle), /no order agrees/);
  assert.throws(
    () => reconstruct([[record(0, 'store', 2, 1)], [record(1, 'store', 2, 1)]]),
    /both brought version 2/,
  );
  const order = reconstruct([[record(0, 'store', 2, 1)], [record(1, 'load', 2, 5)]], true);
  assert.match(disagreement(order, () => 0) ?? '', /found 5, and the order says 1/);
});

test(`a local ring has what its CPU did last, in program order (seed ${seed})`, async () => {
  const { each } = await run(false, { cpus: 1, words: 3 });
  const [records = []] = each;
  assert.ok(records.length >= ACCESSES);
  // One CPU: memory is what it wrote last, and its ring has to agree with that.
  const memory = new Map<number, number>();
  for (const { op, addr, value, before } of records) {
    const { reads, writes } = OPERATIONS[op]!;
    if (!reads && !writes) continue;
    if (reads) assert.is(writes ? before : value, memory.get(addr) ?? 0, OPERATIONS[op]!.name);
    memory.set(addr, value);
  }
  const both = await run(false, { words: 3 });
  assert.is(conflicts(both.each.flat()).length, 3);
});

test('what is kept at a violation stays as it was, and only the first is', async () => {
  const { rings } = await run(false, { cpus: 2 });
  rings.keep(0);
  const kept = rings.records(1);
  assert.ok(kept.length > 0);
  const ring = rings.ring(1);
  ring.fill(0);
  rings.keep(1);
  assert.equal(rings.records(1), kept);
  assert.is(rings.records(1, false).length, 0);
});

test('delays strike at their rate, and at targets more often', () => {
  const { targets } = new Rings(traceMemory(1, false));
  const made = (chaos: Chaos): Delays => new Delays({ chaos, seed: 3, oneIn: 50, loads: 1 }, targets);
  const uniform = made('uniform');
  for (let at = 0; at < 20_000; at += 1) uniform.pass(16);
  assert.ok(uniform.struck > 300 && uniform.struck < 500, `${uniform.struck} of 400`);
  const rings = new Rings(traceMemory(1, false));
  rings.aim([64]);
  const aimed = new Delays({ chaos: 'targeted', seed: 3, oneIn: 50, loads: 1 }, rings.targets);
  for (let at = 0; at < 20_000; at += 1) aimed.pass(at % 10 === 0 ? 16 : 1000);
  // One access in ten is to the target, and most delays are there.
  assert.ok(aimed.aimed > aimed.struck / 3, `${aimed.aimed} of ${aimed.struck}`);
});

for (const [trace, chaos] of [
  ['ring', 'none'],
  ['order', 'targeted'],
] as const) {
  test(
    `a violation shows what CPUs did last: trace ${trace}, chaos ${chaos}`,
    async () => {
      const failed = await torture(
        lock('busted/mcs-unlinked'),
        { duration: 8000, failFast: true, stallAfter: 1000, seed, trace, chaos },
        { stacks: false },
      );
      assert.ok(failed.trace, failed.verdict);
      assert.is(failed.trace!.ordered, trace === 'order');
      assert.ok(failed.trace!.conflicts.length > 0);
      const text = summarize(failed).join('\n');
      assert.match(text, /what CPUs did last/);
      assert.match(text, /CPU 0 +CPU 1/);
      const silent = await torture(lock('ticket'), { duration: 150, seed, trace, chaos }, { stacks: false });
      assert.is(silent.verdict, 'success');
      assert.is(silent.trace, undefined);
    },
    { deadline: 60_000 },
  );
}

test(
  'what torture saw free-running becomes a token that replays',
  async () => {
    const subject = lock('busted/mcs-unlinked');
    const seen = await torture(
      subject,
      { duration: 8000, failFast: true, stallAfter: 1000, seed, trace: 'ring' },
      { stacks: false },
    );
    const found = await reproduce(subject, seen, { seed });
    assert.ok(found.failure, found.reason);
    const again = await replay(subject, decode(found.failure!.token), { times: 20 });
    assert.is(again.same, 20);
    const none = await reproduce(lock('ticket'), { ...seen, oracle: undefined });
    assert.is(none.failure, undefined);
    assert.match(none.reason ?? '', /did not fail/);
  },
  { deadline: 120_000 },
);

longOnly(test)('nine of ten lock mutants, seen free-running, are deterministic within a minute', async () => {
  const missed: string[] = [];
  for (const mutant of mutants) {
    const subject = mutant as Tortured;
    const params = { cpus: mutant.mutant?.cpus ?? 2, duration: 4000, failFast: true, stallAfter: 2000 };
    let seen = await torture(subject, { ...params, seed, trace: 'ring' }, { stacks: false });
    for (let run = 1; run < 6 && seen.oracle === undefined; run += 1)
      seen = await torture(subject, { ...params, seed: seed + run, trace: 'ring' }, { stacks: false });
    const found = await reproduce(subject, seen);
    const times = 20;
    const again = found.failure && (await replay(subject, decode(found.failure.token), { times }));
    if (again?.same !== times) missed.push(`${mutant.name} (${seen.oracle ?? 'not seen'})`);
  }
  assert.ok(missed.length <= mutants.length / 10, `${missed.length} missed: ${missed.join(', ')}`);
});

test.run();
