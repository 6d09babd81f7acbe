/**
 * Updates that are lost or half seen: a step that should be one is made of two, and another CPU comes in between. No barrier helps; the two
 * steps must become one, by a read-modify-write or under one lock.
 *
 * Each fix is the smallest that makes the step whole. Result words (`seen`, `got`) belong to the CPU that writes them and are looked at when all are at rest.
 */
import type { Addr, Isa } from '../arch/index.ts';
import { struct, u32, words } from '../memory/index.ts';
import type { Actor } from '../scenario.ts';
import { classic } from './classic.ts';
import { mutexOps, until, visit } from './parts.ts';

const Counter = struct('counter', { value: u32 });

/** Two increments, one of which is lost. */
export const lostUpdate = classic({
  name: 'lost-update',
  wrong: 'two CPUs add one by a load and a store, and both load the same number',
  source: 'Gray 1976, "Granularity of locks and degrees of consistency in a shared data base"',
  caughtBy: 'check',
  state: Counter,
  check: ({ isa, state, fail }) => {
    if (isa.read(state + Counter.value) !== 2) fail('an increment was lost');
  },
  broken: { cpus: 2, actors: ({ isa, state }) => visit(isa, state + Counter.value) },
  fixed: {
    cpus: 2,
    actors: ({ isa, state }) => {
      isa.fetchAdd(state + Counter.value, 1);
    },
  },
});

const Account = struct('account', { balance: u32, paid: words(2) });
const WITHDRAWAL = 70;

/** An account that two overdraw. */
export const checkThenAct = classic({
  name: 'check-then-act',
  wrong:
    'a withdrawal looks at the balance and then subtracts: two that look before either subtracts overdraw it',
  source: 'Goetz et al. 2006, "Java Concurrency in Practice", section 2.2; CWE-367',
  caughtBy: 'check',
  cpus: 2,
  state: Account,
  init: ({ isa, state }) => isa.write(state + Account.balance, 100),
  check: ({ isa, state, fail }) => {
    const paid = isa.read(state + Account.paid) + isa.read(state + Account.paid + 4);
    if (isa.read(state + Account.balance) < 0) fail('the account is overdrawn');
    if (isa.read(state + Account.balance) + paid !== 100) fail('money has come or gone');
  },
  broken: {
    actors: ({ isa, state, cpu }) => {
      const { balance, paid } = Account;
      if (isa.load(state + balance) < WITHDRAWAL) return;
      isa.fetchAdd(state + balance, -WITHDRAWAL);
      isa.write(state + paid + 4 * cpu.id, WITHDRAWAL);
    },
  },
  fixed: {
    actors: ({ isa, state, cpu }) => {
      const { balance, paid } = Account;
      let seen = isa.load(state + balance);
      while (seen >= WITHDRAWAL) {
        const now = isa.compareExchange(state + balance, seen, seen - WITHDRAWAL);
        if (now === seen) {
          isa.write(state + paid + 4 * cpu.id, WITHDRAWAL);
          return;
        }
        seen = now;
      }
    },
  },
});

const Wide = struct('wide_counter', { lock: u32, low: u32, high: u32, seen_low: u32, seen_high: u32 });

const carry = (isa: Isa, state: Addr): void => {
  const low = (isa.readOnce(state + Wide.low) + 1) | 0;
  isa.writeOnce(state + Wide.low, low);
  if (low === 0) isa.writeOnce(state + Wide.high, isa.readOnce(state + Wide.high) + 1);
};
const readWide = (isa: Isa, state: Addr): void => {
  isa.write(state + Wide.seen_high, isa.readOnce(state + Wide.high));
  isa.write(state + Wide.seen_low, isa.readOnce(state + Wide.low));
};

/** A counter of two words, seen between them. */
export const tornCounter = classic({
  name: 'torn-counter',
  wrong: 'a 64-bit counter is two words: a reader between the store of the low one and the carry is 2^32 off',
  source: 'Lamport 1977, "Concurrent reading and writing"; Linux include/linux/u64_stats_sync.h',
  caughtBy: 'check',
  state: Wide,
  create: mutexOps,
  init: ({ isa, state }) => isa.write(state + Wide.low, -1),
  check: ({ isa, state, fail }) => {
    const seen = `${isa.read(state + Wide.seen_high)},${isa.read(state + Wide.seen_low)}`;
    if (seen !== '0,-1' && seen !== '1,0') fail(`the reader saw ${seen}`);
  },
  broken: {
    actors: [({ isa, state }) => carry(isa, state), ({ isa, state }) => readWide(isa, state)],
  },
  fixed: {
    actors: [carry, readWide].map(
      (act): Actor<ReturnType<typeof mutexOps>> =>
        ({ isa, state, tools }) => {
          tools.acquire(state + Wide.lock);
          act(isa, state);
          tools.release(state + Wide.lock);
        },
    ),
  },
});

const Bank = struct('bank', { lock_a: u32, lock_b: u32, a: u32, b: u32, total: u32 });

/** A transfer that an audit sees half of. */
export const transferAudit = classic({
  name: 'transfer-audit',
  wrong:
    'each account has its lock, and transfer and audit take one at a time: the audit misses money that is on its way, without any data race',
  source: 'Artho, Havelund and Biere 2003, "High-level data races"',
  caughtBy: 'check',
  state: Bank,
  create: mutexOps,
  init: ({ isa, state }) => {
    isa.write(state + Bank.a, 100);
    isa.write(state + Bank.b, 100);
  },
  check: ({ isa, state, fail }) => {
    if (isa.read(state + Bank.total) !== 200) fail(`the audit found ${isa.read(state + Bank.total)} of 200`);
  },
  broken: {
    actors: [
      ({ isa, state, tools }) => {
        tools.acquire(state + Bank.lock_a);
        isa.write(state + Bank.a, isa.read(state + Bank.a) - 30);
        tools.release(state + Bank.lock_a);
        tools.acquire(state + Bank.lock_b);
        isa.write(state + Bank.b, isa.read(state + Bank.b) + 30);
        tools.release(state + Bank.lock_b);
      },
      ({ isa, state, tools }) => {
        tools.acquire(state + Bank.lock_a);
        const a = isa.read(state + Bank.a);
        tools.release(state + Bank.lock_a);
        tools.acquire(state + Bank.lock_b);
        const b = isa.read(state + Bank.b);
        tools.release(state + Bank.lock_b);
        isa.write(state + Bank.total, a + b);
      },
    ],
  },
  fixed: {
    actors: [
      ({ isa, state, tools }) => {
        tools.acquire(state + Bank.lock_a);
        tools.acquire(state + Bank.lock_b);
        isa.write(state + Bank.a, isa.read(state + Bank.a) - 30);
        isa.write(state + Bank.b, isa.read(state + Bank.b) + 30);
        tools.release(state + Bank.lock_b);
        tools.release(state + Bank.lock_a);
      },
      ({ isa, state, tools }) => {
        tools.acquire(state + Bank.lock_a);
        tools.acquire(state + Bank.lock_b);
        isa.write(state + Bank.total, isa.read(state + Bank.a) + isa.read(state + Bank.b));
        tools.release(state + Bank.lock_b);
        tools.release(state + Bank.lock_a);
      },
    ],
  },
});

const Members = struct('members', { lock: u32, size: u32, member: words(2) });

/** A set whose size is kept outside its lock. */
export const unlockedSize = classic({
  name: 'unlocked-size',
  wrong: 'the members of a set are added under its lock, its size is counted up after the release',
  source:
    'Lu et al. 2008, "Learning from mistakes: a comprehensive study on real world concurrency bug characteristics" (multi-variable bugs)',
  caughtBy: 'check',
  cpus: 2,
  state: Members,
  create: mutexOps,
  check: ({ isa, state, fail }) => {
    const members = isa.read(state + Members.member) + isa.read(state + Members.member + 4);
    if (isa.read(state + Members.size) !== members) fail(`${members} members and another size`);
  },
  broken: {
    actors: ({ isa, state, cpu, tools }) => {
      tools.acquire(state + Members.lock);
      isa.write(state + Members.member + 4 * cpu.id, 1);
      tools.release(state + Members.lock);
      visit(isa, state + Members.size);
    },
  },
  fixed: {
    actors: ({ isa, state, cpu, tools }) => {
      tools.acquire(state + Members.lock);
      isa.write(state + Members.member + 4 * cpu.id, 1);
      visit(isa, state + Members.size);
      tools.release(state + Members.lock);
    },
  },
});

const Once = struct('once', { state: u32, runs: u32 });

/** An initialiser that runs twice. */
export const onceTwice = classic({
  name: 'once-runs-twice',
  wrong: 'who finds the initialisation not done does it: two find it so',
  source: 'POSIX.1 pthread_once, rationale; Schmidt and Harrison 1996, "Double-checked locking"',
  caughtBy: 'check',
  cpus: 2,
  state: Once,
  check: ({ isa, state, fail }) => {
    if (isa.read(state + Once.runs) !== 1) fail(`initialised ${isa.read(state + Once.runs)} times`);
  },
  broken: {
    actors: ({ isa, state }) => {
      if (isa.loadAcquire(state + Once.state) !== 0) return;
      isa.fetchAdd(state + Once.runs, 1);
      isa.storeRelease(state + Once.state, 2);
    },
  },
  fixed: {
    actors: ({ isa, state }) => {
      if (isa.compareExchange(state + Once.state, 0, 1) !== 0) return until(isa, state + Once.state, 2);
      isa.fetchAdd(state + Once.runs, 1);
      isa.storeWake(state + Once.state, 2);
    },
  },
});

const User = struct('user_memory', { length: u32, copied: u32 });
const ROOM = 4;

/** A length that is checked, and then read again. */
export const doubleFetch = classic({
  name: 'double-fetch',
  wrong:
    'a length in memory of the user is fetched to be checked and fetched again to be used: the user changes it in between',
  source:
    'Serna 2008, "MS08-061: the case of the kernel mode double-fetch"; Wang et al. 2017, "How double-fetch situations turn into double-fetch vulnerabilities"',
  caughtBy: 'check',
  state: User,
  init: ({ isa, state }) => isa.write(state + User.length, ROOM),
  check: ({ isa, state, fail }) => {
    if (isa.read(state + User.copied) > ROOM)
      fail(`${isa.read(state + User.copied)} words copied into ${ROOM}`);
  },
  broken: {
    actors: [
      ({ isa, state }) => {
        if (isa.readOnce(state + User.length) <= ROOM)
          isa.write(state + User.copied, isa.readOnce(state + User.length));
      },
      ({ isa, state }) => isa.writeOnce(state + User.length, 1000),
    ],
  },
  fixed: {
    actors: [
      ({ isa, state }) => {
        const length = isa.readOnce(state + User.length);
        if (length <= ROOM) isa.write(state + User.copied, length);
      },
      ({ isa, state }) => isa.writeOnce(state + User.length, 1000),
    ],
  },
});
