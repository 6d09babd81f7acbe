/* SPDX-License-Identifier: MIT */
/*
 * liburcu beside lockrig's RCU: nanoseconds of a read section with one plain read in it, and grace periods a second beside a thread that
 * goes through read sections all the time, for the flavours memb and qsbr. Prints one line of JSON. Only built where liburcu's headers are.
 */
#define _LGPL_SOURCE
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <urcu/urcu-memb.h>
#include <urcu/urcu-qsbr.h>

enum { BLOCKS = 9, SECTIONS = 2000000, PERIOD_NS = 300000000 };

static volatile uint32_t counter;
static atomic_int ready, stop;

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void pin(size_t core) {
#ifdef __linux__
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
#else
  (void)core;
#endif
}

/* A flavour: its reader thread, its read section alone (the median of blocks), its grace periods. */
#define FLAVOUR(name, quiescent)                                                                \
  static void *name##_reader(void *arg) {                                                       \
    (void)arg;                                                                                  \
    pin(1);                                                                                     \
    urcu_##name##_register_thread();                                                            \
    atomic_store(&ready, 1);                                                                    \
    for (uint32_t sum = 0; !atomic_load_explicit(&stop, memory_order_relaxed); counter = sum) { \
      urcu_##name##_read_lock();                                                                \
      sum += counter;                                                                           \
      urcu_##name##_read_unlock();                                                              \
      quiescent;                                                                                \
    }                                                                                           \
    urcu_##name##_unregister_thread();                                                          \
    return NULL;                                                                                \
  }                                                                                             \
  static double name##_section(void) {                                                          \
    double blocks[BLOCKS];                                                                      \
    urcu_##name##_register_thread();                                                            \
    for (int b = 0; b < BLOCKS; b++) {                                                          \
      int64_t start = now_ns();                                                                 \
      for (int i = 0; i < SECTIONS; i++) {                                                      \
        urcu_##name##_read_lock();                                                              \
        (void)counter;                                                                          \
        urcu_##name##_read_unlock();                                                            \
      }                                                                                         \
      blocks[b] = (double)(now_ns() - start) / SECTIONS;                                        \
      quiescent;                                                                                \
    }                                                                                           \
    urcu_##name##_unregister_thread();                                                          \
    return median(blocks);                                                                      \
  }                                                                                             \
  static double name##_periods(void) {                                                          \
    pthread_t reader;                                                                           \
    int64_t start, end, count = 0;                                                              \
    atomic_store(&ready, 0);                                                                    \
    atomic_store(&stop, 0);                                                                     \
    if (pthread_create(&reader, NULL, name##_reader, NULL)) return 0;                           \
    while (!atomic_load(&ready)) sched_yield();                                                 \
    for (start = end = now_ns(); end - start < PERIOD_NS; end = now_ns(), count++)              \
      urcu_##name##_synchronize_rcu();                                                          \
    atomic_store(&stop, 1);                                                                     \
    pthread_join(reader, NULL);                                                                 \
    return (double)count * 1e9 / (double)(end - start);                                         \
  }

static double median(double *blocks) {
  for (int i = 1; i < BLOCKS; i++)
    for (int j = i; j > 0 && blocks[j] < blocks[j - 1]; j--) {
      double swap = blocks[j];
      blocks[j] = blocks[j - 1];
      blocks[j - 1] = swap;
    }
  return blocks[BLOCKS / 2];
}

FLAVOUR(memb, (void)0)
FLAVOUR(qsbr, urcu_qsbr_quiescent_state())

int main(void) {
  pin(0);
  double memb = memb_section(), qsbr = qsbr_section();
  printf("{\"memb\":{\"section\":%.2f,\"periods\":%.0f},", memb, memb_periods());
  printf("\"qsbr\":{\"section\":%.2f,\"periods\":%.0f}}\n", qsbr, qsbr_periods());
  return 0;
}
