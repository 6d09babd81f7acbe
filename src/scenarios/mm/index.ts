/** The races of the mm model, in the order in which they are listed: those that are broken on purpose with their fixed twins, and controls. */
import type { ScenarioDefinition } from '../../scenario.ts';
import type { Classic } from '../classic.ts';
import * as anonVma from './anon-vma.ts';
import * as anonVmaFree from './anon-vma-free.ts';
import * as anonVmaIdentity from './anon-vma-identity.ts';
import * as anonVmaSleep from './anon-vma-sleep.ts';
import type { Control } from './control.ts';
import * as driversBalloon from './drivers-balloon.ts';
import * as driversZs from './drivers-zs.ts';
import * as migrateIsolate from './migrate-isolate.ts';
import * as migrateRelease from './migrate-release.ts';
import * as migrateResult from './migrate-result.ts';
import * as migrateTables from './migrate-tables.ts';
import { mlockClassics } from './mlock.ts';
import * as objrmapControls from './objrmap-controls.ts';
import * as objrmapFaults from './objrmap-faults.ts';
import * as objrmapLocks from './objrmap-locks.ts';
import * as objrmapReserved from './objrmap-reserved.ts';
import * as objrmapVmas from './objrmap-vmas.ts';
import * as policies from './policies.ts';
import * as spfSwap from './spf-swap.ts';
import * as spfTables from './spf-tables.ts';
import * as spfVmas from './spf-vmas.ts';
import * as truncateFaults from './truncate-faults.ts';
import * as truncateStamps from './truncate-stamps.ts';
import * as truncateWalk from './truncate-walk.ts';

export type { Control } from './control.ts';

const all: readonly (Classic | Control)[] = [
  anonVma,
  anonVmaFree,
  anonVmaIdentity,
  anonVmaSleep,
  mlockClassics,
  objrmapVmas,
  objrmapReserved,
  objrmapLocks,
  objrmapFaults,
  objrmapControls,
  truncateWalk,
  truncateStamps,
  truncateFaults,
  spfTables,
  spfSwap,
  spfVmas,
  migrateIsolate,
  migrateRelease,
  migrateResult,
  migrateTables,
  driversZs,
  driversBalloon,
  policies,
].flatMap((module): (Classic | Control)[] => Object.values(module));

/** Every race with its fixed twin. */
export const mmRaces: readonly Classic[] = all.filter((each) => 'broken' in each);

/** What looks wrong and is not. */
export const mmControls: readonly Control[] = all.filter((each) => 'why' in each);

/** Finds a scenario of the model by its name: `mm/…` or `busted/mm/…`. */
export function mmScenarioByName(name: string): ScenarioDefinition | undefined {
  return [
    ...mmRaces.flatMap(({ fixed, broken }) => [fixed, broken]),
    ...mmControls.map(({ scenario }) => scenario),
  ].find((each) => each.name === name);
}
