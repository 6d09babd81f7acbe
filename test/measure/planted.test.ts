/**
 * What was planted is found: holds, waits, a hot lock, a CPU that gets less. Times are planted by a clock that the test moves itself, so that nothing here depends on how busy the machine is;
 * what real CPUs do is compared with what they counted themselves. `lockrig bench stat` holds both against a real clock.
 */
import * as assert from 'uvu/assert';
import { loadSubject, torture, type Window } from '../../harness/index.ts';
import type { LockClassStats } from '../../harness/measure/schema.ts';
import { readStat, statCpu, statMemory } from '../../harness/measure/stat.ts';
import { track } from '../../src/locking/track.ts';
import { createMachine } from '../../src/memory/index.ts';
import { folder } from '../fixtures/torture/cli.ts';
import { seed } from '../seed.ts';
import { suite } from '../suite.ts';

const test = suite('lock statistics: planted');
const box = folder();

/** A hot lock that every CPU takes, a cold one a CPU. CPU 1 takes the hot one a third as often as CPU 0 does. */
const PLANTED = `
import { defineWorkload, struct, ticket, track, u32, words } from 'lockrig';

const State = struct('planted', {
  hot_lock: u32.ownLine(),
  rest_of_hot: words(31),
  cold_lock: u32.ownLine(),
  rest_of_cold: words(31),
  other_lock: u32.ownLine(),
  rest_of_other: words(31),
  taken: words(2).ownLine(),
});

export default defineWorkload({
  name: 'planted',
  cpus: 2,
  state: State,
  create: (isa, cpu, state) => {
    const lock = track('mutex', cpu, ticket.create(isa, cpu));
    const busy = (us) => { const until = cpu.now() + us * 1000; while (cpu.now() < until); };
    return {
      hot() {
        lock.acquire(state + State.hot_lock);
        busy(60);
        lock.release(state + State.hot_lock);
        isa.write(state + State.taken + 4 * cpu.id, isa.read(state + State.taken + 4 * cpu.id) + 1);
      },
      cold() {
        const mine = state + (cpu.id === 0 ? State.cold_lock : State.other_lock);
        lock.acquire(mine);
        lock.release(mine);
      },
      busy,
    };
  },
  operations: {
    work: { weight: 1, run({ tools, cpu }) {
      if (cpu.id === 0 || cpu.below(3) === 0) tools.hot();
      else tools.busy(30);
      tools.cold();
    } },
  },
  rest() {},
  notes: ({ isa, state }) => [0, 1].map((cpu) => \`taken \${isa.read(state + State.taken + 4 * cpu)}\`),
});
`;

function within(got: number, wanted: number, share: number, what: string): void {
  assert.ok(Math.abs(got - wanted) <= share * wanted, `${what}: ${got}, and ${wanted} was planted`);
}

const rowOf = (rows: readonly LockClassStats[], name: string): LockClassStats => {
  const found = rows.find((each) => each.name === name);
  assert.ok(found, `there is no row ${name}`);
  return found;
};

test(
  'a hot lock, who takes it how often, from where, and who has it when: of real CPUs',
  async () => {
    console.log(`seed ${seed}`);
    box.write({ 'planted.ts': PLANTED });
    const subject = await loadSubject(`${box.path}/planted.ts`);
    const windows: Window[] = [];
    const result = await torture(
      subject,
      { duration: 1500, seed },
      { stat: { window: 60, onWindow: (each) => windows.push(each) } },
    );
    assert.is(result.verdict, 'success', JSON.stringify(result.exception ?? result.violations));
    const taken = result.notes.flatMap((note) => /^taken (\d+)$/.exec(note)?.[1] ?? []).map(Number);
    assert.ok(taken.length === 2 && taken.every((each) => each > 0));
    const rows = result.lockStat!;
    const hot = rowOf(rows, 'hot_lock');
    // The hot one comes first, and those that nobody else takes are no contention.
    assert.is(rows[0]!.name, 'hot_lock');
    for (const name of ['cold_lock', 'other_lock']) {
      const { contentions, acquisitionBounces } = rowOf(rows, name);
      assert.equal([contentions, acquisitionBounces], [0, 0], name);
    }
    assert.equal(hot.byCpu, taken);
    assert.ok(hot.hold.min >= 59_000 && hot.hold.p50 >= 59_000, `${hot.hold.min}, ${hot.hold.p50}`);
    assert.ok(hot.contentions > 0 && hot.contentions <= hot.acquisitions);
    assert.is(hot.matrix[0]![1]! + hot.matrix[1]![0]!, hot.contentions);
    const { waiters, holders } = hot.points;
    assert.ok(waiters.length > 0 && waiters.every(({ place }) => /^hot \(.*planted\.ts:\d+\)/.test(place)));
    assert.ok(holders.every(({ place }) => /^hot \(.*planted\.ts:\d+\)/.test(place)));

    const [window] = windows;
    assert.ok(window && window.spans.length > 0 && window.lost === 0);
    for (const { wanted, had, gave } of window!.spans)
      assert.ok(wanted >= 0 && wanted <= had && had <= gave && gave <= window!.nanoseconds);
    // Nobody has the lock while another has it.
    const spans = window!.spans
      .filter(({ lock }) => lock.startsWith('hot_lock'))
      .sort((a, b) => a.had - b.had);
    assert.ok(spans.length > 2);
    for (let at = 1; at < spans.length; at += 1)
      assert.ok(spans[at - 1]!.gave <= spans[at]!.had, `${JSON.stringify(spans.slice(at - 1, at + 1))}`);
  },
  { deadline: 120_000 },
);

/** Runs with a clock that stands still but for what `pass` adds, in ns. */
function withClock(run: (pass: (ns: number) => void) => void): void {
  const real = Object.getOwnPropertyDescriptor(performance, 'now');
  let now = 1e9;
  Object.defineProperty(performance, 'now', { configurable: true, value: () => now / 1e6 });
  try {
    run((ns) => {
      now += ns;
    });
  } finally {
    if (real) Object.defineProperty(performance, 'now', real);
    else delete (performance as { now?: unknown }).now;
  }
}

/** A number from 0 to 1, the same in every run with one seed. */
function dice(from: number): () => number {
  let state = from | 1;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) | 0;
    return (state >>> 0) / 2 ** 32;
  };
}

test('planted holds and waits are found within 5 %, most of them unseen', () => {
  console.log(`seed ${seed}`);
  const random = dice(seed);
  withClock((pass) => {
    const machine = createMachine({ cpus: 2 });
    const [busy, calm, word] = [machine.alloc(64), machine.alloc(64), machine.alloc(64)];
    const handle = statMemory({ cpus: 2, bytes: machine.words.byteLength });
    let planted = 0;
    /** Every other acquisition waits, a short spin; one in fifty sleeps. */
    const mutexOn = (id: number) => {
      const cpu = machine.attach(id);
      statCpu(handle, cpu, { classOf: (lock) => (lock === busy ? 'busy' : 'calm') });
      const acquire = (): void => {
        if (planted === 0) return;
        if (planted < 5000) {
          cpu.isa.spinWhile(word, 1);
          pass(planted);
        } else {
          pass(0);
          cpu.isa.wait(word, 1);
          pass(planted);
        }
      };
      return track('mutex', cpu, { acquire, release: () => {} });
    };
    const cpus = [mutexOn(0), mutexOn(1)];
    const all = { held: 0, waited: 0, calm: 0, contentions: 0 };
    for (let round = 0; round < 400_000; round += 1) {
      const ops = cpus[round & 1]!;
      const luck = random();
      planted = luck < 0.02 ? 20_000 + 60_000 * random() : luck < 0.5 ? 100 + 900 * random() : 0;
      if (planted > 0) all.contentions += 1;
      ops.acquire(busy);
      all.waited += planted;
      const hold = 50 + 400 * random() * random();
      pass(hold);
      all.held += hold;
      ops.release(busy);
      planted = 0;
      if (round % 10 === 0) {
        ops.acquire(calm);
        pass(70);
        all.calm += 70;
        ops.release(calm);
      }
    }
    const rows = readStat(handle);
    const [hot, cold] = [rowOf(rows, 'busy'), rowOf(rows, 'calm')];
    assert.equal([hot.acquisitions, hot.contentions], [400_000, all.contentions]);
    assert.equal([cold.acquisitions, cold.contentions], [40_000, 0]);
    assert.ok(hot.hold.every > 5 && hot.wait.every > 2, `${hot.hold.every} and ${hot.wait.every}`);
    within(hot.hold.total, all.held, 0.05, 'held');
    within(hot.wait.total, all.waited, 0.05, 'waited');
    within(cold.hold.total, all.calm, 0.05, 'held of the calm one');
    within(hot.wait.p999, 79_000, 0.05, 'the longest waits');
    assert.equal(hot.byCpu, [200_000, 200_000]);
  });
});

test.run();
