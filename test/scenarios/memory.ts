/**
 * Memory of an explored execution, under three models, with the happens-before order of what was done to it.
 *
 * `sc`; `tso`, a first-in-first-out store buffer a CPU; `weak`, where stores of a CPU to different words pass each other unless a release or `wmb` is between them,
 * and a `read` or `readOnce` may answer any value that the word has had since this CPU's last acquire, `rmb` or `mb`.
 *
 * Data races are judged with vector clocks: two accesses of a word by two CPUs, one of them a write and one of them plain, neither before the other. A release leaves its
 * clock with the value, an acquire takes it up, a read-modify-write passes on what it found (release sequences), and barriers do for the marked accesses around them what
 * C11's fences do.
 */
import type { Addr } from '../../src/arch/index.ts';
import type { MemoryModel } from '../../src/scenario.ts';
import { inOrder, type Schedule } from './schedule.ts';

type Clock = number[];

interface Store {
  readonly addr: Addr;
  readonly value: number;
  /** What who reads it with acquire knows; undefined for plain stores. */
  readonly clock: Clock | undefined;
  /** Counts the barriers before it. */
  readonly group: number;
  readonly release: boolean;
}
interface Past {
  readonly time: number;
  readonly value: number;
  readonly clock: Clock | undefined;
}
/** Epochs of each CPU's last accesses of a word, by kind. */
interface Accesses {
  readonly plainRead: Clock;
  readonly plainWrite: Clock;
  readonly markedRead: Clock;
  readonly markedWrite: Clock;
}

/** How strong a store is, and a read-modify-write. */
export type StoreKind = 'plain' | 'once' | 'release' | 'full';
export type Order = '' | 'Acquire' | 'Release' | 'Relaxed';

/** What memory knows of a CPU. */
class View {
  readonly buffer: Store[] = [];
  readonly seen = new Map<Addr, number>();
  readonly clock: Clock;
  group = 0;
  /** Time of the last acquire: older values than those of then are out of reach. */
  since = 0;
  fence: Clock | undefined;
  /** What was read without acquire, for a barrier to take up. */
  pending: Clock | undefined;

  constructor(cpus: number, id: number) {
    this.clock = zeros(cpus);
    this.clock[id] = 1;
  }
}

const zeros = (cpus: number): Clock => new Array<number>(cpus).fill(0);
const join = (to: Clock, from: Clock | undefined): void => {
  if (from) for (let cpu = 0; cpu < to.length; cpu += 1) to[cpu] = Math.max(to[cpu]!, from[cpu]!);
};

export class Memory {
  /** The first data race, in words. */
  race = '';
  /** While it is not 0, races are benign. */
  muted = 0;
  private readonly words: Int32Array;
  private readonly cpus: number;
  private views: View[] = [];
  private model: MemoryModel = 'sc';
  private schedule: Schedule = inOrder([]);
  private time = 0;
  private readonly past = new Map<Addr, Past[]>();
  private readonly known = new Map<Addr, Accesses>();

  constructor(words: Int32Array, cpus: number) {
    this.words = words;
    this.cpus = cpus;
  }

  begin(schedule: Schedule, model: MemoryModel): void {
    this.schedule = schedule;
    this.model = model;
    this.views = Array.from({ length: this.cpus }, (_, id) => new View(this.cpus, id));
    this.past.clear();
    this.known.clear();
    this.time = this.muted = 0;
    this.race = '';
  }

  get(addr: Addr): number {
    return this.words[addr >>> 2]!;
  }

  /** What the CPU would see of a word that it waits for. */
  visible(id: number, addr: Addr): number {
    return this.own(id, addr)?.value ?? this.get(addr);
  }

  private own(id: number, addr: Addr): Store | undefined {
    return this.views[id]!.buffer.findLast((store) => store.addr === addr);
  }

  private judge(id: number, addr: Addr, writes: boolean, plain: boolean): void {
    let found = this.known.get(addr);
    if (!found) {
      const { cpus } = this;
      found = {
        plainRead: zeros(cpus),
        plainWrite: zeros(cpus),
        markedRead: zeros(cpus),
        markedWrite: zeros(cpus),
      };
      this.known.set(addr, found);
    }
    const { clock } = this.views[id]!;
    for (let other = 0; other < this.cpus; other += 1) {
      if (other === id) continue;
      let last = found.plainWrite[other]!;
      if (writes) last = Math.max(last, found.plainRead[other]!);
      if (plain) last = Math.max(last, found.markedWrite[other]!);
      if (plain && writes) last = Math.max(last, found.markedRead[other]!);
      if (last > clock[other]! && this.muted === 0 && this.race === '')
        this.race = `CPU ${id} and CPU ${other} race for the word at ${addr}`;
    }
    clock[id]! += 1;
    const kind = plain ? (writes ? 'plainWrite' : 'plainRead') : writes ? 'markedWrite' : 'markedRead';
    found[kind][id] = clock[id]!;
  }

  private commit(id: number, { addr, value, clock }: Store): void {
    this.time += 1;
    let list = this.past.get(addr);
    if (!list) {
      list = [{ time: 0, value: this.get(addr), clock: undefined }];
      this.past.set(addr, list);
    }
    list.push({ time: this.time, value, clock });
    this.words[addr >>> 2] = value;
    this.views[id]!.seen.set(addr, this.time);
  }

  private drainable({ buffer }: View): number[] {
    if (this.model === 'tso') return buffer.length > 0 ? [0] : [];
    return buffer.flatMap((store, at) => {
      const free = buffer
        .slice(0, at)
        .every((earlier) => !store.release && earlier.group === store.group && earlier.addr !== store.addr);
      return free ? [at] : [];
    });
  }

  private drainOne(id: number): void {
    const view = this.views[id]!;
    const free = this.drainable(view);
    if (free.length === 0) return;
    const [store] = view.buffer.splice(free[this.schedule.choose(free.length)]!, 1);
    this.commit(id, store!);
  }

  drainAll(id: number): void {
    while (this.views[id]!.buffer.length > 0) this.drainOne(id);
  }

  /** One store of any CPU, if there is one. @returns whether there was */
  drainAny(): boolean {
    const full = [...this.views.keys()].filter((id) => this.views[id]!.buffer.length > 0);
    if (full.length === 0) return false;
    this.drainOne(full[this.schedule.choose(full.length)]!);
    return true;
  }

  /** Lets buffered stores reach memory, as the schedule will have it. */
  settle(): void {
    while (this.model !== 'sc' && this.schedule.drain()) this.drainOne(this.schedule.choose(this.cpus));
  }

  load(id: number, addr: Addr, plain: boolean, acquires: boolean): number {
    const view = this.views[id]!;
    const forwarded = this.own(id, addr);
    const list = this.past.get(addr);
    // The release that it reads from is before it.
    if (acquires) {
      view.since = this.time;
      if (!forwarded) join(view.clock, list?.at(-1)?.clock);
    }
    this.judge(id, addr, false, plain);
    if (forwarded) return forwarded.value;
    if (!list) return this.get(addr);
    let chosen = list.length - 1;
    if (this.model === 'weak' && !acquires) {
      const floor = Math.max(view.since, view.seen.get(addr) ?? 0);
      let first = list.length - 1;
      while (first > 0 && list[first]!.time > floor) first -= 1;
      chosen = first + this.schedule.choose(list.length - first);
    }
    const { value, clock, time } = list[chosen]!;
    view.seen.set(addr, Math.max(time, view.seen.get(addr) ?? 0));
    if (!acquires && !plain && clock) {
      view.pending ??= zeros(this.cpus);
      join(view.pending, clock);
    }
    return value;
  }

  store(id: number, addr: Addr, value: number, kind: StoreKind): void {
    const view = this.views[id]!;
    this.judge(id, addr, true, kind === 'plain');
    const clock = kind === 'plain' ? undefined : kind === 'once' ? view.fence : [...view.clock];
    const store = { addr, value: value | 0, clock, group: view.group, release: kind === 'release' };
    if (kind === 'full') {
      this.drainAll(id);
      this.commit(id, store);
      view.since = this.time;
    } else if (this.model === 'sc') this.commit(id, store);
    else view.buffer.push(store);
  }

  /** A read-modify-write; `next` answers undefined where nothing is written. @returns the old value */
  change(id: number, addr: Addr, order: Order, next: (old: number) => number | undefined): number {
    const view = this.views[id]!;
    if (this.model !== 'weak' || order === '' || order === 'Release') this.drainAll(id);
    else while (this.own(id, addr)) this.drainOne(id);
    const before = this.get(addr);
    const value = next(before);
    const last = this.past.get(addr)?.at(-1)?.clock;
    const acquires = order === '' || order === 'Acquire';
    if (acquires) join(view.clock, last);
    else if (last) {
      view.pending ??= zeros(this.cpus);
      join(view.pending, last);
    }
    this.judge(id, addr, value !== undefined, false);
    if (value !== undefined) {
      const releases = order === '' || order === 'Release';
      const clock = [...(releases ? view.clock : (view.fence ?? zeros(this.cpus)))];
      join(clock, last);
      this.commit(id, { addr, value: value | 0, clock, group: 0, release: false });
    }
    if (acquires) view.since = this.time;
    return before;
  }

  fence(id: number, reads: boolean, writes: boolean): void {
    const view = this.views[id]!;
    if (reads && writes) this.drainAll(id);
    if (reads) {
      join(view.clock, view.pending);
      view.since = this.time;
    }
    if (writes) {
      view.clock[id]! += 1;
      view.fence = [...view.clock];
      view.group += 1;
    }
  }
}
