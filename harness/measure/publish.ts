/**
 * Statistics of a run that goes on, for whoever watches it from another process: `stat.json`, written whole once a second by the main thread, which takes part in
 * nothing that is measured. It is marked as not complete until the run is over.
 */
import { writeWhole } from '../report/files.ts';
import { headOf } from './documents.ts';
import type { LockClassStats, LockStatDocument } from './schema.ts';

const EVERY = 1000;

/** The file for the statistics of one of several subjects. */
export const statFileOf = (name: string): string => `stat-${name.replace(/[^\w.-]+/g, '_')}.json`;

/** Writes the statistics of a run. */
export class Published {
  private readonly files: readonly string[];
  private readonly command: string;
  private last = 0;
  private look: (() => LockClassStats[]) | undefined;

  constructor(command: string, files: readonly string[]) {
    this.command = command;
    this.files = files;
  }

  /** The CPUs are up. */
  readonly start = (look: () => LockClassStats[]): void => {
    this.look = look;
  };

  /** From time to time while they run. */
  tick(run: { readonly subject: string; readonly cpus: number; readonly seconds: number }): void {
    const now = performance.now();
    if (!this.look || this.files.length === 0 || now - this.last < EVERY) return;
    this.last = now;
    try {
      this.write({ ...headOf(this.command, false), ...run, classes: this.look() });
    } catch {
      // A full disk, for example. What is wrong with the file is said at the end, when the result is written.
    }
  }

  /** Writes a document. @throws OutputError */
  write(document: LockStatDocument): void {
    for (const file of this.files) writeWhole(file, `${JSON.stringify(document)}\n`);
  }
}
