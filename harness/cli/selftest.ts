/** `lockrig torture --self-test`: the mutation score, with the time to detection of each. */
import Table from 'cli-table3';
import { writeWhole } from '../report/files.ts';
import { environment } from '../torture/result.ts';
import { type MutantOutcome, type SelfTest, selfTest } from '../torture/selftest.ts';
import { EXIT } from './errors.ts';
import type { Raw } from './values.ts';

const PLAIN = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
};

function row({ name, note, fate, by, afterMs, runs }: MutantOutcome): string[] {
  return [
    name,
    note.caughtBy,
    fate === 'caught' ? 'caught' : fate === 'survived' ? 'SURVIVED' : `caught otherwise: ${by}`,
    afterMs === undefined ? '-' : `${afterMs.toFixed(1)} ms`,
    String(runs),
  ];
}

/** Whether the self-test passed. */
export function passed(test: SelfTest): boolean {
  return test.outcomes.length > 0 && test.caught === test.outcomes.length && test.withoutOracles.length === 0;
}

/** Runs it and prints the table. @returns the exit code */
export async function runSelfTest(
  seed: number,
  signal: AbortSignal,
  options: Readonly<Record<string, Raw>>,
): Promise<number> {
  const events = options.json === true || options.json === '-';
  const say = (text: string): void => {
    if (!events) process.stdout.write(`${text}\n`);
  };
  say(`self-test seed=${seed}: every mutant must be caught by the oracle that it names`);
  const file = typeof options.json === 'string' && options.json !== '-' ? options.json : undefined;
  const head = { schemaVersion: 1, command: 'self-test', seed, environment: environment() };
  if (file !== undefined) writeWhole(file, `${JSON.stringify({ ...head, complete: false }, null, 2)}\n`);
  const test = await selfTest({
    seed,
    signal,
    onOutcome: (outcome) => {
      if (events) process.stdout.write(`${JSON.stringify({ event: 'mutant', ...outcome })}\n`);
    },
  });
  const table = new Table({
    head: ['mutant', 'oracle', 'fate', 'after', 'runs'],
    chars: PLAIN,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    colAligns: ['left', 'left', 'left', 'right', 'right'],
  });
  for (const outcome of test.outcomes) table.push(row(outcome));
  say(table.toString());
  const total = test.outcomes.length;
  say(
    `mutation score ${test.caught}/${total}, median time to detection ${test.medianMs.toFixed(1)} ms, ${test.seconds.toFixed(1)} s in all`,
  );
  say(
    signal.aborted
      ? 'stopped before all were run'
      : test.withoutOracles.length === 0
        ? `with every oracle off: 0/${total} caught, as it must be`
        : `with every oracle off these were still reported: ${test.withoutOracles.join(', ')}`,
  );
  const good = passed(test);
  const document = { ...head, complete: !signal.aborted, ...test };
  if (file !== undefined) writeWhole(file, `${JSON.stringify(document, null, 2)}\n`);
  if (events) process.stdout.write(`${JSON.stringify({ event: 'end', ...document })}\n`);
  say(`self-test seed=${seed} ${signal.aborted ? 'INTERRUPTED' : good ? 'SUCCESS' : 'FAILURE'}`);
  return signal.aborted ? EXIT.interrupted : good ? EXIT.clean : EXIT.violation;
}
