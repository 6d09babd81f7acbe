/**
 * What the races of drivers have in common: a store of small objects, or a balloon, and a VM that moves their pages (mm.md R4.8, R4.11, R4.13).
 *
 * The twins differ in a rule of the driver; the VM is that of Linux 4.8 unless a race says otherwise. What is allocated before CPUs begin lies in frames 1, 2 and so on, and pages that are moved go to the next free one.
 */
import type { Addr } from '../../arch/index.ts';
import { type Balloon, virtioBalloon } from '../../mm/drivers/balloon.ts';
import { BALLOON_DESIGNS, type BalloonRules, ZS_DESIGNS, type ZsRules } from '../../mm/drivers/rules.ts';
import { type Zs, zsmalloc } from '../../mm/drivers/zs.ts';
import type { Kernel } from '../../mm/kernel.ts';
import type { DriverType } from '../../mm/movable/driver.ts';
import type { MmContext, MmScenarioSpec } from '../../mm/scenario.ts';
import type { Classic } from '../classic.ts';
import { type Act, type MmRace, mmRace } from './objrmap-scene.ts';

/** Of most races here. */
export const MOVABLE =
  '"mm: migrate: support non-lru movable page migration" v6, Minchan Kim, May 2016; Linux 4.8';

/** A machine for one driver. */
export const DRIVER_SPEC = {
  frames: 6,
  mms: 1,
  vmas: 1,
  anonVmas: 1,
  chains: 1,
  pteChains: 1,
  files: 2,
  filePages: 1,
  swapPages: 1,
  zsPools: 1,
  zspages: 3,
  zsHandles: 6,
  balloons: 1,
};

/** What is done with a driver. */
export type Played = Pick<MmScenarioSpec, 'init' | 'actors' | 'check'>;

type Shared = Omit<MmRace, 'broken' | 'fixed' | 'init' | 'actors' | 'check'>;

/** A race of a store of objects: its rules in both twins. */
export function zsRace({
  broken,
  fixed = {},
  scene,
  ...shared
}: Shared & {
  readonly broken: Partial<ZsRules>;
  readonly fixed?: Partial<ZsRules>;
  readonly scene: (type: DriverType<Zs>) => Played;
}): Classic {
  const twin = (rules: Partial<ZsRules>) => {
    const type = zsmalloc({ ...ZS_DESIGNS.later, ...rules });
    return { drivers: [type], ...scene(type) };
  };
  return mmRace({ spec: DRIVER_SPEC, era: '4.8', ...shared, broken: twin(broken), fixed: twin(fixed) });
}

/** A race of a balloon: its rules in both twins, and other modules of them. */
export function balloonRace({
  broken,
  fixed = {},
  scene,
  ...shared
}: Shared & {
  readonly broken: Partial<BalloonRules> & Pick<MmScenarioSpec, 'modules'>;
  readonly fixed?: Partial<BalloonRules> & Pick<MmScenarioSpec, 'modules'>;
  readonly scene: (type: DriverType<Balloon>) => Played;
}): Classic {
  const twin = ({ modules, ...rules }: typeof broken) => {
    const type = virtioBalloon({ ...BALLOON_DESIGNS['4.8'], ...rules });
    return { drivers: [type], ...scene(type), ...(modules ? { modules } : {}) };
  };
  return mmRace({ spec: DRIVER_SPEC, era: '4.8', ...shared, broken: twin(broken), fixed: twin(fixed) });
}

/** Isolates what can be moved of some frames; all unless given. @returns how many */
export function isolate({ compaction, lists, spec }: Kernel, first = 1, end = spec.frames + 1): number {
  lists.init(compaction.list);
  return compaction.isolateMigratepagesBlock(first, end, compaction.list, 'async').isolated;
}

/** Moves what is isolated to other frames, and puts back what stays. */
export function move({ compaction, migrate, pageAlloc }: Kernel): void {
  migrate.migratePages(compaction.list, () => pageAlloc.allocPage(), 'async');
  migrate.putbackMovablePages(compaction.list);
}

/** The VM moves all pages that it can. */
export const moveAll: Act = ({ k }) => {
  if (isolate(k) > 0) move(k);
};

/** It isolates them, and puts them back. */
export const isolateAll: Act = ({ k }) => {
  if (isolate(k) > 0) k.migrate.putbackMovablePages(k.compaction.list);
};

/** A word of the scenario's own. */
const wordAt = (note: Addr, at: number): Addr => note + 4 * (at + 1);
/** `init`: keeps an address for the actors. */
export const keep = ({ k, note }: MmContext, at: number, value: Addr): void =>
  k.isa.write(wordAt(note, at), value);
/** What was kept. */
export const kept = ({ k, note }: MmContext, at: number): Addr => k.isa.read(wordAt(note, at));
