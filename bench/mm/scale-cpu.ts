/**
 * One task of a shape; see scale.ts. It rests until the phase changes, does iterations until it is told to stop, and says after each how many it has done. Tasks at rest serve interrupts: who works may have to flush their
 * TLBs.
 */
import { attachHardware } from '../../harness/engines/hardware.ts';
import type { Addr } from '../../src/arch/index.ts';
import { LINE } from '../../src/memory/index.ts';
import { createKernel } from '../../src/mm/create.ts';
import type { Kernel } from '../../src/mm/kernel.ts';
import { initModel } from '../../src/mm/model.ts';
import { quiescent } from '../../src/mm/oracles/index.ts';
import { regimeByName } from '../../src/mm/regime.ts';
import type { MmSpec } from '../../src/mm/spec.ts';
import { Mm } from '../../src/mm/structs.ts';
import type { Member } from '../crew.ts';
import { SHAPE_HEAP, SHAPE_PAGES, SHAPES } from './shapes.ts';

/** Whether tasks share one address space, or each has its own. */
export type Tasks = 'threads' | 'processes';

/** What every task is told. */
export interface ScaleOrders {
  readonly shape: string;
  readonly tasks: Tasks;
  readonly regime: string;
  readonly spec: MmSpec;
  readonly model: Addr;
  readonly futexes: Addr;
  /** Lines: the phase, tasks that rest, whether to stop; then a line for each task: its iterations, its address space, its file. */
  readonly board: Addr;
}

/** Lines of the board before those of the tasks. */
export const BOARD = { phase: 0, resting: LINE, stop: 2 * LINE, tasks: 3 * LINE } as const;
/** Words of a task's line. */
export const TASK = { done: 0, mm: 4, file: 8 } as const;
/** The phase in which tasks end. */
export const OVER = 0x7fffffff;

/** What the first task answers: what oracles say of the model when all is over. */
export type ScaleAnswer = readonly string[];

/** Makes the address spaces and files of all tasks. */
function setUp(k: Kernel, { tasks, board }: ScaleOrders, cpus: number): void {
  const { isa, mms, pageCache } = k;
  initModel(k, {}, cpus);
  const space = (): Addr => {
    const mm = mms.create();
    if (mm === 0) throw new Error('no memory for an address space');
    isa.write(mm + Mm.start_brk, SHAPE_HEAP);
    isa.write(mm + Mm.brk, SHAPE_HEAP);
    return mm;
  };
  const shared = tasks === 'threads' ? space() : 0;
  for (let id = 0; id < cpus; id += 1) {
    const line = board + BOARD.tasks + id * LINE;
    if (shared !== 0 && id > 0) mms.getUser(shared);
    isa.store(line + TASK.mm, shared === 0 ? space() : shared);
    isa.store(line + TASK.file, pageCache.create(SHAPE_PAGES));
  }
}

/** Runs one task. */
export function scaleCpu({ id, cpus, machine, args }: Member<ScaleOrders>): ScaleAnswer {
  const { shape, regime, spec, model, futexes, board } = args;
  const cpu = attachHardware(machine, id, { seed: 1 });
  const { isa } = cpu;
  const k = createKernel({ isa, cpu, at: model, spec, cpus, regime: regimeByName(regime)! });
  const [phase, resting, stop] = [board + BOARD.phase, board + BOARD.resting, board + BOARD.stop];
  const mine = board + BOARD.tasks + id * LINE;
  let seen = 0;

  /** Rests until there is another phase. */
  function rest(): number {
    isa.fetchAdd(resting, 1);
    isa.wake(resting, -1);
    for (let now = isa.load(phase); ; now = isa.spinWhile(phase, seen))
      if (now !== seen) {
        seen = now;
        return now;
      }
  }

  if (id === 0) setUp(k, args, cpus);
  rest();
  const mm = isa.load(mine + TASK.mm);
  const file = isa.load(mine + TASK.file);
  k.tlb.load(mm);
  const work = SHAPES[shape]!.task({ k, mm, file, futexes });
  const going = (): boolean => isa.readOnce(stop) === 0;
  let count = 0;
  const done = (): boolean => {
    count = (count + 1) | 0;
    isa.writeOnce(mine + TASK.done, count);
    return going();
  };
  while (rest() !== OVER) while (going()) work(done);
  return id === 0 ? quiescent(k) : [];
}
