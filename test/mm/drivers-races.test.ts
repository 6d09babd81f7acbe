/**
 * The races of drivers of movable pages (mm.md R4.8, R4.11, R4.13): each happens when its numbered steps are forced, is found by a hunt that knows nothing of them, by the oracle that it names, and comes back
 * from its token. The fixed twins are silent under every detector and memory model.
 */
import { LIST_POISON_NEXT } from '../../src/memory/index.ts';
import * as balloon from '../../src/scenarios/mm/drivers-balloon.ts';
import * as zs from '../../src/scenarios/mm/drivers-zs.ts';
import { by, end, raceTests, type Steps } from '../fixtures/mm/told.ts';
import { suite } from '../suite.ts';

const test = suite('races of drivers');
const HANDLE = 'zs_handle#0.obj';
const P = 'page[1].flags';

/** The numbered steps at the heads of the files, and what comes of them. */
const STEPS: Steps = {
  'copy-unpinned': [/^O-LOST: .*zs_handle#0/, by(1, 'readOnce', 'page[1].private'), end(0), end(1)],
  'migrate-waits-for-pin': [/^deadlock/, by(1, 'fetchOr', HANDLE), by(0, 'fetchOr', HANDLE), end(1)],
  'copy-beside-user': [
    /^O-LOST: word 1 .*zs_handle#3/,
    by(1, 'write', 'page_table[2].entry[0]'),
    end(0),
    end(1),
  ],
  'free-waits-for-page': [/^deadlock/, by(0, 'fetchOr', P), end(1)],
  'destroy-forgets-isolated': [
    /^O-ZS: zspage#0 is live, and its pool or its class is not/,
    by(0, 'fetchOr', P, { times: 2 }),
    end(1),
    end(0),
  ],
  'list-del-isolated': [
    /on no list/,
    by(0, 'read', 'mm_cpu[0].migratepages.next', { times: 3 }),
    end(1),
    end(0),
  ],
  'isolate-under-lru-lock': [/^deadlock/, by(0, 'compareExchange', 'zone.lru_lock'), end(1)],
  'dequeue-waits-for-page': [/^deadlock/, by(0, 'fetchOr', P), end(1)],
  'dequeue-walks-unlocked': [
    /on no list/,
    by(1, 'read', 'balloon_dev_info#0.pages.next'),
    by(0, 'write', 'page[2].lru.next', { value: LIST_POISON_NEXT }),
    end(1),
  ],
};

raceTests(test, [zs, balloon], STEPS, { steps: 3, hunts: 3, controls: 1 }, ['list-del-isolated']);

test.run();
