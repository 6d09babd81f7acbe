/** O-UAF where a lock or a reference promises that an object stays: it is live when it is looked at. */
import type { Addr } from '../../arch/index.ts';
import type { Kernel } from '../kernel.ts';
import { MmViolation } from '../oracles/violation.ts';
import type { SlabSpecs } from '../world.ts';

/** @throws MmViolation O-TYPE, O-UAF */
export function slabLive({ slabs, cpu }: Kernel, kind: keyof SlabSpecs, object: Addr): void {
  const slab = slabs[kind];
  const index = slab.indexOf(object);
  if (index < 0 || slab.objectAt(index) !== object)
    throw new MmViolation(
      'O-TYPE',
      `CPU ${cpu.id} was led to 0x${object.toString(16)}, which is none of the ${kind}`,
    );
  const generation = slab.generation(object);
  if ((generation & 1) === 0)
    throw new MmViolation(
      'O-UAF',
      `CPU ${cpu.id} was led to ${kind}[${index}], which is free since generation ${generation}`,
    );
}
