/**
 * The engines that conformance rows run on besides the plain ones: with parks that have no timeout, and
 * deliberately broken.
 *
 * A park ends by its timeout if its wake-up is lost, so a lost one costs a millisecond and nothing else.
 * Without the timeout it costs the run, which is what a test for lost wake-ups needs. Only the sleep itself
 * is replaced, under the same waiting loops.
 */
import type { EngineFactory, EngineRef, EngineSource } from '../../bench/crew.ts';
import { attachHardware } from '../../harness/engines/hardware.ts';
import type { Isa } from '../../src/arch/index.ts';
import { type Primitives, Waiting } from '../../src/arch/waiting.ts';
import { type AttachOptions, cpuArea, type Engine, type Machine } from '../../src/memory/index.ts';
import { accessMutants, type Mutation } from './mutants.ts';
import { waitingMutants } from './mutants-waiting.ts';

/** The broken engines by name. */
const mutants = { ...accessMutants, ...waitingMutants } as const satisfies Record<string, Mutation>;
/** The name of a broken engine. */
export type MutantName = keyof typeof mutants;
export const mutantNames = Object.keys(mutants) as MutantName[];

interface EngineOrders {
  readonly engine: Engine;
  readonly mutant?: MutantName;
  readonly untimed?: boolean;
}

/** What both engine classes have inside. */
interface Inside {
  waiting: Waiting;
  readonly spin: Primitives['spin'];
}

function withoutTimeouts(isa: Isa, machine: Machine, cpu: number, options: AttachOptions): void {
  const { words } = machine;
  const inside = isa as unknown as Inside;
  if (!(inside.waiting instanceof Waiting))
    throw new TypeError(`the ${isa.engine} engine does not wait as this test knows it`);
  const futexWait: Primitives['futexWait'] = (addr, value) =>
    Atomics.wait(words, addr >>> 2, value) === 'ok' ? 0 : 1;
  const primitives: Primitives = { load: isa.load, fetchAdd: isa.fetchAdd, spin: inside.spin, futexWait };
  inside.waiting = new Waiting(words, primitives, {
    ...options,
    memory: machine.handle.memory,
    record: cpuArea(cpu),
  });
}

/** Makes such an engine; named by {@link untimed} and {@link mutant}. */
export const testEngine: EngineFactory = (machine, cpu, options, args) => {
  const { engine, mutant: name, untimed: forever } = args as EngineOrders;
  const { isa } = attachHardware(machine, cpu, { ...options, engine });
  if (forever === true) withoutTimeouts(isa, machine, cpu, options);
  if (name !== undefined) mutants[name]({ isa, cpu, words: machine.words });
  return isa;
};

const sourceOf = (args: EngineOrders): EngineSource => ({
  module: import.meta.url,
  factory: 'testEngine',
  args,
});

/** The same engine with parks that only a notify ends; one from elsewhere stays as it is. */
export function untimed(ref: EngineRef): EngineRef {
  if (typeof ref === 'string') return sourceOf({ engine: ref, untimed: true });
  return ref.module === import.meta.url ? sourceOf({ ...(ref.args as EngineOrders), untimed: true }) : ref;
}

/** A built-in engine with one promise broken. */
export function mutant(engine: Engine, name: MutantName): EngineRef {
  return sourceOf({ engine, mutant: name });
}
