/**
 * Queues: Michael and Scott's without what keeps its nodes and its tail in order, and rings whose indices say too little or too early.
 *
 * In the linked queue a dummy goes before the first item; a take moves `head` to the next node, whose item it has read, and gives the old dummy back. The
 * pointers are counted (a number with a count above it), as in the paper: what stands in one word must not come back while somebody compares it.
 */
import type { Addr, Isa } from '../arch/index.ts';
import { struct, u32, words } from '../memory/index.ts';
import type { Actor } from '../scenario.ts';
import { classic } from './classic.ts';

const Queue = struct('michael_scott_queue', {
  head: u32,
  tail: u32,
  next: words(5),
  item: words(5),
  got: words(4),
});
const NUMBER = 0xff;
const COUNT = 0x100;

interface QueueForm {
  /** What each change of a pointer adds to its count. */
  readonly step: number;
  /** Whether a take sees to it that `tail` is not left behind. */
  readonly helps: boolean;
}
const MICHAEL_SCOTT: QueueForm = { step: COUNT, helps: true };
const NOBODY = -1;

function queue(isa: Isa, state: Addr, { step, helps }: QueueForm) {
  const head = state + Queue.head;
  const tail = state + Queue.tail;
  const nextOf = (pointer: number): Addr => state + Queue.next + 4 * (pointer & NUMBER);
  const itemOf = (pointer: number): Addr => state + Queue.item + 4 * (pointer & NUMBER);
  const move = (word: Addr, from: number, node: number): boolean =>
    isa.compareExchange(word, from, (from & ~NUMBER) + step + (node & NUMBER)) === from;

  return {
    put(node: number, item: number): void {
      isa.writeOnce(itemOf(node), item);
      isa.writeOnce(nextOf(node), (isa.readOnce(nextOf(node)) & ~NUMBER) + step);
      while (true) {
        const last = isa.loadAcquire(tail);
        const next = isa.loadAcquire(nextOf(last));
        if (isa.loadAcquire(tail) !== last) continue;
        if ((next & NUMBER) !== 0) move(tail, last, next);
        else if (move(nextOf(last), next, node)) {
          move(tail, last, node);
          return;
        }
      }
    },
    /** @returns the node that has become free; -1 when there was no item */
    take(got: Addr): number {
      while (true) {
        const first = isa.loadAcquire(head);
        const last = isa.loadAcquire(tail);
        const next = isa.loadAcquire(nextOf(first));
        if (isa.loadAcquire(head) !== first) continue;
        if ((next & NUMBER) === 0) return NOBODY;
        if (helps && (first & NUMBER) === (last & NUMBER)) {
          move(tail, last, next);
          continue;
        }
        const item = isa.readOnce(itemOf(next));
        if (!move(head, first, next)) continue;
        isa.write(got, item);
        return first & NUMBER;
      }
    },
    /** Gives a node back: what it was linked to is forgotten. */
    reset(node: number): void {
      isa.writeOnce(nextOf(node), (isa.readOnce(nextOf(node)) & ~NUMBER) + step);
    },
  };
}

/** The items that were taken and are still there, in the order of their numbers. */
function itemsOf(isa: Isa, state: Addr): string {
  const items = [0, 4, 8, 12].map((at) => isa.read(state + Queue.got + at)).filter((item) => item !== 0);
  let node = isa.read(state + Queue.next + 4 * (isa.read(state + Queue.head) & NUMBER)) & NUMBER;
  for (; node !== 0 && items.length < 6; node = isa.read(state + Queue.next + 4 * node) & NUMBER)
    items.push(isa.read(state + Queue.item + 4 * node));
  return items.sort((a, b) => a - b).join();
}

const takesOne =
  (form: QueueForm): Actor =>
  ({ isa, state }) => {
    queue(isa, state, form).take(state + Queue.got);
  };
const takesAndReuses =
  (form: QueueForm): Actor =>
  ({ isa, state }) => {
    const { put, take } = queue(isa, state, form);
    const free = take(state + Queue.got + 4);
    take(state + Queue.got + 8);
    put(free, 30);
    take(state + Queue.got + 12);
  };

/** A queue whose nodes are used again at once. */
export const queueEarlyReuse = classic({
  name: 'queue-early-reuse',
  wrong:
    'a node of a Michael-Scott queue is used again while another CPU still compares `head` with it, and its pointers are not counted',
  source:
    'Michael and Scott 1996, "Simple, fast, and practical non-blocking and blocking concurrent queue algorithms"',
  caughtBy: 'check',
  state: Queue,
  // The dummy 1, then 10 and 20 in the nodes 2 and 3.
  init: ({ isa, state }) => {
    isa.write(state + Queue.head, 1);
    isa.write(state + Queue.tail, 3);
    for (const node of [1, 2]) {
      isa.write(state + Queue.next + 4 * node, node + 1);
      isa.write(state + Queue.item + 4 * (node + 1), 10 * node);
    }
  },
  check: ({ isa, state, fail }) => {
    if (itemsOf(isa, state) !== '10,20,30') fail(`taken or still there are ${itemsOf(isa, state)}`);
  },
  broken: {
    actors: [takesOne({ ...MICHAEL_SCOTT, step: 0 }), takesAndReuses({ ...MICHAEL_SCOTT, step: 0 })],
  },
  fixed: { actors: [takesOne(MICHAEL_SCOTT), takesAndReuses(MICHAEL_SCOTT)] },
});

const puts =
  (form: QueueForm): Actor =>
  ({ isa, state, record }) =>
    record({ name: 'enqueue', value: 10 }, () => queue(isa, state, form).put(2, 10));
const takesAndPuts =
  (form: QueueForm): Actor =>
  ({ isa, state, record }) => {
    const { put, take, reset } = queue(isa, state, form);
    let free = NOBODY;
    record({ name: 'dequeue' }, () => {
      free = take(state + Queue.got);
      return free === NOBODY ? undefined : isa.read(state + Queue.got);
    });
    if (free !== NOBODY) reset(free);
    record({ name: 'enqueue', value: 20 }, () => put(3, 20));
  };

/** A tail that is left behind the head. */
export const queueLaggingTail = classic({
  name: 'queue-lagging-tail',
  wrong:
    'a take does not help `tail` along: it removes the node that `tail` still points to, and the next put links its item to a node that has gone',
  source: 'Michael and Scott 1996 (which shows a snapshot of head and tail to be needed)',
  caughtBy: 'linearizability',
  state: Queue,
  judge: 'fifoQueue',
  init: ({ isa, state }) => {
    isa.write(state + Queue.head, 1);
    isa.write(state + Queue.tail, 1);
  },
  check: ({ isa, state, record, fail }) => {
    if (itemsOf(isa, state) !== '10,20') fail(`taken or still there are ${itemsOf(isa, state)}`);
    const { take } = queue(isa, state, MICHAEL_SCOTT);
    for (let taken = 0; taken < 3; taken += 1)
      record({ name: 'dequeue' }, () =>
        take(state + Queue.got) === NOBODY ? undefined : isa.read(state + Queue.got),
      );
  },
  broken: {
    actors: [puts({ ...MICHAEL_SCOTT, helps: false }), takesAndPuts({ ...MICHAEL_SCOTT, helps: false })],
  },
  fixed: { actors: [puts(MICHAEL_SCOTT), takesAndPuts(MICHAEL_SCOTT)] },
});

const Slots = struct('slots', { tail: u32, slot: u32, seen: u32 });

const takeIfThere: Actor = ({ isa, state }) => {
  if (isa.loadAcquire(state + Slots.tail) === 1)
    isa.write(state + Slots.seen, isa.readOnce(state + Slots.slot));
  else isa.write(state + Slots.seen, 42);
};

/** An index that runs ahead of its slot. */
export const indexBeforeSlot = classic({
  name: 'index-before-slot',
  wrong:
    'a producer moves the index of a ring on and writes the slot afterwards: the consumer takes what was in it before',
  source:
    'Lamport 1983, "Specifying concurrent program modules"; Linux Documentation/core-api/circular-buffers.rst',
  caughtBy: 'check',
  state: Slots,
  check: ({ isa, state, fail }) => {
    if (isa.read(state + Slots.seen) !== 42) fail('an empty slot was taken');
  },
  broken: {
    actors: [
      ({ isa, state }) => {
        isa.storeRelease(state + Slots.tail, 1);
        isa.writeOnce(state + Slots.slot, 42);
      },
      takeIfThere,
    ],
  },
  fixed: {
    actors: [
      ({ isa, state }) => {
        isa.writeOnce(state + Slots.slot, 42);
        isa.storeRelease(state + Slots.tail, 1);
      },
      takeIfThere,
    ],
  },
});

const Ring = struct('ring', { head: u32, tail: u32, slot: words(2), accepted: u32, taken: words(3) });

/** Where an index goes after this one: indices that wrap with the ring, or that run on. */
type Advance = (index: number) => number;
const wrapping: Advance = (index) => (index + 1) & 1;
const running: Advance = (index) => index + 1;

const fill =
  (advance: Advance): Actor =>
  ({ isa, state }) => {
    let tail = 0;
    let accepted = 0;
    for (let item = 1; item <= 3; item += 1) {
      if (tail - isa.loadAcquire(state + Ring.head) >= 2) break;
      isa.writeOnce(state + Ring.slot + 4 * (tail & 1), item);
      tail = advance(tail);
      isa.storeRelease(state + Ring.tail, tail);
      accepted = item;
    }
    isa.write(state + Ring.accepted, accepted);
  };
const drain =
  (advance: Advance): Actor =>
  ({ isa, state }) => {
    let head = 0;
    for (let taken = 0; taken < 3; taken += 1) {
      if (isa.loadAcquire(state + Ring.tail) === head) break;
      isa.write(state + Ring.taken + 4 * taken, isa.readOnce(state + Ring.slot + 4 * (head & 1)));
      head = advance(head);
      isa.storeRelease(state + Ring.head, head);
    }
  };

/** A ring that is full and looks empty. */
export const ringFullOrEmpty = classic({
  name: 'ring-full-or-empty',
  wrong:
    'the indices of a ring wrap with it, so equal ones mean full and empty alike: a full ring is taken for an empty one and overwritten',
  source:
    'Lamport 1983, "Specifying concurrent program modules"; Linux Documentation/core-api/circular-buffers.rst',
  caughtBy: 'check',
  state: Ring,
  check: ({ isa, state, fail }) => {
    const taken = [0, 4, 8].map((at) => isa.read(state + Ring.taken + at)).filter((item) => item !== 0);
    if (taken.some((item, at) => item !== at + 1)) fail(`taken in the order ${taken.join()}`);
    const left = isa.read(state + Ring.tail) - isa.read(state + Ring.head);
    if (taken.length + left !== isa.read(state + Ring.accepted)) fail('an item was lost');
  },
  broken: { actors: [fill(wrapping), drain(wrapping)] },
  fixed: { actors: [fill(running), drain(running)] },
});
