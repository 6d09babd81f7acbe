/** The section of the benchmark that is about the model gives every row that bars are about, and what it counts is what the model does. */
import * as assert from 'uvu/assert';
import { bars } from '../../bench/bars.ts';
import { QUICK } from '../../bench/index.ts';
import { MM_ROWS, mm } from '../../bench/mm/index.ts';
import type { Row } from '../../bench/section.ts';
import { TINY_MM } from '../fixtures/mm/tiny.ts';
import { suite } from '../suite.ts';

const test = suite('mm bench');

test('every row has its figures, and the counts are those of the algorithms', async () => {
  const { rows, text } = await mm({
    budget: {
      ...QUICK,
      mm: TINY_MM,
    },
    peers: { available: false, reason: 'not asked for' },
    pin: [],
    cores: 2,
    against: [],
    packages: { mutex: undefined, published: [], absent: [] },
    progress() {},
  });
  assert.equal(
    rows.filter(({ problem }) => problem !== undefined),
    [],
  );
  const byName = new Map<string, Row>(rows.map((row) => [row.name, row]));
  assert.equal([...byName.keys()], MM_ROWS);
  for (const { section, rows: about, figure } of bars)
    if (section === 'mm' && typeof about !== 'string')
      for (const name of about) assert.ok(byName.get(name)?.figures[figure], `${name}: ${figure}`);
  for (const name of MM_ROWS) assert.ok(text.includes(name.split(': ').at(-1)!.split(' ')[0]!), name);

  assert.match(text, /vmas that map the file/);

  const value = (name: string, figure: string): number => byName.get(name)!.figures[figure]!.value;
  for (const form of ['refcount-test', 'page-mapped'])
    assert.is(value(`page_lock_anon_vma: ${form}`, 'RMWs to enter'), 1);
  assert.is(value('page_lock_anon_vma: get-and-lock', 'RMWs to enter'), 2);
  assert.is(value('rmap: none', 'accesses in rmap'), 0);
  assert.ok(value('rmap: pte_chain', 'accesses in rmap') > value('rmap: anonmm, i_mmap', 'accesses in rmap'));
  // One hold of all, or one behind each block of eight pages; nothing is gone over twice.
  assert.is(value('truncate: trunc3', 'holds'), 1);
  assert.is(value('truncate: 7/6', 'holds'), 12 * 3 + 1);
  for (const design of ['trunc3', '4/6', '5/6', '7/6', 'later'])
    assert.is(value(`truncate: ${design}`, 'walked by zapped'), 1);
  // Every fault is tried without mmap_sem, and writers elsewhere are in nobody's way; classic tries none.
  for (const design of ['srcu', 'rwlock', 'rcu', 'per-vma-lock'])
    for (const cpus of [2, 8])
      assert.ok(
        value(`speculation: ${design}`, `${cpus} CPUs, 10 us, success`) > 0.5,
        `${design}, ${cpus} CPUs: ${value(`speculation: ${design}`, `${cpus} CPUs, 10 us, success`)}`,
      );
  assert.is(value('speculation: classic', '2 CPUs, 10 us, by classic'), 1);
  // Without drivers' pages there is next to nothing to move; with them, free frames lie together.
  for (const order of ['order 1, %', 'order 2, %']) {
    const [none, only, merged] = ['none', 'lru only', 'merged'].map((name) =>
      value(`high order: ${name}`, order),
    );
    assert.ok(merged! > only! && merged! > none!, `${order}: ${none}, ${only}, ${merged}`);
  }
  for (const how of ['blocks and balloons of their own', 'one balloon', 'the same blocks']) {
    assert.is(value(`isolation: ${how}`, 'isolated twice'), 0);
    assert.ok(value(`isolation: ${how}`, '2 scanners, pages/s') > 0);
  }
  // Scans do not meet what is off the lists.
  const grows = (design: string): number =>
    value(`mlock: ${design}`, 'accesses at 90 %') / value(`mlock: ${design}`, 'accesses at 0 %');
  assert.ok(grows('refile') > 2 * grows('off-lru'), `${grows('refile')}, ${grows('off-lru')}`);
});

test.run();
