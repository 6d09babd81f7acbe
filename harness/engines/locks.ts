/**
 * What a CPU does with locks, as records: tracking calls these where a lock is waited for, taken, given up and released, so locks themselves stay clean of it.
 */
import type { Addr } from '../../src/arch/index.ts';
import type { Cpu } from '../../src/memory/index.ts';
import { OP } from './trace.ts';

/** Lets `annotate` hear of a CPU's lock events; before the CPU's operations are made. */
export function annotateLocks(
  cpu: Cpu,
  annotate: (operation: number, lock: Addr, mode: number, traits: number) => void,
): void {
  const { tracking } = cpu;
  const [acquiring, acquired, released, gaveUp] = [OP.acquiring!, OP.acquired!, OP.released!, OP.gaveUp!];
  Object.assign(cpu, {
    tracking: {
      ...tracking,
      waitsFor(lock: Addr, mode: number, traits = 0) {
        annotate(acquiring, lock, mode, traits);
        tracking.waitsFor(lock, mode);
      },
      gaveUp() {
        annotate(gaveUp, 0, 0, 0);
        tracking.gaveUp();
      },
      acquired(lock: Addr, mode: number, traits = 0) {
        tracking.acquired(lock, mode);
        annotate(acquired, lock, mode, traits);
      },
      released(lock: Addr, mode: number, traits = 0) {
        annotate(released, lock, mode, traits);
        return tracking.released(lock, mode);
      },
    },
  });
}
