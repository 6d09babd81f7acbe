/** `lockrig list`: the locks, what they promise, and the broken ones. */
import type { CAC } from 'cac';
import type { AnyLock } from '../../src/locking/define.ts';
import { EXIT } from './errors.ts';

function promises(lock: AnyLock): string {
  const said = Object.entries(lock.promises)
    .filter(([, value]) => value !== undefined && value !== false)
    .map(([name, value]) =>
      value === true ? name : `${name} ≤ ${typeof value === 'function' ? `${value(2)} at 2 CPUs` : value}`,
    );
  return said.length > 0 ? said.join(', ') : '-';
}

/** Adds the command. */
export function addList(cli: CAC, finish: (code: Promise<number>) => void): void {
  cli
    .command('list', 'List the locks and the mutants')
    .example((bin) => `${bin} list --json`)
    .option('--json', 'As JSON')
    .action((options: { json?: boolean }) =>
      finish(
        (async () => {
          const { locks, mutants } = await import('../../src/locks.ts');
          if (options.json) {
            const plain = (lock: AnyLock): object => ({
              name: lock.name,
              kind: lock.kind,
              bytes: lock.size(2),
              promises: lock.promises,
              mutant: lock.mutant,
            });
            process.stdout.write(
              `${JSON.stringify({ schemaVersion: 1, locks: locks.map(plain), mutants: mutants.map(plain) }, null, 2)}\n`,
            );
            return EXIT.clean;
          }
          const wide = Math.max(...[...locks, ...mutants].map(({ name }) => name.length)) + 2;
          process.stdout.write(`${'lock'.padEnd(wide)}${'kind'.padEnd(14)}promises\n`);
          for (const lock of locks)
            process.stdout.write(`${lock.name.padEnd(wide)}${lock.kind.padEnd(14)}${promises(lock)}\n`);
          process.stdout.write(
            `\n${'broken on purpose'.padEnd(wide)}${'caught by'.padEnd(14)}what is wrong\n`,
          );
          for (const lock of mutants)
            process.stdout.write(
              `${lock.name.padEnd(wide)}${(lock.mutant?.caughtBy ?? '').padEnd(14)}${lock.mutant?.wrong ?? ''}\n`,
            );
          return EXIT.clean;
        })(),
      ),
    );
}
