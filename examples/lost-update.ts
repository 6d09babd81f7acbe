/**
 * The smallest race: two CPUs add one to the same word without a lock.
 *
 *   npx lockrig torture examples/lost-update.ts --duration 2s
 */
import { defineScenario, struct, u32 } from 'lockrig';

const Counter = struct('counter', { value: u32 });

export default defineScenario({
  name: 'lost-update',
  cpus: 2,
  state: Counter,
  actors: ({ isa, state }) => {
    isa.write(state + Counter.value, isa.read(state + Counter.value) + 1);
  },
  check: ({ isa, state, fail }) => {
    if (isa.read(state + Counter.value) !== 2) fail('an increment was lost');
  },
});
