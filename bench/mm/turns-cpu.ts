/** One CPU of those that take turns: its task on a model of its own, a block of each case when it is its turn; or the one that counts, all tasks once. See turns.ts. */
import type { Isa } from '../../src/arch/index.ts';
import { Cpu } from '../../src/memory/index.ts';
import type { Member } from '../crew.ts';
import { CountedIsa } from './counted.ts';
import { makeTask, type Task, type TaskOf } from './tasks.ts';

/** What every CPU is told. */
export interface TurnOrders {
  /** Where the first model lies, and the bytes from one to the next: those of the CPUs that are timed, then as many of the one that counts. */
  readonly first: number;
  readonly stride: number;
  /** What each CPU does. */
  readonly tasks: readonly TaskOf[];
  readonly rounds: number;
  readonly warmup: number;
}

/** By case: nanoseconds a piece of each round. */
export type Timed = Readonly<Record<string, readonly number[]>>;
/** By case: figures a piece, by name. */
export type Counted = Readonly<Record<string, Readonly<Record<string, number>>>>;
/** What came out, or why nothing did. */
export type Outcome<T> = { readonly found: T } | { readonly problem: string };

/** What a CPU answers: of its task, or of each. */
export interface TurnSamples {
  readonly timed?: Outcome<Timed>;
  readonly counted?: readonly Outcome<Counted>[];
}

function countIn(isa: CountedIsa, task: Task): Counted {
  const counted: Record<string, Record<string, number>> = {};
  for (const each of task.cases) {
    // The second one: a first block may find that no table is there, or no page on the lists.
    for (let block = 0; block < 2; block += 1) {
      task.before(each);
      const before = isa.counts();
      const pieces = task.block(each);
      const after = isa.counts();
      task.after(each);
      counted[each] = {
        accesses: (after.accesses - before.accesses) / pieces,
        rmws: (after.rmws - before.rmws) / pieces,
      };
    }
    Object.assign(
      counted[each]!,
      task.count?.(() => isa.counts()),
    );
  }
  return counted;
}

function attempt<T>(run: () => T): Outcome<T> {
  try {
    return { found: run() };
  } catch (error) {
    return { problem: (error as Error).message };
  }
}

/** Runs a CPU. */
export function turnsCpu({ isa, id, cpus, machine, barrier, args }: Member<TurnOrders>): TurnSamples {
  const { first, stride, tasks, rounds, warmup } = args;
  const cpu = new Cpu(isa, id, cpus, machine.words, 1);
  const make = (of: TaskOf, place: number, to: Isa): Task =>
    makeTask(of, { isa: to, cpu, at: first + place * stride, cpus }, machine.words);

  if (isa instanceof CountedIsa) {
    const counted = tasks.map((of, at) => attempt(() => countIn(isa, make(of, tasks.length + at, isa))));
    for (let left = (warmup + rounds) * (cpus - 1) + 1; left > 0; left -= 1) barrier();
    return { counted };
  }

  const ns: Record<string, number[]> = {};
  let task: Task | undefined;
  let outcome: Outcome<Timed> = { found: ns };
  for (let round = -warmup; round < rounds; round += 1)
    for (let at = 0; at < cpus - 1; at += 1) {
      barrier();
      if (at !== id || 'problem' in outcome) continue;
      outcome = attempt(() => {
        task ??= make(tasks[id]!, id, isa);
        for (const each of task.cases) {
          task.before(each);
          const began = performance.now();
          const pieces = task.block(each);
          const took = performance.now() - began;
          task.after(each);
          ns[each] ??= [];
          if (round >= 0) ns[each].push((took * 1e6) / pieces);
        }
        return ns;
      });
    }
  barrier();
  return { timed: outcome };
}
