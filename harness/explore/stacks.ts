/**
 * Who made an access: stacks that were taken in the CPUs' threads (engines/gated/capture.ts), put back to the files that people wrote, and as one line each.
 */
import { fileURLToPath } from 'node:url';
import { mapFrames, type StackFrame, shortPath } from '../cpus/source-map.ts';
import type { TakenFrame, TakenStack } from '../engines/gated/capture.ts';

/** Stacks by place in the trace, innermost frame first, without frames of the engine. */
export type Stacks = ReadonlyMap<number, readonly StackFrame[]>;

/** The frames of one stack as it was taken: modules are named by URL there, files by path. */
export function framesOf(taken: readonly TakenFrame[]): StackFrame[] {
  return mapFrames(
    taken.map(({ file, ...frame }) => ({
      ...frame,
      file: file.startsWith('file:') ? fileURLToPath(file) : file,
    })),
  );
}

/** Maps the stacks of all CPUs, in the order of the trace. */
export function mapStacks(taken: readonly TakenStack[]): Stacks {
  const sorted = [...taken].sort(([one], [other]) => one - other);
  return new Map(sorted.map(([place, frames]) => [place, framesOf(frames)]));
}

/** A frame in one piece: `src/locking/ticket.ts:31 acquire`. */
export function site({ file, line, functionName }: StackFrame): string {
  return `${shortPath(file)}:${line}${functionName === '' ? '' : ` ${functionName}`}`;
}

/** Frames that are shown below what they are about. */
const FRAMES = 6;

/** A stack below the line that it is about. @returns lines */
export function stackLines(frames: readonly StackFrame[] = []): string[] {
  return frames.slice(0, FRAMES).map((frame) => `    ${site(frame)}`);
}

/** Characters of a line. */
const WIDTH = 118;

/**
 * Accesses by who made them, below columns whose lines are numbered: `#3 #9  src/locking/mutex3.ts:45 acquire`, and its callers as far as the line goes.
 * @returns lines
 */
export function siteLines(
  sites: readonly { readonly place: number; readonly frames: readonly StackFrame[] }[],
): string[] {
  const byStack = new Map<string, string[]>();
  for (const { place, frames } of sites) {
    const [first, ...callers] = frames.map(site);
    if (first === undefined) continue;
    let text = first;
    for (const caller of callers) {
      if (text.length + caller.length + 30 > WIDTH) break;
      text += ` < ${caller}`;
    }
    byStack.set(text, [...(byStack.get(text) ?? []), `#${place}`]);
  }
  return [...byStack].map(([text, places]) => `  ${text}  ${places.join(' ')}`);
}
