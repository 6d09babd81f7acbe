/**
 * What migration of drivers' pages is for ("mm: migrate: support non-lru movable page migration", Minchan Kim, May 2016, which gave no figures): pages that are isolated a second, and high-order allocations that
 * succeed.
 *
 * Isolation: a scanner isolates the pages of a pageblock, and puts them back, which is not timed; then the next block. Scanners have blocks of their own, as in a kernel where each compacts another part of its zone,
 * and a balloon of their own, so that it is the VM that is measured and no driver's lock; or one balloon; or all go over all blocks. Whoever isolates a page marks it, and counts those that are marked already.
 *
 * High order: memory is full of pages of files, of a balloon and of small objects, in any order; then the drivers give pages up, here and there. Of the allocations of 2^order frames that the free ones would
 * suffice for, how many find them side by side: before, after what compaction did before the series, and after what it does since.
 */
import { createMachine } from '../../src/memory/index.ts';
import { COMPACTION_DESIGNS, compaction } from '../../src/mm/compaction.ts';
import { virtioBalloon } from '../../src/mm/drivers/balloon.ts';
import { ZS_CLASSES } from '../../src/mm/drivers/structs.ts';
import { zsmalloc } from '../../src/mm/drivers/zs.ts';
import type { Kernel } from '../../src/mm/kernel.ts';
import { modelBytes, placeModel, useModel } from '../../src/mm/model.ts';
import { regimeByName } from '../../src/mm/regime.ts';
import { mmSpec } from '../../src/mm/spec.ts';

/** What is compacted. */
export interface HighOrder {
  readonly frames: number;
  readonly orders: readonly number[];
}

/** What compaction does: nothing, or a design. */
export const HIGH_ORDER = ['none', 'lru only', 'merged'] as const;
/** One of them. */
export type HighOrderName = (typeof HIGH_ORDER)[number];

/** Bytes of the machine that are not the model's. */
const SPARE = 2 ** 20;
/** Of the frames those that are free again, in hundred. */
const FREED = 35;
/** Compaction goes over the zone so often: what was in use is not always. */
const TIMES = 3;

const BALLOON = virtioBalloon();
const ZS = zsmalloc();

/** Fills memory, and lets drivers give up what they have here and there. */
function fragment(k: Kernel): void {
  const { cpu, lru, pageAlloc, pageCache, pages, spec } = k;
  const [balloon, zs] = [k.drivers.of(BALLOON), k.drivers.of(ZS)];
  const [device, store] = [balloon.create(), zs.createPool()];
  const file = pageCache.create(spec.filePages);
  const objects: number[] = [];
  let index = 0;
  const file1 = (): boolean => {
    if (index === spec.filePages || pageAlloc.freePages() === 0) return false;
    const page = pageCache.nopage(file, index);
    index += 1;
    lru.drain();
    if (page > 0 && pages.putTestzero(page)) lru.release(page);
    return true;
  };
  const object = (): boolean => {
    const handle = zs.malloc(store, cpu.below(ZS_CLASSES.length));
    if (handle === 0) return false;
    zs.write(handle, 1, objects.push(handle));
    return true;
  };
  while (pageAlloc.freePages() > 0) {
    const dice = cpu.below(4);
    if (dice === 0 && file1()) continue;
    if (dice < 3 && object()) continue;
    if (!balloon.inflate(device)) break;
  }
  while (pageAlloc.freePages() * 100 < spec.frames * FREED)
    if (cpu.below(2) === 0) balloon.release(device, pages.pageAt(1 + cpu.below(spec.frames)));
    else {
      const [gone] = objects.splice(cpu.below(objects.length), 1);
      if (gone !== undefined) zs.free(gone);
    }
}

/** Allocations that succeed, in hundred of those that free memory would suffice for, by order. @param seed what lies where */
export function highOrder(name: HighOrderName, { frames, orders }: HighOrder, seed: number): number[] {
  const spec = mmSpec({
    frames,
    mms: 1,
    vmas: 1,
    anonVmas: 1,
    chains: 1,
    pteChains: 1,
    files: 1,
    filePages: frames >> 2,
    swapPages: 1,
    zsPools: 1,
    zspages: frames,
    zsHandles: 8 * frames,
    balloons: 1,
  });
  const machine = createMachine({ cpus: 1, bytes: modelBytes(spec, 1) + SPARE });
  const placed = placeModel(machine, spec);
  const cpu = machine.attach(0, { seed });
  const rules = name === 'none' ? COMPACTION_DESIGNS.merged : COMPACTION_DESIGNS[name];
  const k = useModel({ isa: cpu.isa, cpu }, placed, {
    regime: regimeByName('AM')!,
    drivers: [BALLOON, ZS],
    modules: { compaction: (kernel) => compaction(kernel, rules) },
  });
  fragment(k);
  if (name !== 'none') for (let time = 0; time < TIMES; time += 1) k.compaction.compactZone('sync');
  const free = k.pageAlloc.freePages();
  return orders.map((order) => (100 * k.compaction.freeRuns(order)) / Math.floor(free / 2 ** order));
}
