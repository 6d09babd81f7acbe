/** Locks taken in an order that can deadlock, recursively, by the wrong CPU, or where sleeping is forbidden are found although nothing happened; correct use is not. */
import * as assert from 'uvu/assert';
import type { Finding, LockClass } from '../../harness/detect/finding.ts';
import { LockOrder } from '../../harness/detect/lockorder.ts';
import { traceOf } from '../../harness/engines/trace.ts';
import { defineLock } from '../../src/index.ts';
import {
  bypassOf,
  FIFO,
  RCU,
  RECURSIVE,
  SLEEPS,
  SPINS,
  traitsOf,
  UNOWNED,
} from '../../src/locking/traits.ts';
import { locks } from '../../src/locks.ts';
import { suite } from '../suite.ts';
import { type by, c0, c1, c2, type Step } from './events.ts';

const [A, B, C, D] = [64, 128, 192, 256];
const NAMES: Record<number, string> = { [A]: 'A', [B]: 'B', [C]: 'C', [D]: 'D' };
const [X, S] = [1, 2];
const name = (lock: number): string => NAMES[lock] ?? String(lock);
const made = (classes: Record<number, Partial<LockClass>> = {}): LockOrder =>
  new LockOrder({
    cpus: 4,
    name,
    classOf: (lock) => (classes[lock] ? { name: name(lock), ...classes[lock] } : undefined),
  });
const run = (steps: readonly Step[], classes?: Record<number, Partial<LockClass>>): readonly Finding[] =>
  made(classes).run(traceOf(steps));
const keys = (found: readonly Finding[]): string[] => found.map(({ key }) => key);

type Cpu = ReturnType<typeof by>;
const take = (cpu: Cpu, lock: number, mode = X): Step[] => [
  cpu('acquiring', lock, mode),
  cpu('acquired', lock, mode),
];
const attempt = (cpu: Cpu, lock: number, mode = X): Step[] => [cpu('acquired', lock, mode)];
const leave = (cpu: Cpu, lock: number, mode = X): Step[] => [cpu('released', lock, mode)];
/** Takes the locks in order, leaves them in reverse. */
const nest = (cpu: Cpu, ...locks: (number | readonly [lock: number, mode: number])[]): Step[] => {
  const each = locks.map((lock) => (typeof lock === 'number' ? ([lock, X] as const) : lock));
  return [
    ...each.flatMap(([lock, mode]) => take(cpu, lock, mode)),
    ...each.toReversed().flatMap(([lock, mode]) => leave(cpu, lock, mode)),
    cpu('end'),
  ];
};

const test = suite('lock order');

test('AB and BA: a cycle of two, with its chain', () => {
  const [found, ...others] = run([...nest(c0, A, B), ...nest(c1, B, A)]);
  assert.equal(others, []);
  assert.is(found?.text, 'possible circular locking dependency detected: B -> A -> B');
  assert.is(found?.key, 'order A > B');
  assert.equal(found?.details, [
    '-> #1 CPU 1 acquires A (exclusive) at 9 while it holds B (exclusive) since 8',
    '-> #0 CPU 0 acquires B (exclusive) at 2 while it holds A (exclusive) since 1',
  ]);
  assert.equal(found?.at.at(0), { at: 8, cpu: 1 });
});

test('the same order everywhere is no cycle', () => {
  assert.equal(run([...nest(c0, A, B, C), ...nest(c1, A, C), ...nest(c2, B, C), ...nest(c0, A, B)]), []);
});

test('a lock is acquired against the declared order, whoever else takes which', () => {
  const kinds: Record<number, string> = { [A]: 'outer', [B]: 'inner', [C]: 'outer' };
  const order = {
    name: 'the book',
    kindOf: (lock: number) => kinds[lock],
    before: (kind: string, other: string) => kind === 'outer' && other === 'inner',
  };
  const against = (...steps: Step[]): readonly Finding[] =>
    new LockOrder({ cpus: 4, name, order }).run(traceOf(steps));
  const [found, ...others] = against(...nest(c0, B, A));
  assert.equal(others, []);
  assert.is(found?.text, 'CPU 0 acquires A with B held: outer comes before inner in the order of the book');
  assert.equal(found?.at, [
    { at: 1, cpu: 0 },
    { at: 2, cpu: 0 },
  ]);
  for (const correct of [
    nest(c0, A, B),
    nest(c0, A, C),
    nest(c0, D, A, B),
    nest(c0, B, D),
    [...take(c0, B), ...attempt(c0, A), ...leave(c0, A), ...leave(c0, B)],
  ])
    assert.equal(against(...correct), []);
  // It is told of each execution: one alone has to show it.
  const pass = new LockOrder({ cpus: 4, name, order });
  for (let time = 0; time < 2; time += 1) assert.is(pass.run(traceOf(nest(c0, B, A))).length, 1);
});

test('cycles of three and of four, and nothing for a part of them', () => {
  assert.equal(run([...nest(c0, A, B), ...nest(c1, B, C)]), []);
  assert.equal(keys(run([...nest(c0, A, B), ...nest(c1, B, C), ...nest(c2, C, A)])), ['order A > B > C']);
  assert.equal(
    keys(run([...nest(c2, C, A), ...nest(c0, A, B), ...nest(c1, B, C)])),
    ['order A > B > C'],
    'in any order',
  );
  const four = [...nest(c0, A, B), ...nest(c1, B, C), ...nest(c2, C, D), ...nest(c0, D, A)];
  assert.equal(keys(run(four)), ['order A > B > C > D']);
});

test('of several cycles the shortest is told', () => {
  const steps = [...nest(c0, A, B), ...nest(c0, B, C), ...nest(c1, A, C), ...nest(c2, C, A)];
  assert.equal(keys(run(steps)), ['order A > C']);
});

test('orders accumulate over executions, and are told once', () => {
  const pass = made();
  assert.equal(pass.run(traceOf(nest(c0, A, B))), []);
  assert.equal(pass.run(traceOf(nest(c0, A, B))), []);
  const [found] = pass.run(traceOf(nest(c1, B, A)));
  assert.is(found?.key, 'order A > B');
  assert.match(found?.details[1] ?? '', /CPU 0 acquires B .* since 1, 2 executions ago$/);
  assert.equal(pass.run(traceOf(nest(c1, B, A))), []);
});

test('what was held in an execution that was given up is not held in the next', () => {
  const pass = made();
  pass.run(traceOf(take(c0, A)));
  assert.equal(pass.run(traceOf([...nest(c0, B), ...nest(c1, B, A)])), []);
  assert.equal(pass.run(traceOf(nest(c0, A))), []);
});

test('an attempt makes no edge as the one wanted, but is held', () => {
  assert.equal(
    run([...take(c0, A), ...attempt(c0, B), ...leave(c0, B), ...leave(c0, A), ...nest(c1, B, A)]),
    [],
  );
  const held = [...attempt(c0, A), ...take(c0, B), ...leave(c0, B), ...leave(c0, A)];
  assert.equal(keys(run([...held, ...nest(c1, B, A)])), ['order A > B']);
});

test('having given up, a CPU does not hold the lock', () => {
  assert.equal(run([c0('acquiring', A, X), c0('gaveUp'), ...nest(c0, B), ...nest(c1, B, A)]), []);
});

test('locks released out of order', () => {
  const steps = [
    ...take(c0, A),
    ...take(c0, B),
    ...leave(c0, A),
    ...take(c0, C),
    ...leave(c0, B),
    ...leave(c0, C),
  ];
  assert.equal(
    keys(run([...steps, ...nest(c1, C, A)])),
    ['order A > B > C'],
    'A was not held any more, or A > C were shorter',
  );
  assert.equal(keys(run([...steps, ...nest(c1, C, B)])), ['order B > C']);
});

test('shared and shared close no cycle unless a writer intervenes', () => {
  const readers = [...nest(c0, [A, S], [B, S]), ...nest(c1, [B, S], [A, S])];
  assert.equal(run(readers), []);
  assert.equal(run([...readers, ...nest(c2, A)]), [], 'a writer of one of them');
  assert.equal(keys(run([...readers, ...nest(c2, A), ...nest(c2, B)])), ['order A > B']);
  assert.equal(keys(run([...nest(c2, A), ...nest(c2, B), ...readers])), ['order A > B'], 'writers first');
  const passing = { [A]: { readersPass: true } };
  assert.equal(run([...readers, ...nest(c2, A), ...nest(c2, B)], passing), [], 'readers of A pass writers');
});

test('shared against exclusive closes a cycle', () => {
  const passing = { [A]: { readersPass: true }, [B]: { readersPass: true } };
  assert.equal(keys(run([...nest(c0, [A, S], B), ...nest(c1, [B, S], A)], passing)), ['order A > B']);
  assert.equal(keys(run([...nest(c0, A, [B, S]), ...nest(c1, B, [A, S])], passing)), ['order A > B']);
  // CPU 1 waits for A shared, which CPU 0 holds shared: nobody is in its way.
  assert.equal(run([...nest(c0, [A, S], B), ...nest(c1, B, [A, S])], passing), []);
});

test('a grace period waited for under a lock that readers take', () => {
  const classes = { [A]: { rcu: true } };
  const synchronize = [...take(c1, B), c1('acquiring', A, X), c1('gaveUp'), ...leave(c1, B)];
  assert.equal(keys(run([...nest(c0, [A, S], B), ...synchronize], classes)), ['order A > B']);
  assert.equal(run([...nest(c0, [A, S], C), ...synchronize], classes), []);
});

test('recursion: of the instance, of the class', () => {
  assert.equal(keys(run([...take(c0, A), c0('acquiring', A, X)])), ['recursion A']);
  assert.equal(keys(run([...take(c0, A, S), c0('acquiring', A, X)])), ['recursion A'], 'an upgrade');
  assert.equal(
    keys(run([...take(c0, A), ...attempt(c0, A)])),
    ['recursion A'],
    'an attempt that should have failed',
  );
  assert.equal(run([...take(c0, A), c0('acquiring', A, X)], { [A]: { recursive: true } }), []);
  assert.equal(run([...nest(c0, A), ...nest(c0, A)]), [], 'one after the other');
  assert.equal(run([...take(c0, A), c1('acquiring', A, X)]), [], 'of another CPU');
});

test('reading again where a writer could wait in between', () => {
  const again = nest(c0, [A, S], [A, S]);
  assert.equal(run(again), []);
  assert.equal(keys(run([...again, ...nest(c1, A)])), ['order A']);
  assert.equal(run([...again, ...nest(c1, A)], { [A]: { readersPass: true } }), []);
});

test('two locks of one class', () => {
  const of = (nests: boolean) => (lock: number) =>
    lock === A || lock === B ? { name: 'node', nests } : undefined;
  const both = (nests: boolean) =>
    new LockOrder({ cpus: 2, classOf: of(nests), name }).run(traceOf(nest(c0, A, B)));
  assert.equal(
    both(false).map(({ text }) => text),
    ['possible recursive locking detected: node -> node'],
  );
  assert.equal(both(true), []);
});

test('released by who does not hold it', () => {
  assert.equal(keys(run(leave(c0, A))), ['owner A nobody']);
  const [found] = run([...take(c1, A), ...leave(c0, A)]);
  assert.is(found?.text, 'CPU 0 releases A (exclusive), but CPU 1 holds it (exclusive)');
  assert.equal(keys(run([...take(c0, A, S), ...leave(c0, A)])), ['owner A mode']);
  assert.equal(
    run([...take(c1, A), ...leave(c0, A), c0('end'), c1('end')], { [A]: { unowned: true } }),
    [],
    'a semaphore',
  );
});

test('held when the actor ends', () => {
  assert.equal(keys(run([...take(c0, A), c0('end')])), ['held A the actor']);
  assert.equal(run([...take(c0, A), c1('end')]), [], 'of another CPU');
  assert.equal(run(take(c0, A)), [], 'the execution was given up');
});

test('sleeping while a spinning lock is held, or in a read section', () => {
  const spin = { [A]: { spin: true }, [B]: { sleeps: true }, [C]: { rcu: true, spin: true } };
  assert.equal(keys(run([...take(c0, A), c0('wait', D)], spin)), ['sleeps A wait']);
  assert.equal(
    keys(run([...take(c0, A), c0('acquiring', B, X), c0('wait', D)], spin)),
    ['sleeps A B'],
    'told once',
  );
  const interrupted = [
    ...take(c0, A),
    c0('acquiring', B, X),
    c0('irqEnter', 0, 2),
    c0('irqExit'),
    c0('wait', D),
  ];
  assert.equal(keys(run(interrupted, spin)), ['sleeps A B'], 'still the same acquisition');
  assert.equal(keys(run([...take(c0, C, S), c0('wait', D)], spin)), ['sleeps C wait']);
  assert.equal(keys(run([...take(c0, C, S), ...nest(c0, B)], spin)), ['sleeps C B', 'held C the actor']);
  assert.equal(run([...nest(c0, A), c0('wait', D)], spin), [], 'after the release');
  assert.equal(run([...take(c0, A), c1('wait', D)], spin), [], 'another CPU');
  assert.equal(run([...take(c0, B), c0('wait', D), ...leave(c0, B)], spin), [], 'a lock that sleeps itself');
  assert.equal(
    run([...take(c0, A), ...attempt(c0, B), ...leave(c0, B)], spin),
    [],
    'an attempt does not sleep',
  );
  assert.equal(keys(run([c0('irqEnter', 0, 2), c0('wait', D)], spin)), ['sleeps interrupt wait']);
});

test('what a lock is stands in its events, and a lock that says nothing is not judged', () => {
  const held = (traits: number, mode = X): Step[] => [
    c0('acquiring', A, mode, traits),
    c0('acquired', A, mode, traits),
    c0('acquiring', B, X, SLEEPS),
    c0('acquired', B, X, SLEEPS),
    c0('wait', D),
    c0('released', B, X, SLEEPS),
    c0('released', A, mode, traits),
  ];
  const pass = (): LockOrder => new LockOrder({ cpus: 2, name });
  const seen = (steps: readonly Step[]): string[] => keys(pass().run(traceOf(steps)));
  assert.equal(seen(held(SPINS)), ['sleeps A B', 'sleeps A wait']);
  assert.equal(seen(held(RCU | RECURSIVE | SPINS, S)), ['sleeps A B', 'sleeps A wait']);
  assert.equal(seen(held(RCU | RECURSIVE, S)), [], 'read sections of an SRCU');
  assert.equal(seen(held(SLEEPS)), []);
  assert.equal(seen(held(0)), [], 'a lock of which nothing is known');
  assert.equal(seen(held(FIFO)), []);
  assert.equal(seen([c0('acquired', A, S, UNOWNED), c0('end')]), [], 'permits are nobody’s');
});

test('what a lock promises makes its traits', () => {
  assert.is(traitsOf('mutex', {}, 2), 0);
  assert.is(traitsOf('mutex', { spins: true, fifo: true }, 2), SPINS | FIFO);
  assert.is(traitsOf('rcu', { sleeps: true }, 2), RCU | RECURSIVE | SLEEPS);
  assert.is(traitsOf('condition', { sleeps: true }, 2), UNOWNED, 'it sleeps without the mutex');
  assert.is(bypassOf(traitsOf('mutex', {}, 4)), -1);
  assert.is(bypassOf(traitsOf('mutex', { bypass: 0 }, 4)), 0);
  assert.is(bypassOf(traitsOf('rwlock', { bypass: (cpus) => 2 * cpus, spins: true }, 4)), 8);
  for (const { name: lock, kind, promises } of locks)
    assert.not.ok(promises.spins && promises.sleeps && kind !== 'rcu', lock);
  assert.throws(
    () =>
      defineLock({
        name: 'both',
        kind: 'mutex',
        size: 4,
        promises: { spins: true, sleeps: true },
        create: () => ({ acquire() {}, release() {} }),
      }),
    /lock 'both' promises sleeps and spins/,
  );
});

test('a class of interrupt handlers is taken with interrupts off', () => {
  const handler = (cpu: Cpu, mode = X): Step[] => [
    cpu('irqEnter', 0, 1),
    ...take(cpu, A, mode),
    ...leave(cpu, A, mode),
    cpu('irqExit'),
  ];
  const off = (cpu: Cpu): Step[] => [cpu('irqOff'), ...take(cpu, A), ...leave(cpu, A), cpu('irqOn')];
  assert.equal(keys(run([...handler(c1), ...take(c0, A)])), ['interrupts A']);
  assert.equal(keys(run([...take(c0, A), ...leave(c0, A), ...handler(c1)])), ['interrupts A']);
  assert.equal(run([...handler(c1), ...off(c0)]), []);
  const nested = [c0('irqOff'), ...off(c0), ...take(c0, A), ...leave(c0, A), c0('irqOn')];
  assert.equal(run([...handler(c1), ...nested]), [], 'still off');
  const early = [c0('irqOff'), ...take(c0, A), c0('irqOn'), ...leave(c0, A)];
  assert.equal(keys(run([...handler(c1), ...early])), ['interrupts A'], 'on again while it is held');
  const trying = [c1('irqEnter', 0, 1), ...attempt(c1, A), ...leave(c1, A), c1('irqExit')];
  assert.equal(run([...trying, ...take(c0, A)]), [], 'an attempt in a handler');
  assert.equal(run([...handler(c1, S), ...take(c0, A, S)]), [], 'readers');
  assert.equal(keys(run([...handler(c1, S), ...take(c0, A)])), ['interrupts A'], 'a reader in the handler');
  assert.equal(
    keys(run(take(c0, A), { [A]: { irq: true } })),
    ['interrupts A'],
    'a class that belongs to handlers',
  );
  assert.equal(run(off(c0), { [A]: { irq: true } }), []);
  assert.equal(keys(run([c0('irqOff'), ...off(c0), c0('end')])), ['off the actor']);
  const leaves = [c0('irqEnter', 0, 1), c0('irqOff'), c0('irqExit'), c0('end')];
  assert.equal(keys(run(leaves)), ['off an interrupt handler']);
});

test('a handler stands for itself', () => {
  const inside = [
    ...take(c0, A),
    c0('irqEnter', 0, 2),
    ...take(c0, B),
    ...leave(c0, B),
    c0('irqExit'),
    ...leave(c0, A),
  ];
  assert.equal(
    run([c0('irqOff'), ...inside, c0('irqOn'), c1('irqOff'), ...nest(c1, B, A).slice(0, -1)]),
    [],
    'no edge from what it interrupted',
  );
  assert.equal(keys(run([...take(c0, A), c0('irqEnter', 0, 2), c0('acquiring', A, X)])), [
    'interrupts A',
    'recursion A',
  ]);
  assert.equal(keys(run([c0('irqEnter', 0, 2), ...take(c0, B), c0('irqExit')])), [
    'held B an interrupt handler',
  ]);
  const waiting = [
    c0('acquiring', A, X),
    c0('irqEnter', 0, 2),
    ...nest(c0, B).slice(0, -1),
    c0('irqExit'),
    c0('acquired', A, X),
  ];
  assert.equal(run([...waiting, ...leave(c0, A), c0('end')]), [], 'a CPU that waits is interrupted');
});

test.run();
