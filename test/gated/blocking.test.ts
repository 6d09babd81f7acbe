/** Blocking under the gate: what ends a wait and what does not, and that executions without an end are given up for the right reason. */
import * as assert from 'uvu/assert';
import { OP } from '../../harness/engines/trace.ts';
import { type Execution, Exploration, type Failed } from '../../harness/explore/exploration.ts';
import { PORTFOLIO } from '../../harness/explore/policies/index.ts';
import type { Tortured } from '../../harness/torture/setup.ts';
import { WAIT_WOKEN } from '../../src/arch/index.ts';
import { classics } from '../../src/scenarios/index.ts';
import * as episodes from '../fixtures/gated/episodes.ts';
import { MODELS, sorted } from '../fixtures/gated/judge.ts';
import { suite } from '../suite.ts';

const test = suite('gated: blocking');
const LONG = { deadline: 240_000 };
const any = (subject: unknown): Tortured => subject as Tortured;
const WALKS = [{ policy: 'random', parameter: 2 }, { policy: 'pos', parameter: 0 }, ...PORTFOLIO];

interface Hunted {
  readonly executions: number;
  readonly failed: number;
  readonly failures: readonly Failed[];
  readonly outcomes: string[];
  /** The first failure in full. */
  readonly first: Execution | undefined;
  /** The same by its switches. */
  readonly again: Execution | undefined;
}

async function hunt(subject: unknown, executions: number, options = {}, ships = false): Promise<Hunted> {
  const exploration = await Exploration.open(any(subject), ships ? {} : { url: episodes.url });
  try {
    const session = await exploration.session({
      executions,
      base: 3,
      portfolio: WALKS,
      spurious: 0,
      ...options,
    });
    const outcomes = sorted((await exploration.outcomes()).keys());
    const [failure] = session.failures;
    const first = failure && (await exploration.execution(failure.schedule, options));
    const again =
      first &&
      (await exploration.execution({ switches: first.switches, seed: failure.schedule.seed }, options));
    return { ...session, outcomes, first, again };
  } finally {
    await exploration.close();
  }
}

test('a deadlock is reported when it is there, and not before', async () => {
  const { executions, failed, failures, first } = await hunt(episodes.abba, 500);
  assert.ok(failed > 0 && failed < executions, `${failed} of ${executions}`);
  for (const { reason, steps } of failures) {
    assert.is(reason, 'deadlock');
    assert.ok(steps < 20, `${steps} accesses`);
  }
  const { trace } = first!;
  const blocked = Array.from({ length: trace.length }, (_, at) => trace.event(at)).filter(
    ({ op }) => op === episodes.BLOCKED,
  );
  assert.equal(sorted(blocked.slice(-2).map(({ cpu }) => String(cpu))), ['0', '1']);
});

test('a changed word without a notify leaves the sleeper asleep: a deadlock', async () => {
  const { executions, failed, failures } = await hunt(episodes.forgottenNotify, 500);
  assert.ok(failed > 0 && failed < executions, `${failed} of ${executions}`);
  for (const { reason } of failures) assert.is(reason, 'deadlock');
});

test('a hunt lets a wait end spuriously now and then', async () => {
  const { broken, fixed } = classics.find(({ name }) => name === 'futex-wait-if')!;
  const { failed, executions, first } = await hunt(broken, 2000, { spurious: 1 }, true);
  assert.ok(failed > 0 && failed < executions / 4, `${failed} of ${executions}`);
  const { trace } = first!;
  const ends = Array.from({ length: trace.length }, (_, at) => trace.event(at)).filter(
    ({ op }) => op === OP.waitEnd,
  );
  assert.equal(
    ends.map(({ value, before }) => [value, before]),
    [[0, WAIT_WOKEN]],
    'woken by nobody',
  );
  assert.is((await hunt(fixed, 1000, { spurious: 1 }, true)).failed, 0);
});

test('nobody is woken spuriously where nobody else could go on: a deadlock stays one', async () => {
  const { executions, failed, failures, again } = await hunt(episodes.forgottenNotify, 500, { spurious: 1 });
  assert.ok(failed > 0 && failed < executions, `${failed} of ${executions}`);
  for (const { reason } of failures) assert.is(reason, 'deadlock');
  assert.is(again?.failed?.reason, 'deadlock', 'and replays as one');
});

test('a sleeper is woken by notify, and not by the word', async () => {
  const { failed, outcomes } = await hunt(episodes.notified, 1000);
  assert.is(failed, 0);
  assert.equal(outcomes, ['11', '12', '13']);
  const broken = await hunt(episodes.wakesByChange, 1000);
  assert.ok(broken.outcomes.includes('10'), `a gate that does it otherwise shows: ${broken.outcomes}`);
});

test('a timed wait ends by virtual time', async () => {
  const { failed, outcomes } = await hunt(episodes.timed, 500);
  assert.is(failed, 0);
  assert.equal(outcomes, ['1']);
});

test('two that only look and yield are a livelock', async () => {
  const { executions, failed, failures } = await hunt(episodes.livelock, 50);
  assert.is(failed, executions);
  for (const { reason, steps } of failures) {
    assert.is(reason, 'livelock');
    assert.ok(steps < 2000, `${steps} accesses`);
  }
});

test('two that look and yield for long, and then give up, are none', async () => {
  const { executions, failed } = await hunt(episodes.patient, 50);
  assert.is(executions, 50);
  assert.is(failed, 0);
});

test('what never ends is given up at the step bound', async () => {
  const { executions, failed, failures } = await hunt(episodes.endless, 20, { stepBound: 500 });
  assert.is(failed, executions);
  for (const { reason, steps } of failures) {
    assert.is(reason, 'bound');
    assert.ok(steps > 500 && steps < 5000, `${steps} accesses`);
  }
});

test('what an actor throws ends the execution, and comes back', async () => {
  const { executions, failed, failures, first } = await hunt(episodes.throws, 50);
  assert.is(failed, executions);
  for (const { reason } of failures) assert.is(reason, 'exception');
  assert.is(first!.said.thrown[0]?.message, 'the actor has had enough');
});

test(
  'spinWhile ends when the word changes',
  async () => {
    for (const model of MODELS) assert.is((await hunt(episodes.pingPong, 1000, { model })).failed, 0, model);
  },
  LONG,
);

test(
  'an interrupt may come before any access, and after the actor has returned',
  async () => {
    for (const model of MODELS) {
      const { failed, outcomes } = await hunt(episodes.interrupts, 1000, { model });
      assert.is(failed, 0);
      assert.equal(outcomes, ['1', '2', '3', '4'], model);
    }
  },
  LONG,
);

test(
  'no interrupt comes while they are off',
  async () => {
    for (const model of MODELS) {
      const { failed, outcomes } = await hunt(episodes.masked, 1000, { model });
      assert.is(failed, 0);
      assert.equal(outcomes, ['1', '4'], model);
    }
  },
  LONG,
);

test(
  'a CPU that waits in spinWhile, or for a call of its own, is interrupted',
  async () => {
    for (const model of MODELS) assert.is((await hunt(episodes.crossing, 500, { model })).failed, 0, model);
  },
  LONG,
);

test.run();
