/**
 * Waiting on a condition: wake-ups that are lost, or go to the wrong one, or are taken for more than they say.
 *
 * A signal is not remembered; who was woken has only been told to look again; and one condition for two reasons to wait can wake one who waits for the other
 * reason. The conditions here are lockrig's own (`condition`, first come, first woken), with a test-and-set lock as their mutex.
 */
import type { Addr } from '../arch/index.ts';
import { struct, u32, words } from '../memory/index.ts';
import type { Actor, ScenarioContext } from '../scenario.ts';
import { classic } from './classic.ts';
import { conditionField, type Monitor, monitorOps, until } from './parts.ts';

const Buffer = struct('bounded_buffer', {
  lock: u32,
  item: u32,
  got: words(2),
  not_empty: conditionField(),
  not_full: conditionField(),
});

const putTwo =
  (notFull: Addr, notEmpty: Addr): Actor<Monitor> =>
  ({ isa, state, tools: { mutex, condition } }) => {
    for (let item = 1; item <= 2; item += 1) {
      mutex.acquire(state + Buffer.lock);
      while (isa.read(state + Buffer.item) !== 0) condition.wait(state + notFull, state + Buffer.lock);
      isa.write(state + Buffer.item, item);
      condition.signal(state + notEmpty);
      mutex.release(state + Buffer.lock);
    }
  };
const takeOne =
  (notFull: Addr, notEmpty: Addr, slot: number): Actor<Monitor> =>
  ({ isa, state, tools: { mutex, condition } }) => {
    mutex.acquire(state + Buffer.lock);
    while (isa.read(state + Buffer.item) === 0) condition.wait(state + notEmpty, state + Buffer.lock);
    isa.write(state + Buffer.got + 4 * slot, isa.read(state + Buffer.item));
    isa.write(state + Buffer.item, 0);
    condition.signal(state + notFull);
    mutex.release(state + Buffer.lock);
  };
const bufferActors = (notFull: Addr, notEmpty: Addr): Actor<Monitor>[] => [
  putTwo(notFull, notEmpty),
  takeOne(notFull, notEmpty, 0),
  takeOne(notFull, notEmpty, 1),
];

/** A bounded buffer with one condition for both reasons to wait. */
export const oneCondition = classic({
  name: 'one-condition',
  wrong:
    'a bounded buffer has one condition for full and for empty: the signal of a consumer wakes another consumer, and the producer sleeps on',
  source:
    'Hoare 1974, "Monitors: an operating system structuring concept"; Magee and Kramer 2006, "Concurrency: State Models and Java Programs"',
  caughtBy: 'progress',
  state: Buffer,
  create: monitorOps,
  check: ({ isa, state, fail }) => {
    if (isa.read(state + Buffer.got) + isa.read(state + Buffer.got + 4) !== 3)
      fail('an item was lost or taken twice');
  },
  broken: { actors: bufferActors(Buffer.not_empty, Buffer.not_empty) },
  fixed: { actors: bufferActors(Buffer.not_full, Buffer.not_empty) },
});

const Stock = struct('stock', { lock: u32, items: u32, missing: u32, condition: conditionField() });

const putBoth: Actor<Monitor> = ({ isa, state, tools: { mutex, condition } }) => {
  for (let item = 0; item < 2; item += 1) {
    mutex.acquire(state + Stock.lock);
    isa.write(state + Stock.items, isa.read(state + Stock.items) + 1);
    condition.signal(state + Stock.condition);
    mutex.release(state + Stock.lock);
  }
};
const consume =
  (waitForItem: (context: ScenarioContext<Monitor>) => void): Actor<Monitor> =>
  (context) => {
    const { isa, state, tools } = context;
    tools.mutex.acquire(state + Stock.lock);
    waitForItem(context);
    const items = isa.read(state + Stock.items);
    if (items === 0) isa.write(state + Stock.missing, 1);
    else isa.write(state + Stock.items, items - 1);
    tools.mutex.release(state + Stock.lock);
  };
const ifEmpty = ({ isa, state, tools }: ScenarioContext<Monitor>): void => {
  if (isa.read(state + Stock.items) === 0) tools.condition.wait(state + Stock.condition, state + Stock.lock);
};
const whileEmpty = ({ isa, state, tools }: ScenarioContext<Monitor>): void => {
  while (isa.read(state + Stock.items) === 0)
    tools.condition.wait(state + Stock.condition, state + Stock.lock);
};

/** A wait that does not look again. */
export const waitIf = classic({
  name: 'wait-if',
  wrong:
    'a consumer waits by `if` instead of `while`: another one takes the item between the signal and the return of the wait',
  source: 'Lampson and Redell 1980, "Experience with processes and monitors in Mesa"',
  caughtBy: 'check',
  state: Stock,
  create: monitorOps,
  check: ({ isa, state, fail }) => {
    if (isa.read(state + Stock.missing) !== 0) fail('a consumer took an item that was not there');
  },
  broken: { actors: [putBoth, consume(ifEmpty), consume(ifEmpty)] },
  fixed: { actors: [putBoth, consume(whileEmpty), consume(whileEmpty)] },
});

const Gate = struct('gate', { lock: u32, open: u32, passed: u32, condition: conditionField() });

const pass: Actor<Monitor> = ({ isa, state, tools: { mutex, condition } }) => {
  mutex.acquire(state + Gate.lock);
  while (isa.read(state + Gate.open) === 0) condition.wait(state + Gate.condition, state + Gate.lock);
  isa.write(state + Gate.passed, isa.read(state + Gate.passed) + 1);
  mutex.release(state + Gate.lock);
};

/** A signal to nobody. */
export const lostSignal = classic({
  name: 'lost-signal',
  wrong:
    'a CPU waits for a signal and looks at no state: the signal has come before it and is not remembered',
  source:
    'Hoare 1974, "Monitors"; POSIX.1 pthread_cond_signal; Downey 2016, "The Little Book of Semaphores", chapter 3',
  caughtBy: 'progress',
  state: Gate,
  create: monitorOps,
  check: ({ isa, state, fail }) => {
    if (isa.read(state + Gate.passed) !== 1) fail('nobody passed');
  },
  broken: {
    actors: [
      ({ isa, state, tools: { mutex, condition } }) => {
        mutex.acquire(state + Gate.lock);
        condition.wait(state + Gate.condition, state + Gate.lock);
        isa.write(state + Gate.passed, 1);
        mutex.release(state + Gate.lock);
      },
      ({ state, tools: { mutex, condition } }) => {
        mutex.acquire(state + Gate.lock);
        condition.signal(state + Gate.condition);
        mutex.release(state + Gate.lock);
      },
    ],
  },
  fixed: {
    actors: [
      pass,
      ({ isa, state, tools: { mutex, condition } }) => {
        mutex.acquire(state + Gate.lock);
        isa.write(state + Gate.open, 1);
        condition.signal(state + Gate.condition);
        mutex.release(state + Gate.lock);
      },
    ],
  },
});

const opens =
  (announce: 'signal' | 'broadcast'): Actor<Monitor> =>
  ({ isa, state, tools: { mutex, condition } }) => {
    mutex.acquire(state + Gate.lock);
    isa.write(state + Gate.open, 1);
    condition[announce](state + Gate.condition);
    mutex.release(state + Gate.lock);
  };

/** One is woken where all could go on. */
export const notifyOne = classic({
  name: 'notify-one',
  wrong: 'a gate opens for all and one of those who wait is woken',
  source: 'Goetz et al. 2006, "Java Concurrency in Practice", section 14.2.4',
  caughtBy: 'progress',
  state: Gate,
  create: monitorOps,
  check: ({ isa, state, fail }) => {
    if (isa.read(state + Gate.passed) !== 2) fail('somebody did not pass');
  },
  broken: { actors: [pass, pass, opens('signal')] },
  fixed: { actors: [pass, pass, opens('broadcast')] },
});

const Doorbell = struct('doorbell', { rings: u32, heard: u32 });

/** An event that is used to count. */
export const eventNotCounted = classic({
  name: 'event-not-counted',
  wrong:
    'two post by setting a flag that one resets for each: two posts in a row are one; the fix counts them',
  source:
    'Microsoft, "Event Objects (Synchronization)" (auto-reset events); Dijkstra 1965 (why semaphores count)',
  caughtBy: 'progress',
  state: Doorbell,
  check: ({ isa, state, fail }) => {
    if (isa.read(state + Doorbell.heard) !== 2) fail('a ring was not heard');
  },
  broken: {
    actors: [
      ({ isa, state }) => isa.storeWake(state + Doorbell.rings, 1),
      ({ isa, state }) => isa.storeWake(state + Doorbell.rings, 1),
      ({ isa, state }) => {
        for (let heard = 1; heard <= 2; heard += 1) {
          until(isa, state + Doorbell.rings, 1);
          isa.store(state + Doorbell.rings, 0);
          isa.write(state + Doorbell.heard, heard);
        }
      },
    ],
  },
  fixed: {
    actors: [
      ...[0, 1].map(
        (): Actor =>
          ({ isa, state }) => {
            isa.fetchAdd(state + Doorbell.rings, 1);
            isa.wake(state + Doorbell.rings, 1);
          },
      ),
      ({ isa, state }) => {
        for (let heard = 1; heard <= 2; heard += 1) {
          if (isa.load(state + Doorbell.rings) === 0) isa.spinWhile(state + Doorbell.rings, 0);
          isa.fetchAdd(state + Doorbell.rings, -1);
          isa.write(state + Doorbell.heard, heard);
        }
      },
    ],
  },
});
