/**
 * Focus: preempts at accesses to chosen words, and hardly anywhere else.
 *
 * The words are those that CPUs were in conflict about when a failure was seen at full speed. A CPU that is about to access one of them loses the turn with a
 * probability of one in `parameter`; any other access keeps it, but for one in 64. So the few places where the order of accesses matters get nearly all of
 * the preemptions, however many accesses lie between them. Stores in a buffer stay there as long: they are drained by the same dice.
 *
 * Which words these are is no part of the policy's name: what is found is kept as a list of switches, which names none.
 */
import { cpuOf, kindOf, type Policy, RUN } from '../../engines/gated/policy.ts';

/** One access elsewhere in so many ends a turn. */
const ELSEWHERE = 64;

/** Preempts at the words in focus; the parameter is one in how many. */
export const focus: Policy = {
  name: 'focus',
  begin() {},
  choose(view, enabled, count, usual) {
    if (count === 1) return enabled[0]!;
    const goesOn = kindOf(usual) === RUN && cpuOf(usual) === view.current;
    if (goesOn) {
      const oneIn = view.focused(view.nextAddr(view.current)) ? Math.max(1, view.parameter) : ELSEWHERE;
      if (view.random() % oneIn !== 0) return usual;
    }
    const at = view.random() % (goesOn ? count - 1 : count);
    if (!goesOn) return enabled[at]!;
    for (let place = 0, others = 0; place < count; place += 1) {
      if (enabled[place] === usual) continue;
      if (others === at) return enabled[place]!;
      others += 1;
    }
    return usual;
  },
  quota: () => 1,
};
