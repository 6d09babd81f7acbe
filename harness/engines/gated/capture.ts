/**
 * Stacks of a gated CPU, taken in its own thread at the records of a trace that somebody asked for.
 *
 * A run is a function of its token, so nothing has to be kept while it is searched for: what was found is run once more, with stacks taken where they matter. A
 * place is asked for by its number in the trace, as accesses, lock events and annotations all have one. The record of each such place is
 * marked before the execution, and the CPU that is about to write a marked record takes its stack first. Where nobody asks there is no
 * {@link StackCapture}, and a CPU whose trace is off never looks for one.
 *
 * A stack is taken without an access and without a word of shared memory, so the run stays what it was. Frames name what is executed, dist or a bundle; whoever
 * shows them maps them (cpus/source-map.ts). The engine's own frames are left out, and so is everything below the episode: the first frame is
 * the line in the lock, its client or the scenario that made the access. The store of another CPU that reaches memory has none.
 */

/** A frame as it was taken; survives structured clone. */
export interface TakenFrame {
  readonly functionName: string;
  /** Absolute path or URL. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** A stack and its place in the trace. */
export type TakenStack = readonly [place: number, frames: readonly TakenFrame[]];

/** In the first word of a record: the stack is asked for. No operation of any CPU makes this number. */
export const MARKED = -1;
/** `Head.stacks`: none, at the marked records, at all. */
export const STACKS = { none: 0, marked: 1, all: 2 } as const;

/** Frames that a stack may have, the engine's among them. */
const DEPTH = 64;
const here = (path: string): string => new URL(path, import.meta.url).href;
/** What stands between an access and who made it. */
const ENGINE = [here('..'), here('../../../src/locking/track.')];
/** What calls episodes. */
const BELOW = here('../../explore/');

function taken(site: NodeJS.CallSite): TakenFrame {
  return {
    functionName: site.getFunctionName() ?? '',
    file: site.getFileName() ?? '',
    line: site.getLineNumber() ?? 1,
    column: site.getColumnNumber() ?? 1,
  };
}

/**
 * This thread's stack, without the engine's own frames.
 * @param below beginning of the files of whose callers nothing is wanted
 */
export function frames(below: string): readonly TakenFrame[] {
  const { stackTraceLimit, prepareStackTrace } = Error;
  const holder: { stack?: unknown } = {};
  try {
    Error.stackTraceLimit = DEPTH;
    Error.prepareStackTrace = (_error, sites) => sites.map(taken);
    Error.captureStackTrace(holder, frames);
    const all = holder.stack as readonly TakenFrame[];
    const episode = all.findIndex(({ file }) => file.startsWith(below));
    return all
      .slice(0, episode < 0 ? all.length : episode)
      .filter(({ file }) => !ENGINE.some((own) => file.startsWith(own)));
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
    Error.prepareStackTrace = prepareStackTrace;
  }
}

/** The stacks of one CPU in one session. */
export class StackCapture {
  readonly taken: TakenStack[] = [];
  private readonly all: boolean;

  constructor(all: boolean) {
    this.all = all;
  }

  /** A record is about to be written over `mark`. */
  at(place: number, mark: number): void {
    if (this.all || mark === MARKED) this.taken.push([place, frames(BELOW)]);
  }
}
