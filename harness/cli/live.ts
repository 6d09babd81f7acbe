/**
 * The live line on a terminal: what runs, how fast, how long still, how many have passed and failed. Piped output has none.
 */
import type { Progress } from '../torture/run.ts';
import { group } from '../torture/summary.ts';

/** Shows progress on stderr where that is a terminal. */
export class Live {
  private update: ReturnType<typeof import('log-update').createLogUpdate> | undefined;
  passed = 0;
  failed = 0;

  private constructor() {}

  /** Loads what a terminal needs, if there is one. */
  static async open(enabled: boolean): Promise<Live> {
    const live = new Live();
    if (enabled && process.stderr.isTTY) {
      const { createLogUpdate } = await import('log-update');
      live.update = createLogUpdate(process.stderr);
    }
    return live;
  }

  /** Shows a look at a run. @param left seconds that it still has */
  show(progress: Progress, left: number): void {
    if (!this.update) return;
    const rate = progress.seconds > 0 ? progress.acquisitions / progress.seconds : 0;
    this.update(
      `${progress.lock}: ${group(rate)}/s, ${Math.max(0, left).toFixed(0)} s left, ${progress.violations} violations | ${this.passed} passed, ${this.failed} failed`,
    );
  }

  /** Takes the line away. */
  clear(): void {
    this.update?.clear();
  }
}
