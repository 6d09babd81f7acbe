/** Each quiescent oracle names, alone, what single damage it is about: those of address spaces, swap, locks and users. The model is made by hand, so nothing but the oracles is under test. */
import * as assert from 'uvu/assert';
import { idsOf, said } from '../fixtures/mm/damage.ts';
import { SPACES } from '../fixtures/mm/damage-spaces.ts';
import { sound } from '../fixtures/mm/sound.ts';
import { suite } from '../suite.ts';

const test = suite('quiescent oracles: address spaces, swap, locks and users');

for (const [oracle, what, damage, sentence] of SPACES)
  test(`${oracle}: ${what}`, () => {
    const state = sound();
    damage(state);
    const wrong = said(state, [oracle]);
    assert.equal(idsOf(wrong), [oracle], wrong.join('\n'));
    assert.match(wrong[0]!, sentence);
  });

test.run();
