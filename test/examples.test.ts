/**
 * The examples show what they say: published packages tortured as they are, with the defects that this finds in them.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import type { TortureResult } from '../harness/index.ts';
import { root } from './project.ts';
import { inTurn, suite } from './suite.ts';

const test = suite('examples');
// What packages of others do wrong: it changes with their versions, not with lockrig's.
const some = inTurn(test, 3);
const main = fileURLToPath(new URL('../harness/cli/main.js', import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly results: readonly TortureResult[];
  readonly errors: string;
}

/** Runs the command line with NDJSON events. */
function torture(...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [main, 'torture', ...args, '--json'], { cwd: root });
    let output = '';
    let errors = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr.on('data', (chunk) => {
      errors += chunk;
    });
    child.on('close', (code) => {
      const events = output
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as { event: string; result: TortureResult });
      resolve({
        code,
        errors,
        results: events.filter(({ event }) => event === 'result').map(({ result }) => result),
      });
    });
  });
}

const named = ({ results, errors }: Ended, name: string): TortureResult => {
  const found = results.find(({ lock }) => lock === name);
  assert.ok(found, `no result for ${name}: ${errors}`);
  return found as TortureResult;
};

/** Runs again with other seeds until it shows, up to a number of runs: these races are not lost every time. */
async function seen(
  runs: number,
  run: (seed: number) => Promise<TortureResult>,
  wanted: (result: TortureResult) => boolean,
): Promise<void> {
  for (let seed = 1; seed <= runs; seed += 1) if (wanted(await run(seed))) return;
  assert.unreachable(`not seen in ${runs} runs`);
}

some(
  'web-locks loses mutual exclusion when two workers request a name at once',
  () =>
    seen(
      20,
      async (seed) =>
        named(
          await torture('examples/web-locks.ts', '--rounds', '20', '--seed', `${seed}`, '--fail-fast'),
          'web-locks',
        ),
      ({ verdict, oracle }) => verdict === 'failure' && oracle === 'exclusion',
    ),
  { deadline: 180_000 },
);

some(
  'multithreading: a semaphore waiter stays asleep although there is a permit for it',
  () =>
    seen(
      10,
      async (seed) => {
        const ended = await torture(
          'examples/multithreading.ts#multithreading/semaphore',
          '--cpus',
          '4',
          '--rounds',
          '1500',
          '--seed',
          `${seed}`,
          '--stall-after',
          '2s',
        );
        return named(ended, 'multithreading/semaphore');
      },
      ({ verdict, stall }) =>
        verdict === 'stall' &&
        stall !== undefined &&
        stall.cpus.some(({ stack }) =>
          stack.some(({ functionName }) => functionName.includes('blockingAcquire')),
        ),
    ),
  { deadline: 180_000 },
);

some(
  'multithreading: a writer of its reader-writer lock lets thousands of readers pass',
  () =>
    seen(
      10,
      async (seed) =>
        named(
          await torture(
            'examples/multithreading.ts#multithreading/rwlock',
            '--cpus',
            '4',
            '--readers',
            '3',
            '--writers',
            '1',
            '--duration',
            '3s',
            '--seed',
            `${seed}`,
            '--stall-after',
            '1s',
          ),
          'multithreading/rwlock',
        ),
      ({ verdict, oracle }) => verdict === 'failure' && oracle === 'bypass',
    ),
  { deadline: 240_000 },
);

test('multithreading: the mutex holds', async () => {
  const { code, results } = await torture(
    'examples/multithreading.ts#multithreading/mutex',
    '--cpus',
    '4',
    '--rounds',
    '40',
    '--seed',
    '1',
  );
  assert.is(code, 0);
  assert.is(results[0]?.verdict, 'success');
});

test('lost-update: an increment is lost, and counted', async () => {
  const { code, results } = await torture('examples/lost-update.ts', '--duration', '2s', '--seed', '1');
  assert.is(code, 1);
  assert.is(results[0]?.oracle, 'check');
  assert.equal(results[0]?.outcomes?.failures, ['an increment was lost']);
});

test('store-buffering: every outcome is listed with its grade, and episodes add up', async () => {
  const { code, results } = await torture('examples/store-buffering.ts', '--rounds', '400', '--seed', '1');
  assert.is(code, 0);
  const rows = results[0]?.outcomes?.rows ?? [];
  assert.equal(rows.map(({ key }) => key).sort(), ['0,0', '0,1', '1,0', '1,1']);
  assert.is(
    rows.reduce((sum, { count }) => sum + count, 0),
    400 * 256,
  );
  assert.is(results[0]?.acquisitions, 400 * 256);
});

test.run();
