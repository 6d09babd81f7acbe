/**
 * Result files: written under a temporary name and renamed, so that a reader, or a crash, never meets half a file.
 */
import {
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
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

/** Level by level: Node's recursive mkdir never returns where nothing can be created, as in /proc. */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder));
  try {
    mkdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/**
 * Writes a file whole or not at all; where a link leads, and into a device as it is: renaming would put a file in its place.
 * @throws OutputError
 */
export function writeWhole(file: string, text: string): void {
  let target = resolve(file);
  let temporary = `${target}.${process.pid}.tmp`;
  try {
    const there = statSync(target, { throwIfNoEntry: false });
    if (there?.isCharacterDevice()) {
      writeFileSync(target, text);
      return;
    }
    if (there?.isFIFO() || there?.isSocket()) throw new Error('it is no regular file');
    if (there) target = realpathSync(target);
    temporary = `${target}.${process.pid}.tmp`;
    makeFolder(dirname(target));
    writeFileSync(temporary, text);
    renameSync(temporary, target);
  } catch (error) {
    try {
      rmSync(temporary, { force: true });
    } catch {
      // Where nothing could be written there is nothing to remove; the first error is the one to tell.
    }
    throw new OutputError(file, error as Error);
  }
}

/** Files that could not be written, while what they are about goes on: what is wrong is said in the end. */
export class Unwritten {
  private error: Error | undefined;

  /** Writes something; the first error is kept. */
  async write(what: () => unknown): Promise<void> {
    try {
      await what();
    } catch (error) {
      this.error ??= error as Error;
    }
  }

  /** @throws the error that was kept, if there is one */
  say(): void {
    if (this.error) throw this.error;
  }
}

/** Most bytes of a file of results. */
const MOST_BYTES = 256 * 2 ** 20;

/** Reads a file of results; from a pipe or a device it would never come back. @throws Error */
export function readWhole(file: string): string {
  const there = statSync(file);
  if (!there.isFile()) throw new Error('it is no regular file');
  if (there.size > MOST_BYTES) throw new Error('it is larger than 256 MiB');
  return readFileSync(file, 'utf8');
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
  private readonly names = new Map<string, number>();
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
    if (this.json && this.junit && resolve(this.json) === resolve(this.junit))
      throw new OutputError(this.json, new Error('--json and --junit both name it'));
    if (this.json) writeWhole(this.json, resultDocument(command, [], false));
    if (this.junit) writeWhole(this.junit, '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites/>\n');
    if (this.dir) writeWhole(join(this.dir, 'results.json'), resultDocument(command, [], false));
  }

  /** Counters of the run in progress; at most once a second. */
  counters(progress: object): void {
    const now = performance.now();
    if (!this.dir || now - this.lastCounters < 1000) return;
    this.lastCounters = now;
    try {
      writeWhole(join(this.dir, 'progress.json'), `${JSON.stringify(progress)}\n`);
    } catch {
      // A full disk, for example. The results are still to come, and what is wrong with the folder is said then.
    }
  }

  /** Adds a result; failures are on disk when this returns. */
  async add(result: TortureResult): Promise<void> {
    this.results.push(result);
    if (this.dir) {
      if (result.verdict !== 'success' && result.verdict !== 'interrupted') {
        const name = `failure-${this.unused(result.lock.replace(/[^\w.-]+/g, '_'))}.json`;
        writeWhole(join(this.dir, name), resultDocument(this.command, [result], true));
      }
      writeWhole(join(this.dir, 'results.json'), resultDocument(this.command, this.results, false));
    }
    if (this.json) writeWhole(this.json, resultDocument(this.command, this.results, false));
    await this.writeJunit();
  }

  private async writeJunit(): Promise<void> {
    if (!this.junit) return;
    const { junitDocument } = await import('./junit.ts');
    writeWhole(this.junit, junitDocument(this.results));
  }

  /** Two locks may have one name: a built-in and a user's. */
  private unused(name: string): string {
    const times = (this.names.get(name) ?? 0) + 1;
    this.names.set(name, times);
    return times === 1 ? name : `${name}-${times}`;
  }

  /** Writes the last documents. @param complete whether the run came to its end */
  async finish(complete: boolean): Promise<void> {
    const whole = resultDocument(this.command, this.results, complete);
    if (this.json) writeWhole(this.json, whole);
    if (this.dir) writeWhole(join(this.dir, 'results.json'), whole);
    await this.writeJunit();
  }
}
