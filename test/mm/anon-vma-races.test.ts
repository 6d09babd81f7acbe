/**
 * The races of page_lock_anon_vma are broken by their numbered steps alone: the script of each, forced in the gated engine, makes it fail in the way that it says, and as far as they can
 * happen there they leave its fixed twin silent under every detector.
 *
 * Most of the time is the start of CPUs, so they take turns: others with each run of the file, and all in the long tests.
 */
import * as assert from 'uvu/assert';
import { DETECTORS } from '../../harness/detect/index.ts';
import { ANON_VMA } from '../../harness/mm/steps/anon-vma.ts';
import { forced, type Told } from '../../harness/mm/told.ts';
import { mmRaces } from '../../src/scenarios/mm/index.ts';
import { inTurn, suite } from '../suite.ts';

const test = suite('races of page_lock_anon_vma, step by step');
const some = inTurn(test, 8);
const twins = inTurn(test, 9);
const GROUP = 'mm/anon-vma/';
const EVERY = DETECTORS.map(({ name }) => name);
/** What catches those that nobody gets out of is named by whether somebody is asleep. */
const ASLEEP = ['progress', 'wakeup'];

const races = mmRaces.filter(({ name }) => name.startsWith(GROUP));
const shortName = (name: string): string => name.slice(GROUP.length);

for (const { name, broken } of races)
  some(`${shortName(name)} fails by its steps`, async () => {
    const [says, ...told] = ANON_VMA[shortName(name)]!;
    const { says: text, oracle, stopped } = await forced(broken, told);
    const { caughtBy } = broken.mutant!;
    assert.is(stopped?.why, undefined);
    assert.match(text, says);
    assert.ok(caughtBy === oracle || (ASLEEP.includes(caughtBy) && ASLEEP.includes(oracle!)), oracle);
  });

for (const { name, fixed } of races)
  twins(`${shortName(name)}: the steps leave the fixed twin silent, as far as they can happen`, async () => {
    const { says } = await forced(fixed, ANON_VMA[shortName(name)]!.slice(1) as Told[], { detect: EVERY });
    assert.is(says, 'nothing');
  });

test('nobody has a script who is no race', () => {
  assert.equal(Object.keys(ANON_VMA).sort(), races.map(({ name }) => shortName(name)).sort());
});

test.run();
