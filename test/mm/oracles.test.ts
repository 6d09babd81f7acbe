/**
 * Each quiescent oracle is silent about a sound model and names, alone, what single damage it is about. The model is made by hand (fixtures/mm/sound.ts), so nothing but the oracles is
 * under test, and each damage is one thing: a count off by one, a page on two lists, a pointer to what is gone.
 */
import * as assert from 'uvu/assert';
import { chosen, ORACLES, observer, quiescent, UnknownOracle } from '../../src/mm/oracles/index.ts';
import { Mm, Page } from '../../src/mm/structs.ts';
import { idsOf, said } from '../fixtures/mm/damage.ts';
import { DRIVERS } from '../fixtures/mm/damage-drivers.ts';
import { PAGES } from '../fixtures/mm/damage-pages.ts';
import { SPACES } from '../fixtures/mm/damage-spaces.ts';
import { FRAMES, sound } from '../fixtures/mm/sound.ts';
import { seed } from '../seed.ts';
import { suite } from '../suite.ts';

const test = suite('quiescent oracles of the mm model');

const DAMAGE = [...PAGES, ...SPACES];
const EVERY = ORACLES.map(({ name }) => name);

test('a sound model has nothing wrong, with entries of one word and of two', () => {
  for (const pteWords of [1, 2] as const) assert.equal(said(sound({ pteWords }), EVERY), []);
});

test('only, except and also choose; a name that none has is an error that lists them', () => {
  const state = sound();
  state.add(state.parent + Mm.rss, 1);
  state.add(state.parent + Mm.map_count, 1);
  const ids = (options: Parameters<typeof quiescent>[1]): string[] => idsOf(quiescent(state, options));
  assert.equal(ids({}), ['O-VMA', 'O-RSS']);
  assert.equal(ids({ only: ['O-RSS'] }), ['O-RSS']);
  assert.equal(ids({ except: ['O-RSS'] }), ['O-VMA']);
  assert.equal(ids({ only: ['O-RSS'], except: ['O-RSS'] }), []);
  assert.ok(!chosen({}).some(({ name }) => name === 'O-RSV2'));
  assert.ok(chosen({ also: ['O-RSV2'] }).some(({ name }) => name === 'O-RSV2'));
  for (const options of [{ only: ['O-RS'] }, { except: ['O-RS'] }, { also: ['O-RS'] }])
    assert.throws(
      () => quiescent(state, options),
      (error: Error) =>
        error instanceof UnknownOracle && /no oracle 'O-RS': there are O-LIST, /.test(error.message),
    );
});

test('each oracle has a name of its own and a line that says what it is about, and names a damage here', () => {
  assert.is(new Set(EVERY).size, EVERY.length);
  for (const { name, says } of ORACLES) {
    assert.match(says, /^\S.{20,110}$/);
    assert.ok(
      [...DAMAGE, ...DRIVERS].some(([oracle]) => oracle === name),
      name,
    );
  }
});

test('a thread that is no CPU sees the same, and a census of a copy of the memory does', () => {
  const state = sound();
  state.add(state.page(FRAMES.family) + Page._refcount, 1);
  const { isa, world } = state;
  const copy = new Map<number, number>();
  for (let at = 0; at < world.end; at += 4) copy.set(at, isa.read(at));
  const of = (read: (addr: number) => number) =>
    observer({ isa: { read }, at: world.zone, cpus: 2, spec: state.spec });
  const expected = quiescent(state);
  assert.is(expected.length, 1);
  assert.equal(quiescent(of((addr) => isa.read(addr))), expected);
  state.add(state.page(FRAMES.family) + Page._refcount, -1);
  assert.equal(quiescent(of((addr) => copy.get(addr)!)), expected);
});

test(`whatever one word is changed to, every oracle ends and none throws (seed ${seed})`, () => {
  const state = sound();
  const { world, set, get } = state;
  let x = seed | 1;
  const draw = (below: number): number => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % below;
  };
  const words: number[] = [];
  for (let at = world.zone; at < world.end; at += 4) if (get(at) !== 0) words.push(at);
  const any = (): number => words[draw(words.length)]!;
  let named = 0;
  for (let times = 0; times < 200; times += 1) {
    const word = any();
    const before = get(word);
    const values = [0, -1, draw(2 ** 31), get(any()), before + 1, world.zone + draw(world.end - world.zone)];
    set(word, values[draw(values.length)]!);
    if (said(state, EVERY).length > 0) named += 1;
    set(word, before);
  }
  assert.equal(said(state, EVERY), []);
  assert.ok(named > 60, `${named} of 200 were named`);
});

test.run();
