/**
 * uvu's suite() behind a guard.
 *
 * uvu on its own ends in exit code 0 when `before` or `after.each` throws, when `.run()` is forgotten and when a suite is
 * empty; a thrown non-Error stops the rest of the run, a promise that never settles has no deadline, and a failed assertion
 * whose values it cannot print (a BigInt, a cycle) is lost. Here:
 *
 * - uvu sees one handler a test, which runs the hooks itself and rejects with a printable Error only;
 * - every handler and hook has a deadline (a timer, so a test must not block the main thread: the file's own deadline in
 *   run.ts ends one that does);
 * - what is left unfinished or alive at the end of the process fails it, in an 'exit' listener, because uvu sets
 *   `process.exitCode` itself before that;
 * - each test is named before it starts, so that the output of a killed file ends with the test that hung;
 * - each result is appended to the file LOCKRIG_TEST_TALLY names, where run.ts counts even what a killed process achieved.
 */
import { appendFileSync } from 'node:fs';
import { basename } from 'node:path';
import { inspect, types } from 'node:util';
import { isMainThread } from 'node:worker_threads';
import { suite as uvu } from 'uvu';
import { compare } from 'uvu/diff';

export type Handler = () => unknown;

export interface TestOptions {
  /** Milliseconds until the test counts as hung; 60,000 unless given. */
  readonly deadline?: number;
}

export type DeclareTest = (name: string, handler: Handler, options?: TestOptions) => void;

export interface Hook {
  (handler: Handler): void;
  each(handler: Handler): void;
}

export interface Suite extends DeclareTest {
  readonly title: string;
  /** Counts a test as skipped and prints the reason. */
  skip(name: string, reason: string): void;
  before: Hook;
  after: Hook;
  /** Queues the suite; each suite needs exactly one call, after its last test. */
  run(): void;
}

interface Progress {
  readonly title: string;
  declared: number;
  settled: number;
  state: 'declared' | 'queued' | 'running' | 'done';
}

const DEADLINE = 60_000;
const LONG_DEADLINE = 20 * 60_000;
const LINGER = 5_000;

const tally = process.env.LOCKRIG_TEST_TALLY;
delete process.env.LOCKRIG_TEST_TALLY; // a process that a test starts must not add to this file's results

const suites: Progress[] = [];
let failures = 0;

function count(result: 'passed' | 'failed' | 'skipped'): void {
  if (result === 'failed') failures++;
  if (tally !== undefined) appendFileSync(tally, `${result}\n`);
}

function problem(message: string): void {
  count('failed');
  console.error(`\n  FAIL  ${message}`);
}

/** An Error that uvu can print: its formatter reads name and stack, and runs a diff that throws on some values. */
function printable(thrown: unknown): Error {
  if (!types.isNativeError(thrown) || typeof thrown.name !== 'string') {
    return new Error(`threw a value that is not an Error: ${inspect(thrown)}`);
  }
  if (!thrown.name.startsWith('AssertionError')) return thrown;
  try {
    const { actual, expected } = thrown as { actual?: unknown; expected?: unknown };
    compare(actual, expected);
    return thrown;
  } catch {
    const plain = new Error(thrown.message);
    plain.stack = thrown.stack ?? '';
    return plain;
  }
}

/** Runs a handler; rejects with a printable error when it throws, rejects or does not settle in time. */
async function within(deadline: number, what: string, handler: Handler): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not settle within ${deadline} ms`)), deadline);
  });
  try {
    await Promise.race([handler(), late]);
  } catch (thrown) {
    throw printable(thrown);
  } finally {
    clearTimeout(timer);
  }
}

/** Runs all of them in spite of failures and returns the first failure. */
async function sweep(handlers: readonly Handler[], what: string): Promise<Error | undefined> {
  let first: Error | undefined;
  for (const handler of handlers) {
    await within(DEADLINE, what, handler).catch((error: Error) => {
      error.message = `${what}: ${error.message}`;
      first ??= error;
    });
  }
  return first;
}

export function suite(title: string): Suite {
  const inner = uvu(title);
  const progress: Progress = { title, declared: 0, settled: 0, state: 'declared' };
  suites.push(progress);

  const before: Handler[] = [];
  const after: Handler[] = [];
  const beforeEach: Handler[] = [];
  const afterEach: Handler[] = [];
  const skipped: string[] = [];
  let unprepared: Error | undefined;

  async function perform(handler: Handler, deadline: number): Promise<void> {
    if (unprepared) throw unprepared;
    let failure = await sweep(beforeEach, 'before.each');
    failure ??= await within(deadline, 'the test', handler).then(
      () => undefined,
      (error: Error) => error,
    );
    const untidy = await sweep(afterEach, 'after.each');
    failure ??= untidy;
    if (failure) throw failure;
  }

  const declare: DeclareTest = (name, handler, { deadline = DEADLINE } = {}) => {
    progress.declared++;
    inner(name, async () => {
      process.stdout.write(`\n  ${name} `);
      const start = performance.now();
      try {
        await perform(handler, deadline);
        count('passed');
      } catch (error) {
        count('failed');
        throw error;
      } finally {
        progress.settled++;
        process.stdout.write(` (${Math.round(performance.now() - start)} ms) `);
      }
    });
  };

  inner.before(async () => {
    progress.state = 'running';
    for (const line of skipped) process.stdout.write(`\n  ${line}`);
    unprepared = await sweep(before, 'before');
  });
  inner.after(async () => {
    const untidy = await sweep(after, 'after');
    if (untidy) problem(`suite "${title}": ${untidy.stack ?? untidy.message}`);
    progress.state = 'done';
    process.stdout.write('\n');
    watchForLeftovers();
  });

  return Object.assign(declare, {
    title,
    skip(name: string, reason: string): void {
      progress.declared++;
      progress.settled++;
      skipped.push(`${name}  skipped: ${reason}`);
      inner.skip(name);
      count('skipped');
    },
    before: Object.assign((handler: Handler) => void before.push(handler), {
      each: (handler: Handler) => void beforeEach.push(handler),
    }),
    after: Object.assign((handler: Handler) => void after.push(handler), {
      each: (handler: Handler) => void afterEach.push(handler),
    }),
    run(): void {
      if (progress.state !== 'declared') throw new Error(`suite "${title}" was run twice`);
      progress.state = 'queued';
      inner.run();
    },
  });
}

/** Declares tests that are skipped, visibly, unless LOCKRIG_LONG=1; their deadline is 20 minutes unless given. */
export function longOnly(test: Suite): DeclareTest {
  return (name, handler, options) => {
    if (process.env.LOCKRIG_LONG === '1') return test(name, handler, { deadline: LONG_DEADLINE, ...options });
    const file = basename(process.argv[1] ?? '').replace(/\.test\.[jt]s$/, '');
    test.skip(name, `long, run it with: npm run test:long -- ${file}`);
  };
}

/** Which of the tests that take turns have theirs; another number with each second. */
const turn = Number(process.env.LOCKRIG_TURN ?? Math.floor(Date.now() / 1000) % 720);

/**
 * Declares tests that take turns: one in `share` runs, others with each run of the file, and all of them with LOCKRIG_LONG=1. For many tests of one kind, each of
 * which says little that the others do not. The first line of a failure names the turn.
 */
export function inTurn(test: Suite, share: number): DeclareTest {
  let declared = 0;
  return (name, handler, options) => {
    declared += 1;
    if (process.env.LOCKRIG_LONG === '1' || (declared + turn) % share === 0)
      return test(`${name} [turn ${turn}]`, handler, options);
    test.skip(name, `its turn comes with LOCKRIG_TURN=${(share - (declared % share)) % share}`);
  };
}

/** Those of a list that have their turn, one in `share`; all of them with LOCKRIG_LONG=1. */
export function haveTurn<T>(list: readonly T[], share: number): T[] {
  if (process.env.LOCKRIG_LONG === '1') return [...list];
  console.log(`one in ${share} of ${list.length}: turn ${turn}`);
  return list.filter((_, at) => (at + turn) % share === 0);
}

/** A handle that outlives the last test (a worker, a child, a server) would hold the file until its outer deadline. */
function watchForLeftovers(): void {
  if (suites.some(({ state }) => state !== 'done')) return;
  setTimeout(() => {
    if (suites.some(({ state }) => state !== 'done')) return;
    const alive = [...new Set(process.getActiveResourcesInfo())].join(', '); // does not list workers
    problem(
      `still alive ${LINGER} ms after the last test: a worker, child or handle is left (active: ${alive})`,
    );
    process.exit(1);
  }, LINGER).unref();
}

function account(): void {
  if (suites.length === 0) problem('this file declares no suite');
  for (const { title, declared, settled, state } of suites) {
    if (state === 'declared') problem(`suite "${title}" was declared but never run: call its .run()`);
    else if (state !== 'done') problem(`suite "${title}" did not finish: the process ended during it`);
    else if (declared === 0) problem(`suite "${title}" has no tests`);
    else if (settled < declared)
      problem(`suite "${title}": ${declared - settled} of ${declared} tests never ran`);
  }
  if (failures > 0) process.exitCode = 1;
}

if (isMainThread) process.on('exit', account);
