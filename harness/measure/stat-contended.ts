/**
 * Contentions of one CPU: how many, after whom, and how long it waited.
 *
 * Who had a lock last is in a word that all CPUs share (`locks`, stat-area.ts). Where a lock passes from one CPU to the next, that word would travel with it, and a
 * hand-off would wait for one more cache line. So a CPU that has waited for a lock {@link IN_A_ROW} times, one acquisition after the other, after another CPU each time, says in
 * the word that the lock is passed on. From then on nobody writes it but
 *
 *   who has it without having waited    its name: it may have had it before, and counts one bounce too many at most. When it finds its own name it has had it last
 *   who times how long it holds it      its name, for who comes next
 *   who waits, and finds a name         that it is passed on: the name is that of who had it before
 *
 * So a name stays there only as long as nobody has waited since: two acquisitions without waiting, one after the other, by one CPU, and it is passed on no longer.
 *
 * Who has waited for a lock that is passed on has others wait for it: it counts that in one word of its own, which whoever reads adds, and puts it where the rest is
 * counted when there is more to note. After whom it then waited is known where there are two CPUs; of more, the names say it, and those
 * without are taken to be as the next one that is known.
 */
import { clock } from './clock.ts';
import { record } from './histogram.ts';
import {
  ClassField,
  HotField,
  LAST_SEEN,
  MATRIX,
  MATRIX_COLUMNS,
  PASSED_ON,
  SEEN,
  type StatArea,
  WAIT,
} from './stat-area.ts';
import type { Waiting } from './stat-waiting.ts';

/** Acquisitions in a row that had to wait. */
const IN_A_ROW = 4;

/** The contentions of a CPU. */
export interface Contentions {
  /** Counts one. @param owner what the word said of who had the lock before */
  count(at: number, owner: number): void;
  /** Counts what was left for later. @param line where the class lies in `hot` */
  settle(at: number, line: number): void;
  /**
   * What the word is to say after an exclusive acquisition.
   * @param left what is left to count of its class, one less from acquisition to acquisition; 0 or less: it is timed
   */
  next(lock: number, left: number, owner: number): number;
}

/** The CPU, plus 1, that a word names; 0: none. */
const named = (owner: number): number => (owner < SEEN ? owner : owner === PASSED_ON ? 0 : owner - SEEN);

/** Whether an acquisition is of a lock that another CPU had last. */
export const isBounce = (owner: number, me: number): boolean =>
  owner === PASSED_ON || (named(owner) !== 0 && named(owner) !== me);

/**
 * Makes them.
 * @param me the CPU, plus 1
 * @param cost nanoseconds of a look at the clock
 * @param waited counts a place of a wait
 */
export function contentionsOf(
  area: StatArea,
  me: number,
  { state, cost, waited }: { state: Waiting; cost: number; waited: (offset: number, place: number) => void },
): Contentions {
  const { numbers, handle } = area;
  const hot = area.hotOf(me - 1);
  const block = area.block(me - 1);
  const columns = Math.min(handle.cpus, MATRIX_COLUMNS - 1);
  /** Contentions of which it is not known after whom they were, and of what. */
  let unknown = 0;
  let unknownOf = 0;
  /** How often in a row it has waited after another CPU, for which lock, and what was left to count then. */
  let row = 0;
  let rowOf = 0;
  let rowLeft = 0;

  const column = (owner: number): number =>
    MATRIX + (owner === 0 || owner === me || owner > columns ? columns : owner - 1);

  /** @param other who had it before, plus 1; 0: not known */
  function after(at: number, other: number, times = 1): void {
    if (unknownOf !== at) unknown = 0;
    unknownOf = at;
    if (other === 0) {
      unknown += times;
      numbers[at + MATRIX + columns]! += times;
      return;
    }
    numbers[at + MATRIX + columns]! -= unknown;
    numbers[at + column(other)]! += unknown + times;
    unknown = 0;
  }

  function count(at: number, owner: number): void {
    const all = numbers[at + ClassField.contentions]! + 1;
    numbers[at + ClassField.contentions] = all;
    if (isBounce(owner, me)) numbers[at + ClassField.contentionBounces]! += 1;
    if (owner < SEEN || named(owner) === me) numbers[at + column(named(owner))]! += 1;
    else after(at, handle.cpus === 2 ? 3 - me : named(owner));
    const { since, long, place } = state;
    if (long) numbers[at + ClassField.long]! += 1;
    if (since === 0) return;
    let weight = 1;
    if (!long) {
      const short = all - numbers[at + ClassField.long]!;
      weight = short - numbers[at + ClassField.short]!;
      numbers[at + ClassField.short] = short;
    }
    record(numbers, at + WAIT, Math.max(0, clock() - since - cost), weight);
    if (place >= 0) waited(at - block, place);
  }

  return {
    count,
    settle(at, line) {
      const times = hot[line + HotField.passed]!;
      if (times === 0) return;
      hot[line + HotField.passed] = 0;
      numbers[at + ClassField.contentions]! += times;
      numbers[at + ClassField.acquisitionBounces]! += times;
      numbers[at + ClassField.contentionBounces]! += times;
      after(at, handle.cpus === 2 ? 3 - me : 0, times);
    },
    next(lock, left, owner) {
      const name = left <= 0 && me <= LAST_SEEN ? SEEN + me : PASSED_ON;
      if (owner >= SEEN) {
        if (state.waited) return name;
        return named(owner) === me || me > LAST_SEEN ? me : SEEN + me;
      }
      if (!state.waited || owner === me || owner === 0) return me;
      row = lock === rowOf && left === rowLeft - 1 ? row + 1 : 1;
      rowOf = lock;
      rowLeft = left;
      return row >= IN_A_ROW ? name : me;
    },
  };
}
