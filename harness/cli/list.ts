/** `lockrig list`: the locks, what they promise, the broken ones, and the scenarios. */
import type { CAC } from 'cac';
import type { AnyLock } from '../../src/locking/define.ts';
import type { Classic } from '../../src/scenarios/index.ts';
import type { Control } from '../../src/scenarios/mm/index.ts';
import { EXIT, UsageError } from './errors.ts';

/** What can be listed for itself. */
const PARTS = ['locks', 'mutants', 'scenarios'] as const;

function promises(lock: AnyLock): string {
  const said = Object.entries(lock.promises)
    .filter(([, value]) => value !== undefined && value !== false)
    .map(([name, value]) =>
      value === true ? name : `${name} ≤ ${typeof value === 'function' ? `${value(2)} at 2 CPUs` : value}`,
    );
  return said.length > 0 ? said.join(', ') : '-';
}

const plainLock = ({ name, kind, size, promises, mutant }: AnyLock): object => ({
  name,
  kind,
  bytes: size(2),
  promises,
  mutant,
});

const plainScenario = ({ name, broken, fixed }: Classic): object => ({
  name,
  broken: broken.name,
  cpus: fixed.cpus,
  bytes: fixed.bytes,
  ...(typeof fixed.model === 'string' ? { model: fixed.model } : {}),
  mutant: broken.mutant,
});

const plainControl = ({ name, scenario, why, source }: Control): object => ({
  name,
  cpus: scenario.cpus,
  bytes: scenario.bytes,
  why,
  source,
});

type Row = readonly string[];

/** Columns as wide as what is in them; `first` is that of the names, the same in all tables. */
function table(first: number, rows: readonly Row[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)) + 2);
  widths[0] = first;
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column]!))
          .join('')
          .trimEnd()}\n`,
    )
    .join('');
}

async function list(what: string | undefined, json: boolean): Promise<number> {
  if (what !== undefined && !PARTS.includes(what as (typeof PARTS)[number]))
    throw new UsageError(`there is no list of '${what}': one of ${PARTS.join(', ')} is expected, or nothing`);
  const wanted = (part: (typeof PARTS)[number]): boolean => what === undefined || what === part;
  const { locks, mutants } = await import('../../src/locks.ts');
  const { classics } = await import('../../src/scenarios/index.ts');
  const { mmControls, mmRaces } = await import('../../src/scenarios/mm/index.ts');
  const races = [...classics, ...mmRaces];
  if (json) {
    const document = {
      schemaVersion: 1,
      ...(wanted('locks') ? { locks: locks.map(plainLock) } : {}),
      ...(wanted('mutants') ? { mutants: mutants.map(plainLock) } : {}),
      ...(wanted('scenarios')
        ? { scenarios: races.map(plainScenario), controls: mmControls.map(plainControl) }
        : {}),
    };
    process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
    return EXIT.clean;
  }
  const names = [
    ...(wanted('locks') ? locks : []),
    ...(wanted('mutants') ? mutants : []),
    ...(wanted('scenarios') ? [...races.map(({ broken }) => broken), ...mmControls] : []),
  ];
  const wide = Math.max(...names.map(({ name }) => name.length)) + 2;
  const tables: string[] = [];
  if (wanted('locks'))
    tables.push(
      table(wide, [
        ['lock', 'kind', 'promises'],
        ...locks.map((lock) => [lock.name, lock.kind, promises(lock)]),
      ]),
    );
  if (wanted('mutants'))
    tables.push(
      table(wide, [
        ['broken on purpose', 'caught by', 'what is wrong'],
        ...mutants.map(({ name, mutant }) => [name, mutant?.caughtBy ?? '', mutant?.wrong ?? '']),
      ]),
    );
  if (wanted('scenarios'))
    tables.push(
      table(wide, [
        ['broken scenario', 'fixed twin', 'caught by', 'what is wrong'],
        ...races.map(
          ({ fixed, broken: { name, mutant } }): Row => [
            name,
            fixed.name,
            mutant?.caughtBy ?? '',
            mutant?.wrong ?? '',
          ],
        ),
      ]),
      table(wide, [['control', 'why it is correct'], ...mmControls.map(({ name, why }): Row => [name, why])]),
    );
  process.stdout.write(tables.join('\n'));
  return EXIT.clean;
}

/** Adds the command. */
export function addList(cli: CAC, finish: (code: Promise<number>) => void): void {
  cli
    .command('list [what]', 'List the locks, the mutants and the scenarios, or one of these')
    .example((bin) => `${bin} list scenarios`)
    .example((bin) => `${bin} list --json`)
    .option('--json', 'As JSON')
    .action((what: string | undefined, options: { json?: boolean }) =>
      finish(list(what, options.json === true)),
    );
}
