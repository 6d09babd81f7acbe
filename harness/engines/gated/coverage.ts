/**
 * How much of what can happen has happened: distinct interleavings, and an estimate of how many there are.
 *
 * Two executions are the same interleaving if their conflicting accesses came in the same order (Mazurkiewicz 1977): which write each read has seen, and
 * which write each write came after. What else was reordered nobody could have noticed. So an execution's interleaving is summed up as a number: for
 * each access of a CPU to a word that another CPU wrote last, that write, the access and its place in its CPU. The sum does not depend on the order
 * of its terms, just as the interleaving does not depend on the order of accesses that do not conflict. Different interleavings may come to the same number,
 * about once in 2^30 pairs. What each CPU did enters the number, too, for its random draws may lead it elsewhere.
 *
 * What is left: of n executions, f1 brought an interleaving that came only once, so the next brings a new one with probability f1/n (Good 1953). How
 * many there are in all is at least what was seen and f1²/2·f2 more, where f2 came twice (Chao 1984): both are estimates of what this search would find,
 * if it went on as it did, not of what is possible.
 */
import { type GateArea, Head, LINE_BYTES, Line } from './layout.ts';

/** What a search has covered. */
export interface Coverage {
  /** Executions that were looked at. */
  readonly executions: number;
  /** Distinct interleavings among them. */
  readonly interleavings: number;
  /** Those that came once, and twice. */
  readonly once: number;
  readonly twice: number;
  /** Executions since the last new one. */
  readonly since: number;
  /** Executions that were not looked at since there was no more room. */
  readonly uncounted: number;
}

/** Probability that the next execution is a new interleaving. */
export function unseen({ executions, once }: Coverage): number {
  return executions === 0 ? 1 : once / executions;
}

/** How many interleavings this search would find if it went on for long; at least. */
export function richness({ interleavings, once, twice }: Coverage): number {
  return interleavings + Math.round((once * Math.max(0, once - 1)) / (2 * (twice + 1)));
}

const CPU_SHIFT = 24;
const NUMBER = (1 << CPU_SHIFT) - 1;
/** How often an interleaving came, in the two lowest bits of its entry: 1, 2, or 3 and more. */
const TIMES = 3;

/** The coverage of one gate, as the CPU that holds the turn sees it. */
export class Cover {
  private readonly w: Int32Array;
  private readonly area: GateArea;
  private readonly touched: number;
  private readonly sum: number;
  private readonly cpus: number;

  constructor(w: Int32Array, area: GateArea, cpus: number) {
    this.cpus = cpus;
    this.w = w;
    this.area = area;
    this.touched = area.touched >>> 2;
    this.sum = (area.head + Head.orderHash) >>> 2;
  }

  private edge(write: number, index: number, cpu: number, place: number): void {
    let z =
      Math.imul(write ^ (index << 13), 0x9e3779b1) ^
      Math.imul((cpu << CPU_SHIFT) | (place & NUMBER), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 15), 0x2c1b3c6d);
    const { w, sum } = this;
    w[sum] = (w[sum]! + (z ^ (z >>> 13))) | 0;
  }

  /** A CPU reads a word; `place` counts its reads. */
  read(cpu: number, index: number, place: number): void {
    const write = this.w[this.touched + index]!;
    if (write !== 0 && write >>> CPU_SHIFT !== cpu + 1) this.edge(write, index, cpu, place);
  }

  /** A store of a CPU reaches a word. */
  wrote(cpu: number, index: number): void {
    const { w } = this;
    const at = this.touched + index;
    const count = (this.area.lines + cpu * LINE_BYTES + Line.stores) >>> 2;
    const number = w[count]! + 1;
    w[count] = number;
    const write = w[at]!;
    if (write !== 0 && write >>> CPU_SHIFT !== cpu + 1) this.edge(write, index, cpu, number);
    w[at] = ((cpu + 1) << CPU_SHIFT) | (number & NUMBER);
  }

  private add(word: number, by: number): void {
    this.w[(this.area.head + word) >>> 2]! += by;
  }

  /** An execution under this memory model has ended. */
  count(model: number): void {
    const { w, area } = this;
    let key = Math.imul(w[this.sum]! ^ (model << 29), 0x9e3779b1);
    for (let cpu = 0; cpu < this.cpus; cpu += 1)
      key = Math.imul(key ^ w[(area.lines + cpu * LINE_BYTES + Line.hash) >>> 2]!, 0x85ebca6b) ^ (key >>> 15);
    key = (key ^ (key >>> 16)) & ~TIMES;
    if (key === 0) key = TIMES + 1;
    const mask = area.maxCoverage - 1;
    const first = area.coverage >>> 2;
    const seen = w[(area.head + Head.covered) >>> 2]! + 1;
    for (let at = (key >>> 2) & mask, tries = 0; tries < 64; at = (at + 1) & mask, tries += 1) {
      const entry = w[first + at]!;
      if (entry === 0) {
        w[first + at] = key | 1;
        this.add(Head.covered, 1);
        this.add(Head.orders, 1);
        this.add(Head.once, 1);
        w[(area.head + Head.newest) >>> 2] = seen;
        return;
      }
      if ((entry & ~TIMES) !== key) continue;
      this.add(Head.covered, 1);
      const times = entry & TIMES;
      if (times === 1) {
        this.add(Head.once, -1);
        this.add(Head.twice, 1);
      } else if (times === 2) this.add(Head.twice, -1);
      if (times < TIMES) w[first + at] = entry + 1;
      return;
    }
    this.add(Head.uncounted, 1);
  }

  /** What was covered since the gate was made. */
  result(): Coverage {
    const get = (word: number): number => this.w[(this.area.head + word) >>> 2]!;
    const executions = get(Head.covered);
    return {
      executions,
      interleavings: get(Head.orders),
      once: get(Head.once),
      twice: get(Head.twice),
      since: executions - get(Head.newest),
      uncounted: get(Head.uncounted),
    };
  }
}
