/**
 * Misuse of locks, from lock events alone: that it went well this time is no excuse.
 *
 *   order        classes are acquired in orders that form a cycle (lock-graph.ts); accumulates over all executions of a pass, and is told once
 *   declared     a lock is acquired while one is held that the declared order of the subject, if it has one, puts behind it; each execution shows that by itself
 *   recursion    a CPU acquires what it holds already
 *   owner        a lock is released by who does not hold it, or is still held when its CPU's actor or an interrupt handler ends
 *   sleeping     a futex `wait`, or the acquisition of a class that sleeps, by who holds a class that spins, is in a read section of an RCU that does, or in an interrupt
 *   interrupts   a class is taken in interrupt handlers and also with interrupts on: the handler would wait for the CPU that it interrupted; or an actor or a handler
 *                ends without having switched on again what it has switched off: whoever calls this CPU waits for ever
 *
 * What is acquired without having been waited for (`acquired` without `acquiring`: an attempt, a downgrade) cannot block: it makes no edge as the one wanted and is
 * no use in a handler, but it is held, so what is acquired after it makes edges. Locks that interrupted code holds and locks of the handler make no
 * edges with each other: that is what the last rule is for.
 *
 * The word of a lock event is the lock; its class is the caller's to tell, or else one of its own, which is what the event says that it is
 * (src/locking/traits.ts): a lock of which nothing is known neither spins nor sleeps, and nobody is accused on its account. Interrupts are on at the beginning; `irqOff` and
 * `irqOn` nest.
 */
import type { Addr } from '../../src/arch/index.ts';
import { OPERATIONS, RECORD_WORDS, type Trace } from '../engines/trace.ts';
import { type Finding, hex, type LockClass, NOTHING, type Pass, type Place } from './finding.ts';
import {
  classFrom,
  cycleKey,
  EXCLUSIVE,
  type LockEdge,
  LockGraph,
  modeName,
  type LockOrder as Order,
  SHARED,
} from './lock-graph.ts';
import type { Context, Held, LockOrderOptions } from './lockorder-types.ts';

const ACQUIRING = 1;
const ACQUIRED = 2;
const GAVE_UP = 3;
const RELEASED = 4;
const WAIT = 5;
const IRQ_ENTER = 6;
const IRQ_EXIT = 7;
const IRQ_OFF = 8;
const IRQ_ON = 9;
const END = 10;
const EVENTS: Readonly<Record<string, number>> = {
  acquiring: ACQUIRING,
  acquired: ACQUIRED,
  gaveUp: GAVE_UP,
  released: RELEASED,
  wait: WAIT,
  irqEnter: IRQ_ENTER,
  irqExit: IRQ_EXIT,
  irqOff: IRQ_OFF,
  irqOn: IRQ_ON,
  end: END,
};
const ACTIONS = Uint8Array.from({ length: 256 }, (_, op) => EVENTS[OPERATIONS[op]?.name ?? ''] ?? 0);
const IN_HANDLER = 0;
const INTERRUPTIBLE = 4;

/** Finds misuse of locks. */
export class LockOrder implements Pass {
  private readonly graph = new LockGraph();
  private readonly nodes = new Map<Addr, number>();
  private readonly told = new Set<string>();
  /** Of each class: bits 1 and 2 taken in a handler exclusively and shared, bits 5 and 6 with interrupts on. */
  private readonly uses: number[] = [];
  private readonly contexts: Context[];
  private readonly classOf: (lock: Addr) => LockClass | undefined;
  private readonly name: (lock: Addr) => string;
  private readonly order: LockOrderOptions['order'];
  private readonly kinds = new Map<Addr, string | undefined>();
  private execution = 0;
  private found: Finding[] | undefined;
  /** Of the event at hand: what its lock is. */
  private traits = 0;

  constructor({ cpus, classOf = () => undefined, name = hex, order }: LockOrderOptions) {
    this.order = order;
    this.classOf = classOf;
    this.name = name;
    this.contexts = Array.from({ length: cpus }, (_, cpu) => ({
      cpu,
      held: [],
      wants: 0,
      wanted: 0,
      handler: false,
      off: [],
      outer: 0,
    }));
  }

  run(trace: Trace): readonly Finding[] {
    this.execution += 1;
    this.found = undefined;
    for (const context of this.contexts) {
      context.held.length = context.off.length = context.wants = 0;
      context.handler = false;
    }
    const { words, length } = trace;
    for (let base = 0; base < length * RECORD_WORDS; base += RECORD_WORDS) {
      const head = words[base]!;
      const action = ACTIONS[head & 0xff]!;
      if (action === 0) continue;
      this.traits = action === WAIT ? 0 : words[base + 3]!;
      this.event(action, this.contexts[head >>> 8]!, words[base + 1]!, words[base + 2]!, base / RECORD_WORDS);
    }
    return this.found ?? NOTHING;
  }

  orders(): readonly Order[] {
    return this.graph.orders();
  }

  private event(action: number, cpu: Context, addr: Addr, value: number, at: number): void {
    switch (action) {
      case ACQUIRING:
        this.acquiring(cpu, addr, value, at);
        break;
      case ACQUIRED:
        this.acquired(cpu, addr, value, at);
        break;
      case GAVE_UP:
        cpu.wants = 0;
        break;
      case RELEASED:
        this.released(cpu, addr, value, at);
        break;
      case WAIT:
        // Where the lock that it waits for is known to sleep, that it is acquired here has been told.
        if (cpu.wants === 0 || !this.classAt(cpu.wants).sleeps) this.sleeps(cpu, 'waits', 'wait', addr, at);
        break;
      case IRQ_ENTER:
        cpu.handler = true;
        cpu.outer = cpu.off.length;
        cpu.wanted = cpu.wants;
        cpu.wants = 0;
        break;
      case IRQ_EXIT:
        this.ends(cpu, at, true);
        cpu.handler = false;
        cpu.wants = cpu.wanted;
        break;
      case IRQ_OFF:
        cpu.off.push(at);
        break;
      case IRQ_ON:
        cpu.off.pop();
        if (cpu.off.length === 0 && !cpu.handler)
          for (const each of cpu.held) this.use(each.node, each.mode, INTERRUPTIBLE, cpu, each.at);
        break;
      default:
        this.ends(cpu, at, false);
    }
  }

  private node(lock: Addr): number {
    const known = this.nodes.get(lock);
    if (known !== undefined) return known;
    const lockClass = this.classOf(lock) ?? classFrom(this.name(lock), this.traits);
    const node = this.graph.node(lockClass);
    // A class that is meant for handlers is used there, whether this run shows it or not.
    this.uses[node] ??= lockClass.irq ? EXCLUSIVE << IN_HANDLER : 0;
    this.nodes.set(lock, node);
    return node;
  }

  private classAt(lock: Addr): LockClass {
    return this.graph.classes[this.node(lock)]!;
  }

  /** A lock in words: its class, and which one of it. */
  private lockName(lock: Addr): string {
    const [name, own] = [this.classAt(lock).name, this.name(lock)];
    return name === own ? name : `${name} (${own})`;
  }

  private report(
    key: string,
    text: string,
    at: readonly Place[],
    addresses: readonly Addr[],
    details: readonly string[] = [],
  ): void {
    this.found ??= [];
    if (!this.found.some((each) => each.key === key))
      this.found.push({ detector: 'lockorder', key, text, details, at, addresses });
  }

  private acquiring(cpu: Context, lock: Addr, mode: number, at: number): void {
    const node = this.node(lock);
    const lockClass = this.graph.classes[node]!;
    if (mode === EXCLUSIVE) for (const cycle of this.graph.writes(node)) this.circular(cycle);
    if (lockClass.sleeps) this.sleeps(cpu, `acquires ${this.lockName(lock)}`, lockClass.name, lock, at);
    if (cpu.handler) this.use(node, mode, IN_HANDLER, cpu, at);
    const again = this.again(cpu, lock, mode, at);
    for (const each of cpu.held) {
      if (each.handler !== cpu.handler) continue;
      this.declared(cpu, each, lock, at);
      if (each.node === node && (again || lockClass.recursive || (lockClass.nests && each.lock !== lock)))
        continue;
      const cycle = this.graph.add(each.node, each.mode, node, mode, () => ({
        cpu: cpu.cpu,
        execution: this.execution,
        heldAt: each.at,
        at,
      }));
      if (cycle) this.circular(cycle);
    }
    cpu.wants = lock;
  }

  private kindOf(lock: Addr): string | undefined {
    if (!this.kinds.has(lock)) this.kinds.set(lock, this.order?.kindOf(lock));
    return this.kinds.get(lock);
  }

  /** A lock is acquired with another held: is that the order that is declared? */
  private declared(cpu: Context, held: Held, lock: Addr, at: number): void {
    const { order } = this;
    if (!order) return;
    const [wanted, holds] = [this.kindOf(lock), this.kindOf(held.lock)];
    if (wanted === undefined || holds === undefined || !order.before(wanted, holds)) return;
    this.report(
      `declared ${wanted} ${holds}`,
      `CPU ${cpu.cpu} acquires ${this.lockName(lock)} with ${this.lockName(held.lock)} held: ${wanted} comes before ${holds} in the order of ${order.name}`,
      [
        { at: held.at, cpu: cpu.cpu },
        { at, cpu: cpu.cpu },
      ],
      [lock, held.lock],
    );
  }

  /** A lock is acquired again by its holder, and one of the two is exclusive. */
  private again(cpu: Context, lock: Addr, mode: number, at: number): boolean {
    if (cpu.held.length === 0) return false;
    const { recursive, unowned, name } = this.classAt(lock);
    if (recursive || unowned) return false;
    const first = cpu.held.find(
      (each) => each.lock === lock && (each.mode === EXCLUSIVE || mode === EXCLUSIVE),
    );
    if (!first) return false;
    this.report(
      `recursion ${name}`,
      `CPU ${cpu.cpu} acquires ${this.lockName(lock)} (${modeName(mode)}), which it holds (${modeName(first.mode)})`,
      [
        { at: first.at, cpu: cpu.cpu },
        { at, cpu: cpu.cpu },
      ],
      [lock],
    );
    return true;
  }

  private acquired(cpu: Context, lock: Addr, mode: number, at: number): void {
    const node = this.node(lock);
    if (cpu.wants === lock) cpu.wants = 0;
    else this.again(cpu, lock, mode, at);
    if (this.graph.classes[node]!.unowned) return;
    if (cpu.off.length === 0 && !cpu.handler) this.use(node, mode, INTERRUPTIBLE, cpu, at);
    cpu.held.push({ lock, node, mode, at, handler: cpu.handler });
  }

  private released(cpu: Context, lock: Addr, mode: number, at: number): void {
    const last = cpu.held.at(-1);
    if (last?.lock === lock && last.mode === mode) {
      cpu.held.pop();
      return;
    }
    const held = cpu.held.findLastIndex((each) => each.lock === lock && each.mode === mode);
    if (held >= 0) {
      cpu.held.splice(held, 1);
      return;
    }
    const { name, unowned } = this.classAt(lock);
    if (unowned) return;
    const owners = this.contexts.flatMap((each) =>
      each.held
        .filter((one) => one.lock === lock)
        .map((one) => ({ at: one.at, cpu: each.cpu, mode: one.mode })),
    );
    const owner = owners.find((each) => each.cpu === cpu.cpu) ?? owners[0];
    const who = owner?.cpu === cpu.cpu ? 'it' : `CPU ${owner?.cpu}`;
    const truth = owner ? `${who} holds it (${modeName(owner.mode)})` : 'nobody holds it';
    this.report(
      `owner ${name} ${owner ? (who === 'it' ? 'mode' : 'other') : 'nobody'}`,
      `CPU ${cpu.cpu} releases ${this.lockName(lock)} (${modeName(mode)}), but ${truth}`,
      [...(owner ? [{ at: owner.at, cpu: owner.cpu }] : []), { at, cpu: cpu.cpu }],
      [lock],
    );
  }

  private ends(cpu: Context, at: number, handler: boolean): void {
    const what = handler ? 'an interrupt handler' : 'the actor';
    for (const each of cpu.held) {
      const { name } = this.graph.classes[each.node]!;
      if (handler && !each.handler) continue;
      this.report(
        `held ${name} ${what}`,
        `${what} of CPU ${cpu.cpu} ends while it holds ${this.lockName(each.lock)} (${modeName(each.mode)})`,
        [
          { at: each.at, cpu: cpu.cpu },
          { at, cpu: cpu.cpu },
        ],
        [each.lock],
      );
    }
    const [off] = cpu.off.splice(handler ? cpu.outer : 0);
    if (off !== undefined)
      this.report(
        `off ${what}`,
        `${what} of CPU ${cpu.cpu} ends with interrupts off: it has not switched on again what it has switched off, and who calls this CPU waits for ever`,
        [off, at].map((place) => ({ at: place, cpu: cpu.cpu })),
        [],
      );
    const kept = handler ? cpu.held.filter((each) => !each.handler) : [];
    cpu.held.splice(0, cpu.held.length, ...kept);
  }

  private sleeps(cpu: Context, what: string, why: string, addr: Addr, at: number): void {
    const { cpu: id } = cpu;
    const here = { at, cpu: id };
    if (cpu.handler)
      this.report(
        `sleeps interrupt ${why}`,
        `CPU ${id} ${what}, which may sleep, in an interrupt handler`,
        [here],
        [addr],
      );
    for (const each of cpu.held) {
      const { spin, rcu, name } = this.graph.classes[each.node]!;
      if (!spin || (rcu && each.mode !== SHARED)) continue;
      const where = rcu
        ? `inside a read section of ${name}`
        : `while it holds ${this.lockName(each.lock)}, which spins`;
      this.report(
        `sleeps ${name} ${why}`,
        `CPU ${id} ${what}, which may sleep, ${where}`,
        [{ at: each.at, cpu: id }, here],
        [each.lock, addr],
      );
    }
  }

  private use(node: number, mode: number, where: number, cpu: Context, at: number): void {
    const bit = mode << where;
    const before = this.uses[node]!;
    if ((before & bit) !== 0) return;
    const now = before | bit;
    this.uses[node] = now;
    const inHandler = (now >>> IN_HANDLER) & 3;
    const outside = (now >>> INTERRUPTIBLE) & 3;
    // Two shared ones do not wait for each other.
    if (inHandler === 0 || outside === 0 || ((inHandler | outside) & EXCLUSIVE) === 0) return;
    const { name, irq } = this.graph.classes[node]!;
    if (this.told.has(`irq ${name}`)) return;
    this.told.add(`irq ${name}`);
    this.report(
      `interrupts ${name}`,
      `inconsistent lock state: ${name} is taken with interrupts on and ${irq ? 'belongs to' : 'also in'} interrupt handlers, which would wait for what they interrupted`,
      [{ at, cpu: cpu.cpu }],
      [],
    );
  }

  private circular(cycle: readonly LockEdge[]): void {
    const { classes } = this.graph;
    const names = cycle.map(({ from }) => classes[from]!.name);
    const key = cycleKey(names);
    if (this.told.has(`order ${key}`)) return;
    this.told.add(`order ${key}`);
    const now = cycle.filter(({ witness }) => witness.execution === this.execution);
    const what = cycle.length === 1 ? 'recursive locking' : 'circular locking dependency';
    this.report(
      `order ${key}`,
      `possible ${what} detected: ${[...names, names[0]].join(' -> ')}`,
      now.flatMap(({ witness: { heldAt, at, cpu } }) => [
        { at: heldAt, cpu },
        { at, cpu },
      ]),
      [],
      cycle.map(({ from, to, held, wanted, witness: { cpu, execution, heldAt, at } }, index) => {
        const when = execution === this.execution ? '' : `, ${this.execution - execution} executions ago`;
        return `-> #${cycle.length - 1 - index} CPU ${cpu} acquires ${classes[to]!.name} (${modeName(wanted)}) at ${at} while it holds ${classes[from]!.name} (${modeName(held)}) since ${heldAt}${when}`;
      }),
    );
  }
}
