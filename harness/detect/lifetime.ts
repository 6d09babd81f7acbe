/**
 * Lifetimes: objects are used while they live, freed once, and not forgotten.
 *
 *   use after free    a word of an object is accessed after its `free`, and before it is allocated again
 *   stale             it was allocated again: the CPU still uses the pointer of an earlier generation
 *   double free       of what is free since an earlier `free`
 *   foreign free      of what is no object, or was not allocated when the execution began
 *   leak              allocated when all is over, and not one of those that may be left: the caller says which these are (leaks.ts)
 *
 * In type-stable memory a stale pointer does no harm that could be seen: another object of the kind is there, its lock works, its fields look right.
 * So what a CPU means is followed by what it obtained: `consumed` of an object, and its own `alloc`, remember the generation; a load that returns an address inside
 * the object obtains it anew. Only CPUs that say `consumed` are judged by that, since a pointer may also be computed. An object's lock and
 * reference count may be touched while it is free, until it is validated: the caller says which words those are (`stable`).
 *
 * An object of which the trace has no `alloc` is taken to live from the beginning unless the caller knows better. Accesses of the allocator to its own header lie
 * outside the object's bytes.
 */
import type { Addr } from '../../src/arch/index.ts';
import { OP, OPERATIONS, RECORD_WORDS, type Trace } from '../engines/trace.ts';
import { type Finding, hex, NOTHING, type Pass, type Place } from './finding.ts';
import type { Left } from './leaks.ts';

/** What the pass is made for. */
export interface LifetimeOptions {
  readonly cpus: number;
  /** Bytes of the memory that traces are about. */
  readonly bytes: number;
  /** Bytes of the object that begins at an address; 0: none does. */
  readonly sizeOf: (object: Addr) => number;
  /** Whether an object was allocated when the execution began; true unless given. */
  readonly initially?: ((object: Addr) => boolean) | undefined;
  /** Words that may be accessed in a free object. */
  readonly stable?: ((addr: Addr) => boolean) | undefined;
  /** The objects that are left at the end and should not be; unless given, leaks are not looked for. */
  readonly left?: (() => readonly Left[]) | undefined;
  /** Names an object; as its first word unless given. */
  readonly objectName?: ((object: Addr) => string) | undefined;
  /** Names a word; a number unless given. */
  readonly name?: ((addr: Addr) => string) | undefined;
}

interface Life {
  readonly object: Addr;
  live: boolean;
  /** Counts the allocations seen. */
  generation: number;
  /** Where it was allocated and freed last; undefined: not in this trace. */
  allocated: Place | undefined;
  freed: Place | undefined;
  /** For each CPU the generation that it obtained, plus 1; 0: it has not said. */
  readonly obtained: Int32Array;
}

const ALLOC = 1;
const FREE = 2;
const CONSUMED = 3;
const ACCESS = 4;
const LOAD = 5;
const BEGIN = 6;
const END = 7;
const BY_OP: Readonly<Record<number, number>> = {
  [OP.alloc!]: ALLOC,
  [OP.free!]: FREE,
  [OP.consumed!]: CONSUMED,
  [OP.begin!]: BEGIN,
  [OP.end!]: END,
};
const ACTIONS = Uint8Array.from({ length: 256 }, (_, op) => {
  const is = OPERATIONS[op];
  if (!is) return 0;
  return is.reads ? LOAD : is.writes ? ACCESS : (BY_OP[op] ?? 0);
});

/** Finds uses of objects outside their lives. */
export class Lifetime implements Pass {
  private readonly options: LifetimeOptions;
  private readonly name: (addr: Addr) => string;
  /** Per word of the memory: the object it lies in, by number plus `base`. */
  private readonly owner: Int32Array;
  private base = 1;
  private lives: Life[] = [];
  private obtains = false;
  private found: Finding[] | undefined;

  constructor(options: LifetimeOptions) {
    this.options = options;
    this.name = options.name ?? hex;
    this.owner = new Int32Array(options.bytes >>> 2);
  }

  run(trace: Trace): readonly Finding[] {
    this.base += this.lives.length;
    if (this.base > 0x3fffffff) {
      this.owner.fill(0);
      this.base = 1;
    }
    this.lives = [];
    this.obtains = false;
    this.found = undefined;
    let running = 0;
    const { words, length } = trace;
    for (let at = 0; at < length; at += 1) {
      const head = words[at * RECORD_WORDS]!;
      const action = ACTIONS[head & 0xff]!;
      if (action === 0) continue;
      const cpu = head >>> 8;
      const addr = words[at * RECORD_WORDS + 1]!;
      if (action >= BEGIN) running += action === BEGIN ? 1 : -1;
      else if (action === ALLOC) this.alloc(cpu, addr, at);
      else if (action === FREE) this.free(cpu, addr, at);
      else if (action === CONSUMED) this.consumed(cpu, addr);
      else if (this.lives.length > 0) {
        const index = this.owner[addr >>> 2]! - this.base;
        if (index >= 0) this.access(this.lives[index]!, cpu, addr, at);
        if (this.obtains && action === LOAD) this.loaded(cpu, words[at * RECORD_WORDS + 2]!);
      }
    }
    if (this.options.left && length > 0 && running === 0) this.leaks(this.options.left());
    return this.found ?? NOTHING;
  }

  private at(addr: Addr): Life | undefined {
    return this.lives[this.owner[addr >>> 2]! - this.base];
  }

  /** The life of the object that begins at an address, from now on watched; undefined: there is none. */
  private life(object: Addr): Life | undefined {
    const known = this.at(object);
    if (known) return known.object === object ? known : undefined;
    const size = this.options.sizeOf(object);
    if (size <= 0) return undefined;
    const life: Life = {
      object,
      live: this.options.initially?.(object) ?? true,
      generation: 0,
      allocated: undefined,
      freed: undefined,
      obtained: new Int32Array(this.options.cpus),
    };
    const number = this.base + this.lives.push(life) - 1;
    this.owner.fill(number, object >>> 2, (object + size + 3) >>> 2);
    return life;
  }

  private alloc(cpu: number, object: Addr, at: number): void {
    const life = this.life(object);
    if (!life) return;
    life.live = true;
    life.generation += 1;
    life.allocated = { at, cpu };
    if (life.obtained[cpu] !== 0) life.obtained[cpu] = life.generation + 1;
  }

  private free(cpu: number, object: Addr, at: number): void {
    const known = this.at(object);
    const life = this.life(object);
    const here = { at, cpu };
    if (!life) {
      this.report('foreign free', object, `CPU ${cpu} frees ${this.name(object)}, which is no object`, [
        here,
      ]);
      return;
    }
    if (!life.live) {
      const { freed } = life;
      if (freed) {
        const text = `CPU ${cpu} frees ${this.name(object)}, which CPU ${freed.cpu} has freed at ${freed.at}`;
        this.report('double free', object, text, [freed, here]);
      } else if (!known)
        this.report('foreign free', object, `CPU ${cpu} frees ${this.name(object)}, which is not allocated`, [
          here,
        ]);
    }
    life.live = false;
    life.freed = here;
  }

  private consumed(cpu: number, object: Addr): void {
    const life = this.life(object);
    if (!life) return;
    this.obtains = true;
    life.obtained[cpu] = life.generation + 1;
  }

  private loaded(cpu: number, value: number): void {
    if (value <= 0 || value >>> 2 >= this.owner.length) return;
    const life = this.at(value);
    if (life && life.obtained[cpu] !== 0) life.obtained[cpu] = life.generation + 1;
  }

  private access(life: Life, cpu: number, addr: Addr, at: number): void {
    const obtained = life.obtained[cpu]!;
    const stale = obtained !== 0 && obtained !== life.generation + 1;
    if ((life.live && !stale) || this.options.stable?.(addr)) return;
    const { freed, allocated } = life;
    const places = [...(freed ? [freed] : []), ...(life.live && allocated ? [allocated] : []), { at, cpu }];
    const who = freed ? `, which CPU ${freed.cpu} has freed at ${freed.at}` : ', which is not allocated';
    if (!life.live)
      this.report('use after free', addr, `CPU ${cpu} accesses ${this.name(addr)}${who}`, places);
    else
      this.report(
        'stale',
        addr,
        `CPU ${cpu} accesses ${this.name(addr)} by a pointer to an earlier object there${who} and CPU ${allocated?.cpu} has allocated at ${allocated?.at}`,
        places,
      );
  }

  private leaks(left: readonly Left[]): void {
    const nameOf = this.options.objectName ?? this.name;
    for (const { object, by } of left) {
      const place = this.at(object)?.allocated;
      const who = place
        ? `allocated by CPU ${place.cpu} at ${place.at}`
        : `allocated before the execution began${by > 0 ? `, by CPU ${by - 1}` : ''}`;
      this.report(
        'leak',
        object,
        `${nameOf(object)}, ${who}, is left when all is over`,
        place ? [place] : [],
      );
    }
  }

  private report(what: string, addr: Addr, text: string, at: readonly Place[]): void {
    const key = `${what} ${this.name(addr)}`;
    this.found ??= [];
    if (this.found.some((each) => each.key === key)) return;
    this.found.push({ detector: 'lifetime', key, text, details: [], at, addresses: [addr] });
  }
}
