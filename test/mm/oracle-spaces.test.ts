/** Each quiescent oracle names, alone, what single damage it is about: those of address spaces, swap, locks and users. The model is made by hand, so nothing but the oracles is under test. */
import * as assert from 'uvu/assert';
import { quiescent } from '../../src/mm/oracles/index.ts';
import { Vma } from '../../src/mm/structs.ts';
import { eachDamage } from '../fixtures/mm/damage.ts';
import { SPACES } from '../fixtures/mm/damage-spaces.ts';
import { sound } from '../fixtures/mm/sound.ts';
import { suite } from '../suite.ts';

const test = suite('quiescent oracles: address spaces, swap, locks and users');

eachDamage(test, SPACES);

test('O-TRUNC: an entry in a vma whose file is none', () => {
  const state = sound();
  assert.equal(quiescent(state, { only: ['O-TRUNC'] }), []);
  // O-VMA tells of it, too, and of more.
  state.set(state.vmas[1] + Vma.vm_file, state.vmas[0]);
  assert.match(quiescent(state, { only: ['O-TRUNC'] })[0]!, /lies in a vma of 0x[0-9a-f]+, which is no file/);
});

test.run();
