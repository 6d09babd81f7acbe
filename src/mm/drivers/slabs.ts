/** Where drivers of movable pages keep what they have: slabs behind those of the model, and none at all in a model that has no such drivers. */
import type { Addr } from '../../arch/index.ts';
import { type SlabSpec, slabBytes } from '../../memory/index.ts';
import type { MmSpec } from '../spec.ts';
import { Balloon, SizeClass, ZS_CLASSES, ZsHandle, ZsPool, Zspage } from './structs.ts';

/** What the drivers' slabs hold. */
export type DriverSlabName = 'zsPools' | 'sizeClasses' | 'zspages' | 'zsHandles' | 'balloons';

/** Sizes of a model that are those of drivers. */
export type DriverSizes = Pick<MmSpec, 'zsPools' | 'zspages' | 'zsHandles' | 'balloons'>;

/** What the drivers' slabs are made of, those without objects left out. */
export function driverSlabSpecs({
  zsPools,
  zspages,
  zsHandles,
  balloons,
}: DriverSizes): Readonly<Partial<Record<DriverSlabName, SlabSpec>>> {
  const all: Readonly<Record<DriverSlabName, SlabSpec>> = {
    zsPools: { layout: ZsPool, objects: zsPools },
    sizeClasses: { layout: SizeClass, objects: zsPools * ZS_CLASSES.length },
    zspages: { layout: Zspage, objects: zspages },
    zsHandles: { layout: ZsHandle, objects: zsHandles },
    balloons: { layout: Balloon, objects: balloons },
  };
  return Object.fromEntries(Object.entries(all).filter(([, { objects }]) => objects > 0));
}

/** Plans them. @param take takes so many bytes of the model */
export function planDriverSlabs(
  sizes: DriverSizes,
  cpus: number,
  take: (bytes: number) => Addr,
): Readonly<Partial<Record<DriverSlabName, Addr>>> {
  return Object.fromEntries(
    Object.entries(driverSlabSpecs(sizes)).map(([name, spec]) => [name, take(slabBytes(spec, cpus))]),
  );
}
