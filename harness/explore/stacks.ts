/**
 * Who made an access: stacks that were taken in the CPUs' threads (engines/gated/capture.ts), put back to the files that people wrote, and as one line each.
 */
import { isAbsolute, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mapFrames, type StackFrame } from '../cpus/source-map.ts';
import type { TakenStack } from '../engines/gated/capture.ts';

/** Stacks by place in the trace, innermost frame first, without frames of the engine. */
export type Stacks = ReadonlyMap<number, readonly StackFrame[]>;

/** Maps the stacks of all CPUs, in the order of the trace. */
export function mapStacks(taken: readonly TakenStack[]): Stacks {
  const sorted = [...taken].sort(([one], [other]) => one - other);
  return new Map(
    sorted.map(([place, frames]) => [
      place,
      // Modules are named by URL, files by path.
      mapFrames(
        frames.map(({ file, ...frame }) => ({
          ...frame,
          file: file.startsWith('file:') ? fileURLToPath(file) : file,
        })),
      ),
    ]),
  );
}

/** A path from the current folder where it is below that. */
export function shortFile(file: string): string {
  if (!isAbsolute(file)) return file === '' ? '<anonymous>' : file;
  const path = relative(process.cwd(), file);
  return path.startsWith(`..${sep}`) || isAbsolute(path) ? file : path;
}

/** A frame in one piece: `src/locking/ticket.ts:31 acquire`. */
export function site({ file, line, functionName }: StackFrame): string {
  return `${shortFile(file)}:${line}${functionName === '' ? '' : ` ${functionName}`}`;
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
