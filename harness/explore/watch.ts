/**
 * The detectors of one gated CPU, and how they come to the traces of executions.
 *
 * Whoever ends an execution runs the passes over its trace, which lies in shared memory, so each CPU's thread has passes of its own. Races, lifetimes and guards are
 * judged by one execution alone, so it makes no difference which thread that is. Orders of locks add up over executions, in each thread over those
 * that it has ended: that is a part of what was seen, and a cycle in it is as true as one in all of it. A finding in one thread is enough, and both
 * directions of an order are nearly always in one execution; handing edges round instead would cost every execution what few need.
 *
 * What is recorded depends on what is asked: orders of locks and starvation need the events of locks alone, a few records an execution. Races and guards need every access.
 * Lifetimes do as soon as the subject has a slab, and nothing before.
 *
 * A replay must show what it stands for by itself: for it the orders of locks begin anew.
 *
 * What was found makes the execution a failure, unless its key is among the `muted` (it was kept already, or somebody wants no word of it), or it is a lead.
 * Executions that were given up are not judged: their CPUs have ended wherever they stood. Nor are those with more records than the trace has room for; they are
 * counted, and the hunt says how many.
 */
import type { Addr } from '../../src/arch/index.ts';
import {
  CpuArea,
  isTypeStable,
  layoutOf,
  type Machine,
  nameOf,
  regimesOf,
  sizeOf,
} from '../../src/memory/index.ts';
import { CPU_LOCAL_BYTES } from '../../src/memory/layout.ts';
import { declaredLayouts, fieldAt } from '../../src/memory/struct.ts';
import type { ScenarioDefinition } from '../../src/scenario.ts';
import { type Detector, detectors, type Finding, type Pass, type Watched } from '../detect/index.ts';
import { type Keeps, type Left, leftOvers } from '../detect/leaks.ts';
import { allOrders, type LockOrder } from '../detect/lock-graph.ts';
import type { Gate } from '../engines/gated/gate.ts';
import { Head, MAX_MUTED, TRACED } from '../engines/gated/layout.ts';
import { OP, RECORD_WORDS, Trace } from '../engines/trace.ts';
import { namer, stateNamer } from '../torture/result.ts';
import type { Tortured, TortureSetup } from '../torture/setup.ts';

/** Findings that a session keeps. */
const KEPT = 16;
const NONE: readonly Finding[] = Object.freeze([]);
/** Detectors that need no accesses. */
const BY_EVENTS = new Set(['lockorder', 'starvation']);
const ALLOC = OP.alloc!;
const FREE = OP.free!;

/** Equal for findings that are one mistake, whichever of many like words it shows at; FNV-1a of the key. */
export function muteHash(key: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < key.length; at += 1) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
  return hash;
}

/** A finding's key without the numbers that another run may have otherwise: which CPU's, which of an array. */
export function keyOf({ detector, key }: Finding): string {
  return detector === 'lockorder'
    ? key
    : key
        .replace(/\[\d+\]/g, '[]')
        .replace(/ of state \d+/g, '')
        .replace(/CPU \d+|[+#]\d+/g, '#');
}

/** What of an execution detectors of these names need. @returns one of TRACED, without and with a slab in the subject */
export function tracedFor(names: readonly Detector[]): { plain: number; objects: number } {
  const has = (...wanted: string[]): boolean => names.some(({ name }) => wanted.includes(name));
  const plain = has('races', 'guard')
    ? TRACED.all
    : has('lockorder', 'starvation')
      ? TRACED.events
      : TRACED.none;
  return { plain, objects: has('lifetime') ? TRACED.all : plain };
}

interface Slabbed {
  readonly object: Addr;
  readonly bytes: number;
  readonly layout: object | undefined;
  /** All that it was in this trace: memory that is not type-stable changes. */
  readonly layouts: readonly (object | undefined)[];
}

/** The passes of one thread. */
export class Watch {
  /** Findings of this session that made executions failures, and leads by key. */
  found: { readonly execution: number; readonly finding: Finding }[] = [];
  readonly leads = new Map<string, Finding>();
  /** Orders of passes that are gone. */
  private earlier: readonly LockOrder[] = [];
  private readonly gate: Gate;
  private readonly words: Int32Array;
  private readonly watched: Watched;
  private readonly chosen: readonly Detector[];
  private readonly machine: Machine;
  /** Passes, by detector; made when they are first needed. */
  private readonly passes = new Map<string, Pass | undefined>();
  /** Objects of slabs that the trace at hand allocates or frees. */
  private readonly objects = new Map<Addr, Slabbed>();

  constructor(
    machine: Machine,
    gate: Gate,
    subject: Tortured,
    setup: TortureSetup,
    names: readonly string[] | undefined,
  ) {
    this.gate = gate;
    this.machine = machine;
    this.chosen = detectors(names);
    const at = gate.area.trace >>> 2;
    this.words = gate.w.subarray(at, at + gate.area.maxTrace * RECORD_WORDS);
    const plain = namer(machine, setup, subject);
    const stated = stateNamer(machine, setup, subject);
    const name = (addr: Addr): string => stated(addr) ?? this.inObject(addr) ?? plain(addr);
    const { layout } = subject;
    const [regime] = layout ? regimesOf(layout) : [];
    const order = subject.definition === 'scenario' ? subject.lockOrder : undefined;
    this.watched = {
      cpus: machine.cpus,
      bytes: machine.words.byteLength,
      name,
      judged: subject.definition === 'lock',
      ...(order
        ? {
            order: {
              name: order.name,
              kindOf: (lock: Addr) => order.kindOf(lock, setup.lock, machine.cpus),
              before: order.before,
            },
          }
        : {}),
      objects: {
        sizeOf: (object) => this.objects.get(object)?.bytes ?? 0,
        stable: (addr) => this.stable(addr),
        objectName: (object) => {
          // As it is called in the name of its first word.
          const own = stated(object)?.replace(/\..*$/, '');
          if (own !== undefined) return own;
          const { layout } = this.objects.get(object) ?? {};
          return layout ? nameOf(layout) : plain(object);
        },
        ...(subject.definition === 'scenario' && subject.keeps !== undefined
          ? { left: this.leftBy(subject, setup.lock, subject.keeps) }
          : {}),
      },
      ...(layout && regime !== undefined
        ? {
            guards: {
              regime,
              layouts: declaredLayouts(),
              memory: (addr: Addr) => this.before(addr),
              resolve: (addr: Addr) => this.guarded(addr, setup.lock, layout),
            },
          }
        : {}),
    };
  }

  /** A session begins. */
  begin(replays: boolean): void {
    this.found = [];
    this.leads.clear();
    if (!replays) return;
    this.earlier = this.orders();
    this.passes.delete('lockorder');
  }

  /** The orders in which locks were taken, in all executions that this thread has ended. */
  orders(): LockOrder[] {
    return allOrders([...this.earlier, ...(this.passes.get('lockorder')?.orders?.() ?? [])]);
  }

  /** Judges the execution that has ended. @returns whether it shows anything that makes it a failure */
  judges(): boolean {
    const { gate } = this;
    const traced = gate.get(Head.traced);
    const records = gate.get(Head.trace);
    if (traced === TRACED.none) return false;
    if (gate.get(Head.traceLost) !== 0) {
      gate.set(Head.unwatched, gate.get(Head.unwatched) + 1);
      return false;
    }
    const trace = new Trace(this.words, records);
    const slabs = gate.get(Head.slabs) !== 0 && traced === TRACED.all;
    if (slabs) this.lists(trace);
    let fails = false;
    for (const detector of this.chosen) {
      const { name } = detector;
      if (name === 'lifetime' ? !slabs : !BY_EVENTS.has(name) && traced !== TRACED.all) continue;
      for (const finding of this.pass(detector)?.run(trace) ?? NONE) if (this.tells(finding)) fails = true;
    }
    return fails;
  }

  private pass(detector: Detector): Pass | undefined {
    const { name } = detector;
    if (!this.passes.has(name)) this.passes.set(name, detector.create(this.watched));
    return this.passes.get(name);
  }

  private tells(finding: Finding): boolean {
    const key = keyOf(finding);
    if (this.muted(muteHash(key))) return false;
    if (finding.detector === 'guard') {
      if (this.leads.size < KEPT) this.leads.set(key, finding);
      return false;
    }
    if (this.found.length < KEPT) this.found.push({ execution: this.gate.get(Head.execution), finding });
    return true;
  }

  private muted(hash: number): boolean {
    const { gate } = this;
    const count = Math.min(gate.get(Head.muted), MAX_MUTED);
    for (let at = 1; at <= count; at += 1) if (gate.get(Head.muted + 4 * at) === hash) return true;
    return false;
  }

  // Objects of slabs.

  private lists(trace: Trace): void {
    this.objects.clear();
    for (let at = 0; at < trace.length; at += 1) {
      const op = trace.op(at);
      if (op !== ALLOC && op !== FREE) continue;
      const object = trace.addr(at);
      // Memory that is not type-stable: what it was last, and as large as it ever was.
      const before = this.objects.get(object);
      const bytes = Math.max(trace.before(at), before?.bytes ?? 0);
      const layout = layoutOf(trace.value(at));
      const layouts = before?.layouts ?? [];
      this.objects.set(object, {
        object,
        bytes,
        layout,
        layouts: layouts.includes(layout) ? layouts : [...layouts, layout],
      });
    }
  }

  /** What the execution has left of its objects although it should not. */
  private leftBy({ bytes }: ScenarioDefinition, state: Addr, keeps: Keeps) {
    const { gate, machine } = this;
    const roots = [
      { from: state, to: state + bytes },
      ...Array.from({ length: machine.cpus }, (_, cpu) => {
        const from = machine.areaOf(cpu) + CpuArea.local;
        return { from, to: from + CPU_LOCAL_BYTES };
      }),
    ];
    return (): readonly Left[] => {
      const slabs = Array.from({ length: gate.get(Head.slabs) }, (_, at) => gate.get(Head.slabsAt + 4 * at));
      const left = leftOvers(machine.words, slabs, roots, keeps);
      // So that they have names, though they were allocated before.
      for (const { object, kind } of left) {
        const layout = layoutOf(kind);
        if (layout && !this.objects.has(object))
          this.objects.set(object, { object, bytes: sizeOf(layout), layout, layouts: [layout] });
      }
      return left;
    };
  }

  private objectAt(addr: Addr): Slabbed | undefined {
    for (const each of this.objects.values())
      if (addr >= each.object && addr < each.object + each.bytes) return each;
    return undefined;
  }

  /** Whether a word may be accessed while its object is free. */
  private stable(addr: Addr): boolean {
    const found = this.objectAt(addr);
    return (
      found?.layouts.some((layout) => {
        const field = layout && fieldAt(layout, addr - found.object);
        return field !== undefined && isTypeStable(layout!, field);
      }) ?? false
    );
  }

  private inObject(addr: Addr): string | undefined {
    const found = this.objectAt(addr);
    if (!found?.layout) return undefined;
    const field = fieldAt(found.layout, addr - found.object);
    return field === undefined ? nameOf(found.layout) : `${nameOf(found.layout)}.${field}`;
  }

  // Guarded fields.

  private guarded(addr: Addr, state: Addr, layout: object) {
    const inside = this.objectAt(addr);
    const of =
      inside?.layout !== undefined
        ? { object: inside.object, layout: inside.layout }
        : addr >= state && addr < state + sizeOf(layout)
          ? { object: state, layout }
          : undefined;
    const field = of && fieldAt(of.layout, addr - of.object);
    return of && field !== undefined ? { ...of, field: field.replace(/\[.*$/, '') } : undefined;
  }

  /** What a word held when the execution began. */
  private before(addr: Addr): number {
    const { gate } = this;
    const index = addr >>> 2;
    const log = gate.area.undo >>> 2;
    for (let at = 0; at < gate.get(Head.undo); at += 1)
      if (gate.w[log + 2 * at] === index) return gate.w[log + 2 * at + 1]!;
    return this.machine.words[index]!;
  }
}
