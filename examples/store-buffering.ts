/**
 * Store buffering: each CPU writes its own word, then reads the other's. Both reading 0 is what x86 and every other processor does without a
 * barrier; the outcome counts are printed as a histogram.
 *
 *   npx lockrig torture examples/store-buffering.ts --duration 2s
 */
import { defineScenario, struct, u32 } from 'lockrig';

const Words = struct('store_buffering', { x: u32, y: u32, r0: u32, r1: u32 });

export default defineScenario({
  name: 'store-buffering',
  state: Words,
  actors: [
    ({ isa, state }) => {
      isa.writeOnce(state + Words.x, 1);
      isa.write(state + Words.r0, isa.readOnce(state + Words.y));
    },
    ({ isa, state }) => {
      isa.writeOnce(state + Words.y, 1);
      isa.write(state + Words.r1, isa.readOnce(state + Words.x));
    },
  ],
  outcome: ({ isa, state }) => `${isa.read(state + Words.r0)},${isa.read(state + Words.r1)}`,
  grades: {
    '1,1': ['acceptable', 'the CPUs ran at the same time'],
    '0,1': ['acceptable', 'the first was first'],
    '1,0': ['acceptable', 'the second was first'],
    '0,0': ['interesting', 'both stores were still in their buffers'],
  },
});
