/**
 * Store buffers: memory models weaker than sequential consistency, for a machine that is stronger.
 *
 *   tso    A CPU's plain and relaxed stores, and its releases, wait in one queue and reach memory in order. Loads look in the own queue first.
 *          What x86 does (Owens, Sarkar and Sewell 2009).
 *   weak   A store waits until nothing of its own CPU is in its way: an earlier store to the same word, an earlier one before a `wmb`; for a
 *          release, any earlier one. And a plain or relaxed load may return any value that the word has held since the CPU last said that
 *          its loads are in order (`rmb`, `mb`, an acquire), but none older than one it has read or written there itself.
 *
 * Sequentially consistent stores and read-modify-writes drain the own buffer first. A `load` does not: the machine lets it pass earlier stores, too.
 * When a store drains is a transition of its own, which the policy chooses.
 *
 * A weak load that depends on another by its address is ordered after it on every machine but the Alpha. The engine cannot see dependencies;
 * `isa.consumed`, which `rcuDereference` calls, stands for them.
 *
 * Not modelled: a load that takes effect after a later store of its own CPU (load buffering), and read-modify-writes weaker than full.
 */
import type { MemoryModel } from '../../../src/scenario.ts';
import type { Gate } from './gate.ts';
import { BUFFER_STORES, BUFFER_WORDS, HEURISTICS, Head, HISTORY_WORDS, Line } from './layout.ts';
import type { Memory } from './memory.ts';
import { DRAIN, transition } from './policy.ts';

/** The memory models by strength. */
export const MODELS = ['sc', 'tso', 'weak'] as const satisfies readonly MemoryModel[];

const RELEASE = 1;
const EPOCH = 2;

/** The buffers of all CPUs, as the CPU that holds the turn sees them. */
export class Buffers {
  /** Index of the model in {@link MODELS}. */
  weakness = 0;
  memory: Memory | undefined;
  /** Told when a store reaches memory. */
  drained: (cpu: number, addr: number, value: number, before: number) => void = () => {};
  private readonly gate: Gate;
  private readonly first: number;
  private readonly history: number;

  constructor(gate: Gate) {
    this.gate = gate;
    this.first = gate.area.buffers >>> 2;
    this.history = gate.area.history >>> 2;
  }

  /** Address of a store in a CPU's buffer. */
  addrOf(cpu: number, at: number): number {
    return this.gate.w[this.entry(cpu, at)]!;
  }

  private entry(cpu: number, at: number): number {
    return this.first + (cpu * BUFFER_STORES + at) * BUFFER_WORDS;
  }

  private lineWord(cpu: number, field: number): number {
    return this.gate.line(cpu) + (field >>> 2);
  }

  /** What a CPU sees in a word, its own buffer first. */
  seen(cpu: number, addr: number): number {
    const { w, machine } = this.gate;
    if (this.weakness > 0) {
      for (let at = this.gate.buffered(cpu) - 1; at >= 0; at -= 1) {
        const entry = this.entry(cpu, at);
        if (w[entry] === addr) return w[entry + 1]!;
      }
    }
    return machine[addr >>> 2]!;
  }

  private forwards(cpu: number, addr: number): boolean {
    for (let at = this.gate.buffered(cpu) - 1; at >= 0; at -= 1)
      if (this.gate.w[this.entry(cpu, at)] === addr) return true;
    return false;
  }

  /** A CPU stores. */
  put(cpu: number, addr: number, value: number, release: boolean): void {
    const { w } = this.gate;
    if (this.gate.buffered(cpu) === BUFFER_STORES) {
      this.gate.relied(HEURISTICS.full);
      this.drain(cpu, 0);
    }
    const count = this.gate.buffered(cpu);
    const entry = this.entry(cpu, count);
    w[entry] = addr;
    w[entry + 1] = value;
    w[entry + 2] = w[this.lineWord(cpu, Line.epoch)]! * EPOCH + (release ? RELEASE : 0);
    w[this.lineWord(cpu, Line.buffered)] = count + 1;
  }

  /** `wmb`: later stores stay behind earlier ones. */
  orderStores(cpu: number): void {
    this.gate.w[this.lineWord(cpu, Line.epoch)]! += 1;
  }

  /** `rmb`, or an acquire: later loads read nothing older than what is there now. */
  orderLoads(cpu: number): void {
    this.gate.w[this.lineWord(cpu, Line.floor)] = this.gate.get(Head.history);
  }

  /** Whether the store at this place may reach memory now. */
  private ready(cpu: number, place: number): boolean {
    if (place === 0) return true;
    if (this.weakness === 1) return false;
    const { w } = this.gate;
    const entry = this.entry(cpu, place);
    if ((w[entry + 2]! & RELEASE) !== 0) return false;
    const epoch = w[entry + 2]! >>> 1;
    for (let at = 0; at < place; at += 1) {
      const other = this.entry(cpu, at);
      if (w[other] === w[entry] || w[other + 2]! >>> 1 < epoch) return false;
    }
    return true;
  }

  /** Lists the stores that may reach memory. */
  collect(enabled: Int32Array, count: number): number {
    let at = count;
    for (let cpu = 0; cpu < this.gate.cpus; cpu += 1) {
      const stores = this.gate.buffered(cpu);
      for (let place = 0; place < stores; place += 1)
        if (this.ready(cpu, place)) enabled[at++] = transition(DRAIN, cpu, place);
    }
    return at;
  }

  /** A store reaches memory. */
  drain(cpu: number, place: number): void {
    const { w } = this.gate;
    const entry = this.entry(cpu, place);
    const addr = w[entry]!;
    const value = w[entry + 1]!;
    const count = this.gate.buffered(cpu) - 1;
    w.copyWithin(entry, entry + BUFFER_WORDS, this.entry(cpu, count + 1));
    w[this.lineWord(cpu, Line.buffered)] = count;
    if (this.gate.spinners > 0) this.gate.owe(addr, cpu + 1);
    this.drained(cpu, addr, value, this.commit(cpu, addr, value));
  }

  /** Drains everything of a CPU, in order. */
  flush(cpu: number): void {
    while (this.gate.buffered(cpu) > 0) this.drain(cpu, 0);
  }

  /** A value reaches memory; the one before is kept for loads that may still see it. @returns that */
  commit(cpu: number, addr: number, value: number): number {
    const before = this.memory!.commit(addr >>> 2, value);
    if (this.weakness === 2) {
      const { w, area } = this.gate;
      const time = this.gate.get(Head.history);
      if (time >= area.maxHistory) this.gate.relied(HEURISTICS.forgotten);
      const entry = this.history + (time % area.maxHistory) * HISTORY_WORDS;
      w[entry] = addr;
      w[entry + 1] = before;
      // Who has seen it, or written it, sees nothing older there.
      w[entry + 2] = 1 << cpu;
      this.gate.set(Head.history, time + 1);
    }
    return before;
  }

  /** A relaxed load of the weak model. */
  relaxed(cpu: number, addr: number): number {
    if (this.forwards(cpu, addr)) return this.seen(cpu, addr);
    const { w, area, machine } = this.gate;
    const now = this.gate.get(Head.history);
    const floor = Math.max(w[this.lineWord(cpu, Line.floor)]!, now - area.maxHistory, 0);
    // The values from the latest back to the first that it must not go behind.
    let older = 0;
    for (let time = now - 1; time >= floor; time -= 1) {
      const entry = this.history + (time % area.maxHistory) * HISTORY_WORDS;
      if (w[entry] !== addr) continue;
      if ((w[entry + 2]! & (1 << cpu)) !== 0) break;
      older += 1;
    }
    const back = older === 0 ? 0 : this.gate.stale(older);
    let left = back;
    for (let time = now - 1; time >= 0 && time >= now - area.maxHistory; time -= 1) {
      const entry = this.history + (time % area.maxHistory) * HISTORY_WORDS;
      if (w[entry] !== addr) continue;
      if (left === 0) {
        w[entry + 2]! |= 1 << cpu;
        break;
      }
      left -= 1;
      if (left === 0) {
        const value = w[entry + 1]!;
        // It has read what stood before this write: mark the write before that, the one it saw.
        for (let earlier = time - 1; earlier >= 0 && earlier >= now - area.maxHistory; earlier -= 1) {
          const at = this.history + (earlier % area.maxHistory) * HISTORY_WORDS;
          if (w[at] !== addr) continue;
          w[at + 2]! |= 1 << cpu;
          break;
        }
        return value;
      }
    }
    return machine[addr >>> 2]!;
  }
}
