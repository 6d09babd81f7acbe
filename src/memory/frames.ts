/**
 * The frame allocator: equal blocks of memory (4 KiB unless asked otherwise), for page tables and for the contents of pages.
 *
 *   free          frames that are free and spoken for by nobody
 *   last          the frame that was freed last, plus 1; only a hint
 *   bitmap        a bit a frame: 1, somebody's
 *   generations   a word a frame: odd, allocated; even, free; counts both changes
 *
 * An allocator first takes one off `free`, and so has a claim to some clear bit; then it sets a clear bit, and the frame is its own. A freer
 * clears the bit, then adds to `free`. Hence at every moment clear bits >= free + claims not yet redeemed: a search with a claim
 * ends, and fails at one word only because another claim was redeemed there. Nobody waits for anybody, so a CPU that is preempted, interrupted or
 * killed inside leaves the others free to go on, at the worst it takes one frame with it.
 *
 * There is no list and so no ABA: a bit says all there is to know of its frame, whatever happened since it was read, and fetchOr tells the one
 * who set it from those who found it set. The same for freeing: of two CPUs that free one frame, the compare-exchange of the generation
 * lets one pass, the other is told.
 *
 * The frame freed last is tried first, whoever freed it: what still uses it meets its new owner soon. A second free that comes after the frame
 * has found that owner takes it from him unnoticed; whoever remembers the generation can tell.
 *
 * Ordering: everything here is fully ordered. A freer's accesses to the frame come before its fetchAnd, the next owner's after its fetchOr.
 */
import type { Addr, Isa } from '../arch/index.ts';
import { LINE, roundUp } from './layout.ts';
import type { Machine } from './machine.ts';
import { i32, ptr, sizeOf, struct, u32 } from './struct.ts';

const Frames = struct('frames', {
  frames: u32,
  frame_bytes: u32,
  first: ptr('frame'),
  bitmap: ptr(),
  generations: ptr(),
});
/** On one line of its own: every allocation and every free uses both words. */
const Hot = struct('frames_hot', { free: i32, last: u32 });
const HOT = roundUp(sizeOf(Frames), LINE);
const HEAD_BYTES = HOT + LINE;

/** What a frame allocator is made of. */
export interface FramesSpec {
  /** How many. */
  readonly frames: number;
  /** Bytes of each, a power of two from 64; 4096 unless given. Frames are aligned to it. */
  readonly frameBytes?: number;
}

/** All frames are in use. */
export class OutOfFrames extends Error {
  readonly code = 'ENOFRAMES';
  readonly frames: number;
  constructor(frames: number) {
    super(`all ${frames} frames are in use: free some, or create the allocator with more`);
    this.name = 'OutOfFrames';
    this.frames = frames;
  }
}

/** A frame was freed that is free, or that never was one. */
export class FrameError extends Error {
  readonly code: 'EDOUBLEFREE' | 'EFOREIGNFREE';
  readonly addr: Addr;
  constructor(code: 'EDOUBLEFREE' | 'EFOREIGNFREE', addr: Addr, message: string) {
    super(message);
    this.name = 'FrameError';
    this.code = code;
    this.addr = addr;
  }
}

/** The operations of a frame allocator. */
export interface FrameAllocator {
  readonly frames: number;
  readonly frameBytes: number;
  /** @returns a frame of undefined content @throws OutOfFrames */
  allocFrame(): Addr;
  /** @returns a frame of undefined content; 0 when all are in use */
  tryAllocFrame(): Addr;
  /** @throws FrameError when it is free already, or none of these frames */
  freeFrame(frame: Addr): void;
  /** How many could be allocated now. */
  freeFrames(): number;
  /** The number of the frame that an address lies in, from 0; -1 when in none. */
  frameNumber(addr: Addr): number;
  /** @throws RangeError when there is no such frame */
  frameAt(number: number): Addr;
  /** Odd while the frame is allocated; another one after each change. */
  frameGeneration(frame: Addr): number;
  /** An address in words: `frame#3+0x40 (generation 5)`; undefined when it lies in no frame. */
  whatFrame(addr: Addr): string | undefined;
}

function checked({ frames: count, frameBytes = 4096 }: FramesSpec): Required<FramesSpec> {
  if (!Number.isInteger(count) || count < 1 || count > 2 ** 24)
    throw new RangeError(`a frame allocator has 1 to ${2 ** 24} frames, not ${count}`);
  if (
    !Number.isInteger(frameBytes) ||
    frameBytes < LINE ||
    frameBytes > 2 ** 24 ||
    (frameBytes & (frameBytes - 1)) !== 0
  ) {
    throw new RangeError(
      `frames have a power of two of bytes, from ${LINE} to ${2 ** 24}, not ${frameBytes}`,
    );
  }
  if (count * frameBytes > 2 ** 30) {
    throw new RangeError(
      `${count} frames of ${frameBytes} bytes are more than the 1 GiB that a machine can have`,
    );
  }
  return { frames: count, frameBytes };
}

const bitmapBytes = (count: number): number => roundUp(4 * Math.ceil(count / 32), LINE);
const generationBytes = (count: number): number => roundUp(4 * count, LINE);

/** Bytes that a frame allocator takes, its frames and what their alignment may cost included. */
export function framesBytes(spec: FramesSpec): number {
  const { frames: count, frameBytes } = checked(spec);
  return HEAD_BYTES + bitmapBytes(count) + generationBytes(count) + (count + 1) * frameBytes;
}

/**
 * Sets up a frame allocator in zeroed memory, before any CPU uses it.
 * @param at a multiple of 64, with {@link framesBytes} of room
 */
export function initFrames(isa: Isa, at: Addr, spec: FramesSpec): void {
  const { frames: count, frameBytes } = checked(spec);
  const bitmap = at + HEAD_BYTES;
  const generations = bitmap + bitmapBytes(count);
  isa.write(at + Frames.frames, count);
  isa.write(at + Frames.frame_bytes, frameBytes);
  isa.write(at + Frames.first, roundUp(generations + generationBytes(count), frameBytes));
  isa.write(at + Frames.bitmap, bitmap);
  isa.write(at + Frames.generations, generations);
  // Bits that stand for no frame are somebody's for ever.
  if (count % 32 !== 0) isa.write(bitmap + 4 * (count >>> 5), -1 << (count % 32));
  isa.store(at + HOT + Hot.free, count);
}

/** Takes memory for a frame allocator from the machine's heap and sets it up. @throws OutOfMemory */
export function createFrames(machine: Machine, spec: FramesSpec): Addr {
  const at = machine.alloc(framesBytes(spec));
  initFrames(machine.boot, at, spec);
  return at;
}

/** The frame allocator at `at`, for the CPU (or the observer) that `isa` belongs to. */
export function frames({ isa }: { readonly isa: Isa }, at: Addr): FrameAllocator {
  const count = isa.readOnce(at + Frames.frames);
  const frameBytes = isa.readOnce(at + Frames.frame_bytes);
  const first = isa.readOnce(at + Frames.first);
  const bitmap = isa.readOnce(at + Frames.bitmap);
  const generations = isa.readOnce(at + Frames.generations);
  const free = at + HOT + Hot.free;
  const last = at + HOT + Hot.last;
  const shift = 31 - Math.clz32(frameBytes);
  const bitmapWords = Math.ceil(count / 32);

  function frameNumber(addr: Addr): number {
    const number = (addr - first) >> shift;
    return number >= 0 && number < count ? number : -1;
  }

  function claim(): boolean {
    let left = isa.load(free);
    while (left > 0) {
      const seen = isa.compareExchange(free, left, left - 1);
      if (seen === left) return true;
      left = seen;
    }
    return false;
  }

  function allocated(number: number): Addr {
    isa.fetchAdd(generations + 4 * number, 1);
    return first + (number << shift);
  }

  function tryAllocFrame(): Addr {
    if (!claim()) return 0;
    const hint = isa.readOnce(last);
    let at = hint === 0 ? 0 : (hint - 1) >>> 5;
    let wanted = hint === 0 ? 0 : 1 << ((hint - 1) & 31);
    for (;;) {
      const word = bitmap + 4 * at;
      let taken = isa.load(word);
      while (taken !== -1) {
        const bit = (taken & wanted) === 0 && wanted !== 0 ? wanted : ~taken & (taken + 1);
        taken = isa.fetchOr(word, bit);
        if ((taken & bit) === 0) return allocated(32 * at + 31 - Math.clz32(bit));
      }
      wanted = 0;
      at = at + 1 === bitmapWords ? 0 : at + 1;
    }
  }

  function allocFrame(): Addr {
    const frame = tryAllocFrame();
    if (frame === 0) throw new OutOfFrames(count);
    return frame;
  }

  function freeFrame(frame: Addr): void {
    const number = frameNumber(frame);
    if (number < 0 || first + (number << shift) !== frame) {
      throw new FrameError(
        'EFOREIGNFREE',
        frame,
        `0x${frame.toString(16)} was freed, which is none of the ${count} frames of ${frameBytes} bytes from 0x${first.toString(16)}`,
      );
    }
    const generation = generations + 4 * number;
    const before = isa.load(generation);
    if ((before & 1) === 0 || isa.compareExchange(generation, before, (before + 1) | 0) !== before) {
      throw new FrameError(
        'EDOUBLEFREE',
        frame,
        `frame ${number} at 0x${frame.toString(16)} was freed twice: it is free since generation ${before & 1 ? before + 1 : before}`,
      );
    }
    isa.fetchAnd(bitmap + 4 * (number >>> 5), ~(1 << (number & 31)));
    isa.writeOnce(last, number + 1);
    isa.fetchAdd(free, 1);
  }

  function frameAt(number: number): Addr {
    if (!Number.isInteger(number) || number < 0 || number >= count)
      throw new RangeError(`there is no frame ${number}: there are 0 to ${count - 1}`);
    return first + (number << shift);
  }

  function frameGeneration(frame: Addr): number {
    const number = frameNumber(frame);
    if (number < 0) throw new RangeError(`0x${frame.toString(16)} lies in none of these frames`);
    return isa.load(generations + 4 * number);
  }

  function whatFrame(addr: Addr): string | undefined {
    const number = frameNumber(addr);
    if (number < 0) return undefined;
    const offset = addr - first - (number << shift);
    const generation = isa.readOnce(generations + 4 * number);
    return `frame#${number}${offset === 0 ? '' : `+0x${offset.toString(16)}`} (generation ${generation}${generation & 1 ? '' : ', free'})`;
  }

  return {
    frames: count,
    frameBytes,
    allocFrame,
    tryAllocFrame,
    freeFrame,
    freeFrames: () => isa.load(free),
    frameNumber,
    frameAt,
    frameGeneration,
    whatFrame,
  };
}
