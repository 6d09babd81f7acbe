/** The lock statistics of one run, as its main thread keeps them: memory, the window in which everything is timed, the result. */
import type { Machine } from '../../src/memory/index.ts';
import type { StatRun } from '../torture/run.ts';
import type { LockClassStats } from './schema.ts';
import { closeWindow, openWindow, readStat, readWindow, type StatHandle, statMemory } from './stat.ts';

/** Spans that each CPU has room for. */
const SPANS = 16_384;

/** Statistics of a run. */
export class StatKeeper {
  readonly handle: StatHandle;
  private readonly wanted: StatRun;
  private readonly opensAt: number;
  private from = 0;
  private to = 0;
  private started = false;

  /** @param duration of the run in ms; the window lies in the middle of it */
  constructor(machine: Machine, wanted: StatRun, duration: number) {
    const { window = 0 } = wanted;
    this.wanted = wanted;
    this.opensAt = Math.max(0, (duration - window) / 2);
    const spans = window > 0 ? SPANS : 0;
    this.handle = statMemory({ cpus: machine.cpus, bytes: machine.words.byteLength, spans });
  }

  /** Called from time to time. @param now milliseconds since the run began */
  tick(now: number): void {
    const { window = 0 } = this.wanted;
    if (!this.started) {
      this.started = true;
      this.wanted.onStart?.(() => readStat(this.handle));
    }
    if (window === 0) return;
    if (this.from === 0 && now >= this.opensAt) this.from = openWindow(this.handle);
    else if (this.from > 0 && this.to === 0 && now >= this.opensAt + window)
      this.to = closeWindow(this.handle);
  }

  /** What was counted; when no CPU runs any more. */
  end(): LockClassStats[] {
    const { window = 0 } = this.wanted;
    if (window > 0) {
      if (this.from > 0 && this.to === 0) this.to = closeWindow(this.handle);
      this.wanted.onWindow?.(readWindow(this.handle, { from: this.from, to: this.to }));
    }
    return readStat(this.handle);
  }
}
