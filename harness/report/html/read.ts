/**
 * Reads what a folder holds of results, and says what it could not read.
 *
 * A file is known by what it contains, so it may have any name. One that is cut short is read as far as it goes: jsonrepair closes what is open, the record
 * in which it ends is dropped, since the last number of it may lack digits. One of a newer schema is not read at all. Both are problems: the report is
 * written without them, says so, and the command ends in exit code 2. A run that was interrupted is none: its document says itself that it is not complete.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Comparison, Span } from '../../measure/schema.ts';
import { readWhole } from '../files.ts';
import type { BenchDocument, BenchRow, HuntedSubject, Results, Told, TortureRun } from './results.ts';
import { type Check, record, SHAPES } from './shapes.ts';

/** There is nothing to report. */
export class NoResults extends Error {
  readonly code = 'EUSAGE';
  constructor(message: string) {
    super(message);
    this.name = 'NoResults';
  }
}

/** The newest schema that is known, of every kind of file. */
const SCHEMA = 1;
type Raw = Record<string, unknown>;

interface Loaded {
  readonly name: string;
  readonly raw: Raw;
  readonly cut: boolean;
}

/** Drops the record in which a document was cut short: its last field, or of that the last element. */
function withoutLast(raw: Raw): Raw {
  const last = Object.keys(raw).at(-1);
  if (last === undefined) return raw;
  const value = raw[last];
  const { [last]: _, ...rest } = raw;
  return Array.isArray(value) ? { ...rest, [last]: value.slice(0, -1) } : rest;
}

async function parse(text: string): Promise<{ raw: unknown; cut: boolean; why: string }> {
  try {
    return { raw: JSON.parse(text), cut: false, why: '' };
  } catch (error) {
    const why = (error as Error).message;
    if (!text.trimStart().startsWith('{')) return { raw: undefined, cut: true, why };
    try {
      const { jsonrepair } = await import('jsonrepair');
      const raw: unknown = JSON.parse(jsonrepair(text));
      return { raw: record(raw) ? withoutLast(raw) : undefined, cut: true, why };
    } catch {
      return { raw: undefined, cut: true, why };
    }
  }
}

/** Reads all that a folder, or one file, holds. */
class Reader {
  readonly results: Results = {
    sweeps: [],
    stats: [],
    timelines: [],
    tortures: [],
    hunts: [],
    benches: [],
    files: [],
    problems: [],
    unfinished: [],
  };
  private readonly tokens = new Set<string>();

  async file(path: string): Promise<Loaded | undefined> {
    const name = basename(path);
    const { problems } = this.results;
    let text: string;
    try {
      text = readWhole(path);
    } catch (error) {
      problems.push(`${name} cannot be read: ${(error as Error).message}`);
      return undefined;
    }
    const { raw, cut, why } = await parse(text);
    if (!record(raw)) {
      if (cut) problems.push(`${name} is cut short or no JSON (${why}): nothing of it can be read`);
      else this.results.files.push({ name, what: 'no results of lockrig', used: false });
      return undefined;
    }
    const { schemaVersion } = raw;
    if (typeof schemaVersion === 'number' && schemaVersion > SCHEMA) {
      problems.push(
        `${name} has schema version ${schemaVersion}, and this lockrig reads up to ${SCHEMA}: it is left out`,
      );
      return undefined;
    }
    if (cut) problems.push(`${name} is cut short: what comes before the cut is reported`);
    return { name, raw, cut };
  }

  /** Records of a field that are what they should be; the others are counted as a problem. */
  private kept<Value>({ name, raw }: Loaded, field: string, check: Check): Value[] {
    const all = Array.isArray(raw[field]) ? (raw[field] as unknown[]) : [];
    const good = all.filter((each) => check(each)) as Value[];
    if (good.length < all.length)
      this.results.problems.push(
        `${name}: ${all.length - good.length} of ${all.length} ${field} are not what they should be, and are left out`,
      );
    return good;
  }

  private told(loaded: Loaded, what: string): Told {
    const { name, raw, cut } = loaded;
    const environment = record(raw.environment)
      ? raw.environment
      : record(raw.machine)
        ? raw.machine
        : undefined;
    const complete = !cut && raw.complete !== false;
    this.results.files.push({ name, what: complete ? what : `${what}, not complete`, used: true });
    if (!complete && !cut) this.results.unfinished.push(name);
    return {
      file: name,
      command: typeof raw.command === 'string' ? raw.command : '',
      complete,
      environment: environment as Told['environment'],
    };
  }

  /** Takes a file in as what it is. @returns whether it is anything */
  take(loaded: Loaded): boolean {
    const { raw } = loaded;
    const kind = KINDS.find(({ is }) => is(raw));
    if (!kind) return false;
    kind.take(this, loaded);
    return true;
  }

  sweep(loaded: Loaded): void {
    const { raw } = loaded;
    const { comparison } = raw;
    const texts = (field: string): string[] =>
      Array.isArray(raw[field]) ? raw[field].filter((each) => typeof each === 'string') : [];
    this.results.sweeps.push({
      ...this.told(loaded, 'costs of locks'),
      options: record(raw.options) ? raw.options : {},
      locks: texts('locks'),
      absent: texts('absent'),
      noise: typeof raw.noise === 'string' ? raw.noise : '',
      points: this.kept(loaded, 'points', SHAPES.point),
      advice: this.kept(loaded, 'advice', SHAPES.advice),
      ...(SHAPES.comparison(comparison) ? { comparison: comparison as Comparison } : {}),
    });
  }

  stat(loaded: Loaded): void {
    const { raw } = loaded;
    this.results.stats.push({
      ...this.told(loaded, 'statistics of locks'),
      ...subjectOf(raw),
      seconds: Number(raw.seconds ?? Number.NaN),
      classes: this.kept(loaded, 'classes', SHAPES.lockClass),
    });
  }

  timeline(loaded: Loaded): void {
    const { raw, name } = loaded;
    const told = Number(raw.nanoseconds);
    const spans = this.kept<Span>(loaded, 'spans', SHAPES.span);
    const known = Number.isFinite(told) && told > 0;
    if (!known && spans.length > 0)
      this.results.problems.push(
        `${name} does not say how long its window was: it ends with its last span here`,
      );
    this.results.timelines.push({
      ...this.told(loaded, 'a timeline'),
      ...subjectOf(raw),
      nanoseconds: known ? told : spans.reduce((most, { gave }) => Math.max(most, gave), 1),
      lost: Number(raw.lost ?? 0),
      spans,
    });
  }

  torture(loaded: Loaded): void {
    const runs = this.kept<TortureRun>(loaded, 'results', SHAPES.torture);
    const known = new Set(this.results.tortures.flatMap(({ runs: all }) => all.map(runKey)));
    const fresh = runs.filter((run) => !known.has(runKey(run)));
    // A failure has a file of its own besides: one that is in the results, too, is told once.
    if (fresh.length === 0 && runs.length > 0) {
      this.results.files.push({ name: loaded.name, what: 'a failure that is among the results', used: true });
      return;
    }
    this.results.tortures.push({ ...this.told(loaded, 'results of a torture'), runs: fresh });
  }

  hunt(loaded: Loaded): void {
    const subjects = this.kept<HuntedSubject>(loaded, 'results', SHAPES.hunt);
    for (const { failures } of subjects) for (const { token } of failures) this.tokens.add(token);
    this.results.hunts.push({
      ...this.told(loaded, 'results of a hunt'),
      subjects: subjects.map((each) => ({
        ...each,
        failures: each.failures.filter((failure) => SHAPES.failure(failure)),
      })),
    });
  }

  /** A failure of a hunt in a file of its own; one that the results hold, too, is told once. */
  failure(loaded: Loaded): void {
    const failure = loaded.raw as unknown as HuntedSubject['failures'][number];
    const subject = String((loaded.raw as Raw).subject ?? 'unknown');
    if (this.tokens.has(failure.token)) {
      this.results.files.push({ name: loaded.name, what: 'a failure that is among the results', used: true });
      return;
    }
    this.tokens.add(failure.token);
    const told = this.told(loaded, 'a failure of a hunt');
    const { executions, seconds } = failure.after;
    this.results.hunts.push({
      ...told,
      subjects: [{ subject, verdict: 'found', failures: [failure], executions, seconds }],
    });
  }

  bench(loaded: Loaded): void {
    const sections: Record<string, BenchDocument['sections'][string]> = {};
    for (const [name, rows] of Object.entries(loaded.raw.sections as Raw))
      if (Array.isArray(rows))
        sections[name] = (rows as unknown[]).filter((row) => SHAPES.row(row)) as BenchRow[];
    const { outcomes, noise } = loaded.raw;
    this.results.benches.push({
      ...this.told(loaded, 'benchmarks'),
      sections,
      outcomes: Array.isArray(outcomes) ? outcomes.filter((each) => record(each)) : [],
      noise: typeof noise === 'string' ? noise : '',
    });
  }

  /** progress.json: of a hunt or a torture that did not come to its end. */
  progress(loaded: Loaded): void {
    this.results.files.push({ name: loaded.name, what: 'where a run was', used: true });
  }
}

const subjectOf = (raw: Raw): { subject: string; cpus: number } => ({
  subject: typeof raw.subject === 'string' ? raw.subject : 'unknown',
  cpus: Number(raw.cpus ?? 0),
});

const runKey = (run: TortureRun): string => JSON.stringify([run.lock, run.params, run.acquisitions]);

const holds =
  (...fields: readonly string[]) =>
  (raw: Raw): boolean =>
    fields.every((field) => Array.isArray(raw[field]));
const command =
  (name: string) =>
  (raw: Raw): boolean =>
    raw.command === name && Array.isArray(raw.results);

/** What a file is, by what it contains; failures after the results that may hold them (see `order`). */
const KINDS: readonly {
  readonly is: (raw: Raw) => boolean;
  readonly take: (reader: Reader, loaded: Loaded) => void;
}[] = [
  { is: holds('points'), take: (reader, loaded) => reader.sweep(loaded) },
  { is: holds('classes'), take: (reader, loaded) => reader.stat(loaded) },
  { is: holds('spans'), take: (reader, loaded) => reader.timeline(loaded) },
  { is: command('hunt'), take: (reader, loaded) => reader.hunt(loaded) },
  { is: command('torture'), take: (reader, loaded) => reader.torture(loaded) },
  { is: (raw) => SHAPES.failure(raw), take: (reader, loaded) => reader.failure(loaded) },
  {
    is: (raw) => raw.command === 'bench' && record(raw.sections),
    take: (reader, loaded) => reader.bench(loaded),
  },
  {
    is: (raw) => 'asked' in raw || ('round' in raw && 'acquisitions' in raw),
    take: (reader, loaded) => reader.progress(loaded),
  },
];

/** Files that stand for whole runs first: they hold what others hold again. */
const FIRST = ['locks.json', 'stat.json', 'timeline.json', 'results.json', 'hunt.json', 'bench.json'];

function order(one: string, other: string): number {
  const rank = (name: string): number => (FIRST.indexOf(name) + FIRST.length + 1) % (FIRST.length + 1);
  return rank(one) - rank(other) || (one < other ? -1 : 1);
}

/**
 * Reads a folder of results, or one file.
 * @throws NoResults when there is no such folder, or nothing in it can be read
 */
export async function readResults(path: string): Promise<Results> {
  if (!existsSync(path)) throw new NoResults(`there is no ${path}: a folder of results is expected`);
  const folder = statSync(path).isDirectory();
  const names = folder
    ? readdirSync(path)
        // Counters of a run while it goes on are no results.
        .filter((name) => name.endsWith('.json') && name !== 'progress.json')
        .sort(order)
    : [path];
  const reader = new Reader();
  for (const name of names) {
    const loaded = await reader.file(folder ? join(path, name) : name);
    if (loaded && !reader.take(loaded))
      reader.results.files.push({ name: loaded.name, what: 'no results of lockrig', used: false });
  }
  const { results } = reader;
  if (results.files.some(({ used }) => used)) return results;
  const [first] = results.problems;
  throw new NoResults(
    first !== undefined
      ? `${path} holds nothing that can be reported: ${first}`
      : `${path} holds no results: locks.json, stat.json, timeline.json, results.json, hunt.json or bench.json is expected`,
  );
}
