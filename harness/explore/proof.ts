/**
 * The proof of a subject: each kind of episode that its random numbers lead to, searched exhaustively; and what fails, made small as a hunt does.
 *
 * The client of a lock draws what a CPU does: read or write, acquire or try. A search varies the schedule and not the draws, so one seed would prove something
 * about two readers and be silent about a writer. So the episodes of some seeds are looked at first, in the schedule without a preemption. Two are
 * of one kind if each CPU acquires the lock in the same ways; the shortest of each kind is searched.
 */
import type { MemoryModel } from '../../src/scenario.ts';
import { HEURISTICS } from '../engines/gated/layout.ts';
import { OP } from '../engines/trace.ts';
import type { Tortured } from '../torture/setup.ts';
import { type Execution, Exploration } from './exploration.ts';
import { scramble } from './explorer.ts';
import { Hunt, type HuntFailure, type HuntOptions } from './hunt.ts';
import { type Proof, prove } from './prove.ts';

/** How a subject is proved. */
export interface ProofOptions
  extends Pick<HuntOptions, 'cpus' | 'steps' | 'url' | 'hash' | 'signal' | 'onFailure'> {
  readonly model?: MemoryModel;
  /** The most preemptions of an execution; 2 unless given. */
  readonly bound?: number;
  /** Executions at most, of all episodes together; a million unless given. */
  readonly executions?: number;
  /** Only the episode of this seed. */
  readonly seed?: number;
}

/** What came of it. */
export interface SubjectProof {
  readonly subject: string;
  readonly verdict: 'proved' | 'not proved' | 'found' | 'interrupted' | 'not deterministic';
  readonly cpus: number;
  readonly steps: number;
  readonly model: MemoryModel;
  /** The bound that was asked for, and the one within which all executions were run; -1: none. */
  readonly asked: number;
  readonly bound: number;
  /** There are no executions beyond it. */
  readonly exhausted: boolean;
  /** All executions, and those of each bound; a bound runs those of the lower ones again. */
  readonly executions: number;
  readonly perBound: readonly number[];
  readonly accesses: number;
  readonly seconds: number;
  /** The seeds whose episodes were searched. */
  readonly seeds: readonly number[];
  readonly failures: readonly HuntFailure[];
  readonly gaps: readonly string[];
  readonly assumes: readonly string[];
  /** What differed, where two runs of one schedule did. */
  readonly difference: string | undefined;
}

/** Executions at most, unless told otherwise. */
export const PROOF_EXECUTIONS = 1_000_000;
/** The bound, unless told otherwise. */
export const PROOF_BOUND = 2;
/** Seeds that are looked at. */
const SEEDS = 64;

const HOW = new Set([OP.acquiring, OP.acquired, OP.released, OP.gaveUp]);

/** In which ways each CPU acquired the lock. */
function kindOf({ trace }: Execution, lock: number, cpus: number): string {
  const ways = Array.from({ length: cpus }, () => '');
  for (let at = 0; at < trace.length; at += 1) {
    const { cpu, op, addr, value } = trace.event(at);
    if (HOW.has(op) && (addr === lock || op === OP.gaveUp)) ways[cpu] += `${op}.${value} `;
  }
  return ways.join('| ');
}

/** Seeds whose episodes differ in kind, the shortest of each. */
async function seedsOf(exploration: Exploration, model: MemoryModel): Promise<number[]> {
  const kinds = new Map<string, { seed: number; steps: number }>();
  for (let at = 0; at < SEEDS; at += 1) {
    const seed = scramble(at + 1) >>> 1;
    const execution = await exploration.execution({ switches: [], seed }, { model });
    // A scenario that draws nothing has one episode; the client of a lock does what it does by the seed, too.
    const drawn = (exploration.gate.searched().relied & HEURISTICS.random) !== 0;
    if (!drawn && exploration.subject.definition === 'scenario') return [1];
    const kind = kindOf(execution, exploration.setup.lock, exploration.cpus);
    const known = kinds.get(kind);
    if (!known || execution.steps < known.steps) kinds.set(kind, { seed, steps: execution.steps });
  }
  return [...kinds.values()].sort((one, other) => one.steps - other.steps).map(({ seed }) => seed);
}

/** The proof of one subject under one memory model. */
async function proofOn(exploration: Exploration, options: ProofOptions): Promise<SubjectProof> {
  const { model = 'sc', bound = PROOF_BOUND, executions = PROOF_EXECUTIONS, signal } = options;
  const began = performance.now();
  const hunt = new Hunt(exploration, { ...options, models: [model] });
  let difference = await hunt.twice();
  const seeds =
    difference !== undefined
      ? []
      : options.seed === undefined
        ? await seedsOf(exploration, model)
        : [options.seed];
  const proofs: Proof[] = [];
  let spent = 0;
  for (const seed of seeds) {
    if (signal?.aborted || spent >= executions) break;
    const proof = await prove(exploration, {
      model,
      bound,
      executions: executions - spent,
      seed,
      ...(signal ? { signal } : {}),
    });
    spent += proof.executions;
    proofs.push(proof);
    if (proof.failure) {
      const after = { executions: spent, seconds: (performance.now() - began) / 1000 };
      difference = await hunt.finder.found(proof.failure, { model, after }, []);
    }
    if (proof.failure || proof.gaps.length > 0) break;
  }
  const all = (texts: (proof: Proof) => readonly string[]): string[] => [...new Set(proofs.flatMap(texts))];
  const complete = proofs.length === seeds.length && seeds.length > 0;
  // An episode that has no execution beyond a lower bound is through with this one, too.
  const reached = complete ? Math.min(...proofs.map((proof) => (proof.exhausted ? bound : proof.bound))) : -1;
  const exhausted = complete && proofs.every((proof) => proof.exhausted);
  const gaps = all((proof) => proof.gaps);
  const whole = exhausted || reached >= bound;
  if (!whole && spent >= executions) gaps.push(`the budget of ${executions} executions was used up`);
  const failures = [...hunt.finder.failures.values()];
  let verdict: SubjectProof['verdict'] = whole && gaps.length === 0 ? 'proved' : 'not proved';
  if (difference !== undefined) verdict = 'not deterministic';
  else if (failures.length > 0) verdict = 'found';
  else if (signal?.aborted && !whole) verdict = 'interrupted';
  return {
    subject: exploration.subject.name,
    verdict,
    cpus: exploration.cpus,
    steps: exploration.steps,
    model,
    asked: bound,
    bound: reached,
    exhausted,
    executions: spent,
    perBound: Array.from({ length: Math.max(0, ...proofs.map(({ perBound }) => perBound.length)) }, (_, at) =>
      // An episode that has no execution beyond a bound has run all those of a higher one.
      proofs.reduce((sum, { perBound }) => sum + (perBound[at] ?? perBound.at(-1) ?? 0), 0),
    ),
    accesses: proofs.reduce((sum, proof) => sum + proof.accesses, 0),
    seconds: (performance.now() - began) / 1000,
    seeds,
    failures,
    gaps,
    assumes: all((proof) => proof.assumes),
    difference,
  };
}

/**
 * Runs every execution of a lock or a scenario with at most so many preemptions, until one fails.
 * @throws ParameterError, SubjectError, CpuDied as `hunt` does
 */
export async function proveSubject(subject: Tortured, options: ProofOptions = {}): Promise<SubjectProof> {
  const steps = options.steps ?? (subject.definition === 'lock' ? 1 : undefined);
  const exploration = await Exploration.open(subject, {
    ...(options.cpus === undefined ? {} : { cpus: options.cpus }),
    ...(steps === undefined ? {} : { steps }),
    ...(options.url === undefined ? {} : { url: options.url }),
  });
  try {
    return await proofOn(exploration, options);
  } finally {
    await exploration.close();
  }
}
