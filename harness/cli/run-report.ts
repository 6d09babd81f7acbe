/**
 * What `lockrig report` does: reads the results, replays failures whose subject is at hand, and writes the page.
 *
 * What cannot be read is told, a sentence each, and the page is made of the rest: then the exit code is 2 all the same, so that nobody takes the part for the whole.
 */
import { existsSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { packageVersion } from '../package.ts';
import type { AtHand, Replays } from '../report/html/replays.ts';
import type { Results } from '../report/html/results.ts';
import { EXIT, UsageError } from './errors.ts';
import type { Raw } from './values.ts';

type Options = Readonly<Record<string, Raw>>;

function text(name: string, value: Raw): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'boolean') throw new UsageError(`--${name} needs a file`);
  return String(value);
}

/** Finds the subject of a token: one of lockrig's own, or one of the files that were named. */
async function finder(files: readonly string[]) {
  const { findSubjects } = await import('./subjects.ts');
  const named: readonly AtHand[] = files.length > 0 ? await findSubjects(files) : [];
  return async (name: string, ofFile: boolean): Promise<AtHand | undefined> => {
    const found = named.find(({ lock }) => lock.name === name);
    if (found || ofFile) return found;
    return (await findSubjects([name]))[0];
  };
}

async function writeTimeline(file: string, results: Results, { recordings }: Replays): Promise<void> {
  const { writeWhole } = await import('../report/files.ts');
  const { spanTimeline } = await import('../report/spans.ts');
  const windows = results.timelines.filter(({ spans }) => spans.length > 0);
  if (windows.length > 0) {
    writeWhole(file, `${JSON.stringify(spanTimeline(windows))}\n`);
    return;
  }
  const [recording] = recordings;
  if (!recording)
    throw new UsageError(
      '--perfetto needs a timeline.json, or a failure whose subject is at hand: these results have neither',
    );
  const { timeline } = await import('../report/perfetto.ts');
  writeWhole(file, `${JSON.stringify(timeline(recording, { subject: recording.subject }))}\n`);
}

/** Writes the page. @returns the file and its size, as they are told */
async function writePage(
  out: string,
  name: string,
  results: Results,
  runs: Replays['runs'],
): Promise<string> {
  const { page } = await import('../report/html/page.ts');
  const { writeWhole } = await import('../report/files.ts');
  const document = await page(results, { version: packageVersion(), name, replayed: runs });
  writeWhole(out, document);
  return `${out} (${Math.ceil(Buffer.byteLength(document) / 1024)} KiB)`;
}

/** Writes the page of a folder of results into it, of failures as they were found. @returns the file and its size, as they are told */
export async function reportOf(folder: string): Promise<string> {
  const { readResults } = await import('../report/html/read.ts');
  const out = join(folder, 'report.html');
  return writePage(out, basename(resolve(folder)), await readResults(folder), new Map());
}

/** Runs the command. @returns the exit code */
export async function runReport(
  path: string,
  subjects: readonly string[],
  options: Options,
): Promise<number> {
  const perfetto = text('perfetto', options.perfetto);
  const { readResults } = await import('../report/html/read.ts');
  const results = await readResults(path);
  const folder = statSync(path).isDirectory();
  const out = text('out', options.out) ?? join(folder ? path : dirname(path), 'report.html');
  if (existsSync(out) && statSync(out).isDirectory())
    throw new UsageError(`--out ${out} is a folder: a file is expected`);
  let replayed: Replays = { runs: new Map(), recordings: [] };
  if (options.asFound !== true) {
    const find = await finder(subjects);
    const { replays } = await import('../report/html/replays.ts');
    replayed = await replays(results, find);
  }
  process.stdout.write(`${await writePage(out, basename(resolve(path)), results, replayed.runs)}\n`);
  if (perfetto !== undefined) {
    await writeTimeline(perfetto, results, replayed);
    process.stdout.write(`${perfetto}\n`);
  }
  if (results.problems.length > 0) {
    process.stderr.write(`lockrig: ${results.problems.join('; ')}: ${out} is partial\n`);
    return EXIT.usage;
  }
  return EXIT.clean;
}
