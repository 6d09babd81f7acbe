/**
 * The program of a torture CPU: takes up the CPU, creates the lock's operations and the client of its kind, and runs rounds.
 */
import type { LockDefinition } from '../../src/locking/define.ts';
import { lockByName } from '../../src/locking/index.ts';
import type { Kind, OpsByKind } from '../../src/locking/kinds.ts';
import { mutex3 } from '../../src/locking/mutex3.ts';
import { track } from '../../src/locking/track.ts';
import type { BootContext, Runner } from '../engines/program.ts';
import { asyncClient } from './clients/async.ts';
import { barrierClient } from './clients/barrier.ts';
import { conditionClient } from './clients/condition.ts';
import { Bench, type Client, type ClientOptions } from './clients/context.ts';
import { mutexClient } from './clients/mutex.ts';
import { rwClient } from './clients/rw.ts';
import { scenarioClient } from './clients/scenario.ts';
import { semaphoreClient } from './clients/semaphore.ts';
import { seqClient } from './clients/seq.ts';
import { Rounds } from './rounds.ts';
import type { Tortured, TortureSetup } from './setup.ts';

const CLIENTS: {
  readonly [K in Exclude<Kind, 'async-mutex'>]: (bench: Bench, options: ClientOptions<K>) => Client;
} = {
  mutex: mutexClient,
  rwlock: rwClient,
  rwsem: rwClient,
  seq: seqClient,
  semaphore: semaphoreClient,
  condition: conditionClient,
  barrier: barrierClient,
};

/** Finds a definition on this thread: lockrig's own by name, a user's in its bundled module. */
export async function findSubject(reference: TortureSetup['subject']): Promise<Tortured> {
  const { name, url, definition } = reference;
  if (url === undefined) {
    const found = lockByName(name);
    if (found) return found;
    throw new Error(`no lock is called '${name}'`);
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

/** Stands in for the lock where a scenario is tortured: it has none, and promises nothing. */
const NO_LOCK = { kind: 'mutex', promises: {}, create: () => ({}) } as unknown as LockDefinition;

/** Boots one CPU of a torture run. */
export async function boot({ id, setup, attach }: BootContext): Promise<Runner> {
  const { subject, lock, nested, mutexAddr, perCpu, perCpuStride, stateStride, area, params, shared, value } =
    setup as TortureSetup;
  const found = await findSubject(subject);
  const definition = (found.definition === 'lock' ? found : NO_LOCK) as LockDefinition;
  let bench: Bench | undefined;
  const cpu = attach({
    engine: params.engine,
    waiting: params.waiting,
    seed: params.seed,
    queued: (addr) => bench?.queued(addr),
  });
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
  if (definition.kind === 'async-mutex') return asyncClient(bench, options as ClientOptions<'async-mutex'>);
  const client =
    found.definition === 'scenario'
      ? scenarioClient(bench, found, params.cpus, lock, stateStride)
      : (CLIENTS[definition.kind] as (bench: Bench, options: ClientOptions) => Client)(bench, options);
  const judged = definition.promises.fifo === true || definition.promises.bypass !== undefined;
  const rounds = new Rounds(bench, client, judged);
  return { run: () => rounds.run(), collect: () => client.collect?.() };
}
