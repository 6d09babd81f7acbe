/** The scripts of the races of migration: the numbered steps in the heads of src/scenarios/mm/migrate-*.ts. */
import { by, end, type Steps, type Told } from '../told.ts';

const FLAGS = 'page[1].flags';
const REFS = 'page[1]._refcount';
const LOCK = 'address_space#0.private_lock';

/** A CPU has isolated page 1, and given its lock away. */
const isolates = (cpu: number): readonly Told[] => [
  by(cpu, 'fetchOr', FLAGS, { times: 2 }),
  by(cpu, 'fetchAnd', FLAGS),
];
/** It has seen that page 1 is a driver's, and isolated by nobody. */
const peeks = (cpu: number): readonly Told[] => [
  by(cpu, 'readOnce', 'page[1].mapping'),
  by(cpu, 'readOnce', FLAGS),
];

/** The numbered steps, and what comes of them. */
export const MIGRATE: Steps = {
  'clear-drops-type': [/PG_isolated/, ...isolates(0), end(1), end(0)],
  'clear-drops-both': [/PG_isolated/, ...isolates(0), end(1), end(0)],
  'clear-not-called': [/is freed with the mapping/, ...isolates(0), end(1), end(0)],
  'migrates-released': [/^O-TYPE: migratepage is called for page 1/, ...isolates(0), end(1), end(0)],
  'putback-blind': [/^O-TYPE: putbackPage is called for page 1/, ...isolates(0), end(1), end(0)],
  'blind-reference': [
    /^bad_page/,
    ...peeks(0),
    by(1, 'fetchAdd', REFS, { times: 2 }),
    by(0, 'fetchAdd', REFS),
    end(1),
  ],
  'keeps-reference': [
    /^O-LEAK: page\[1\] has 1 reference/,
    ...peeks(0),
    by(0, 'compareExchange', REFS),
    end(1),
    end(0),
  ],
  'isolates-twice': [
    /^O-ISO: isolatePage is called for page 1/,
    ...peeks(0),
    by(0, 'readOnce', FLAGS),
    ...isolates(1),
    end(0),
  ],
  'locks-any-page': [
    /page 1 is new, and somebody has locked it/,
    by(1, 'writeOnce', REFS, { value: 1 }),
    by(0, 'fetchOr', FLAGS),
    end(1),
  ],
  'peeks-at-tail': [
    /^O-TYPE: isolatePage is called for page 2/,
    by(0, 'readOnce', 'page[2].flags'),
    by(1, 'fetchAdd', 'page[2].mapping', { times: 3 }),
    end(0),
  ],
  'isolates-under-lru-lock': [
    /deadlock/,
    by(0, 'compareExchange', 'zone.lru_lock'),
    by(1, 'compareExchange', LOCK),
    end(0),
    end(1),
  ],
  'clears-typed-mapping': [/^bad_page: page 1 is freed with the mapping/, end(0)],
  'clears-movable-type': [/^O-LRU: zone.nr_isolated is -1/, end(0), end(1)],
  'puts-back-on-eagain': [
    /^O-ISO: page 1 is migrated/,
    ...isolates(0),
    by(1, 'fetchOr', FLAGS),
    by(0, 'fetchOr', FLAGS),
    end(1),
    end(0),
  ],
  'retries-errors': [/^O-ISO: page 1 is migrated/, end(0)],
  'collapse-passes-by': [
    /^O-ISO: .* is a migration entry/,
    by(0, 'storeWakeOne', 'mm_struct#0.page_table_lock'),
    by(1, 'writeOnce', 'page_table[2].entry[1]', { value: 0 }),
    by(1, 'storeWakeOne', 'mm_struct#0.page_table_lock'),
    end(0),
    end(1),
  ],
  'released-while-isolated': [/^nothing$/, ...isolates(0), end(1), end(0), end(2)],
  'lru-against-unmapping': [/^nothing$/, end(0), end(1), end(2)],
  'lru-against-faults': [/^nothing$/, end(2), end(0), end(1)],
};
