/**
 * Scenarios over the model: an address space or several, what each CPU does to them, and the laws that must hold when all are done.
 *
 * `defineMmScenario` is `defineScenario` with a kernel for tools: `init` gets one that has just been set up, each actor that of its CPU, and after the check the oracles of
 * the model are asked. A user's scenario replaces modules as the shipped ones do.
 */
import type { Addr, Isa } from '../arch/index.ts';
import type { Cpu } from '../memory/index.ts';
import {
  defineScenario,
  type ScenarioDefinition,
  ScenarioDefinitionError,
  type ScenarioSpec,
  scenarioCpus,
} from '../scenario.ts';
import { createKernel, type KernelEnv } from './create.ts';
import type { Kernel } from './kernel.ts';
import { declaredOrder, eraOf } from './lock-order.ts';
import { initModel, modelBytes } from './model.ts';
import { mmNames } from './names.ts';
import { chosen, quiescent } from './oracles/index.ts';
import { type Regime, regimeByName } from './regime.ts';
import { type MmSpec, mmSpec } from './spec.ts';
import type { SlabSpecs } from './world.ts';

/** What an actor, init and check get. */
export interface MmContext {
  readonly k: Kernel;
  /** The first of sixteen words of the scenario's own. */
  readonly note: Addr;
  /** What `init` has returned: an address space. It stands in the first word. */
  readonly mm: Addr;
}

/** What a scenario over the model states; what it leaves out is as in `ScenarioSpec`. */
export interface MmScenarioSpec extends Pick<ScenarioSpec<Kernel>, 'name' | 'cpus' | 'mutant' | 'keeps'> {
  readonly spec?: Partial<MmSpec>;
  readonly regime?: Regime;
  /** In which order its locks are to be taken: an era of lock-order.ts by its name, that of the regime unless given; false: in any. */
  readonly era?: string | false;
  /** The design for mlocked pages, by its name. */
  readonly mlock?: KernelEnv['mlock'];
  /** The design of speculative page faults, by its name, or as rules. */
  readonly spf?: KernelEnv['spf'];
  /** Drivers whose pages may be moved; `driverBytes` of the sizes has room for what they keep. */
  readonly drivers?: KernelEnv['drivers'];
  /** Modules that are made differently; a function gets the address of the scenario's own words. */
  readonly modules?: KernelEnv['modules'] | ((note: Addr) => KernelEnv['modules']);
  /** Locks of other classes. */
  readonly locks?: (isa: Isa, cpu: Cpu) => KernelEnv['locks'];
  readonly slabs?: Partial<SlabSpecs>;
  /** Sets the scene, on a model that has just been set up. @returns what the others get as `mm` */
  init?(context: MmContext): unknown;
  /** What each CPU does: one function for all, or one a CPU. */
  actors: ((context: MmContext) => void) | readonly ((context: MmContext) => void)[];
  /** @returns what is wrong, or nothing; the oracles are asked besides */
  check?(context: MmContext): string | undefined;
  /** Oracles that are not asked. */
  readonly except?: readonly string[];
  /** Oracles that are asked besides: those that hold for some designs only. */
  readonly also?: readonly string[];
}

/** Words that a scenario has for itself, in front of the model. */
const NOTE_BYTES = 64;

/** Defines a scenario over the model. @throws ScenarioDefinitionError, MmSpecError */
export function defineMmScenario(given: MmScenarioSpec): ScenarioDefinition<Kernel> {
  const cpus = scenarioCpus(given, 'defineMmScenario');
  if (given.regime !== undefined && typeof given.regime?.name !== 'string')
    throw new ScenarioDefinitionError(
      `scenario '${given.name}' has ${JSON.stringify(given.regime)} for a regime: an object is expected, as regimeByName('L') returns`,
    );
  const {
    name,
    spec,
    regime = regimeByName('L')!,
    era = eraOf(regime),
    mlock,
    spf,
    drivers,
    modules,
    locks,
    slabs = {},
    init,
    actors,
    check,
    except = [],
    also = [],
    mutant,
    keeps,
  } = given;
  const whole = mmSpec(spec);
  const asked = { except, also };
  chosen(asked);
  const inModel = mmNames(whole, slabs);
  const names = (addr: Addr, state: Addr, of: number): string | undefined =>
    inModel(addr, state + NOTE_BYTES, of);
  const run = (actor: (context: MmContext) => void) => {
    return ({ state, tools }: { state: Addr; tools: Kernel }): void => {
      actor({ k: tools, note: state, mm: tools.isa.read(state) });
      tools.sections.over();
    };
  };
  return defineScenario<Kernel>({
    name,
    cpus,
    stride: 1,
    state: NOTE_BYTES + modelBytes(whole, cpus, slabs),
    create: (isa, cpu, state) =>
      createKernel({
        isa,
        cpu,
        at: state + NOTE_BYTES,
        cpus,
        spec: whole,
        slabs,
        regime,
        ...(mlock ? { mlock } : {}),
        ...(spf ? { spf } : {}),
        ...(drivers ? { drivers } : {}),
        ...(modules ? { modules: (typeof modules === 'function' ? modules(state) : modules) ?? {} } : {}),
        ...(locks ? { locks: locks(isa, cpu) ?? {} } : {}),
      }),
    names,
    ...(era === false ? {} : { lockOrder: declaredOrder(era, names) }),
    init({ state, tools }) {
      initModel(tools, slabs, cpus);
      const mm = init?.({ k: tools, note: state, mm: 0 });
      if (typeof mm === 'number') tools.isa.write(state, mm);
    },
    actors: typeof actors === 'function' ? run(actors) : actors.map(run),
    check({ state, tools, fail }) {
      const own = check?.({ k: tools, note: state, mm: tools.isa.read(state) });
      if (own !== undefined) fail(own);
      for (const sentence of quiescent(tools, asked)) fail(sentence);
    },
    ...(mutant ? { mutant } : {}),
    ...(keeps ? { keeps } : {}),
  });
}
