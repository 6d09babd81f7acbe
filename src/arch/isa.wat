;; The machine instructions of the wasm engine, and its spin loops: everything that must not pass through the JIT of JavaScript.
;;
;; A relaxed access is a plain i32.load/i32.store: behind a call from JavaScript it is neither hoisted nor fused, and wasm compilers do not
;; remove it. Everything else is a sequentially consistent wasm atomic, the only kind there is.
;;
;; Parked CPUs are counted by a hash of the address they park on: 256 counters of one 64-byte line each, from byte 4096. a waker loads the
;; counter after the waker's sequentially consistent store; a parker counts up before it re-reads the word. One of the two sees the other.
(module
  (import "machine" "memory" (memory 1 16384 shared))

  (func (export "readOnce") (param $a i32) (result i32) (i32.load (local.get $a)))
  (func (export "writeOnce") (param $a i32) (param $v i32) (i32.store (local.get $a) (local.get $v)))
  (func (export "load") (param $a i32) (result i32) (i32.atomic.load (local.get $a)))
  (func (export "store") (param $a i32) (param $v i32) (i32.atomic.store (local.get $a) (local.get $v)))

  (func (export "fetchAdd") (param $a i32) (param $v i32) (result i32) (i32.atomic.rmw.add (local.get $a) (local.get $v)))
  (func (export "fetchAnd") (param $a i32) (param $v i32) (result i32) (i32.atomic.rmw.and (local.get $a) (local.get $v)))
  (func (export "fetchOr") (param $a i32) (param $v i32) (result i32) (i32.atomic.rmw.or (local.get $a) (local.get $v)))
  (func (export "fetchXor") (param $a i32) (param $v i32) (result i32) (i32.atomic.rmw.xor (local.get $a) (local.get $v)))
  (func (export "exchange") (param $a i32) (param $v i32) (result i32) (i32.atomic.rmw.xchg (local.get $a) (local.get $v)))
  (func (export "compareExchange") (param $a i32) (param $e i32) (param $v i32) (result i32)
    (i32.atomic.rmw.cmpxchg (local.get $a) (local.get $e) (local.get $v)))

  (func (export "mb") (atomic.fence))
  ;; Orders nothing in the processor; in the compiler everything. Not empty: V8 inlines an empty function (since 12), which leaves no
  ;; trace of it in the loop around it. An atomic access is not moved, nor anything past it, wherever it ends up.
  (func (export "compilerBarrier") (drop (i32.atomic.load (i32.const 0))))

  ;; Up to $budget loads while the word equals $v; the last value loaded. A wasm atomic load is an acquire.
  (func (export "spin") (param $a i32) (param $v i32) (param $budget i32) (result i32)
    (local $now i32)
    (loop $again
      (local.set $now (i32.atomic.load (local.get $a)))
      (if (i32.ne (local.get $now) (local.get $v)) (then (return (local.get $now))))
      (local.set $budget (i32.sub (local.get $budget) (i32.const 1)))
      (br_if $again (local.get $budget)))
    (local.get $now))

  ;; $timeout in nanoseconds, negative: none. 0 woken, 1 not equal, 2 timed out.
  (func (export "wait") (param $a i32) (param $v i32) (param $timeout f64) (result i32)
    (memory.atomic.wait32 (local.get $a) (local.get $v) (i64.trunc_sat_f64_s (local.get $timeout))))
  (func (export "notify") (param $a i32) (param $n i32) (result i32)
    (memory.atomic.notify (local.get $a) (local.get $n)))

  ;; Whether somebody is parked on the word. These stay free of calls, also of notify: with one, V8 sets up a frame on every call, and the store costs
  ;; half as much again. JavaScript notifies when the answer is not 0.
  (func (export "parked") (param $a i32) (result i32)
    (i32.atomic.load
      (i32.add (i32.const 4096) (i32.and (i32.xor (local.get $a) (i32.shl (local.get $a) (i32.const 4))) (i32.const 0x3fc0)))))
  (func (export "storeParked") (param $a i32) (param $v i32) (result i32)
    (i32.atomic.store (local.get $a) (local.get $v))
    (i32.atomic.load
      (i32.add (i32.const 4096) (i32.and (i32.xor (local.get $a) (i32.shl (local.get $a) (i32.const 4))) (i32.const 0x3fc0))))))
