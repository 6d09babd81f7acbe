/**
 * The races of speculative page faults (mm.md R3.1 to R3.13): each happens when its numbered steps are forced, is found by a hunt that knows nothing of them, by the oracle that it names, and comes back from its
 * token. The fixed twins and the controls are silent under every detector and memory model.
 * Most of the time goes into starting CPUs, so the races take turns.
 */
import { SPF } from '../../harness/mm/steps/spf.ts';
import * as swap from '../../src/scenarios/mm/spf-swap.ts';
import * as tables from '../../src/scenarios/mm/spf-tables.ts';
import * as vmas from '../../src/scenarios/mm/spf-vmas.ts';
import { raceTests } from '../fixtures/mm/told.ts';
import { suite } from '../suite.ts';

const test = suite('races of speculative page faults');
raceTests(test, [tables, swap, vmas], SPF, { steps: 9, hunts: 12, controls: 4 });

test.run();
