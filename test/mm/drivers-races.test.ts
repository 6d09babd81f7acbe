/**
 * The races of drivers of movable pages (mm.md R4.8, R4.11, R4.13): each happens when its numbered steps are forced, is found by a hunt that knows nothing of them, by the oracle that it names, and comes back
 * from its token. The fixed twins are silent under every detector and memory model.
 */
import { DRIVERS } from '../../harness/mm/steps/drivers.ts';
import * as balloon from '../../src/scenarios/mm/drivers-balloon.ts';
import * as zs from '../../src/scenarios/mm/drivers-zs.ts';
import { raceTests } from '../fixtures/mm/told.ts';
import { suite } from '../suite.ts';

const test = suite('races of drivers');
raceTests(test, [zs, balloon], DRIVERS, { steps: 5, hunts: 7, controls: 1 });

test.run();
