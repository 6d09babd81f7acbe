/**
 * The races of truncation (mm.md R2.1 to R2.13): each happens when its numbered steps are forced, is found by a hunt that knows nothing of them, by the oracle that it names, and comes back from its
 * token. The fixed twins and the controls are silent under every detector and memory model.
 * Most of the time goes into starting CPUs, so the races take turns.
 */
import { TRUNCATE } from '../../harness/mm/steps/truncate.ts';
import * as faults from '../../src/scenarios/mm/truncate-faults.ts';
import * as stamps from '../../src/scenarios/mm/truncate-stamps.ts';
import * as walk from '../../src/scenarios/mm/truncate-walk.ts';
import { raceTests } from '../fixtures/mm/told.ts';
import { suite } from '../suite.ts';

const test = suite('races of truncation');
raceTests(test, [walk, stamps, faults], TRUNCATE, { steps: 9, hunts: 12, controls: 3 });

test.run();
