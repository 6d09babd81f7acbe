/** What `lockrig stat` does: runs one subject after the other with lock statistics, or reads an earlier run's, and shows them. */
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { INLINING } from '../explore/inlining.ts';
import { headOf, readStatDocument, statDocument, timelineDocument } from '../measure/documents.ts';
import { Published } from '../measure/publish.ts';
import type { LockStatDocument } from '../measure/schema.ts';
import type { Window } from '../measure/stat.ts';
import { lockStatCsv, lockStatText, moreText } from '../measure/stat-text.ts';
import { Unwritten, writeWhole } from '../report/files.ts';
import { withDefaults } from '../torture/params.ts';
import type { TortureResult } from '../torture/result.ts';
import { paramsFor, torture } from '../torture/run.ts';
import { refuse } from '../torture/setup.ts';
import { heading, summarize } from '../torture/summary.ts';
import { EXIT, UsageError } from './errors.ts';
import { Interrupt } from './interrupt.ts';
import { Live } from './live.ts';
import { findSubjects, type Subject } from './subjects.ts';
import { parameters } from './torture-options.ts';
import { type Raw, time, word } from './values.ts';

type Options = Readonly<Record<string, Raw>>;

const DURATION = 5000;
const WINDOW = 20;

/** Shows a document in the form that was asked for. */
function show(document: LockStatDocument, { csv, json, plain }: Options, first = true): void {
  const { classes, subject, cpus, seconds, complete } = document;
  if (json === true || json === '-') {
    process.stdout.write(`${JSON.stringify(document)}\n`);
    return;
  }
  if (csv) {
    process.stdout.write(lockStatCsv(classes, first));
    return;
  }
  process.stdout.write(`${lockStatText(classes)}\n`);
  if (plain) return;
  process.stdout.write(`${moreText(classes)}\n`);
  if (classes.length === 0)
    process.stdout.write(
      'no lock was taken that statistics are kept of: queues and hazard pointers, which nobody waits for, and async locks have none\n',
    );
  process.stdout.write(
    `stat:${subject} cpus=${cpus} seconds=${seconds.toFixed(1)}${complete ? '' : ' (partial: the run did not come to its end)'}\n`,
  );
}

/** A name of a file for one of several subjects. */
const fileFor = (name: string, { lock }: Subject, alone: boolean): string =>
  alone ? `${name}.json` : `${name}-${lock.name.replace(/[^\w.-]+/g, '_')}.json`;

interface Files {
  readonly stat: readonly string[];
  readonly timeline: readonly string[];
}

function filesOf(subject: Subject, alone: boolean, { json, timeline, out }: Options): Files {
  const dir = word('out', out);
  const single = typeof json === 'string' && json !== '-' ? [json] : [];
  const times = word('timeline', timeline);
  if (!alone && (single.length > 0 || times !== undefined))
    throw new UsageError(
      '--json FILE and --timeline FILE are for one subject: --out DIR has files for several',
    );
  return {
    stat: [...single, ...(dir === undefined ? [] : [join(dir, fileFor('stat', subject, alone))])],
    timeline: [
      ...(times === undefined ? [] : [times]),
      ...(dir === undefined ? [] : [join(dir, fileFor('timeline', subject, alone))]),
    ],
  };
}

const write = (files: readonly string[], document: object): void => {
  for (const file of files) writeWhole(file, `${JSON.stringify(document, null, 1)}\n`);
};

/** How a verdict ends a command. */
export const CODES: Readonly<Record<TortureResult['verdict'], number>> = {
  success: EXIT.clean,
  interrupted: EXIT.interrupted,
  stall: EXIT.stall,
  died: EXIT.died,
  failure: EXIT.violation,
};

/** Runs the command. @returns the exit code */
export async function runStat(what: readonly string[], options: Options): Promise<number> {
  setFlagsFromString(INLINING);
  if (what.length === 0)
    throw new UsageError('nothing to run: lockrig stat takes locks, scenarios, workloads or a stat.json');
  if (options.csv && options.json !== undefined && typeof options.json !== 'string')
    throw new UsageError('--csv and --json both say what goes to stdout: give one of them, or --json FILE');
  const read = what.filter((name) => name.endsWith('.json'));
  if (read.length > 0) {
    if (read.length < what.length)
      throw new UsageError(`${read[0]} was measured before: it is shown alone, or with others like it`);
    for (const document of read.map(readStatDocument)) show(document, options);
    return EXIT.clean;
  }
  const window = time('window', options.window, 0.1, 1000) ?? WINDOW;
  const params = { duration: DURATION, ...parameters(options) };
  const subjects = await findSubjects(what, { workloads: true });
  for (const { lock } of subjects) refuse(lock, withDefaults(paramsFor(lock, params)));
  const alone = subjects.length === 1;
  const files = subjects.map((subject) => filesOf(subject, alone, options));
  const interrupt = new Interrupt();
  // Whether files can be written is found out before anything has run.
  for (const [at, { lock }] of subjects.entries()) {
    const { cpus } = withDefaults(paramsFor(lock, params));
    const nothing = { ...headOf('stat', false), subject: lock.name, cpus, seconds: 0 };
    write(files[at]!.stat, { ...nothing, classes: [] });
    write(files[at]!.timeline, { ...nothing, nanoseconds: 0, spans: [], lost: 0 });
  }
  const live = await Live.open(true);
  const codes: number[] = [];
  const unwritten = new Unwritten();
  try {
    for (const [at, subject] of subjects.entries()) {
      if (interrupt.signal.aborted) break;
      const { lock, url } = subject;
      const timed = files[at]!.timeline.length > 0;
      const published = new Published('stat', files[at]!.stat);
      const { cpus } = withDefaults(paramsFor(lock, params));
      let seen: Window | undefined;
      const result = await torture(lock, params, {
        signal: interrupt.signal,
        ...(url === undefined ? {} : { url }),
        onProgress: (progress) => {
          live.show(progress, params.duration / 1000 - progress.seconds);
          published.tick({ subject: lock.name, cpus, seconds: progress.seconds });
        },
        stat: {
          ...(timed ? { window } : {}),
          onStart: published.start,
          onWindow: (each) => {
            seen = each;
          },
        },
      });
      live.clear();
      const complete = result.verdict === 'success' || result.verdict === 'failure';
      const document = statDocument('stat', result, result.lockStat ?? [], complete);
      // What was counted is shown, whatever becomes of the files.
      await unwritten.write(() => published.write(document));
      const spans = seen && timelineDocument('stat', result, seen, complete);
      if (spans) await unwritten.write(() => write(files[at]!.timeline, spans));
      show(document, options, at === 0);
      codes.push(CODES[result.verdict]);
      if (result.verdict !== 'success') {
        process.stderr.write(`${heading(result)}\n${summarize(result).join('\n')}\n`);
      }
    }
  } finally {
    live.clear();
    interrupt.dispose();
  }
  unwritten.say();
  const first = [EXIT.violation, EXIT.died, EXIT.stall].find((code) => codes.includes(code));
  return first ?? (interrupt.signal.aborted ? EXIT.interrupted : EXIT.clean);
}
