/**
 * Contentions of one CPU: how many, after whom, and how long it waited.
 *
 * Who had a lock last is in a word that all CPUs share (`locks`, stat-area.ts). Where a lock passes from one CPU to the next, that word would travel with it, and a
 * hand-off would take twice as long. So a CPU that has waited for a lock {@link IN_A_ROW} times, one acquisition after the other, says in the word that the lock is
 * passed on; from then on nobody writes it, and every acquisition counts as one where another CPU had the lock last, until a CPU has had it so often in a row
 * without waiting. What is counted too much by that is at most one bounce for each of those, at the end of a time in which it was passed on.
 *
 * Who has waited for a lock that is passed on counts that when it waits the next time: until then others may wait for it. What is left to count is in the word `passed`,
 * and whoever reads adds it.
 *
 * After whom it then waited is known where there are two CPUs; of more, those waits that are timed find out, and are taken to be as the ones before them.
 */
import { clock } from './clock.ts';
import { record } from './histogram.ts';
import { Asked, ClassField, MATRIX, MATRIX_COLUMNS, PASSED_ON, type StatArea, WAIT } from './stat-area.ts';
import type { Waiting } from './stat-waiting.ts';

/** Acquisitions in a row of which all, or none, had to wait. */
const IN_A_ROW = 4;

/** The contentions of a CPU. */
export interface Contentions {
  /** Counts one. @param owner who had the lock before, plus 1, or {@link PASSED_ON} */
  count(at: number, owner: number): void;
  /** Counts what was left for later. */
  settle(): void;
  /**
   * What the word is to say after an acquisition: this CPU, or {@link PASSED_ON}.
   * @param left what is left to count of its class, one less from acquisition to acquisition
   */
  next(lock: number, left: number, owner: number): number;
}

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
  const { numbers, control, handle } = area;
  const block = area.block(me - 1);
  const passed = area.asked(me - 1, Asked.passed);
  const columns = Math.min(handle.cpus, MATRIX_COLUMNS - 1);
  /** Contentions of which it is not known after whom they were, and of what. */
  let unknown = 0;
  let unknownOf = 0;
  /** How often in a row the word was not as it would be now, of which lock, and what was left to count then. */
  let row = 0;
  let rowOf = 0;
  let rowLeft = 0;

  const column = (owner: number): number =>
    MATRIX + (owner === 0 || owner === me || owner > columns ? columns : owner - 1);

  function afterSomebody(at: number): void {
    if (unknownOf !== at) unknown = 0;
    unknownOf = at;
    const other = handle.cpus === 2 ? 3 - me : state.owner;
    if (other === 0 || other === me) {
      unknown += 1;
      numbers[at + MATRIX + columns]! += 1;
      return;
    }
    numbers[at + MATRIX + columns]! -= unknown;
    numbers[at + column(other)]! += unknown + 1;
    unknown = 0;
  }

  function count(at: number, owner: number): void {
    const all = numbers[at + ClassField.contentions]! + 1;
    numbers[at + ClassField.contentions] = all;
    if (owner !== me) numbers[at + ClassField.contentionBounces]! += 1;
    if (owner === PASSED_ON) afterSomebody(at);
    else numbers[at + column(owner)]! += 1;
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
    settle() {
      const line = control[passed]!;
      if (line === 0) return;
      control[passed] = 0;
      const at = block + area.offsetOfLine(line);
      count(at, PASSED_ON);
      numbers[at + ClassField.acquisitionBounces]! += 1;
    },
    next(lock, left, owner) {
      if (state.waited === (owner === PASSED_ON)) {
        row = 0;
        return owner === PASSED_ON ? owner : me;
      }
      row = lock === rowOf && left === rowLeft - 1 ? row + 1 : 1;
      rowOf = lock;
      rowLeft = left;
      return row >= IN_A_ROW === state.waited ? PASSED_ON : me;
    },
  };
}
