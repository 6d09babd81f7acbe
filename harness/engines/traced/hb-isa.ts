/**
 * The instruction set that looks for data races while its CPUs run free: happens-before by vector clocks, as harness/detect/order.ts has the edges, and
 * FastTrack's epochs (Flanagan and Freund 2009), as harness/detect/races.ts has what races with what. Every CPU checks its own accesses, nothing waits, no trace is kept.
 *
 * There is one rule for what is kept: who writes it is alone in doing so. A word of memory has a cell a CPU and a vector a CPU (hb-layout.ts); a CPU writes its
 * own, and reads everybody's. So no entry is lost to a race in the detector, and there is nothing to lock.
 *
 *   access        own cell := own clock;  every cell of another CPU that conflicts must be known: at most what the own clock has of that CPU
 *   release       own vector of the word := own clock;  the store;  own component + 1
 *   acquire       the load;  own clock := the maximum of itself and the vectors that all CPUs have at the word
 *   fence         what relaxed loads have seen is acquired; relaxed stores after it publish the clock that it found
 *
 * Why there are no false alarms. A report says: CPU A has accessed the word in its epoch a, CPU B accesses it, and B's clock knows less than a of A. It would be false if
 * the accesses were ordered, which there are two ways to be.
 *
 *   A's before B's   Then a chain of releases and acquires leads from A's epoch a to B. Each release has published before its store (stores before an atomic access are
 *                    visible to who reads from it), each acquire has looked after its load. Vectors of one CPU at one word only grow, by component: whatever mixture
 *                    of older and newer components a look finds, each is at least what the store that it read from has published. So B knows a.
 *   B's before A's   Then a chain leads from B's access to A's, and A's cell got its value at the end of it. B has looked at the cells in front of its next release: before a
 *                    store, and before a read-modify-write, whose looks are kept and judged when what it has read is known. What it saw there cannot come out of its
 *                    own future.
 *
 * What is missed. A clock published, and read before its store was visible, is an edge too many; so is one that an older store of somebody else has left at the
 * word, and what a release after an access has told all who look at that word. Two CPUs that access a word at the very same time may overlook each other. Each hides
 * a race in one execution and not in all of them.
 *
 * Cells and vectors are read four words at a time; that a word does not come apart is all that is asked of the processor.
 *
 * The cost is kept where races can be: of plain accesses the first of a kind in an epoch is a call, all others are one comparison. Interrupt handlers that
 * run inside `dataRace` are taken to be part of it.
 */
import { type Addr, type Isa, WAIT_NOT_EQUAL, type WaitResult } from '../../../src/arch/index.ts';
import { outside } from '../../../src/arch/isa.ts';
import { type WasmMemory, webAssembly } from '../../../src/arch/webassembly.ts';
import { hbBytes } from './hb-bytes.ts';
import { type HbHandle, HbLine, hbLine, hbRecord, hbRoom } from './hb-layout.ts';

/** Names of the read-modify-writes, in all their forms. */
type Rmw = Extract<keyof Isa, `fetch${string}` | `exchange${string}` | `compareExchange${string}`>;

interface Exports extends Pick<Isa, 'readOnce' | 'writeOnce' | 'load' | 'store' | Rmw> {
  waited: (addr: Addr, value: number) => void;
  storeParked: (addr: Addr, value: number) => number;
  plainRead: (addr: Addr) => void;
  plainWrite: (addr: Addr, value: number) => void;
  publish: (addr: Addr) => void;
  join: (addr: Addr) => void;
  seen: () => void;
  covers: () => void;
}

/** Told of an access that races: its kind, where the cells are that it is held against (0: it was waited for), the value stored or found. */
export type OnRace = (addr: Addr, kind: number, cells: Addr, value: number) => void;

/** What the instruction set of a watched CPU is made with. */
export interface HbOptions {
  /** The engine whose waiting and fences these are; `wasm`. */
  readonly to: Isa;
  readonly memory: WasmMemory;
  readonly handle: HbHandle;
  readonly cpu: number;
  readonly onRace: OnRace;
  /** Bytes of the module, where it is another one: for tests. */
  readonly module?: Uint8Array;
}

/** The record of address 0, which is nobody's: what read sections of RCU have published at their ends. */
const GRACE = 0;

function instantiate({ memory, handle, cpu, onRace, module }: HbOptions): Exports {
  if (webAssembly === undefined) throw new TypeError('this host has no WebAssembly');
  const code = module ?? Uint8Array.from(atob(hbBytes[hbRoom(handle.cpus)]!), (char) => char.charCodeAt(0));
  const { vector, shift } = hbRecord(handle.cpus);
  const instance = new webAssembly.Instance(new webAssembly.Module(code), {
    machine: { memory },
    cpu: {
      race: onRace,
      span: handle.span,
      shadow: handle.shadow,
      shift,
      cell: 16 * cpu,
      vector: vector * cpu,
      component: 4 * cpu,
      line: hbLine(handle, cpu),
    },
  });
  return instance.exports as unknown as Exports;
}

/** {@link Isa} that looks for data races. Own fields of one class, as in src/arch/wasm.ts: the shape that V8 calls fastest. */
export class HbIsa implements Isa {
  readonly engine = 'wasm, watched for races';
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly readOnce: Isa['readOnce'];
  readonly writeOnce: Isa['writeOnce'];
  readonly loadAcquire: Isa['loadAcquire'];
  readonly storeRelease: Isa['storeRelease'];
  readonly load: Isa['load'];
  readonly store: Isa['store'];
  readonly fetchAdd: Isa['fetchAdd'];
  readonly fetchAddAcquire: Isa['fetchAdd'];
  readonly fetchAddRelease: Isa['fetchAdd'];
  readonly fetchAddRelaxed: Isa['fetchAdd'];
  readonly fetchAnd: Isa['fetchAnd'];
  readonly fetchAndAcquire: Isa['fetchAnd'];
  readonly fetchAndRelease: Isa['fetchAnd'];
  readonly fetchAndRelaxed: Isa['fetchAnd'];
  readonly fetchOr: Isa['fetchOr'];
  readonly fetchOrAcquire: Isa['fetchOr'];
  readonly fetchOrRelease: Isa['fetchOr'];
  readonly fetchOrRelaxed: Isa['fetchOr'];
  readonly fetchXor: Isa['fetchXor'];
  readonly fetchXorAcquire: Isa['fetchXor'];
  readonly fetchXorRelease: Isa['fetchXor'];
  readonly fetchXorRelaxed: Isa['fetchXor'];
  readonly exchange: Isa['exchange'];
  readonly exchangeAcquire: Isa['exchange'];
  readonly exchangeRelease: Isa['exchange'];
  readonly exchangeRelaxed: Isa['exchange'];
  readonly compareExchange: Isa['compareExchange'];
  readonly compareExchangeAcquire: Isa['compareExchange'];
  readonly compareExchangeRelease: Isa['compareExchange'];
  readonly compareExchangeRelaxed: Isa['compareExchange'];
  readonly queued: Isa['queued'];
  private readonly to: Isa;
  private readonly storeParked: Exports['storeParked'];
  protected readonly plainRead: Exports['plainRead'];
  protected readonly plainWrite: Exports['plainWrite'];
  private readonly hb: Exports;
  /** The own cells, one every `4 << shift` bytes. */
  private readonly cells: Int32Array<SharedArrayBuffer>;
  private readonly shift: number;
  /** The own component of the own clock. */
  private readonly clock: Int32Array<SharedArrayBuffer>;
  private readonly benign: number;

  constructor(options: HbOptions) {
    const { to, memory, handle, cpu } = options;
    const { buffer } = memory;
    const hb = instantiate(options);
    const { shift } = hbRecord(handle.cpus);
    const line = hbLine(handle, cpu);
    this.to = to;
    this.hb = hb;
    this.words = new Int32Array(buffer);
    this.cells = new Int32Array(buffer, handle.shadow + 16 * cpu, ((handle.span << shift) >>> 2) - 4 * cpu);
    this.shift = shift;
    this.clock = new Int32Array(buffer, line + 4 * cpu, 1);
    this.benign = (line + HbLine.benign) >>> 2;
    this.readOnce = hb.readOnce;
    this.writeOnce = hb.writeOnce;
    this.loadAcquire = this.load = hb.load;
    this.storeRelease = this.store = hb.store;
    this.fetchAdd = hb.fetchAdd;
    this.fetchAddAcquire = hb.fetchAddAcquire;
    this.fetchAddRelease = hb.fetchAddRelease;
    this.fetchAddRelaxed = hb.fetchAddRelaxed;
    this.fetchAnd = hb.fetchAnd;
    this.fetchAndAcquire = hb.fetchAndAcquire;
    this.fetchAndRelease = hb.fetchAndRelease;
    this.fetchAndRelaxed = hb.fetchAndRelaxed;
    this.fetchOr = hb.fetchOr;
    this.fetchOrAcquire = hb.fetchOrAcquire;
    this.fetchOrRelease = hb.fetchOrRelease;
    this.fetchOrRelaxed = hb.fetchOrRelaxed;
    this.fetchXor = hb.fetchXor;
    this.fetchXorAcquire = hb.fetchXorAcquire;
    this.fetchXorRelease = hb.fetchXorRelease;
    this.fetchXorRelaxed = hb.fetchXorRelaxed;
    this.exchange = hb.exchange;
    this.exchangeAcquire = hb.exchangeAcquire;
    this.exchangeRelease = hb.exchangeRelease;
    this.exchangeRelaxed = hb.exchangeRelaxed;
    this.compareExchange = hb.compareExchange;
    this.compareExchangeAcquire = hb.compareExchangeAcquire;
    this.compareExchangeRelease = hb.compareExchangeRelease;
    this.compareExchangeRelaxed = hb.compareExchangeRelaxed;
    this.storeParked = hb.storeParked;
    this.plainRead = hb.plainRead;
    this.plainWrite = hb.plainWrite;
    this.queued = to.queued;
  }

  read(addr: Addr): number {
    const at = addr >>> 2;
    if (this.cells[at << this.shift] !== this.clock[0]) this.plainRead(addr);
    return this.words[at] ?? outside(addr);
  }

  write(addr: Addr, value: number): void {
    const at = addr >>> 2;
    if (this.cells[(at << this.shift) + 1] !== this.clock[0]) this.plainWrite(addr, value);
    this.words[at] = value;
  }

  storeWake(addr: Addr, value: number): void {
    if (this.storeParked(addr, value) !== 0) this.to.wake(addr, -1);
  }

  storeWakeOne(addr: Addr, value: number): void {
    if (this.storeParked(addr, value) !== 0) this.to.wake(addr, 1);
  }

  wake(addr: Addr, count: number): void {
    this.to.wake(addr, count);
  }

  notify(addr: Addr, count: number): number {
    this.hb.publish(addr);
    return this.to.notify(addr, count);
  }

  mb(): void {
    this.to.mb();
    this.hb.seen();
    this.hb.covers();
  }

  rmb(): void {
    this.to.rmb();
    this.hb.seen();
  }

  wmb(): void {
    this.to.wmb();
    this.hb.covers();
  }

  spinWhile(addr: Addr, value: number): number {
    const seen = this.to.spinWhile(addr, value);
    this.hb.waited(addr, seen);
    return seen;
  }

  spinWhileAny(pairs: readonly number[]): number {
    const which = this.to.spinWhileAny(pairs);
    const addr = pairs[2 * which]!;
    this.hb.waited(addr, this.to.load(addr));
    return which;
  }

  spinBriefly(addr: Addr, value: number): number {
    const seen = this.to.spinBriefly(addr, value);
    this.hb.waited(addr, seen);
    return seen;
  }

  wait(addr: Addr, value: number, timeout?: number): WaitResult {
    const result = this.load(addr) === (value | 0) ? this.to.wait(addr, value, timeout) : WAIT_NOT_EQUAL;
    this.hb.join(addr);
    return result;
  }

  pause(): void {
    this.to.pause();
  }

  published(addr: Addr): void {
    this.hb.publish(addr);
  }

  consumed(addr: Addr): void {
    this.hb.join(addr);
    // What hangs on a pointer is ordered by the dependency.
    this.hb.seen();
  }

  /** A read section of RCU is about to end. */
  readSectionEnds(): void {
    this.hb.publish(GRACE);
  }

  gracePeriod(_id: number): void {
    this.hb.join(GRACE);
  }

  /** Accesses from here on are not looked at; edges count. Nests. */
  pardon(): void {
    this.words[this.benign]! += 1;
  }

  /** Ends a {@link pardon}. */
  judge(): void {
    this.words[this.benign]! -= 1;
  }

  dataRace<T>(fn: () => T): T {
    this.pardon();
    try {
      return fn();
    } finally {
      this.judge();
    }
  }
}
