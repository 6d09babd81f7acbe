/**
 * Places: what an address of a torture machine is of, so that it can be found again in a machine with other CPUs. Parts are allocated in the same order
 * everywhere, and how large they are may depend on the CPUs; what lies where within a part does so only past the first CPUs' share of it.
 */
import type { Addr } from '../../src/arch/index.ts';
import { cpuArea } from '../../src/memory/index.ts';
import type { TortureSetup } from './setup.ts';

/** The parts of a torture machine. */
export type Part = 'cpu' | 'lock' | 'nested' | 'mutex' | 'perCpu' | 'data' | 'objects';

/** An address by its part; survives JSON. */
export interface Place {
  readonly part: Part;
  /** Which of several: a CPU, a further lock. */
  readonly index: number;
  /** Bytes from its start. */
  readonly offset: number;
}

interface Span extends Omit<Place, 'offset'> {
  readonly from: Addr;
}

function spans({ lock, nested, mutexAddr, perCpu, perCpuStride, area, params }: TortureSetup): Span[] {
  const cpus = Array.from({ length: params.cpus }, (_, index) => index);
  const all: Span[] = [
    ...cpus.map((index): Span => ({ part: 'cpu', index, from: cpuArea(index) })),
    { part: 'lock', index: 0, from: lock },
    ...nested.map((from, index): Span => ({ part: 'nested', index, from })),
    { part: 'mutex', index: 0, from: mutexAddr },
    ...(perCpu === 0
      ? []
      : cpus.map((index): Span => ({ part: 'perCpu', index, from: perCpu + index * perCpuStride }))),
    { part: 'data', index: 0, from: area.data },
    { part: 'objects', index: 0, from: area.objects },
  ];
  return all.sort((a, b) => a.from - b.from);
}

/** Whether an address is the harness's own: what it counts and notes, not what is under test. */
export function isOwn({ area }: TortureSetup, addr: Addr): boolean {
  return addr >= area.control && addr < area.data;
}

/** What an address is of; undefined: of the harness, or of nothing. */
export function placeOf(setup: TortureSetup, addr: Addr): Place | undefined {
  if (isOwn(setup, addr)) return undefined;
  const span = spans(setup).findLast(({ from }) => from <= addr);
  return span && { part: span.part, index: span.index, offset: addr - span.from };
}

/** The address of a place in a machine; undefined: it has no such part. */
export function addressOf(setup: TortureSetup, { part, index, offset }: Place): Addr | undefined {
  const span = spans(setup).find((each) => each.part === part && each.index === index);
  return span && span.from + offset;
}
