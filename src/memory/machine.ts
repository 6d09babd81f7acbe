/**
 * A machine: one shared memory and a number of CPUs.
 *
 * The thread that creates it hands `machine.handle` to its workers (it survives structured clone), each worker attaches to it and takes
 * up one CPU. Objects are allocated from the heap by adding to one word and are never given back: what comes and goes lives in slabs.
 */
import {
  type Addr,
  AtomicsIsa,
  type Isa,
  isWasmMemory,
  type WaitingPolicy,
  WasmIsa,
  type WasmMemory,
  webAssembly,
} from '../arch/index.ts';
import { Cpu } from './cpu.ts';
import { cpuArea, Header, heapStart, LINE, MAGIC, roundUp } from './layout.ts';
import { MAX_CPUS, MAX_MACHINE_BYTES } from './limits.ts';

const PAGE = 65536;
const CROWDED_ROUNDS = 1;

function hostCores(): number {
  return (globalThis as { navigator?: { hardwareConcurrency?: number } }).navigator?.hardwareConcurrency ?? 0;
}

/** The names of the hardware engines. */
export type Engine = 'wasm' | 'atomics';

/** What a worker needs to attach to a machine; survives `postMessage`. */
export interface MachineHandle {
  readonly memory: WasmMemory | SharedArrayBuffer;
  readonly cpus: number;
  /** Cores that the CPUs share, where that is known. */
  readonly cores?: number;
}

/** The machine ran out of memory. */
export class OutOfMemory extends Error {
  readonly code = 'ENOMEM';
  readonly wanted: number;
  readonly free: number;
  constructor(wanted: number, free: number) {
    super(`the machine's memory is used up: ${wanted} bytes wanted, ${free} free; create it with more bytes`);
    this.name = 'OutOfMemory';
    this.wanted = wanted;
    this.free = free;
  }
}

/** How a thread takes up a CPU. */
export interface AttachOptions {
  /** `wasm` unless given, or unless the machine's memory is a bare SharedArrayBuffer. */
  engine?: Engine;
  /** How this CPU waits; `spin-then-park` unless given. */
  waiting?: WaitingPolicy;
  /** Rounds of 2,000 loads before a park; 8 unless given, 1 where there are more CPUs than cores: then somebody else needs this one's. */
  spinRounds?: number;
  /** Whether the processor keeps loads among loads and stores among stores in order (x86); a fence is used otherwise. */
  strongOrder?: boolean;
  /** Seed of `cpu.random()`; the same stream for the same seed and CPU. */
  seed?: number;
  /** Called by the annotation `isa.queued`. */
  queued?: (lock: Addr) => void;
  /** Puts another instruction set over the engine's: what records accesses, or delays them. */
  wrap?: (isa: Isa, words: Int32Array<SharedArrayBuffer>) => Isa;
}

/** One shared memory and its CPUs, as one thread sees them. */
export class Machine {
  readonly handle: MachineHandle;
  readonly cpus: number;
  /** The memory as words, for observers that must not touch a lock path. */
  readonly words: Int32Array<SharedArrayBuffer>;
  /** The instruction set of a thread that is no CPU: sets memory up, reads it afterwards. One thread at a time. */
  readonly boot: Isa;

  constructor(handle: MachineHandle) {
    this.handle = handle;
    this.cpus = handle.cpus;
    const { memory } = handle;
    this.words = new Int32Array(isWasmMemory(memory) ? memory.buffer : memory);
    this.boot = new AtomicsIsa({ memory, record: Header.bootRecord });
    if (this.boot.load(Header.magic) !== MAGIC)
      throw new TypeError('this memory is no lockrig machine: create it with createMachine');
  }

  /**
   * Takes bytes from the heap, zeroed, aligned to a cache line.
   * @throws OutOfMemory; RangeError when `bytes` is no number of bytes
   */
  alloc(bytes: number): Addr {
    if (!Number.isInteger(bytes) || bytes < 0)
      throw new RangeError(`${bytes} bytes cannot be allocated: a whole number from 0 is expected`);
    if (bytes > MAX_MACHINE_BYTES)
      throw new OutOfMemory(bytes, Math.max(0, this.words.byteLength - this.boot.load(Header.heapTop)));
    const size = roundUp(Math.max(bytes, 4), LINE);
    const top = this.boot.fetchAdd(Header.heapTop, size);
    const end = this.words.byteLength;
    if (top + size > end) {
      this.boot.fetchAdd(Header.heapTop, -size);
      throw new OutOfMemory(bytes, Math.max(0, end - top));
    }
    return top;
  }

  /** Byte offset of a CPU's area; see `CpuArea`. */
  areaOf(cpu: number): Addr {
    return cpuArea(cpu);
  }

  /**
   * Makes the calling thread the CPU `id`. One thread at a time is a CPU; a thread binds one CPU and one engine for life.
   * @throws RangeError when the machine has no such CPU
   */
  attach(id: number, options: AttachOptions = {}): Cpu {
    if (!Number.isInteger(id) || id < 0 || id >= this.cpus)
      throw new RangeError(`there is no CPU ${id}: this machine has 0 to ${this.cpus - 1}`);
    const { memory, cores = 0 } = this.handle;
    const spinRounds = cores > 0 && this.cpus > cores ? CROWDED_ROUNDS : undefined;
    const engine = options.engine ?? (isWasmMemory(memory) ? 'wasm' : 'atomics');
    let cpu: Cpu | undefined;
    const host = {
      ...(spinRounds === undefined ? {} : { spinRounds }),
      ...options,
      memory,
      record: cpuArea(id),
      serve: () => cpu?.serve(),
    };
    const own = engine === 'wasm' ? new WasmIsa(host) : new AtomicsIsa(host);
    const isa = options.wrap?.(own, this.words) ?? own;
    cpu = new Cpu(isa, id, this.cpus, this.words, options.seed ?? 1);
    return cpu;
  }
}

/**
 * Creates a machine.
 * @param options.cpus 1 to 1024
 * @param options.bytes of heap, 1 MiB unless given; the machine may have 1 GiB in all
 * @param options.cores cores that the CPUs share; what the host says unless given (Node 20 does not say)
 * @throws RangeError when it does not fit
 */
export function createMachine(options: { cpus: number; bytes?: number; cores?: number }): Machine {
  const { cpus, bytes = 2 ** 20, cores = hostCores() } = options;
  if (!Number.isInteger(cpus) || cpus < 1 || cpus > MAX_CPUS)
    throw new RangeError(`a machine has 1 to ${MAX_CPUS} CPUs, not ${cpus}`);
  if (!Number.isFinite(bytes) || bytes < 0)
    throw new RangeError(`a machine cannot have ${bytes} bytes of heap`);
  const start = heapStart(cpus);
  const total = roundUp(start + bytes, PAGE);
  if (!(total <= MAX_MACHINE_BYTES))
    throw new RangeError(
      `a machine has at most ${MAX_MACHINE_BYTES} bytes, ${start} of them its own; ${bytes} of heap were asked for`,
    );
  const pages = total / PAGE;
  const memory = webAssembly
    ? new webAssembly.Memory({ initial: pages, maximum: pages, shared: true })
    : new SharedArrayBuffer(total);
  const boot = new AtomicsIsa({ memory, record: Header.bootRecord });
  boot.store(Header.cpus, cpus);
  boot.store(Header.bytes, total);
  boot.store(Header.heapStart, start);
  boot.store(Header.heapTop, start);
  boot.store(Header.magic, MAGIC);
  return new Machine({ memory, cpus, cores });
}
