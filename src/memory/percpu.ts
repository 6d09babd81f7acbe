/**
 * Per-CPU variables: one copy of a struct for each CPU, on cache lines that it shares with no other.
 *
 * Each CPU writes its own copy only, without atomics and without bouncing lines; a reader adds the copies up. The sum is of no one moment: a
 * CPU may count on while the others are being read. It is never behind what had been counted when the reading began, as long as counters
 * only grow.
 */
import type { Addr, Isa } from '../arch/index.ts';
import { LINE, roundUp } from './layout.ts';
import { infoOf, sizeOf } from './struct.ts';

/** The copies of a struct. */
export interface PerCpu<Names extends string> {
  /** The first copy: hand it to the other threads. */
  readonly addr: Addr;
  /** Bytes from one copy to the next. */
  readonly stride: number;
  /** The copy of a CPU. @throws RangeError when the machine has no such CPU */
  at(cpu: number): Addr;
  /** A field summed over all CPUs: as the field is signed or not, not modulo 2^32. */
  sum(isa: Pick<Isa, 'readOnce'>, field: Names): number;
}

/**
 * Per-CPU copies of a struct.
 * @param machine its CPUs, and the heap that new copies come from; zeroed
 * @param addr where the copies already are: on all threads but the one that created them
 * @throws OutOfMemory
 */
export function perCpu<Names extends string>(
  machine: { readonly cpus: number; alloc(bytes: number): Addr },
  layout: Readonly<Record<Names, Addr>>,
  addr?: Addr,
): PerCpu<Names> {
  const { cpus } = machine;
  const { name, fields } = infoOf(layout);
  const stride = roundUp(sizeOf(layout), LINE);
  const first = addr ?? machine.alloc(cpus * stride);

  function at(cpu: number): Addr {
    if (!Number.isInteger(cpu) || cpu < 0 || cpu >= cpus)
      throw new RangeError(`there is no CPU ${cpu}: '${name}' has copies for 0 to ${cpus - 1}`);
    return first + cpu * stride;
  }

  function sum(isa: Pick<Isa, 'readOnce'>, field: Names): number {
    const entry = fields.find((each) => each.name === field);
    if (entry?.field.count !== 1)
      throw new TypeError(`'${field}' of struct '${name}' is not one word that could be summed`);
    const signed = entry.field.type === 'i32';
    let total = 0;
    for (let cpu = 0; cpu < cpus; cpu += 1) {
      const value = isa.readOnce(first + cpu * stride + entry.offset);
      total += signed ? value : value >>> 0;
    }
    return total;
  }

  return { addr: first, stride, at, sum };
}
