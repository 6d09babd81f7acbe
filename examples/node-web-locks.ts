/**
 * Node's own Web Locks, `navigator.locks` (Node 24.5 and later), tortured as they are.
 *
 *   npx lockrig torture examples/node-web-locks.ts --cpus 2 --duration 5s
 *
 * A lock is a name, the same for all threads of a process, and is held until the promise of its callback settles.
 */
import { defineLock } from 'lockrig';

interface Manager {
  request<Result>(name: string, callback: () => Promise<Result>): Promise<Result>;
}

const { locks } = (globalThis as { navigator?: { locks?: Manager } }).navigator ?? {};
if (locks === undefined) throw new Error('this Node has no navigator.locks: 24.5 and later have');
const manager = locks;

export default defineLock({
  name: 'node-web-locks',
  kind: 'async-mutex',
  size: 64,
  create: () => ({
    hold: (lock, fn) => manager.request(`lock-${lock}`, async () => fn()),
  }),
});
