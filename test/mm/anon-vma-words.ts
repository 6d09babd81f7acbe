/** Names of the words of the scene of page_lock_anon_vma (src/scenarios/mm/anon-vma-scene.ts), as scripts say them. */
import type { Exploration } from '../../harness/explore/exploration.ts';
import { infoOf, slabAt } from '../../src/memory/index.ts';
import { AnonVma, PAGE_STRUCT_BYTES, Page } from '../../src/mm/structs.ts';
import { planWorld, slabSpecs } from '../../src/mm/world.ts';
import { SCENE } from '../../src/scenarios/mm/anon-vma-scene.ts';
import type { Words } from './script.ts';

/** `page.mapping`, `X.lock`, `anon_vma#1.lock` and so on; X is the first object of the slab. */
export function wordsOf({ setup, cpus, machine }: Pick<Exploration, 'setup' | 'cpus' | 'machine'>): Words {
  const specs = slabSpecs(SCENE);
  const world = planWorld(SCENE, cpus, setup.lock, specs);
  const { objectAt } = slabAt({ isa: machine.boot }, world.slabs.anonVmas, specs.anonVmas, cpus);
  const words = (label: string, layout: object, at: number): [string, number][] =>
    infoOf(layout).fields.map(({ name, offset }) => [`${label}.${name}`, at + offset]);
  return Object.fromEntries([
    ...words('page', Page, world.memMap + PAGE_STRUCT_BYTES),
    ...words('X', AnonVma, objectAt(0)),
    ...words('anon_vma#1', AnonVma, objectAt(1)),
  ]);
}
