/**
 * Results of measurements in files: made, and read again. A file that is missing, cut short, of something else or of a later lockrig is refused in a sentence.
 */
import { readWhole } from '../report/files.ts';
import { environment, type TortureResult } from '../torture/result.ts';
import {
  type DocumentHead,
  type LockClassStats,
  type LockStatDocument,
  MEASURE_SCHEMA,
  type TimelineDocument,
} from './schema.ts';
import type { Window } from './stat.ts';

/** A file of results that cannot be used: bad input. */
export class DocumentError extends Error {
  readonly code = 'EUSAGE';
  constructor(message: string) {
    super(message);
    this.name = 'DocumentError';
  }
}

/** What every document begins with. */
export function headOf(command: string, complete: boolean): DocumentHead {
  return { schemaVersion: MEASURE_SCHEMA, command, complete, environment: environment() };
}

type Run = Pick<TortureResult, 'lock' | 'seconds' | 'params'>;

/** The statistics of a run. */
export function statDocument(
  command: string,
  { lock, seconds, params }: Run,
  classes: readonly LockClassStats[],
  complete: boolean,
): LockStatDocument {
  return { ...headOf(command, complete), subject: lock, cpus: params.cpus, seconds, classes };
}

/** The window of a run in which every acquisition was timed. */
export function timelineDocument(
  command: string,
  { lock, params }: Run,
  { nanoseconds, spans, lost }: Window,
  complete: boolean,
): TimelineDocument {
  return { ...headOf(command, complete), subject: lock, cpus: params.cpus, nanoseconds, spans, lost };
}

function parsed(file: string): unknown {
  let text: string;
  try {
    text = readWhole(file);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new DocumentError(
      `${file} cannot be read: ${code === 'ENOENT' ? 'there is no such file' : message}`,
    );
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new DocumentError(
      `${file} is no whole JSON document: it was cut short, or is something else than lockrig writes`,
    );
  }
}

const TIMES = ['samples', 'min', 'max', 'mean', 'p50', 'p90', 'p99', 'p999', 'total'];
const COUNTS = ['acquisitions', 'contentions', 'acquisitionBounces', 'contentionBounces'];

const numbersIn = (value: unknown, names: readonly string[]): boolean =>
  typeof value === 'object' &&
  value !== null &&
  names.every((name) => typeof (value as Record<string, unknown>)[name] === 'number');

const listOf = (value: unknown, check: (each: unknown) => boolean): boolean =>
  Array.isArray(value) && value.every(check);

const isPoint = (value: unknown): boolean =>
  numbersIn(value, ['count']) && typeof (value as { place?: unknown }).place === 'string';

function isClass(value: unknown): boolean {
  const stats = value as Partial<LockClassStats> | null;
  return (
    numbersIn(stats, COUNTS) &&
    typeof stats?.name === 'string' &&
    (stats.mode === 'read' || stats.mode === 'write') &&
    numbersIn(stats.wait, TIMES) &&
    numbersIn(stats.hold, TIMES) &&
    listOf(stats.matrix, (row) => listOf(row, (count) => typeof count === 'number')) &&
    listOf(stats.points?.waiters, isPoint) &&
    listOf(stats.points?.holders, isPoint)
  );
}

/** Reads `stat.json`. @throws DocumentError */
export function readStatDocument(file: string): LockStatDocument {
  const document = parsed(file) as Partial<LockStatDocument> | null;
  const { schemaVersion, classes } = document ?? {};
  if (typeof schemaVersion === 'number' && schemaVersion > MEASURE_SCHEMA)
    throw new DocumentError(
      `${file} has schema version ${schemaVersion}, and this lockrig reads up to ${MEASURE_SCHEMA}: a newer one has written it`,
    );
  if (typeof schemaVersion !== 'number' || !Array.isArray(classes))
    throw new DocumentError(`${file} holds no lock statistics: lockrig stat --out writes a stat.json`);
  const wrong = classes.findIndex((each) => !isClass(each));
  if (wrong >= 0)
    throw new DocumentError(
      `${file} holds lock statistics with a damaged row: number ${wrong + 1} of classes`,
    );
  return document as LockStatDocument;
}
