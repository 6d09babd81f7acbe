/**
 * The WebAssembly engine: what lockrig runs on unless told otherwise.
 *
 * An access is one call of an exported wasm function, 3-4 ns from JavaScript where `Atomics` takes 8-15; plain reads and writes are typed-array
 * accesses that the JIT inlines. The exports are copied into own fields of one class: of the shapes an engine object can have this is the
 * one that V8 calls fastest. All read-modify-writes are the full operation whatever their suffix: wasm has no weaker one.
 *
 * `rmb` and `wmb` are an atomic load of a word that nobody writes where the processor keeps loads and stores in order by itself: it only holds
 * the JIT back, called or inlined. Elsewhere they are fences.
 */
import { type Addr, type Isa, outside, type WaitResult } from './isa.ts';
import { isaBytes } from './isa-bytes.ts';
import { type IsaHost, type Primitives, SPIN_LOADS, Waiting } from './waiting.ts';
import { isWasmMemory, type WasmMemory, webAssembly } from './webassembly.ts';

interface Exports {
  readOnce: Isa['readOnce'];
  writeOnce: Isa['writeOnce'];
  load: Isa['load'];
  store: Isa['store'];
  fetchAdd: Isa['fetchAdd'];
  fetchAnd: Isa['fetchAnd'];
  fetchOr: Isa['fetchOr'];
  fetchXor: Isa['fetchXor'];
  exchange: Isa['exchange'];
  compareExchange: Isa['compareExchange'];
  mb: () => void;
  compilerBarrier: () => void;
  spin: (addr: Addr, value: number, loads: number) => number;
  wait: (addr: Addr, value: number, timeout: number) => WaitResult;
  notify: Isa['notify'];
  parked: (addr: Addr) => number;
  storeParked: (addr: Addr, value: number) => number;
}

function instantiate(memory: WasmMemory): Exports {
  if (webAssembly === undefined) throw new TypeError('this host has no WebAssembly; use the Atomics engine');
  const bytes = Uint8Array.from(atob(isaBytes), (char) => char.charCodeAt(0));
  const instance = new webAssembly.Instance(new webAssembly.Module(bytes), { machine: { memory } });
  return instance.exports as unknown as Exports;
}

const ignore = (): void => {};

/** {@link Isa} over wasm atomics on a shared `WebAssembly.Memory`. */
export class WasmIsa implements Isa {
  readonly engine = 'wasm';
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
  private readonly parked: Exports['parked'];
  private readonly storeParked: Exports['storeParked'];
  private readonly spin: Exports['spin'];
  private readonly briefLoads: number;
  private readonly waiting: Waiting;

  /** @throws TypeError when the host's memory is not a shared `WebAssembly.Memory` */
  constructor(host: IsaHost) {
    const { memory } = host;
    if (!isWasmMemory(memory)) throw new TypeError('the wasm engine needs a WebAssembly.Memory');
    const to = instantiate(memory);
    this.words = new Int32Array(memory.buffer);
    this.readOnce = to.readOnce;
    this.writeOnce = to.writeOnce;
    this.loadAcquire = this.load = to.load;
    this.storeRelease = this.store = to.store;
    this.fetchAdd = this.fetchAddAcquire = this.fetchAddRelease = this.fetchAddRelaxed = to.fetchAdd;
    this.fetchAnd = this.fetchAndAcquire = this.fetchAndRelease = this.fetchAndRelaxed = to.fetchAnd;
    this.fetchOr = this.fetchOrAcquire = this.fetchOrRelease = this.fetchOrRelaxed = to.fetchOr;
    this.fetchXor = this.fetchXorAcquire = this.fetchXorRelease = this.fetchXorRelaxed = to.fetchXor;
    this.exchange = this.exchangeAcquire = this.exchangeRelease = this.exchangeRelaxed = to.exchange;
    this.compareExchange = to.compareExchange;
    this.compareExchangeAcquire =
      this.compareExchangeRelease =
      this.compareExchangeRelaxed =
        to.compareExchange;
    this.mb = to.mb;
    this.rmb = this.wmb = host.strongOrder ? to.compilerBarrier : to.mb;
    this.notify = to.notify;
    this.parked = to.parked;
    this.storeParked = to.storeParked;
    this.queued = host.queued ?? ignore;
    this.spin = to.spin;
    const primitives: Primitives = {
      load: to.load,
      fetchAdd: to.fetchAdd,
      spin: to.spin,
      futexWait: to.wait,
    };
    this.waiting = new Waiting(this.words, primitives, host);
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
    if (this.parked(addr) !== 0) this.send(addr, count);
  }

  storeWake(addr: Addr, value: number): void {
    if (this.storeParked(addr, value) !== 0) this.send(addr, -1);
  }

  storeWakeOne(addr: Addr, value: number): void {
    if (this.storeParked(addr, value) !== 0) this.send(addr, 1);
  }

  private send(addr: Addr, count: number): void {
    this.notify(addr, count);
    this.waiting.sentWake();
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
