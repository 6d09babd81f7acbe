/**
 * {@link HbIsa} of two CPUs. There is one other, so a plain access that is the first of its kind in an epoch holds its cell against own clock right here: a call into
 * WebAssembly would cost more than all of that. What may be a race, or is special (benign, asked for), is looked at again there, and told there.
 *
 * Between two marked accesses nothing moves across them: they are calls. So a look is made where it stands, after the last acquire and before the next release.
 */
import type { Addr } from '../../../src/arch/index.ts';
import { outside } from '../../../src/arch/isa.ts';
import { HbIsa, type HbOptions } from './hb-isa.ts';
import { HbLine, hbLine } from './hb-layout.ts';

/** Words of a record of two CPUs, as a shift; see hb-layout.ts. */
const RECORD = 4;
const BENIGN = HbLine.benign >>> 2;
const ASKED = HbLine.asked >>> 2;

/** {@link HbIsa} of two CPUs. */
export class HbPairIsa extends HbIsa {
  /** All records. */
  private readonly shadow: Int32Array<SharedArrayBuffer>;
  private readonly line: Int32Array<SharedArrayBuffer>;
  /** Place of the own component in a clock, and of the other's. */
  private readonly own: number;
  private readonly other: number;

  constructor(options: HbOptions) {
    super(options);
    const { memory, handle, cpu } = options;
    this.shadow = new Int32Array(memory.buffer, handle.shadow, (handle.span >>> 2) << RECORD);
    this.line = new Int32Array(memory.buffer, hbLine(handle, cpu), 64);
    this.own = cpu;
    this.other = 1 - cpu;
  }

  override read(addr: Addr): number {
    const { shadow, line, own, other } = this;
    const record = (addr >>> 2) << RECORD;
    const now = line[own]!;
    if (shadow[record + 4 * own] !== now) {
      const known = line[other]!;
      const theirs = record + 4 * other;
      if (
        ((known - shadow[theirs + 1]!) | (known - shadow[theirs + 3]!)) < 0 ||
        (line[BENIGN]! | line[ASKED]!) !== 0
      )
        this.plainRead(addr);
      else shadow[record + 4 * own] = now;
    }
    return this.words[addr >>> 2] ?? outside(addr);
  }

  override write(addr: Addr, value: number): void {
    const { shadow, line, own, other } = this;
    const record = (addr >>> 2) << RECORD;
    const now = line[own]!;
    if (shadow[record + 4 * own + 1] !== now) {
      const known = line[other]!;
      const theirs = record + 4 * other;
      if (
        ((known - shadow[theirs]!) |
          (known - shadow[theirs + 1]!) |
          (known - shadow[theirs + 2]!) |
          (known - shadow[theirs + 3]!)) <
          0 ||
        (line[BENIGN]! | line[ASKED]!) !== 0
      )
        this.plainWrite(addr, value);
      else shadow[record + 4 * own + 1] = now;
    }
    this.words[addr >>> 2] = value;
  }
}
