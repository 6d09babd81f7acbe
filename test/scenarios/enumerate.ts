/**
 * Explores the interleavings of a scenario on one thread, for the tests of the classic bugs: small, slow, independent of every engine.
 *
 * Actors are synchronous functions, so one that must stop in the middle is left by an exception and, when its turn comes again, run again from its start: what its
 * accesses answered is in a log, so it comes to the same place (an actor is a function of what its accesses answer). The words of a CPU's own
 * bookkeeping are restored first and are no accesses.
 *
 * Memory models: `sc`; `tso`, a first-in-first-out store buffer a CPU; `weak`, where stores of a CPU to different words pass each other unless a release or `wmb` is
 * between them, and a `read` or `readOnce` may answer any value that the word has had since this CPU's last acquire, `rmb` or `mb`.
 *
 * Data races are judged by happens-before with vector clocks: two accesses of a word by two CPUs, one of them a write and one of them plain, neither before the other.
 */
import { type Addr, type Isa, WAIT_NOT_EQUAL, WAIT_WOKEN } from '../../src/arch/index.ts';
import { Cpu, createMachine, LINE, roundUp } from '../../src/memory/index.ts';
import type { MemoryModel, ScenarioDefinition, ScenarioOracle } from '../../src/scenario.ts';

/** How one execution ended; `oracle` is undefined when it was correct. */
export interface Execution {
  readonly oracle: ScenarioOracle | undefined;
  readonly text: string;
  readonly accesses: number;
  /** Of who did what and what came of it. */
  readonly hash: number;
}

/** Who goes on: a number of the CPU among those that can, and whether who runs is interrupted before its next access. */
export interface Schedule {
  readonly pick: (runnable: readonly number[]) => number;
  readonly preempt: () => boolean;
  /** Whether a buffered store reaches memory now. */
  readonly drain: () => boolean;
  /** One of `n`. */
  readonly choose: (n: number) => number;
}

/** CPUs run in this order, each as far as it can. */
export function inOrder(order: readonly number[]): Schedule {
  return {
    pick: (runnable) => order.find((cpu) => runnable.includes(cpu)) ?? 0,
    preempt: () => false,
    drain: () => false,
    choose: (n) => n - 1,
  };
}

/** A random schedule; how eager it is to switch and to drain is drawn from the seed, too. */
export function randomly(seed: number): Schedule {
  let x = Math.imul(seed + 1, 0x9e3779b9) | 1;
  const next = (): number => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) / 2 ** 32;
  };
  for (let warm = 0; warm < 8; warm += 1) next();
  const switching = [0.5, 0.25, 0.1, 0.03][Math.floor(next() * 4)]!;
  const draining = [0.5, 0.1, 0.01][Math.floor(next() * 3)]!;
  return {
    pick: (runnable) => runnable[Math.floor(next() * runnable.length)]!,
    preempt: () => next() < switching,
    drain: () => next() < draining,
    choose: (n) => Math.floor(next() * n),
  };
}

type Clock = number[];
interface Store {
  readonly addr: Addr;
  readonly value: number;
  /** What who reads it with acquire knows; undefined for plain stores. */
  readonly clock: Clock | undefined;
  readonly group: number;
  readonly release: boolean;
}
interface Past {
  readonly time: number;
  readonly value: number;
  readonly clock: Clock | undefined;
}
interface Sim {
  readonly id: number;
  readonly cpu: Cpu;
  readonly saved: Int32Array;
  log: number[];
  at: number;
  status: 'ready' | 'spin' | 'wait' | 'woken' | 'yield' | 'done';
  /** Of a `spin`: addr, value, addr, value, … */
  pairs: readonly number[];
  stop: boolean;
  buffer: Store[];
  group: number;
  since: number;
  seen: Map<Addr, number>;
  clock: Clock;
  fence: Clock | undefined;
  pending: Clock | undefined;
}
/** Epochs of each CPU's last accesses of a word, by kind. */
interface Accesses {
  readonly plainRead: Clock;
  readonly plainWrite: Clock;
  readonly markedRead: Clock;
  readonly markedWrite: Clock;
}

const SWITCH = Symbol('another CPU runs');
const BOUND = 400;
const PRIVATE = 1024;
const OPS = { read: 1, write: 2, rmw: 3, fence: 4, block: 5, notify: 6, pause: 7 } as const;

const join = (to: Clock, from: Clock | undefined): void => {
  if (from) for (let cpu = 0; cpu < to.length; cpu += 1) to[cpu] = Math.max(to[cpu]!, from[cpu]!);
};

/** Prepares a scenario for any number of executions. */
export function enumerate(
  scenario: ScenarioDefinition,
): (schedule: Schedule, model: MemoryModel) => Execution {
  const { cpus, bytes, actors } = scenario;
  const machine = createMachine({ cpus, bytes: roundUp(bytes, LINE) + 4096 });
  const { words } = machine;
  const state = machine.alloc(bytes);
  let direct = true;
  let model: MemoryModel = 'sc';
  let schedule = inOrder([]);
  let time = 0;
  let accesses = 0;
  let hash = 0;
  let race = '';
  let muted = 0;
  const past = new Map<Addr, Past[]>();
  const waiting: { cpu: number; addr: Addr }[] = [];
  const known = new Map<Addr, Accesses>();
  const sims: Sim[] = [];
  const get = (addr: Addr): number => words[addr >>> 2]!;
  const note = (sim: Sim, op: number, addr: Addr, value: number): void => {
    for (const part of [sim.id, op, addr, value]) hash = (Math.imul(hash ^ part, 0x01000193) + 1) | 0;
  };

  function judge(sim: Sim, addr: Addr, writes: boolean, plain: boolean): void {
    let found = known.get(addr);
    if (!found) {
      const zeros = (): Clock => new Array<number>(cpus).fill(0);
      found = { plainRead: zeros(), plainWrite: zeros(), markedRead: zeros(), markedWrite: zeros() };
      known.set(addr, found);
    }
    for (let other = 0; other < cpus; other += 1) {
      if (other === sim.id) continue;
      let last = found.plainWrite[other]!;
      if (writes) last = Math.max(last, found.plainRead[other]!);
      if (plain) last = Math.max(last, found.markedWrite[other]!);
      if (plain && writes) last = Math.max(last, found.markedRead[other]!);
      if (last > sim.clock[other]! && muted === 0 && race === '')
        race = `CPU ${sim.id} and CPU ${other} race for word ${addr - state} of the state`;
    }
    sim.clock[sim.id]! += 1;
    const kind = plain ? (writes ? 'plainWrite' : 'plainRead') : writes ? 'markedWrite' : 'markedRead';
    found[kind][sim.id] = sim.clock[sim.id]!;
  }

  function commit(sim: Sim, { addr, value, clock }: Store): void {
    time += 1;
    let list = past.get(addr);
    if (!list) {
      list = [{ time: 0, value: get(addr), clock: undefined }];
      past.set(addr, list);
    }
    list.push({ time, value, clock });
    words[addr >>> 2] = value;
    sim.seen.set(addr, time);
  }
  function drainable(sim: Sim): number[] {
    const { buffer } = sim;
    if (model === 'tso') return buffer.length > 0 ? [0] : [];
    return buffer.flatMap((store, at) => {
      const free = buffer
        .slice(0, at)
        .every((earlier) => !store.release && earlier.group === store.group && earlier.addr !== store.addr);
      return free ? [at] : [];
    });
  }
  function drainOne(sim: Sim): void {
    const free = drainable(sim);
    if (free.length === 0) return;
    const [store] = sim.buffer.splice(free[schedule.choose(free.length)]!, 1);
    commit(sim, store!);
  }
  function drainAll(sim: Sim): void {
    while (sim.buffer.length > 0) drainOne(sim);
  }

  /** Performs one access, or answers from the log. */
  function access(sim: Sim, op: number, addr: Addr, perform: () => number): number {
    if (direct) return perform();
    if (addr >= sim.cpu.area && addr < sim.cpu.area + PRIVATE && op <= OPS.rmw) return perform();
    if (sim.at < sim.log.length) return sim.log[sim.at++]!;
    if (sim.stop) throw SWITCH;
    while (schedule.drain() && model !== 'sc') drainOne(sims[schedule.choose(cpus)]!);
    accesses += 1;
    const value = perform();
    note(sim, op, addr, value);
    sim.log.push(value);
    sim.at += 1;
    for (const other of sims) if (other !== sim && other.status === 'yield') other.status = 'ready';
    if (schedule.preempt()) sim.stop = true;
    return value;
  }

  const own = (sim: Sim, addr: Addr): Store | undefined =>
    sim.buffer.findLast((store) => store.addr === addr);
  const privately = (sim: Sim, addr: Addr): boolean =>
    direct || (addr >= sim.cpu.area && addr < sim.cpu.area + PRIVATE);

  function load(sim: Sim, addr: Addr, plain: boolean, acquires: boolean): number {
    if (privately(sim, addr)) return get(addr);
    const forwarded = own(sim, addr);
    const list = past.get(addr);
    if (acquires) {
      sim.since = time;
      if (!forwarded) join(sim.clock, list?.at(-1)?.clock);
    }
    judge(sim, addr, false, plain);
    if (forwarded) return forwarded.value;
    if (!list) return get(addr);
    let chosen = list.length - 1;
    if (model === 'weak' && !acquires) {
      const floor = Math.max(sim.since, sim.seen.get(addr) ?? 0);
      let first = list.length - 1;
      while (first > 0 && list[first]!.time > floor) first -= 1;
      chosen = first + schedule.choose(list.length - first);
    }
    const { value, clock, time: at } = list[chosen]!;
    sim.seen.set(addr, Math.max(at, sim.seen.get(addr) ?? 0));
    if (!acquires && !plain && clock) {
      sim.pending ??= new Array<number>(cpus).fill(0);
      join(sim.pending, clock);
    }
    return value;
  }
  function put(sim: Sim, addr: Addr, value: number, kind: 'plain' | 'once' | 'release' | 'full'): void {
    if (privately(sim, addr)) {
      words[addr >>> 2] = value;
      return;
    }
    judge(sim, addr, true, kind === 'plain');
    const clock = kind === 'plain' ? undefined : kind === 'once' ? sim.fence : [...sim.clock];
    const store = { addr, value: value | 0, clock, group: sim.group, release: kind === 'release' };
    if (kind === 'full') {
      drainAll(sim);
      commit(sim, store);
      sim.since = time;
    } else if (model === 'sc') commit(sim, store);
    else sim.buffer.push(store);
  }
  type Order = '' | 'Acquire' | 'Release' | 'Relaxed';
  function change(sim: Sim, addr: Addr, order: Order, next: (old: number) => number | undefined): number {
    const old = get(addr);
    if (privately(sim, addr)) {
      words[addr >>> 2] = next(old) ?? old;
      return old;
    }
    if (model !== 'weak' || order === '' || order === 'Release') drainAll(sim);
    else while (own(sim, addr)) drainOne(sim);
    const before = get(addr);
    const value = next(before);
    const acquires = order === '' || order === 'Acquire';
    const last = past.get(addr)?.at(-1)?.clock;
    // The release that it reads from is before all of it, its own write included.
    if (acquires) {
      join(sim.clock, last);
      sim.since = time;
    } else if (last) {
      sim.pending ??= new Array<number>(cpus).fill(0);
      join(sim.pending, last);
    }
    judge(sim, addr, value !== undefined, false);
    if (value !== undefined) {
      const releases = order === '' || order === 'Release';
      const clock = [...(releases ? sim.clock : (sim.fence ?? new Array<number>(cpus).fill(0)))];
      join(clock, last);
      commit(sim, { addr, value: value | 0, clock, group: 0, release: false });
      if (acquires) sim.since = time;
    }
    return before;
  }
  function fence(sim: Sim, reads: boolean, writes: boolean): number {
    if (direct) return 0;
    if (reads) {
      join(sim.clock, sim.pending);
      sim.since = time;
    }
    if (writes) {
      sim.clock[sim.id]! += 1;
      sim.fence = [...sim.clock];
      sim.group += 1;
    }
    if (reads && writes) drainAll(sim);
    return 0;
  }
  const ended = (sim: Sim): number => {
    for (let pair = 0; pair < sim.pairs.length; pair += 2) {
      const addr = sim.pairs[pair]!;
      if ((own(sim, addr)?.value ?? get(addr)) !== sim.pairs[pair + 1]) return pair / 2;
    }
    return -1;
  };

  function isaOf(sim: () => Sim): Isa {
    const block = (pairs: readonly number[]): number =>
      access(sim(), OPS.block, pairs[0]!, () => {
        const me = sim();
        me.pairs = pairs;
        const found = ended(me);
        if (found < 0) {
          if (direct) throw new Error('blocks outside an actor');
          accesses -= 1;
          me.status = 'spin';
          throw SWITCH;
        }
        return found;
      });
    const isa: Record<string, unknown> = {
      engine: 'enumerate',
      read: (addr: Addr) => access(sim(), OPS.read, addr, () => load(sim(), addr, true, false)),
      readOnce: (addr: Addr) => access(sim(), OPS.read, addr, () => load(sim(), addr, false, false)),
      mb: () => access(sim(), OPS.fence, 0, () => fence(sim(), true, true)),
      rmb: () => access(sim(), OPS.fence, 0, () => fence(sim(), true, false)),
      wmb: () => access(sim(), OPS.fence, 0, () => fence(sim(), false, true)),
      spinWhile(addr: Addr, value: number) {
        block([addr, value]);
        // Still in the same turn: what ended the wait is what is read.
        sim().stop = false;
        return access(sim(), OPS.read, addr, () => load(sim(), addr, false, true));
      },
      spinWhileAny(pairs: readonly number[]) {
        const found = block(pairs);
        sim().stop = false;
        access(sim(), OPS.read, pairs[2 * found]!, () => load(sim(), pairs[2 * found]!, false, true));
        return found;
      },
      wait: (addr: Addr, value: number) =>
        access(sim(), OPS.block, addr, () => {
          const me = sim();
          if (me.status === 'woken') {
            me.status = 'ready';
            return WAIT_WOKEN;
          }
          drainAll(me);
          if (load(me, addr, false, true) !== value) return WAIT_NOT_EQUAL;
          waiting.push({ cpu: me.id, addr });
          me.status = 'wait';
          throw SWITCH;
        }),
      notify: (addr: Addr, count: number) =>
        access(sim(), OPS.notify, addr, () => {
          let woken = 0;
          for (let at = 0; at < waiting.length; ) {
            const { cpu, addr: where } = waiting[at]!;
            if (where !== addr || (count >= 0 && woken >= count)) at += 1;
            else {
              waiting.splice(at, 1);
              sims[cpu]!.status = 'woken';
              woken += 1;
            }
          }
          return woken;
        }),
      pause: () =>
        access(sim(), OPS.pause, 0, () => {
          sim().status = 'yield';
          sim().stop = true;
          return 0;
        }),
      dataRace<T>(fn: () => T): T {
        muted += 1;
        try {
          return fn();
        } finally {
          muted -= 1;
        }
      },
    };
    for (const name of ['wake', 'queued', 'published', 'consumed', 'gracePeriod']) isa[name] = () => {};
    for (const name of ['load', 'loadAcquire', 'spinBriefly'])
      isa[name] = (addr: Addr) => access(sim(), OPS.read, addr, () => load(sim(), addr, false, true));
    const kinds = {
      write: 'plain',
      writeOnce: 'once',
      storeRelease: 'release',
      store: 'full',
      storeWake: 'full',
      storeWakeOne: 'full',
    } as const;
    for (const [name, kind] of Object.entries(kinds))
      isa[name] = (addr: Addr, value: number) => {
        access(sim(), OPS.write, addr, () => {
          put(sim(), addr, value, kind);
          return value | 0;
        });
      };
    const operations: Record<string, (old: number, operand: number) => number> = {
      fetchAdd: (old, operand) => old + operand,
      fetchAnd: (old, operand) => old & operand,
      fetchOr: (old, operand) => old | operand,
      fetchXor: (old, operand) => old ^ operand,
      exchange: (_old, operand) => operand,
    };
    for (const order of ['', 'Acquire', 'Release', 'Relaxed'] as const) {
      for (const [name, operation] of Object.entries(operations))
        isa[name + order] = (addr: Addr, operand: number) =>
          access(sim(), OPS.rmw, addr, () => change(sim(), addr, order, (old) => operation(old, operand)));
      isa[`compareExchange${order}`] = (addr: Addr, expected: number, value: number) =>
        access(sim(), OPS.rmw, addr, () =>
          change(sim(), addr, order, (old) => (old === (expected | 0) ? value : undefined)),
        );
    }
    return isa as unknown as Isa;
  }

  for (let id = 0; id < cpus; id += 1) {
    const isa = isaOf(() => sims[id]!);
    sims[id] = { id, clock: [], cpu: { area: -PRIVATE } } as unknown as Sim;
    const cpu = new Cpu(isa, id, cpus, words, 1);
    const saved = words.slice(cpu.area >>> 2, (cpu.area + PRIVATE) >>> 2);
    sims[id] = { id, cpu, saved } as Sim;
  }
  const contexts = sims.map(({ cpu }) => ({
    isa: cpu.isa,
    cpu,
    cpus,
    state,
    tools: scenario.create(cpu.isa, cpu),
  }));

  function begin(): void {
    direct = true;
    words.fill(0, state >>> 2, (state + bytes) >>> 2);
    scenario.init?.(contexts[0]!);
    past.clear();
    known.clear();
    waiting.length = 0;
    time = accesses = hash = muted = 0;
    race = '';
    for (const sim of sims) {
      const clock = new Array<number>(cpus).fill(0);
      clock[sim.id] = 1;
      Object.assign(sim, { log: [], at: 0, status: 'ready', pairs: [], stop: false, buffer: [], group: 0 });
      Object.assign(sim, { since: 0, seen: new Map(), clock, fence: undefined, pending: undefined });
    }
    direct = false;
  }

  /** Runs a CPU until it is interrupted, blocks or is done. @returns what it threw */
  function run(sim: Sim): unknown {
    words.set(sim.saved, sim.cpu.area >>> 2);
    sim.at = 0;
    sim.stop = false;
    muted = 0;
    if (sim.status !== 'woken') sim.status = 'ready';
    try {
      (typeof actors === 'function' ? actors : actors[sim.id]!)(contexts[sim.id]!);
      sim.status = 'done';
    } catch (thrown) {
      if (thrown !== SWITCH) return thrown;
    }
    return undefined;
  }
  const canRun = (sim: Sim): boolean =>
    sim.status === 'ready' ||
    sim.status === 'woken' ||
    sim.status === 'yield' ||
    (sim.status === 'spin' && ended(sim) >= 0);

  function actAll(): Pick<Execution, 'oracle' | 'text'> {
    while (true) {
      const live = sims.filter(canRun);
      const eager = live.filter(({ status }) => status !== 'yield');
      const runnable = (eager.length > 0 ? eager : live).map(({ id }) => id);
      if (runnable.length === 0) {
        const full = sims.filter(({ buffer }) => buffer.length > 0);
        if (full.length > 0) drainOne(full[schedule.choose(full.length)]!);
        else if (sims.every(({ status }) => status === 'done')) return { oracle: undefined, text: '' };
        else return { oracle: 'progress', text: `stuck: ${sims.map(({ status }) => status).join()}` };
        continue;
      }
      const thrown = run(sims[schedule.pick(runnable)]!);
      if (thrown !== undefined) return { oracle: 'exception', text: String(thrown) };
      if (accesses > BOUND) return { oracle: 'progress', text: `${accesses} accesses and no end` };
    }
  }

  return (by, under) => {
    schedule = by;
    model = under;
    begin();
    let { oracle, text } = actAll();
    direct = true;
    if (race !== '') {
      oracle = 'race';
      text = race;
    } else if (oracle === undefined) {
      const fail = (what: string): void => {
        oracle = 'check';
        text = what;
      };
      scenario.check?.({ ...contexts[0]!, fail });
    }
    return { oracle, text, accesses, hash };
  };
}
