/**
 * A sweep: every fork a process of its own, each setting in turn, all locks side by side.
 *
 * What was measured is told as it comes, so that a run that is ended, or that is killed, has lost the fork in progress and nothing else. A lock that does not
 * come to an end in a setting has that point marked; one that lets two in has no figure anywhere: it would be the figure of something else.
 */
import { join } from 'node:path';
import { statFileOf } from '../../harness/measure/publish.ts';
import type { Peer, Setting, SweepPoint } from '../../harness/measure/schema.ts';
import type { BenchSubject } from '../team.ts';
import { peerPoint, pointOf } from './figures.ts';
import type { ForkAnswer, ForkBudget, ForkFigures, ForkProblem } from './fork.ts';
import type { PeerFigures, SweepPeer } from './peer.ts';
import { runFork } from './processes.ts';
import { cannot } from './sections.ts';
import { keyOf } from './settings.ts';

/** A lock of a sweep, by the name that it has in it. */
export interface Swept {
  readonly name: string;
  readonly subject: BenchSubject;
  /** Where it is not lockrig's or the user's. */
  readonly peer?: Peer;
}

/** What is swept, and how long. */
export interface SweepPlan {
  readonly locks: readonly Swept[];
  readonly peers: readonly SweepPeer[];
  readonly settings: readonly Setting[];
  readonly forks: number;
  readonly budget: ForkBudget;
  /** Cores to bind to where there are no more CPUs than these; none: nothing is bound. */
  readonly pin: readonly number[];
  /** The folder where lock statistics go meanwhile; they are not kept unless given. */
  readonly stat?: string;
  readonly signal?: AbortSignal;
  /** Hears what is measured, and the share of the sweep that is behind it. */
  readonly onProgress?: (text: string, share: number) => void;
  /** Hears of the points so far, after each setting of each fork. */
  readonly onPoints?: (points: readonly SweepPoint[]) => void;
}

/** Threads of one process; more locks than that allows are measured in processes of their own. */
const MOST_THREADS = 64;

/** One acquisition of a peer in so many is timed. */
const PEER_EVERY = 64;

interface Cell {
  readonly forks: ForkFigures[];
  problem?: ForkProblem;
}

interface PeerCell {
  readonly forks: PeerFigures[];
  problem?: string;
}

/** How long a window is: longer where there are more CPUs than cores, who then come in turn by the scheduler's clock. */
export function budgetIn({ cpus }: Setting, budget: ForkBudget, cores: number): ForkBudget {
  return cpus <= cores ? budget : { ...budget, window: 4 * budget.window };
}

/** Seconds that a sweep takes, about: windows, and what it takes to start processes and threads. */
export function secondsOf(
  plan: Pick<SweepPlan, 'locks' | 'peers' | 'settings' | 'forks' | 'budget'>,
  cores: number,
): number {
  const all = plan.locks.length + plan.peers.length;
  let ms = 0;
  for (const setting of plan.settings) {
    const { rounds, warmup, window } = budgetIn(setting, plan.budget, cores);
    ms +=
      250 +
      all * (60 + 25 * setting.cpus + 2 * warmup + 2 * window + rounds * (2 * window + warmup / 8 + 10));
  }
  return (ms * plan.forks) / 1000;
}

function chunks<Item>(items: readonly Item[], size: number): Item[][] {
  const all: Item[][] = [];
  for (let at = 0; at < items.length; at += size) all.push(items.slice(at, at + size));
  return all;
}

const cellKey = ({ name }: { readonly name: string }, setting: Setting): string =>
  `${name} ${keyOf(setting)}`;

/** A sweep in progress. */
class Sweep {
  private readonly plan: SweepPlan;
  private readonly cores: number;
  private readonly cells = new Map<string, Cell>();
  private readonly peerCells = new Map<string, PeerCell>();
  /** Locks that let two in, and how. */
  private readonly broken = new Map<string, string>();

  constructor(plan: SweepPlan, cores: number) {
    this.plan = plan;
    this.cores = cores;
  }

  private cell(lock: Swept, setting: Setting): Cell {
    const key = cellKey(lock, setting);
    const cell = this.cells.get(key) ?? { forks: [] };
    this.cells.set(key, cell);
    return cell;
  }

  private peerCell(peer: SweepPeer, setting: Setting): PeerCell {
    const key = cellKey(peer, setting);
    const cell = this.peerCells.get(key) ?? { forks: [] };
    this.peerCells.set(key, cell);
    return cell;
  }

  /** One fork in one setting. */
  async step(setting: Setting): Promise<void> {
    const { locks, peers, budget, pin, stat, signal } = this.plan;
    const here = budgetIn(setting, budget, this.cores);
    const bound = setting.cpus <= pin.length ? pin : [];
    const due = locks.filter(
      (lock) =>
        cannot(lock.subject.lock, setting.cpus) === undefined &&
        !this.broken.has(lock.name) &&
        this.cell(lock, setting).problem === undefined,
    );
    for (const some of chunks(due, Math.max(1, Math.floor(MOST_THREADS / setting.cpus)))) {
      const order = {
        subjects: some.map(({ name, subject: { lock, url } }) => ({
          name: lock.name,
          ...(url === undefined ? {} : { url }),
          ...(stat === undefined ? {} : { stat: join(stat, statFileOf(name)) }),
        })),
        setting,
        budget: here,
        pin: bound,
      };
      await runFork(order, (at, answer) => this.heard(some[at]!, setting, answer), signal);
    }
    for (const peer of peers) {
      const cell = this.peerCell(peer, setting);
      if (this.broken.has(peer.name) || cell.problem !== undefined || peer.cannot(setting) !== undefined)
        continue;
      signal?.throwIfAborted();
      try {
        const { warmup, rounds, window } = here;
        cell.forks.push(
          await peer.measure(setting, { warmup, rounds, window, every: PEER_EVERY, pin: bound, signal }),
        );
      } catch (error) {
        signal?.throwIfAborted();
        const { message, code } = error as Error & { code?: string };
        const [text = ''] = message.split('\n');
        if (code === 'ECOUNTER') this.broken.set(peer.name, text);
        cell.problem = text;
      }
    }
  }

  private heard(lock: Swept, setting: Setting, answer: ForkAnswer): void {
    if ('figures' in answer) this.cell(lock, setting).forks.push(answer.figures);
    else if (answer.problem.kind === 'broken') this.broken.set(lock.name, answer.problem.text);
    else this.cell(lock, setting).problem = answer.problem;
  }

  /** What went wrong on the way. */
  get problems(): SweepProblems {
    const of = (kind: ForkProblem['kind']): boolean =>
      [...this.cells.values()].some(({ problem }) => problem?.kind === kind);
    return {
      stalled: of('stalled'),
      failed: of('failed'),
      broken: this.plan.locks.some(({ name, peer }) => peer === undefined && this.broken.has(name)),
      told: this.plan.locks.flatMap((lock) => this.wrongWith(lock) ?? []),
    };
  }

  /** What went wrong with a lock, the first of it if there is more. */
  private wrongWith(lock: Swept): string | undefined {
    const { settings } = this.plan;
    const broken = this.broken.get(lock.name);
    // Who let two in is named there.
    if (broken !== undefined) return lock.peer === undefined ? broken : undefined;
    const found = settings.flatMap((setting) => this.cells.get(cellKey(lock, setting))?.problem ?? []);
    const times = found.length > 1 ? ` (${found.length} of ${settings.length} settings failed)` : '';
    return found[0] && `${lock.name}: ${found[0].text}${times}`;
  }

  /** The points of what is known so far. */
  points(): SweepPoint[] {
    const { settings, locks, peers } = this.plan;
    return settings.flatMap((setting) => [
      ...locks.flatMap((lock) => this.point(lock, setting) ?? []),
      ...peers.flatMap((peer) => this.peerPoint(peer, setting) ?? []),
    ]);
  }

  private point(lock: Swept, setting: Setting): SweepPoint | undefined {
    const { name, peer, subject } = lock;
    const known = { lock: name, ...(peer ? { peer } : {}), ...setting };
    const broken = this.broken.get(name);
    if (broken !== undefined) return { ...known, skipped: broken, violation: true };
    const reason = cannot(subject.lock, setting.cpus);
    if (reason !== undefined) return { ...known, skipped: reason };
    const { forks, problem } = this.cell(lock, setting);
    const marked =
      problem === undefined
        ? {}
        : problem.kind === 'stalled'
          ? { stalled: problem.text }
          : { skipped: problem.text };
    if (forks.length > 0) return { ...pointOf(name, setting, forks, peer), ...marked };
    return problem === undefined ? undefined : { ...known, ...marked };
  }

  private peerPoint(peer: SweepPeer, setting: Setting): SweepPoint | undefined {
    const { name, kind, version } = peer;
    const known = { lock: name, peer: { kind, version }, ...setting };
    const broken = this.broken.get(name);
    if (broken !== undefined) return { ...known, skipped: broken, violation: true };
    const { forks, problem } = this.peerCell(peer, setting);
    const reason = peer.cannot(setting) ?? problem;
    if (forks.length > 0)
      return {
        ...peerPoint(name, { kind, version }, setting, forks),
        ...(reason ? { skipped: reason } : {}),
      };
    return reason === undefined ? undefined : { ...known, skipped: reason };
  }
}

/** What went wrong in a sweep: some lock stalled, failed in another way, or let two in. What is wrong with peers is told, and is nobody's failure here. */
export interface SweepProblems {
  readonly stalled: boolean;
  readonly failed: boolean;
  readonly broken: boolean;
  /** A sentence for each lock that did. */
  readonly told: readonly string[];
}

/** What a sweep found. */
export interface Sweeped {
  readonly points: readonly SweepPoint[];
  /** Whether all forks came to their end: not, where the signal ended it. */
  readonly complete: boolean;
  readonly problems: SweepProblems;
}

/**
 * Sweeps.
 * @param cores that the run may use
 */
export async function sweep(plan: SweepPlan, cores: number): Promise<Sweeped> {
  const { settings, forks, signal, onProgress, onPoints } = plan;
  const running = new Sweep(plan, cores);
  const end = (complete: boolean): Sweeped => ({
    points: running.points(),
    complete,
    problems: running.problems,
  });
  for (let fork = 0; fork < forks; fork += 1) {
    for (const [at, setting] of settings.entries()) {
      if (signal?.aborted) return end(false);
      const behind = (fork * settings.length + at) / (forks * settings.length);
      onProgress?.(`fork ${fork + 1} of ${forks}, setting ${at + 1} of ${settings.length}`, behind);
      try {
        await running.step(setting);
      } catch (error) {
        if (!signal?.aborted) throw error;
        return end(false);
      }
      onPoints?.(running.points());
    }
  }
  return end(true);
}
