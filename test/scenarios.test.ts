/**
 * The classic bugs: each broken scenario is caught by what it names, under the memory model that it names and under no stronger one; each fixed twin is
 * silent under all three, without a data race. Executions are explored by test/scenarios/enumerate.ts from fixed seeds, so a result is the same on every machine.
 */
import * as assert from 'uvu/assert';
import { lockNames, mutantNames } from '../src/catalog.ts';
import { defineScenario, type MemoryModel, struct, u32 } from '../src/index.ts';
import type { ScenarioDefinition } from '../src/scenario.ts';
import { classics, scenarioByName } from '../src/scenarios/index.ts';
import { read } from './project.ts';
import { type Execution, enumerate, inOrder, randomly } from './scenarios/enumerate.ts';
import { tableOf } from './scenarios/table.ts';
import { longOnly, suite } from './suite.ts';

const test = suite('classic bugs');
const long = longOnly(test);

const MODELS: readonly MemoryModel[] = ['sc', 'tso', 'weak'];
/** Executions of each twin under each model that must be silent. */
const SILENT = 150;
/** Executions in which a broken one must be caught. */
const CAUGHT = 20_000;
const DEADLINE = 240_000;
/** What only detectors see. */
/** What takes a futex wait that ends spuriously, which waits here do not. */
const UNWOKEN = ['busted/futex-wait-if'];
const DETECTED = ['lock-order', 'starvation'];

/** The main thread is left now and then, so that a deadline can be seen. */
const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const says = (
  { name }: ScenarioDefinition,
  model: string,
  seed: number,
  { oracle, text }: Execution,
): string => `${name} under ${model}, seed ${seed}: ${oracle}: ${text}`;

/** The first execution of `runs` that is not silent. */
function firstFailure(scenario: ScenarioDefinition, model: MemoryModel, runs: number): string | undefined {
  const run = enumerate(scenario);
  for (let seed = 0; seed < runs; seed += 1) {
    const execution = run(randomly(seed), model);
    if (execution.oracle !== undefined) return says(scenario, model, seed, execution);
  }
  return undefined;
}

function orders(cpus: number): number[][] {
  if (cpus === 0) return [[]];
  return orders(cpus - 1).flatMap((order) =>
    Array.from({ length: cpus }, (_, at) => [...order.slice(0, at), cpus - 1, ...order.slice(at)]),
  );
}

test('there are at least 40, with names of their own and a twin each', () => {
  assert.ok(classics.length >= 40, `${classics.length}`);
  const names = classics.flatMap(({ fixed, broken }) => [fixed.name, broken.name]);
  const all = [...names, ...lockNames, ...mutantNames];
  assert.is(new Set(all).size, all.length, 'a name is used twice');
  for (const { name, fixed, broken } of classics) {
    assert.is(fixed.name, name);
    assert.is(broken.name, `busted/${name}`);
    assert.is(fixed.mutant, undefined);
    assert.is(broken.mutant?.of, name);
    assert.is(scenarioByName(fixed.name), fixed);
    assert.is(scenarioByName(broken.name), broken);
  }
  assert.is(scenarioByName('busted/'), undefined);
});

test('each says what is wrong and where it is described', () => {
  for (const { name, broken } of classics) {
    assert.ok((broken.mutant?.wrong.length ?? 0) > 30, name);
    assert.match(broken.mutant?.source ?? '', /\d{4}|Linux|CWE|CVE|POSIX/, name);
  }
});

test('they are small: 2 to 4 CPUs, twins of one state', () => {
  for (const { name, fixed, broken } of classics) {
    assert.ok(fixed.cpus >= 2 && fixed.cpus <= 4, name);
    assert.is(fixed.cpus, broken.cpus, name);
    assert.is(fixed.bytes, broken.bytes, name);
    assert.ok(
      fixed.bytes * fixed.stride <= 2 ** 18,
      `${name}: ${fixed.bytes} bytes, ${fixed.stride} at a time`,
    );
  }
});

test('fixed twins are correct when their actors run one after the other, in any order', () => {
  for (const { fixed } of classics) {
    const run = enumerate(fixed);
    for (const order of orders(fixed.cpus)) {
      const { oracle, text } = run(inOrder(order), 'sc');
      assert.is(oracle, undefined, `${fixed.name} in the order ${order.join()}: ${text}`);
    }
  }
});

test(
  'fixed twins are silent under every memory model and have no data race',
  async () => {
    for (const { fixed } of classics) {
      for (const model of MODELS) assert.is(firstFailure(fixed, model, SILENT), undefined);
      await breathe();
    }
  },
  { deadline: DEADLINE },
);

test(
  'broken ones are caught by what they name and by nothing else',
  async () => {
    for (const { broken } of classics) {
      const { caughtBy, model } = broken.mutant!;
      // Executions have no detectors here: the check sees what was read after its end, and nobody the rest, which does no harm.
      const harmless =
        DETECTED.includes(caughtBy) || broken.keeps !== undefined || UNWOKEN.includes(broken.name);
      const expected = caughtBy === 'lifetime' ? 'check' : caughtBy;
      if (harmless) {
        assert.is(firstFailure(broken, model, SILENT), undefined);
        continue;
      }
      const run = enumerate(broken);
      let caught = false;
      for (let seed = 0; seed < CAUGHT && !(caught && seed >= SILENT); seed += 1) {
        const execution = run(randomly(seed), model);
        if (execution.oracle === undefined) continue;
        assert.is(execution.oracle, expected, says(broken, model, seed, execution));
        caught = true;
      }
      assert.ok(caught, `${broken.name} is not caught in ${CAUGHT} executions under ${model}`);
      await breathe();
    }
  },
  { deadline: DEADLINE },
);

test('what needs a weaker memory model is silent under the stronger ones', async () => {
  for (const { broken } of classics) {
    const stronger = MODELS.slice(0, MODELS.indexOf(broken.mutant!.model));
    for (const model of stronger) assert.is(firstFailure(broken, model, 1000), undefined);
    await breathe();
  }
});

test('an execution is a function of its seed, whatever ran before it', async () => {
  for (const { fixed, broken } of classics) {
    for (const scenario of [fixed, broken]) {
      const first = Array.from({ length: 5 }, (_, seed) => enumerate(scenario)(randomly(seed), 'weak'));
      const run = enumerate(scenario);
      for (const seed of [4, 2, 0, 3, 1])
        assert.equal(run(randomly(seed), 'weak'), first[seed], scenario.name);
    }
    await breathe();
  }
});

const Word = struct('word', { a: u32, b: u32 });

test('callbacks that are no functions are refused where they are defined', () => {
  const sound = { name: 'x', state: Word, actors() {}, check() {} };
  defineScenario(sound);
  for (const part of ['create', 'init', 'check', 'outcome'])
    assert.throws(
      () => defineScenario({ ...sound, [part]: 'yes' } as never),
      new RegExp(`scenario 'x' has string for ${part}: a function is expected`),
      part,
    );
});

test('the explorer sees what it is there to see', () => {
  const define = (actors: Parameters<typeof defineScenario>[0]['actors']): ScenarioDefinition =>
    defineScenario({ name: 'x', state: Word, actors, check: () => {} }) as ScenarioDefinition;
  const plain = define([
    ({ isa, state }) => isa.write(state + Word.a, 1),
    ({ isa, state }) => {
      isa.read(state + Word.a);
    },
  ]);
  assert.match(firstFailure(plain, 'sc', 10) ?? '', /race/);
  const marked = define([
    ({ isa, state }) => isa.writeOnce(state + Word.a, 1),
    ({ isa, state }) => {
      isa.readOnce(state + Word.a);
    },
  ]);
  assert.is(firstFailure(marked, 'weak', 50), undefined);
  const asleep = define([({ isa, state }) => void isa.spinWhile(state + Word.a, 0), () => {}]);
  assert.match(firstFailure(asleep, 'sc', 10) ?? '', /progress: stuck/);
  const busy = define([
    ({ isa, state }) => {
      while (isa.load(state + Word.a) === 0) isa.pause();
    },
    () => {},
  ]);
  assert.match(firstFailure(busy, 'sc', 10) ?? '', /progress.*no end/);
  const fenced = define([
    ({ isa, state }) => {
      isa.write(state + Word.a, 1);
      isa.wmb();
      isa.writeOnce(state + Word.b, 1);
    },
    ({ isa, state }) => {
      if (isa.readOnce(state + Word.b) === 0) return;
      isa.rmb();
      isa.read(state + Word.a);
    },
  ]);
  assert.is(firstFailure(fenced, 'weak', 200), undefined);
});

test('docs/scenarios.md lists them as they are', () => {
  // The formatter pads the columns.
  const lines = read('docs/scenarios.md')
    .split('\n')
    .map((line) => line.replace(/ +/g, ' ').replace(/-{3,}/g, '---'));
  const expected = tableOf(classics);
  const begin = lines.indexOf(expected[0]!);
  assert.ok(begin >= 0, `docs/scenarios.md has no line ${expected[0]}`);
  const end = lines.findIndex((line, at) => at > begin && !line.startsWith('|'));
  assert.equal(lines.slice(begin, end < 0 ? undefined : end), expected);
});

long('fixed twins are silent in 33,334 executions under each memory model', async () => {
  for (const { fixed } of classics) {
    for (const model of MODELS) assert.is(firstFailure(fixed, model, 33_334), undefined);
    await breathe();
  }
});

test.run();
