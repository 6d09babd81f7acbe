/**
 * Each race of mlocked pages (mm.md R0.7 to R0.9) happens when its steps are forced, is found by a hunt that knows nothing of them, by the oracle that it names, and comes back from its token;
 * the fixed twin is silent under every detector and memory model.
 * Most of the time goes into starting CPUs, so the races take turns.
 */
import { MLOCK } from '../../harness/mm/steps/mlock.ts';
import { mlockClassics } from '../../src/scenarios/mm/mlock.ts';
import { raceTests } from '../fixtures/mm/told.ts';
import { suite } from '../suite.ts';

const test = suite('races of mlocked pages');
raceTests(test, [mlockClassics], MLOCK, { steps: 7, hunts: 7, controls: 1 });

test.run();
