/* SPDX-License-Identifier: MIT */
/*
 * The locks of the native peers: those of lockrig in C11, beside those that the C library brings.
 *
 * Memory is one array, addressed by byte offset, 0 = NULL, 32-bit words, as in the shared memory of lockrig; a 64-byte line for each
 * word that different threads write:
 *   tas, ttas   the word: 1 = held
 *   ticket      `next` on its line, then `owner` and sixteen gates (Reed and Kanodia 1979; Dice 2011)
 *   mcs         `tail` = offset of the last node; a 64-byte node { next, locked } a thread (Mellor-Crummey and Scott 1991)
 *   none        no lock at all: the cost of the loop when alone, and the proof that the counter check can fail when not
 *
 * Waiting never sleeps: SPIN_BOUND loads, then back to the algorithm, which looks again. --pause puts the processor's pause instruction
 * into that loop (WebAssembly has none, so the default is without).
 *
 * Ordering: an acquire ends in an acquire load or a read-modify-write that reads what the last release stored. The store of a release
 * is a release store, C at its best, or with --order seqcst a sequentially consistent one, which is all that WebAssembly has.
 */
#ifndef LOCKRIG_NATIVE_LOCKS_H
#define LOCKRIG_NATIVE_LOCKS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#if defined(_POSIX_SPIN_LOCKS) && _POSIX_SPIN_LOCKS > 0
#define HAVE_PTHREAD_SPIN 1
#endif

#if defined(__x86_64__) || defined(__i386__)
#define RELAX() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define RELAX() __asm__ volatile("yield" ::: "memory")
#endif

enum { LINE = 64, MAX_THREADS = 256, SPIN_BOUND = 2000 };
enum {
  STOP = 2 * LINE, /* 0 stays NULL; two lines apart, because processors fetch lines in pairs */
  READY = 4 * LINE,
  COUNTER = 6 * LINE,
  LOCK = 8 * LINE,
  TICKET_OWNER = LOCK + LINE,
  LIBRARY = 10 * LINE, /* a pthread_mutex_t or pthread_spinlock_t */
  NODES = 12 * LINE,
  COUNTS = NODES + MAX_THREADS * LINE,
  MEMORY_SIZE = COUNTS + MAX_THREADS * LINE
};
_Static_assert(sizeof(pthread_mutex_t) <= NODES - LIBRARY, "pthread_mutex_t needs more than its two lines");

typedef unsigned char Memory;
typedef _Atomic uint32_t Word;
typedef void Rounds(Memory *m, uint32_t node, uint64_t rounds);
enum { NODE_NEXT = 0, NODE_LOCKED = 4 };

static bool relax_in_loops;

#define INLINE static inline __attribute__((always_inline))

INLINE Word *word(Memory *m, uint32_t offset) { return (Word *)(void *)(m + offset); }
INLINE uint32_t load(Memory *m, uint32_t offset) { return atomic_load_explicit(word(m, offset), memory_order_acquire); }
INLINE uint32_t load_relaxed(Memory *m, uint32_t offset) { return atomic_load_explicit(word(m, offset), memory_order_relaxed); }
INLINE void store_relaxed(Memory *m, uint32_t offset, uint32_t v) { atomic_store_explicit(word(m, offset), v, memory_order_relaxed); }
INLINE void store(Memory *m, uint32_t offset, uint32_t v, bool seqcst) {
  if (seqcst) atomic_store_explicit(word(m, offset), v, memory_order_seq_cst);
  else atomic_store_explicit(word(m, offset), v, memory_order_release);
}
INLINE void relax(void) {
#ifdef RELAX
  RELAX();
#endif
}

/* Up to SPIN_BOUND loads while the word equals v; the last value loaded. */
static uint32_t spin_while(Memory *m, uint32_t offset, uint32_t v) {
  uint32_t now = v;
  if (relax_in_loops) {
    for (int i = 0; i < SPIN_BOUND && (now = load(m, offset)) == v; i++) relax();
  } else {
    for (int i = 0; i < SPIN_BOUND && (now = load(m, offset)) == v; i++) continue;
  }
  return now;
}

INLINE void none_acquire(Memory *m, uint32_t node) { (void)m, (void)node; }
INLINE void none_release(Memory *m, uint32_t node, bool seqcst) { (void)m, (void)node, (void)seqcst; }

INLINE void tas_acquire(Memory *m, uint32_t node) {
  (void)node;
  while (atomic_exchange(word(m, LOCK), 1) != 0) {
    if (relax_in_loops) relax();
  }
}
INLINE void tas_release(Memory *m, uint32_t node, bool seqcst) {
  (void)node;
  store(m, LOCK, 0, seqcst);
}

INLINE void ttas_acquire(Memory *m, uint32_t node) {
  (void)node;
  while (atomic_exchange(word(m, LOCK), 1) != 0) {
    while (spin_while(m, LOCK, 1) == 1) continue;
  }
}
INLINE void ttas_release(Memory *m, uint32_t node, bool seqcst) {
  (void)node;
  store(m, LOCK, 0, seqcst);
}

INLINE uint32_t ticket_gate(uint32_t ticket) { return TICKET_OWNER + 4 + 4 * (ticket & 15); }
INLINE void ticket_acquire(Memory *m, uint32_t node) {
  (void)node;
  uint32_t mine = atomic_fetch_add(word(m, LOCK), 1), gate = ticket_gate(mine);
  uint32_t now = load(m, gate);
  while (now != mine) now = spin_while(m, gate, now);
}
INLINE void ticket_release(Memory *m, uint32_t node, bool seqcst) {
  (void)node;
  uint32_t following = load_relaxed(m, TICKET_OWNER) + 1; /* only the holder touches it */
  store_relaxed(m, TICKET_OWNER, following);
  store(m, ticket_gate(following), following, seqcst);
}

INLINE void mcs_acquire(Memory *m, uint32_t node) {
  store_relaxed(m, node + NODE_NEXT, 0); /* ordered by the exchange */
  uint32_t before = atomic_exchange(word(m, LOCK), node);
  if (before == 0) return;
  store_relaxed(m, node + NODE_LOCKED, 1); /* ordered by the store below: nobody knows the node earlier */
  store(m, before + NODE_NEXT, node, false);
  while (spin_while(m, node + NODE_LOCKED, 1) == 1) continue;
}
INLINE void mcs_release(Memory *m, uint32_t node, bool seqcst) {
  uint32_t next = load(m, node + NODE_NEXT);
  if (next == 0) {
    uint32_t last = node;
    if (atomic_compare_exchange_strong(word(m, LOCK), &last, 0)) return;
    while ((next = spin_while(m, node + NODE_NEXT, 0)) == 0) continue;
  }
  store(m, next + NODE_LOCKED, 0, seqcst);
}

INLINE void pthread_mutex_acquire(Memory *m, uint32_t node) {
  (void)node;
  pthread_mutex_lock((pthread_mutex_t *)(void *)(m + LIBRARY));
}
INLINE void pthread_mutex_release(Memory *m, uint32_t node, bool seqcst) {
  (void)node, (void)seqcst;
  pthread_mutex_unlock((pthread_mutex_t *)(void *)(m + LIBRARY));
}

#ifdef HAVE_PTHREAD_SPIN
INLINE void pthread_spin_acquire(Memory *m, uint32_t node) {
  (void)node;
  pthread_spin_lock((pthread_spinlock_t *)(void *)(m + LIBRARY));
}
INLINE void pthread_spin_release(Memory *m, uint32_t node, bool seqcst) {
  (void)node, (void)seqcst;
  pthread_spin_unlock((pthread_spinlock_t *)(void *)(m + LIBRARY));
}
#endif

/* The round loop, compiled once for each lock and order, so that nothing is decided inside it. */
#define ROUNDS(lock, order, seqcst)                                                 \
  static void rounds_##lock##_##order(Memory *m, uint32_t node, uint64_t rounds) { \
    for (uint64_t i = 0; i < rounds; i++) {                                         \
      lock##_acquire(m, node);                                                      \
      ++*(volatile uint32_t *)(void *)(m + COUNTER);                                \
      lock##_release(m, node, seqcst);                                              \
    }                                                                               \
  }
#define BOTH_ORDERS(lock) ROUNDS(lock, release, false) ROUNDS(lock, seqcst, true)
BOTH_ORDERS(tas)
BOTH_ORDERS(ttas)
BOTH_ORDERS(ticket)
BOTH_ORDERS(mcs)
ROUNDS(none, any, false)
ROUNDS(pthread_mutex, any, false)
#ifdef HAVE_PTHREAD_SPIN
ROUNDS(pthread_spin, any, false)
#endif

static void init_words(Memory *m) { (void)m; } /* zeroed memory is a free lock */
static void init_mutex(Memory *m) { pthread_mutex_init((pthread_mutex_t *)(void *)(m + LIBRARY), NULL); }
#ifdef HAVE_PTHREAD_SPIN
static void init_spin(Memory *m) { pthread_spin_init((pthread_spinlock_t *)(void *)(m + LIBRARY), PTHREAD_PROCESS_PRIVATE); }
#endif

static const struct Peer {
  const char *name;
  void (*init)(Memory *m);
  Rounds *release, *seqcst; /* the same where the order is not ours to choose */
} peers[] = {
  {"pthread_mutex", init_mutex, rounds_pthread_mutex_any, rounds_pthread_mutex_any},
#ifdef HAVE_PTHREAD_SPIN
  {"pthread_spin", init_spin, rounds_pthread_spin_any, rounds_pthread_spin_any},
#endif
  {"tas", init_words, rounds_tas_release, rounds_tas_seqcst},
  {"ttas", init_words, rounds_ttas_release, rounds_ttas_seqcst},
  {"ticket", init_words, rounds_ticket_release, rounds_ticket_seqcst},
  {"mcs", init_words, rounds_mcs_release, rounds_mcs_seqcst},
  {"none", init_words, rounds_none_any, rounds_none_any},
};
enum { PEERS = sizeof peers / sizeof *peers };

#endif
