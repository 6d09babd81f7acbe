/**
 * Result files: written under a temporary name and renamed, so that a reader, or a crash, never meets half a file.
 */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { environment, type TortureResult } from '../torture/result.ts';

/** A file that cannot be written. */
export class OutputError extends Error {
  readonly code = 'EUSAGE';
  constructor(file: string, cause: Error) {
    super(`${file} cannot be written: ${cause.message}`);
    this.name = 'OutputError';
  }
}

/** Writes a file whole or not at all. @throws OutputError */
export function writeWhole(file: string, text: string): void {
  const target = resolve(file);
  const temporary = `${target}.${process.pid}.tmp`;
  try {
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(temporary, text);
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new OutputError(file, error as Error);
  }
}

/** A document of results with everything needed to judge them. */
export function resultDocument(
  command: string,
  results: readonly TortureResult[],
  complete: boolean,
): string {
  return `${JSON.stringify({ schemaVersion: 1, command, complete, environment: environment(), results }, null, 2)}\n`;
}

/** The files of one run of a command: `--json FILE`, `--junit FILE`, `--out DIR`. */
export class Output {
  private readonly results: TortureResult[] = [];
  private readonly json: string | undefined;
  private readonly junit: string | undefined;
  private readonly dir: string | undefined;
  private readonly command: string;
  private lastCounters = 0;

  /** Checks that the files can be written before anything has run. @throws OutputError */
  constructor(
    command: string,
    options: { json?: string | undefined; junit?: string | undefined; dir?: string | undefined },
  ) {
    this.command = command;
    this.json = options.json;
    this.junit = options.junit;
    this.dir = options.dir;
    if (this.json) writeWhole(this.json, resultDocument(command, [], false));
    if (this.dir) writeWhole(join(this.dir, 'results.json'), resultDocument(command, [], false));
  }

  /** Counters of the run in progress; at most once a second. */
  counters(progress: object): void {
    const now = performance.now();
    if (!this.dir || now - this.lastCounters < 1000) return;
    this.lastCounters = now;
    writeWhole(join(this.dir, 'progress.json'), `${JSON.stringify(progress)}\n`);
  }

  /** Adds a result; failures are on disk when this returns. */
  async add(result: TortureResult): Promise<void> {
    this.results.push(result);
    if (this.dir) {
      if (result.verdict !== 'success') {
        writeWhole(
          join(this.dir, `failure-${result.lock.replace(/[^\w.-]+/g, '_')}.json`),
          resultDocument(this.command, [result], true),
        );
      }
      writeWhole(join(this.dir, 'results.json'), resultDocument(this.command, this.results, false));
    }
    if (this.json) writeWhole(this.json, resultDocument(this.command, this.results, false));
  }

  /** Marks the documents complete and writes the JUnit file. */
  async finish(): Promise<void> {
    const whole = resultDocument(this.command, this.results, true);
    if (this.json) writeWhole(this.json, whole);
    if (this.dir) writeWhole(join(this.dir, 'results.json'), whole);
    if (this.junit) {
      const { junitDocument } = await import('./junit.ts');
      writeWhole(this.junit, junitDocument(this.results));
    }
  }
}
