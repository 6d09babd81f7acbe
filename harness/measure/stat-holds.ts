/**
 * Holds that are being timed on one CPU: begun at an acquisition that was chosen, ended where the lock is given up. In a window in which every acquisition is
 * timed they become spans.
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

/** The holds of one CPU. */
export class HoldsInProgress {
  /** What a time is too long by. */
  readonly cost: number;
  private readonly area: StatArea;
  private readonly cpu: number;
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

  /** Ends the latest of a lock, if it was begun. @param keep whether it becomes a span */
  end(lock: Addr, at: number, keep: boolean): void {
    const { open, area } = this;
    for (let entry = this.count - 1; entry >= 0; entry -= 1) {
      const place = FIELDS * entry;
      if (open[place + LOCK] !== lock || open[place + AT] !== at) continue;
      const now = clock();
      const had = open[place + HAD]!;
      record(area.numbers, at + HOLD, Math.max(0, now - had - this.cost), open[place + WEIGHT]!);
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
