/**
 * Contestants take turns: A B C A B C …, one block each, so that whatever drifts (clock, heat, neighbours)
 * drifts under all of them.
 *
 * tinybench runs the blocks and keeps the statistics: each contestant is a task whose function answers what
 * its own clock measured (`overriddenDuration`). For tinybench the tasks run concurrently; a ring lets one of
 * them run at a time, in the order in which they were added. tinybench sorts its samples, so they are kept
 * here in the order in which they were taken, for the pairs.
 */
import { Bench } from 'tinybench';

/** Somebody who can be measured, a block at a time. */
export interface Contestant {
  readonly name: string;
  /** Measures one block. @returns nanoseconds a round */
  block(): Promise<number>;
}

/** Lets one task at a time pass, in a fixed order. After a failure everybody passes, and meets `failure`. */
class Ring {
  private readonly waiting = new Map<number, () => void>();
  private readonly size: number;
  private turn = 0;
  failure: unknown;

  constructor(size: number) {
    this.size = size;
  }

  async enter(place: number): Promise<void> {
    if (this.failure === undefined && this.turn !== place)
      await new Promise<void>((resolve) => this.waiting.set(place, resolve));
    if (this.failure !== undefined) throw this.failure;
  }

  leave(): void {
    this.turn = (this.turn + 1) % this.size;
    const next = this.waiting.get(this.turn);
    this.waiting.delete(this.turn);
    next?.();
  }

  fail(error: unknown): void {
    this.failure ??= error;
    for (const pass of this.waiting.values()) pass();
    this.waiting.clear();
  }
}

/**
 * Measures `rounds` blocks of each contestant, in turn.
 * @returns nanoseconds a round by contestant, in the order in which they were taken: element i of each
 * belongs to round i
 * @throws what a block throws, after which no further block begins; the signal's reason once it is aborted
 */
export async function takeTurns(
  contestants: readonly Contestant[],
  rounds: number,
  signal?: AbortSignal,
): Promise<Map<string, number[]>> {
  const ring = new Ring(contestants.length);
  const samples = new Map<string, number[]>();
  const bench = new Bench({
    concurrency: 'bench',
    iterations: rounds,
    time: 0,
    warmup: false,
    throws: true,
  });
  contestants.forEach(({ name, block }, place) => {
    const mine: number[] = [];
    samples.set(name, mine);
    const task = async (): Promise<{ overriddenDuration: number; overriddenIterationCost: number }> => {
      await ring.enter(place);
      try {
        signal?.throwIfAborted();
        const began = performance.now();
        const nanoseconds = await block();
        mine.push(nanoseconds);
        return {
          overriddenDuration: nanoseconds / 1e6,
          overriddenIterationCost: performance.now() - began,
        };
      } catch (error) {
        ring.fail(error);
        throw error;
      } finally {
        ring.leave();
      }
    };
    bench.add(name, task, { async: true });
  });
  await bench.run();
  return samples;
}
