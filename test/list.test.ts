/** A list holds its entries in order, whatever is done to it, and damage to it is named. */
import * as assert from 'uvu/assert';
import {
  createMachine,
  LIST_POISON_NEXT,
  LIST_POISON_PREV,
  ListError,
  listHead,
  lists,
  sizeOf,
  struct,
  u32,
} from '../src/memory/index.ts';
import { suite } from './suite.ts';

const Item = struct('item', { value: u32, link: listHead });
const machine = createMachine({ cpus: 1 });
const isa = machine.boot;
const list = lists({ isa });

function fresh(count: number) {
  const head = machine.alloc(8);
  list.init(head);
  const entries = Array.from({ length: count }, (_, value) => {
    const item = machine.alloc(sizeOf(Item));
    isa.write(item + Item.value, value);
    return item + Item.link;
  });
  return { head, entries };
}

function filled(count: number) {
  const { head, entries } = fresh(count);
  for (const entry of entries) list.addTail(entry, head);
  return { head, entries };
}

/** The values in a list, forwards; that it is the same backwards is what `verify` says. */
function values(head: number): number[] {
  assert.is(list.verify(head), undefined);
  const found: number[] = [];
  list.forEach(head, (entry) => found.push(isa.read(entry - Item.link + Item.value)));
  return found;
}

const test = suite('list');

test('add puts first, addTail last, each also beside another entry', () => {
  const {
    head,
    entries: [a, b, c, d, e],
  } = fresh(5);
  list.add(b!, head);
  list.add(a!, head);
  list.addTail(e!, head);
  assert.equal(values(head), [0, 1, 4]);
  list.add(c!, b!);
  list.addTail(d!, e!);
  assert.equal(values(head), [0, 1, 2, 3, 4]);
});

test('first and last are the ends; an empty list has none', () => {
  const { head, entries } = filled(3);
  assert.equal([list.first(head), list.last(head), list.isEmpty(head)], [entries[0], entries[2], false]);
  for (const entry of entries) list.del(entry);
  assert.equal([list.first(head), list.last(head), list.isEmpty(head)], [0, 0, true]);
  assert.equal(values(head), []);
});

test('del takes any entry off and poisons it', () => {
  for (const gone of [0, 2, 4]) {
    const { head, entries } = filled(5);
    list.del(entries[gone]!);
    assert.equal(
      values(head),
      [0, 1, 2, 3, 4].filter((value) => value !== gone),
    );
    assert.equal(
      [isa.read(entries[gone]!), isa.read(entries[gone]! + 4)],
      [LIST_POISON_NEXT, LIST_POISON_PREV],
    );
  }
});

test('an entry that is on no list cannot be taken off one', () => {
  const { head, entries } = filled(3);
  list.del(entries[1]!);
  const never = fresh(1).entries[0]!;
  for (const [entry, what] of [
    [entries[1]!, 'poison'],
    [never, 'NULL'],
  ] as const) {
    const named = (error: unknown): boolean =>
      error instanceof ListError && error.entry === entry && error.message.includes(what);
    assert.throws(() => list.del(entry), named);
    assert.throws(() => list.move(entry, head), named);
    assert.throws(() => list.moveTail(entry, head), named);
    assert.throws(
      () => list.addTail(entries[1]!, never),
      (error: unknown) => error instanceof ListError && error.entry === never,
    );
  }
  assert.equal(values(head), [0, 2], 'and the list is what it was');
});

test('move and moveTail, to another list and within one', () => {
  const { head, entries } = filled(4);
  const other = filled(2);
  list.move(entries[2]!, other.head);
  list.moveTail(entries[0]!, other.head);
  assert.equal(values(head), [1, 3]);
  assert.equal(values(other.head), [2, 0, 1, 0]);
  list.move(entries[3]!, head);
  assert.equal(values(head), [3, 1]);
  list.moveTail(entries[3]!, head);
  assert.equal(values(head), [1, 3]);
});

test('splice puts one list before the entries of another and leaves it empty', () => {
  const sizes = [
    [0, 0],
    [0, 2],
    [2, 0],
    [1, 1],
    [3, 2],
  ] as const;
  for (const [from, to] of sizes) {
    const source = filled(from);
    const target = filled(to);
    const expected = [...values(source.head), ...values(target.head)];
    list.splice(source.head, target.head);
    assert.equal(values(target.head), expected);
    assert.equal(values(source.head), []);
  }
});

test('a walk survives that its entry is taken off, freed or moved', () => {
  const { head, entries } = filled(5);
  const other = fresh(0).head;
  const met: number[] = [];
  list.forEach(head, (entry) => {
    met.push(entries.indexOf(entry));
    if (met.length % 2 === 1) list.del(entry);
    else list.moveTail(entry, other);
  });
  assert.equal(met, [0, 1, 2, 3, 4]);
  assert.equal([values(head), values(other)], [[], [1, 3]]);
});

test('a walk ends where it is told to', () => {
  const { head } = filled(5);
  let met = 0;
  list.forEach(head, () => {
    met += 1;
    return met !== 3;
  });
  assert.is(met, 3);
});

test('a walk that is led onto a deleted entry stops there', () => {
  const { head, entries } = filled(4);
  assert.throws(
    () =>
      list.forEach(head, (entry) => {
        if (entry === entries[0]) list.del(entries[1]!);
      }),
    (error: unknown) =>
      error instanceof ListError && error.entry === entries[1] && /poison/.test(error.message),
  );
});

test('random operations agree with an array', () => {
  const cpu = machine.attach(0, { seed: 11 });
  const { head, entries } = fresh(12);
  const model: number[] = [];
  for (let step = 0; step < 3000; step += 1) {
    const value = cpu.below(12);
    const entry = entries[value]!;
    const at = model.indexOf(value);
    if (at < 0) {
      if (cpu.below(2) === 0) {
        list.add(entry, head);
        model.unshift(value);
      } else {
        list.addTail(entry, head);
        model.push(value);
      }
    } else {
      model.splice(at, 1);
      const what = cpu.below(3);
      if (what === 0) list.del(entry);
      else if (what === 1) {
        list.move(entry, head);
        model.unshift(value);
      } else {
        list.moveTail(entry, head);
        model.push(value);
      }
    }
    assert.equal(values(head), model);
  }
});

test.run();

const broken = suite('list verify');
const name =
  (entries: readonly number[]) =>
  (entry: number): string =>
    `entry ${entries.indexOf(entry)}`;

/** Damages a list of four through one word, and what is said of it. */
const damages: [string, (head: number, entries: readonly number[]) => [at: number, word: number], string][] =
  [
    [
      'a prev that was not updated',
      (_head, [, , , d]) => [d! + 4, d! - 256],
      'next of entry 2 is entry 3, whose prev is',
    ],
    [
      'an entry that was passed over backwards',
      (_head, [a, , c]) => [c! + 4, a!],
      'next of entry 1 is entry 2, whose prev is entry 0',
    ],
    [
      'an entry that was passed over forwards',
      (_head, [a, , c]) => [a!, c!],
      'next of entry 0 is entry 2, whose prev is entry 1',
    ],
    [
      'a loop that leaves out the head',
      (_head, [, b, , d]) => [d!, b!],
      'next of entry 3 is entry 1, whose prev is entry 0',
    ],
    [
      'an entry that points to itself',
      (_head, [, b]) => [b!, b!],
      'next of entry 1 is entry 1, whose prev is entry 0',
    ],
    ['a NULL', (_head, [, b]) => [b!, 0], 'next of entry 1 is NULL'],
    ['a NULL backwards', (_head, [, , c]) => [c! + 4, 0], 'next of entry 1 is entry 2, whose prev is NULL'],
    [
      'the poison of a deleted entry',
      (_head, [, b]) => [b!, LIST_POISON_NEXT],
      'next of entry 1 is poison, as in a deleted entry',
    ],
    [
      'a deleted entry that is still linked',
      (_head, [, , c]) => [c! + 4, LIST_POISON_PREV],
      'next of entry 1 is entry 2, whose prev is poison, as in a deleted entry',
    ],
    [
      'an address that is none',
      (_head, [, , , d]) => [d!, 0x1235],
      'next of entry 3 is 0x1235, which is no address',
    ],
    [
      'an address beyond all memory',
      (_head, [, , , d]) => [d!, -8],
      'next of entry 3 is 0xfffffff8, which is no address',
    ],
    [
      'a head that is not pointed back to',
      (head, [, , c]) => [head + 4, c!],
      'next of entry 3 is the head, whose prev is entry 2',
    ],
    [
      'a head that points past the first',
      (head, [, b]) => [head, b!],
      'next of the head is entry 1, whose prev is entry 0',
    ],
  ];

for (const [what, damage, said] of damages) {
  broken(`names ${what}`, () => {
    const { head, entries } = filled(4);
    assert.is(list.verify(head), undefined);
    const [at, word] = damage(head, entries);
    isa.write(at, word);
    assert.match(list.verify(head, name(entries))!, said);
  });
}

broken('calls entries by their address unless told otherwise', () => {
  const { head, entries } = filled(1);
  isa.write(entries[0]!, 0);
  assert.is(list.verify(head), `next of 0x${entries[0]!.toString(16)} is NULL`);
});

broken('a head that was never set up is no list', () => {
  const head = machine.alloc(8);
  const says = (error: unknown): boolean => error instanceof ListError && error.entry === head;
  assert.is(list.verify(head), 'next of the head is NULL');
  assert.throws(() => list.add(fresh(1).entries[0]!, head), says);
  assert.throws(() => list.forEach(head, () => {}), says);
});

broken.run();
