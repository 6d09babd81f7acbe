/**
 * The npm package `web-locks`, tortured as it is published.
 *
 *   npx lockrig torture examples/web-locks.ts --cpus 2 --duration 5s
 *
 * Its lock managers tell each other of new locks and of releases by messages, which the main thread passes on between workers that were attached to
 * it. lockrig's threads belong to a pool, so a BroadcastChannel carries the same messages here; the manager and its locks are the package's own.
 */
import { defineLock } from 'lockrig';

interface Manager {
  request(name: string, handler: () => Promise<unknown>): Promise<void>;
  send(message: object): void;
  receive(message: object): void;
}

const { locks } = (await import('web-locks')) as unknown as { locks: Manager };

export default defineLock({
  name: 'web-locks',
  kind: 'async-mutex',
  size: 64,
  create: () => {
    const channel = new BroadcastChannel('web-locks');
    locks.send = (message) => channel.postMessage(message);
    channel.onmessage = (event) => locks.receive((event as { data: object }).data);
    return {
      async hold(lock, fn) {
        let result: Awaited<ReturnType<typeof fn>> | undefined;
        await locks.request(`lock-${lock}`, async () => {
          result = await fn();
        });
        return result as Awaited<ReturnType<typeof fn>>;
      },
    };
  },
});
