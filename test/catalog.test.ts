/** The catalog: every name leads to the lock of that name, and there is no lock that it does not know. */
import * as assert from 'uvu/assert';
import { loadLock, lockNames, mutantNames } from '../src/catalog.ts';
import { lockByName, locks, mutants } from '../src/locks.ts';
import { suite } from './suite.ts';

const test = suite('catalog of locks');

test('knows the locks and mutants, in the order in which they are listed', () => {
  assert.equal(
    lockNames,
    locks.map(({ name }) => name),
  );
  assert.equal([...mutantNames].sort(), mutants.map(({ name }) => name).sort());
});

test('loads the very definition that the index exports', async () => {
  for (const name of [...lockNames, ...mutantNames]) assert.is(await loadLock(name), lockByName(name), name);
});

test('answers undefined for what it does not know', async () => {
  for (const name of ['', 'tickets', 'busted/', 'toString']) assert.is(await loadLock(name), undefined, name);
});

test.run();
