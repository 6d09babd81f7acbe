/** Hand-written traces in short form. */
import type { Event } from '../../harness/engines/trace.ts';

export type Step = Partial<Omit<Event, 'at' | 'op'>> & { op: string };

/** What one CPU does: operation, address, value, what the word held before. */
export const by =
  (cpu: number) =>
  (op: string, addr = 0, value = 0, before = 0): Step => ({ op, cpu, addr, value, before });

export const [c0, c1, c2] = [by(0), by(1), by(2)] as const;
