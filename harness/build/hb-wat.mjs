/**
 * The accesses of a CPU that looks for data races while it runs free, as WebAssembly text: harness/engines/traced/hb-layout.ts has the memory, hb-isa.ts the idea and the argument.
 *
 * One call from JavaScript does all of an access: the instruction, the edges, the look at the shadow. A marked access is one call anyway; a plain one calls only
 * where it is the first of its kind in an epoch. What would be a function is a piece of text here: the engines of today do not inline calls, and these would cost more
 * than what they call. The loops over the others are unrolled.
 *
 *   record of a word   a cell a CPU: clock of its latest plain read, plain write, marked read, marked write; then a vector a CPU: what it has published there
 *   line of a CPU      +0 its clock, +64 that of its latest fence, +128 what its relaxed loads have seen,
 *                      +192 words: benign, asked, limit, fenced, pending; +224 one in its own component, +512 cells as they were before a read-modify-write
 *
 * Clocks are compared by the sign of their difference: they may wrap. The others are enumerated by exclusive or with 1, 2, 3, … of the own number, which leaves out the
 * own. Vectors are always stored whole, even to count one component: a processor is slow to load sixteen bytes of which it has just stored four.
 *
 * Kinds of access: 0 plain read, 1 plain write, 2 marked read, 3 marked write, 4 read-modify-write; a cell has a lane for each, and the last two share one.
 */

const get = (name) => `(local.get $${name})`;
const set = (name, value) => `(local.set $${name} ${value})`;
const own = (name) => `(global.get $${name})`;
const add = (...terms) => terms.reduce((sum, term) => `(i32.add ${sum} ${term})`);
const word = (offset, at = own('line')) => `(i32.load offset=${offset} ${at})`;
const [BENIGN, ASKED, LIMIT, FENCED, PENDING] = [192, 196, 200, 204, 208];
const [FENCE, SEEN, ONE, BEFORE] = [64, 128, 224, 512];
const [READ, WRITE, MARKED_READ, MARKED_WRITE, RMW] = [0, 1, 2, 3, 4];
/** By kind: the kinds that it conflicts with, a bit each. */
const CONFLICTS = [0b1010, 0b1111, 0b0010, 0b0011, 0b0011];

/** The later of two vectors, by component. */
const later = (known, theirs) =>
  `(v128.bitselect ${theirs} ${known} (i32x4.shr_s (i32x4.sub ${known} ${theirs}) (i32.const 31)))`;

/**
 * @param room CPUs that a record has room for: a power of two
 * @param without for tests, a detector that is broken on purpose: 'join', 'publish', 'check' or 'tick'
 */
export function hbWat(room, without = '') {
  const bytes = 4 * Math.max(4, room);
  const vectors = 16 * room;
  const chunks = Array.from({ length: bytes / 16 }, (_, at) => 16 * at);
  const others = Array.from({ length: room - 1 }, (_, at) => at + 1);
  const unrolled = room <= 8;

  /** Each text is code that uses $s, the record, and may spoil $now, $at, $x and $y. */
  const locals = '(local $s i32) (local $now i32) (local $at i32) (local $x v128) (local $y v128)';
  const record = set('s', add(own('shadow'), `(i32.shl ${get('a')} ${own('shift')})`));
  const isWatched = `(i32.lt_u ${get('a')} ${own('span')})`;

  /** $to: offset in the line of the vector to which all becomes known that has been published at the record. */
  const join = (to) =>
    without === 'join'
      ? ''
      : unrolled
        ? chunks
            .map(
              (at) => `${set('x', `(v128.load offset=${to + at} ${own('line')})`)}
${others
  .map(
    (
      each,
    ) => `${set('y', `(v128.load offset=${vectors + at} (i32.xor ${add(get('s'), own('vector'))} (i32.const ${bytes * each})))`)}
${set('x', later(get('x'), get('y')))}`,
  )
  .join('\n')}
(v128.store offset=${to + at} ${own('line')} ${get('x')})`,
            )
            .join('\n')
        : `(call $join ${get('s')} ${add(own('line'), `(i32.const ${to})`)})`;

  const publish = (from = 0) =>
    (without === 'publish' ? [] : chunks)
      .map(
        (at) =>
          `(v128.store offset=${vectors + at} ${add(get('s'), own('vector'))} (v128.load offset=${from + at} ${own('line')}))`,
      )
      .join('\n');

  /** Before a store that does not release: publishes what a fence before it covers, unless as much has been published there. */
  const cover = (then = '') => `(if ${word(FENCED)} (then
  (if (i32.lt_s
        (i32.sub ${word(vectors, add(get('s'), own('vector'), own('component')))} ${word(FENCE, add(own('line'), own('component')))})
        (i32.const 0))
    (then ${publish(FENCE)} ${then}))))`;

  /** What follows is in a new epoch. At the limit it is not: that hides races, and invents none. */
  const tick =
    without === 'tick'
      ? ''
      : `(if (i32.ne ${word(0, add(own('line'), own('component')))} ${word(LIMIT)}) (then
  ${set('at', add(own('line'), `(i32.and ${own('component')} (i32.const 48))`))}
  (v128.store ${get('at')} (i32x4.add (v128.load ${get('at')}) (v128.load offset=${ONE} ${own('line')})))))`;

  /** Which of these kinds others have done of which this CPU does not know; the cells are at $from. */
  const ahead = (from, kinds) =>
    without === 'check'
      ? '(i32.const 0)'
      : unrolled
        ? `(i32.and ${kinds} (i32x4.bitmask ${others
            .map(
              (each) =>
                `(i32x4.sub (v128.load32_splat (i32.xor ${add(own('line'), own('component'))} (i32.const ${4 * each})))
      (v128.load (i32.xor ${add(from, own('cell'))} (i32.const ${16 * each}))))`,
            )
            .reduce((all, each) => `(v128.or ${all} ${each})`)}))`
        : `(call $ahead ${from} ${kinds})`;
  const conflicts = (kind) => `(i32.const ${CONFLICTS[kind]})`;

  /** An access that is no read-modify-write: noted, and held against those of the others, once an epoch. */
  const look = (kind, value) => `${set('now', word(0, add(own('line'), own('component'))))}
${set('at', add(get('s'), own('cell')))}
(if (i32.ne ${word(4 * kind, get('at'))} ${get('now')}) (then
  (if (i64.eqz (i64.load offset=${BENIGN} ${own('line')}))
    (then
      (i32.store offset=${4 * kind} ${get('at')} ${get('now')})
      (if ${ahead(get('s'), conflicts(kind))}
        (then (call $race ${get('a')} (i32.const ${kind}) ${get('s')} ${value}))))
    (else (call $seldom ${get('a')} ${get('s')} (i32.const ${kind}) ${conflicts(kind)} ${value})))))`;

  const load = (name, to) => `(func (export "${name}") (param $a i32) (result i32) (local $v i32) ${locals}
  ${set('v', `(i32.atomic.load ${get('a')})`)}
  (if ${isWatched} (then
    ${record} ${join(to)}
    ${look(MARKED_READ, get('v'))}))
  ${get('v')})`;

  const store = (
    name,
    result,
    answer,
  ) => `(func (export "${name}") (param $a i32) (param $v i32) ${result} ${locals}
  (if ${isWatched}
    (then
      ${record}
      ${look(MARKED_WRITE, get('v'))}
      ${publish()}
      (i32.atomic.store ${get('a')} ${get('v')})
      ${tick})
    (else (i32.atomic.store ${get('a')} ${get('v')})))
  ${answer})`;

  const plain = (
    name,
    kind,
    value,
  ) => `(func (export "${name}") (param $a i32) ${value ? '(param $v i32)' : ''} ${locals}
  (if ${isWatched} (then
    ${record}
    ${look(kind, value ? get('v') : '(i32.const 0)')})))`;

  /** The halves of a read-modify-write around its instruction. */
  const before = (releases) => `${record}
  (if ${ahead(get('s'), conflicts(RMW))} (then (call $keep ${get('s')})))
  ${releases ? publish() : cover()}`;
  const after = (acquires, releases, kind, old) => `${join(acquires ? 0 : SEEN)}
  (if (i32.or ${word(PENDING)} (i32.eqz (i64.eqz (i64.load offset=${BENIGN} ${own('line')}))))
    (then (call $judge ${get('a')} ${get('s')} (i32.const ${kind}) ${conflicts(kind)} ${old}))
    (else (i32.store offset=${4 * Math.min(kind, MARKED_WRITE)} ${add(get('s'), own('cell'))} ${word(0, add(own('line'), own('component')))})))
  ${releases ? tick : ''}`;

  const FORMS = [
    ['', true, true],
    ['Acquire', true, false],
    ['Release', false, true],
    ['Relaxed', false, false],
  ];
  const rmw = (name, op) =>
    FORMS.map(
      ([
        form,
        acquires,
        releases,
      ]) => `(func (export "${name}${form}") (param $a i32) (param $v i32) (result i32) ${locals}
  (if ${isWatched}
    (then
      ${before(releases)}
      ${set('v', `(i32.atomic.rmw.${op} ${get('a')} ${get('v')})`)}
      ${after(acquires, releases, RMW, get('v'))})
    (else ${set('v', `(i32.atomic.rmw.${op} ${get('a')} ${get('v')})`)}))
  ${get('v')})`,
    ).join('\n');

  // What will not be written must not publish: looked up first.
  const cas = FORMS.map(
    ([
      form,
      acquires,
      releases,
    ]) => `(func (export "compareExchange${form}") (param $a i32) (param $e i32) (param $v i32) (result i32) (local $old i32) ${locals}
  (if (i32.eqz ${isWatched}) (then (return (i32.atomic.rmw.cmpxchg ${get('a')} ${get('e')} ${get('v')}))))
  ${set('old', `(i32.atomic.load ${get('a')})`)}
  (if (i32.ne ${get('old')} ${get('e')}) (then
    ${record} ${join(acquires ? 0 : SEEN)}
    ${look(MARKED_READ, get('old'))}
    (return ${get('old')})))
  ${before(releases)}
  ${set('old', `(i32.atomic.rmw.cmpxchg ${get('a')} ${get('e')} ${get('v')})`)}
  (if (i32.eq ${get('old')} ${get('e')})
    (then ${after(acquires, false, RMW, get('old'))})
    (else ${after(acquires, false, MARKED_READ, get('old'))}))
  ${releases ? tick : ''}
  ${get('old')})`,
  ).join('\n');

  const parked =
    '(i32.atomic.load (i32.add (i32.const 4096) (i32.and (i32.xor (local.get $a) (i32.shl (local.get $a) (i32.const 4))) (i32.const 0x3fc0))))';

  /** For many CPUs these are too long to stand everywhere. */
  const loops = unrolled
    ? ''
    : `(func $join (param $s i32) (param $to i32) (local $x v128) (local $y v128)
  ${set('s', add(get('s'), own('vector')))}
${chunks
  .map(
    (at) => `  ${set('x', `(v128.load offset=${at} ${get('to')})`)}
${others
  .map(
    (
      each,
    ) => `  ${set('y', `(v128.load offset=${vectors + at} (i32.xor ${get('s')} (i32.const ${bytes * each})))`)}
  ${set('x', later(get('x'), get('y')))}`,
  )
  .join('\n')}
  (v128.store offset=${at} ${get('to')} ${get('x')})`,
  )
  .join('\n')})
(func $ahead (param $s i32) (param $kinds i32) (result i32) (local $known i32)
  ${set('known', add(own('line'), own('component')))}
  ${set('s', add(get('s'), own('cell')))}
  (i32.and ${get('kinds')} (i32x4.bitmask ${others
    .map(
      (each) => `(i32x4.sub (v128.load32_splat (i32.xor ${get('known')} (i32.const ${4 * each})))
      (v128.load (i32.xor ${get('s')} (i32.const ${16 * each}))))`,
    )
    .reduce((all, each) => `(v128.or ${all} ${each})`)})))`;

  return `(module
(import "machine" "memory" (memory 1 16384 shared))
(import "cpu" "race" (func $race (param i32 i32 i32 i32)))
;; Bytes from 0 that have a shadow; where it is; by how much an address is shifted to be an offset in it.
${['span', 'shadow', 'shift', 'cell', 'vector', 'component', 'line'].map((name) => `(import "cpu" "${name}" (global $${name} i32))`).join('\n')}
${loops}
;; The slow half of a look: where accesses are benign, or somebody waits to see this one.
(func $seldom (param $a i32) (param $s i32) (param $kind i32) (param $kinds i32) (param $v i32) (local $at i32)
  (if ${word(BENIGN)} (then (return)))
  (i32.store ${add(get('s'), own('cell'), `(i32.shl ${get('kind')} (i32.const 2))`)} ${word(0, add(own('line'), own('component')))})
  (if ${word(ASKED)}
    (then (call $race ${get('a')} ${get('kind')} (i32.const 0) ${get('v')})))
  (if ${ahead(get('s'), get('kinds'))}
    (then (call $race ${get('a')} ${get('kind')} ${get('s')} ${get('v')}))))
;; Before a read-modify-write: keeps the cells, to be judged when it is known what it has acquired.
(func $keep (param $s i32) (local $at i32)
  (loop $cells
    (v128.store offset=${BEFORE} ${add(own('line'), get('at'))} (v128.load ${add(get('s'), get('at'))}))
    ${set('at', add(get('at'), '(i32.const 16)'))}
    (br_if $cells (i32.lt_u ${get('at')} (i32.const ${vectors}))))
  (i32.store offset=${PENDING} ${own('line')} (i32.const 1)))
(func $judge (param $a i32) (param $s i32) (param $kind i32) (param $kinds i32) (param $old i32) (local $pending i32)
  ${set('pending', word(PENDING))}
  (i32.store offset=${PENDING} ${own('line')} (i32.const 0))
  (if ${word(BENIGN)} (then (return)))
  (i32.store
    ${add(get('s'), own('cell'), `(select (i32.const 12) (i32.const 8) (i32.eq ${get('kind')} (i32.const ${RMW})))`)}
    ${word(0, add(own('line'), own('component')))})
  (if ${word(ASKED)}
    (then (call $race ${get('a')} ${get('kind')} (i32.const 0) ${get('old')})))
  (if (i32.eqz ${get('pending')}) (then (return)))
  ${set('s', add(own('line'), `(i32.const ${BEFORE})`))}
  (if ${ahead(get('s'), get('kinds'))}
    (then (call $race ${get('a')} ${get('kind')} ${get('s')} ${get('old')}))))
${load('load', 0)}
;; An atomic load, too: what was published must not be looked up before the word.
${load('readOnce', SEEN)}
;; The engine below has waited, and this is what it saw.
(func (export "waited") (param $a i32) (param $v i32) ${locals}
  (if ${isWatched} (then
    ${record} ${join(0)}
    ${look(MARKED_READ, get('v'))})))
${store('store', '', '')}
${store('storeParked', '(result i32)', parked)}
(func (export "writeOnce") (param $a i32) (param $v i32) ${locals}
  (if ${isWatched} (then
    ${record}
    ${look(MARKED_WRITE, get('v'))}
    ;; Not plainly: what was published must be there first.
    ${cover(`(i32.atomic.store ${get('a')} ${get('v')}) (return)`)}))
  (i32.store ${get('a')} ${get('v')}))
;; Plain accesses; the first of their kind in an epoch.
${plain('plainRead', READ, false)}
${plain('plainWrite', WRITE, true)}
;; Edges without an access.
(func (export "publish") (param $a i32) ${locals}
  (if ${isWatched} (then ${record} ${publish()} ${tick})))
(func (export "join") (param $a i32) ${locals}
  (if ${isWatched} (then ${record} ${join(0)})))
;; What relaxed loads have seen is acquired.
(func (export "seen") (local $x v128) (local $y v128)
  ${chunks
    .map(
      (at) => `${set('x', `(v128.load offset=${at} ${own('line')})`)}
  ${set('y', `(v128.load offset=${SEEN + at} ${own('line')})`)}
  (v128.store offset=${at} ${own('line')} ${later(get('x'), get('y'))})`,
    )
    .join('\n')})
;; What was done so far is covered by relaxed stores from here on.
(func (export "covers") ${locals}
  ${chunks.map((at) => `(v128.store offset=${FENCE + at} ${own('line')} (v128.load offset=${at} ${own('line')}))`).join('\n')}
  (i32.store offset=${FENCED} ${own('line')} (i32.const 1))
  ${tick})
${rmw('fetchAdd', 'add')}
${rmw('fetchAnd', 'and')}
${rmw('fetchOr', 'or')}
${rmw('fetchXor', 'xor')}
${rmw('exchange', 'xchg')}
${cas})
`;
}
