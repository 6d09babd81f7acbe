/** From where each CPU stands it is said why nothing goes on; nothing is said of CPUs that can still be helped. */
import * as assert from 'uvu/assert';
import { DETECTORS, detectors } from '../../harness/detect/index.ts';
import { diagnose, type Standing } from '../../harness/detect/progress.ts';
import { suite } from '../suite.ts';

const [A, B, C] = [64, 128, 192];
const name = (addr: number): string => ({ [A]: 'A', [B]: 'B', [C]: 'C' })[addr] ?? `word ${addr}`;
const cpu = (id: number, is: Partial<Standing> = {}): Standing => ({
  cpu: id,
  blocked: 'spin',
  addr: 1000 + id,
  value: 1,
  word: 1,
  held: [],
  ...is,
});
const holds = (lock: number, mode = 1) => ({ held: [{ lock, mode }] });
const wants = (lock: number, mode = 1) => ({ waitingFor: { lock, mode } });
const texts = (...all: Standing[]): string[] => diagnose(all, name).map(({ text }) => text);
const keys = (...all: Standing[]): string[] => diagnose(all, name).map(({ key }) => key);

const test = suite('progress');

test('a circle of two, of three, of one', () => {
  assert.equal(texts(cpu(0, { ...wants(B), ...holds(A) }), cpu(1, { ...wants(A), ...holds(B) })), [
    'deadlock: CPU 0 waits for B held by CPU 1, which waits for A held by CPU 0',
  ]);
  const three = [
    cpu(0, { ...wants(B), ...holds(A) }),
    cpu(1, { ...wants(C), ...holds(B) }),
    cpu(2, { ...wants(A), ...holds(C) }),
  ];
  assert.equal(keys(...three), ['deadlock A > B > C']);
  assert.equal(texts(cpu(0, { ...wants(A), ...holds(A) })), [
    'deadlock: CPU 0 waits for A, which it holds itself',
  ]);
});

test('a circle is one while others run; a chain is none', () => {
  const circle = [cpu(0, { ...wants(B), ...holds(A) }), cpu(1, { ...wants(A), ...holds(B) })];
  assert.equal(keys(...circle, cpu(2, { blocked: 'no' })), ['deadlock A > B']);
  assert.equal(
    keys(cpu(0, { ...wants(B), ...holds(A) }), cpu(1, { blocked: 'no', ...holds(B), ...wants(A) })),
    [],
  );
});

test('readers are in the way of writers, and of readers behind a writer', () => {
  const [r, s] = [holds(A, 2), holds(B, 2)];
  assert.equal(keys(cpu(0, { ...r, ...wants(B) }), cpu(1, { ...s, ...wants(A) })), ['deadlock A > B']);
  const readers = [cpu(0, { ...r, ...wants(B, 2) }), cpu(1, { ...s, ...wants(A, 2) })];
  assert.ok(!keys(...readers).some((key) => key.startsWith('deadlock')));
  assert.equal(keys(...readers, cpu(2, wants(A)), cpu(3, wants(B)))[0], 'deadlock A > B');
});

test('who is stuck behind a circle comes after it', () => {
  const all = [cpu(0, wants(A)), cpu(1, { ...wants(B), ...holds(A) }), cpu(2, { ...wants(A), ...holds(B) })];
  assert.equal(texts(...all), [
    'deadlock: CPU 1 waits for B held by CPU 2, which waits for A held by CPU 1',
    'CPU 0 waits for A, held by CPU 1, which is stuck itself',
  ]);
});

test('the cause comes before who is stuck behind it', () => {
  assert.equal(keys(cpu(0, wants(A)), cpu(1, holds(A))), ['nobody left word 1001', 'behind A']);
});

test('a lost wake-up: the word has changed and the sleeper sleeps', () => {
  assert.equal(texts(cpu(0, { blocked: 'wait', word: 2 }), cpu(1, { blocked: 'no', ended: true })), [
    'lost wake-up: CPU 0 sleeps in wait on word 1000 for a change from 1, but it is 2 already: whoever changed it did not notify, or did so before the sleep began',
  ]);
  assert.equal(
    keys(cpu(0, { blocked: 'wait', word: 2 }), cpu(1, { blocked: 'no' })),
    [],
    'somebody may still notify',
  );
  assert.match(
    texts(cpu(0, { word: 2, ...wants(A) }))[0]!,
    /^lost wake-up: CPU 0 spins .* to acquire A, .*did not wake it$/,
  );
});

test('a wait that nobody is left to end', () => {
  const done = cpu(1, { blocked: 'no', ended: true });
  assert.equal(texts(cpu(0), done), [
    'CPU 0 spins on word 1000 for a change from 1, and nobody is left to make it',
  ]);
  assert.equal(keys(cpu(0), cpu(1, { blocked: 'wait' })), ['nobody left word 1000', 'nobody left word 1001']);
  assert.equal(keys(cpu(0), cpu(1, { blocked: 'no' })), [], 'somebody is');
  assert.equal(texts(cpu(0, wants(A)), cpu(1, { blocked: 'no', ended: true, ...holds(A) })), [
    'CPU 0 waits for A, which CPU 1 held when it ended',
  ]);
});

test('findings name their CPUs; where all have ended there are none', () => {
  const [found] = diagnose([cpu(0, { ...wants(A), ...holds(A) })]);
  assert.equal(found?.at, [{ at: -1, cpu: 0 }]);
  assert.equal(found?.addresses, [A]);
  assert.equal(diagnose([cpu(0, { blocked: 'no', ended: true })]), []);
});

test('detectors by name', () => {
  assert.equal(
    detectors().map((each) => each.name),
    ['lockorder', 'lifetime', 'starvation'],
  );
  assert.equal(
    detectors(['races']).map((each) => each.name),
    ['races'],
  );
  assert.throws(
    () => detectors(['race']),
    /no detector is called 'race': there are races, lockorder, lifetime, starvation, guard/,
  );
  const made = DETECTORS.filter((each) => each.create({ cpus: 2, bytes: 4096 }) !== undefined);
  assert.equal(
    made.map((each) => each.name),
    ['races', 'lockorder', 'starvation'],
    'the others need to be told of objects and guards',
  );
});

test.run();
