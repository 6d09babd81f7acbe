/** An interrupt call runs its handler once on each target, whatever the target is doing, and returns when it has. */
import * as assert from 'uvu/assert';
import { WaitRecord } from '../src/arch/index.ts';
import {
  type AttachOptions,
  CPU_OFFLINE,
  CPU_ONLINE,
  type Cpu,
  CpuArea,
  cpuArea,
  createMachine,
  type Machine,
} from '../src/memory/index.ts';
import { Interrupts } from '../src/memory/interrupts.ts';
import { callWord } from '../src/memory/layout.ts';
import { onCpus, type Start } from './fixtures/memory/cpus.ts';
import { type CallArgs, Seen, seenAt, seenBytes } from './fixtures/memory/interrupts.ts';
import { beforeEveryAccess, watch } from './fixtures/memory/watch.ts';
import { suite } from './suite.ts';

const test = suite('interrupts');

type Cast = Omit<Start<Partial<CallArgs>>, 'args'> & { args?: Partial<CallArgs> };

/** Starts the CPUs with what all of them need to know; `results` in the order of the cast. */
async function play<Result>(cpus: number, cast: readonly Cast[], common: Partial<CallArgs>) {
  const machine = createMachine({ cpus });
  const seen = machine.alloc(seenBytes(cpus));
  const stop = machine.alloc(64);
  const args = {
    callers: 1,
    listeners: 1,
    targets: [],
    calls: 0,
    state: 'running',
    ...common,
    seen,
    stop,
  } as const;
  const starts = cast.map((start) => ({ ...start, args: { ...args, ...start.args } }));
  const results = await onCpus<Result>(machine, 'interrupts', starts);
  return { machine, results, handled: handledIn(machine, seen) };
}

function handledIn(machine: Machine, seen: number) {
  return (sender: number, target: number): number => {
    const at = seenAt(seen, machine.cpus, sender, target);
    assert.is(
      machine.boot.load(at + Seen.wrong),
      0,
      `calls of CPU ${sender} arrived out of order or with other arguments on CPU ${target}`,
    );
    return machine.boot.load(at + Seen.handled);
  };
}

const waitings: [string, CallArgs['state'], AttachOptions][] = [
  ['is running', 'running', {}],
  ['spins in spinWhile', 'spinning', { waiting: 'spin' }],
  ['is parked in spinWhile', 'spinning', { waiting: 'park' }],
  ['is parked in wait', 'waiting', {}],
  ['waits by the Atomics engine', 'waiting', { engine: 'atomics' }],
];

for (const [what, state, attach] of waitings) {
  test(`a call reaches a target that ${what}`, async () => {
    const calls = 500;
    const { results, handled } = await play<number>(
      2,
      [
        { cpu: 0, job: 'caller' },
        { cpu: 1, job: 'target', attach },
      ],
      { targets: [1], calls, state },
    );
    assert.is(results[0], calls);
    assert.is(handled(0, 1), calls);
  });
}

test('10,000 calls: none lost, none doubled, each with its own arguments', async () => {
  const calls = 10_000;
  const { results, handled } = await play<number>(
    2,
    [
      { cpu: 0, job: 'caller' },
      { cpu: 1, job: 'target' },
    ],
    { targets: [1], calls },
  );
  assert.is(results[0], calls);
  assert.is(handled(0, 1), calls);
});

test('one call reaches several targets', async () => {
  const calls = 300;
  const { results, handled } = await play<number>(
    4,
    [
      { cpu: 0, job: 'caller' },
      { cpu: 1, job: 'target' },
      { cpu: 2, job: 'target', args: { state: 'waiting' } },
    ],
    { targets: [0, 1, 2, 3], calls, listeners: 2 },
  );
  assert.is(results[0], 2 * calls, 'itself and CPU 3, which is offline, are passed over');
  assert.equal([handled(0, 1), handled(0, 2)], [calls, calls]);
});

test('CPUs that call each other all get through', async () => {
  const calls = 1000;
  const cpus = [0, 1, 2];
  const cast = cpus.map((cpu) => ({ cpu, job: 'both', args: { targets: cpus } }));
  const { results, handled } = await play<number>(3, cast, { callers: 3, listeners: 3, calls });
  assert.equal(results, [2 * calls, 2 * calls, 2 * calls]);
  for (const [sender, target] of [
    [0, 1],
    [0, 2],
    [1, 0],
    [1, 2],
    [2, 0],
    [2, 1],
  ] as const) {
    assert.is(handled(sender, target), calls, `calls of CPU ${sender} on CPU ${target}`);
  }
});

test('callers whose pending bits coincide are told apart', async () => {
  const calls = 1000;
  const { results, handled } = await play<number>(
    65,
    [
      { cpu: 1, job: 'caller' },
      { cpu: 33, job: 'caller' },
      { cpu: 64, job: 'target' },
    ],
    { callers: 2, targets: [64], calls },
  );
  assert.equal(results.slice(0, 2), [calls, calls]);
  assert.equal([handled(1, 64), handled(33, 64)], [calls, calls]);
});

test('a target that goes offline is not waited for, and what it answered is counted right', async () => {
  for (let round = 0; round < 5; round += 1) {
    const { results, handled } = await play<number>(
      2,
      [
        { cpu: 0, job: 'caller' },
        { cpu: 1, job: 'leaver', args: { targets: [0], calls: 40 } },
      ],
      { targets: [1], calls: 300 },
    );
    const times = handled(0, 1);
    assert.is(results[0], times, 'answers counted by the sender, calls handled by the target');
    assert.ok(times >= 40 && times < 300, `${times} calls handled`);
  }
});

test('nothing is delivered before the outermost irqEnable', async () => {
  const { results, handled } = await play<unknown>(
    2,
    [
      { cpu: 0, job: 'caller' },
      { cpu: 1, job: 'masked' },
    ],
    { targets: [1], calls: 1 },
  );
  assert.equal(results, [1, [0, 0, 1]]);
  assert.is(handled(0, 1), 1);
});

test('a handler that throws loses no call of another sender, nor a later one', async () => {
  const calls = 50;
  const { results, handled } = await play<number>(
    3,
    [
      { cpu: 0, job: 'caller' },
      { cpu: 1, job: 'caller' },
      { cpu: 2, job: 'thrower' },
    ],
    { callers: 2, targets: [2], calls },
  );
  assert.equal(results.slice(0, 2), [calls, calls]);
  // A sender that is answered may call again before `serve` is through: then two errors come out as one.
  const errors = results[2] ?? 0;
  assert.ok(errors > 0 && errors <= calls, `${errors} errors for ${calls} calls`);
  assert.equal([handled(0, 2), handled(1, 2)], [calls, calls]);
});

test('a target named twice is called once', async () => {
  const { results, handled } = await play<number>(
    2,
    [
      { cpu: 0, job: 'caller' },
      { cpu: 1, job: 'target' },
    ],
    { targets: [1, 1], calls: 100 },
  );
  assert.is(results[0], 100);
  assert.is(handled(0, 1), 100);
});

test('bad vectors and targets are refused', () => {
  const cpu = createMachine({ cpus: 2 }).attach(0);
  for (const vector of [-1, 32, 1.5, Number.NaN]) {
    assert.throws(() => cpu.onInterrupt(vector, () => {}), /interrupt vectors are 0 to 31/);
    assert.throws(() => cpu.call([1], vector), /interrupt vectors are 0 to 31/);
  }
  for (const target of [-1, 2, 0.5])
    assert.throws(() => cpu.call([target], 0), new RegExp(`no CPU ${target}`));
});

test.run();

const between = suite('interrupts, access by access');

/** CPU 0 calls CPU 2, which looks whenever CPU 0 pauses; `intruder` happens before one access of the call after another. */
function duringCall(
  intruder: (machine: Machine, target: Cpu) => void,
  after: (machine: Machine, seen: { answered: number; handled: number[] }) => void,
): void {
  beforeEveryAccess(() => {
    const machine = createMachine({ cpus: 3 });
    const sender = machine.attach(0);
    const target = machine.attach(2);
    const handled = [0, 0];
    let answered = 0;
    target.onInterrupt(5, (first, _second, from) => {
      assert.is(first, 100 + from);
      handled[from]! += 1;
    });
    return {
      isa: sender.isa,
      operation: (watched) => {
        const isa = watch(watched, (operation) => {
          const { state } = CpuArea;
          if (operation === 'pause' && machine.boot.load(target.area + state) === CPU_ONLINE) target.serve();
        });
        answered = new Interrupts(isa, { id: 0, count: 3, area: sender.area }).call([2], 5, 100, 0);
      },
      intruder: () => intruder(machine, target),
      after: () => after(machine, { answered, handled }),
    };
  });
}

between('a call that another sender makes at any moment is not lost', () => {
  duringCall(
    ({ boot }, target) => {
      const from = cpuArea(1);
      boot.store(from + CpuArea.callVector, 5);
      boot.store(from + CpuArea.callFirst, 101);
      boot.store(callWord(3, 1, 2), 1);
      boot.fetchOr(target.area + WaitRecord.irqPending, 1 << 1);
    },
    ({ boot }, { answered, handled }) => {
      assert.is(answered, 1);
      assert.is(handled[0], 1);
      const pending = boot.load(callWord(3, 1, 2)) === 1;
      if (pending)
        assert.is(boot.load(cpuArea(2) + WaitRecord.irqPending), 1 << 1, 'it is still to be served');
      const made = boot.load(cpuArea(1) + CpuArea.callVector) === 5;
      assert.is(handled[1], made && !pending ? 1 : 0);
    },
  );
});

between('a target that leaves at any moment has answered as often as the sender thinks', () => {
  duringCall(
    (_machine, target) => target.leave(),
    ({ boot }, { answered, handled }) => {
      assert.is(answered, handled[0]);
      assert.is(boot.load(callWord(3, 0, 2)), 0, 'nothing is left for its next thread');
    },
  );
});

between(
  'a target that goes away at any moment without another look has answered as often as the sender thinks',
  () => {
    duringCall(
      ({ boot }, target) => boot.store(target.area + CpuArea.state, CPU_OFFLINE),
      ({ boot }, { answered, handled }) => {
        assert.is(answered, handled[0]);
        assert.is(boot.load(callWord(3, 0, 2)), 0, 'nothing is left for its next thread');
      },
    );
  },
);

between.run();
