/**
 * V8 makes calls of what it does not inline, and stops inlining early; where processors do not predict such calls, they are most of what a gated access costs, and of what
 * keeping lock statistics does. A flag for the whole process, CPUs included, so only a command sets it: a program that embeds a hunt may want another.
 */
export const INLINING = '--max-inlined-bytecode-size-cumulative=4000';
/** What V8 does by itself. */
export const USUAL_INLINING = '--max-inlined-bytecode-size-cumulative=920';
