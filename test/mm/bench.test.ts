/** The section of the benchmark that is about the model gives every row that bars are about, and what it counts is what the model does. */
import * as assert from 'uvu/assert';
import { bars } from '../../bench/bars.ts';
import { QUICK } from '../../bench/index.ts';
import { MM_ROWS, mm } from '../../bench/mm/index.ts';
import { SPECULATION_ROWS, speculation } from '../../bench/mm/speculated.ts';
import type { Budget, Row, Surroundings } from '../../bench/section.ts';
import { TINY_MM } from '../fixtures/mm/tiny.ts';
import { inTurn, suite } from '../suite.ts';

const test = suite('mm bench');

const around = (tiny: Budget['mm']): Surroundings => ({
  budget: { ...QUICK, mm: tiny },
  peers: { available: false, reason: 'not asked for' },
  pin: [],
  cores: 2,
  against: [],
  packages: { mutex: undefined, published: [], absent: [] },
  progress() {},
});

/** Whether bars are about rows of speculative faults, which are measured apart: they take many threads. */
const ofSpeculation = (about: readonly string[]): boolean =>
  about.every((name) => SPECULATION_ROWS.includes(name));

/** Every bar has its figures in rows. */
function barred(byName: ReadonlyMap<string, Row>, speculative: boolean): void {
  for (const { section, rows: about, figure } of bars)
    if (section === 'mm' && typeof about !== 'string' && ofSpeculation(about) === speculative)
      for (const name of about) assert.ok(byName.get(name)?.figures[figure], `${name}: ${figure}`);
}

inTurn(test, 2)('every row has its figures, and the counts are those of the algorithms', async () => {
  const { rows, text } = await mm(around(TINY_MM));
  assert.equal(
    rows.filter(({ problem }) => problem !== undefined),
    [],
  );
  const byName = new Map<string, Row>(rows.map((row) => [row.name, row]));
  assert.equal([...byName.keys()], MM_ROWS);
  barred(byName, false);
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
  // Whoever breaks it off holds the lock for a block at a time, not for the file.
  const held = (design: string): number => value(`truncate: ${design}`, 'longest hold, accesses');
  assert.ok(held('7/6') * 12 < held('trunc3'), `${held('7/6')}, ${held('trunc3')}`);
  for (const design of ['trunc3', '4/6', '5/6', '7/6', 'later'])
    assert.is(value(`truncate: ${design}`, 'walked by zapped'), 1);
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

inTurn(test, 3)(
  'speculative faults: every design has its figures, and nearly all speculations succeed',
  async () => {
    const tiny = { ...TINY_MM.speculation, cpus: [2, 8], holds: [10] };
    const { rows, text } = await speculation(around({ ...TINY_MM, speculation: tiny }));
    const byName = new Map<string, Row>(rows.map((row) => [row.name, row]));
    assert.equal([...byName.keys()], SPECULATION_ROWS);
    barred(byName, true);
    for (const name of SPECULATION_ROWS) {
      const { figures } = byName.get(name)!;
      for (const cpus of [2, 8])
        for (const held of ['nobody maps', '10 us']) {
          const of = (what: string): number => figures[`${cpus} CPUs, ${held}, ${what}`]?.value ?? Number.NaN;
          assert.ok(of('faults/s') > 0 && of('ns a fault') > 0, `${name}, ${cpus} CPUs, ${held}`);
          // Classic tries none; of the others each fault is tried, and writers elsewhere are in nobody's way.
          if (name === 'speculation: classic')
            assert.ok(Number.isNaN(of('success')) && of('by classic') === 1);
          else assert.ok(of('success') > 0.5 && of('success') <= 1, `${name}: ${of('success')}`);
        }
    }
    assert.match(text, /Gain of rcu: nobody maps [^;]*; 10 us .* with 8 CPUs\. Published: \+58 % and \+78 %/);
  },
);

test.run();
