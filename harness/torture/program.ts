/**
 * The program of a torture CPU: takes up the CPU, creates the lock's operations and the client of its kind, and runs rounds.
 */
import { loadLock, loadScenario, loadWorkload } from '../../src/catalog.ts';
import type { LockDefinition } from '../../src/locking/define.ts';
import type { Kind, OpsByKind } from '../../src/locking/kinds.ts';
import { mutex3 } from '../../src/locking/mutex3.ts';
import { track } from '../../src/locking/track.ts';
import type { BootContext, Runner } from '../engines/program.ts';
import { Bench, type Client, type ClientOptions } from './clients/context.ts';
import { Rounds } from './rounds.ts';
import type { Tortured, TortureSetup } from './setup.ts';

/** The client of each kind, loaded when a CPU needs it. */
const CLIENTS: {
  readonly [K in Exclude<Kind, 'async-mutex'>]: () => Promise<
    (bench: Bench, options: ClientOptions<K>) => Client
  >;
} = {
  mutex: async () => (await import('./clients/mutex.ts')).mutexClient,
  rwlock: async () => (await import('./clients/rw.ts')).rwClient,
  rwsem: async () => (await import('./clients/rw.ts')).rwClient,
  seq: async () => (await import('./clients/seq.ts')).seqClient,
  semaphore: async () => (await import('./clients/semaphore.ts')).semaphoreClient,
  condition: async () => (await import('./clients/condition.ts')).conditionClient,
  queue: async () => (await import('./clients/queue.ts')).queueClient,
  completion: async () => (await import('./clients/completion.ts')).completionClient,
  rcu: async () => (await import('./clients/rcu.ts')).rcuClient,
  hazard: async () => (await import('./clients/rcu.ts')).hazardClient,
  barrier: async () => (await import('./clients/barrier.ts')).barrierClient,
};

const LOADERS: Readonly<Record<Tortured['definition'], (name: string) => Promise<Tortured | undefined>>> = {
  lock: loadLock,
  scenario: loadScenario,
  workload: loadWorkload,
};

/** Finds a definition on this thread: lockrig's own by name, a user's in its bundled module. */
export async function findSubject(reference: TortureSetup['subject']): Promise<Tortured> {
  const { name, url, definition } = reference;
  if (url === undefined) {
    const found = await LOADERS[definition](name);
    if (found) return found;
    throw new Error(`no ${definition} is called '${name}'`);
  }
  const module = (await import(url)) as Record<string, unknown>;
  const found = Object.values(module)
    .flat()
    .find(
      (value) => (value as Tortured | null)?.definition === definition && (value as Tortured).name === name,
    );
  if (!found) throw new Error(`the file no longer defines a ${definition} called '${name}'`);
  return found as Tortured;
}

/** Stands in for the lock where a scenario or a workload is tortured: it has none, and promises nothing. */
const NO_LOCK = { kind: 'mutex', promises: {}, create: () => ({}) } as unknown as LockDefinition;

async function clientOf(
  found: Tortured,
  bench: Bench,
  options: ClientOptions,
  setup: TortureSetup,
  words: Int32Array,
): Promise<Client> {
  if (found.definition === 'scenario') {
    const { scenarioClient } = await import('./clients/scenario.ts');
    return scenarioClient(bench, found, setup, words);
  }
  if (found.definition === 'workload') {
    const { workloadClient } = await import('./clients/workload.ts');
    return workloadClient(bench, found, setup);
  }
  return (await clientMaker(options.definition.kind))(bench, options);
}

/** Makes the client of a kind. Not for `async-mutex`, whose client is none of these. */
export async function clientMaker(kind: Kind): Promise<(bench: Bench, options: ClientOptions) => Client> {
  return (await CLIENTS[kind as Exclude<Kind, 'async-mutex'>]()) as (
    bench: Bench,
    options: ClientOptions,
  ) => Client;
}

/** Boots one CPU of a torture run. */
export async function boot({ id, machine, setup, attach }: BootContext): Promise<Runner> {
  const {
    subject,
    lock,
    nested,
    mutexAddr,
    perCpu,
    perCpuStride,
    area,
    params,
    shared,
    value,
    tracing,
    watched,
    stat,
  } = setup as TortureSetup;
  const found = await findSubject(subject);
  const definition = (found.definition === 'lock' ? found : NO_LOCK) as LockDefinition;
  let bench: Bench | undefined;
  // Loaded where it is wanted: most runs start without.
  const traced = tracing && (await import('../engines/traced/cpu.ts')).tracer(tracing, id);
  const watch = watched && (await import('../engines/traced/hb.ts')).watcher(machine, watched, id);
  const cpu = attach({
    engine: params.engine,
    waiting: params.waiting,
    seed: params.seed,
    queued: (addr) => bench?.queued(addr),
    ...(traced ? { wrap: traced.wrap } : {}),
    ...(watch ? { wrap: watch.wrap } : {}),
  });
  traced?.follow(cpu);
  watch?.follow(cpu);
  if (stat) {
    const { statCpu } = await import('../measure/stat-cpu.ts');
    const { classesOf } = await import('../measure/stat-names.ts');
    statCpu(stat, cpu, { classOf: classesOf(machine, setup as TortureSetup, found) });
  }
  const areaOf = (other: number): number => (perCpu === 0 ? 0 : perCpu + other * perCpuStride);
  const mutex = track('mutex', cpu, mutex3.create(cpu.isa, cpu));
  const bare = definition.create(cpu.isa, cpu, {
    area: areaOf(id),
    areaOf,
    shared,
    mutex,
  }) as OpsByKind[Kind];
  const ops = track(definition.kind, cpu, bare);
  const options = {
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
  bench = new Bench(options);
  if (traced) bench.caught = traced.keep;
  if (watch) bench.rests = watch.rest;
  if (definition.kind === 'async-mutex') {
    const { asyncClient } = await import('./clients/async.ts');
    return asyncClient(bench, options as ClientOptions<'async-mutex'>);
  }
  const client = await clientOf(found, bench, options, setup as TortureSetup, machine.words);
  const judged = definition.promises.fifo === true || definition.promises.bypass !== undefined;
  const rounds = new Rounds(bench, client, judged);
  return { run: () => rounds.run(), collect: () => client.collect?.() };
}
