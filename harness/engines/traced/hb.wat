;; The accesses of a CPU that looks for data races while it runs free: hb-layout.ts has the memory, hb-isa.ts the idea and the argument.
;;
;; One call does all of an access: the instruction, the edges, the look at the shadow. A marked access is one call from JavaScript anyway; a plain one calls only
;; where it is the first of its kind in an epoch.
;;
;;   record of a word   a cell a CPU: clock of its latest plain read, plain write, marked read, marked write; then a vector a CPU: what it has published there
;;   line of a CPU      +0 its clock, +64 that of its latest fence, +128 what its relaxed loads have seen, +192 words: fenced, benign, limit, pending, watched
;;                      +256 cells as they were before a read-modify-write
;;
;; Clocks are compared by the sign of their difference: they may wrap.
;; Kinds of access: 0 plain read, 1 plain write, 2 marked read, 3 marked write, 4 read-modify-write; a cell has a lane for each, and the last two share one.
(module
  (import "machine" "memory" (memory 1 16384 shared))
  (import "cpu" "race" (func $race (param i32 i32 i32 i32)))
  ;; Bytes from 0 that have a shadow; where it is; by how much an address is shifted to be an offset in it.
  (import "cpu" "span" (global $span i32))
  (import "cpu" "shadow" (global $shadow i32))
  (import "cpu" "shift" (global $shift i32))
  ;; Offsets in a record: this CPU's cell and vector, the first vector and what follows the last; bytes of a vector.
  (import "cpu" "cell" (global $cell i32))
  (import "cpu" "vector" (global $mine i32))
  (import "cpu" "vectors" (global $vectors i32))
  (import "cpu" "end" (global $end i32))
  (import "cpu" "bytes" (global $bytes i32))
  ;; The line, and in it this CPU's own component of its clock.
  (import "cpu" "line" (global $line i32))
  (import "cpu" "clock" (global $clock i32))

  ;; The record of a word; 0: it has none.
  (func $record (param $a i32) (result i32)
    (if (i32.ge_u (local.get $a) (global.get $span)) (then (return (i32.const 0))))
    (i32.add (global.get $shadow) (i32.shl (local.get $a) (global.get $shift))))

  ;; What has been published at a record becomes known to the vector $to.
  (func $join (param $s i32) (param $to i32)
    (local $at i32) (local $last i32) (local $chunk i32) (local $known v128) (local $theirs v128)
    (loop $chunks
      (local.set $at (i32.add (i32.add (local.get $s) (global.get $vectors)) (local.get $chunk)))
      (local.set $last (i32.add (local.get $s) (global.get $end)))
      (local.set $known (v128.load (local.get $to)))
      (loop $cpus
        (local.set $theirs (v128.load (local.get $at)))
        (local.set $known
          (v128.bitselect (local.get $theirs) (local.get $known)
            (i32x4.shr_s (i32x4.sub (local.get $known) (local.get $theirs)) (i32.const 31))))
        (local.set $at (i32.add (local.get $at) (global.get $bytes)))
        (br_if $cpus (i32.lt_u (local.get $at) (local.get $last))))
      (v128.store (local.get $to) (local.get $known))
      (local.set $to (i32.add (local.get $to) (i32.const 16)))
      (local.set $chunk (i32.add (local.get $chunk) (i32.const 16)))
      (br_if $chunks (i32.lt_u (local.get $chunk) (global.get $bytes)))))

  ;; Publishes a vector at a record. It is never behind what this CPU has published there before.
  (func $publish (param $s i32) (param $from i32)
    (local $to i32) (local $last i32)
    (local.set $to (i32.add (local.get $s) (global.get $mine)))
    (local.set $last (i32.add (local.get $to) (global.get $bytes)))
    (loop $chunks
      (v128.store (local.get $to) (v128.load (local.get $from)))
      (local.set $from (i32.add (local.get $from) (i32.const 16)))
      (local.set $to (i32.add (local.get $to) (i32.const 16)))
      (br_if $chunks (i32.lt_u (local.get $to) (local.get $last)))))

  ;; Before a store that does not release: publishes what a fence before it covers, unless this CPU has published as much there. Whether it did.
  (func $fenced (param $s i32) (result i32)
    (local $own i32)
    (if (i32.eqz (i32.load offset=192 (global.get $line))) (then (return (i32.const 0))))
    (local.set $own (i32.sub (global.get $clock) (global.get $line)))
    (if (i32.ge_s
          (i32.sub
            (i32.load (i32.add (i32.add (local.get $s) (global.get $mine)) (local.get $own)))
            (i32.load offset=64 (global.get $clock)))
          (i32.const 0))
      (then (return (i32.const 0))))
    (call $publish (local.get $s) (i32.add (global.get $line) (i32.const 64)))
    (i32.const 1))

  ;; What follows is in a new epoch. At the limit it is not: that hides races, and invents none.
  (func $tick
    (local $now i32)
    (local.set $now (i32.load (global.get $clock)))
    (if (i32.ne (local.get $now) (i32.load offset=200 (global.get $line)))
      (then (i32.store (global.get $clock) (i32.add (local.get $now) (i32.const 1))))))

  ;; Which kinds of access in these cells this CPU does not know of; $kinds: those that matter.
  (func $ahead (param $s i32) (param $kinds i32) (result i32)
    (local $last i32) (local $known i32) (local $all v128)
    (local.set $last (i32.add (local.get $s) (global.get $vectors)))
    (local.set $known (global.get $line))
    (loop $cpus
      (local.set $all
        (v128.or (local.get $all)
          (i32x4.sub (v128.load32_splat (local.get $known)) (v128.load (local.get $s)))))
      (local.set $known (i32.add (local.get $known) (i32.const 4)))
      (local.set $s (i32.add (local.get $s) (i32.const 16)))
      (br_if $cpus (i32.lt_u (local.get $s) (local.get $last))))
    (i32.and (i32x4.bitmask (local.get $all)) (local.get $kinds)))

  ;; An access that is no read-modify-write: noted, and held against those of the others, once an epoch.
  (func $look (param $a i32) (param $s i32) (param $kind i32) (param $kinds i32) (param $value i32)
    (local $at i32) (local $now i32)
    (local.set $now (i32.load (global.get $clock)))
    (local.set $at
      (i32.add (i32.add (local.get $s) (global.get $cell)) (i32.shl (local.get $kind) (i32.const 2))))
    (if (i32.eq (i32.load (local.get $at)) (local.get $now)) (then (return)))
    (if (i32.load offset=196 (global.get $line)) (then (return)))
    (i32.store (local.get $at) (local.get $now))
    (if (i32.eq (i32.load offset=208 (global.get $line)) (local.get $a))
      (then (call $race (local.get $a) (local.get $kind) (i32.const 0) (local.get $value))))
    (if (call $ahead (local.get $s) (local.get $kinds))
      (then (call $race (local.get $a) (local.get $kind) (local.get $s) (local.get $value)))))

  ;; Loads.

  (func $reads (param $a i32) (param $value i32) (param $to i32)
    (local $s i32)
    (local.set $s (call $record (local.get $a)))
    (if (i32.eqz (local.get $s)) (then (return)))
    (call $join (local.get $s) (local.get $to))
    (call $look (local.get $a) (local.get $s) (i32.const 2) (i32.const 2) (local.get $value)))
  (func $load (export "load") (param $a i32) (result i32)
    (local $value i32)
    (local.set $value (i32.atomic.load (local.get $a)))
    (call $reads (local.get $a) (local.get $value) (global.get $line))
    (local.get $value))
  ;; Atomic, too: what was published must not be looked up before the word.
  (func (export "readOnce") (param $a i32) (result i32)
    (local $value i32)
    (local.set $value (i32.atomic.load (local.get $a)))
    (call $reads (local.get $a) (local.get $value) (i32.add (global.get $line) (i32.const 128)))
    (local.get $value))
  ;; The engine below has waited, and this is what it saw.
  (func (export "waited") (param $a i32) (param $value i32)
    (call $reads (local.get $a) (local.get $value) (global.get $line)))

  ;; Stores.

  (func $store (export "store") (param $a i32) (param $v i32)
    (local $s i32)
    (local.set $s (call $record (local.get $a)))
    (if (local.get $s)
      (then
        (call $look (local.get $a) (local.get $s) (i32.const 3) (i32.const 3) (local.get $v))
        (call $publish (local.get $s) (global.get $line))))
    (i32.atomic.store (local.get $a) (local.get $v))
    (if (local.get $s) (then (call $tick))))
  (func (export "writeOnce") (param $a i32) (param $v i32)
    (local $s i32)
    (local.set $s (call $record (local.get $a)))
    (if (local.get $s)
      (then
        (call $look (local.get $a) (local.get $s) (i32.const 3) (i32.const 3) (local.get $v))
        ;; Not plainly: what was published must be there first.
        (if (call $fenced (local.get $s))
          (then
            (i32.atomic.store (local.get $a) (local.get $v))
            (return)))))
    (i32.store (local.get $a) (local.get $v)))
  (func (export "storeParked") (param $a i32) (param $v i32) (result i32)
    (call $store (local.get $a) (local.get $v))
    (i32.atomic.load
      (i32.add (i32.const 4096) (i32.and (i32.xor (local.get $a) (i32.shl (local.get $a) (i32.const 4))) (i32.const 0x3fc0)))))

  ;; Plain accesses; the first of their kind in an epoch.

  (func (export "plainRead") (param $a i32)
    (local $s i32)
    (local.set $s (call $record (local.get $a)))
    (if (local.get $s)
      (then (call $look (local.get $a) (local.get $s) (i32.const 0) (i32.const 10) (i32.const 0)))))
  (func (export "plainWrite") (param $a i32) (param $v i32)
    (local $s i32)
    (local.set $s (call $record (local.get $a)))
    (if (local.get $s)
      (then (call $look (local.get $a) (local.get $s) (i32.const 1) (i32.const 15) (local.get $v)))))

  ;; Edges without an access.

  (func (export "publish") (param $a i32)
    (local $s i32)
    (local.set $s (call $record (local.get $a)))
    (if (local.get $s)
      (then
        (call $publish (local.get $s) (global.get $line))
        (call $tick))))
  (func (export "join") (param $a i32)
    (local $s i32)
    (local.set $s (call $record (local.get $a)))
    (if (local.get $s) (then (call $join (local.get $s) (global.get $line)))))
  ;; What relaxed loads have seen is acquired.
  (func $seen (export "seen")
    (local $at i32) (local $to i32) (local $known v128) (local $theirs v128)
    (loop $chunks
      (local.set $to (i32.add (global.get $line) (local.get $at)))
      (local.set $known (v128.load (local.get $to)))
      (local.set $theirs (v128.load offset=128 (local.get $to)))
      (v128.store (local.get $to)
        (v128.bitselect (local.get $theirs) (local.get $known)
          (i32x4.shr_s (i32x4.sub (local.get $known) (local.get $theirs)) (i32.const 31))))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br_if $chunks (i32.lt_u (local.get $at) (global.get $bytes)))))
  ;; What was done so far is covered by relaxed stores from here on.
  (func (export "covers")
    (local $at i32) (local $from i32)
    (loop $chunks
      (local.set $from (i32.add (global.get $line) (local.get $at)))
      (v128.store offset=64 (local.get $from) (v128.load (local.get $from)))
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br_if $chunks (i32.lt_u (local.get $at) (global.get $bytes))))
    (i32.store offset=192 (global.get $line) (i32.const 1))
    (call $tick))

  ;; Read-modify-writes. $flags: 1 acquires, 2 releases.

  (func $before (param $a i32) (param $flags i32) (result i32)
    (local $s i32) (local $at i32)
    (local.set $s (call $record (local.get $a)))
    (if (i32.eqz (local.get $s)) (then (return (i32.const 0))))
    (if (call $ahead (local.get $s) (i32.const 3))
      (then
        (i32.store offset=204 (global.get $line) (i32.const 1))
        (loop $cells
          (v128.store offset=256 (i32.add (global.get $line) (local.get $at))
            (v128.load (i32.add (local.get $s) (local.get $at))))
          (local.set $at (i32.add (local.get $at) (i32.const 16)))
          (br_if $cells (i32.lt_u (local.get $at) (global.get $vectors))))))
    (if (i32.and (local.get $flags) (i32.const 2))
      (then (call $publish (local.get $s) (global.get $line)))
      (else (drop (call $fenced (local.get $s)))))
    (local.get $s))
  (func $after (param $a i32) (param $s i32) (param $flags i32) (param $kind i32) (param $kinds i32) (param $old i32)
    (local $lane i32)
    (if (i32.eqz (local.get $s)) (then (return)))
    (call $join (local.get $s)
      (select (global.get $line) (i32.add (global.get $line) (i32.const 128))
        (i32.and (local.get $flags) (i32.const 1))))
    (if (i32.eqz (i32.load offset=196 (global.get $line)))
      (then
        (i32.store
          (i32.add (i32.add (local.get $s) (global.get $cell))
            (select (i32.const 12) (i32.const 8) (i32.eq (local.get $kind) (i32.const 4))))
          (i32.load (global.get $clock)))
        (if (i32.eq (i32.load offset=208 (global.get $line)) (local.get $a))
          (then (call $race (local.get $a) (local.get $kind) (i32.const 0) (local.get $old))))
        (if (i32.load offset=204 (global.get $line))
          (then
            (if (call $ahead (i32.add (global.get $line) (i32.const 256)) (local.get $kinds))
              (then
                (call $race (local.get $a) (local.get $kind) (i32.add (global.get $line) (i32.const 256)) (local.get $old))))))))
    (i32.store offset=204 (global.get $line) (i32.const 0))
    (if (i32.and (local.get $flags) (i32.const 2)) (then (call $tick))))

  (func $cas (param $a i32) (param $e i32) (param $v i32) (param $flags i32) (result i32)
    (local $s i32) (local $old i32)
    ;; What will not be written must not publish.
    (local.set $old (i32.atomic.load (local.get $a)))
    (if (i32.ne (local.get $old) (local.get $e))
      (then
        (call $reads (local.get $a) (local.get $old)
          (select (global.get $line) (i32.add (global.get $line) (i32.const 128))
            (i32.and (local.get $flags) (i32.const 1))))
        (return (local.get $old))))
    (local.set $s (call $before (local.get $a) (local.get $flags)))
    (local.set $old (i32.atomic.rmw.cmpxchg (local.get $a) (local.get $e) (local.get $v)))
    (if (i32.eq (local.get $old) (local.get $e))
      (then (call $after (local.get $a) (local.get $s) (local.get $flags) (i32.const 4) (i32.const 3) (local.get $old)))
      (else (call $after (local.get $a) (local.get $s) (local.get $flags) (i32.const 2) (i32.const 2) (local.get $old))))
    (local.get $old))
  (func (export "compareExchange") (param $a i32) (param $e i32) (param $v i32) (result i32)
    (call $cas (local.get $a) (local.get $e) (local.get $v) (i32.const 3)))
  (func (export "compareExchangeAcquire") (param $a i32) (param $e i32) (param $v i32) (result i32)
    (call $cas (local.get $a) (local.get $e) (local.get $v) (i32.const 1)))
  (func (export "compareExchangeRelease") (param $a i32) (param $e i32) (param $v i32) (result i32)
    (call $cas (local.get $a) (local.get $e) (local.get $v) (i32.const 2)))
  (func (export "compareExchangeRelaxed") (param $a i32) (param $e i32) (param $v i32) (result i32)
    (call $cas (local.get $a) (local.get $e) (local.get $v) (i32.const 0)))
  (func (export "fetchAdd") (param $a i32) (param $v i32) (result i32) (local $s i32)
    (local.set $s (call $before (local.get $a) (i32.const 3)))
    (local.set $v (i32.atomic.rmw.add (local.get $a) (local.get $v)))
    (call $after (local.get $a) (local.get $s) (i32.const 3) (i32.const 4) (i32.const 3) (local.get $v))
    (local.get $v))
  (func (export "fetchAddAcquire") (param $a i32) (param $v i32) (result i32) (local $s i32)
    (local.set $s (call $before (local.get $a) (i32.const 1)))
    (local.set $v (i32.atomic.rmw.add (local.get $a) (local.get $v)))
    (call $after (local.get $a) (local.get $s) (i32.const 1) (i32.const 4) (i32.const 3) (local.get $v))
    (local.get $v))
  (func (export "fetchAddRelease") (param $a i32) (param $v i32) (result i32) (local $s i32)
    (local.set $s (call $before (local.get $a) (i32.const 2)))
    (local.set $v (i32.atomic.rmw.add (local.get $a) (local.get $v)))
    (call $after (local.get $a) (local.get $s) (i32.const 2) (i32.const 4) (i32.const 3) (local.get $v))
    (local.get $v))
  (func (export "fetchAddRelaxed") (param $a i32) (param $v i32) (result i32) (local $s i32)
    (local.set $s (call $before (local.get $a) (i32.const 0)))
    (local.set $v (i32.atomic.rmw.add (local.get $a) (local.get $v)))
    (call $after (local.get $a) (local.get $s) (i32.const 0) (i32.const 4) (i32.const 3) (local.get $v))
    (local.get $v))
  (func (export "fetchAnd") (param $a i32) (param $v i32) (result i32) (local $s i32)
    (local.set $s (call $before (local.get $a) (i32.const 3)))
    (local.set $v (i32.atomic.rmw.and (local.get $a) (local.get $v)))
    (call $after (local.get $a) (local.get $s) (i32.const 3) (i32.const 4) (i32.const 3) (local.get $v))
    (local.get $v))
  (func (export "fetchAndAcquire") (param $a i32) (param $v i32) (result i32) (local $s i32)
    (local.set $s (call $before (local.get $a) (i32.const 1)))
    (local.set $v (i32.atomic.rmw.and (local.get $a) (local.get $v)))
    (call $after (local.get $a) (local.get $s) (i32.const 1) (i32.const 4) (i32.const 3) (local.get $v))
    (local.get $v))
  (func (export "fetchAndRelease") (param $a i32) (param $v i32) (result i32) (local $s i32)
    (local.set $s (call $before (local.get $a) (i32.const 2)))
    (local.set $v (i32.atomic.rmw.and (local.get $a) (local.get $v)))
    (call $after (local.get $a) (local.get $s) (i32.const 2) (i32.const 4) (i32.const 3) (local.get $v))
    (local.get $v))
  (func (export "fetchAndRelaxed") (param $a i32) (param $v i32) (result i32) (local $s i32)
    (local.set $s (call $before (local.get $a) (i32.const 0)))
    (local.set $v (i32.atomic.rmw.and (local.get $a) (local.get $v)))
    (call $after (local.get $a) (local.get $s) (i32.const 0) (i32.const 4) (i32.const 3) (local.get $v))
    (local.get $v))
  (func (export "fetchOr") (param $a i32) (param $v i32) (result i32) (local $s i32)
    (local.set $s (call $before (local.get $a) (i32.const 3)))
    (local.set $v (i32.atomic.rmw.or (local.get $a) (local.get $v)))
    (call $after (local.get $a) (local.get $s) (i32.const 3) (i32.const 4) (i32.const 3) (local.get $v))
    (local.get $v))
  (func (export "fetchOrAcquire") (param $a i32) (param $v i32) (result i32) (local $s i32)
    (local.set $s (call $before (local.get $a) (i32.const 1)))
    (local.set $v (i32.atomic.rmw.or (local.get $a) (local.get $v)))
    (call $after (local.get $a) (local.get $s) (i32.const 1) (i32.const 4) (i32.const 3) (local.get $v))
    (local.get $v))
  (func (export "fetchOrRelease") (param $a i32) (param $v i32) (result i32) (local $s i32)
    (local.set $s (call $before (local.get $a) (i32.const 2)))
    (local.set $v (i32.atomic.rmw.or (local.get $a) (local.get $v)))
    (call $after (local.get $a) (local.get $s) (i32.const 2) (i32.const 4) (i32.const 3) (local.get $v))
    (local.get $v))
  (func (export "fetchOrRelaxed") (param $a i32) (param $v i32) (result i32) (local $s i32)
    (local.set $s (call $before (local.get $a) (i32.const 0)))
    (local.set $v (i32.atomic.rmw.or (local.get $a) (local.get $v)))
    (call $after (local.get $a) (local.get $s) (i32.const 0) (i32.const 4) (i32.const 3) (local.get $v))
    (local.get $v))
  (func (export "fetchXor") (param $a i32) (param $v i32) (result i32) (local $s i32)
    (local.set $s (call $before (local.get $a) (i32.const 3)))
    (local.set $v (i32.atomic.rmw.xor (local.get $a) (local.get $v)))
    (call $after (local.get $a) (local.get $s) (i32.const 3) (i32.const 4) (i32.const 3) (local.get $v))
    (local.get $v))
  (func (export "fetchXorAcquire") (param $a i32) (param $v i32) (result i32) (local $s i32)
    (local.set $s (call $before (local.get $a) (i32.const 1)))
    (local.set $v (i32.atomic.rmw.xor (local.get $a) (local.get $v)))
    (call $after (local.get $a) (local.get $s) (i32.const 1) (i32.const 4) (i32.const 3) (local.get $v))
    (local.get $v))
  (func (export "fetchXorRelease") (param $a i32) (param $v i32) (result i32) (local $s i32)
    (local.set $s (call $before (local.get $a) (i32.const 2)))
    (local.set $v (i32.atomic.rmw.xor (local.get $a) (local.get $v)))
    (call $after (local.get $a) (local.get $s) (i32.const 2) (i32.const 4) (i32.const 3) (local.get $v))
    (local.get $v))
  (func (export "fetchXorRelaxed") (param $a i32) (param $v i32) (result i32) (local $s i32)
    (local.set $s (call $before (local.get $a) (i32.const 0)))
    (local.set $v (i32.atomic.rmw.xor (local.get $a) (local.get $v)))
    (call $after (local.get $a) (local.get $s) (i32.const 0) (i32.const 4) (i32.const 3) (local.get $v))
    (local.get $v))
  (func (export "exchange") (param $a i32) (param $v i32) (result i32) (local $s i32)
    (local.set $s (call $before (local.get $a) (i32.const 3)))
    (local.set $v (i32.atomic.rmw.xchg (local.get $a) (local.get $v)))
    (call $after (local.get $a) (local.get $s) (i32.const 3) (i32.const 4) (i32.const 3) (local.get $v))
    (local.get $v))
  (func (export "exchangeAcquire") (param $a i32) (param $v i32) (result i32) (local $s i32)
    (local.set $s (call $before (local.get $a) (i32.const 1)))
    (local.set $v (i32.atomic.rmw.xchg (local.get $a) (local.get $v)))
    (call $after (local.get $a) (local.get $s) (i32.const 1) (i32.const 4) (i32.const 3) (local.get $v))
    (local.get $v))
  (func (export "exchangeRelease") (param $a i32) (param $v i32) (result i32) (local $s i32)
    (local.set $s (call $before (local.get $a) (i32.const 2)))
    (local.set $v (i32.atomic.rmw.xchg (local.get $a) (local.get $v)))
    (call $after (local.get $a) (local.get $s) (i32.const 2) (i32.const 4) (i32.const 3) (local.get $v))
    (local.get $v))
  (func (export "exchangeRelaxed") (param $a i32) (param $v i32) (result i32) (local $s i32)
    (local.set $s (call $before (local.get $a) (i32.const 0)))
    (local.set $v (i32.atomic.rmw.xchg (local.get $a) (local.get $v)))
    (call $after (local.get $a) (local.get $s) (i32.const 0) (i32.const 4) (i32.const 3) (local.get $v))
    (local.get $v)))
