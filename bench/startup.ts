/**
 * From the command to the first acquisition: what a user waits for before torture begins. It covers Node
 * itself, the command line, and two CPUs that come up, compile and meet.
 *
 * The parent takes the time before it starts the child; the CPU that gets the lock first reports its own
 * clock, as epoch milliseconds modulo 2^31. Both clocks are the system's. Beside it stands what Node takes to
 * start and do nothing. Both start without NODE_EXTRA_CA_CERTS: Node 20 reads that file at every start, which
 * takes several times as long as all the rest of Node and is nothing that lockrig does.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Row, Surroundings } from './section.ts';
import { seriesOf } from './stats.ts';

const CLOCK = 2 ** 31;
const LIMIT = 60_000;
/** What is started; the name of its row. */
export const STARTED = 'torture ticket --duration 200ms';

const main = fileURLToPath(
  new URL(`../harness/cli/main.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url),
);

function firstAcquisition(events: string): number {
  for (const line of events.split('\n')) {
    const { event, result } = (line === '' ? {} : JSON.parse(line)) as {
      event?: string;
      result?: { firstAcquisition: number };
    };
    if (event === 'result' && result && result.firstAcquisition > 0) return result.firstAcquisition;
  }
  throw new Error('lockrig torture reported no acquisition');
}

const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;

async function nodeOnce(signal: AbortSignal | undefined): Promise<number> {
  const began = performance.now();
  await promisify(execFile)(process.execPath, ['-e', '0'], {
    timeout: LIMIT,
    env,
    ...(signal ? { signal } : {}),
  });
  return performance.now() - began;
}

async function startOnce(signal: AbortSignal | undefined): Promise<number> {
  const args = [...process.execArgv, main, ...STARTED.split(' '), '--json'];
  const began = Date.now();
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    timeout: LIMIT,
    maxBuffer: 2 ** 26,
    env,
    ...(signal ? { signal } : {}),
  });
  return (firstAcquisition(stdout) - (began % CLOCK) + CLOCK) % CLOCK;
}

/** Measures the start of the command. */
export async function startup({ budget, signal, progress }: Surroundings): Promise<Row[]> {
  const { runs } = budget.startup;
  const samples: number[] = [];
  const bare: number[] = [];
  const row = { name: STARTED, judged: true, fifo: false };
  try {
    for (let run = 1; run <= runs; run += 1) {
      progress(`startup ${run}/${runs}`);
      samples.push(await startOnce(signal));
      bare.push(await nodeOnce(signal));
    }
  } catch (error) {
    if (signal?.aborted) throw error;
    return [{ ...row, parties: {}, figures: {}, problem: (error as Error).message }];
  }
  const series = seriesOf('ms', samples);
  const figure = { value: series.median, low: series.least, high: Math.max(...samples) };
  return [
    {
      ...row,
      parties: { lockrig: series, node: seriesOf('ms', bare) },
      figures: { 'first acquisition': figure },
    },
  ];
}
