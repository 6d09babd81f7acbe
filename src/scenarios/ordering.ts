/**
 * Memory ordering: programs that are correct if every access takes effect at once and in order, and wrong on a machine on which it does not.
 *
 * The named litmus tests (message passing, store buffering, independent reads of independent writes), and three pieces of code that fail in the same way: an object
 * that is published before it is complete, the double-checked lock, the seqlock. The broken one differs from its twin by the barriers that it lacks. All words in question are
 * accessed by marked operations: what is wrong here is order, not a data race; the races are in races.ts.
 */
import type { Addr, Isa } from '../arch/index.ts';
import type { MutexOps } from '../locking/kinds.ts';
import { struct, u32, words } from '../memory/index.ts';
import type { Actor } from '../scenario.ts';
import { classic } from './classic.ts';
import { type Barrier, full, mutexOps, none, read, until, write } from './parts.ts';

const Message = struct('message', { data: u32, flag: u32, seen_flag: u32, seen_data: u32 });

/** Message passing. */
export const messagePassing = classic({
  name: 'message-passing',
  wrong: 'data and then a flag are written without order: who sees the flag may not see the data',
  source: 'Adve and Gharachorloo 1996, "Shared memory consistency models: a tutorial"; litmus test MP',
  caughtBy: 'check',
  model: 'weak',
  state: Message,
  check: ({ isa, state, fail }) => {
    if (isa.read(state + Message.seen_flag) === 1 && isa.read(state + Message.seen_data) === 0)
      fail('the flag was seen and the data were not');
  },
  broken: {
    actors: [
      ({ isa, state }) => {
        isa.writeOnce(state + Message.data, 1);
        isa.writeOnce(state + Message.flag, 1);
      },
      ({ isa, state }) => {
        isa.write(state + Message.seen_flag, isa.readOnce(state + Message.flag));
        isa.write(state + Message.seen_data, isa.readOnce(state + Message.data));
      },
    ],
  },
  fixed: {
    actors: [
      ({ isa, state }) => {
        isa.writeOnce(state + Message.data, 1);
        isa.storeRelease(state + Message.flag, 1);
      },
      ({ isa, state }) => {
        isa.write(state + Message.seen_flag, isa.loadAcquire(state + Message.flag));
        isa.write(state + Message.seen_data, isa.readOnce(state + Message.data));
      },
    ],
  },
});

const Buffers = struct('store_buffering', { word: words(2), seen: words(2) });

const writeThenRead =
  (barrier: Barrier): Actor =>
  ({ isa, state, cpu }) => {
    isa.writeOnce(state + Buffers.word + 4 * cpu.id, 1);
    barrier(isa);
    isa.write(state + Buffers.seen + 4 * cpu.id, isa.readOnce(state + Buffers.word + 4 * (1 - cpu.id)));
  };

/** Store buffering. */
export const storeBuffering = classic({
  name: 'store-buffering',
  wrong:
    "two CPUs each write a word and read the other's without a barrier: both stores wait in their buffers, and neither is seen",
  source: 'Sewell et al. 2010, "x86-TSO"; Intel SDM vol. 3A, 8.2.3.4; litmus test SB',
  caughtBy: 'check',
  model: 'tso',
  cpus: 2,
  state: Buffers,
  check: ({ isa, state, fail }) => {
    if (isa.read(state + Buffers.seen) + isa.read(state + Buffers.seen + 4) === 0)
      fail('neither store was seen');
  },
  broken: { actors: writeThenRead(none) },
  fixed: { actors: writeThenRead(full) },
});

const Iriw = struct('iriw', { word: words(2), first: words(2), second: words(2) });

const reader =
  (from: 0 | 1, barrier: Barrier): Actor =>
  ({ isa, state }) => {
    isa.write(state + Iriw.first + 4 * from, isa.readOnce(state + Iriw.word + 4 * from));
    barrier(isa);
    isa.write(state + Iriw.second + 4 * from, isa.readOnce(state + Iriw.word + 4 * (1 - from)));
  };
const writer =
  (word: 0 | 1): Actor =>
  ({ isa, state }) =>
    isa.writeOnce(state + Iriw.word + 4 * word, 1);
const iriwActors = (barrier: Barrier): Actor[] => [
  writer(0),
  writer(1),
  reader(0, barrier),
  reader(1, barrier),
];

/** Independent reads of independent writes. */
export const independentReads = classic({
  name: 'independent-reads',
  wrong: 'two readers without barriers see two independent writes in opposite order',
  source: 'Boehm and Adve 2008, "Foundations of the C++ concurrency memory model"; litmus test IRIW',
  caughtBy: 'check',
  model: 'weak',
  state: Iriw,
  check: ({ isa, state, fail }) => {
    const seen = [Iriw.first, Iriw.second].map((at) => isa.read(state + at) + isa.read(state + at + 4));
    if (seen[0] === 2 && seen[1] === 0) fail('the readers disagree on which write was first');
  },
  broken: { actors: iriwActors(none) },
  fixed: { actors: iriwActors(full) },
});

const Lazy = struct('lazy', { lock: u32, instance: u32, field: u32, seen: words(2) });

interface PublishForm {
  readonly look: (isa: Isa, addr: Addr) => number;
  readonly publish: (isa: Isa, addr: Addr, value: number) => void;
}

const getInstance =
  ({ look, publish }: PublishForm): Actor<MutexOps> =>
  ({ isa, state, cpu, tools }) => {
    if (look(isa, state + Lazy.instance) === 0) {
      tools.acquire(state + Lazy.lock);
      if (isa.readOnce(state + Lazy.instance) === 0) {
        isa.writeOnce(state + Lazy.field, 42);
        publish(isa, state + Lazy.instance, 1);
      }
      tools.release(state + Lazy.lock);
    }
    isa.write(state + Lazy.seen + 4 * cpu.id, isa.readOnce(state + Lazy.field));
  };

/** Double-checked locking. */
export const doubleCheckedLock = classic({
  name: 'double-checked-lock',
  wrong:
    'an instance is looked for without the lock first, and neither its publication nor that look is ordered: it is found before its fields are',
  source:
    'Bacon et al. 2000, "The \'Double-Checked Locking is Broken\' Declaration"; Meyers and Alexandrescu 2004',
  caughtBy: 'check',
  model: 'weak',
  cpus: 2,
  state: Lazy,
  create: mutexOps,
  check: ({ isa, state, fail }) => {
    if (isa.read(state + Lazy.seen) !== 42 || isa.read(state + Lazy.seen + 4) !== 42)
      fail('a field was read before it was set');
  },
  broken: {
    actors: getInstance({
      look: (isa, addr) => isa.readOnce(addr),
      publish: (isa, addr, value) => isa.writeOnce(addr, value),
    }),
  },
  fixed: {
    actors: getInstance({
      look: (isa, addr) => isa.loadAcquire(addr),
      publish: (isa, addr, value) => isa.storeRelease(addr, value),
    }),
  },
});

const followPointer: Actor = ({ isa, state }) => {
  if (isa.loadAcquire(state + Message.flag) === 0) return;
  isa.write(state + Message.seen_flag, 1);
  isa.write(state + Message.seen_data, isa.readOnce(state + Message.data));
};

/** An object that is published before it is complete. */
export const publishBeforeInit = classic({
  name: 'publish-before-init',
  wrong: 'the pointer to an object is published first and its field set afterwards: a reader finds it empty',
  source:
    'McKenney 2023, "Is Parallel Programming Hard, And, If So, What Can You Do About It?", section 9.5; Linux rcu_assign_pointer',
  caughtBy: 'check',
  state: Message,
  check: ({ isa, state, fail }) => {
    if (isa.read(state + Message.seen_flag) === 1 && isa.read(state + Message.seen_data) === 0)
      fail('a reader found an object without content');
  },
  broken: {
    actors: [
      ({ isa, state }) => {
        isa.storeRelease(state + Message.flag, 1);
        isa.writeOnce(state + Message.data, 1);
      },
      followPointer,
    ],
  },
  fixed: {
    actors: [
      ({ isa, state }) => {
        isa.writeOnce(state + Message.data, 1);
        isa.storeRelease(state + Message.flag, 1);
      },
      followPointer,
    ],
  },
});

const Pair = struct('pair', { sequence: u32, x: u32, y: u32, seen_x: u32, seen_y: u32 });

interface SeqForm {
  readonly afterOdd: Barrier;
  readonly beforeRecheck: Barrier;
  readonly rechecks: boolean;
}
const SEQLOCK: SeqForm = { afterOdd: write, beforeRecheck: read, rechecks: true };

const seqActors = ({ afterOdd, beforeRecheck, rechecks }: SeqForm): Actor[] => [
  ({ isa, state }) => {
    isa.writeOnce(state + Pair.sequence, 1);
    afterOdd(isa);
    isa.writeOnce(state + Pair.x, 1);
    isa.writeOnce(state + Pair.y, 1);
    isa.storeWake(state + Pair.sequence, 2);
  },
  ({ isa, state }) => {
    while (true) {
      const begun = isa.loadAcquire(state + Pair.sequence);
      if (begun === 1) {
        until(isa, state + Pair.sequence, 2);
        continue;
      }
      const x = isa.readOnce(state + Pair.x);
      const y = isa.readOnce(state + Pair.y);
      beforeRecheck(isa);
      if (rechecks && isa.readOnce(state + Pair.sequence) !== begun) continue;
      isa.write(state + Pair.seen_x, x);
      isa.write(state + Pair.seen_y, y);
      return;
    }
  },
];
const seqlockBug = (
  name: string,
  wrong: string,
  source: string,
  broken: Partial<SeqForm>,
  model: 'sc' | 'weak',
) =>
  classic({
    name,
    wrong,
    source,
    caughtBy: 'check',
    model,
    state: Pair,
    check: ({ isa, state, fail }) => {
      if (isa.read(state + Pair.seen_x) !== isa.read(state + Pair.seen_y)) fail('half of an update was read');
    },
    broken: { actors: seqActors({ ...SEQLOCK, ...broken }) },
    fixed: { actors: seqActors(SEQLOCK) },
  });

/** A seqlock reader that does not look again. */
export const seqlockNoRecheck = seqlockBug(
  'seqlock-no-recheck',
  'a seqlock reader waits for an even count and does not look at it again afterwards: a writer that began meanwhile tears what it reads',
  'Lameter 2005, "Effective synchronization on Linux/NUMA systems"',
  { rechecks: false },
  'sc',
);
/** A seqlock writer without its barrier. */
export const seqlockWriterUnordered = seqlockBug(
  'seqlock-writer-unordered',
  'a seqlock writer stores its data without a barrier after the odd count: the data are seen first, between two even counts',
  'Boehm 2012, "Can seqlocks get along with programming language memory models?"',
  { afterOdd: none },
  'weak',
);
/** A seqlock reader without its barrier. */
export const seqlockReaderUnordered = seqlockBug(
  'seqlock-reader-unordered',
  'a seqlock reader looks at the count again without a barrier after its reads: the second look is done first',
  'Boehm 2012, "Can seqlocks get along with programming language memory models?"',
  { beforeRecheck: none },
  'weak',
);
