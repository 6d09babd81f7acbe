/**
 * Migration beside those who replace page tables (docs/mm.md, Movable pages and Speculative page faults). A is a vma with all of a table and one page.
 *
 * collapse-passes-by
 *   1. CPU 0 migrates the page of A: a migration entry stands for it
 *   2. CPU 1 collapses the table of A: the pmd is clear, the table detached
 *   3. CPU 0 brings the entry back: it finds no table, and passes on
 *   4. CPU 1 puts a table with the migration entry in the place of the old one: it stays there for ever
 */
import { collapse } from '../../mm/collapse.ts';
import { compact } from './migrate-scene.ts';
import { mmAt, mmRace } from './objrmap-scene.ts';
import { ANON, long, REGIME, V } from './spf-scene.ts';

/** Pages below one table. */
const TABLE = 16;

/** As Linux keeps it: no thread has it. */
export const collapsePassesBy = mmRace({
  name: 'mm/migrate/collapse-passes-by',
  wrong:
    'a table is detached while somebody goes by reverse mapping: he brings no entry of migration back there',
  source: 'collapse_huge_page of mm/huge_memory.c, Linux 2.6.38, which holds the lock of the anon_vma',
  caughtBy: 'check',
  says: 'O-ISO',
  spec: { ...ANON, frames: 16 },
  regime: REGIME,
  init(context) {
    long(TABLE)(context);
    context.k.faults.handleMmFault(mmAt(context.k), V, true);
    context.k.lru.drain();
  },
  actors: [compact, ({ k }) => void k.collapse.collapseHugePage(mmAt(k), V)],
  broken: { modules: { collapse: (k) => collapse(k, { locksRmap: false }) } },
  fixed: {},
});
