/**
 * The engine that counts: each access is made and counted by what it is. It is the traced engine without its records, so what counts as an access there counts here; fences and annotations are none.
 */
import { OPERATIONS } from '../../harness/engines/trace.ts';
import { TracedIsa } from '../../harness/engines/traced/isa.ts';
import { Rings, type TraceHandle } from '../../harness/engines/traced/ring.ts';
import { type Isa, WasmIsa } from '../../src/arch/index.ts';
import type { AttachOptions, Machine } from '../../src/memory/index.ts';

/** What was counted. */
export interface Counts {
  readonly accesses: number;
  /** Read-modify-writes that wrote, among them. */
  readonly rmws: number;
}

const IS_ACCESS = OPERATIONS.map(({ reads, writes }) => reads || writes);
const IS_RMW = OPERATIONS.map(({ reads, writes }) => reads && writes);

/** {@link Isa} that counts. */
export class CountedIsa extends TracedIsa {
  private readonly by = new Float64Array(OPERATIONS.length);

  protected override note(head: number): void {
    this.by[head >>> 24]! += 1;
  }

  protected override wrote(head: number): void {
    this.note(head);
  }

  /** What has been counted so far. */
  counts(): Counts {
    let [accesses, rmws] = [0, 0];
    for (const [operation, times] of this.by.entries()) {
      if (IS_ACCESS[operation]) accesses += times;
      if (IS_RMW[operation]) rmws += times;
    }
    return { accesses, rmws };
  }
}

/** Makes the engine of one CPU of a crew. @param args the memory of a traced machine: the counters of a ring are not used */
export function countedEngine(machine: Machine, cpu: number, _options: AttachOptions, args: unknown): Isa {
  const { memory } = machine.handle;
  const to = new WasmIsa({ memory: memory as never, record: machine.areaOf(cpu), strongOrder: true });
  return new CountedIsa({ to, words: machine.words, rings: new Rings(args as TraceHandle), cpu });
}
