/**
 * Lazy random walk: the CPU that has the turn keeps it for a random number of accesses, one in `parameter` on average ends it; then any other
 * transition, each as likely as the next.
 *
 * A uniform walk (parameter 1) switches at nearly every access and hardly ever leaves a CPU alone for as long as a race needs; one in 16 finds a
 * recycling race two hundred times sooner.
 */
import type { Policy } from '../../engines/gated/policy.ts';

/** Of the mean that was asked for last; a function of it. */
let lastMean = 0;
let scale = 0;

/** The lazy random walk. */
export const randomWalk: Policy = {
  name: 'random',
  begin() {},
  choose(view, enabled, count, usual) {
    if (count === 1) return enabled[0]!;
    const at = view.random() % (count - (view.current === (usual & 0xff) ? 1 : 0));
    // All but the one that goes on by itself.
    if (view.current !== (usual & 0xff)) return enabled[at]!;
    for (let skipped = 0, place = 0; place < count; place += 1) {
      if (enabled[place] === usual) continue;
      if (skipped === at) return enabled[place]!;
      skipped += 1;
    }
    return usual;
  },
  quota(view) {
    const mean = view.parameter;
    if (mean <= 1) return 1;
    // Geometric: one in `mean` accesses is the last.
    if (mean !== lastMean) {
      lastMean = mean;
      scale = 1 / Math.log(1 - 1 / mean);
    }
    return 1 + Math.min(4096, Math.floor(Math.log((view.random() + 1) / 2 ** 32) * scale));
  },
};
