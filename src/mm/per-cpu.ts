/** Where each CPU's part of the model lies ({@link MmCpu}). */
import type { Addr } from '../arch/index.ts';
import type { World } from './world.ts';

/** The part of one CPU. */
export const mmCpuOf = ({ perCpu, perCpuStride }: World, cpu: number): Addr => perCpu + perCpuStride * cpu;

/** CPUs that the model was planned for: their parts fill the space up to the swap map. */
export const cpusOf = ({ perCpu, perCpuStride, swapMap }: World): number => (swapMap - perCpu) / perCpuStride;
