/**
 * Workloads over the model: CPUs that run free and do to shared address spaces what comes up, for as long as one likes, and all laws of conservation whenever they rest.
 *
 * `defineMmWorkload` is `defineWorkload` with a kernel: it sets up the model, a table of address spaces (workloads/party.ts) and a ledger of what users have written (workloads/users.ts), and asks every oracle at
 * each rest. While CPUs run the oracles of the access are asked (oracles/observe.ts), and besides them two laws of user code: no translation of a frame that was freed since (O-TLB), no read of
 * another's or an older write than was acknowledged (O-TAG, O-LOST).
 *
 * A workload of one's own takes operations of these mixes, adds others, or replaces modules.
 */
import type { Addr, Isa } from '../arch/index.ts';
import type { Cpu } from '../memory/index.ts';
import { roundUp } from '../memory/index.ts';
import {
  defineWorkload,
  type WorkloadDefinition,
  WorkloadDefinitionError,
  type WorkloadSettings,
  type WorkloadSize,
  workloadName,
} from '../workload.ts';
import { createKernel, type KernelEnv } from './create.ts';
import type { Kernel } from './kernel.ts';
import { initModel, modelBytes } from './model.ts';
import { mmNames } from './names.ts';
import { chosen, quiescent } from './oracles/index.ts';
import { type Ledger, ledger, ledgerBytes } from './oracles/ledger.ts';
import { observed, type Replacements } from './oracles/observe.ts';
import { MmViolation } from './oracles/violation.ts';
import { REGIMES, regimeByName } from './regime.ts';
import { type MmSpec, mmSpec } from './spec.ts';
import { MASK_BITS } from './tlb.ts';
import type { Member, WeighedOperation } from './workloads/operations.ts';
import { judgedPages, party, partyBytes, partyName, SPACES } from './workloads/party.ts';
import { users } from './workloads/users.ts';

/** What the operations of such a workload get. */
export interface MmMember extends Member {
  readonly book: Ledger;
}

/** What distinguishes one design of a kernel from another. */
export type MmDesign = Pick<KernelEnv, 'mlock' | 'spf' | 'modules'>;

/** What a workload over the model states. */
export interface MmWorkloadSpec {
  readonly name: string;
  readonly cpus?: number;
  /** Address spaces that CPUs are in, 4 at most, which is what they are unless given: the fewer, the more threads each has. */
  readonly spaces?: number;
  /** By name, with their weights; an operation returns false when it came to nothing. */
  readonly operations: Readonly<Record<string, WeighedOperation>>;
  /** Regimes that a run may choose, the first unless it does; all of them unless given. */
  readonly regimes?: readonly string[];
  /** Designs of the kernel, by name: a run chooses one of them in place of a regime, and has the first of `regimes`. */
  readonly designs?: Readonly<Record<string, MmDesign>>;
  /** Sizes that differ from those of all workloads. */
  readonly spec?: Partial<MmSpec>;
  /** The design for mlocked pages, by its name. */
  readonly mlock?: KernelEnv['mlock'];
  /** The design of speculative page faults, by its name, or as rules. */
  readonly spf?: KernelEnv['spf'];
  /** Drivers whose pages may be moved; `driverBytes` of the sizes has room for what they keep. */
  readonly drivers?: KernelEnv['drivers'];
  readonly modules?: KernelEnv['modules'];
  /** Locks of other classes. */
  readonly locks?: (isa: Isa, cpu: Cpu) => KernelEnv['locks'];
  /** Oracles that are not asked. */
  readonly except?: readonly string[];
  /** Oracles that are asked besides: those that hold for some designs only. */
  readonly also?: readonly string[];
  /** Sets up what the operations work with besides address spaces; once, before any CPU runs. */
  readonly init?: (member: MmMember) => void;
  /** Asked at each rest, before the oracles. @returns what is wrong */
  readonly check?: (member: MmMember) => string | undefined;
  /** Asked when the run is over. @returns sentences that are worth knowing of it */
  readonly notes?: (member: MmMember) => readonly string[];
}

/** Sizes in which a few CPUs collide all the time, and run out of everything now and then. */
const SPEC: MmSpec = mmSpec({
  frames: 192,
  mms: 10,
  vmas: 96,
  anonVmas: 96,
  chains: 384,
  pteChains: 256,
  files: 2,
  filePages: 8,
  swapPages: 96,
});

const MOST: Partial<Record<keyof MmSpec, number>> = {
  mms: 64,
  files: 16,
  filePages: 64,
  pcp: 64,
  driverBytes: 2 ** 16,
  pteWords: 2,
};
const LEAST: Partial<Record<keyof MmSpec, number>> = {
  frames: 48,
  mms: 5,
  vmas: 8,
  pcp: 0,
  driverBytes: 0,
  zsPools: 0,
  zspages: 0,
  zsHandles: 0,
  balloons: 0,
};

const sizesOf = (spec: MmSpec): Record<string, WorkloadSize> =>
  Object.fromEntries(
    Object.entries(spec).map(([name, value]) => [
      name,
      { value, least: LEAST[name as keyof MmSpec] ?? 1, most: MOST[name as keyof MmSpec] ?? 4096 },
    ]),
  );

/** Asks O-TLB of each translation that is about to be used; interrupts are off until it has been. */
const askedTlb: NonNullable<Replacements['tlb']> = (k, original) => {
  const tlb = original(k);
  return {
    ...tlb,
    translate(mm, address, write) {
      const pte = tlb.translate(mm, address, write);
      const wrong = pte === 0 ? undefined : tlb.outlived(address);
      if (wrong !== undefined) throw new MmViolation('O-TLB', wrong);
      return pte;
    },
  };
};

/** The oracles of the access around whatever the modules are. */
function asked(modules: Replacements): Replacements {
  const around = Object.entries({ ...observed, tlb: askedTlb }).map(([name, ask]) => {
    const mine = modules[name as keyof Replacements] as
      | ((k: Kernel, original: unknown) => unknown)
      | undefined;
    const asking = ask as (k: Kernel, original: (kernel: Kernel) => unknown) => unknown;
    return [
      name,
      (k: Kernel, original: (kernel: Kernel) => unknown) =>
        asking(k, mine ? (kernel) => mine(kernel, original) : original),
    ];
  });
  return { ...modules, ...(Object.fromEntries(around) as Replacements) };
}

interface Plan {
  readonly spec: MmSpec;
  readonly book: number;
  readonly places: number;
  readonly model: number;
  readonly bytes: number;
}

function planOf({ sizes }: WorkloadSettings, cpus: number): Plan {
  const spec = mmSpec(sizes as Partial<MmSpec>);
  const places = 2 * judgedPages(spec, cpus);
  const book = roundUp(partyBytes(spec, cpus), 64);
  const model = book + roundUp(ledgerBytes(places), 64);
  return { spec, book, places, model, bytes: model + modelBytes(spec, cpus) };
}

/** What a workload states that the model does not have; undefined: nothing. */
function wrongly(
  { operations, designs, spaces = SPACES, except = [], also = [] }: MmWorkloadSpec,
  regimes: readonly string[],
): string | undefined {
  if (Object.keys(operations ?? {}).length === 0)
    return 'has no operations: operations: T0 is expected, or { mine: { weight: 1, run } }';
  if (regimes.length === 0) return 'has no regimes to run under: leave them out for all, or name some';
  const unknown = regimes.find((name) => regimeByName(name) === undefined);
  if (unknown !== undefined)
    return `names the regime '${unknown}': there are ${REGIMES.map(({ name }) => name).join(', ')}`;
  if (designs !== undefined && Object.keys(designs).length === 0)
    return 'has no designs to choose from: leave them out, or name some';
  if (!Number.isInteger(spaces) || spaces < 1 || spaces > SPACES)
    return `has ${String(spaces)} address spaces: a whole number from 1 to ${SPACES} is expected`;
  const idle = Object.entries(operations ?? {}).find(([, each]) => typeof each?.run !== 'function');
  if (idle) return `has no run in the operation '${idle[0]}'`;
  chosen({ except, also });
  return undefined;
}

/** Defines a workload over the model. @throws UnknownOracle, WorkloadDefinitionError, MmSpecError */
export function defineMmWorkload(given: MmWorkloadSpec): WorkloadDefinition<MmMember> {
  const name = workloadName(given, 'defineMmWorkload');
  const {
    cpus,
    spaces,
    operations,
    regimes = REGIMES.map((each) => each.name),
    designs,
    mlock,
    spf,
    drivers,
    modules = {},
    locks,
    except = [],
    also = [],
    init,
    check,
    notes,
  } = given;
  const refused = wrongly(given, regimes);
  if (refused !== undefined) throw new WorkloadDefinitionError(`workload '${name}' ${refused}`);
  const sizes = sizesOf({ ...SPEC, ...given.spec });

  function create(isa: Isa, cpu: Cpu, state: Addr, settings: WorkloadSettings): MmMember {
    const { spec, book, places, model } = planOf(settings, cpu.count);
    const design: MmDesign = designs?.[settings.regime] ?? {};
    const k: Kernel = createKernel({
      isa,
      cpu,
      at: state + model,
      spec,
      regime: regimeByName(designs ? regimes[0]! : settings.regime)!,
      ...(mlock ? { mlock } : {}),
      ...(spf ? { spf } : {}),
      ...(drivers ? { drivers } : {}),
      ...design,
      modules: asked({ ...modules, ...design.modules }),
      ...(locks ? { locks: locks(isa, cpu) ?? {} } : {}),
    });
    const written = ledger(isa, state + book, places);
    const shared = party(k, state, cpu.count, spaces);
    return { k, party: shared, book: written, users: users(k, written, shared, cpu.count), cpus: cpu.count };
  }

  return defineWorkload<MmMember>({
    name,
    ...(cpus === undefined ? {} : { cpus }),
    mostCpus: MASK_BITS,
    regimes: designs ? Object.keys(designs) : regimes,
    sizes,
    state: (count, settings) => planOf(settings, count).bytes,
    create,
    init({ tools }) {
      initModel(tools.k);
      tools.party.init();
      init?.(tools);
    },
    operations: Object.fromEntries(
      Object.entries(operations).map(([operation, { weight, run }]) => [
        operation,
        { weight, run: ({ tools }: { tools: MmMember }) => run(tools) },
      ]),
    ),
    rest({ tools, fail }) {
      const own = check?.(tools);
      if (own !== undefined) fail(own);
      for (const sentence of quiescent(tools.k, { ledger: tools.book, except, also })) fail(sentence);
    },
    ...(notes ? { notes: ({ tools }: { tools: MmMember }) => notes(tools) } : {}),
    names(addr, state, count, settings) {
      const { spec, model } = planOf(settings, count);
      return addr < state + model
        ? partyName(state, addr, spec, count)
        : mmNames(spec)(addr, state + model, count);
    },
  });
}
