/**
 * Distinct interleavings are counted as the traces say: which write each read saw, which write each came after. A count that forgets reads, or the order of
 * writes, is found out.
 */
import * as assert from 'uvu/assert';
import { Cover, type Coverage, richness, unseen } from '../../harness/engines/gated/coverage.ts';
import { gateArea, Head } from '../../harness/engines/gated/layout.ts';
import { OPERATIONS, type Trace } from '../../harness/engines/trace.ts';
import { Exploration } from '../../harness/explore/exploration.ts';
import { scramble } from '../../harness/explore/explorer.ts';
import { loadLock } from '../../src/catalog.ts';
import { openProgram } from '../fixtures/gated/judge.ts';
import { suite } from '../suite.ts';

const test = suite('gated: coverage');
const EXECUTIONS = 300;
const BASE = 11;
const WALK = { policy: 'random', parameter: 3 };

/** What each CPU did, and which write each access came after, in words. */
function interleaving(trace: Trace): string {
  const last = new Map<number, string>();
  const done: number[] = [];
  const all: string[] = [];
  for (let at = 0; at < trace.length; at += 1) {
    const { reads, writes } = OPERATIONS[trace.op(at)]!;
    if (!reads && !writes) continue;
    const cpu = trace.cpu(at);
    const addr = trace.addr(at);
    done[cpu] = (done[cpu] ?? 0) + 1;
    const me = `${cpu}.${done[cpu]}`;
    all.push(`${me} ${trace.op(at)} ${addr} ${trace.value(at)} ${last.get(addr) ?? ''}`);
    if (writes) last.set(addr, me);
  }
  return all.sort().join('\n');
}

const SUBJECTS: readonly (readonly [name: string, open: () => Promise<Exploration>])[] = [
  ['SB', () => openProgram('SB')],
  ['R', () => openProgram('R')],
  [
    'ticket, two steps',
    async () => Exploration.open((await loadLock('ticket'))!, { steps: 2, params: { seed: 3 } }),
  ],
  [
    'mcs on 3 CPUs',
    async () => Exploration.open((await loadLock('mcs'))!, { cpus: 3, steps: 1, params: { seed: 3 } }),
  ],
];

for (const [name, open] of SUBJECTS)
  test(
    `${name}: as many interleavings as the traces show, base ${BASE}`,
    async () => {
      const exploration = await open();
      try {
        await exploration.session({ executions: EXECUTIONS, base: BASE, portfolio: [WALK], coverage: true });
        const { executions, interleavings, once, uncounted } = exploration.gate.coverage();
        const times = new Map<string, number>();
        for (let ended = 0; ended < EXECUTIONS; ended += 1) {
          const seed = scramble(BASE ^ scramble(ended));
          const { trace } = await exploration.execution({ ...WALK, length: 100, seed });
          const which = interleaving(trace);
          times.set(which, (times.get(which) ?? 0) + 1);
        }
        assert.equal(
          { executions, interleavings, once, uncounted },
          {
            executions: EXECUTIONS,
            interleavings: times.size,
            once: [...times.values()].filter((count) => count === 1).length,
            uncounted: 0,
          },
        );
        assert.ok(times.size > 2, `${times.size} interleavings tell nothing`);
      } finally {
        await exploration.close();
      }
    },
    { deadline: 120_000 },
  );

/** Two CPUs, a letter an access to one of two words: upper case writes. */
function sumOf(program: string, kind: typeof Cover): number {
  const area = gateArea({ cpus: 2, machineBytes: 64, trace: 0, coverage: 16 });
  const w = new Int32Array(area.bytes / 4);
  const cover = new kind(w, area, 2);
  for (const [at, [cpu, what]] of program
    .split(' ')
    .map((each) => [Number(each[0]), each[1]!] as const)
    .entries()) {
    const place = program.split(' ').filter((each, other) => other <= at && Number(each[0]) === cpu).length;
    const index = what.toLowerCase() === 'x' ? 1 : 2;
    if (what === what.toLowerCase()) cover.read(cpu, index, place);
    else cover.wrote(cpu, index);
  }
  return w[(area.head + Head.orderHash) >>> 2]!;
}

class ForgetsReads extends Cover {
  override read(): void {}
}

class ForgetsWrites extends Cover {
  override wrote(cpu: number, index: number): void {
    if (index === 1) super.wrote(cpu, index);
  }
}

/** Pairs of orders, and whether they are the same interleaving. */
const PAIRS: readonly (readonly [one: string, other: string, same: boolean])[] = [
  ['0X 1Y', '1Y 0X', true],
  ['0x 1x 0X', '1x 0x 0X', true],
  ['0X 1x', '1x 0X', false],
  ['0Y 1Y', '1Y 0Y', false],
  ['0X 0X 1x', '0X 1x 0X', false],
];

const agrees = (kind: typeof Cover): boolean =>
  PAIRS.every(([one, other, same]) => (sumOf(one, kind) === sumOf(other, kind)) === same);

test('accesses that do not conflict may change places, others may not', () => {
  assert.ok(agrees(Cover));
  assert.not.ok(agrees(ForgetsReads));
  assert.not.ok(agrees(ForgetsWrites));
});

test('an estimate of what is left', () => {
  const coverage = (once: number, twice: number): Coverage => ({
    executions: 200,
    interleavings: 50,
    once,
    twice,
    since: 0,
    uncounted: 0,
  });
  assert.is(unseen(coverage(10, 5)), 0.05);
  assert.is(unseen({ ...coverage(0, 0), executions: 0 }), 1);
  assert.is(richness(coverage(0, 20)), 50);
  assert.is(richness(coverage(10, 4)), 59);
});

test.run();
