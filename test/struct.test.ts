/** A layout puts every field where its order says, refuses what cannot be, and reads an object back as text. */
import * as assert from 'uvu/assert';
import {
  bits,
  bitsOf,
  createMachine,
  decode,
  fieldAt,
  i32,
  infoOf,
  LayoutError,
  membersOf,
  nameOf,
  ptr,
  sizeOf,
  struct,
  u32,
  union,
  words,
} from '../src/memory/index.ts';
import { suite } from './suite.ts';

const Page = struct('page', {
  flags: bits({ locked: 1, dirty: 1, zone: 2 }),
  refcount: i32,
  links: union({
    'on a list': { lru: ptr('list_head', 2) },
    mlocked: { lru_filler: u32, mlock_count: u32 },
    'tail of a compound page': { compound_head: ptr('page') },
  }),
  index: u32,
  mapping: ptr('address_space'),
  tags: words(3),
});

const refuses = (make: () => unknown, message: RegExp): void => {
  assert.throws(make, (error: unknown) => {
    assert.instance(error, LayoutError);
    const { message: text } = error as LayoutError;
    assert.match(text, message);
    assert.not.match(text, '\n');
    return true;
  });
};

const layouts = suite('struct');

layouts('fields follow each other in words', () => {
  const Ticket = struct('ticket', { next: u32, owners: words(3), sign: i32 });
  assert.equal({ ...Ticket }, { next: 0, owners: 4, sign: 16 });
  assert.is(sizeOf(Ticket), 20);
  assert.is(nameOf(Ticket), 'ticket');
});

layouts('a field may be called like anything that is known of the layout', () => {
  const Odd = struct('odd', { name: u32, bytes: u32, fields: u32, count: u32, constructor: u32 });
  assert.equal([Odd.name, Odd.bytes, Odd.fields, Odd.count, Odd.constructor], [0, 4, 8, 12, 16]);
  assert.is(nameOf(Odd), 'odd');
});

layouts('ownLine gives any type of field a line of its own', () => {
  const All = struct('all', {
    a: u32,
    b: bits({ x: 1 }).ownLine(),
    c: union({ s: { d: u32 } }).ownLine(),
    e: ptr().ownLine(),
    f: u32,
  });
  assert.equal({ ...All }, { a: 0, b: 64, c: 128, d: 128, e: 192, f: 256 });
  assert.is(sizeOf(All), 320);
  assert.is(bitsOf(All, 'b').x.mask, 1, 'and leaves the field what it was');
});

layouts('a layout cannot be changed', () => {
  assert.throws(() => {
    (Page as unknown as Record<string, number>).flags = 4;
  }, /read only/);
});

layouts('what is no layout is said to be none', () => {
  assert.throws(() => sizeOf({ flags: 0 }), /not a struct layout/);
});

layouts('fields that are no fields are refused by name', () => {
  refuses(
    () => struct('bad', { value: 'u32' as never }),
    /^the field 'value' of struct 'bad' has no type: use u32/,
  );
  refuses(() => struct('bad', { next: ptr as never }), /^the field 'next' of struct 'bad' has no type/);
  refuses(() => struct('bad', { 7: u32 }), /'7' of struct 'bad' is called by a number/);
  for (const count of [0, -1, 1.5, Number.NaN]) {
    refuses(
      () => words(count),
      new RegExp(`^words\\(\\) takes a whole number of words from 1, not ${count}$`),
    );
    refuses(() => ptr('x', count), /^ptr\(\) takes/);
  }
});

layouts.run();

const fields = suite('bits');

fields('bit fields are laid out from bit 0 upwards and cover what was asked for', () => {
  const flags = bitsOf(Page, 'flags');
  assert.equal(flags.locked, { shift: 0, width: 1, mask: 1 });
  assert.equal(flags.dirty, { shift: 1, width: 1, mask: 2 });
  assert.equal(flags.zone, { shift: 2, width: 2, mask: 12 });
});

fields('32 bits fit, signed as isa reads them, and a value comes back out of its bits', () => {
  const Full = struct('full', { word: bits({ low: 31, top: 1 }), whole: bits({ all: 32 }) });
  const { low, top } = bitsOf(Full, 'word');
  assert.equal([low.mask, top.mask, bitsOf(Full, 'whole').all.mask], [0x7fffffff, -(2 ** 31), -1]);
  const word = (-5 & low.mask) | (1 << top.shift);
  assert.is((word & low.mask) >>> low.shift, 0x7ffffffb);
  assert.is((word & top.mask) >>> top.shift, 1);
});

fields('more than 32 bits and bits of no width are refused', () => {
  refuses(() => bits({ a: 16, b: 16, c: 1 }), /^bit field 'c' ends at bit 33; a word has 32 bits$/);
  refuses(() => bits({ a: 33 }), /'a' ends at bit 33/);
  for (const width of [0, -1, 0.5, Number.NaN])
    refuses(() => bits({ a: width }), new RegExp(`^bit field 'a' is ${width} bits wide`));
});

fields('asking for bits of another field is refused', () => {
  refuses(() => bitsOf(Page, 'refcount' as 'flags'), /^struct 'page' has no bit fields 'refcount'$/);
});

fields.run();

const overlays = suite('union');

overlays('forms share their words, and the union is as long as the longest', () => {
  assert.equal(
    [Page.links, Page.lru, Page.lru_filler, Page.mlock_count, Page.compound_head],
    [8, 8, 8, 12, 8],
  );
  assert.is(Page.index, 16);
  assert.is(sizeOf(Page), 36);
});

overlays('members know the state that owns them', () => {
  const owners = Object.fromEntries(membersOf(Page).map(({ name, state }) => [name, state]));
  assert.is(owners.lru, 'on a list');
  assert.is(owners.mlock_count, 'mlocked');
  assert.is(owners.compound_head, 'tail of a compound page');
  assert.is(owners.flags, undefined);
  assert.not.ok('links' in owners);
  assert.is(infoOf(Page).fields.length, 6, 'the union is one entry of the layout');
});

overlays('a name twice is refused, in the union and against the rest of the struct', () => {
  refuses(
    () => union({ one: { lru: u32 }, two: { lru: u32 } }),
    /^the field 'lru' is in two forms of a union, 'one' and 'two'/,
  );
  refuses(
    () => struct('bad', { lru: u32, links: union({ one: { lru: u32 } }) }),
    /^struct 'bad' has two fields 'lru'/,
  );
  refuses(
    () => struct('bad', { links: union({ one: { links: u32 } }) }),
    /^struct 'bad' has two fields 'links'/,
  );
});

overlays('what a form cannot hold is refused', () => {
  refuses(
    () => union({ one: { hot: u32.ownLine() } }),
    /'hot' of the form 'one' of a union is on its own line/,
  );
  refuses(
    () => union({ one: { inner: union({ two: { x: u32 } }) } }),
    /'inner' of the form 'one' of a union is a union/,
  );
  refuses(() => union({ one: { x: 4 as never } }), /'x' of the form 'one' of a union has no type/);
  refuses(() => union({}), /^union\(\) takes a whole number of words from 1, not 0$/);
});

overlays.run();

const reading = suite('decode');
const machine = createMachine({ cpus: 1 });
const isa = machine.boot;

function page(values: readonly number[]): number {
  const at = machine.alloc(sizeOf(Page));
  values.forEach((value, word) => {
    isa.write(at + 4 * word, value);
  });
  return at;
}

reading('shows each field as its type says', () => {
  const Ticket = struct('ticket', { next: u32, owner: u32.ownLine() });
  const at = machine.alloc(sizeOf(Ticket));
  isa.write(at + Ticket.next, 5);
  isa.write(at + Ticket.owner, 4);
  assert.is(decode(isa, Ticket, at), 'next=5 owner=4');
  const dirty = page([0b0110, -1, 0, 0, -1, 0x5040, 1, 2, -3]);
  assert.is(
    decode(isa, Page, dirty, { links: 'mlocked' }),
    'flags=dirty|zone:1 refcount=-1 lru_filler=0 mlock_count=0 index=4294967295 mapping=0x5040 tags=[1 2 4294967293]',
  );
});

reading('shows flags that nobody declared, and none as 0', () => {
  const Flags = struct('flags', { flags: bits({ a: 1, b: 3 }) });
  const at = machine.alloc(4);
  assert.is(decode(isa, Flags, at), 'flags=0');
  isa.write(at, 0b1110001);
  assert.is(decode(isa, Flags, at), 'flags=a|0x70');
  isa.write(at, -1);
  assert.is(decode(isa, Flags, at), 'flags=a|b:7|0xfffffff0');
});

reading('shows every form of a union unless it is told the state', () => {
  const at = page([0, 1, 0x6000, 3]);
  assert.match(
    decode(isa, Page, at),
    'links={on a list: lru=[0x6000 0x3]; mlocked: lru_filler=24576 mlock_count=3; tail of a compound page: compound_head=0x6000}',
  );
  assert.match(
    decode(isa, Page, at, { links: 'tail of a compound page' }),
    'refcount=1 compound_head=0x6000 index=0',
  );
  refuses(
    () => decode(isa, Page, at, { links: 'asleep' }),
    /^'asleep' owns no form of 'links' in struct 'page'$/,
  );
});

reading('shows the first words of a long row and says how many follow', () => {
  const Row = struct('row', { row: words(20), end: u32 });
  const at = machine.alloc(sizeOf(Row));
  for (let word = 0; word <= 20; word += 1) isa.write(at + 4 * word, word);
  assert.is(decode(isa, Row, at), 'row=[0 1 2 3 4 5 6 7 …12 more] end=20');
});

reading('reads each word once, relaxed', () => {
  const at = page([]);
  const read: number[] = [];
  decode({ readOnce: (addr) => read.push(addr) }, Page, at);
  assert.equal(
    read,
    Array.from({ length: 9 }, (_, word) => at + 4 * word),
  );
});

reading('refuses an address that is none', () => {
  refuses(() => decode(isa, Page, 4098), /^4098 is not the address of a page: addresses are multiples of 4$/);
});

reading('a word is named by its field, or by all the fields that share it', () => {
  assert.is(fieldAt(Page, Page.refcount), 'refcount');
  assert.is(fieldAt(Page, Page.tags + 8), 'tags[2]');
  assert.is(fieldAt(Page, Page.tags + 7), 'tags[1]');
  assert.is(fieldAt(Page, Page.lru), 'lru[0]|lru_filler|compound_head');
  assert.is(fieldAt(Page, Page.mlock_count), 'lru[1]|mlock_count');
  assert.is(fieldAt(Page, sizeOf(Page)), undefined);
  assert.is(fieldAt(Page, -4), undefined);
  assert.is(fieldAt(struct('gap', { a: u32, b: u32.ownLine() }), 4), undefined);
});

reading.run();
