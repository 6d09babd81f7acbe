/** `lockrig torture` without arguments: the tour, with a verdict. */
import type { TortureParams } from '../torture/params.ts';
import { type Progress, torture } from '../torture/run.ts';
import { group, heading, summarize } from '../torture/summary.ts';
import { tour } from '../torture/tour.ts';
import { EXIT } from './errors.ts';
import { Live } from './live.ts';
import { outputOf } from './run-torture.ts';
import type { Raw } from './values.ts';

/** Runs the tour. @returns the exit code: 0 when every correct lock held and every broken one was caught */
export async function runTour(
  params: Partial<TortureParams>,
  signal: AbortSignal,
  options: Readonly<Record<string, Raw>>,
): Promise<number> {
  const { output, events } = outputOf(options);
  const say = (text: string): void => {
    if (!events) process.stdout.write(`${text}\n`);
  };
  const stops = tour();
  const whole = stops.reduce((sum, stop) => sum + (stop.broken ? 0 : stop.duration), 0);
  const live = await Live.open(!events);
  let wrong = 0;
  let caught = 0;
  let stuck = false;
  let complete = false;
  say(
    `tour seed=${params.seed}: ${stops.filter(({ broken }) => !broken).length} locks on real CPUs, about ${Math.round(whole / 1000)} s, then ${stops.filter(({ broken }) => broken).length} broken ones that must be caught`,
  );
  try {
    for (const { lock, duration, broken } of stops) {
      if (signal.aborted) break;
      const onProgress = (progress: Progress): void => {
        live.show(progress, duration / 1000 - progress.seconds);
        output.counters(progress);
      };
      const cpus = lock.mutant?.cpus ?? params.cpus ?? 2;
      const result = await torture(
        lock,
        { ...params, cpus, duration, failFast: broken || params.failFast === true },
        { signal, onProgress },
      );
      live.clear();
      await output.add(result);
      if (events) process.stdout.write(`${JSON.stringify({ event: 'result', broken, result })}\n`);
      if (!broken) {
        if (result.verdict === 'success') {
          live.passed += 1;
          say(`  ${lock.name.padEnd(24)} holds    ${group(result.perSecond).padStart(12)} acquisitions/s`);
        } else if (result.verdict !== 'interrupted') {
          wrong += 1;
          stuck ||= result.verdict === 'stall';
          live.failed += 1;
          say(heading(result));
          for (const line of summarize(result)) say(line);
        }
        continue;
      }
      const byIts = result.oracle === lock.mutant?.caughtBy;
      if (byIts) caught += 1;
      else if (result.verdict !== 'interrupted') wrong += 1;
      say(
        `  ${lock.name.padEnd(24)} ${byIts ? 'caught' : 'NOT caught as it should be'} after ${result.detectedMs?.toFixed(1) ?? '-'} ms: ${lock.mutant?.wrong ?? ''}`,
      );
      for (const line of summarize(result).filter(
        (text) => text.includes('!!!') || text.startsWith('      '),
      ))
        say(`  ${line}`);
    }
    complete = !signal.aborted;
  } finally {
    live.clear();
    await output.finish(complete);
  }
  say(`${live.passed} locks held, ${caught} broken ones caught, ${wrong} surprises`);
  say(`tour seed=${params.seed} ${signal.aborted ? 'INTERRUPTED' : wrong === 0 ? 'SUCCESS' : 'FAILURE'}`);
  if (wrong > 0) return stuck ? EXIT.stall : EXIT.violation;
  return signal.aborted ? EXIT.interrupted : EXIT.clean;
}
