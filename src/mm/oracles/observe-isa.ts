/**
 * O-UAF at the finest: an instruction set by which every access to an object of the model's slabs is looked at first. An object that is free is not accessed at all, but for the words by which the
 * holder of a type-stable pointer finds that out: `root`, `lock` and `ref` of an anon_vma.
 *
 * The look is a marked read of the object's state, an access more for each. It is made before the access, so an object that is freed between the two is missed, and found in another schedule. Under weak
 * memory it may answer what the word held before, as any relaxed read: a pointer that was obtained without an acquire can be accused wrongly there, so hunts with this belong under sc and tso.
 *
 * What oracles read themselves goes past it ({@link unobserved}): they look at free objects, too.
 */
import type { Addr, Isa } from '../../arch/index.ts';
import { slabPlaces } from '../../memory/index.ts';
import { SLAB_HEADER_BYTES, SlabHeader } from '../../memory/objects.ts';
import { nameOfWord } from '../names.ts';
import { type MmSpec, mmSpec } from '../spec.ts';
import { AnonVma } from '../structs.ts';
import { planWorld, type SlabSpecs, slabSpecs } from '../world.ts';
import { MmViolation } from './violation.ts';

/** Operations that access the word that they are given first. */
const ACCESSES: ReadonlySet<string> = new Set<keyof Isa>([
  'read',
  'write',
  'readOnce',
  'writeOnce',
  'loadAcquire',
  'storeRelease',
  'load',
  'store',
  'fetchAdd',
  'fetchAddAcquire',
  'fetchAddRelease',
  'fetchAddRelaxed',
  'fetchAnd',
  'fetchAndAcquire',
  'fetchAndRelease',
  'fetchAndRelaxed',
  'fetchOr',
  'fetchOrAcquire',
  'fetchOrRelease',
  'fetchOrRelaxed',
  'fetchXor',
  'fetchXorAcquire',
  'fetchXorRelease',
  'fetchXorRelaxed',
  'exchange',
  'exchangeAcquire',
  'exchangeRelease',
  'exchangeRelaxed',
  'compareExchange',
  'compareExchangeAcquire',
  'compareExchangeRelease',
  'compareExchangeRelaxed',
  'storeWake',
  'storeWakeOne',
]);

const VALIDATING: ReadonlySet<Addr> = new Set([AnonVma.root, AnonVma.lock, AnonVma.ref]);

const under = new WeakMap<object, object>();

/** The instruction set under an observed one; any other is its own. */
export const unobserved = <T extends object>(isa: T): T => (under.get(isa) as T | undefined) ?? isa;

/** Where the model lies that is observed. */
export interface Where {
  readonly at: Addr;
  readonly cpus: number;
  readonly spec?: Partial<MmSpec>;
  readonly slabs?: Partial<SlabSpecs>;
}

/** An instruction set that throws where an object of the model is accessed that is free. */
export function observeIsa(isa: Isa, { at, cpus, spec: given, slabs: replaced }: Where): Isa {
  const spec = mmSpec(given);
  const specs = slabSpecs(spec, replaced);
  const world = planWorld(spec, cpus, at, specs);
  const slabs = (Object.keys(specs) as (keyof SlabSpecs)[]).map((name) => ({
    ...slabPlaces(world.slabs[name], specs[name], cpus),
    exempt: (offset: Addr) => name === 'anonVmas' && VALIDATING.has(offset),
  }));
  const from = Math.min(...slabs.map(({ first }) => first));

  function look(addr: Addr): void {
    if (!(addr >= from && addr < world.end)) return;
    for (const { first, stride, objects, exempt } of slabs) {
      const index = Math.floor((addr - first) / stride);
      if (index < 0 || index >= objects) continue;
      const offset = (addr - first) % stride;
      const header = stride - SLAB_HEADER_BYTES;
      if (offset >= header || exempt(offset)) return;
      const state = isa.readOnce(first + index * stride + header + SlabHeader.state);
      if ((state & 1) !== 0) return;
      const name = nameOfWord(world, spec, addr, specs) ?? `0x${addr.toString(16)}`;
      throw new MmViolation(
        'O-UAF',
        `${name} is accessed, and its object is free${state === 0 ? '' : ` since generation ${state}`}`,
      );
    }
  }

  const observed: Record<string, unknown> = {};
  for (let level: object = isa; level !== Object.prototype; level = Object.getPrototypeOf(level) as object)
    for (const name of Object.getOwnPropertyNames(level)) {
      if (name === 'constructor' || name in observed) continue;
      const value = (isa as unknown as Record<string, unknown>)[name];
      if (typeof value !== 'function') observed[name] = value;
      else if (!ACCESSES.has(name)) observed[name] = value.bind(isa);
      else
        observed[name] = (addr: Addr, first: number, second: number): unknown => {
          look(addr);
          return value.call(isa, addr, first, second);
        };
    }
  under.set(observed, isa);
  return observed as unknown as Isa;
}
