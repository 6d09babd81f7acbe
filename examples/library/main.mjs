// A program of its own: four workers, one counter, a mutex and RCU, no harness. Run it with `node main.mjs` where lockrig is installed.
import { once } from 'node:events';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { createMachine, Machine, mutex, placeLock, rcu, useLock } from 'lockrig';

const CPUS = 4;
const TIMES = 20_000;

if (isMainThread) {
  const machine = createMachine({ cpus: CPUS });
  const shared = {
    machine: machine.handle,
    mutex: placeLock(machine, mutex),
    rcu: placeLock(machine, rcu),
    counter: machine.alloc(4),
  };
  const workers = Array.from(
    { length: CPUS },
    (_, id) => new Worker(new URL(import.meta.url), { workerData: { ...shared, id } }),
  );
  await Promise.all(workers.map((worker) => once(worker, 'exit')));
  console.log(`${machine.boot.load(shared.counter)} of ${CPUS * TIMES} increments`);
} else {
  const cpu = new Machine(workerData.machine).attach(workerData.id);
  const { isa } = cpu;
  const lock = useLock(cpu, mutex, workerData.mutex);
  const readers = useLock(cpu, rcu, workerData.rcu);
  for (let times = 0; times < TIMES; times += 1) {
    lock.acquire(workerData.mutex.lock);
    isa.write(workerData.counter, isa.read(workerData.counter) + 1);
    lock.release(workerData.mutex.lock);
    const section = readers.readLock(workerData.rcu.lock);
    isa.load(workerData.counter);
    readers.readUnlock(workerData.rcu.lock, section);
  }
  readers.synchronize(workerData.rcu.lock);
}
