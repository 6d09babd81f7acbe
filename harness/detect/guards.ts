/**
 * Guarded fields: each access is held against what the regime declares for its field (src/memory/guards.ts).
 *
 * What a CPU holds comes from the lock events. A guard names its lock by a path from the object, and pointers on the way may change during the execution, so the
 * pass follows them through the memory as it is at the access: what it was at the beginning, and the stores since (at their drain, in a
 * trace that has drains).
 *
 * An object that the trace allocates is unpublished until somebody says `published`, or another CPU touches it; until then it needs no guard. Neither do
 * accesses in `dataRace`.
 *
 * A finding here is a lead and never by itself a race: whether anybody else can reach the object, the declaration does not know.
 */
import type { Addr } from '../../src/arch/index.ts';
import {
  allows,
  describeGuard,
  guardsOf,
  type HeldLock,
  nameOf,
  pathResolver,
} from '../../src/memory/index.ts';
import { OP, OPERATIONS, type Trace } from '../engines/trace.ts';
import { type Finding, hex, NOTHING, type Pass } from './finding.ts';

/** A field of an object. */
export interface Resolved {
  readonly layout: object;
  readonly field: string;
  /** Where the object begins. */
  readonly object: Addr;
}

/** What the pass is made for. */
export interface GuardOptions {
  readonly cpus: number;
  /** The regime to hold accesses against. */
  readonly regime: string;
  /** The field that a word is; undefined: none that is guarded. */
  readonly resolve: (addr: Addr) => Resolved | undefined;
  /** The structs on paths to locks. */
  readonly layouts: readonly object[];
  /** What a word held when the execution began. */
  readonly memory: (addr: Addr) => number;
  /** Locks of no object, by the name that paths begin with. */
  readonly globals?: Readonly<Record<string, Addr>> | undefined;
  /** Names a word; a number unless given. */
  readonly name?: ((addr: Addr) => string) | undefined;
}

const BUFFERED = new Set(['write', 'writeOnce', 'storeRelease'].map((name) => OP[name]!));

/** Finds accesses without their guard. */
export class Guards implements Pass {
  private readonly options: GuardOptions;
  private readonly name: (addr: Addr) => string;
  private readonly words = new Map<Addr, number>();
  private readonly held: HeldLock[][];
  private readonly benign: number[];
  /** Objects allocated here and known to nobody else yet: who has them. */
  private readonly owners = new Map<Addr, number>();
  private readonly lockAt: ReturnType<typeof pathResolver>;

  constructor(options: GuardOptions) {
    this.options = options;
    this.name = options.name ?? hex;
    this.held = Array.from({ length: options.cpus }, () => []);
    this.benign = new Array<number>(options.cpus).fill(0);
    const readOnce = (addr: Addr): number => this.words.get(addr) ?? options.memory(addr);
    this.lockAt = pathResolver({ readOnce }, options.layouts, options.globals);
  }

  run(trace: Trace): readonly Finding[] {
    this.words.clear();
    this.owners.clear();
    this.benign.fill(0);
    for (const each of this.held) each.length = 0;
    let drains = false;
    for (let at = 0; at < trace.length && !drains; at += 1) drains = trace.op(at) === OP.drain;
    const found: Finding[] = [];
    for (let at = 0; at < trace.length; at += 1) {
      const op = trace.op(at);
      const { reads, writes } = OPERATIONS[op]!;
      if (reads || writes) {
        this.access(trace, at, found);
        if (writes && !(drains && BUFFERED.has(op))) this.words.set(trace.addr(at), trace.value(at));
      } else this.event(trace, at);
    }
    return found.length === 0 ? NOTHING : found;
  }

  private event(trace: Trace, at: number): void {
    const { cpu, addr, value } = trace.event(at);
    const held = this.held[cpu]!;
    switch (trace.op(at)) {
      case OP.drain:
        this.words.set(addr, value);
        break;
      case OP.acquired:
        held.push({ lock: addr, mode: value });
        break;
      case OP.released: {
        const index = held.findLastIndex((each) => each.lock === addr && each.mode === value);
        if (index >= 0) held.splice(index, 1);
        break;
      }
      case OP.raceBegin:
        this.benign[cpu]! += 1;
        break;
      case OP.raceEnd:
        this.benign[cpu]! -= 1;
        break;
      case OP.alloc:
        this.owners.set(addr, cpu);
        break;
      case OP.published:
        this.owners.delete(addr);
        break;
    }
  }

  private access(trace: Trace, at: number, found: Finding[]): void {
    const { cpu, addr, op } = trace.event(at);
    const resolved = this.options.resolve(addr);
    if (!resolved) return;
    const { layout, field, object } = resolved;
    const owner = this.owners.get(object);
    if (owner === cpu) return;
    if (owner !== undefined) this.owners.delete(object);
    const guards = guardsOf(layout, this.options.regime)?.[field];
    if (!guards || this.benign[cpu] !== 0) return;
    const { name, plain, writes } = OPERATIONS[op]!;
    const guard = writes ? guards.write : guards.read;
    const access = { write: writes, atomic: !plain, published: true };
    if (allows(guard, this.held[cpu]!, this.lockAt(layout, object), access)) return;
    const key = `guard ${nameOf(layout)}.${field} ${writes ? 'write' : 'read'}`;
    if (found.some((each) => each.key === key)) return;
    const holds = this.held[cpu]!.map(({ lock }) => this.name(lock)).join(', ');
    found.push({
      detector: 'guard',
      key,
      text: `CPU ${cpu} makes a ${name} of ${nameOf(layout)}.${field} at ${this.name(addr)}, which needs ${describeGuard(guard)}`,
      details: [`CPU ${cpu} holds ${holds === '' ? 'no lock' : holds}`],
      at: [{ at, cpu }],
      addresses: [addr],
    });
  }
}
