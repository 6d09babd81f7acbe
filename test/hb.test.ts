/**
 * Races of CPUs that run free: the detector that each CPU has for itself says nothing that the pass over traces does not say, and little less; detectors that are broken on
 * purpose are found out; under torture correct locks are silent, and locks and scenarios that let races in are not.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as assert from 'uvu/assert';
import wabt from 'wabt';
import { Races } from '../harness/detect/races.ts';
import { OPERATIONS, traceOf } from '../harness/engines/trace.ts';
import type { HbIsa } from '../harness/engines/traced/hb-isa.ts';
import { HbLine, hbLine, rebase } from '../harness/engines/traced/hb-layout.ts';
import { suppressions } from '../harness/explore/suppress.ts';
import { torture } from '../harness/torture/run.ts';
import type { Tortured } from '../harness/torture/setup.ts';
import { summarize } from '../harness/torture/summary.ts';
import { type Isa, lockByName, locks } from '../src/index.ts';
import { scenarioByName } from '../src/scenarios/index.ts';
import { kindOf } from './detect/reference.ts';
import { keyOf, Play, RCU } from './fixtures/traced/play.ts';
import * as racy from './fixtures/traced/racy.ts';
import { root } from './project.ts';
import { seed } from './seed.ts';
import { longOnly, suite } from './suite.ts';

const test = suite('races, free running');

/** The bytes of a detector that lacks a part. */
async function broken(room: number, without: string): Promise<Uint8Array> {
  const { hbWat } = (await import(pathToFileURL(join(root, 'harness/build/hb-wat.mjs')).href)) as {
    hbWat: (room: number, without: string) => string;
  };
  const text = hbWat(room, without);
  const parsed = (await wabt()).parseWat('broken.wat', text, { threads: true, simd: true });
  return parsed.toBinary({}).buffer;
}

/** The pass for the traces of these CPUs. */
const passFor = ({ handle }: Play): Races =>
  new Races({ cpus: handle.cpus, bytes: handle.span, rcu: (lock) => lock === RCU });

/** What the pass finds in a trace. */
function expected(play: Play, pass: Races): string[] {
  const trace = traceOf(play.trace);
  pass.scan(trace);
  const kinds = ['plain read', 'plain write', 'marked read', 'marked write'];
  const lane = (at: number): number => kinds.indexOf(kindOf(OPERATIONS[trace.op(at)]!));
  return [
    ...new Set(
      Array.from({ length: pass.count }, (_, index) => {
        const [first, second] = [pass.pairs[2 * index]!, pass.pairs[2 * index + 1]!];
        return keyOf(trace.addr(second), lane(first), lane(second));
      }),
    ),
  ].sort();
}

/** Numbers from a seed. */
function dice(from: number): (below: number) => number {
  let x = Math.imul(from + 1, 0x9e3779b1) | 1;
  return (below) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % below;
  };
}

const ON_DATA = ['read', 'write', 'read', 'write', 'readOnce', 'writeOnce', 'fetchAddRelaxed'];
const ON_FLAGS = [
  ...['loadAcquire', 'storeRelease', 'load', 'store', 'readOnce', 'writeOnce'],
  ...['fetchAdd', 'fetchOrAcquire', 'exchangeRelease', 'fetchXorRelaxed', 'compareExchange'],
  ...[
    'compareExchangeAcquire',
    'compareExchangeRelease',
    'compareExchangeRelaxed',
    'storeRelease',
    'loadAcquire',
  ],
];
const ANYWHERE = ['mb', 'rmb', 'wmb', 'released', 'gracePeriod'];

/** Plays something random on fresh words. */
function sample(play: Play, below: (n: number) => number, cpus: number): void {
  const data = play.fresh(2);
  const flags = play.fresh(2);
  // A second call has forgotten nothing that matters: nothing has been done since the first.
  let benign = -1;
  for (let left = 10 + below(20); left > 0; left -= 1) {
    const cpu = below(cpus);
    const pick = below(12);
    const pickOf = (all: readonly string[]): string => all[below(all.length)]!;
    if (pick < 6) play.do(cpu, pickOf(ON_DATA), data[below(2)]!, below(4));
    else if (pick < 10) play.do(cpu, pickOf(ON_FLAGS), flags[below(2)]!, below(3));
    else if (pick === 10) play.do(cpu, pickOf(ANYWHERE));
    else if (benign < 0) {
      benign = cpu;
      play.do(cpu, 'raceBegin');
    } else {
      play.do(benign, 'raceEnd');
      benign = -1;
    }
  }
  if (benign >= 0) play.do(benign, 'raceEnd');
}

interface Compared {
  readonly falseAlarms: number;
  readonly found: number;
  readonly there: number;
}

/** Random samples, against the pass. */
function compare(cpus: number, module?: Uint8Array, between?: (play: Play, at: number) => void): Compared {
  const play = new Play(cpus, module);
  const pass = passFor(play);
  const below = dice(seed);
  let [falseAlarms, found, there] = [0, 0, 0];
  for (let at = 0; at < SAMPLES; at += 1) {
    between?.(play, at);
    sample(play, below, cpus);
    const right = expected(play, pass);
    const said = play.found;
    falseAlarms += said.filter((key) => !right.includes(key)).length;
    found += said.filter((key) => right.includes(key)).length;
    there += right.length;
  }
  return { falseAlarms, found, there };
}

const SAMPLES = 160;

for (const cpus of [2, 3, 5, 9])
  test(`${cpus} CPUs: no race that the pass over the trace does not find, and most that it does (seed ${seed})`, () => {
    const { falseAlarms, found, there } = compare(cpus);
    assert.is(falseAlarms, 0);
    assert.ok(there > SAMPLES, `${there} races`);
    assert.ok(found > 0.95 * there, `${found} of ${there}`);
  });

test(`without the acquire join, or what a release publishes, there are false alarms (seed ${seed})`, async () => {
  for (const without of ['join', 'publish'])
    assert.ok(compare(2, await broken(2, without)).falseAlarms > 0, without);
});

test(`without the look at the cells of others, or a new epoch after a release, races are missed (seed ${seed})`, async () => {
  const whole = compare(2);
  for (const without of ['check', 'tick']) {
    const { falseAlarms, found } = compare(2, await broken(2, without));
    assert.is(falseAlarms, 0, without);
    assert.ok(found < 0.8 * whole.found, `${without}: ${found} of ${whole.found}`);
  }
});

test(`clocks may wrap: a new base hides nothing and invents nothing (seed ${seed})`, () => {
  const wrapping = (play: Play, at: number): void => {
    const { machine, handle, isas } = play;
    if (at % 40 !== 0) return;
    // All meet: CPU 0 knows of all, goes far on, and all know of it.
    const words = machine.words;
    isas.forEach((_, cpu) => {
      words[(hbLine(handle, cpu) >>> 2) + cpu]! += at === 0 ? 0x7fffffff - 20 : 0x10000000;
    });
    for (const [cpu] of isas.entries()) {
      const own = words[(hbLine(handle, cpu) >>> 2) + cpu]!;
      for (const [other] of isas.entries())
        if (other !== cpu) words[(hbLine(handle, other) >>> 2) + cpu] = own;
    }
    rebase(words, handle, 0);
  };
  const { falseAlarms, found, there } = compare(3, undefined, wrapping);
  assert.is(falseAlarms, 0);
  assert.ok(found > 0.8 * there, `${found} of ${there}`);
});

test(`a clock at its limit hides races and invents none (seed ${seed})`, () => {
  const stopped = (play: Play, at: number): void => {
    if (at !== SAMPLES >> 1) return;
    for (const [cpu] of play.isas.entries()) {
      const line = hbLine(play.handle, cpu) >>> 2;
      play.machine.words[line + (HbLine.limit >>> 2)] = play.machine.words[line + cpu]!;
    }
  };
  const { falseAlarms, found, there } = compare(2, undefined, stopped);
  assert.is(falseAlarms, 0);
  assert.ok(found > 0.4 * there && found < 0.8 * there, `${found} of ${there}`);
});

type Act = (isa: Isa, addr: number) => unknown;
/** What CPU 0 does after its write, and CPU 1 before its read; each side alone orders nothing. */
const EDGES: Readonly<Record<string, readonly [Act, Act]>> = {
  'release and acquire': [(isa, at) => isa.storeRelease(at, 1), (isa, at) => isa.loadAcquire(at)],
  'storeWake and spinWhile': [(isa, at) => isa.storeWake(at, 1), (isa, at) => isa.spinWhile(at, 0)],
  'storeWakeOne and spinBriefly': [(isa, at) => isa.storeWakeOne(at, 1), (isa, at) => isa.spinBriefly(at, 0)],
  'store and spinWhileAny': [(isa, at) => isa.store(at, 1), (isa, at) => isa.spinWhileAny([at, 0])],
  'fence and fence': [
    (isa, at) => [isa.wmb(), isa.writeOnce(at, 1)],
    (isa, at) => [isa.readOnce(at), isa.rmb()],
  ],
  'notify and the end of a wait': [(isa, at) => isa.notify(at, 1), (isa, at) => isa.wait(at, 5)],
  'published and consumed': [(isa, at) => isa.published(at), (isa, at) => isa.consumed(at)],
  'a pointer and what hangs on it': [
    (isa, at) => isa.storeRelease(at, at),
    (isa, at) => isa.consumed(isa.readOnce(at)),
  ],
  'a read section and a grace period': [
    (isa) => (isa as HbIsa).readSectionEnds(),
    (isa) => isa.gracePeriod(1),
  ],
};

test('each kind of edge orders, and half of one does not', () => {
  const play = new Play(2);
  const [zero, one] = play.isas as [HbIsa, HbIsa];
  for (const [name, [before, after]] of Object.entries(EDGES))
    for (const half of ['both', 'first', 'second']) {
      const [word, at] = play.fresh(2) as [number, number];
      zero.write(word, 7);
      if (half === 'second') play.machine.words[at >>> 2] = 1;
      else before(zero, at);
      if (half !== 'first') after(one, at);
      one.read(word);
      assert.is(play.found.length, half === 'both' ? 0 : 1, `${name}: ${half}`);
    }
});

test('a race is told with both values, both CPUs and what was known', () => {
  const play = new Play(2);
  const [word] = play.fresh(1);
  play.do(0, 'write', word, 7);
  play.do(1, 'write', word, 9);
  assert.equal(play.found, [keyOf(word!, 1, 1)]);
  // What was asked for by the second is given by the first when it comes by again.
  play.do(0, 'store', word! + 4, 0);
  play.do(0, 'write', word, 5);
  const [note] = play.notes;
  assert.equal([note?.cpu, note?.other, note?.before, note?.value, note?.known], [1, 0, 7, 9, 0]);
  assert.ok((note?.clock ?? 0) > 0);
  assert.ok(
    note!.stack.some(({ file }) => file.includes('hb.test')),
    JSON.stringify(note?.stack),
  );
  assert.ok(note!.otherStack.length > 0);
});

const FREE = { seed: seed >>> 0, duration: 100, detect: ['races'] as const };
const run = (lock: unknown, params = {}, more = {}) =>
  torture(lock as Tortured, { ...FREE, ...params }, { stacks: false, ...more });

async function silent(names: readonly string[], params = {}): Promise<void> {
  for (const name of names) {
    const result = await run(lockByName(name), params);
    assert.equal([result.verdict, result.races], ['success', []], summarize(result).join('\n'));
  }
}

const KINDS = ['ticket', 'mcs', 'rwsem', 'seqlock', 'rcu', 'condition', 'chase-lev'];

test('correct locks under torture are silent', () => silent(KINDS));

longOnly(test)(
  'every correct lock under torture is silent, on two CPUs and on five',
  async () => {
    const all = locks.map(({ name }) => name);
    await silent(all, { duration: 1000 });
    await silent(all, { duration: 1000, cpus: 5, nested: 2 });
    await silent(['ticket', 'rwlock', 'mutex'], { duration: 3000, cpus: 3, hotplug: 100 });
  },
  { deadline: 400_000 },
);

test('locks that never let two in and still order nothing are found out', async () => {
  const { url } = racy;
  const fine = await run(racy.sound, {}, { url });
  assert.is(fine.verdict, 'success', summarize(fine).join('\n'));
  for (const lock of [racy.relaxedRelease, racy.relaxedAcquire]) {
    const result = await run(lock, { duration: 20_000, failFast: true }, { url });
    assert.equal([result.verdict, result.oracle], ['failure', 'race'], summarize(result).join('\n'));
    assert.ok(result.races.length > 0);
  }
  const plain = await run(racy.plainRelease, { duration: 400 }, { url });
  assert.is(plain.oracle, 'race', summarize(plain).join('\n'));
  for (const word of [/^plain-release$/, /^protected\./])
    assert.ok(
      plain.races.some(({ violation }) => word.test(violation.word)),
      summarize(plain).join('\n'),
    );
});

test('no exclusion, a plain flag, a read without the lock: found, with places in the source', async () => {
  for (const name of ['busted/no-exclusion', 'busted/plain-flag', 'busted/unlocked-read']) {
    const result = await run(lockByName(name) ?? scenarioByName(name), { duration: 200 });
    assert.is(result.verdict, 'failure');
    assert.ok((result.violationCounts.race ?? 0) > 0, name);
    const text = summarize(result).join('\n');
    assert.match(text, /!!! race: data race on \S+: nothing orders a .* by CPU [01] and a .* by CPU [01]/);
    assert.match(text, /by CPU [01].*, which found it:\n\s+\S+\.ts:\d+/);
  }
  const twin = await run(scenarioByName('plain-flag'));
  assert.equal([twin.verdict, twin.races], ['success', []]);
});

test('suppressed races are no failures, and suppressions that match nothing are said', async () => {
  const subject = scenarioByName('busted/unlocked-read');
  const result = await run(
    subject,
    {},
    { suppress: suppressions('race:value\nrace:src/scenarios/races.ts\nrace:nothing') },
  );
  assert.equal(
    [result.verdict, result.races, result.oracle],
    ['success', [], undefined],
    summarize(result).join('\n'),
  );
  assert.match(result.notes.join('\n'), /suppressed were found/);
  assert.match(result.notes.join('\n'), /'nothing' \(line 3\) has matched nothing/);
});

test('what cannot be watched is refused', async () => {
  const refused = async (lock: unknown, params: object, pattern: RegExp): Promise<void> => {
    try {
      await run(lock, params);
    } catch (error) {
      assert.match((error as Error).message, pattern);
      return;
    }
    assert.unreachable(String(pattern));
  };
  await refused(racy.elsewhere, {}, /brings memory of its own/);
  await refused(lockByName('ticket'), { cpus: 17 }, /up to 16 CPUs, not 17/);
  await refused(lockByName('ticket'), { engine: 'atomics' }, /wasm engine only/);
  await refused(lockByName('ticket'), { trace: 'ring' }, /neither records/);
  await refused(lockByName('ticket'), { detect: ['lockorder'] }, /'lockorder' is not watched for/);
});

test.run();
