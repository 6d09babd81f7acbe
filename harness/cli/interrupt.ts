/**
 * Ctrl-C: the first one ends the run in progress and lets it say what it has found so far, the second ends the process at once.
 */
import { EXIT } from './errors.ts';

/** Turns the first SIGINT or SIGTERM into an abort signal. */
export class Interrupt {
  private readonly controller = new AbortController();
  private readonly heard = (): void => {
    if (this.controller.signal.aborted) process.exit(EXIT.interrupted);
    process.stderr.write('\nlockrig: stopping at the end of the round; once more to stop at once\n');
    this.controller.abort();
  };

  constructor() {
    process.on('SIGINT', this.heard);
    process.on('SIGTERM', this.heard);
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** Hears no more. */
  dispose(): void {
    process.off('SIGINT', this.heard);
    process.off('SIGTERM', this.heard);
  }
}
