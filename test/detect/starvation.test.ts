/** A CPU that has queued is passed no more often than its lock promises; what promises nothing, and what may be inside together, is not judged. */
import * as assert from 'uvu/assert';
import { Starvation } from '../../harness/detect/starvation.ts';
import { traceOf } from '../../harness/engines/trace.ts';
import { FIFO, SPINS, traitsOf } from '../../src/locking/traits.ts';
import { suite } from '../suite.ts';
import { type by, c0, c1, c2, type Step } from './events.ts';

const [A, B] = [64, 128];
const [X, S] = [1, 2];
const BOUND = traitsOf('mutex', { bypass: 2 }, 3);
type Cpu = ReturnType<typeof by>;

const keys = (steps: readonly Step[]): string[] =>
  new Starvation({ cpus: 3 }).run(traceOf(steps)).map(({ key }) => key);
const comes = (cpu: Cpu, traits: number, mode = X, lock = A): Step => cpu('acquiring', lock, mode, traits);
const queues = (cpu: Cpu, lock = A): Step => cpu('queued', lock);
const enters = (cpu: Cpu, mode = X, lock = A): Step => cpu('acquired', lock, mode);
const passes = (cpu: Cpu, traits: number, mode = X): Step[] => [comes(cpu, traits, mode), enters(cpu, mode)];

const test = suite('starvation');

test('first come, first served, from the doorway on', () => {
  const waits = [comes(c1, FIFO | SPINS), queues(c1)];
  assert.equal(keys([...waits, ...passes(c0, FIFO)]), ['starvation 0x40']);
  assert.equal(keys([...waits, enters(c1), ...passes(c0, FIFO)]), [], 'it was its turn');
  assert.equal(
    keys([comes(c0, FIFO), ...waits, queues(c0), enters(c0)]),
    [],
    'who had begun before may have been in front',
  );
  assert.equal(keys([comes(c1, FIFO), ...passes(c0, FIFO), queues(c1)]), [], 'before its doorway');
  assert.equal(keys([...waits, enters(c0)]), [], 'an attempt, which may have begun before');
  assert.equal(keys([...waits, comes(c0, FIFO, X, B), enters(c0, X, B)]), [], 'another lock');
  assert.equal(keys([...waits, c1('gaveUp'), ...passes(c0, FIFO)]), [], 'it has given up');
  assert.equal(keys([...waits, enters(c1), comes(c1, FIFO), ...passes(c0, FIFO)]), [], 'a new wait');
});

test('a bound counts acquisitions of all others', () => {
  const waits = [comes(c2, BOUND), queues(c2)];
  const two = [...passes(c0, BOUND), ...passes(c1, BOUND)];
  assert.equal(keys([...waits, ...two]), []);
  assert.equal(keys([...waits, ...two, ...passes(c0, BOUND)]), ['starvation 0x40']);
  assert.equal(keys([...waits, ...two, enters(c2), ...waits, ...passes(c0, BOUND)]), [], 'it counts anew');
});

test('a lock that promises nothing, or has no doorway, may starve anybody', () => {
  const many = Array.from({ length: 50 }, () => passes(c0, SPINS)).flat();
  assert.equal(keys([comes(c1, SPINS), queues(c1), ...many]), []);
  assert.equal(keys([comes(c1, 0), queues(c1), ...many]), []);
  assert.equal(keys([comes(c1, FIFO), ...many]), []);
});

test('readers may be inside together', () => {
  assert.equal(keys([comes(c1, FIFO, S), queues(c1), ...passes(c0, FIFO, S)]), []);
  assert.equal(keys([comes(c1, FIFO, S), queues(c1), ...passes(c0, FIFO, X)]), ['starvation 0x40']);
  assert.equal(keys([comes(c1, FIFO, X), queues(c1), ...passes(c0, FIFO, S)]), ['starvation 0x40']);
});

test('it says who, by whom and where', () => {
  const [found] = new Starvation({ cpus: 2, name: () => 'the_lock' }).run(
    traceOf([comes(c1, FIFO), queues(c1), ...passes(c0, FIFO)]),
  );
  assert.match(found!.text, /CPU 1 had queued for the_lock when CPU 0 began .* first come, first served/);
  assert.equal(
    found!.at.map(({ at, cpu }) => [at, cpu]),
    [
      [1, 1],
      [2, 0],
      [3, 0],
    ],
  );
});

test.run();
