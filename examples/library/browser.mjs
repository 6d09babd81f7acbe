// Creates the machine and the workers; shows what they have counted, and the error if there is one.
import { createMachine, mutex, placeLock, rcu } from 'lockrig';

const CPUS = 4;
const TIMES = 20_000;

function run() {
  const machine = createMachine({ cpus: CPUS });
  const shared = {
    machine: machine.handle,
    mutex: placeLock(machine, mutex),
    rcu: placeLock(machine, rcu),
    counter: machine.alloc(4),
    times: TIMES,
    library: import.meta.resolve('lockrig'),
  };
  const workers = Array.from(
    { length: CPUS },
    () => new Worker(new URL('./browser-worker.mjs', import.meta.url), { type: 'module' }),
  );
  const done = workers.map(
    (worker, id) =>
      new Promise((resolve, reject) => {
        worker.onmessage = resolve;
        worker.onerror = ({ message }) => reject(new Error(message));
        worker.postMessage({ ...shared, id });
      }),
  );
  return Promise.all(done).then(() => `${machine.boot.load(shared.counter)} of ${CPUS * TIMES} increments`);
}

const said = crossOriginIsolated
  ? await run().catch((error) => String(error))
  : 'the page is not cross-origin isolated: it has no shared memory';
document.getElementById('out').textContent = said;
await fetch('/said', { method: 'POST', body: said });
