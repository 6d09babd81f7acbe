/**
 * The races of the thread of 2004 over the whole kernel (mm.md R0.1 to R0.6, R0.10, R0.11): each happens when its numbered steps are forced, is found by a hunt that knows nothing of them, by the oracle
 * that it names, and comes back from its token. The fixed twins and the controls are silent under every detector and memory model.
 * Most of the time goes into starting CPUs, so the races take turns.
 */
import { OBJRMAP } from '../../harness/mm/steps/objrmap.ts';
import * as controls from '../../src/scenarios/mm/objrmap-controls.ts';
import * as faults from '../../src/scenarios/mm/objrmap-faults.ts';
import * as locks from '../../src/scenarios/mm/objrmap-locks.ts';
import * as reserved from '../../src/scenarios/mm/objrmap-reserved.ts';
import * as vmas from '../../src/scenarios/mm/objrmap-vmas.ts';
import { raceTests } from '../fixtures/mm/told.ts';
import { suite } from '../suite.ts';

const test = suite('races of 2004 over the whole kernel');

raceTests(test, [vmas, reserved, locks, faults, controls], OBJRMAP, { steps: 7, hunts: 9, controls: 2 });

test.run();
