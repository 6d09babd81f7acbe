/** An object is used while it lives, freed once, and not forgotten; what a CPU obtained anew it may use. */
import * as assert from 'uvu/assert';
import { Lifetime, type LifetimeOptions } from '../../harness/detect/lifetime.ts';
import { traceOf } from '../../harness/engines/trace.ts';
import { suite } from '../suite.ts';
import { c0, c1, type Step } from './events.ts';

const [O, P, LIST] = [512, 576, 64];
const sizeOf = (object: number): number => (object === O || object === P ? 16 : 0);
const run = (steps: readonly Step[], options: Partial<LifetimeOptions> = {}): string[] =>
  new Lifetime({ cpus: 2, bytes: 4096, sizeOf, ...options }).run(traceOf(steps)).map(({ key }) => key);

const test = suite('lifetime');

test('use after free, by anybody, of any word', () => {
  assert.equal(run([c0('alloc', O, 1), c0('write', O + 12, 1), c0('free', O, 1), c1('read', O + 12, 1)]), [
    'use after free 0x20c',
  ]);
  assert.equal(
    run([c0('free', O, 1), c0('write', O, 1)]),
    ['use after free 0x200'],
    'allocated before the execution',
  );
  assert.equal(run([c0('free', O, 1), c1('fetchAdd', O + 4, 1)]), ['use after free 0x204']);
  assert.equal(
    run([c0('free', O, 1), c1('read', O + 16), c1('read', O - 4), c1('read', P)]),
    [],
    'beside the object',
  );
  assert.equal(run([c0('write', O, 1), c0('free', O, 1)]), []);
  assert.equal(run([c0('free', O, 1), c1('alloc', O, 3), c1('write', O, 1)]), [], 'allocated again');
});

test('words that may be touched while it is free', () => {
  const steps = [c0('free', O, 1), c1('fetchAdd', O, 1), c1('read', O + 4)];
  assert.equal(run(steps, { stable: (addr) => addr === O }), ['use after free 0x204']);
});

test('a finding names both CPUs and their places', () => {
  const [found] = new Lifetime({ cpus: 2, bytes: 4096, sizeOf, name: (addr) => `page+${addr - O}` }).run(
    traceOf([c0('alloc', O, 1), c0('free', O, 1), c1('read', O + 4)]),
  );
  assert.is(found?.text, 'CPU 1 accesses page+4, which CPU 0 has freed at 1');
  assert.equal(found?.at, [
    { at: 1, cpu: 0 },
    { at: 2, cpu: 1 },
  ]);
  assert.equal(found?.addresses, [O + 4]);
});

test('double free and foreign free', () => {
  assert.equal(run([c0('alloc', O), c0('free', O), c1('free', O)]), ['double free 0x200']);
  assert.equal(run([c0('free', O), c1('free', O)]), ['double free 0x200'], 'allocated before the execution');
  assert.equal(run([c0('free', O), c1('alloc', O), c0('free', O)]), []);
  assert.equal(run([c0('free', O), c0('free', P)]), []);
  assert.equal(run([c0('free', O + 4)]), ['foreign free 0x204'], 'inside an object');
  assert.equal(run([c0('alloc', O), c0('free', O + 4)]), ['foreign free 0x204'], 'inside a known object');
  assert.equal(run([c0('free', LIST)]), ['foreign free 0x40']);
  assert.equal(run([c0('free', O)], { initially: () => false }), ['foreign free 0x200'], 'it was free');
  assert.equal(run([c0('alloc', O), c0('free', O)], { initially: () => false }), []);
});

test('a pointer to an earlier object', () => {
  const recycled = [c1('consumed', O), c0('free', O), c0('alloc', O)];
  assert.equal(run([...recycled, c1('read', O)]), ['stale 0x200']);
  assert.equal(run([...recycled, c0('write', O)]), [], 'who allocated it');
  assert.equal(run([...recycled, c1('consumed', O), c1('read', O)]), [], 'obtained anew');
  assert.equal(run([...recycled, c1('loadAcquire', LIST, O), c1('read', O)]), [], 'found anew');
  assert.equal(
    run([...recycled, c0('loadAcquire', LIST, O), c1('read', O)]),
    ['stale 0x200'],
    'found by another',
  );
  assert.equal(run([c1('consumed', O), c0('free', O), c1('alloc', O), c1('read', O)]), [], 'its own');
  assert.equal(
    run([c1('read', LIST, O), c0('free', O), c0('alloc', O), c1('read', O)]),
    [],
    'it has not said what it obtained',
  );
  assert.equal(run([c1('consumed', O), c1('read', O)]), []);
  assert.equal(
    run([c1('consumed', O), c0('free', O), c1('read', O)]),
    ['use after free 0x200'],
    'not yet recycled',
  );
});

test('what is left when all actors have ended', () => {
  const steps = [
    c0('begin'),
    c1('begin'),
    c0('alloc', O),
    c1('alloc', P),
    c1('free', P),
    c0('end'),
    c1('end'),
  ];
  const left = (object: number) => () => [{ object, kind: 0, by: 2 }];
  assert.equal(run(steps, { left: left(O) }), ['leak 0x200']);
  assert.equal(run([...steps, c0('drain', 4)], { left: left(O) }), ['leak 0x200'], 'a buffer is emptied');
  assert.equal(run(steps, { left: () => [] }), []);
  assert.equal(run(steps), [], 'not looked for');
  assert.equal(run(steps.slice(0, -1), { left: left(O) }), [], 'one has not ended');
  const found = (trace: readonly Step[]): string | undefined =>
    new Lifetime({ cpus: 2, bytes: 4096, sizeOf, left: left(O) }).run(traceOf(trace))[0]?.text;
  assert.match(found(steps) ?? '', /allocated by CPU 0 at 2, is left/);
  assert.match(found([c0('begin'), c0('end')]) ?? '', /before the execution began, by CPU 1, is left/);
});

test('executions are apart', () => {
  const pass = new Lifetime({ cpus: 2, bytes: 4096, sizeOf });
  assert.is(pass.run(traceOf([c0('free', O), c1('consumed', P)])).length, 0);
  assert.is(pass.run(traceOf([c0('read', O), c0('free', O)])).length, 0);
  assert.is(pass.run(traceOf([c0('free', O), c0('read', O)])).length, 1);
  assert.is(
    pass.run(traceOf([c0('free', P), c0('read', O)])).length,
    0,
    'another object is the first of this one',
  );
});

test.run();
