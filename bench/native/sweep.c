/* SPDX-License-Identifier: MIT */
/*
 * sweep: measures one lock in one setting, as `lockrig bench locks` measures lockrig's own.
 *
 * Each thread goes round: draw one of --locks, want it, have it for a section of --section ns, give it up, stay away for --outside ns.
 * Of 1000 rounds --reads only read. A section is a loop of arithmetic that touches no memory, whose turn is measured when the program
 * begins. A write reads the protected counter before its section and writes one more after it; a read looks whether it has changed.
 *
 * Windows come in pairs, after a warm-up: one in which nobody looks at the clock, for the rate, and one in which one in --every
 * acquisitions, at random, is timed, and where it is noted who had the lock before. Threads take the cores of --pin in turn.
 *
 * Prints one line of JSON. Exit 1: the counters do not add up, or a reader saw one change: the lock let two in. Exit 2: bad arguments.
 */
#define _GNU_SOURCE
#include <inttypes.h>

#include "sweep-locks.h"
#include "threads.h"

enum { MAX_WINDOWS = 1000, MAX_SITES = 4096, STEP_BITS = 5, STEPS = 1 << STEP_BITS, BUCKETS = STEPS * (40 - STEP_BITS + 1) };

/* A thread. What others read is on the first line. */
struct Thread {
  _Alignas(2 * LINE) _Atomic uint64_t rounds;
  _Alignas(2 * LINE) struct Visitor visitor;
  uint64_t writes, torn, random, sampled, least, most, sum;
  uint32_t id, until, sink;
  uint32_t buckets[BUCKETS];
  uint64_t from[MAX_THREADS]; /* acquisitions to write, by who had it before */
};

static struct {
  const struct Kind *kind;
  int threads, windows, sites;
  uint32_t section, outside, reads, every;
  int64_t window_ns, warmup_ns, clock_ns;
  struct Pins pins;
} run = {.threads = 2, .windows = 10, .sites = 1, .every = 64, .window_ns = 20000000, .warmup_ns = 50000000};
static double turn_ns;
static uint32_t threads_seed;
static struct Site *sites;
static struct Thread *threads;
static _Atomic uint32_t ready, mode;
enum { FAST, TIMED, STOPPED };
static double rates[MAX_WINDOWS];
static uint64_t shares[MAX_THREADS];

/* One step of a linear congruential generator a turn, as in bench/locks/work.ts. */
INLINE uint32_t work(uint32_t x, uint32_t turns) {
  for (uint32_t left = turns; left > 0; left--) x = x * 1664525 + 1013904223;
  return x;
}

/* The least of many short tries each: what disturbs one makes it longer. */
static uint32_t calibrate(void) {
  enum { TURNS = 20000, TRIES = 200 };
  uint32_t x = 1;
  turn_ns = 1e9;
  run.clock_ns = INT64_MAX;
  for (int i = 0; i < TRIES; i++) {
    int64_t began = now_ns(), looked = now_ns();
    x = work(x, TURNS);
    double took = (double)(now_ns() - looked) / TURNS;
    if (took > 0 && took < turn_ns) turn_ns = took;
    if (looked - began < run.clock_ns) run.clock_ns = looked - began;
  }
  return x;
}

INLINE uint64_t draw(struct Thread *t) {
  t->random ^= t->random << 13;
  t->random ^= t->random >> 7;
  t->random ^= t->random << 17;
  return t->random >> 16;
}

/* What a look at the clock takes is taken off. */
static void record(struct Thread *t, int64_t ns) {
  uint64_t v = ns < run.clock_ns ? 0 : (uint64_t)(ns - run.clock_ns);
  uint64_t at = v;
  if (v >= STEPS) {
    uint32_t doubling = 63 - (uint32_t)__builtin_clzll(v);
    at = (doubling - STEP_BITS + 1) * STEPS + (v >> (doubling - STEP_BITS)) - STEPS;
  }
  t->buckets[at < BUCKETS ? at : BUCKETS - 1]++;
  if (t->sampled++ == 0 || v < t->least) t->least = v;
  if (v > t->most) t->most = v;
  t->sum += v;
}

/* The round loop, compiled once for each lock. */
#define LOOP(name, begin, end)                                                                  \
  static void loop_##name(struct Thread *t) {                                                   \
    struct Visitor *v = &t->visitor;                                                            \
    begin;                                                                                      \
    for (uint32_t now; (now = atomic_load_explicit(&mode, memory_order_relaxed)) != STOPPED;) { \
      struct Site *s = run.sites == 1 ? sites : &sites[draw(t) % (uint32_t)run.sites];          \
      bool reading = run.reads != 0 && draw(t) % 1000 < run.reads;                              \
      bool timed = now == TIMED && --t->until == 0;                                             \
      int64_t wanted = timed ? now_ns() : 0;                                                    \
      struct Data *d = reading ? site_##name##_read_lock(s, v) : site_##name##_lock(s, v);      \
      if (timed) {                                                                              \
        record(t, now_ns() - wanted);                                                           \
        t->until = 1 + (uint32_t)(draw(t) % (2 * run.every - 1));                               \
      }                                                                                         \
      uint32_t value = d->value;                                                                \
      t->sink = work(t->sink, run.section);                                                     \
      if (reading) {                                                                            \
        if (d->value != value) t->torn++;                                                       \
        site_##name##_read_unlock(s, v, d);                                                     \
      } else {                                                                                  \
        d->value = value + 1;                                                                   \
        if (now == TIMED) {                                                                     \
          t->from[d->last]++;                                                                   \
          d->last = t->id;                                                                      \
        }                                                                                       \
        t->writes++;                                                                            \
        site_##name##_unlock(s, v, d);                                                          \
      }                                                                                         \
      t->sink = work(t->sink, run.outside);                                                     \
      atomic_store_explicit(&t->rounds, t->rounds + 1, memory_order_relaxed);                   \
    }                                                                                           \
    end;                                                                                        \
  }
#define PLAIN(name) LOOP(name, (void)0, (void)0)
PLAIN(tas)
PLAIN(ttas)
PLAIN(ticket)
PLAIN(mcs)
PLAIN(none)
PLAIN(pthread_mutex)
PLAIN(pthread_rwlock)
#ifdef HAVE_PTHREAD_SPIN
PLAIN(pthread_spin)
#endif
#ifdef WITH_CK
#define CK(name) LOOP(name, v->ck->clh = &v->ck->own, (void)0)
CK(ck_fas)
CK(ck_ticket)
CK(ck_mcs)
CK(ck_clh)
CK(ck_rwlock)
CK(ck_pflock)
#endif
#ifdef WITH_URCU
LOOP(memb, urcu_memb_register_thread(), urcu_memb_unregister_thread())
LOOP(qsbr, urcu_qsbr_register_thread(), urcu_qsbr_unregister_thread())
#endif

static const struct Kind {
  const char *name;
  void (*init)(struct Site *s);
  void (*loop)(struct Thread *t);
  bool readers;
} kinds[] = {
#define KIND(prefix, name) {prefix #name, site_##name##_init, loop_##name, site_##name##_readers}
  KIND("", pthread_mutex), KIND("", pthread_rwlock),
#ifdef HAVE_PTHREAD_SPIN
  KIND("", pthread_spin),
#endif
  KIND("", tas), KIND("", ttas), KIND("", ticket), KIND("", mcs), KIND("", none),
#ifdef WITH_CK
  KIND("", ck_fas), KIND("", ck_ticket), KIND("", ck_mcs), KIND("", ck_clh), KIND("", ck_rwlock), KIND("", ck_pflock),
#endif
#ifdef WITH_URCU
  KIND("urcu_", memb), KIND("urcu_", qsbr),
#endif
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static void *thread_main(void *arg) {
  struct Thread *t = arg;
  pin_self(&run.pins, (int)t->id);
  atomic_fetch_add(&ready, 1);
  while (atomic_load(&ready) < (uint32_t)run.threads) sched_yield();
  run.kind->loop(t);
  return NULL;
}

static uint64_t rounds_of(int id) { return atomic_load_explicit(&threads[id].rounds, memory_order_relaxed); }

static void watch(void) {
  uint64_t before[MAX_THREADS];
  while (atomic_load(&ready) < (uint32_t)run.threads) sleep_until(now_ns() + 100000);
  sleep_until(now_ns() + run.warmup_ns);
  for (int w = 0; w < run.windows; w++) {
    uint64_t sum = 0;
    atomic_store(&mode, FAST);
    sleep_until(now_ns() + run.warmup_ns / 8);
    int64_t began = now_ns();
    for (int id = 0; id < run.threads; id++) before[id] = rounds_of(id);
    sleep_until(began + run.window_ns);
    int64_t took = now_ns() - began;
    for (int id = 0; id < run.threads; id++) {
      uint64_t done = rounds_of(id) - before[id];
      shares[id] += done;
      sum += done;
    }
    rates[w] = (double)sum * 1e9 / (double)took;
    if (run.every == 0) continue;
    atomic_store(&mode, TIMED);
    sleep_until(now_ns() + run.window_ns);
  }
  atomic_store(&mode, STOPPED);
}

static _Noreturn void list(void) {
  for (int i = 0; i < KINDS; i++)
    printf("%s{\"name\":\"%s\",\"readers\":%s}", i ? "," : "[", kinds[i].name, kinds[i].readers ? "true" : "false");
  puts("]");
  exit(0);
}

static void read_kind(const char *name) {
  run.kind = NULL;
  for (int i = 0; i < KINDS; i++)
    if (name && strcmp(name, kinds[i].name) == 0) run.kind = &kinds[i];
  if (!run.kind) fail(2, "--lock: no lock '%s' here; try one that --list prints", name ? name : "nothing");
}

static void read_arguments(int argc, char **argv) {
  long section = 0, outside = 0;
  for (int i = 1; i < argc; i += 2) {
    const char *option = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
    if (!strcmp(option, "--list")) list();
    else if (!strcmp(option, "--lock")) read_kind(value);
    else if (!strcmp(option, "--threads")) run.threads = (int)number(option, value, 1, MAX_THREADS);
    else if (!strcmp(option, "--section")) section = number(option, value, 0, 1000000000);
    else if (!strcmp(option, "--outside")) outside = number(option, value, 0, 1000000000);
    else if (!strcmp(option, "--reads")) run.reads = (uint32_t)number(option, value, 0, 1000);
    else if (!strcmp(option, "--locks")) run.sites = (int)number(option, value, 1, MAX_SITES);
    else if (!strcmp(option, "--ms")) run.window_ns = number(option, value, 1, 3600000) * 1000000;
    else if (!strcmp(option, "--warmup")) run.warmup_ns = number(option, value, 0, 3600000) * 1000000;
    else if (!strcmp(option, "--windows")) run.windows = (int)number(option, value, 1, MAX_WINDOWS);
    else if (!strcmp(option, "--every")) run.every = (uint32_t)number(option, value, 0, 1 << 30);
    else if (!strcmp(option, "--pin")) read_pins(&run.pins, value);
    else
      fail(2, "no option '%s'; there are --lock --threads --section --outside --reads --locks --ms --warmup --windows --every --pin --list", option);
  }
  if (!run.kind) fail(2, "--lock NAME is missing; --list prints the names");
  threads_seed = calibrate();
  run.section = (uint32_t)((double)section / turn_ns + 0.5);
  run.outside = (uint32_t)((double)outside / turn_ns + 0.5);
}

/* As a `Counted` of bench/locks/times.ts. */
static void print_latency(void) {
  static uint64_t all[BUCKETS];
  uint64_t samples = 0, sum = 0, least = 0, most = 0;
  for (int id = 0; id < run.threads; id++) {
    const struct Thread *t = &threads[id];
    for (int at = 0; at < BUCKETS; at++) all[at] += t->buckets[at];
    if (t->sampled && (samples == 0 || t->least < least)) least = t->least;
    if (t->most > most) most = t->most;
    samples += t->sampled;
    sum += t->sum;
  }
  printf(",\"wait\":{\"samples\":%" PRIu64 ",\"sum\":%" PRIu64 ",\"min\":%" PRIu64 ",\"max\":%" PRIu64 ",\"buckets\":[", samples, sum, least, most);
  bool first = true;
  for (int at = 0; at < BUCKETS; at++) {
    if (all[at] == 0) continue;
    printf("%s%d,%" PRIu64, first ? "" : ",", at, all[at]);
    first = false;
  }
  printf("]}");
}

int main(int argc, char **argv) {
  pthread_t handles[MAX_THREADS];
  uint64_t writes = 0, torn = 0;
  uint32_t counted = 0;

  program_name = "sweep";
  read_arguments(argc, argv);
  size_t own = ((size_t)NODES + (size_t)run.threads * LINE + 2 * LINE - 1) / (2 * LINE) * (2 * LINE);
  size_t site_bytes = sizeof(struct Site) * (size_t)run.sites, thread_bytes = sizeof(struct Thread) * (size_t)run.threads;
  sites = aligned_alloc(2 * LINE, site_bytes);
  threads = aligned_alloc(2 * LINE, thread_bytes);
  Memory *memory = aligned_alloc(2 * LINE, own * (size_t)run.sites);
  if (!sites || !threads || !memory) fail(4, "no memory for %d locks and %d threads", run.sites, run.threads);
  memset(sites, 0, site_bytes);
  memset(threads, 0, thread_bytes);
  memset(memory, 0, own * (size_t)run.sites);
  for (int i = 0; i < run.sites; i++) {
    sites[i].own = memory + own * (size_t)i;
    run.kind->init(&sites[i]);
  }
  for (int id = 0; id < run.threads; id++) {
    struct Thread *t = &threads[id];
    t->id = (uint32_t)id;
    t->random = 88172645463325252u + (uint64_t)id * 2654435761u;
    t->until = 1 + (uint32_t)id;
    t->sink = threads_seed;
    t->visitor.node = NODES + (uint32_t)id * LINE;
#ifdef WITH_CK
    t->visitor.ck = aligned_alloc(2 * LINE, sizeof(struct CkNodes));
    if (!t->visitor.ck) fail(4, "no memory for thread %d", id);
    memset(t->visitor.ck, 0, sizeof(struct CkNodes));
#endif
    int error = pthread_create(&handles[id], NULL, thread_main, t);
    if (error) fail(4, "cannot start thread %d of %d: %s", id + 1, run.threads, strerror(error));
  }
  watch();
  for (int id = 0; id < run.threads; id++) {
    pthread_join(handles[id], NULL);
    writes += threads[id].writes;
    torn += threads[id].torn;
  }
  for (int i = 0; i < run.sites; i++) {
    const struct Data *d = &sites[i].data;
#ifdef WITH_URCU
    if (sites[i].current) d = sites[i].current;
#endif
    counted += d->value;
  }
  bool ok = counted == (uint32_t)writes && torn == 0; /* counters wrap at 32 bits */
  printf("{\"lock\":\"%s\",\"turn\":%.4f,\"section\":%" PRIu32 ",\"outside\":%" PRIu32 ",\"rates\":[", run.kind->name, turn_ns, run.section, run.outside);
  for (int w = 0; w < run.windows; w++) printf("%s%.2f", w ? "," : "", rates[w]);
  printf("],\"shares\":[");
  for (int id = 0; id < run.threads; id++) printf("%s%" PRIu64, id ? "," : "", shares[id]);
  printf("],\"from\":[");
  for (int id = 0; id < run.threads; id++)
    for (int by = 0; by < run.threads; by++) printf("%s%" PRIu64, by ? "," : id ? "],[" : "[", threads[id].from[by]);
  printf("]]");
  print_latency();
  printf(",\"writes\":%" PRIu64 ",\"counted\":%" PRIu32 ",\"torn\":%" PRIu64 "}\n", writes, counted, torn);
  return ok ? 0 : 1;
}
