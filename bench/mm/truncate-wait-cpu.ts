/**
 * One of two CPUs: CPU 0 maps a file many times, and makes it empty; CPU 1 meanwhile maps and unmaps a page of it in an address space of its own, which takes i_mmap_lock, and measures how long each
 * mmap takes; see truncate-wait.ts.
 */
import { attachHardware } from '../../harness/engines/hardware.ts';
import type { Addr } from '../../src/arch/index.ts';
import { createKernel } from '../../src/mm/create.ts';
import { initModel } from '../../src/mm/model.ts';
import { PAGE_SIZE } from '../../src/mm/pte.ts';
import { regimeByName } from '../../src/mm/regime.ts';
import { VM } from '../../src/mm/structs.ts';
import { TRUNCATE_DESIGNS, type TruncateName } from '../../src/mm/truncate/rules.ts';
import { truncate } from '../../src/mm/truncate.ts';
import type { Member } from '../crew.ts';
import { mapWhole, type Truncated, truncatedSpec } from './truncation.ts';

/** What both CPUs are told. */
export interface WaitOrders {
  readonly design: TruncateName;
  readonly file: Truncated;
  readonly model: Addr;
  /** A line each: the file, once everything is mapped; whether it is empty. */
  readonly board: Addr;
}

/** Of CPU 0: nanoseconds of the truncation. Of CPU 1: of each mmap beside it. */
export type WaitSamples = readonly number[];

const ADDRESS = 0x10000;

/** Runs one CPU. */
export function truncateWaitCpu({ id, cpus, machine, args }: Member<WaitOrders>): WaitSamples {
  const { design, file: size, model, board } = args;
  const cpu = attachHardware(machine, id, { seed: 1 });
  const { isa } = cpu;
  const [ready, going, over] = [board, board + 64, board + 128];
  const k = createKernel({
    isa,
    cpu,
    at: model,
    spec: truncatedSpec(size),
    cpus,
    regime: regimeByName('AM')!,
    modules: { truncate: (kernel) => truncate(kernel, TRUNCATE_DESIGNS[design]) },
  });
  if (id === 0) {
    initModel(k, {}, cpus);
    const file = mapWhole(k, size);
    isa.storeWake(ready, file);
    isa.spinWhile(going, 0);
    const began = process.hrtime.bigint();
    k.truncate.vmtruncate(file, 0);
    const took = Number(process.hrtime.bigint() - began);
    isa.store(over, 1);
    return [took];
  }
  isa.spinWhile(ready, 0);
  const file = isa.load(ready);
  const mm = k.mms.create();
  const waits: number[] = [];
  const map = (): void => {
    const began = process.hrtime.bigint();
    const at = k.maps.mmap(mm, { address: ADDRESS, length: PAGE_SIZE, flags: VM.READ | VM.SHARED, file });
    waits.push(Number(process.hrtime.bigint() - began));
    if (at !== ADDRESS || k.maps.munmap(mm, ADDRESS, PAGE_SIZE) !== 0)
      throw new Error('no memory to map a page');
  };
  // What is compiled late is no wait.
  for (let warm = 0; warm < 2000; warm += 1) map();
  waits.length = 0;
  isa.storeWake(going, 1);
  while (isa.load(over) === 0) map();
  return waits;
}
