/** The table of the classic bugs in docs/scenarios.md, as the definitions say it. */
import type { Classic } from '../../src/scenarios/index.ts';

const CAUGHT: Readonly<Record<string, string>> = {
  check: 'its check',
  progress: 'nobody gets on',
  exception: 'an exception',
  race: 'data race',
  lifetime: 'lifetime',
  'lock-order': 'order of locks',
  starvation: 'starvation',
  linearizability: 'linearizability',
};

/** The lines of the table. */
export function tableOf(classics: readonly Classic[]): string[] {
  const rows = classics.map(({ name, broken: { cpus, mutant } }) =>
    [`\`${name}\``, mutant?.wrong, mutant?.source, cpus, CAUGHT[mutant?.caughtBy ?? ''], mutant?.model].join(
      ' | ',
    ),
  );
  return [
    'name | what is wrong | source | CPUs | caught by | model',
    '--- | --- | --- | --- | --- | ---',
    ...rows,
  ].map((row) => `| ${row} |`);
}
