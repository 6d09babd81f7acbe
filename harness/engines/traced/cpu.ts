/**
 * Makes a CPU traced: an instruction set over the machine's own, and what the CPU does with locks among its records.
 */
import type { Isa } from '../../../src/arch/index.ts';
import type { Cpu } from '../../../src/memory/index.ts';
import { annotateLocks } from '../locks.ts';
import type { TracedAccess } from './access.ts';
import { type ChaosOptions, DelayedIsa, DelayedOrderedIsa, Delays } from './chaos.ts';
import { TracedIsa } from './isa.ts';
import { OrderedIsa } from './order.ts';
import { MAX_TRACED_BYTES, Rings, type TraceHandle } from './ring.ts';

/** How the CPUs of a machine are traced; survives structured clone. */
export interface Tracing {
  readonly handle: TraceHandle;
  readonly chaos: ChaosOptions;
}

/** A traced CPU's side of it. */
export interface Tracer {
  /** Puts the records over an engine. */
  wrap(to: Isa, words: Int32Array<SharedArrayBuffer>): Isa;
  /** Lets the CPU's lock events be recorded, too; before its operations are made. */
  follow(cpu: Cpu): void;
  /** Keeps the last records of all CPUs, the first time. */
  keep(): void;
}

/** The tracer of one CPU. @throws RangeError when the machine is too large for a record's address */
export function tracer({ handle, chaos }: Tracing, id: number): Tracer {
  const rings = new Rings(handle);
  const delays =
    chaos.chaos === 'none' ? undefined : new Delays({ ...chaos, seed: chaos.seed + id }, rings.targets);
  let isa: TracedAccess | undefined;
  return {
    wrap(to, words) {
      if (words.byteLength > MAX_TRACED_BYTES)
        throw new RangeError(
          `a traced machine has at most ${MAX_TRACED_BYTES / 2 ** 20} MiB, not ${words.byteLength / 2 ** 20}`,
        );
      const options = { to, words, rings, cpu: id };
      const { ordered } = handle;
      const made = delays
        ? new (ordered ? DelayedOrderedIsa : DelayedIsa)(options, delays)
        : new (ordered ? OrderedIsa : TracedIsa)(options);
      isa = made;
      return made;
    },
    follow: (cpu) => annotateLocks(cpu, (op, lock, mode) => isa?.annotate(op, lock, mode)),
    keep: () => rings.keep(id),
  };
}
