/**
 * The Atomics engine: the same instruction set over `Atomics` on a SharedArrayBuffer, for hosts without WebAssembly threads and as the portable
 * twin that the conformance suite holds the wasm engine against.
 *
 * `readOnce` and `writeOnce` are `Atomics.load` and `Atomics.store`: a plain typed-array access could be hoisted out of a loop by the JIT.
 * That makes them sequentially consistent here, more than they ask for. JavaScript has no fence; `mb` is a read-modify-write of a word that
 * only this CPU uses, which every processor orders like one. Futex timeouts are rounded up to milliseconds by `Atomics.wait`'s unit only in
 * so far as the host does.
 */
import { type Addr, type Isa, outside, type WaitResult } from './isa.ts';
import { type IsaHost, type Primitives, parkersOf, SPIN_LOADS, Waiting } from './waiting.ts';
import { isWasmMemory } from './webassembly.ts';

const ignore = (): void => {};
const RESULT: Record<string, WaitResult> = { ok: 0, 'not-equal': 1, 'timed-out': 2 };

/** {@link Isa} over JavaScript's `Atomics`. */
export class AtomicsIsa implements Isa {
  readonly engine = 'atomics';
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
  readonly mb: () => void;
  readonly rmb: () => void;
  readonly wmb: () => void;
  readonly notify: Isa['notify'];
  readonly queued: (lock: Addr) => void;
  readonly published: (addr: Addr) => void = ignore;
  readonly consumed: (addr: Addr) => void = ignore;
  readonly gracePeriod: (id: number) => void = ignore;
  private readonly spin: Primitives['spin'];
  private readonly briefLoads: number;
  private readonly waiting: Waiting;

  constructor(host: IsaHost) {
    const { memory } = host;
    const buffer = isWasmMemory(memory) ? memory.buffer : memory;
    const words = new Int32Array(buffer);
    const fence = (host.record >>> 2) + 9;
    this.words = words;
    this.readOnce = this.loadAcquire = this.load = (addr) => Atomics.load(words, addr >>> 2);
    this.writeOnce =
      this.storeRelease =
      this.store =
        (addr, value) => {
          Atomics.store(words, addr >>> 2, value);
        };
    this.fetchAdd = (addr, operand) => Atomics.add(words, addr >>> 2, operand);
    this.fetchAddAcquire = this.fetchAddRelease = this.fetchAddRelaxed = this.fetchAdd;
    this.fetchAnd = (addr, operand) => Atomics.and(words, addr >>> 2, operand);
    this.fetchAndAcquire = this.fetchAndRelease = this.fetchAndRelaxed = this.fetchAnd;
    this.fetchOr = (addr, operand) => Atomics.or(words, addr >>> 2, operand);
    this.fetchOrAcquire = this.fetchOrRelease = this.fetchOrRelaxed = this.fetchOr;
    this.fetchXor = (addr, operand) => Atomics.xor(words, addr >>> 2, operand);
    this.fetchXorAcquire = this.fetchXorRelease = this.fetchXorRelaxed = this.fetchXor;
    this.exchange = (addr, operand) => Atomics.exchange(words, addr >>> 2, operand);
    this.exchangeAcquire = this.exchangeRelease = this.exchangeRelaxed = this.exchange;
    this.compareExchange = (addr, expected, value) =>
      Atomics.compareExchange(words, addr >>> 2, expected, value);
    this.compareExchangeAcquire =
      this.compareExchangeRelease =
      this.compareExchangeRelaxed =
        this.compareExchange;
    this.mb = () => {
      Atomics.add(words, fence, 0);
    };
    this.rmb = this.wmb = this.mb;
    this.notify = (addr, count) =>
      Atomics.notify(words, addr >>> 2, count < 0 ? Number.POSITIVE_INFINITY : count);
    this.queued = host.queued ?? ignore;
    this.spin = (addr, value, loads) => {
      const at = addr >>> 2;
      let now = value;
      for (let left = loads; left > 0 && now === value; left -= 1) now = Atomics.load(words, at);
      return now;
    };
    const futexWait = (addr: Addr, value: number, timeout: number): WaitResult =>
      RESULT[Atomics.wait(words, addr >>> 2, value, timeout < 0 ? Number.POSITIVE_INFINITY : timeout / 1e6)]!;
    const primitives: Primitives = { load: this.load, fetchAdd: this.fetchAdd, spin: this.spin, futexWait };
    this.waiting = new Waiting(words, primitives, host);
    this.briefLoads = this.waiting.briefLoads;
  }

  read(addr: Addr): number {
    // Free: within bounds V8 knows that it is not undefined.
    return this.words[addr >>> 2] ?? outside(addr);
  }

  write(addr: Addr, value: number): void {
    this.words[addr >>> 2] = value;
  }

  wake(addr: Addr, count: number): void {
    if (Atomics.load(this.words, parkersOf(addr) >>> 2) === 0) return;
    this.notify(addr, count);
    this.waiting.sentWake();
  }

  storeWake(addr: Addr, value: number): void {
    Atomics.store(this.words, addr >>> 2, value);
    this.wake(addr, -1);
  }

  storeWakeOne(addr: Addr, value: number): void {
    Atomics.store(this.words, addr >>> 2, value);
    this.wake(addr, 1);
  }

  spinWhile(addr: Addr, value: number): number {
    const old = value | 0;
    const now = this.spin(addr, old, SPIN_LOADS);
    return now !== old ? now : this.waiting.spinWhile(addr, old);
  }

  spinWhileAny(pairs: readonly number[]): number {
    return this.waiting.spinWhileAny(pairs);
  }

  spinBriefly(addr: Addr, value: number): number {
    return this.spin(addr, value | 0, this.briefLoads);
  }

  wait(addr: Addr, value: number, timeout?: number): WaitResult {
    return this.waiting.wait(addr, value, timeout);
  }

  pause(): void {
    this.waiting.interrupts();
  }

  dataRace<T>(fn: () => T): T {
    return fn();
  }
}
