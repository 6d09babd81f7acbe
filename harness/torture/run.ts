/**
 * One torture run, as the main thread drives it: sets the machine up, starts the CPUs, watches, stops, and says how it went.
 *
 * The main thread never blocks: it looks at memory from a timer. It ends a run by one word in shared memory, which the CPUs heed at the end of their
 * round; a machine that is stuck, or a lock that was caught under `failFast` and does not come to rest, is ended by ending its threads.
 */
import type { OracleName } from '../../src/locking/define.ts';
import type { Machine } from '../../src/memory/index.ts';
import { Rcu } from '../../src/rcu/grace.ts';
import { waitingGracePeriod } from '../../src/rcu/stall.ts';
import { waitCycle, waitEdges } from '../cpus/graph.ts';
import { CpuDied, CpuPool } from '../cpus/pool.ts';
import type { takeStacks } from '../cpus/stacks.ts';
import { CpuThreads } from '../cpus/threads.ts';
import { type CpuState, type Stall, stateOf, Watchdog } from '../cpus/watchdog.ts';
import type { Suppression } from '../explore/suppress.ts';
import type { LockClassStats } from '../measure/schema.ts';
import type { Window } from '../measure/stat.ts';
import type { StatKeeper } from '../measure/stat-run.ts';
import { mapStack } from '../plugin/trace.ts';
import { Control, GO_STOP } from './area.ts';
import { acquisitions, allCounts, roundsBegun } from './counts.ts';
import { CpuThrew, Hotplug } from './hotplug.ts';
import { forgotten, notesOn } from './notes.ts';
import { type Collected, collectScenario } from './outcomes.ts';
import { type TortureParams, withDefaults } from './params.ts';
import type { RaceWatch } from './races.ts';
import {
  type DeathReport,
  namer,
  readOracleCounts,
  readViolations,
  type StallReport,
  type TortureResult,
  type Verdict,
  type Violation,
} from './result.ts';
import { prepare, startError, type Tortured, type TortureSetup } from './setup.ts';
import type { Traces } from './traces.ts';
import { operationCounts, settled } from './workload.ts';

/** A look at a run in progress. */
export interface Progress {
  readonly lock: string;
  readonly seconds: number;
  readonly acquisitions: number;
  readonly rounds: number;
  readonly violations: number;
}

/** Lock statistics of a run. */
export interface StatRun {
  /** Milliseconds, in the middle of the run, in which every acquisition is timed. */
  readonly window?: number;
  /** Called when the CPUs are up: `look` reads the statistics at any time until the run has ended. */
  readonly onStart?: (look: () => LockClassStats[]) => void;
  /** Called with what happened in the window, when the run has ended. */
  readonly onWindow?: (window: Window) => void;
}

/** What a run can be given beside its parameters. */
export interface TortureOptions {
  /** URL of the bundled module, for users' locks. */
  readonly url?: string;
  /** Ends the run after the round in progress; the verdict so far is returned. */
  readonly signal?: AbortSignal;
  /** Called about four times a second. */
  readonly onProgress?: (progress: Progress) => void;
  /** Takes stacks of stuck CPUs; true unless given. */
  readonly stacks?: boolean;
  /** Memory of a CPU thread in MiB. */
  readonly maxMemory?: number;
  /** Threads that boot already, of lockrig's own command line; the run ends them, be they what it needs or not. */
  readonly threads?: object;
  /** Races that are no failures. */
  readonly suppress?: readonly Suppression[];
  /** Keeps lock statistics. */
  readonly stat?: StatRun;
}

const TICK = 20;
const PROGRESS_EVERY = 250;
/** Milliseconds that a caught lock has to come to rest under `failFast`. */
const GRACE = 40;

function programUrl(): string {
  return new URL(`./program.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url).href;
}

type Stacks = Awaited<ReturnType<typeof takeStacks>>;

/** Turns what the watchdog found into a report with names and stacks. */
function reportStall(
  stall: Stall,
  setup: TortureSetup,
  machine: Machine,
  definition: Tortured,
  stacks: Stacks,
): StallReport {
  const name = namer(machine, setup, definition);
  const edges = waitEdges(stall.cpus);
  const cycle = waitCycle(edges);
  const names: Record<number, string> = {};
  for (const cpu of stall.cpus)
    for (const addr of [cpu.addr, cpu.waitsFor?.lock ?? 0, ...cpu.held.map(({ lock }) => lock)])
      if (addr !== 0) names[addr] = name(addr);
  const cpus = stall.cpus.map((cpu) => {
    const stack = stacks.get(cpu.thread);
    return {
      ...cpu,
      stack: Array.isArray(stack) ? stack : [],
      note: stack && !Array.isArray(stack) ? stack.reason : '',
    };
  });
  const oracle: OracleName = stall.kind === 'deadlock' && stall.asleep && !cycle ? 'wakeup' : 'progress';
  const gracePeriod =
    definition.layout === Rcu ? waitingGracePeriod(machine.boot, setup.lock, performance.now()) : undefined;
  return { kind: stall.kind, oracle, silentMs: stall.silent, cpus, edges, cycle, gracePeriod, names };
}

function reportDeath(
  death: CpuDied,
  machine: Machine,
  setup: TortureSetup,
  definition: Tortured,
): DeathReport {
  const name = namer(machine, setup, definition);
  if (death.cpu < 0) return { cpu: death.cpu, why: death.why, lastHeartbeat: 0, held: [] };
  const state = stateOf(machine, death.cpu);
  return {
    cpu: death.cpu,
    why: death.why,
    lastHeartbeat: state.heartbeat,
    held: state.held.map(({ lock, mode }) => ({ lock: name(lock), mode })),
  };
}

function forgottenSleepers(
  { overslept, parks }: { overslept: number; parks: number },
  afterMs: number,
  round: number,
): Violation {
  const text = `${overslept} of ${parks} sleeps ended by their timeout although the word had changed: what ends a spinWhile must wake, by storeWake or by store and wake`;
  const nobody = { cpu: -1, other: -1, word: '', expected: 0, got: overslept };
  return { oracle: 'wakeup', text, ...nobody, round, afterMs, lock: '' };
}

/**
 * Scenarios and workloads say themselves how many CPUs they are for, and workloads what there is to choose.
 * @throws ParameterError when a workload has not what was chosen
 */
export function paramsFor(definition: Tortured, given: Partial<TortureParams>): Partial<TortureParams> {
  if (definition.definition === 'lock') return given;
  const withCpus = given.cpus === undefined ? { ...given, cpus: definition.cpus } : given;
  return definition.definition === 'workload' ? { ...withCpus, ...settled(definition, given) } : withCpus;
}

interface Started {
  readonly traces: Traces | undefined;
  readonly races: RaceWatch | undefined;
  readonly stat: StatKeeper | undefined;
  readonly params: TortureParams;
  readonly machine: Machine;
  readonly setup: TortureSetup;
  readonly pool: CpuPool;
}

async function start(
  definition: Tortured,
  given: Partial<TortureParams>,
  { url, maxMemory, threads, suppress = [], stat: wanted }: TortureOptions,
): Promise<Started> {
  let booting = threads instanceof CpuThreads ? threads : undefined;
  try {
    const params = withDefaults(paramsFor(definition, given));
    const prepared = await prepare(definition, params, url);
    const { machine } = prepared;
    const traces =
      params.trace === 'off' && params.chaos === 'none'
        ? undefined
        : (await import('./traces.ts')).Traces.of(params);
    const stat =
      wanted && new (await import('../measure/stat-run.ts')).StatKeeper(machine, wanted, params.duration);
    const setup = {
      ...prepared.setup,
      ...(traces ? { tracing: traces.tracing } : {}),
      ...(stat ? { stat: stat.handle } : {}),
    };
    if (booting && (booting.cpus !== machine.cpus || booting.maxMemory !== maxMemory)) {
      await booting.destroy();
      booting = undefined;
    }
    const pool = await CpuPool.start({
      machine,
      program: programUrl(),
      setup,
      ...(maxMemory === undefined ? {} : { maxMemory }),
      ...(booting === undefined ? {} : { threads: booting }),
    }).catch((error: Error) => {
      throw startError(error, definition, url);
    });
    const { watched } = setup;
    const races =
      watched &&
      new (await import('./races.ts')).RaceWatch({
        machine,
        setup,
        watched,
        definition,
        suppress,
      });
    return { params, machine, setup, pool, traces, races, stat };
  } catch (error) {
    await booting?.destroy();
    throw error;
  }
}

/**
 * Tortures one lock, or runs the episodes of one scenario.
 * @throws ParameterError when parameters make no sense; SubjectError when a user's definition throws before the run; CpuDied when the
 *   CPUs cannot be started
 */
export async function torture(
  definition: Tortured,
  given: Partial<TortureParams> = {},
  options: TortureOptions = {},
): Promise<TortureResult> {
  const { params, machine, setup, pool, traces, races, stat } = await start(definition, given, options);
  const { control } = setup.area;
  const startedAt = performance.now();
  const elapsed = (): number => performance.now() - startedAt;
  const violationCount = (): number => Atomics.load(machine.words, (control + Control.violations) >>> 2);
  let stopped = false;
  let interrupted = false;
  let detectedMs: number | undefined;
  let caughtAt = 0;
  let stall: Stall | undefined;
  let wakeUp = (): void => {};
  const stuck = new Promise<void>((resolve) => {
    wakeUp = resolve;
  });
  const stop = (): void => {
    if (stopped) return;
    stopped = true;
    machine.boot.store(control + Control.stop, 1);
    machine.boot.notify(control + Control.stop, -1);
  };
  const hotplug = new Hotplug(pool, machine, setup, params);
  let stacks: Stacks = new Map();
  const lookAt = async (cpus: readonly CpuState[]): Promise<void> => {
    if (!(options.stacks ?? true)) return;
    const { takeStacks } = await import('../cpus/stacks.ts');
    stacks = await takeStacks({ threadIds: cpus.map(({ thread }) => thread) });
  };
  const watchdog = new Watchdog(machine, params.stallAfter, {
    expected: () => hotplug.changing,
    ...((options.stacks ?? true) ? { witness: lookAt } : {}),
  });
  const interrupt = (): void => {
    interrupted = true;
    stop();
  };
  options.signal?.addEventListener('abort', interrupt, { once: true });
  if (options.signal?.aborted) interrupt();
  const judgesSleep = !params.disabled.includes('wakeup');
  const sleepers = (): ReturnType<typeof forgotten> =>
    forgotten(allCounts(machine, setup), roundsBegun(machine, setup));
  // On a machine that has much else to do the time may be over before all CPUs have met for the first time: what has not run has not held.
  const begun = (): boolean =>
    (definition.definition === 'lock' && definition.kind === 'async-mutex') ||
    roundsBegun(machine, setup) > 0;
  let shown = 0;
  const timer = setInterval(() => {
    const now = elapsed();
    const [raced] = races?.look(startedAt) ?? [];
    if (raced && detectedMs === undefined) {
      detectedMs = raced.afterMs;
      caughtAt = now;
    }
    if (violationCount() > 0 && detectedMs === undefined) {
      detectedMs = readViolations(machine, setup, definition, startedAt)[0]?.afterMs ?? now;
      caughtAt = now;
    }
    if (params.failFast && judgesSleep && detectedMs === undefined && sleepers()) detectedMs = caughtAt = now;
    if (params.failFast && detectedMs !== undefined) {
      stop();
      if (now - caughtAt > GRACE) wakeUp();
    }
    if (params.rounds === 0 && now >= params.duration && begun()) stop();
    if (!stopped) hotplug.tick(now);
    traces?.tick(setup, now);
    stat?.tick(now);
    if (Atomics.load(machine.words, (control + Control.go) >>> 2) === GO_STOP) hotplug.release();
    const found = watchdog.look();
    if (found) {
      stall = found;
      detectedMs ??= now - (found.kind === 'stall' ? found.silent : 0);
      clearInterval(timer);
      wakeUp();
    }
    if (options.onProgress && now - shown >= PROGRESS_EVERY) {
      shown = now;
      options.onProgress({
        lock: definition.name,
        seconds: now / 1000,
        acquisitions: acquisitions(allCounts(machine, setup)),
        rounds: roundsBegun(machine, setup),
        violations: violationCount() + (races?.look(startedAt).length ?? 0),
      });
    }
  }, TICK);
  let death: CpuDied | undefined;
  let threw: CpuThrew | undefined;
  try {
    await Promise.race([hotplug.runAll(), stuck, pool.deaths]);
  } catch (error) {
    if (error instanceof CpuDied) death = error;
    else if (error instanceof CpuThrew) threw = error;
    else {
      await pool.destroy();
      throw error;
    }
  } finally {
    clearInterval(timer);
    options.signal?.removeEventListener('abort', interrupt);
  }
  const seconds = elapsed() / 1000;
  let stallReport: StallReport | undefined;
  let collected: Collected | undefined;
  try {
    const ended = !stall && !death && !threw;
    if (ended && definition.definition !== 'lock')
      collected = await collectScenario(definition, pool, machine.cpus);
    if (stall?.kind === 'stall') await lookAt(stall.cpus);
    if (stall) stallReport = reportStall(stall, setup, machine, definition, stacks);
  } finally {
    await pool.destroy();
  }
  const lockStat = stat?.end();
  const counts = allCounts(machine, setup);
  const violations = readViolations(machine, setup, definition, startedAt);
  const violationCounts = readOracleCounts(machine, setup);
  const raced = races?.look(startedAt, true) ?? [];
  for (const race of raced) violations.push(race.violation);
  if (raced.length > 0) violationCounts.race = raced.length;
  violations.sort((a, b) => a.afterMs - b.afterMs);
  const overslept = judgesSleep ? sleepers() : undefined;
  if (overslept) {
    violations.push(forgottenSleepers(overslept, detectedMs ?? elapsed(), roundsBegun(machine, setup)));
    violationCounts.wakeup = 1;
  }
  const thrown = threw && params.disabled.includes('exception') ? undefined : threw;
  const ignored = stallReport !== undefined && params.disabled.includes(stallReport.oracle);
  const verdict: Verdict =
    violations.length > 0 || violationCount() > 0 || thrown
      ? 'failure'
      : death
        ? 'died'
        : stallReport && !ignored
          ? 'stall'
          : interrupted
            ? 'interrupted'
            : 'success';
  const total = acquisitions(counts);
  const failed = verdict === 'failure' || verdict === 'stall';
  return {
    schemaVersion: 1,
    lock: definition.name,
    kind: definition.definition === 'lock' ? definition.kind : definition.definition,
    promises: definition.definition === 'lock' ? definition.promises : {},
    params,
    verdict,
    oracle: violations[0]?.oracle ?? (thrown ? 'exception' : ignored ? undefined : stallReport?.oracle),
    violations,
    violationCounts,
    stall: ignored ? undefined : stallReport,
    exception: thrown && { cpu: thrown.cpu, message: thrown.message, stack: mapStack(thrown.stack ?? '') },
    death: death && reportDeath(death, machine, setup, definition),
    seconds,
    rounds: roundsBegun(machine, setup),
    acquisitions: total,
    perSecond: total / seconds,
    cpus: counts,
    detectedMs: violations[0]?.afterMs ?? detectedMs,
    firstAcquisition: Atomics.load(machine.words, (control + Control.firstAcquisition) >>> 2),
    outcomes: collected?.outcomes,
    operations:
      definition.definition === 'workload' && setup.counters
        ? operationCounts(machine, definition, setup.counters, params.weights)
        : undefined,
    trace: failed ? traces?.report(machine, setup, definition) : undefined,
    ...(lockStat ? { lockStat } : {}),
    races: raced,
    notes: [...notesOn(params, counts), ...(collected?.notes ?? []), ...(races?.notes() ?? [])],
  };
}
