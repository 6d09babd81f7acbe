/**
 * The folder of a hunt (`--out`): what it has found, and where it is, so that another one can go on.
 *
 *   <subject>.<oracle>.<token's checksum>.json   a failure, written before it is printed
 *   progress.json                                where the hunt is: options, counters of the subject in progress, its failures, and which subjects are finished
 *   hunt.json                                    the results of the finished subjects
 *
 * Each file is written whole. progress.json is the one that counts: a failure or a result that it does not name belongs to no run or to one that was killed before it
 * was printed, and will be found again, since a hunt that goes on makes the executions that the first one would have made. A folder that cannot be
 * written is said at the start; when it cannot be written any more later, that is said once and the hunt goes on without it.
 */
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { HuntFailure, HuntResult, HuntState } from '../explore/hunt.ts';
import { writeWhole } from '../report/files.ts';
import { UsageError } from './errors.ts';
import type { Refused } from './refused.ts';

/** What a hunt was asked for, by name of the option. */
export type Asked = Readonly<Record<string, unknown>>;

interface Progress {
  readonly schemaVersion: 1;
  readonly command: 'hunt';
  readonly asked: Asked;
  /** Subjects that are finished; the next one is in progress, if it has a state. */
  readonly finished: number;
  readonly state?: Omit<HuntState, 'failures'>;
  /** Failures of the subject in progress, by file. */
  readonly failures: readonly string[];
}

/** Files that may fail to be written while a run goes on: that is said once, and kept in mind for the exit code. */
export class Attempts {
  /** Something could not be written. */
  broken = false;

  /** @returns whether it was written */
  attempt(write: () => void): boolean {
    try {
      write();
      return true;
    } catch (error) {
      if (!this.broken)
        process.stderr.write(`lockrig: ${(error as Error).message}; the hunt goes on without it\n`);
      this.broken = true;
      return false;
    }
  }
}

/** At most so many milliseconds are lost by a hunt that is killed; and the executions of a session. */
const EVERY = 500;
const START: Omit<HuntState, 'failures'> = {
  chunk: 0,
  executions: 0,
  accesses: 0,
  seconds: 0,
  longest: 0,
  undecided: 0,
  unwatched: 0,
};

function load<Content>(file: string): Content {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Content;
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${(error as Error).message}`);
  }
}

/** Named by the subject, the oracle and its token. */
function fileOf(subject: string, failure: HuntFailure): string {
  const plain = subject.replaceAll(/[^\w.-]+/g, '-');
  return `${plain}.${failure.oracle}.${failure.token.split(':').at(-1)}.json`;
}

/** Writes a failure into a folder. @throws OutputError */
export function writeFailure(folder: string, subject: string, failure: HuntFailure): string {
  const name = fileOf(subject, failure);
  writeWhole(join(folder, name), `${JSON.stringify({ subject, ...failure }, null, 2)}\n`);
  return name;
}

/** The first option that is not what it was, in words. */
function differing(then: Asked, now: Asked): string | undefined {
  const shown = (value: unknown): string =>
    value === undefined || value === false ? 'not given' : [value].flat().join(', ');
  for (const name of new Set([...Object.keys(then), ...Object.keys(now)]))
    if (shown(then[name]) !== shown(now[name]))
      return `${name} was ${shown(then[name])} and is ${shown(now[name])}`;
  return undefined;
}

/** The folder of a hunt. */
export class HuntFolder {
  private readonly path: string;
  private readonly attempts: Attempts;
  private progress: Progress;
  private written = 0;
  /** Results of the subjects that were finished when the hunt went on. */
  readonly results: readonly (HuntResult | Refused)[];

  private constructor(
    path: string,
    progress: Progress,
    attempts: Attempts,
    results: readonly (HuntResult | Refused)[],
  ) {
    this.path = path;
    this.progress = progress;
    this.attempts = attempts;
    this.results = results;
    // Said at the start, not when something has been found.
    this.keep();
  }

  /** Begins a hunt. @throws OutputError when the folder cannot be written */
  static begin(path: string, asked: Asked, attempts: Attempts): HuntFolder {
    const progress = { schemaVersion: 1, command: 'hunt', asked, finished: 0, failures: [] } as const;
    return new HuntFolder(path, progress, attempts, []);
  }

  /**
   * Goes on with a hunt.
   * @throws UsageError when there is none, or it was asked for something else; OutputError when the folder cannot be written
   */
  static resume(path: string, asked: Asked, attempts: Attempts): HuntFolder {
    const file = join(path, 'progress.json');
    if (!existsSync(file)) throw new UsageError(`${path} holds no hunt to go on with: there is no ${file}`);
    const progress = load<Progress>(file);
    const { command, schemaVersion, asked: then, finished, failures } = progress ?? {};
    if (
      command !== 'hunt' ||
      schemaVersion !== 1 ||
      !then ||
      !Number.isInteger(finished) ||
      !Array.isArray(failures)
    )
      throw new UsageError(`${file} is not what lockrig hunt --out has written`);
    const differs = differing(then, asked);
    if (differs !== undefined)
      throw new UsageError(`${differs}: --resume goes on with what the hunt in ${path} was asked for`);
    const results =
      finished === 0 ? [] : load<{ results: (HuntResult | Refused)[] }>(join(path, 'hunt.json')).results;
    if (!Array.isArray(results) || results.length < finished)
      throw new UsageError(`${join(path, 'hunt.json')} lacks results that ${file} names`);
    return new HuntFolder(path, progress, attempts, results.slice(0, finished));
  }

  /** Where the hunt of the subject in progress is, if it was begun. */
  get state(): HuntState | undefined {
    const { progress, path } = this;
    if (!progress.state) return undefined;
    const failures = progress.failures.map((name) => load<HuntFailure>(join(path, basename(name))));
    return { ...progress.state, failures };
  }

  /** Is called after each session; writes at most twice a second. */
  went(state: Omit<HuntState, 'failures'>): void {
    this.progress = { ...this.progress, state };
    if (performance.now() - this.written >= EVERY) this.attempts.attempt(() => this.keep());
  }

  /** Keeps a failure; it is on disk when this returns. @returns whether it is */
  found(subject: string, failure: HuntFailure): boolean {
    return this.attempts.attempt(() => {
      const name = writeFailure(this.path, subject, failure);
      const { state = START, failures } = this.progress;
      this.progress = { ...this.progress, state, failures: [...new Set([...failures, name])] };
      this.keep();
    });
  }

  /** Keeps the results so far. @param finished subjects that are done with */
  kept(document: string, finished: number): void {
    this.attempts.attempt(() => writeWhole(join(this.path, 'hunt.json'), document));
    if (finished > this.progress.finished) {
      const { schemaVersion, command, asked } = this.progress;
      this.progress = { schemaVersion, command, asked, finished, failures: [] };
    }
    this.attempts.attempt(() => this.keep());
  }

  private keep(): void {
    this.written = performance.now();
    writeWhole(join(this.path, 'progress.json'), `${JSON.stringify(this.progress, null, 2)}\n`);
  }
}
