/**
 * The scene of the races of page_lock_anon_vma: one page, four processes with a vma each, and the anon_vmas that they get.
 *
 *   process 0   has the page in its vma, and X for an anon_vma; it is the one that exits
 *   process 1   has had no page yet: its first one takes an anon_vma from the slab, and that is the one that was freed last
 *   process 2   has an anon_vma of its own
 *   process 3   is to be forked of process 2
 *
 * The caller of page_lock_anon_vma has a reference to the page, as reclaim has when it has found it on the LRU. What happens to page tables does not matter: to map and unmap the page is to set its
 * `mapping` and `_mapcount`, in the order in which page_add_anon_rmap and page_remove_rmap do. The mapping stays when the page is unmapped.
 */
import type { Addr, Isa } from '../../arch/index.ts';
import { defineLock } from '../../locking/define.ts';
import { CONTENDED, FREE, HELD, Mutex3 } from '../../locking/mutex3.ts';
import { track } from '../../locking/track.ts';
import { type Cpu, fieldAt, initSlab, LINE, roundUp, sizeOf } from '../../memory/index.ts';
import { type AnonVmaForm, type AnonVmas, anonVma, constructAnonVma } from '../../mm/anon-vma.ts';
import { type Base, createBase, type MmLocks } from '../../mm/kernel.ts';
import { mmNames } from '../../mm/names.ts';
import { type Pages, pages } from '../../mm/pages.ts';
import { type MmSpec, mmSpec } from '../../mm/spec.ts';
import { MAPPING_ANON, MAPPING_FLAGS, Page, Vma } from '../../mm/structs.ts';
import { planWorld, type SlabSpecs, slabSpecs } from '../../mm/world.ts';
import { qsbr, rcu } from '../../rcu/index.ts';
import { type Actor, type CheckContext, defineScenario, type ScenarioDefinition } from '../../scenario.ts';
import { type ClassicSpec, classic } from '../classic.ts';
import { exclusive, type MappingJudge, mappingJudge, Notes, typed, unbalanced } from './anon-vma-judge.ts';
import type { Control } from './control.ts';

const PROCESSES = 4;

/** A mutex that sleeps at once: while it looks on, an execution gets longer, and nothing else. 0: free, 1: held, 2: held, and somebody may sleep (mutex3.ts). */
const sleepingMutex = defineLock({
  name: 'sleeping-mutex',
  kind: 'mutex',
  layout: Mutex3,
  promises: { sleeps: true },
  create: (isa) => ({
    acquire(lock) {
      if (isa.compareExchange(lock, FREE, HELD) === FREE) return;
      while (isa.exchange(lock, CONTENDED) !== FREE) isa.wait(lock, CONTENDED);
    },
    tryAcquire: (lock) => isa.compareExchange(lock, FREE, HELD) === FREE,
    release(lock) {
      if (isa.exchange(lock, FREE) === CONTENDED) isa.notify(lock, 1);
    },
  }),
});

/** How big the model of the scene is. */
export const SCENE: MmSpec = mmSpec({
  frames: 4,
  mms: PROCESSES,
  vmas: PROCESSES,
  anonVmas: 4,
  chains: 8,
  pteChains: 1,
  files: 1,
  filePages: 1,
  swapPages: 1,
});

/** The scene as one CPU has it. */
export interface AnonVmaScene extends Base {
  readonly pages: Pages;
  readonly anonVma: AnonVmas;
  readonly judge: MappingJudge;
  /** Where the notes of the judges lie. */
  readonly notes: Addr;
  readonly page: Addr;
  vmaOf(process: number): Addr;
}

/** What is judged while the scene is played, besides what detectors see. */
export interface SceneOptions {
  /** O-TYPE. */
  readonly typed?: boolean;
  /** O-LOCKBAL, for locks that two CPUs may get at a time. */
  readonly exclusive?: boolean;
  /** RCU whose read sections others wait for; unless given, they cost nothing, as in a kernel that does not preempt: nobody waits for a grace period. */
  readonly gracePeriods?: boolean;
  /** Slabs that are made differently. */
  readonly slabs?: Partial<SlabSpecs>;
  /** What is made of the slabs. */
  readonly shared?: (slabs: Base['slabs']) => Base['slabs'];
}

/** The layout of anon_vmas; of a slab for several the first. */
function layoutOf(slabs: SceneOptions['slabs']): object {
  const { layout } = slabSpecs(SCENE, slabs).anonVmas;
  return Array.isArray(layout) ? (layout[0] as object) : layout;
}

const worldEnd = (slabs: Partial<SlabSpecs> | undefined, cpus: number, at: Addr): Addr =>
  planWorld(SCENE, cpus, at, slabSpecs(SCENE, slabs)).end;

/** Bytes of a scene. */
export const sceneBytes = (cpus: number, slabs?: Partial<SlabSpecs>): number =>
  worldEnd(slabs, cpus, 0) + roundUp(sizeOf(Notes), LINE);

/** `names` of a scenario. */
function namesOf(slabs: SceneOptions['slabs']) {
  const model = mmNames(SCENE, slabs);
  return (addr: Addr, state: Addr, cpus: number): string | undefined => {
    const name = model(addr, state, cpus);
    const field = name ?? fieldAt(Notes, addr - worldEnd(slabs, cpus, state));
    return name ?? (field === undefined ? undefined : `anon_vma_notes.${field}`);
  };
}

/** `create` of a scenario: a scene over a form of anon_vmas. */
export const sceneOf =
  (form: AnonVmaForm, options: SceneOptions = {}) =>
  (isa: Isa, cpu: Cpu, state: Addr): AnonVmaScene => {
    const { slabs: replaced, shared, gracePeriods } = options;
    const made = createBase({
      isa,
      cpu,
      at: state,
      spec: SCENE,
      locks: {
        mutex: track('mutex', cpu, sleepingMutex.create(isa, cpu)) as MmLocks['mutex'],
        ...(gracePeriods ? {} : { rcu: track('rcu', cpu, qsbr.create(isa, cpu)) as MmLocks['rcu'] }),
      },
      ...(replaced ? { slabs: replaced } : {}),
    });
    const base: Base = shared ? { ...made, slabs: shared(made.slabs) } : made;
    const { anonVmas, vmas } = base.slabs;
    const notes = worldEnd(replaced, cpu.count, state);
    const judged = { isa, cpu, anonVmas, notes };
    const kernel = { ...base, pages: pages(base) };
    const withType = options.typed ? typed(form, judged, layoutOf(replaced)) : form;
    return {
      ...kernel,
      anonVma: anonVma(kernel, options.exclusive ? exclusive(withType, judged) : withType),
      judge: mappingJudge(judged),
      notes,
      page: kernel.pages.pageAt(1),
      vmaOf: (process) => vmas.objectAt(process),
    };
  };

// What processes do.

/** The page belongs to a process: page_add_anon_rmap, or page_move_anon_rmap where it is mapped. */
export function own({ isa, anonVma, judge, page, vmaOf }: AnonVmaScene, process: number): void {
  const mapping = anonVma.mappingFor(vmaOf(process));
  judge.names(mapping - MAPPING_ANON, () => isa.writeOnce(page + Page.mapping, mapping));
}

/** A process gets its first page, another than that of the scene. */
export function touch({ anonVma, vmaOf }: AnonVmaScene, process: number): void {
  if (!anonVma.prepare(vmaOf(process))) throw new Error('there is no anon_vma left');
}

/** A process exits: its page is unmapped, and then its vma leaves all anon_vmas. */
export function exit({ isa, anonVma, page, vmaOf }: AnonVmaScene, process: number): void {
  isa.fetchAdd(page + Page._mapcount, -1);
  anonVma.unlink(vmaOf(process));
}

/** A process is forked. */
export function forkOf({ anonVma, vmaOf }: AnonVmaScene, child: number, parent: number): void {
  if (!anonVma.fork(vmaOf(child), vmaOf(parent))) throw new Error('there is no anon_vma left');
}

/** KSM merges the page with others: its mapping is no anon_vma any more. */
export function mergePage({ isa, notes, page }: AnonVmaScene): void {
  isa.writeOnce(page + Page.mapping, notes + Notes.stable_node + MAPPING_FLAGS);
}

/** Reclaim looks for the entries that map the page (page_referenced); what it finds is judged by O-AV. */
export function reclaim(scene: AnonVmaScene): void {
  const { anonVma, judge, page } = scene;
  const found = judge.call(() => anonVma.pageLockAnonVma(page));
  if (found !== 0) walkAndUnlock(scene, found);
}

/** The same without a judge. */
export function walk(scene: AnonVmaScene): void {
  const { anonVma, page } = scene;
  const found = anonVma.pageLockAnonVma(page);
  if (found !== 0) walkAndUnlock(scene, found);
}

function walkAndUnlock({ isa, anonVma, pages, page }: AnonVmaScene, found: Addr): void {
  let left = pages.mapcount(page);
  const index = isa.read(page + Page.index);
  anonVma.forEachVma(found, (vma) => {
    // Whether it maps the page says its page table; here one vma has one page, and all of them have this one.
    if (isa.read(vma + Vma.vm_pgoff) === index) left -= 1;
    return left > 0;
  });
  anonVma.pageUnlockAnonVma(found);
}

/** `init`: nobody has an anon_vma. */
export function empty(
  { isa, cpu, spec, world, lists, vmaOf, slabs, page }: AnonVmaScene,
  replaced?: SceneOptions['slabs'],
): void {
  const specs = slabSpecs(spec, replaced);
  rcu.init(isa, world.rcu, cpu.count, 0);
  for (const name of ['mms', 'vmas', 'chains'] as const)
    initSlab(isa, world.slabs[name], specs[name], { cpus: cpu.count });
  initSlab(isa, world.slabs.anonVmas, specs.anonVmas, { cpus: cpu.count, construct: constructAnonVma });
  isa.write(page + Page._mapcount, -1);
  for (let process = 0; process < PROCESSES; process += 1) {
    isa.write(slabs.vmas.alloc() + Vma.vm_mm, slabs.mms.alloc());
    lists.init(vmaOf(process) + Vma.anon_vma_chain);
  }
}

/** `init`: process 0 has the page, process 2 an anon_vma. */
export function inhabited(scene: AnonVmaScene, replaced?: SceneOptions['slabs']): void {
  const { isa, page } = scene;
  empty(scene, replaced);
  touch(scene, 0);
  touch(scene, 2);
  own(scene, 0);
  isa.write(page + Page._refcount, 2);
  isa.write(page + Page._mapcount, 0);
}

/** A race in the scene: its twins differ in the form, or in what the form stands on. */
export interface AnonVmaRace
  extends Omit<
    ClassicSpec<AnonVmaScene>,
    'state' | 'cpus' | 'stride' | 'create' | 'init' | 'check' | 'broken' | 'fixed'
  > {
  /** One a CPU. */
  readonly actors: readonly ((scene: AnonVmaScene) => void)[];
  readonly broken: AnonVmaForm;
  readonly fixed: AnonVmaForm;
  readonly options?: SceneOptions;
  /** Of the broken one, where it differs from the other. */
  readonly brokenOptions?: SceneOptions;
  /** `inhabited` unless given. */
  readonly begin?: typeof inhabited;
}

const played = (actors: AnonVmaRace['actors']): Actor<AnonVmaScene>[] =>
  actors.map(
    (act) =>
      ({ tools }) =>
        act(tools),
  );

/** `check` of every scene. */
const atRest =
  ({ slabs }: SceneOptions) =>
  ({ tools, fail }: CheckContext<AnonVmaScene>): void => {
    const wrong = unbalanced({ isa: tools.isa, anonVmas: tools.slabs.anonVmas }, layoutOf(slabs));
    if (wrong !== undefined) fail(wrong);
  };

/** Defines both scenarios of a race. */
export function race({
  actors,
  broken,
  fixed,
  options = {},
  brokenOptions = options,
  begin = inhabited,
  ...spec
}: AnonVmaRace) {
  const cpus = actors.length;
  const twin = (form: AnonVmaForm, about: SceneOptions) => ({
    create: sceneOf(form, about),
    init: ({ tools }: { tools: AnonVmaScene }) => begin(tools, about.slabs),
    check: atRest(about),
    names: namesOf(about.slabs),
    actors: played(actors),
  });
  return classic<AnonVmaScene>({
    ...spec,
    cpus,
    stride: 1,
    state: Math.max(sceneBytes(cpus, options.slabs), sceneBytes(cpus, brokenOptions.slabs)),
    broken: twin(broken, brokenOptions),
    fixed: twin(fixed, options),
  });
}

/** A control in the scene. */
export interface AnonVmaControl extends Pick<Control, 'name' | 'why' | 'source'> {
  readonly actors: AnonVmaRace['actors'];
  readonly form: AnonVmaForm;
  readonly options?: SceneOptions;
  /** `inhabited` unless given. */
  readonly begin?: typeof inhabited;
}

/** Defines a control. */
export function control({
  name,
  why,
  source,
  actors,
  form,
  options = {},
  begin = inhabited,
}: AnonVmaControl): Control {
  const cpus = actors.length;
  const scenario = defineScenario<AnonVmaScene>({
    name,
    cpus,
    stride: 1,
    state: sceneBytes(cpus, options.slabs),
    check: atRest(options),
    names: namesOf(options.slabs),
    create: sceneOf(form, options),
    init: ({ tools }) => begin(tools, options.slabs),
    actors: played(actors),
  });
  return Object.freeze({ name, why, source, scenario: scenario as unknown as ScenarioDefinition });
}
