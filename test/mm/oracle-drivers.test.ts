/** The laws of drivers of movable pages, O-ZS, O-BALLOON and O-LOST of objects, name each single damage that they are about, and nothing of what is as it should be. */
import * as assert from 'uvu/assert';
import { Balloon, SizeClass, ZsHandle, ZsPool, Zspage } from '../../src/mm/drivers/structs.ts';
import { nameOfWord } from '../../src/mm/names.ts';
import { quiescent } from '../../src/mm/oracles/index.ts';
import { idsOf } from '../fixtures/mm/damage.ts';
import { DRIVERS, driven, HOOKED } from '../fixtures/mm/damage-drivers.ts';
import { suite } from '../suite.ts';

const test = suite('quiescent oracles: drivers of movable pages');

test('nothing is wrong with what is as it should be', () => {
  assert.equal(quiescent(driven().k), []);
  assert.equal(quiescent(driven(true).k), []);
});

for (const [oracle, what, damage, says] of HOOKED)
  test(`${oracle}, with hooks: ${what}`, () => {
    const state = driven(true);
    damage(state);
    const wrong = quiescent(state.k, { only: [oracle] });
    assert.is(wrong.length, 1, wrong.join('\n'));
    assert.match(wrong[0]!, says);
  });

for (const [oracle, what, damage, says] of DRIVERS)
  test(`${oracle}: ${what}`, () => {
    const state = driven();
    damage(state);
    const wrong = quiescent(state.k, { only: ['O-ZS', 'O-BALLOON', 'O-LOST'] });
    assert.equal(idsOf(wrong), [oracle], wrong.join('\n'));
    assert.match(wrong[0]!, says);
  });

test('words of what drivers have are called as in the kernel', () => {
  const { k, pool, handles, device, zspage } = driven();
  const sizeClass = k.isa.read(pool + ZsPool.size_class + 4);
  for (const [addr, name] of [
    [pool + ZsPool.isolated_pages, 'zs_pool#0.isolated_pages'],
    [sizeClass + SizeClass.lock, 'size_class#1.lock'],
    [sizeClass + SizeClass.partial + 4, 'size_class#1.partial.prev'],
    [zspage(handles[4]!) + Zspage.pages + 4, 'zspage#1.pages[1]'],
    [handles[2]! + ZsHandle.obj, 'zs_handle#2.obj'],
    [device + Balloon.pages_lock, 'balloon_dev_info#0.pages_lock'],
  ] as const)
    assert.is(nameOfWord(k.world, k.spec, addr), name);
});

test.run();
