/**
 * Each word of a model has one name, computed from the plan, and every part of the evidence uses it: interleavings, findings, recordings, words that a torture found wrong. Scenarios of
 * others may name their words, too.
 */
import * as assert from 'uvu/assert';
import { Exploration } from '../../harness/explore/exploration.ts';
import { hunt } from '../../harness/explore/hunt.ts';
import { recordingOf } from '../../harness/explore/tape.ts';
import { torture } from '../../harness/torture/run.ts';
import type { Tortured } from '../../harness/torture/setup.ts';
import { sizeOf, slabPlaces } from '../../src/memory/index.ts';
import { cpusOf, mmNames, nameOfWord } from '../../src/mm/names.ts';
import { mmSpec } from '../../src/mm/spec.ts';
import {
  AnonVma,
  Globals,
  Mm,
  MmCpu,
  PAGE_STRUCT_BYTES,
  Page,
  RbNode,
  SwapInfo,
  TlbEntry,
  Vma,
  Zone,
} from '../../src/mm/structs.ts';
import { FRAME_BYTES, planWorld, slabSpecs } from '../../src/mm/world.ts';
import { misnamed, named, unnamed, url } from '../fixtures/mm/named.ts';
import { seed } from '../seed.ts';
import { suite } from '../suite.ts';

const CPUS = 2;
const spec = mmSpec({ frames: 8, vmas: 4, files: 2, filePages: 4, swapPages: 4 });
const world = planWorld(spec, CPUS, 4096);
const slabs = slabSpecs(spec);
const objectAt = (name: keyof typeof slabs, index: number): number => {
  const { first, stride } = slabPlaces(world.slabs[name], slabs[name], CPUS);
  return first + index * stride;
};
const own = (subject: unknown): Tortured => subject as Tortured;

const test = suite('names of words of the model');

test('words of each part are called as in the kernel', () => {
  const cases: [addr: number, name: string][] = [
    [world.zone + Zone.lru_lock, 'zone.lru_lock'],
    [world.zone + Zone.active_list + 4, 'zone.active_list.prev'],
    [world.swap + SwapInfo.tree_lock, 'swap_info_struct.tree_lock'],
    [world.globals + Globals.mmlist_lock, 'mmlist_lock'],
    [world.rcu, 'rcu.gp'],
    [world.perCpu + world.perCpuStride + MmCpu.lru_add + 8, 'mm_cpu[1].lru_add[2]'],
    [world.perCpu + MmCpu.tlb + sizeOf(TlbEntry) + TlbEntry.pte, 'mm_cpu[0].tlb[1].pte'],
    [world.swapMap + 8, 'swap_map[2]'],
    [world.swapCache + 12, 'swap_cache[3]'],
    [world.pageTrees + 4 * (spec.filePages + 1), 'address_space#1.page_tree[1]'],
    [world.memMap + 3 * PAGE_STRUCT_BYTES + Page._refcount, 'page[3]._refcount'],
    [world.memMap + 3 * PAGE_STRUCT_BYTES + Page.lru, 'page[3].lru.next'],
    [world.memMap + 3 * PAGE_STRUCT_BYTES + Page.mlock_count, 'page[3].lru.prev|mlock_count'],
    [world.frames + 7 * FRAME_BYTES + 12, 'page_table[7].entry[3]'],
    [world.frames + 7 * FRAME_BYTES + 4, 'page_table[7].entry[1]|version'],
    [world.swapDisk + FRAME_BYTES, 'swap_disk[1].entry[0]|owner'],
    [world.fileDisk + 5 * FRAME_BYTES + 8, 'file_disk[1][1].entry[2]'],
    [objectAt('vmas', 2) + Vma.vm_end, 'vm_area_struct#2.vm_end'],
    [objectAt('vmas', 3) + Vma.vm_rb + RbNode.rb_left, 'vm_area_struct#3.vm_rb.rb_left'],
    [objectAt('mms', 0) + Mm.page_table_lock, 'mm_struct#0.page_table_lock'],
    [objectAt('mms', 1) + Mm.mmap_sem, 'mm_struct#1.mmap_sem.count'],
    [objectAt('anonVmas', 1) + AnonVma.head, 'anon_vma#1.head.next'],
  ];
  for (const [addr, name] of cases) assert.is(nameOfWord(world, spec, addr), name);
});

test('every word of a model has a name, no two parts share one, and nothing outside has any', () => {
  const seen = new Map<string, number>();
  for (let addr = world.zone; addr < world.end; addr += 4) {
    const name = nameOfWord(world, spec, addr);
    if (name === undefined) continue; // Padding behind the last field of a struct of its own.
    assert.is(seen.get(name), undefined, `${name} is at ${seen.get(name)} and at ${addr}`);
    seen.set(name, addr);
  }
  for (let addr = world.memMap; addr < world.swapDisk; addr += 4)
    assert.ok(nameOfWord(world, spec, addr) !== undefined, `the word at ${addr - world.memMap} of mem_map`);
  for (const addr of [0, world.zone - 4, world.end]) assert.is(nameOfWord(world, spec, addr), undefined);
  assert.is(cpusOf(world), CPUS);
});

test('a slab for several layouts names a word by each of them', () => {
  const mixed = { ...slabs, anonVmas: { layout: [AnonVma, Vma], objects: 2 } };
  const place = planWorld(spec, CPUS, 0, mixed);
  const { first } = slabPlaces(place.slabs.anonVmas, mixed.anonVmas, CPUS);
  assert.is(nameOfWord(place, spec, first + AnonVma.lock, mixed), 'anon_vma/vm_area_struct#0.lock|vm_start');
});

test('names of a scenario go by where its state lies and how many CPUs there are', () => {
  const names = mmNames({ frames: 8 });
  for (const cpus of [1, 4]) {
    const { zone, perCpu, perCpuStride } = planWorld(mmSpec({ frames: 8 }), cpus, 64 * cpus);
    assert.is(names(zone + Zone.lock, 64 * cpus, cpus), 'zone.lock');
    const last = perCpu + (cpus - 1) * perCpuStride;
    assert.is(names(last, 64 * cpus, cpus), `mm_cpu[${cpus - 1}].active_mm`);
  }
});

test(`a hunt shows them in its columns and findings, and mutes like findings as one (seed ${seed})`, async () => {
  const { failures } = await hunt(own(named), { executions: 50, seed, detect: ['races'], all: true, url });
  const race = failures.find(({ oracle }) => oracle === 'race');
  assert.match(race?.text ?? '', /data race on thing#[01]\.count/);
  assert.match(race?.columns.join('\n') ?? '', /thing#[01]\.count/);
  const races = failures.filter(({ oracle }) => oracle === 'race');
  assert.ok(races.length <= 2, 'a write with a read, a write with a write: whether of thing#0 or of thing#1');
});

test(`a recording has them (seed ${seed})`, async () => {
  const exploration = await Exploration.open(own(named), { url });
  try {
    const schedule = { policy: 'random', parameter: 0, length: 100, seed };
    const execution = await exploration.execution(schedule);
    const { words } = recordingOf(exploration, execution, 'sc');
    const all = [...words.values()].map(({ name }) => name);
    assert.ok(all.includes('thing#0.count') && all.includes('thing#1.count'), all.join(' '));
  } finally {
    await exploration.close();
  }
});

test(`a torture names the words that its CPUs race for, in every state (seed ${seed})`, async () => {
  const { races } = await torture(
    own(named),
    { duration: 2000, failFast: true, detect: ['races'], seed },
    { url },
  );
  assert.match(races[0]?.violation.text ?? '', /data race on thing#[01]\.count( of state \d+)?:/);
});

test('a scenario whose names are no function is refused, one without names is shown as before', () => {
  assert.throws(misnamed, /has string for names: a function/);
  assert.is((unnamed as { names?: unknown }).names, undefined);
});

test.run();
