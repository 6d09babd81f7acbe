/**
 * What `lockrig top` does. Of a subject it runs it and reads its statistics from the main thread; of a folder it reads what a run in another process publishes there. Either way
 * it looks at counters only, and touches no lock. On a terminal a table is put over the one before; else each follows the other.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { INLINING } from '../explore/inlining.ts';
import { DocumentError, readStatDocument } from '../measure/documents.ts';
import type { LockClassStats } from '../measure/schema.ts';
import { type Look, topText } from '../measure/top-text.ts';
import { paramsFor, torture } from '../torture/run.ts';
import { heading, summarize } from '../torture/summary.ts';
import { EXIT, UsageError } from './errors.ts';
import { Interrupt } from './interrupt.ts';
import { CODES } from './run-stat.ts';
import { findSubjects } from './subjects.ts';
import { parameters } from './torture-options.ts';
import { type Raw, time } from './values.ts';

type Options = Readonly<Record<string, Raw>>;

const INTERVAL = 1000;
/** Unless it is said how long: until it is interrupted. */
const LONG = 24 * 3_600_000;
/** Milliseconds without news after which a run is taken for ended. */
const PATIENCE = 15_000;

/** Whether a look is one at the same run, later. */
function isLater(look: Look, before: Look): boolean {
  const counted = ({ name, mode }: LockClassStats): number =>
    look.classes.find((each) => each.name === name && each.mode === mode)?.acquisitions ?? 0;
  return (
    look.subject === before.subject &&
    look.seconds > before.seconds &&
    before.classes.every((each) => counted(each) >= each.acquisitions)
  );
}

/** Shows tables. */
class Screen {
  private update: ((text: string) => void) | undefined;
  private before: Look | undefined;

  static async open(): Promise<Screen> {
    const screen = new Screen();
    if (process.stdout.isTTY) {
      const { createLogUpdate } = await import('log-update');
      screen.update = createLogUpdate(process.stdout);
    }
    return screen;
  }

  show(look: Look): void {
    // Another run than before has begun.
    const before = this.before && isLater(look, this.before) ? this.before : undefined;
    const text = topText(
      look,
      before,
      this.update ? Math.max(5, (process.stdout.rows ?? 24) - 4) : undefined,
    );
    if (this.update) this.update(text);
    else process.stdout.write(`${text}\n\n`);
    this.before = look;
  }
}

/** The file that was written last of those that a run publishes. @throws UsageError */
function newestIn(folder: string): string {
  const files = readdirSync(folder)
    .filter((name) => /^stat.*\.json$/.test(name))
    .map((name) => join(folder, name))
    .sort((one, other) => statSync(other).mtimeMs - statSync(one).mtimeMs);
  if (files[0] === undefined)
    throw new UsageError(
      `${folder} holds no stat.json: lockrig torture --stat --out ${folder}, or lockrig stat --out ${folder}, writes one while it runs`,
    );
  return files[0];
}

async function watch(what: string, interval: number, signal: AbortSignal): Promise<number> {
  const fileOf = (): string => (statSync(what).isDirectory() ? newestIn(what) : what);
  const screen = await Screen.open();
  let seen = '';
  let newsAt = performance.now();
  while (!signal.aborted) {
    const file = fileOf();
    const stamp = `${file} ${statSync(file).mtimeMs}`;
    if (stamp !== seen) {
      seen = stamp;
      newsAt = performance.now();
      const document = readStatDocument(file);
      screen.show(document);
      if (document.complete) return EXIT.clean;
    } else if (performance.now() - newsAt > PATIENCE)
      throw new DocumentError(
        `${file} is of a run that did not come to its end, and nobody has written it for ${PATIENCE / 1000} s`,
      );
    await sleep(interval, undefined, { signal }).catch(() => {});
  }
  return EXIT.interrupted;
}

/** @throws UsageError which says of a name of nothing that there is no such folder, either */
async function subjectsNamed(what: string): Promise<Awaited<ReturnType<typeof findSubjects>>> {
  try {
    return await findSubjects([what], { workloads: true });
  } catch (error) {
    const { message } = error as Error;
    if (!message.startsWith('there is no lock')) throw error;
    throw new UsageError(`there is no folder ${what}, and ${message}`);
  }
}

async function runLive(
  what: string,
  options: Options,
  interval: number,
  signal: AbortSignal,
): Promise<number> {
  const params = { duration: LONG, ...parameters(options) };
  const subjects = await subjectsNamed(what);
  const [subject] = subjects;
  if (!subject || subjects.length > 1)
    throw new UsageError(`'${what}' stands for ${subjects.length} subjects: top shows one`);
  const { lock, url } = subject;
  const { cpus = 2 } = paramsFor(lock, params);
  const screen = await Screen.open();
  let look: (() => LockClassStats[]) | undefined;
  let last = 0;
  const result = await torture(lock, params, {
    signal,
    ...(url === undefined ? {} : { url }),
    stat: {
      onStart: (each) => {
        look = each;
      },
    },
    onProgress: ({ seconds }) => {
      if (!look || 1000 * seconds - last < interval) return;
      last = 1000 * seconds;
      screen.show({ subject: lock.name, cpus, seconds, classes: look() });
    },
  });
  screen.show({ subject: lock.name, cpus, seconds: result.seconds, classes: result.lockStat ?? [] });
  // Whoever watches without an end in mind ends it so.
  if (result.verdict === 'interrupted') return EXIT.interrupted;
  if (result.verdict !== 'success')
    process.stderr.write(`${heading(result)}\n${summarize(result).join('\n')}\n`);
  return CODES[result.verdict];
}

/** Runs the command. @returns the exit code */
export async function runTop(what: string, options: Options): Promise<number> {
  setFlagsFromString(INLINING);
  const interval = time('interval', options.interval, 100) ?? INTERVAL;
  const interrupt = new Interrupt();
  try {
    const published = existsSync(what) && (statSync(what).isDirectory() || what.endsWith('.json'));
    return published
      ? await watch(what, interval, interrupt.signal)
      : await runLive(what, options, interval, interrupt.signal);
  } finally {
    interrupt.dispose();
  }
}
