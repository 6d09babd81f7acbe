/**
 * Explores the interleavings of a scenario on one thread, for the tests of the classic bugs: small, slow, independent of every engine.
 *
 * Actors are synchronous functions, so one that must stop in the middle is left by an exception and, when its turn comes again, run again from its start: what its
 * accesses answered is in a log, so it comes to the same place (an actor is a function of what its accesses answer). The words of a CPU's own
 * bookkeeping are restored first and are no accesses.
 *
 * A CPU that pauses runs again when another has done something, or when none can. Nobody can run: that is `progress`, as are too many accesses.
 */

import { checkLinearizable } from '../../harness/detect/linearizability.ts';
import { models } from '../../harness/detect/models.ts';
import { type Addr, type Isa, WAIT_NOT_EQUAL, WAIT_WOKEN } from '../../src/arch/index.ts';
import { Cpu, createMachine, LINE, roundUp } from '../../src/memory/index.ts';
import type { Operation, RecordedOp, Result, SequentialModel } from '../../src/model.ts';
import type { MemoryModel, ScenarioDefinition, ScenarioOracle } from '../../src/scenario.ts';
import { Memory, type Order, type StoreKind } from './memory.ts';
import type { Schedule } from './schedule.ts';

export { inOrder, randomly } from './schedule.ts';

/** How one execution ended; `oracle` is undefined when it was correct. */
export interface Execution {
  readonly oracle: ScenarioOracle | undefined;
  readonly text: string;
  readonly accesses: number;
  /** Of who did what and what came of it. */
  readonly hash: number;
}

interface Sim {
  readonly id: number;
  readonly area: Addr;
  /** Its bookkeeping as it was when it was made. */
  saved: Int32Array;
  log: number[];
  /** When each access of the log was made. */
  times: number[];
  /** What it has recorded since it last ran from its start. */
  history: Operation<RecordedOp>[];
  at: number;
  status: 'ready' | 'spin' | 'wait' | 'woken' | 'yield' | 'done';
  /** Of a `spin`: addr, value, addr, value, … */
  pairs: readonly number[];
  stop: boolean;
}

const SWITCH = Symbol('another CPU runs');
/** Accesses of an execution that is taken for endless; the longest correct one has about 90. */
const BOUND = 400;
/** After all accesses. */
const END = 1e6;
/** Bytes of a CPU's area before its queue nodes, which are shared memory like any other. */
const PRIVATE = 1024;
const OPS = { read: 1, write: 2, rmw: 3, fence: 4, block: 5, notify: 6, pause: 7 } as const;

const CHANGES: Readonly<Record<string, (old: number, operand: number) => number>> = {
  fetchAdd: (old, operand) => old + operand,
  fetchAnd: (old, operand) => old & operand,
  fetchOr: (old, operand) => old | operand,
  fetchXor: (old, operand) => old ^ operand,
  exchange: (_old, operand) => operand,
};
const STORES: Readonly<Record<string, StoreKind>> = {
  write: 'plain',
  writeOnce: 'once',
  storeRelease: 'release',
  store: 'full',
  storeWake: 'full',
  storeWakeOne: 'full',
};

/** Prepares a scenario for any number of executions. */
export function enumerate(
  scenario: ScenarioDefinition,
): (schedule: Schedule, model: MemoryModel) => Execution {
  const { cpus, bytes, actors } = scenario;
  const machine = createMachine({ cpus, bytes: roundUp(bytes, LINE) + 4096 });
  const { words } = machine;
  const state = machine.alloc(bytes);
  const memory = new Memory(words, cpus);
  const waiting: { sim: Sim; addr: Addr }[] = [];
  let schedule: Schedule;
  /** Set-up and checks act on memory at once. */
  let direct = true;
  let accesses = 0;
  let hash = 0;
  let strong = true;
  /** Recorded by set-up or check. */
  let rest: { op: RecordedOp; result: Result }[] = [];
  let before: typeof rest = [];

  const isPrivate = (sim: Sim, addr: Addr): boolean =>
    direct || (addr >= sim.area && addr < sim.area + PRIVATE);

  /** Performs one access, or answers from the log. */
  function access(sim: Sim, op: number, addr: Addr, perform: () => number): number {
    if (direct) return perform();
    if (sim.at < sim.log.length) return sim.log[sim.at++]!;
    if (sim.stop) throw SWITCH;
    memory.settle();
    accesses += 1;
    const value = perform();
    for (const part of [sim.id, op, addr, value]) hash = (Math.imul(hash ^ part, 0x01000193) + 1) | 0;
    sim.log.push(value);
    sim.times.push(accesses);
    sim.at += 1;
    for (const other of sims) if (other !== sim && other.status === 'yield') other.status = 'ready';
    if (schedule.preempt()) sim.stop = true;
    return value;
  }

  const changed = ({ id, pairs }: Sim): number => {
    for (let pair = 0; pair < pairs.length; pair += 2)
      if (memory.visible(id, pairs[pair]!) !== pairs[pair + 1]) return pair / 2;
    return -1;
  };

  function isaOf(sim: Sim): Isa {
    const { id } = sim;
    const load = (plain: boolean, acquires: boolean) => (addr: Addr) =>
      isPrivate(sim, addr)
        ? memory.get(addr)
        : access(sim, OPS.read, addr, () => memory.load(id, addr, plain, acquires));
    const acquire = load(false, true);
    const fence = (reads: boolean, writes: boolean) => () =>
      access(sim, OPS.fence, 0, () => {
        if (!direct) memory.fence(id, reads, writes);
        return 0;
      });
    const change =
      (order: Order, next: (old: number, first: number, second: number) => number | undefined) =>
      (addr: Addr, first: number, second: number): number => {
        if (!isPrivate(sim, addr))
          return access(sim, OPS.rmw, addr, () =>
            memory.change(id, addr, order, (old) => next(old, first, second)),
          );
        const old = memory.get(addr);
        words[addr >>> 2] = next(old, first, second) ?? old;
        return old;
      };
    /** Blocks while all pairs hold; what ended it is read in the same turn. */
    function block(pairs: readonly number[]): number {
      const found = access(sim, OPS.block, pairs[0]!, () => {
        sim.pairs = pairs;
        const first = changed(sim);
        if (first >= 0) return first;
        if (direct) throw new Error('a set-up or a check blocks');
        accesses -= 1;
        sim.status = 'spin';
        throw SWITCH;
      });
      sim.stop = false;
      return found;
    }
    const isa: Record<string, unknown> = {
      engine: 'enumerate',
      read: load(true, false),
      readOnce: load(false, false),
      load: acquire,
      loadAcquire: acquire,
      spinBriefly: acquire,
      mb: fence(true, true),
      rmb: fence(true, false),
      wmb: fence(false, true),
      spinWhile(addr: Addr, value: number) {
        block([addr, value]);
        return acquire(addr);
      },
      spinWhileAny(pairs: readonly number[]) {
        const found = block(pairs);
        acquire(pairs[2 * found]!);
        return found;
      },
      wait: (addr: Addr, value: number) =>
        access(sim, OPS.block, addr, () => {
          if (sim.status === 'woken') {
            sim.status = 'ready';
            return WAIT_WOKEN;
          }
          memory.drainAll(id);
          if (memory.load(id, addr, false, true) !== value) return WAIT_NOT_EQUAL;
          waiting.push({ sim, addr });
          sim.status = 'wait';
          throw SWITCH;
        }),
      notify: (addr: Addr, count: number) =>
        access(sim, OPS.notify, addr, () => {
          const here = waiting.filter((waiter) => waiter.addr === addr);
          const woken = count < 0 ? here : here.slice(0, count);
          for (const waiter of woken) {
            waiting.splice(waiting.indexOf(waiter), 1);
            waiter.sim.status = 'woken';
          }
          return woken.length;
        }),
      pause: () =>
        access(sim, OPS.pause, 0, () => {
          sim.status = 'yield';
          sim.stop = true;
          return 0;
        }),
      dataRace<T>(fn: () => T): T {
        memory.muted += 1;
        const result = fn();
        memory.muted -= 1;
        return result;
      },
    };
    for (const name of ['wake', 'queued', 'published', 'consumed', 'gracePeriod']) isa[name] = () => {};
    for (const [name, kind] of Object.entries(STORES))
      isa[name] = (addr: Addr, value: number) => {
        if (isPrivate(sim, addr)) words[addr >>> 2] = value;
        else
          access(sim, OPS.write, addr, () => {
            memory.store(id, addr, value, kind);
            return value | 0;
          });
      };
    for (const order of ['', 'Acquire', 'Release', 'Relaxed'] as const) {
      for (const [name, next] of Object.entries(CHANGES)) isa[name + order] = change(order, next);
      isa[`compareExchange${order}`] = change(order, (old, expected, value) =>
        old === (expected | 0) ? value : undefined,
      );
    }
    return isa as unknown as Isa;
  }

  const sims = Array.from(
    { length: cpus },
    (_, id): Sim => ({
      id,
      area: machine.areaOf(id),
      saved: new Int32Array(0),
      log: [],
      times: [],
      history: [],
      at: 0,
      status: 'ready',
      pairs: [],
      stop: false,
    }),
  );
  const contexts = sims.map((sim) => {
    const isa = isaOf(sim);
    const cpu = new Cpu(isa, sim.id, cpus, words, 1);
    // No clock: an execution is a function of its schedule.
    cpu.now = () => 0;
    const tools = scenario.create(isa, cpu, state);
    sim.saved = words.slice(sim.area >>> 2, (sim.area + PRIVATE) >>> 2);
    const record = <Returned>(op: RecordedOp, run: () => Returned): Returned => {
      const from = sim.at;
      const result = run();
      if (direct) rest.push({ op, result: result as Result });
      else {
        // Under the weaker models its stores may reach memory at any later time.
        const call = sim.times[from] ?? accesses;
        const returned = strong ? (sim.times[sim.at - 1] ?? call) : END;
        sim.history.push({ cpu: sim.id, op, call, return: returned + 0.5, result: result as Result });
      }
      return result;
    };
    return { isa, cpu, cpus, state, tools, record };
  });

  function begin(model: MemoryModel): void {
    direct = true;
    strong = model === 'sc';
    rest = [];
    words.fill(0, state >>> 2, (state + bytes) >>> 2);
    scenario.init?.(contexts[0]!);
    before = rest;
    rest = [];
    memory.begin(schedule, model);
    waiting.length = accesses = hash = 0;
    for (const sim of sims)
      Object.assign(sim, { log: [], times: [], history: [], at: 0, status: 'ready', pairs: [], stop: false });
    direct = false;
  }

  /** Runs a CPU until it is interrupted, blocks or is done. @returns what it threw */
  function run(sim: Sim): unknown {
    words.set(sim.saved, sim.area >>> 2);
    sim.at = 0;
    sim.history = [];
    sim.stop = false;
    memory.muted = 0;
    if (sim.status !== 'woken') sim.status = 'ready';
    try {
      (typeof actors === 'function' ? actors : actors[sim.id]!)(contexts[sim.id]!);
      sim.status = 'done';
    } catch (thrown) {
      if (thrown !== SWITCH) return thrown;
    }
    return undefined;
  }

  /** @returns why what was recorded is not linearizable, if it is not */
  function judgeHistory(): string | undefined {
    if (scenario.model === undefined) return undefined;
    if (typeof scenario.model !== 'string') throw new Error('models of their own are not judged here');
    const model = models[scenario.model]() as SequentialModel<unknown, unknown>;
    const still = (from: number) => (operation: (typeof rest)[number], at: number) => ({
      cpu: -1,
      ...operation,
      call: from + 2 * at,
      return: from + 2 * at + 1,
    });
    const history = [
      ...before.map(still(-END)),
      ...sims.flatMap((sim) => sim.history),
      ...rest.map(still(2 * END)),
    ];
    const found = checkLinearizable<unknown, unknown>(history, model);
    return found.verdict === 'linearizable' ? undefined : found.verdict;
  }

  const canRun = (sim: Sim): boolean =>
    ['ready', 'woken', 'yield'].includes(sim.status) || (sim.status === 'spin' && changed(sim) >= 0);

  function actAll(): Pick<Execution, 'oracle' | 'text'> {
    while (true) {
      const live = sims.filter(canRun);
      const eager = live.filter(({ status }) => status !== 'yield');
      const runnable = (eager.length > 0 ? eager : live).map(({ id }) => id);
      if (runnable.length === 0) {
        if (memory.drainAny()) continue;
        if (sims.every(({ status }) => status === 'done')) return { oracle: undefined, text: '' };
        return { oracle: 'progress', text: `stuck: ${sims.map(({ status }) => status).join()}` };
      }
      const thrown = run(sims[schedule.pick(runnable)]!);
      if (thrown !== undefined) return { oracle: 'exception', text: String(thrown) };
      if (accesses > BOUND) return { oracle: 'progress', text: `${accesses} accesses and no end` };
    }
  }

  return (by, model) => {
    schedule = by;
    begin(model);
    let { oracle, text } = actAll();
    direct = true;
    if (memory.race !== '') {
      oracle = 'race';
      text = memory.race;
    } else if (oracle === undefined) {
      const fail = (what: string): void => {
        oracle = 'check';
        text = what;
      };
      scenario.check?.({ ...contexts[0]!, fail });
      const wrong = judgeHistory();
      if (wrong !== undefined) {
        oracle = 'linearizability';
        text = wrong;
      }
    }
    return { oracle, text, accesses, hash };
  };
}
