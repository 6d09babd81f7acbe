/* SPDX-License-Identifier: MIT */
/*
 * The locks that sweep.c measures: those of locks.h, those of the C library, and, where a build has them, those of Concurrency Kit
 * (-DWITH_CK) and of liburcu (-DWITH_URCU). Waiting is each lock's own.
 *
 * A lock is five functions over a site, which is one lock and what it protects:
 *   init       once, before any thread runs
 *   lock       to write; returns the data to write to
 *   unlock
 *   read_lock  to read; returns the data to read. A lock that knows no readers lets them in as writers, one at a time
 *   read_unlock
 * and two that a thread calls when it begins and when it ends.
 *
 * RCU has no lock to read: a reader has the version that is current, a writer copies it, publishes the copy and waits for a grace
 * period before it spoils the old one. A reader that still has it then sees the value change, as it would under a lock that lets a
 * writer in. Writers are kept apart by a mutex.
 */
#ifndef LOCKRIG_NATIVE_SWEEP_LOCKS_H
#define LOCKRIG_NATIVE_SWEEP_LOCKS_H

#include "locks.h"

#ifdef WITH_CK
#include <ck_pflock.h>
#include <ck_rwlock.h>
#include <ck_spinlock.h>
#endif
#ifdef WITH_URCU
#define _LGPL_SOURCE
#include <urcu/urcu-memb.h>
#include <urcu/urcu-qsbr.h>
#endif

/* What a lock protects, on a line of its own: a counter, and who had it last. */
struct Data {
  _Alignas(2 * LINE) volatile uint32_t value;
  volatile uint32_t last;
};

#ifdef WITH_CK
/* Of Concurrency Kit: what a thread brings along to locks with queues. */
struct CkNodes {
  _Alignas(2 * LINE) ck_spinlock_mcs_context_t mcs;
  ck_spinlock_clh_t *clh, own;
};
#endif

struct Site {
  struct Data data;
  _Alignas(2 * LINE) pthread_rwlock_t rwlock;
#ifdef WITH_CK
  _Alignas(2 * LINE) ck_spinlock_fas_t ck_fas;
  _Alignas(2 * LINE) ck_spinlock_ticket_t ck_ticket;
  _Alignas(2 * LINE) ck_spinlock_mcs_t ck_mcs;
  _Alignas(2 * LINE) ck_spinlock_clh_t *ck_clh;
  ck_spinlock_clh_t ck_unowned;
  _Alignas(2 * LINE) ck_rwlock_t ck_rwlock;
  _Alignas(2 * LINE) ck_pflock_t ck_pflock;
#endif
#ifdef WITH_URCU
  _Alignas(2 * LINE) struct Data *current, *spare;
  struct Data versions[2];
  _Alignas(2 * LINE) pthread_mutex_t writers;
#endif
  Memory *own; /* of the locks of locks.h */
};

/* A thread, as locks know it. */
struct Visitor {
  uint32_t node;
#ifdef WITH_CK
  struct CkNodes *ck;
#endif
};

/* A lock that only excludes: its readers are writers. */
#define READS_AS_WRITES(name)                                                                                   \
  INLINE struct Data *site_##name##_read_lock(struct Site *s, struct Visitor *v) { return site_##name##_lock(s, v); }         \
  INLINE void site_##name##_read_unlock(struct Site *s, struct Visitor *v, struct Data *d) { site_##name##_unlock(s, v, d); } \
  enum { site_##name##_readers = 0 };

#define OWN(name)                                                            \
  INLINE void site_##name##_init(struct Site *s) { (void)s; }                       \
  INLINE struct Data *site_##name##_lock(struct Site *s, struct Visitor *v) {       \
    name##_acquire(s->own, v->node);                                         \
    return &s->data;                                                         \
  }                                                                          \
  INLINE void site_##name##_unlock(struct Site *s, struct Visitor *v, struct Data *d) { \
    (void)d;                                                                 \
    name##_release(s->own, v->node, false);                                  \
  }                                                                          \
  READS_AS_WRITES(name)
OWN(tas)
OWN(ttas)
OWN(ticket)
OWN(mcs)
OWN(none)

/* A lock given by expressions of `s`. */
#define SIMPLE(name, initialise, acquire, release)                                     \
  INLINE void site_##name##_init(struct Site *s) { initialise; }                              \
  INLINE struct Data *site_##name##_lock(struct Site *s, struct Visitor *v) {                 \
    (void)v;                                                                           \
    acquire;                                                                           \
    return &s->data;                                                                   \
  }                                                                                    \
  INLINE void site_##name##_unlock(struct Site *s, struct Visitor *v, struct Data *d) {       \
    (void)s, (void)v, (void)d;                                                         \
    release;                                                                           \
  }
#define READERS(name, acquire, release)                                                \
  INLINE struct Data *site_##name##_read_lock(struct Site *s, struct Visitor *v) {            \
    (void)v;                                                                           \
    acquire;                                                                           \
    return &s->data;                                                                   \
  }                                                                                    \
  INLINE void site_##name##_read_unlock(struct Site *s, struct Visitor *v, struct Data *d) {  \
    (void)v, (void)d;                                                                  \
    release;                                                                           \
  }                                                                                    \
  enum { site_##name##_readers = 1 };

#define MUTEX ((pthread_mutex_t *)(void *)(s->own + LIBRARY))
SIMPLE(pthread_mutex, pthread_mutex_init(MUTEX, NULL), pthread_mutex_lock(MUTEX), pthread_mutex_unlock(MUTEX))
READS_AS_WRITES(pthread_mutex)
SIMPLE(pthread_rwlock, pthread_rwlock_init(&s->rwlock, NULL), pthread_rwlock_wrlock(&s->rwlock), pthread_rwlock_unlock(&s->rwlock))
READERS(pthread_rwlock, pthread_rwlock_rdlock(&s->rwlock), pthread_rwlock_unlock(&s->rwlock))
#ifdef HAVE_PTHREAD_SPIN
#define SPIN ((pthread_spinlock_t *)(void *)(s->own + LIBRARY))
SIMPLE(pthread_spin, pthread_spin_init(SPIN, PTHREAD_PROCESS_PRIVATE), pthread_spin_lock(SPIN), pthread_spin_unlock(SPIN))
READS_AS_WRITES(pthread_spin)
#endif

#ifdef WITH_CK
SIMPLE(ck_fas, ck_spinlock_fas_init(&s->ck_fas), ck_spinlock_fas_lock(&s->ck_fas), ck_spinlock_fas_unlock(&s->ck_fas))
READS_AS_WRITES(ck_fas)
SIMPLE(ck_ticket, ck_spinlock_ticket_init(&s->ck_ticket), ck_spinlock_ticket_lock(&s->ck_ticket), ck_spinlock_ticket_unlock(&s->ck_ticket))
READS_AS_WRITES(ck_ticket)
SIMPLE(ck_mcs, ck_spinlock_mcs_init(&s->ck_mcs), ck_spinlock_mcs_lock(&s->ck_mcs, &v->ck->mcs), ck_spinlock_mcs_unlock(&s->ck_mcs, &v->ck->mcs))
READS_AS_WRITES(ck_mcs)
SIMPLE(ck_clh, ck_spinlock_clh_init(&s->ck_clh, &s->ck_unowned), ck_spinlock_clh_lock(&s->ck_clh, v->ck->clh), ck_spinlock_clh_unlock(&v->ck->clh))
READS_AS_WRITES(ck_clh)
SIMPLE(ck_rwlock, ck_rwlock_init(&s->ck_rwlock), ck_rwlock_write_lock(&s->ck_rwlock), ck_rwlock_write_unlock(&s->ck_rwlock))
READERS(ck_rwlock, ck_rwlock_read_lock(&s->ck_rwlock), ck_rwlock_read_unlock(&s->ck_rwlock))
SIMPLE(ck_pflock, ck_pflock_init(&s->ck_pflock), ck_pflock_write_lock(&s->ck_pflock), ck_pflock_write_unlock(&s->ck_pflock))
READERS(ck_pflock, ck_pflock_read_lock(&s->ck_pflock), ck_pflock_read_unlock(&s->ck_pflock))
#endif

#ifdef WITH_URCU
/* A thread that waits for other writers goes through no read section, and says so: they may be waiting for it. */
#define URCU(name, flavour, leave, back, quiescent)                              \
  INLINE void site_##name##_init(struct Site *s) {                                      \
    s->current = &s->versions[0];                                                \
    s->spare = &s->versions[1];                                                  \
    pthread_mutex_init(&s->writers, NULL);                                       \
  }                                                                              \
  INLINE struct Data *site_##name##_lock(struct Site *s, struct Visitor *v) {           \
    (void)v;                                                                     \
    leave;                                                                       \
    pthread_mutex_lock(&s->writers);                                             \
    struct Data *next = s->spare, *now = s->current;                             \
    next->value = now->value;                                                    \
    next->last = now->last;                                                      \
    return next;                                                                 \
  }                                                                              \
  INLINE void site_##name##_unlock(struct Site *s, struct Visitor *v, struct Data *d) { \
    struct Data *last = s->current;                                              \
    (void)v;                                                                     \
    rcu_assign_pointer(s->current, d);                                           \
    flavour##_synchronize_rcu();                                                 \
    last->value = ~last->value;                                                  \
    s->spare = last;                                                             \
    pthread_mutex_unlock(&s->writers);                                           \
    back;                                                                        \
  }                                                                              \
  INLINE struct Data *site_##name##_read_lock(struct Site *s, struct Visitor *v) {      \
    (void)v;                                                                     \
    flavour##_read_lock();                                                       \
    return rcu_dereference(s->current);                                          \
  }                                                                              \
  INLINE void site_##name##_read_unlock(struct Site *s, struct Visitor *v, struct Data *d) { \
    (void)s, (void)v, (void)d;                                                   \
    flavour##_read_unlock();                                                     \
    quiescent;                                                                   \
  }                                                                              \
  enum { site_##name##_readers = 1 };
URCU(memb, urcu_memb, (void)0, (void)0, (void)0)
URCU(qsbr, urcu_qsbr, urcu_qsbr_thread_offline(), urcu_qsbr_thread_online(), urcu_qsbr_quiescent_state())
#endif

#endif
