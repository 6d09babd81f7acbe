/**
 * Holds that are being timed on one CPU: begun at an acquisition that was chosen, ended where the lock is given up. In a window in which every acquisition is
 * timed they become spans.
 *
 * Looking at the clock makes a hold longer, and so more likely to be the one in which its thread loses its core, or which a garbage collection falls into: of short holds
 * several times as likely. A sample that lasts much longer than usual therefore stands for as many less.
 */
import type { Addr } from '../../src/arch/index.ts';
import { clock, clockCost } from './clock.ts';
import { record } from './histogram.ts';
import { BlockField, HOLD, type StatArea } from './stat-area.ts';

const LOCK = 0;
const AT = 1;
const WANTED = 2;
const HAD = 3;
const WEIGHT = 4;
/** Numbers of a hold. */
const FIELDS = 5;
const MOST = 32;
/** Nanoseconds from which on a hold that lasts so many times as long as usual is taken for disturbed. */
const DISTURBED = 50_000;
const MUCH = 16;
/** What timing adds to a hold, in looks at the clock: a part of two, and the way to them, which is seldom taken. */
const EXTRA = 2;

/** The holds of one CPU. */
export class HoldsInProgress {
  /** What a time is too long by. */
  readonly cost: number;
  private readonly area: StatArea;
  private readonly cpu: number;
  /** How long holds of a class and mode last that nothing disturbs. */
  private readonly usual = new Map<number, number>();
  private readonly open = new Float64Array(FIELDS * MOST);
  private count = 0;

  constructor(area: StatArea, cpu: number) {
    this.area = area;
    this.cpu = cpu;
    this.cost = clockCost();
  }

  /** Whether there are any. */
  get some(): boolean {
    return this.count > 0;
  }

  /**
   * Begins one; nothing comes after it but the hold.
   * @param at its class and mode
   * @param weight acquisitions that it stands for
   * @param wanted since when it was waited for; 0: not at all
   */
  begin(lock: Addr, at: number, weight: number, wanted: number): void {
    const { open } = this;
    if (this.count === MOST) {
      // Of locks that others give up, as semaphores: the oldest is the least likely to be given up here.
      open.copyWithin(0, FIELDS);
      this.count -= 1;
    }
    const place = FIELDS * this.count;
    this.count += 1;
    open[place + LOCK] = lock;
    open[place + AT] = at;
    open[place + WEIGHT] = weight;
    open[place + WANTED] = wanted;
    open[place + HAD] = clock();
  }

  /** For how many a hold stands that took so long. */
  private weigh(at: number, took: number, weight: number): number {
    const usual = this.usual.get(at) ?? Math.min(took, DISTURBED);
    if (took < DISTURBED || took < MUCH * usual) {
      this.usual.set(at, usual + (took - usual) / MUCH);
      return weight;
    }
    return Math.max(1, (weight * usual) / (usual + EXTRA * this.cost));
  }

  /** Ends the latest of a lock, if it was begun. @param keep whether it becomes a span */
  end(lock: Addr, at: number, now: number, keep: boolean): void {
    const { open, area } = this;
    for (let entry = this.count - 1; entry >= 0; entry -= 1) {
      const place = FIELDS * entry;
      if (open[place + LOCK] !== lock || open[place + AT] !== at) continue;
      const had = open[place + HAD]!;
      const took = Math.max(0, now - had - this.cost);
      record(area.numbers, at + HOLD, took, this.weigh(at, took, open[place + WEIGHT]!));
      if (keep) this.span([at - area.block(this.cpu), lock, open[place + WANTED]! || had, had, now]);
      this.count -= 1;
      open.copyWithin(place, place + FIELDS, FIELDS * (this.count + 1));
      return;
    }
  }

  private span(numbers: readonly number[]): void {
    const { area, cpu } = this;
    const block = area.block(cpu);
    const count = area.numbers[block + BlockField.spans]!;
    if (count >= area.handle.spans) {
      area.numbers[block + BlockField.lost]! += 1;
      return;
    }
    area.numbers.set(numbers, area.span(cpu, count));
    area.numbers[block + BlockField.spans] = count + 1;
  }
}
