/**
 * Crews: what goes wrong on a CPU arrives whole and leaves no worker behind, and the barrier holds with more
 * CPUs than cores.
 */
import * as assert from 'uvu/assert';
import { CrewLate, runCrew } from '../../bench/crew.ts';
import { createMachine } from '../../src/memory/index.ts';
import { suite } from '../suite.ts';
import type { CountOrders } from './crew-jobs.ts';
import { isViolation } from './rows.ts';

const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
const module = new URL(`./crew-jobs${extension}`, import.meta.url).href;
const job = (name: string) => ({ module, name });

const test = suite('crews');

for (const cpus of [2, 5]) {
  test(`${cpus} CPUs meet at each barrier`, async () => {
    const machine = createMachine({ cpus });
    const args: CountOrders = { at: machine.alloc(64) >>> 2, rounds: 2000 };
    const crew = { machine, engine: 'wasm', job: job('meetOften'), args } as const;
    assert.equal(await runCrew<CountOrders, number>(crew), Array(cpus).fill(0));
  });
}

test('an error keeps its message, its code and its stack', async () => {
  const machine = createMachine({ cpus: 3 });
  const crew = { machine, engine: 'atomics', job: job('breaks'), args: null } as const;
  const error = await runCrew(crew).catch((thrown: unknown) => thrown);
  assert.ok(isViolation(error));
  assert.match(error.message, 'planted');
  assert.match(String(error.stack), 'breaks');
});

test('a CPU that does not come back is described', async () => {
  const machine = createMachine({ cpus: 1 });
  const at = machine.alloc(64);
  const crew = { machine, engine: 'wasm', job: job('sleeps'), args: { at }, deadline: 5000 } as const;
  const error = await runCrew(crew).catch((thrown: unknown) => thrown);
  assert.instance(error, CrewLate);
  assert.match((error as Error).message, `CPU 0 waits for a change of word ${at}, which was 0 and is 0`);
});

test('a signal ends the crew with its reason', async () => {
  const machine = createMachine({ cpus: 1 });
  const abort = new AbortController();
  const args = { at: machine.alloc(64) };
  const running = runCrew({ machine, engine: 'wasm', job: job('sleeps'), args, signal: abort.signal });
  setTimeout(() => abort.abort(new Error('enough')), 50);
  assert.match(String(await running.catch((thrown: unknown) => thrown)), /enough/);
});

test('a job or an engine that is not there is named', async () => {
  const machine = createMachine({ cpus: 1 });
  const missing = { machine, engine: 'wasm', job: job('nothing'), args: null } as const;
  assert.match(
    String(await runCrew(missing).catch((thrown: unknown) => thrown)),
    /exports no function nothing/,
  );
  const engine = { module, factory: 'noEngine' };
  const strange = { machine, engine, job: job('sleeps'), args: null };
  assert.match(
    String(await runCrew(strange).catch((thrown: unknown) => thrown)),
    /exports no function noEngine/,
  );
});

test.run();
