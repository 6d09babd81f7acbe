/**
 * A CPU: one worker thread's identity in the machine.
 *
 * Everything it knows of itself lies in its area of shared memory, so that a watchdog can read it while the thread is stuck, and a dead CPU
 * can be reported with the locks it held. Only the CPU itself writes its area (but for the interrupt pending word and the links of queue nodes),
 * therefore plain accesses suffice; an observer may read a stale entry: for it these are hints, confirmed by a second look.
 */
import { type Addr, BLOCKED_NO, type Isa, WaitRecord } from '../arch/index.ts';
import { type InterruptHandler, Interrupts } from './interrupts.ts';
import { CPU_LEAVING, CPU_OFFLINE, CPU_ONLINE, CpuArea, cpuArea, LINE, MAX_HELD } from './layout.ts';
import { TooManyLocks, type Tracking, tracking } from './tracking.ts';

/** One CPU, as its own thread sees it. */
export class Cpu {
  readonly isa: Isa;
  /** 0 to `count` - 1. */
  readonly id: number;
  /** CPUs of the machine. */
  readonly count: number;
  /** Byte offset of this CPU's area. */
  readonly area: Addr;
  /** Byte offset of 2 KiB that are this CPU's to use. */
  readonly local: Addr;
  /** Which locks it waits for and holds. */
  readonly tracking: Tracking;
  /** The memory as words; for the CPU's own area only. */
  private readonly words: Int32Array<SharedArrayBuffer>;
  private readonly base: number;
  // Word indices and an address that queue locks need at every turn.
  private readonly nodeKeys: number;
  private readonly nodesUsed: number;
  private readonly firstNode: Addr;
  private readonly interrupts: Interrupts;

  constructor(isa: Isa, id: number, count: number, words: Int32Array<SharedArrayBuffer>, seed: number) {
    this.isa = isa;
    this.id = id;
    this.count = count;
    this.words = words;
    this.area = cpuArea(id);
    this.local = this.area + CpuArea.local;
    this.base = this.area >>> 2;
    this.tracking = tracking(words, this.base, id);
    this.nodeKeys = this.base + (CpuArea.nodeKeys >>> 2);
    this.nodesUsed = this.base + (CpuArea.nodesUsed >>> 2);
    this.firstNode = this.area + CpuArea.nodes;
    // What the last thread that was this CPU has left behind; an interrupt that is pending stays so, and is served.
    for (const word of [
      CpuArea.waitingFor,
      CpuArea.held,
      CpuArea.nodesUsed,
      CpuArea.inCall,
      CpuArea.rcuNesting,
    ])
      isa.write(this.area + word, 0);
    for (let node = 0; node < MAX_HELD; node += 1) isa.write(this.area + CpuArea.nodeKeys + 4 * node, 0);
    isa.write(this.area + WaitRecord.irqOff, 0);
    isa.store(this.area + WaitRecord.blocked, BLOCKED_NO);
    isa.write(this.area + CpuArea.id, id);
    isa.write(this.area + CpuArea.generation, isa.read(this.area + CpuArea.generation) + 1);
    this.seed(seed);
    this.interrupts = new Interrupts(isa, this);
    isa.store(this.area + CpuArea.state, CPU_ONLINE);
  }

  /** Monotonic time in nanoseconds, comparable between the CPUs of one Node process (each browser worker counts from its own start). */
  now(): number {
    return performance.now() * 1e6;
  }

  /** Starts the random stream of (seed, CPU) anew. */
  seed(seed: number): void {
    // splitmix32 of both, so that neighbouring seeds and CPUs get unrelated streams; xorshift must not start from 0.
    let z = (seed ^ Math.imul(this.id + 1, 0x9e3779b9)) | 0;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    z ^= z >>> 16;
    this.words[this.base + (CpuArea.random >>> 2)] = z === 0 ? 1 : z;
  }

  /** The next number of this CPU's stream (xorshift32, Marsaglia 2003), 0 to 2^32 - 1. */
  random(): number {
    const at = this.base + (CpuArea.random >>> 2);
    let x = this.words[at]!;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.words[at] = x;
    return x >>> 0;
  }

  /** A number from 0 to `n` - 1, each as likely as the next but for 1 in 2^32 / n. */
  below(n: number): number {
    return this.random() % n;
  }

  /** Says that this CPU has got something done. */
  beat(): void {
    this.words[this.base + (CpuArea.heartbeat >>> 2)]! += 1;
  }

  /**
   * The queue node of a lock that this CPU holds or is queueing for: a line of its own, of undefined content at first. Nodes are found by
   * lock, so locks can be released in any order.
   * @throws TooManyLocks
   */
  node(lock: Addr): Addr {
    // Nearly always the first node is the lock's, or free with no other in use.
    const first = this.words[this.nodeKeys]!;
    if (first === lock) return this.firstNode;
    if (first === 0 && this.words[this.nodesUsed] === 0) {
      this.words[this.nodeKeys] = lock;
      this.words[this.nodesUsed] = 1;
      return this.firstNode;
    }
    return this.otherNode(lock);
  }

  private otherNode(lock: Addr): Addr {
    const words = this.words;
    const keys = this.nodeKeys;
    const used = this.nodesUsed;
    let free = -1;
    for (let at = 0; at < MAX_HELD; at += 1) {
      const key = words[keys + at]!;
      if (key === lock) return this.firstNode + at * LINE;
      if (key === 0 && free < 0) free = at;
    }
    if (free < 0) throw new TooManyLocks('queues for', this.id);
    words[used]! += 1;
    words[keys + free] = lock;
    return this.firstNode + free * LINE;
  }

  /** Gives the node of a lock back: nobody else will touch it any more. */
  putNode(lock: Addr): void {
    const words = this.words;
    for (let key = this.nodeKeys; key < this.nodeKeys + MAX_HELD; key += 1) {
      if (words[key] === lock) {
        words[key] = 0;
        words[this.nodesUsed]! -= 1;
        return;
      }
    }
  }

  /** No interrupt is delivered until the matching {@link irqEnable}; nests. */
  irqDisable(): void {
    this.interrupts.disable();
  }

  /** Ends one {@link irqDisable}; what is pending is delivered when the last one ends. */
  irqEnable(): void {
    this.interrupts.enable();
  }

  /** Sets the handler of interrupt `vector`, 0 to 31. It runs with interrupts off and must not block on what its sender holds. */
  onInterrupt(vector: number, handler: InterruptHandler): void {
    this.interrupts.on(vector, handler);
  }

  /**
   * Interrupts the target CPUs and waits until each has run its handler; CPUs that are offline, and this one, are passed over.
   * @returns how many ran it
   */
  call(targets: readonly number[], vector: number, first = 0, second = 0): number {
    return this.interrupts.call(targets, vector, first, second);
  }

  /** Delivers pending interrupts if they are on; every waiting loop does, and long operations should. */
  serve(): void {
    this.interrupts.serve();
  }

  /** Takes the CPU offline after serving its mailbox for the last time. */
  leave(): void {
    this.isa.store(this.area + CpuArea.state, CPU_LEAVING);
    this.interrupts.serve();
    this.isa.store(this.area + CpuArea.state, CPU_OFFLINE);
  }
}
