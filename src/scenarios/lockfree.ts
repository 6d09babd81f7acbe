/**
 * Stacks, lists and deques without locks that lose a node or give it out twice.
 *
 * A compare-exchange says that a word has the expected value, not that nothing has happened: the value may have come back (ABA), or what it was expected to
 * imply may have changed elsewhere. The fixes are the published ones: a count beside the pointer, a mark on the node that is going, a fence, a
 * compare-exchange where the broken one has a store.
 *
 * Nodes are known by number, 0 is none; a counted pointer is a number with a count above it, in one word.
 */
import type { Addr, Isa } from '../arch/index.ts';
import { struct, u32, words } from '../memory/index.ts';
import type { Actor } from '../scenario.ts';
import { classic } from './classic.ts';
import { type Barrier, full, none } from './parts.ts';

const NUMBER = 0xff;
const COUNT = 0x100;

const Stack = struct('treiber_stack', { top: u32, next: words(4), first: u32, second: u32 });

/** @param step what each change adds to the count of the counted pointer */
function pop(isa: Isa, state: Addr, step: number): number | undefined {
  while (true) {
    const top = isa.loadAcquire(state + Stack.top);
    const node = top & NUMBER;
    if (node === 0) return undefined;
    const next = isa.readOnce(state + Stack.next + 4 * node);
    if (isa.compareExchange(state + Stack.top, top, (top & ~NUMBER) + step + next) === top) return node;
  }
}

function push(isa: Isa, state: Addr, node: number, step: number): void {
  while (true) {
    const top = isa.loadAcquire(state + Stack.top);
    isa.writeOnce(state + Stack.next + 4 * node, top & NUMBER);
    if (isa.compareExchange(state + Stack.top, top, (top & ~NUMBER) + step + node) === top) return;
  }
}

const POP = { name: 'pop' };

const popOne =
  (step: number): Actor =>
  ({ isa, state, record }) => {
    const node = record(POP, () => pop(isa, state, step));
    isa.write(state + Stack.first, node ?? 0);
  };
const popTwoPushOne =
  (step: number): Actor =>
  ({ isa, state, record }) => {
    const back = record(POP, () => pop(isa, state, step));
    const second = record(POP, () => pop(isa, state, step));
    isa.write(state + Stack.second, second ?? 0);
    if (back !== undefined) record({ name: 'push', value: back }, () => push(isa, state, back, step));
  };

/** ABA on Treiber's stack. */
export const treiberAba = classic({
  name: 'treiber-aba',
  wrong:
    'a pop is stopped before its compare-exchange; the node comes back to the top meanwhile with another behind it, and the exchange succeeds',
  source:
    'Treiber 1986, IBM RJ 5118; IBM System/370 Principles of Operation (the count); Michael 2004, "Hazard pointers"',
  caughtBy: 'linearizability',
  state: Stack,
  judge: 'stack',
  init: ({ isa, state, record }) => {
    for (const node of [3, 2, 1]) record({ name: 'push', value: node }, () => push(isa, state, node, 0));
  },
  check: ({ isa, state, record, fail }) => {
    const found = [isa.read(state + Stack.first), isa.read(state + Stack.second)];
    let node = isa.read(state + Stack.top) & NUMBER;
    for (; node !== 0 && found.length < 5; node = isa.read(state + Stack.next + 4 * node)) found.push(node);
    if (found.sort().join() !== '1,2,3') fail(`popped or still there are ${found.join()}`);
    // What is left comes out; a stack that was made a ring has no end.
    for (let left = 0; left < 5; left += 1) if (record(POP, () => pop(isa, state, 0)) === undefined) break;
  },
  broken: { actors: [popOne(0), popTwoPushOne(0)] },
  fixed: { actors: [popOne(COUNT), popTwoPushOne(COUNT)] },
});

const Deque = struct('deque', { bottom: u32, top: u32, ring: words(4), got: words(3) });

interface DequeForm {
  readonly barrier: Barrier;
  /** Whether the owner has the last item. */
  readonly takeLast: (isa: Isa, top: Addr, first: number) => boolean;
}
const compete = (isa: Isa, top: Addr, first: number): boolean =>
  isa.compareExchange(top, first, first + 1) === first;

/** What the owner does once; see chase-lev.ts. */
const owner =
  ({ barrier, takeLast }: DequeForm): Actor =>
  ({ isa, state }) => {
    const { bottom, top, ring, got } = Deque;
    const place = isa.readOnce(state + bottom) - 1;
    isa.writeOnce(state + bottom, place);
    barrier(isa);
    const first = isa.loadAcquire(state + top);
    if (place < first) return isa.storeRelease(state + bottom, first);
    const item = isa.readOnce(state + ring + 4 * place);
    const mine = place > first || takeLast(isa, state + top, first);
    if (place === first) isa.storeRelease(state + bottom, first + 1);
    if (mine) isa.write(state + got, item);
  };
const thief =
  (steals: number): Actor =>
  ({ isa, state }) => {
    const { bottom, top, ring, got } = Deque;
    for (let steal = 1; steal <= steals; steal += 1) {
      const first = isa.load(state + top);
      isa.mb();
      if (isa.load(state + bottom) <= first) continue;
      const item = isa.readOnce(state + ring + 4 * first);
      if (compete(isa, state + top, first)) isa.write(state + got + 4 * steal, item);
    }
  };
const filled =
  (items: number): Actor =>
  ({ isa, state }) => {
    isa.write(state + Deque.bottom, items);
    for (let item = 0; item < items; item += 1) isa.write(state + Deque.ring + 4 * item, item + 1);
  };
const eachOnce =
  (items: number) =>
  ({ isa, state, fail }: Parameters<Actor>[0] & { fail(what: string): void }): void => {
    const got = [0, 4, 8].map((at) => isa.read(state + Deque.got + at)).filter((item) => item !== 0);
    if (new Set(got).size < got.length) fail('an item was taken twice');
    const left = Math.max(0, isa.read(state + Deque.bottom) - isa.read(state + Deque.top));
    if (new Set(got).size + left !== items) fail('an item was lost or taken twice');
  };

/** The work-stealing deque without its fence. */
export const dequeUnfenced = classic({
  name: 'deque-unfenced',
  wrong:
    'the owner of a work-stealing deque lowers `bottom` and looks at `top` without a barrier: the thief does not see the lower one and steals the same item',
  source:
    'Chase and Lev 2005; Lê, Pop, Cohen and Zappa Nardelli 2013, "Correct and efficient work-stealing for weak memory models"',
  caughtBy: 'check',
  model: 'tso',
  state: Deque,
  init: filled(2),
  check: eachOnce(2),
  broken: { actors: [owner({ barrier: none, takeLast: compete }), thief(2)] },
  fixed: { actors: [owner({ barrier: full, takeLast: compete }), thief(2)] },
});

/** The last item, taken by both ends. */
export const dequeLastItem = classic({
  name: 'deque-last-item',
  wrong:
    'the owner of a work-stealing deque takes the last item like any other: a thief that has looked at `bottom` before takes it, too',
  source:
    'Frigo, Leiserson and Randall 1998, "The implementation of the Cilk-5 multithreaded language" (THE protocol); Chase and Lev 2005',
  caughtBy: 'check',
  state: Deque,
  init: filled(1),
  check: eachOnce(1),
  broken: { actors: [owner({ barrier: full, takeLast: () => true }), thief(1)] },
  fixed: { actors: [owner({ barrier: full, takeLast: compete }), thief(1)] },
});

const Bucket = struct('bucket', { head: u32, next: words(3) });

/** Inserts this CPU's node by `link`. */
const inserts =
  (link: (isa: Isa, head: Addr, next: Addr, node: number) => void): Actor =>
  ({ isa, state, cpu, record }) => {
    const node = cpu.id + 1;
    record({ name: 'add', value: node }, () => {
      link(isa, state + Bucket.head, state + Bucket.next + 4 * node, node);
      return true;
    });
  };

/** An insert that pushes another out. */
export const hashInsertLost = classic({
  name: 'hash-insert-lost',
  wrong:
    'two insert at the head of a bucket by a load and a store of the head: the second pushes the first out',
  source: 'Michael 2002, "High performance dynamic lock-free hash tables"',
  caughtBy: 'linearizability',
  cpus: 2,
  state: Bucket,
  judge: 'set',
  check: ({ isa, state, record, fail }) => {
    const found: number[] = [];
    let node = isa.read(state + Bucket.head);
    for (; node !== 0 && found.length < 3; node = isa.read(state + Bucket.next + 4 * node)) found.push(node);
    for (const value of [1, 2]) record({ name: 'has', value }, () => found.includes(value));
    if (found.length !== 2) fail('an element was lost');
  },
  broken: {
    actors: inserts((isa, head, next, node) => {
      isa.write(next, isa.loadAcquire(head));
      isa.storeRelease(head, node);
    }),
  },
  fixed: {
    actors: inserts((isa, head, next, node) => {
      let first = isa.loadAcquire(head);
      while (true) {
        isa.write(next, first);
        const seen = isa.compareExchange(head, first, node);
        if (seen === first) return;
        first = seen;
      }
    }),
  },
});

const List = struct('harris_list', { next: words(5) });
const HEAD = 1;
const GOING = 2;
const LAST = 3;
const INSERTED = 4;
const linkOf = (state: Addr, node: number): Addr => state + List.next + 4 * node;
// A link is a number, shifted; its lowest bit marks the node that the link leaves as going.
const to = (node: number): number => node << 1;

/** Inserts behind the node that goes, or behind the head once that has gone. */
const insert: Actor = ({ isa, state }) => {
  while (true) {
    const first = isa.loadAcquire(linkOf(state, HEAD));
    let behind = HEAD;
    let link = first;
    if (first === to(GOING)) {
      link = isa.loadAcquire(linkOf(state, GOING));
      if ((link & 1) !== 0) {
        isa.compareExchange(linkOf(state, HEAD), first, link & ~1);
        continue;
      }
      behind = GOING;
    }
    isa.writeOnce(linkOf(state, INSERTED), link);
    if (isa.compareExchange(linkOf(state, behind), link, to(INSERTED)) === link) return;
  }
};

/** A delete that takes an insert with it. */
export const listDeleteUnmarked = classic({
  name: 'list-delete-unmarked',
  wrong:
    'a node is unlinked without being marked first: another is inserted behind it meanwhile, and goes with it',
  source: 'Harris 2001, "A pragmatic implementation of non-blocking linked-lists"',
  caughtBy: 'check',
  state: List,
  init: ({ isa, state }) => {
    isa.write(linkOf(state, HEAD), to(GOING));
    isa.write(linkOf(state, GOING), to(LAST));
  },
  check: ({ isa, state, fail }) => {
    const found: number[] = [];
    for (let node = HEAD; node !== 0 && found.length < 5; node = isa.read(linkOf(state, node)) >> 1)
      found.push(node);
    if (found.join() !== `${HEAD},${INSERTED},${LAST}`) fail(`the list is ${found.join()}`);
  },
  broken: {
    actors: [
      ({ isa, state }) => {
        const link = isa.loadAcquire(linkOf(state, GOING));
        isa.compareExchange(linkOf(state, HEAD), to(GOING), link);
      },
      insert,
    ],
  },
  fixed: {
    actors: [
      ({ isa, state }) => {
        let link = isa.loadAcquire(linkOf(state, GOING));
        while (true) {
          const seen = isa.compareExchange(linkOf(state, GOING), link, link | 1);
          if (seen === link) break;
          link = seen;
        }
        isa.compareExchange(linkOf(state, HEAD), to(GOING), link);
      },
      insert,
    ],
  },
});
