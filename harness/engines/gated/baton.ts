/**
 * The baton: hands the turn from one CPU to another.
 *
 *   go       counts how often a CPU was given the turn; written by whoever gives it, plainly seen to have changed by the CPU that waits
 *   parked   1 while that CPU is asleep, or about to be
 *
 * Passing is a sequentially consistent store to `go` and then a load of `parked`; parking is a store to `parked` and then a comparison of `go`, which
 * `Atomics.wait` repeats under the lock of its waiters. So of the two CPUs at least one sees what the other has written (Dekker's pattern): the waiter does
 * not fall asleep, or it is woken. The store to `go` and the load that sees it are what orders the two CPUs: all that was written by the one
 * before, in both memories, is seen by the other after.
 *
 * A CPU that has a core to itself looks at `go` for longer than being woken takes, in a loop of nothing but atomic loads, which the compiler turns into
 * moves: a hand-off then costs two transfers of a cache line, and no call. One that has none goes to sleep at once.
 */
import { type GateArea, LINE_BYTES, Line } from './layout.ts';

/** Looks before a CPU parks; about as long as it takes to be woken. */
const LOOKS = 40_000;

/** The baton as one CPU sees it. */
export class Baton {
  private readonly w: Int32Array<SharedArrayBuffer>;
  private readonly first: number;
  private readonly go: number;
  private readonly parked: number;
  private readonly looks: number;
  private seen = 0;

  /** @param spins whether every CPU has a core to itself */
  constructor(w: Int32Array<SharedArrayBuffer>, area: GateArea, id: number, spins: boolean) {
    this.w = w;
    this.first = (area.lines + Line.go) >>> 2;
    this.go = this.first + (id * LINE_BYTES) / 4;
    this.parked = this.go + ((Line.parked - Line.go) >>> 2);
    this.looks = spins ? LOOKS : 1;
  }

  /** Gives the turn to another CPU; this one has nothing to do with the shared words from here on. */
  pass(cpu: number): void {
    const { w } = this;
    const go = this.first + (cpu * LINE_BYTES) / 4;
    Atomics.store(w, go, (w[go]! + 1) | 0);
    if (Atomics.load(w, go + ((Line.parked - Line.go) >>> 2)) !== 0) Atomics.notify(w, go, 1);
  }

  /** Waits for the turn. */
  await(): void {
    const { w, go, seen } = this;
    for (let look = this.looks; look > 0; look -= 1)
      if (Atomics.load(w, go) !== seen) {
        this.seen = (seen + 1) | 0;
        return;
      }
    Atomics.store(w, this.parked, 1);
    while (Atomics.load(w, go) === seen) Atomics.wait(w, go, seen);
    Atomics.store(w, this.parked, 0);
    this.seen = (seen + 1) | 0;
  }
}
