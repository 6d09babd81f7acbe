/**
 * The entry of a CPU thread, a piscina task that lasts as long as its CPU is online.
 *
 * The task opens the control port and returns when the CPU leaves. Between runs the thread answers on that port; during a run it answers nobody
 * (a running program may block the thread), so start, stop and progress are words in shared memory. A thread binds one machine, one program
 * and one engine: an isolate that has seen two is slower for good.
 */
import { expose } from 'comlink';
import { attachHardware, machineOf } from '../harness/engines/hardware.ts';
import type { Control, CpuTask, Program, Runner } from '../harness/engines/program.ts';
import type { Cpu } from '../src/memory/index.ts';
import { endpoint } from './endpoint.ts';

/** Says that the thread has loaded this module. */
export function ready(): void {}

/** Runs one CPU until it leaves. */
export function cpu(task: CpuTask): Promise<void> {
  const machine = machineOf(task.machine);
  const { port } = task;
  let self: Cpu | undefined;
  let runner: Runner | undefined;
  return new Promise((resolve) => {
    const loaded = (): Runner => {
      if (!runner) throw new Error(`CPU ${task.id} has no program loaded`);
      return runner;
    };
    const control: Control = {
      async load(program, setup) {
        const { boot } = (await import(program)) as Program;
        runner = await boot({
          machine,
          id: task.id,
          setup,
          attach: (options) => {
            self = attachHardware(machine, task.id, { ...task.options, ...options });
            return self;
          },
        });
      },
      async run() {
        await loaded().run();
      },
      async collect() {
        return loaded().collect?.();
      },
      async leave() {
        self?.leave();
        // After the answer has gone out.
        setImmediate(() => {
          port.close();
          resolve();
        });
      },
    };
    expose(control, endpoint(port));
  });
}
