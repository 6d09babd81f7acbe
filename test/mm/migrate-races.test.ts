/**
 * The races of migration (mm.md R4.1 to R4.7, R4.10, R4.12, R4.13): each happens when its numbered steps are forced, is found by a hunt that knows nothing of them, by the oracle that it names, and comes back
 * from its token. The fixed twins and the controls are silent under every detector and memory model.
 * Most of the time goes into starting CPUs, so the races take turns.
 */
import { MIGRATE } from '../../harness/mm/steps/migrate.ts';
import * as isolate from '../../src/scenarios/mm/migrate-isolate.ts';
import * as release from '../../src/scenarios/mm/migrate-release.ts';
import * as result from '../../src/scenarios/mm/migrate-result.ts';
import * as tables from '../../src/scenarios/mm/migrate-tables.ts';
import { raceTests } from '../fixtures/mm/told.ts';
import { suite } from '../suite.ts';

const test = suite('races of migration');
raceTests(test, [isolate, release, result, tables], MIGRATE, { steps: 9, hunts: 12, controls: 3 });

test.run();
