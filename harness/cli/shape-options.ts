/**
 * `lockrig bench mm page_fault1 …`: which shapes of will-it-scale, by how many tasks, under which regime; read before anything is loaded that measures.
 */
import type { Command } from 'cac';
import { UsageError } from './errors.ts';
import { type Raw, whole, word } from './values.ts';

type Options = Readonly<Record<string, Raw>>;

/** What was asked for. */
export interface ShapeChoices {
  readonly shapes: readonly string[];
  readonly regime: string;
  readonly cpus: readonly number[];
  /** CSV on stdout, or files of it in a folder. */
  readonly csv?: true | { readonly folder: string };
}

/** The names of the options, as they arrive, that only `bench mm` with shapes has. */
const OWN = ['regime', 'csv'] as const;
/** Of the options of `bench locks`, those that shapes have, too. */
const SHARED = ['cpus'];
const REGIME = 'A4';
/** CPUs that the model has at most. */
const MOST_CPUS = 32;

/** Adds the options to the command. */
export function addShapeOptions(command: Command): Command {
  return command
    .option('--regime <name>', `bench mm SHAPE: who takes which lock (default: ${REGIME})`)
    .option(
      '--csv [dir]',
      "bench mm SHAPE: will-it-scale's CSV instead of the table; or NAME.csv in this folder",
    );
}

/** @throws UsageError when options are given that only shapes have */
export function refuseShapeOptions(options: Options): void {
  const given = OWN.find((name) => options[name] !== undefined);
  if (given !== undefined)
    throw new UsageError(`--${given} goes with lockrig bench mm and names of shapes, such as page_fault1`);
}

/** The options without those that shapes have. */
export function withoutShapeOptions(options: Options): Options {
  const mine: readonly string[] = [...OWN, ...SHARED];
  return Object.fromEntries(Object.entries(options).filter(([name]) => !mine.includes(name)));
}

async function shapesOf(names: readonly string[]): Promise<string[]> {
  const { default: picomatch } = await import('picomatch');
  const { distance } = await import('fastest-levenshtein');
  const { SHAPES } = await import('../../bench/mm/shapes.ts');
  const all = Object.keys(SHAPES);
  const found = names.flatMap((name) => {
    const matches = picomatch(name);
    const some = all.filter((shape) => shape === name || matches(shape));
    if (some.length > 0) return some;
    const nearest = [...all].sort((a, b) => distance(a, name) - distance(b, name)).slice(0, 3);
    throw new UsageError(
      `there is no shape '${name}'; the nearest are ${nearest.join(', ')} (there are ${all.join(', ')})`,
    );
  });
  return [...new Set(found)];
}

function cpusOf(raw: Raw): number[] {
  if (raw === undefined) return [1, 2, 4, 8];
  if (typeof raw === 'boolean' || Array.isArray(raw))
    throw new UsageError('--cpus takes one list, with commas between: --cpus 1,2');
  const all = String(raw)
    .split(',')
    .map((text) => whole('cpus', text.trim(), 1, MOST_CPUS)!);
  return [...new Set(all)].sort((a, b) => a - b);
}

/** Reads names and options. @throws UsageError */
export async function shapeChoices(names: readonly string[], options: Options): Promise<ShapeChoices> {
  const shapes = await shapesOf(names);
  const { REGIMES, regimeByName } = await import('../../src/mm/regime.ts');
  const regime = word('regime', options.regime) ?? REGIME;
  if (regimeByName(regime) === undefined)
    throw new UsageError(
      `there is no regime '${regime}': there are ${REGIMES.map(({ name }) => name).join(', ')}`,
    );
  const { csv } = options;
  const toStdout = csv === true;
  if (toStdout && shapes.length > 1)
    throw new UsageError('--csv prints one shape on stdout: name a folder for several, as in --csv results');
  if (toStdout && (options.json === true || options.json === '-'))
    throw new UsageError('--csv and --json both want stdout: name a file for one of them');
  return {
    shapes,
    regime,
    cpus: cpusOf(options.cpus),
    ...(csv === undefined ? {} : { csv: toStdout ? true : { folder: String(csv) } }),
  };
}
