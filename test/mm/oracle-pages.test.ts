/** Each quiescent oracle names, alone, what single damage it is about: those of pages. The model is made by hand, so nothing but the oracles is under test. */
import { eachDamage } from '../fixtures/mm/damage.ts';
import { PAGES } from '../fixtures/mm/damage-pages.ts';
import { suite } from '../suite.ts';

const test = suite('quiescent oracles: pages');

eachDamage(test, PAGES);
test.run();
