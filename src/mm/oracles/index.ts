/**
 * The oracles of the mm model that judge it at rest: laws of conservation (docs/mm.md, Oracles), usable on any scenario over the model.
 *
 * `quiescent(kernel)` takes a {@link Census} and asks each law; what is wrong comes back as sentences that begin with the oracle's id. All CPUs must be at rest: no operation under way, nothing
 * gathered, mailboxes empty, RCU callbacks done. It reads memory only, so it needs no CPU: a thread that has none brings a plan and a way to read (`observer`).
 *
 * Where a list or a tree is damaged, O-LIST or O-VMA says so, and the laws that would have to walk it say nothing.
 *
 * The laws of the access itself (O-UAF, O-TYPE, O-REF>=, and O-PT and O-AV as they are asked then) are functions in access.ts and wrappers of modules in observe.ts; O-DL, O-ORDER and O-SLEEP are the lock
 * order detector's.
 */
import type { Addr, Isa } from '../../arch/index.ts';
import { type MmSpec, mmSpec } from '../spec.ts';
import { planWorld, type SlabSpecs, slabSpecs } from '../world.ts';
import { anon } from './anon.ts';
import { balloon } from './balloon.ts';
import { type Census, type Observed, takeCensus } from './census.ts';
import { dup } from './dup.ts';
import { isolated, typed } from './isolated.ts';
import { kmap } from './kmap.ts';
import { leak } from './leak.ts';
import type { Ledger } from './ledger.ts';
import { list } from './list.ts';
import { lockBalance } from './lock-balance.ts';
import { lru } from './lru.ts';
import { map } from './map.ts';
import { mlock, mlockStrong } from './mlock.ts';
import type { Asked, Oracle } from './oracle.ts';
import { pageTable } from './page-table.ts';
import { lost, tag } from './payload.ts';
import { refs } from './refs.ts';
import { reserved1, reserved2 } from './reserved.ts';
import { anyRmap, type RmapDesigns, type RmapOf, rmapOfDesigns } from './rmap.ts';
import { rss } from './rss.ts';
import { swap } from './swap.ts';
import { swapoff } from './swapoff.ts';
import { tlb } from './tlb.ts';
import { stamped, truncated } from './truncated.ts';
import { vma } from './vma.ts';
import { zsWhole } from './zs.ts';

export { type Accesses, type AnonVmaLook, accesses } from './access.ts';
export { type Census, type Observed, takeCensus } from './census.ts';
export { type Ledger, ledger, ledgerBytes, type Written } from './ledger.ts';
export { observed, type Replacements } from './observe.ts';
export { observeIsa, unobserved } from './observe-isa.ts';
export { type ObservedUsers, observeUser } from './observe-user.ts';
export type { Asked, Oracle, OracleName } from './oracle.ts';
export { type Mappers, type RmapDesigns, type RmapOf, rmapOfDesigns } from './rmap.ts';
export { MmViolation } from './violation.ts';

/** The laws, damage that makes others say nothing first. */
export const ORACLES: readonly Oracle[] = [
  list,
  pageTable,
  vma,
  lockBalance,
  swapoff,
  swap,
  dup,
  tag,
  lost,
  truncated,
  isolated,
  typed,
  zsWhole,
  balloon,
  anon,
  map,
  refs,
  rss,
  lru,
  mlock,
  mlockStrong,
  reserved1,
  reserved2,
  leak,
  tlb,
  kmap,
  stamped,
];

/** What is asked, and what only the asker knows. */
export interface QuiescentOptions {
  /** These alone, by name. */
  readonly only?: readonly string[];
  /** All but these. */
  readonly except?: readonly string[];
  /** Besides those that are asked anyway these, which hold for some designs only. */
  readonly also?: readonly string[];
  /** How entries are found from a page; by what each page points to unless given, or the kernel has `sections` with a regime. */
  readonly rmapOf?: RmapOf;
  /** References that the asker holds, by the address of the struct page or anon_vma. */
  readonly held?: ReadonlyMap<Addr, number>;
  /** Pages that isolators have; 0 unless given. */
  readonly isolated?: number;
  /** What users have written. Without it O-TAG and O-LOST know nothing. */
  readonly ledger?: Ledger;
}

/** A kernel, or what stands for one. */
export interface Subject extends Observed {
  readonly sections?: { readonly regime: RmapDesigns };
}

/** An oracle was asked for that there is not. */
export class UnknownOracle extends RangeError {
  readonly code = 'EUNKNOWNORACLE';
  constructor(name: string) {
    super(`there is no oracle '${name}': there are ${ORACLES.map((each) => each.name).join(', ')}`);
    this.name = 'UnknownOracle';
  }
}

/** The oracles of these names. @throws UnknownOracle */
function named(names: readonly string[] | undefined): readonly Oracle[] | undefined {
  return names?.map((name) => {
    const found = ORACLES.find((each) => each.name === name);
    if (!found) throw new UnknownOracle(name);
    return found;
  });
}

/** Those that the options choose. @throws UnknownOracle */
export function chosen({ only, except, also }: QuiescentOptions): readonly Oracle[] {
  const without = named(except) ?? [];
  const more = named(also) ?? [];
  const asked = named(only) ?? ORACLES.filter((each) => !each.optional || more.includes(each));
  return asked.filter((each) => !without.includes(each));
}

/** What is wrong with a model that is counted. @returns sentences, each of which begins with its oracle's name */
export function judge(
  census: Census,
  options: QuiescentOptions & { readonly regime?: RmapDesigns } = {},
): string[] {
  const { regime, held = new Map(), isolated = 0, ledger } = options;
  const rmapOf = options.rmapOf ?? (regime ? rmapOfDesigns(regime) : anyRmap);
  const asked: Asked = { rmapOf, held, isolated, ledger };
  return chosen(options).flatMap(({ name, check }) => {
    const wrong = check(census, asked);
    return wrong === undefined ? [] : [`${name}: ${wrong}`];
  });
}

/**
 * What is wrong with a model at rest.
 * @param kernel a kernel, or an {@link observer}
 * @returns sentences, each of which begins with its oracle's name; none: all is well
 * @throws UnknownOracle
 */
export function quiescent(kernel: Subject, options: QuiescentOptions = {}): string[] {
  const regime = kernel.sections?.regime;
  return judge(takeCensus(kernel), { ...options, ...(regime ? { regime } : {}) });
}

/**
 * What a thread that is no CPU has for a kernel: a torture's main thread, or whoever has a copy of the memory.
 * @param env where the model lies, and for how many CPUs it was planned
 */
export function observer({
  isa,
  at,
  cpus,
  spec: given,
  slabs,
}: {
  readonly isa: Pick<Isa, 'read'>;
  readonly at: Addr;
  readonly cpus: number;
  readonly spec?: Partial<MmSpec>;
  readonly slabs?: Partial<SlabSpecs>;
}): Observed {
  const spec = mmSpec(given);
  return { isa, spec, world: planWorld(spec, cpus, at, slabSpecs(spec, slabs)) };
}
