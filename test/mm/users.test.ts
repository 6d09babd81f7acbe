/**
 * Users of a mix know what they have written, and no more than that: what a write leaves when it fails, what a page holds whose unmapping came to nothing, whose lost or foreign content is told.
 */
import * as assert from 'uvu/assert';
import { type Ledger, ledger, ledgerBytes } from '../../src/mm/oracles/index.ts';
import { VM } from '../../src/mm/structs.ts';
import type { Party } from '../../src/mm/workloads/party.ts';
import { users } from '../../src/mm/workloads/users.ts';
import { oneCpu } from '../fixtures/mm/workload.ts';
import { suite } from '../suite.ts';

const test = suite('mm: users of a mix');
const PAGE = 4;
const PLACES = 16;

/** One CPU, its block of one page, users that check. */
function alone() {
  const { k, machine } = oneCpu({ frames: 32 });
  const book: Ledger = ledger(k.isa, machine.alloc(ledgerBytes(PLACES)), PLACES);
  const mm = k.mms.create();
  k.maps.mmap(mm, { address: PAGE << 12, length: 4096, flags: VM.READ | VM.WRITE });
  let version = 0;
  const party = {
    me: 1,
    next: () => {
      version += 1;
      return version;
    },
    remaps: () => 0,
    remapping: <T>(_mm: number, run: () => T): T => run(),
    alone: <T>(_mm: number, run: () => T): T => run(),
  } as Partial<Party> as Party;
  let failing = false;
  const { userWrite } = k.user;
  Object.assign(k.user, {
    userWrite: (...args: Parameters<typeof userWrite>) => (failing ? -12 : userWrite(...args)),
  });
  const failed = (): boolean => {
    failing = true;
    const written = users(k, book, party, 1).write(mm, PAGE);
    failing = false;
    return written;
  };
  const { write, read, remap } = users(k, book, party, 1);
  return { k, book, mm, write: () => write(mm, PAGE), read: () => read(mm, PAGE, 0), remap, failed };
}

test('a write that fails leaves what was promised before', () => {
  const { book, mm, write, read, failed } = alone();
  assert.ok(write());
  assert.not(failed());
  assert.equal([book.find(mm, PAGE)?.version, book.find(mm, PAGE)?.most], [1, 1]);
  assert.ok(read());
});

test('a write that fails where nothing is known says nothing of what stands there', () => {
  const { mm, write, read, remap, failed } = alone();
  assert.ok(write());
  // What was to go has stayed, as when munmap is out of memory.
  remap(mm, PAGE, 1, () => -12);
  assert.not(failed());
  assert.ok(read());
  assert.ok(write());
  assert.ok(read());
});

for (const [what, oracle, by, version] of [
  ["another's write", /^O-TAG: .*finds write 2 of 7; it is written by 1 only/, 7, 2],
  ['an older write', /^O-LOST: .*finds write 1 of 1; write 2 of 1 had been acknowledged/, 1, 1],
  ['a write that nobody has made', /^O-TAG: .*finds write 3 of 1.*: 2 is the last one that was/, 1, 3],
] as const)
  test(`${what} is told`, () => {
    const { k, mm, write, read } = alone();
    assert.ok(write() && write());
    assert.ok(read());
    k.user.userWrite(mm, PAGE << 12, by, version);
    assert.throws(read, oracle);
  });

test.run();
