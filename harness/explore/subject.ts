/**
 * What is explored: one episode of a subject, on one CPU.
 *
 * A scenario is its own episode. A lock is hunted through the torture's critical section: a few steps of the client of its kind with all its oracles, on
 * a machine at rest before and after. The client notes what it finds in the torture's own memory, which is no part of the execution.
 */
import type { LockDefinition } from '../../src/locking/define.ts';
import type { Kind, OpsByKind } from '../../src/locking/kinds.ts';
import { mutex3 } from '../../src/locking/mutex3.ts';
import { track } from '../../src/locking/track.ts';
import type { CheckContext, ScenarioDefinition } from '../../src/scenario.ts';
import type { Phase } from '../detect/judge-history.ts';
import type { GatedCpu } from '../engines/gated/cpu.ts';
import { Head } from '../engines/gated/layout.ts';
import { Bench, type Client, type ClientOptions, Profile } from '../torture/clients/context.ts';
import { clientMaker } from '../torture/program.ts';
import type { Tortured, TortureSetup } from '../torture/setup.ts';

/** An episode on one CPU. */
export interface Episode {
  /** Sets the machine up; once, by one CPU, before the first execution. */
  prepare(): void;
  /** This CPU's part, at its turns. */
  act(): void;
  /** By one CPU when all are done: is everything as it must be? Notes violations. @returns what came out, if it has a name */
  judge(): string | undefined;
  /** Forgets what an execution that was given up has left in this thread. */
  renew(): void;
  /** What the checks said since it was last asked. */
  said(): string[];
}

/** Kinds whose clients and operations keep nothing in the thread between executions. */
const LASTING: readonly Kind[] = ['mutex', 'rwlock', 'rwsem'];

/** Where nothing changes any more, each further look of a CPU is the same; and so many of them would be taken for a livelock. */
const LOOKS = 3;

const unrecorded = <Returned>(_op: unknown, run: () => Returned): Returned => run();

const NO_LOCK = { kind: 'mutex', promises: {}, create: () => ({}) } as unknown as LockDefinition;

/** What a check says that is kept; the rest is more of the same. */
const MOST = 8;

/** Steps of each CPU in an execution. */
export interface EpisodeOptions {
  readonly steps: number;
}

/** The episode of a subject. @returns it, and who hears of `isa.queued` */
export async function episodeOf(
  found: Tortured,
  cpu: GatedCpu,
  setup: TortureSetup,
  { steps }: EpisodeOptions,
): Promise<{ episode: Episode; bench: Bench }> {
  return found.definition === 'scenario'
    ? scenarioEpisode(found, cpu, setup)
    : lockEpisode(found as LockDefinition, cpu, setup, steps);
}

async function lockEpisode(
  definition: LockDefinition,
  cpu: GatedCpu,
  setup: TortureSetup,
  steps: number,
): Promise<{ episode: Episode; bench: Bench }> {
  const { lock, nested, mutexAddr, perCpu, perCpuStride, area, params, shared, value } = setup;
  const areaOf = (other: number): number => (perCpu === 0 ? 0 : perCpu + other * perCpuStride);
  const make = await clientMaker(definition.kind);
  const lasting = LASTING.includes(definition.kind);
  let options: ClientOptions;
  let client: Client | undefined;

  function operations(): void {
    const mutex = track('mutex', cpu, mutex3.create(cpu.isa, cpu));
    const env = { area: areaOf(cpu.id), areaOf, shared, mutex };
    const bare = definition.create(cpu.isa, cpu, env) as OpsByKind[Kind];
    const ops = track(definition.kind, cpu, bare);
    options = {
      cpu,
      definition,
      ops,
      bare,
      lock,
      nested,
      mutex,
      mutexAddr,
      params,
      area,
      value,
    } as ClientOptions;
    client = undefined;
  }

  operations();
  const bench = new Bench(options!);
  bench.looks = LOOKS;
  const ready = (): Client => {
    client ??= make(bench, options);
    return client;
  };

  const episode: Episode = {
    prepare() {
      ready().prepare?.();
    },
    act() {
      if (!lasting) operations();
      const dice = cpu.gated.gate.get(Head.seed);
      bench.profile = Profile.brief | Profile.order | (dice & Profile.once);
      const mine = ready();
      mine.begin?.();
      for (let step = 0; step < steps; step += 1) mine.step();
      mine.end?.();
    },
    judge() {
      ready().rest?.();
      return undefined;
    },
    renew: operations,
    said: () => [],
  };
  return { episode, bench };
}

async function scenarioEpisode(
  scenario: ScenarioDefinition,
  cpu: GatedCpu,
  setup: TortureSetup,
): Promise<{ episode: Episode; bench: Bench }> {
  const { lock: state, params, area } = setup;
  const { isa } = cpu;
  const { actors, init, check, outcome, grades } = scenario;
  const actor = typeof actors === 'function' ? actors : actors[cpu.id];
  const bench = new Bench({
    cpu,
    area,
    params,
    lock: state,
    definition: NO_LOCK,
  } as unknown as ClientOptions);
  let failed: string[] = [];
  const { model } = scenario;
  // Loaded where it is wanted: most scenarios name no model.
  const recording =
    model === undefined ? undefined : new (await import('./recording.ts')).Recording(cpu, params.cpus, model);
  const context = {
    isa,
    cpu,
    cpus: params.cpus,
    state,
    tools: scenario.create(isa, cpu, state),
    record: recording?.recorder.record ?? unrecorded,
    fail(what: string) {
      if (failed.length < MOST) failed.push(String(what ?? 'the check failed'));
    },
  };
  const phase = (now: Phase): void => {
    if (recording) recording.recorder.phase = now;
  };
  /** The check may record, too, so the history is judged after it; what it tells is told first. */
  function checked(): void {
    phase('rest');
    check?.(context as CheckContext);
    const wrong = failed.length > 0;
    const verdict = recording?.judge();
    if (verdict?.verdict === 'not linearizable') {
      failed.unshift(verdict.text);
      bench.report('notLinearizable', { addr: state });
    }
    if (wrong) bench.report('checkFailed', { addr: state });
  }
  const episode: Episode = {
    prepare() {
      phase('init');
      init?.(context);
    },
    act() {
      phase('act');
      recording?.begin();
      actor?.(context);
    },
    judge() {
      failed = [];
      checked();
      if (!outcome) return undefined;
      const key = outcome(context);
      const grade = grades?.[key];
      if (!grades || (grade !== undefined && grade !== 'forbidden' && grade[0] !== 'forbidden')) return key;
      failed.push(`outcome ${key} is forbidden`);
      bench.report('forbiddenOutcome', { addr: state });
      return key;
    },
    renew() {
      context.tools = scenario.create(isa, cpu, state);
    },
    said() {
      const all = failed;
      failed = [];
      return all;
    },
  };
  return { episode, bench };
}
