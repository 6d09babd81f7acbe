/** The options of `lockrig torture` as parameters: read before anything is loaded that tortures. */
import { availableParallelism } from 'node:os';
import { MAX_CPUS } from '../../src/memory/limits.ts';
import type { TortureParams } from '../torture/params.ts';
import { UsageError } from './errors.ts';
import { numbers, oneOf, type Raw, share, time, whole, word } from './values.ts';

type Options = Readonly<Record<string, Raw>>;

/** 24 days, about the longest that a timer takes. */
const LONGEST = 24 * 86_400_000;

/** `uniform`, or `uniform:64`: one access in 64. */
function chaosOf(raw: Raw): Partial<Pick<TortureParams, 'chaos' | 'chaosOneIn'>> {
  if (raw === undefined) return {};
  const [kind, rate] = String(raw).split(':', 2);
  const chaos = oneOf('chaos', raw === true ? true : kind, ['none', 'uniform', 'targeted']);
  const chaosOneIn = whole('chaos', rate, 1, 2 ** 20);
  return { ...(chaos === undefined ? {} : { chaos }), ...(chaosOneIn === undefined ? {} : { chaosOneIn }) };
}

/** `races`, which is all that is watched for while CPUs run free. */
function detectOf(raw: Raw): TortureParams['detect'] | undefined {
  const detect = oneOf('detect', raw, ['races', 'none']);
  return detect === undefined ? undefined : detect === 'races' ? ['races'] : [];
}

/** Reads the parameters. @throws UsageError */
export function parameters(options: Options): Partial<TortureParams> {
  const factor =
    options.oversubscribe === undefined
      ? undefined
      : (whole('oversubscribe', options.oversubscribe === true ? 4 : options.oversubscribe, 1, 64) ?? 4);
  if (factor !== undefined && options.cpus !== undefined)
    throw new UsageError('--cpus and --oversubscribe both say how many CPUs: give one of them');
  const cpus =
    factor === undefined ? whole('cpus', options.cpus, 1, MAX_CPUS) : factor * availableParallelism();
  const most = cpus ?? 2;
  const shortDelay = time('short-delay', options.shortDelay, 0, 1000, 'us');
  const given: { [K in keyof TortureParams]?: TortureParams[K] | undefined } = {
    cpus,
    duration: time('duration', options.duration, 1, LONGEST),
    rounds: whole('rounds', options.rounds, 1, 2 ** 31 - 1),
    seed: whole('seed', options.seed, 0, 2 ** 32 - 1) ?? Date.now() % 2 ** 32,
    readers: whole('readers', options.readers, 0, most),
    writers: whole('writers', options.writers, 0, most),
    reads: share('reads', options.reads),
    try: share('try', options.try),
    downgrade: share('downgrade', options.downgrade),
    upgrade: share('upgrade', options.upgrade),
    nested: whole('nested', options.nested, 0, 8),
    longHold: time('long-hold', options.longHold),
    shortDelay: shortDelay === undefined ? undefined : shortDelay * 1000,
    stutter: time('stutter', options.stutter),
    hotplug: time('hotplug', options.hotplug),
    waiting: oneOf('waiting', options.waiting, ['spin', 'spin-then-park', 'park']),
    engine: oneOf('isa', options.isa, ['wasm', 'atomics']),
    stallAfter: time('stall-after', options.stallAfter, 100),
    detect: detectOf(options.detect),
    trace: oneOf('trace', options.trace, ['off', 'ring', 'order']),
    ...chaosOf(options.chaos),
    failFast: options.failFast === true ? true : undefined,
    regime: word('regime', options.regime),
    weights: numbers('weight', options.weight),
    sizes: numbers('size', options.size),
    checkEvery: time('check-every', options.checkEvery, 1),
  };
  if ((given.readers ?? 0) + (given.writers ?? 0) > most)
    throw new UsageError(
      `--readers ${given.readers ?? 0} and --writers ${given.writers ?? 0} are more than the ${most} CPUs of --cpus`,
    );
  if (options.duration !== undefined && options.rounds !== undefined)
    throw new UsageError('--duration and --rounds both say how long: give one of them');
  return given as Partial<TortureParams>;
}
