/** Each quiescent oracle names, alone, what single damage it is about: those of address spaces, swap, locks and users. The model is made by hand, so nothing but the oracles is under test. */
import { eachDamage } from '../fixtures/mm/damage.ts';
import { SPACES } from '../fixtures/mm/damage-spaces.ts';
import { suite } from '../suite.ts';

const test = suite('quiescent oracles: address spaces, swap, locks and users');

eachDamage(test, SPACES);
test.run();
