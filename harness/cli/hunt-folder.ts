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

/** What a hunt was asked for, by name of the option. */
export type Asked = Readonly<Record<string, unknown>>;

interface Progress {
  readonly schemaVersion: 1;
  readonly command: 'hunt';
  readonly asked: Asked;
  /** Subjects that are finished, in their order. */
  readonly finished: readonly string[];
  /** The subject in progress. */
  readonly subject?: string;
  readonly state?: Omit<HuntState, 'failures'>;
  /** Its failures, by file. */
  readonly failures: readonly string[];
}

/** At most so many milliseconds are lost by a hunt that is killed; and the executions of a session. */
const EVERY = 500;
const START: Omit<HuntState, 'failures'> = { chunk: 0, executions: 0, accesses: 0, seconds: 0, longest: 0 };

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

/** The folder of a hunt. */
export class HuntFolder {
  private readonly path: string;
  private readonly complain: (sentence: string) => void;
  private progress: Progress;
  private written = 0;
  /** Something could not be written. */
  broken = false;
  /** Results of the subjects that are finished. */
  readonly results: HuntResult[] = [];

  private constructor(path: string, progress: Progress, complain: (sentence: string) => void) {
    this.path = path;
    this.progress = progress;
    this.complain = complain;
  }

  /** Begins a hunt. @throws OutputError when the folder cannot be written */
  static begin(path: string, asked: Asked, complain: (sentence: string) => void): HuntFolder {
    const progress = { schemaVersion: 1, command: 'hunt', asked, finished: [], failures: [] } as const;
    const folder = new HuntFolder(path, progress, complain);
    folder.keep();
    return folder;
  }

  /**
   * Goes on with a hunt.
   * @throws UsageError when there is none, or it was asked for something else; OutputError when the folder cannot be written
   */
  static resume(path: string, asked: Asked, complain: (sentence: string) => void): HuntFolder {
    const file = join(path, 'progress.json');
    if (!existsSync(file)) throw new UsageError(`${path} holds no hunt to go on with: there is no ${file}`);
    const progress = load<Progress>(file);
    if (progress?.command !== 'hunt' || progress.schemaVersion !== 1 || !progress.asked)
      throw new UsageError(`${file} is not what lockrig hunt --out has written`);
    for (const name of new Set([...Object.keys(progress.asked), ...Object.keys(asked)])) {
      const [then, now] = [progress.asked[name], asked[name]].map((value) => JSON.stringify(value));
      if (then === now) continue;
      const shown = (value: string | undefined): string => value?.replaceAll('"', '') ?? 'not given';
      throw new UsageError(
        `${name} was ${shown(then)} and is ${shown(now)}: --resume goes on with what the hunt in ${path} was asked for`,
      );
    }
    const folder = new HuntFolder(path, progress, complain);
    if (progress.finished.length > 0) {
      const { results } = load<{ results: HuntResult[] }>(join(path, 'hunt.json'));
      for (const name of progress.finished) {
        const result = results?.find(({ subject }) => subject === name);
        if (!result) throw new UsageError(`${join(path, 'hunt.json')} lacks the result of '${name}'`);
        folder.results.push(result);
      }
    }
    // Said at the start, not when something has been found.
    folder.keep();
    return folder;
  }

  /** Where the hunt of a subject is, if it was begun. */
  stateOf(subject: string): HuntState | undefined {
    const { progress, path } = this;
    if (progress.subject !== subject || !progress.state) return undefined;
    return {
      ...progress.state,
      failures: progress.failures.map((name) => load<HuntFailure>(join(path, basename(name)))),
    };
  }

  /** Is called after each session; writes at most twice a second. */
  went(subject: string, state: Omit<HuntState, 'failures'>): void {
    const failures = this.progress.subject === subject ? this.progress.failures : [];
    this.progress = { ...this.progress, subject, state, failures };
    if (performance.now() - this.written < EVERY) return;
    this.attempt(() => this.keep());
  }

  /** Keeps a failure; it is on disk when this returns. @returns whether it is */
  found(subject: string, failure: HuntFailure): boolean {
    return this.attempt(() => {
      const name = writeFailure(this.path, subject, failure);
      const { subject: before, state = START, failures } = this.progress;
      const same = before === subject;
      this.progress = {
        ...this.progress,
        subject,
        state: same ? state : START,
        failures: [...(same ? failures : []), name],
      };
      this.keep();
    });
  }

  /** Keeps what came out. @param done whether the subject is finished */
  result(subject: string, done: boolean, document: string): void {
    this.attempt(() => writeWhole(join(this.path, 'hunt.json'), document));
    if (done) {
      const { schemaVersion, command, asked, finished } = this.progress;
      this.progress = { schemaVersion, command, asked, finished: [...finished, subject], failures: [] };
    }
    this.attempt(() => this.keep());
  }

  /** Writes the results once more. */
  document(text: string): void {
    this.attempt(() => writeWhole(join(this.path, 'hunt.json'), text));
  }

  private keep(): void {
    this.written = performance.now();
    writeWhole(join(this.path, 'progress.json'), `${JSON.stringify(this.progress, null, 2)}\n`);
  }

  private attempt(write: () => void): boolean {
    try {
      write();
      return true;
    } catch (error) {
      if (!this.broken) this.complain(`${(error as Error).message}; the hunt goes on without it`);
      this.broken = true;
      return false;
    }
  }
}
