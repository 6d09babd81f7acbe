/** RCU and hazard pointers on one CPU, where every step is known; on several they are tortured. */
import * as assert from 'uvu/assert';
import { summarize, torture } from '../harness/index.ts';
import type { Tortured } from '../harness/torture/setup.ts';
import {
  createMachine,
  createSlab,
  HAZARD_SLOTS,
  hazard,
  placeLock,
  qsbr,
  RcuError,
  RcuHead,
  type RcuOps,
  rcu,
  slab,
  srcu,
  struct,
  u32,
  useLock,
  waitingGracePeriod,
} from '../src/index.ts';
import { hazardBound } from '../src/rcu/hazard.ts';
import { lingers, url } from './fixtures/torture/locks.ts';
import { seed } from './seed.ts';
import { suite } from './suite.ts';

const test = suite('rcu');
const refused = (what: RegExp) => (error: unknown) => error instanceof RcuError && what.test(error.message);

function one<Flavour extends typeof rcu>(flavour: Flavour) {
  const machine = createMachine({ cpus: 1 });
  const placed = placeLock(machine, flavour);
  const cpu = machine.attach(0);
  return { machine, cpu, at: placed.lock, ops: useLock(cpu, flavour, placed) as RcuOps };
}

test('sections nest, and a grace period does not wait for those that are over', () => {
  for (const flavour of [rcu, qsbr, srcu]) {
    const { ops, at } = one(flavour);
    ops.online?.(at);
    const outer = ops.readLock(at);
    const inner = ops.readLock(at);
    ops.readUnlock(at, inner);
    ops.readUnlock(at, outer);
    ops.synchronize(at);
    ops.synchronizeExpedited?.(at);
    ops.barrier?.(at);
  }
});

test('what would wait for its own end is refused', () => {
  for (const flavour of [rcu, srcu]) {
    const { ops, at } = one(flavour);
    const token = ops.readLock(at);
    for (const wait of [ops.synchronize, ops.synchronizeExpedited, ops.barrier])
      if (wait) assert.throws(() => wait(at), refused(/own end/), flavour.name);
    ops.readUnlock(at, token);
    assert.throws(() => ops.readUnlock(at, token), refused(/no .*section/), flavour.name);
    ops.synchronize(at);
  }
});

test('a callback runs after a grace period and not before, in its order', () => {
  const { machine, ops, at } = one(rcu);
  const heads = Array.from({ length: 5 }, () => machine.alloc(8));
  const ran: number[] = [];
  ops.onCallback?.(3, (head) => ran.push(heads.indexOf(head)));
  const token = ops.readLock(at);
  for (const head of heads) ops.callRcu?.(at, head, 3);
  ops.poll?.(at);
  ops.poll?.(at);
  assert.equal(ran, [], 'a section that has begun before them is not over');
  ops.readUnlock(at, token);
  assert.is(ops.poll?.(at), 5);
  assert.equal(ran, [0, 1, 2, 3, 4]);
});

test('a barrier runs what was handed over, also by a CPU that has left, and a callback may hand over more', () => {
  const machine = createMachine({ cpus: 2 });
  const placed = placeLock(machine, rcu);
  const at = placed.lock;
  const [first, second] = [0, 1].map((id) => useLock(machine.attach(id), rcu, placed));
  const heads = Array.from({ length: 5 }, () => machine.alloc(8));
  let ran = 0;
  const again = (head: number): void => {
    ran += 1;
    if (ran === 1) second?.callRcu?.(at, head, 0);
  };
  second?.onCallback?.(0, again);
  for (const head of heads) first?.callRcu?.(at, head, 0);
  second?.barrier?.(at);
  assert.is(ran, 5);
  second?.barrier?.(at);
  assert.is(ran, 6);
  second?.barrier?.(at);
  assert.is(ran, 6);
});

test('a callback that throws loses no other, and one that nobody has set says so', () => {
  const { machine, ops, at } = one(rcu);
  let ran = 0;
  ops.onCallback?.(0, () => {
    ran += 1;
    if (ran === 2) throw new Error('the second');
  });
  for (let count = 0; count < 3; count += 1) ops.callRcu?.(at, machine.alloc(8), 0);
  assert.throws(() => ops.barrier?.(at), /the second/);
  assert.is(ran, 3);
  ops.callRcu?.(at, machine.alloc(8), 7);
  assert.throws(() => ops.barrier?.(at), refused(/no RCU callback 7/));
  assert.throws(() => ops.onCallback?.(32, () => {}), RangeError);
  ops.barrier?.(at);
});

test('a callback cannot wait for all callbacks', () => {
  const { machine, ops, at } = one(rcu);
  ops.onCallback?.(0, () => ops.barrier?.(at));
  ops.callRcu?.(at, machine.alloc(8), 0);
  assert.throws(() => ops.barrier?.(at), refused(/inside a callback/));
});

test('a slab under RCU gives an object out again after a grace period only', () => {
  const Thing = struct('thing', { head: u32, vector: u32, value: u32 });
  const { machine, cpu, ops, at } = one(rcu);
  const things = slab({ isa: cpu.isa, cpu }, createSlab(machine, { layout: Thing, objects: 1 }), Thing);
  ops.onCallback?.(1, (head) => things.free(head - Thing.head));
  const thing = things.alloc();
  const generation = things.generation(thing);
  const token = ops.readLock(at);
  ops.callRcu?.(at, thing + Thing.head, 1);
  ops.poll?.(at);
  assert.is(things.tryAlloc(), 0);
  assert.is(things.generation(thing), generation, 'a reader of it may still be there');
  ops.readUnlock(at, token);
  ops.barrier?.(at);
  assert.is(things.tryAlloc(), thing);
  assert.is.not(things.generation(thing), generation);
  assert.is(RcuHead.next, Thing.head);
});

test('hazard pointers keep what is protected, give the rest back, and keep no more than stated', () => {
  const machine = createMachine({ cpus: 1 });
  const placed = placeLock(machine, hazard);
  const at = placed.lock;
  const cpu = machine.attach(0);
  const ops = useLock(cpu, hazard, placed);
  const pointer = machine.alloc(4);
  const objects = Array.from({ length: hazardBound(1) }, () => machine.alloc(4));
  const came: number[] = [];
  ops.onReclaim((object) => came.push(object));
  for (let slot = 0; slot < HAZARD_SLOTS; slot += 1) {
    cpu.isa.store(pointer, objects[slot]!);
    assert.is(ops.protect(at, slot, pointer), objects[slot]);
  }
  for (const object of objects.slice(0, -1)) ops.retire(at, object);
  assert.equal(came, []);
  ops.retire(at, objects.at(-1)!);
  assert.equal(came, objects.slice(HAZARD_SLOTS));
  assert.throws(() => ops.flush(at), refused(/protects/));
  for (let slot = 0; slot < HAZARD_SLOTS; slot += 1) ops.clear(at, slot);
  ops.flush(at);
  assert.equal(
    came.sort((a, b) => a - b),
    objects,
  );
});

test('nobody waits: there is no grace period to report', () => {
  const { machine, ops, at } = one(rcu);
  ops.synchronize(at);
  assert.is(waitingGracePeriod(machine.boot, at, performance.now()), undefined);
});

test(
  `a reader that does not come out is named, with how long it has been waited for and where it is (seed ${seed})`,
  async () => {
    const result = await torture(
      lingers as unknown as Tortured,
      { cpus: 3, seed, stallAfter: 1000, duration: 60_000 },
      { url },
    );
    assert.is(result.verdict, 'stall', summarize(result).join('\n'));
    const { gracePeriod, cpus = [] } = result.stall ?? {};
    assert.is(gracePeriod?.cpu, 0);
    assert.ok((gracePeriod?.nesting ?? 0) >= 2);
    assert.ok((gracePeriod?.milliseconds ?? 0) >= 900, `${gracePeriod?.milliseconds} ms`);
    const text = summarize(result).join('\n');
    assert.match(
      text,
      /grace period \d+ has waited \d+\.\d s for CPU 0, in a read section since before it began/,
    );
    assert.match(text, /waits for lingers, held by CPU 0/);
    assert.ok(
      cpus[0]?.stack.some(({ functionName }) => functionName.includes('readLock')),
      text,
    );
  },
  { deadline: 120_000 },
);

test.run();
