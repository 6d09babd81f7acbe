/** The thread of one member of a crew: takes up its CPU, runs the job, answers once. */
import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { attachHardware, machineOf } from '../harness/engines/hardware.ts';
import { barrierOf, type CrewOrders, type CrewReport, type EngineFactory, type Job } from './crew.ts';
import { currentThreadId } from './pin.ts';

const { handle, id, cpus, engine, attach, job, args, barrier, pin } = workerData as CrewOrders;
const port = parentPort!;
const report = (what: CrewReport): void => port.postMessage(what);

async function load<Value>(module: string, name: string): Promise<Value> {
  const found = ((await import(module)) as Record<string, unknown>)[name];
  if (typeof found !== 'function') throw new TypeError(`${module} exports no function ${name}`);
  return found as Value;
}

const machine = machineOf(handle);
const isa =
  typeof engine === 'string'
    ? attachHardware(machine, id, { ...attach, engine }).isa
    : (await load<EngineFactory>(engine.module, engine.factory))(machine, id, attach, engine.args);
const run = await load<Job>(job.module, job.name);
const meet = barrierOf(machine.words, barrier, cpus);
if (pin) {
  report({ kind: 'thread', thread: currentThreadId() });
  await once(port, 'message');
}
const result = await run({ isa, id, cpus, machine, words: machine.words, barrier: meet, args });
report({ kind: 'done', result });
port.close();
