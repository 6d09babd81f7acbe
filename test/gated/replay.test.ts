/** An execution is a function of its schedule: seeds and switch lists bring back every access, and between executions memory is as it was. */
import * as assert from 'uvu/assert';
import { type Execution, Exploration } from '../../harness/explore/exploration.ts';
import { PORTFOLIO } from '../../harness/explore/policies/index.ts';
import type { Tortured } from '../../harness/torture/setup.ts';
import { loadLock } from '../../src/catalog.ts';
import type { MemoryModel } from '../../src/scenario.ts';
import * as episodes from '../fixtures/gated/episodes.ts';
import { MODELS, openProgram } from '../fixtures/gated/judge.ts';
import { suite } from '../suite.ts';

const test = suite('gated: replay');
const LONG = { deadline: 240_000 };
/** A thousand with the long tests; here as many as tell whether anything is left out. */
const SEEDS = process.env.LOCKRIG_LONG === '1' ? 1000 : 250;
const any = (subject: unknown): Tortured => subject as Tortured;

const openEpisode = (subject: unknown): Promise<Exploration> =>
  Exploration.open(any(subject), { url: episodes.url });
const openLock = async (name: string, cpus: number): Promise<Exploration> =>
  Exploration.open((await loadLock(name))!, { cpus, steps: 2, params: { seed: 5 } });

/** What is replayed; all of them together see every seed once. */
const SUBJECTS: readonly (readonly [name: string, open: () => Promise<Exploration>])[] = [
  ['ticket on 2', () => openLock('ticket', 2)],
  ['mcs on 3', () => openLock('mcs', 3)],
  ['mutex3 on 2', () => openLock('mutex3', 2)],
  ['rwsem on 3', () => openLock('rwsem', 3)],
  ['counts-spinning on 3', () => openEpisode(episodes.spinning)],
  ['counts-sleeping on 2', () => openEpisode(episodes.sleeping)],
  ['interrupts on 2', () => openEpisode(episodes.interrupts)],
  ['ab-ba on 2', () => openEpisode(episodes.abba)],
  ['MP on 2', () => openProgram('MP')],
  ['WRC on 3', () => openProgram('WRC')],
];

const alike = (one: Execution, other: Execution): boolean =>
  one.hash === other.hash &&
  one.steps === other.steps &&
  one.failed?.reason === other.failed?.reason &&
  JSON.stringify(one.switches) === JSON.stringify(other.switches) &&
  Buffer.compare(bytes(one), bytes(other)) === 0;

const bytes = ({ trace }: Execution): Buffer =>
  Buffer.from(trace.words.buffer, trace.words.byteOffset, trace.words.byteLength);

for (const [at, [name, open]] of SUBJECTS.entries())
  test(
    `${name}: by seed and by switches, access by access`,
    async () => {
      const exploration = await open();
      try {
        const hashes = new Set<number>();
        for (let seed = at; seed < SEEDS; seed += SUBJECTS.length) {
          const turn = Math.floor(seed / SUBJECTS.length);
          const model: MemoryModel = MODELS[turn % MODELS.length]!;
          const { policy, parameter } = PORTFOLIO[turn % PORTFOLIO.length]!;
          const schedule = { policy, parameter, length: 40, seed };
          const what = `${name} under ${model}, ${policy} ${parameter}, seed ${seed}`;
          const first = await exploration.execution(schedule, { model });
          assert.ok(first.trace.length > 0, what);
          assert.ok(alike(first, await exploration.execution(schedule, { model })), `${what}, by seed`);
          const { switches } = first;
          const again = await exploration.execution({ switches, seed }, { model });
          assert.ok(alike(first, again), `${what}, by ${switches.length} switches`);
          hashes.add(first.hash);
        }
        assert.ok(hashes.size > 5, `seeds differ from each other: ${hashes.size} executions`);
      } finally {
        await exploration.close();
      }
    },
    LONG,
  );

test('an execution is the same alone as among others', async () => {
  const exploration = await openEpisode(episodes.lostUpdate);
  try {
    for (const model of MODELS) {
      const { failures } = await exploration.session({
        model,
        executions: 300,
        base: 9,
        portfolio: [{ policy: 'random', parameter: 1 }, ...PORTFOLIO],
      });
      assert.ok(failures.length > 20, `${failures.length} failures`);
      for (const { schedule, hash, steps } of failures.slice(0, 50)) {
        const alone = await exploration.execution(schedule, { model });
        assert.is(alone.hash, hash, JSON.stringify(schedule));
        assert.is(alone.steps, steps);
        assert.ok(alone.failed);
      }
    }
  } finally {
    await exploration.close();
  }
});

/** The first word in which memory differs after so many executions, or -1. */
async function leftovers(exploration: Exploration, model: MemoryModel): Promise<number> {
  const { machine } = exploration;
  const run = (base: number) => exploration.session({ model, executions: 1000, base, portfolio: PORTFOLIO });
  await run(1);
  const image = machine.words.slice();
  for (let base = 2; base < 4; base += 1) {
    await run(base);
    const at = machine.words.findIndex((word, index) => word !== image[index] && !exploration.counts(index));
    if (at >= 0) return at * 4;
  }
  return -1;
}

for (const [name, open] of SUBJECTS.filter(([title]) => title.endsWith('on 2')))
  test(
    `${name}: memory is the same after every 1,000 executions`,
    async () => {
      const exploration = await open();
      try {
        for (const model of MODELS)
          assert.is(await leftovers(exploration, model), -1, `first byte that differs, under ${model}`);
      } finally {
        await exploration.close();
      }
    },
    LONG,
  );

test('what was written behind the gate is noticed', async () => {
  const exploration = await openEpisode(episodes.behind);
  try {
    assert.ok((await leftovers(exploration, 'sc')) > 0);
  } finally {
    await exploration.close();
  }
});

test.run();
