/** Read-copy update and hazard pointers, each from its file. */

export { RCU_VECTORS, RcuHead } from './callbacks.ts';
export { Rcu, RcuError } from './grace.ts';
export { HAZARD_SLOTS, hazard } from './hazard.ts';
export { qsbr } from './qsbr.ts';
export { rcu } from './rcu.ts';
export { srcu } from './srcu.ts';
export { type WaitingGracePeriod, waitingGracePeriod } from './stall.ts';
