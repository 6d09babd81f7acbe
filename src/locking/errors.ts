/** What locks throw. */
import type { Addr } from '../arch/index.ts';

/** A CPU released a lock that it does not hold; the lock is as it was. */
export class NotOwner extends Error {
  readonly code = 'ENOTOWNER';
  /** The CPU that called release. */
  readonly cpu: number;
  readonly lock: Addr;
  /** The CPU that holds the lock; -1: nobody does. */
  readonly holder: number;

  constructor(cpu: number, lock: Addr, holder: number) {
    super(
      `CPU ${cpu} released the lock at ${lock}, which ${holder < 0 ? 'nobody' : `CPU ${holder}`} holds: only its holder may`,
    );
    this.name = 'NotOwner';
    this.cpu = cpu;
    this.lock = lock;
    this.holder = holder;
  }
}
