/** The scripts of the races of drivers of movable pages: the numbered steps in the heads of src/scenarios/mm/drivers-*.ts. */
import { LIST_POISON_NEXT } from '../../../src/memory/index.ts';
import { by, end, type Steps } from '../told.ts';

const HANDLE = 'zs_handle#0.obj';
const P = 'page[1].flags';

/** The numbered steps, and what comes of them. */
export const DRIVERS: Steps = {
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
    /CPU 0 accesses address_space#0\.a_ops, which CPU 1 has freed/,
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
  'hooks-given-up': [
    /^O-TYPE: putbackPage is called for page 1/,
    by(0, 'fetchAnd', P, { times: 2 }),
    by(0, 'readOnce', P),
    end(1),
    end(0),
  ],
};
