/**
 * Where things lie in a machine's memory, in bytes from its start.
 *
 *   0            header: the words below; the first is never an object, so that address 0 can be NULL
 *   4096         parked counters of the engines
 *   20480        one area of 4 KiB a CPU
 *   then         call words: whether a CPU has an interrupt pending for another, a row of lines a sender
 *   then         the heap
 *
 * A line has one writer, or its words are all written together: identity, tracking and nodes of a CPU are written by that CPU alone, what
 * others write (interrupt pending, call words, queue nodes' links) stands on lines of its own.
 */
import { type Addr, ENGINE_BYTES, WAIT_RECORD_BYTES } from '../arch/index.ts';

/** Bytes of a cache line: words of different writers never share one. */
export const LINE = 64;

/** Rounds `bytes` up to a multiple of `unit`; exact beyond 2^31 too, where a size is refused and must not wrap to a small one. */
export function roundUp(bytes: number, unit: number): number {
  return Math.ceil(bytes / unit) * unit;
}

/** Header words. */
export const Header = {
  magic: 64,
  cpus: 68,
  bytes: 72,
  heapStart: 76,
  /** First free byte of the heap; on its own line, all allocators add to it. */
  heapTop: 128,
  /** Wait record of the main thread. */
  bootRecord: 256,
} as const;
/** `lckr`. */
export const MAGIC = 0x6c636b72;

const CPU_AREAS = roundUp(ENGINE_BYTES, 4096);
/** Bytes of a CPU's area. */
export const CPU_AREA_BYTES = 4096;

/** Locks that a CPU can hold, or queue nodes that it can use, at once. */
export const MAX_HELD = 16;

/** Byte offsets in a CPU's area. */
export const CpuArea = {
  waitRecord: 0,
  id: WAIT_RECORD_BYTES,
  /** Counts the threads that have been this CPU. */
  generation: WAIT_RECORD_BYTES + 4,
  /** One of {@link CPU_OFFLINE} … {@link CPU_LEAVING}. */
  state: WAIT_RECORD_BYTES + 8,
  /** Operations completed, modulo 2^32: what the watchdog takes for progress. */
  heartbeat: WAIT_RECORD_BYTES + 12,
  random: WAIT_RECORD_BYTES + 16,
  rcuNesting: WAIT_RECORD_BYTES + 20,
  /** The lock being acquired and its mode; 0 when none. */
  waitingFor: WAIT_RECORD_BYTES + 24,
  waitingMode: WAIT_RECORD_BYTES + 28,
  held: WAIT_RECORD_BYTES + 32,
  nodesUsed: WAIT_RECORD_BYTES + 36,
  inCall: WAIT_RECORD_BYTES + 40,
  callVector: WAIT_RECORD_BYTES + 44,
  callFirst: WAIT_RECORD_BYTES + 48,
  callSecond: WAIT_RECORD_BYTES + 52,
  /** The thread's id in the host, for the debugger. */
  thread: WAIT_RECORD_BYTES + 56,
  /** Up to {@link MAX_HELD} entries of two words: lock, mode. */
  heldLocks: 256,
  /** The lock that each queue node serves; 0: free. */
  nodeKeys: 384,
  nodes: 1024,
  local: 2048,
} as const;
/** Bytes of `cpu.local`. */
export const CPU_LOCAL_BYTES = CPU_AREA_BYTES - CpuArea.local;

/** State of a CPU: no thread is this CPU. */
export const CPU_OFFLINE = 0;
/** State of a CPU: a thread is this CPU. */
export const CPU_ONLINE = 1;
/** Serving its mailbox for the last time. */
export const CPU_LEAVING = 2;

/** Byte offset of a CPU's area. */
export function cpuArea(cpu: number): Addr {
  return CPU_AREAS + cpu * CPU_AREA_BYTES;
}

/** Bytes of one sender's row of call words, a word a target. */
export function callRowBytes(cpus: number): number {
  return roundUp(cpus * 4, LINE);
}

/** Byte offset of the word that says whether `sender` has an interrupt pending for `target`. */
export function callWord(cpus: number, sender: number, target: number): Addr {
  return cpuArea(cpus) + sender * callRowBytes(cpus) + target * 4;
}

/** First byte of the heap of a machine with `cpus` CPUs. */
export function heapStart(cpus: number): Addr {
  return roundUp(cpuArea(cpus) + cpus * callRowBytes(cpus), 4096);
}
