/**
 * The races of migration (mm.md R4.1 to R4.7, R4.10, R4.12, R4.13): each happens when its numbered steps are forced, is found by a hunt that knows nothing of them, by the oracle that it names, and comes back
 * from its token. The fixed twins and the controls are silent under every detector and memory model.
 * Most of the time goes into starting CPUs, so the races take turns.
 */
import * as isolate from '../../src/scenarios/mm/migrate-isolate.ts';
import * as release from '../../src/scenarios/mm/migrate-release.ts';
import * as result from '../../src/scenarios/mm/migrate-result.ts';
import { by, end, raceTests, type Steps, type Told } from '../fixtures/mm/told.ts';
import { suite } from '../suite.ts';

const test = suite('races of migration');
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

/** The numbered steps at the heads of the files, and what comes of them. */
const STEPS: Steps = {
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
    ...peeks(0),
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
  'released-while-isolated': [/^nothing$/, ...isolates(0), end(1), end(0), end(2)],
  'lru-against-unmapping': [/^nothing$/, end(0), end(1), end(2)],
  'lru-against-faults': [/^nothing$/, end(2), end(0), end(1)],
};

raceTests(test, [isolate, release, result], STEPS, { steps: 6, hunts: 6, controls: 1 });

test.run();
