/** The scripts of all races and controls of the model. */
import type { Script, Steps } from '../told.ts';
import { ANON_VMA } from './anon-vma.ts';
import { DRIVERS } from './drivers.ts';
import { MIGRATE } from './migrate.ts';
import { MLOCK } from './mlock.ts';
import { OBJRMAP } from './objrmap.ts';
import { SPF } from './spf.ts';
import { TRUNCATE } from './truncate.ts';

/** By what the names of scenarios begin with. */
const STORIES: readonly (readonly [group: string, steps: Steps])[] = [
  ['mm/objrmap/', OBJRMAP],
  ['mm/objrmap/', MLOCK],
  ['mm/anon-vma/', ANON_VMA],
  ['mm/truncate/', TRUNCATE],
  ['mm/spf/', SPF],
  ['mm/migrate/', MIGRATE],
  ['mm/drivers/', DRIVERS],
];

/** By the names of races and controls. */
export const SCRIPTS: ReadonlyMap<string, Script> = new Map(
  STORIES.flatMap(([group, steps]) =>
    Object.entries(steps).map(([name, script]) => [`${group}${name}`, script] as const),
  ),
);
