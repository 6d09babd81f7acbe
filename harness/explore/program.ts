/**
 * The program of a gated CPU: takes it up, creates the episode, and runs sessions of executions.
 */

import { sizeOf } from '../../src/memory/index.ts';
import { attachGated, type GateHandle } from '../engines/gated/cpu.ts';
import type { BootContext, Runner } from '../engines/program.ts';
import { MAX_RECORDS, Record } from '../torture/area.ts';
import type { Bench } from '../torture/clients/context.ts';
import { findSubject } from '../torture/program.ts';
import type { TortureSetup } from '../torture/setup.ts';
import { Explorer } from './explorer.ts';
import { POLICIES } from './policies/index.ts';
import { type EpisodeOptions, episodeOf } from './subject.ts';
import { Watch } from './watch.ts';

/** What gated CPUs are booted with. */
export interface ExploreSetup {
  readonly torture: TortureSetup;
  readonly gate: GateHandle;
  readonly episode: EpisodeOptions;
  /** Names of detectors; those that are on by default unless given. */
  readonly detect?: readonly string[];
}

/** Boots one CPU. */
export async function boot({ machine, id, setup }: BootContext): Promise<Runner> {
  const { torture, gate, episode: options, detect } = setup as ExploreSetup;
  const found = await findSubject(torture.subject);
  let bench: Bench | undefined;
  const cpu = attachGated({
    machine,
    handle: gate,
    id,
    policies: POLICIES,
    queued: (lock) => bench?.queued(lock),
  });
  cpu.gated.exempt(torture.area.control, torture.area.records + MAX_RECORDS * sizeOf(Record));
  const made = await episodeOf(found, cpu, torture, options);
  bench = made.bench;
  const watch = new Watch(machine, cpu.gated.gate, found, torture, detect);
  const explorer = new Explorer(machine, cpu, bench, made.episode, torture, watch);
  return { run: () => explorer.run(), collect: () => explorer.collect() };
}
