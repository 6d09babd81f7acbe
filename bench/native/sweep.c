/* SPDX-License-Identifier: MIT */
/*
 * sweep: measures one lock in one setting, as `lockrig bench locks` measures lockrig's own.
 *
 * Each thread goes round: draw one of --locks, want it, have it for a section of --section ns, give it up, stay away for --outside ns.
 * Of 1000 rounds --reads only read. A section is a loop of arithmetic without memory accesses, whose length is measured when the program
 * begins; a write counts before and after it and looks whether somebody came in between, a read looks whether both counts agree. One in --every acquisitions, at random, is timed.
 *
 * The main thread sleeps and reads the threads' counts at the end of each block; a block of warm-up comes first. Threads take the cores
 * of --pin in turn.
 *
 * Prints one line of JSON. Exit 1: the counts do not add up, or a section saw that another one wrote: the lock let two in. Exit 2: bad arguments.
 */
#define _GNU_SOURCE
#include <inttypes.h>

#include "sweep-locks.h"
#include "threads.h"

enum { MAX_BLOCKS = 1000, MAX_SITES = 4096, BUCKETS = 1024, HALF = 16 };

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
  int threads, blocks, sites;
  uint32_t section, outside, reads, every;
  int64_t block_ns, warmup_ns;
  struct Pins pins;
} run = {.threads = 2, .blocks = 10, .sites = 1, .every = 64, .block_ns = 20000000, .warmup_ns = 50000000};
static double loop_ns;
static struct Site *sites;
static struct Thread *threads;
static _Atomic uint32_t ready, stop;
static double rates[MAX_BLOCKS];
static uint64_t per_block[MAX_BLOCKS][MAX_THREADS];

/* A loop that ends in something which depends on every turn of it; lockrig's sections are the same. */
INLINE uint32_t spin(uint32_t loops, uint32_t value) {
  for (uint32_t left = loops; left > 0; left--) value = value * 1664525 + 1013904223;
  return value;
}

/* The least of many short tries: what disturbs one makes it longer. */
static double measure_loop(void) {
  enum { LOOPS = 20000, TRIES = 200 };
  double least = 1e9;
  uint32_t value = 1;
  for (int i = 0; i < TRIES; i++) {
    int64_t began = now_ns();
    value = spin(LOOPS, value);
    double took = (double)(now_ns() - began) / LOOPS;
    if (took > 0 && took < least) least = took;
  }
  return value == 0 ? least + 1e-12 : least;
}

INLINE uint64_t draw(struct Thread *t) {
  t->random ^= t->random << 13;
  t->random ^= t->random >> 7;
  t->random ^= t->random << 17;
  return t->random >> 16;
}

static void record(struct Thread *t, int64_t ns) {
  uint64_t v = ns < 0 ? 0 : (uint64_t)ns;
  uint32_t at = (uint32_t)v;
  if (v >= HALF) {
    uint32_t e = 63 - (uint32_t)__builtin_clzll(v);
    at = (e - 3) * HALF + (uint32_t)((v >> (e - 4)) & (HALF - 1));
  }
  t->buckets[at < BUCKETS ? at : BUCKETS - 1]++;
  if (t->sampled++ == 0 || v < t->least) t->least = v;
  if (v > t->most) t->most = v;
  t->sum += v;
}
static uint64_t bucket_from(uint32_t at) {
  return at < HALF ? at : (uint64_t)(HALF + at % HALF) << (at / HALF - 1);
}

/* The round loop, compiled once for each lock. */
#define LOOP(name, begin, end)                                                    \
  static void loop_##name(struct Thread *t) {                                     \
    struct Visitor *v = &t->visitor;                                              \
    begin;                                                                        \
    while (atomic_load_explicit(&stop, memory_order_relaxed) == 0) {              \
      struct Site *s = run.sites == 1 ? sites : &sites[draw(t) % (uint32_t)run.sites]; \
      bool reading = run.reads != 0 && draw(t) % 1000 < run.reads;                \
      bool timed = run.every != 0 && --t->until == 0;                             \
      int64_t wanted = timed ? now_ns() : 0;                                      \
      struct Data *d = reading ? site_##name##_read_lock(s, v) : site_##name##_lock(s, v);      \
      if (timed) {                                                                \
        record(t, now_ns() - wanted);                                             \
        t->until = 1 + (uint32_t)(draw(t) % (2 * run.every - 1));                 \
      }                                                                           \
      if (reading) {                                                              \
        uint32_t first = d->first;                                                \
        t->sink = spin(run.section, t->sink + first);                             \
        if (d->second != first) t->torn++;                                        \
        site_##name##_read_unlock(s, v, d);                                              \
      } else {                                                                    \
        uint32_t count = d->first + 1;                                            \
        d->first = count;                                                         \
        t->from[d->owner]++;                                                      \
        d->owner = t->id;                                                         \
        t->sink = spin(run.section, t->sink);                                     \
        if (d->first != count) t->torn++;                                         \
        d->second = count;                                                        \
        t->writes++;                                                              \
        site_##name##_unlock(s, v, d);                                                   \
      }                                                                           \
      t->sink = spin(run.outside, t->sink);                                       \
      atomic_store_explicit(&t->rounds, t->rounds + 1, memory_order_relaxed);     \
    }                                                                             \
    end;                                                                          \
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

static void watch(void) {
  uint64_t before[MAX_THREADS] = {0};
  while (atomic_load(&ready) < (uint32_t)run.threads) sleep_until(now_ns() + 100000);
  int64_t start = now_ns() + run.warmup_ns, last = start;
  for (int b = -1; b < run.blocks; b++) {
    sleep_until(start + (b + 1) * run.block_ns);
    int64_t now = now_ns();
    uint64_t sum = 0;
    for (int id = 0; id < run.threads; id++) {
      uint64_t count = atomic_load_explicit(&threads[id].rounds, memory_order_relaxed), done = count - before[id];
      before[id] = count;
      sum += done;
      if (b >= 0) per_block[b][id] = done;
    }
    if (b >= 0) rates[b] = (double)sum * 1e9 / (double)(now - last);
    last = now;
  }
  atomic_store(&stop, 1);
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
  long section = 0, outside = 0, window = 200;
  for (int i = 1; i < argc; i += 2) {
    const char *option = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
    if (!strcmp(option, "--list")) list();
    else if (!strcmp(option, "--lock")) read_kind(value);
    else if (!strcmp(option, "--threads")) run.threads = (int)number(option, value, 1, MAX_THREADS);
    else if (!strcmp(option, "--section")) section = number(option, value, 0, 1000000000);
    else if (!strcmp(option, "--outside")) outside = number(option, value, 0, 1000000000);
    else if (!strcmp(option, "--reads")) run.reads = (uint32_t)number(option, value, 0, 1000);
    else if (!strcmp(option, "--locks")) run.sites = (int)number(option, value, 1, MAX_SITES);
    else if (!strcmp(option, "--ms")) window = number(option, value, 1, 3600000);
    else if (!strcmp(option, "--warmup")) run.warmup_ns = number(option, value, 0, 3600000) * 1000000;
    else if (!strcmp(option, "--blocks")) run.blocks = (int)number(option, value, 1, MAX_BLOCKS);
    else if (!strcmp(option, "--every")) run.every = (uint32_t)number(option, value, 0, 1 << 30);
    else if (!strcmp(option, "--pin")) read_pins(&run.pins, value);
    else
      fail(2, "no option '%s'; there are --lock --threads --section --outside --reads --locks --ms --warmup --blocks --every --pin --list", option);
  }
  if (!run.kind) fail(2, "--lock NAME is missing; --list prints the names");
  loop_ns = measure_loop();
  run.section = (uint32_t)((double)section / loop_ns + 0.5);
  run.outside = (uint32_t)((double)outside / loop_ns + 0.5);
  run.block_ns = (int64_t)window * 1000000 / run.blocks;
}

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
  printf(",\"latency\":{\"samples\":%" PRIu64 ",\"every\":%" PRIu32 ",\"min\":%" PRIu64 ",\"max\":%" PRIu64 ",\"sum\":%" PRIu64 ",\"buckets\":[",
         samples, run.every, least, most, sum);
  bool first = true;
  for (uint32_t at = 0; at < BUCKETS; at++) {
    if (all[at] == 0) continue;
    printf("%s[%" PRIu64 ",%" PRIu64 ",%" PRIu64 "]", first ? "" : ",", bucket_from(at), bucket_from(at + 1), all[at]);
    first = false;
  }
  printf("]}");
}

static void print_threads(const char *name, bool by_block) {
  printf(",\"%s\":[", name);
  for (int a = 0; a < (by_block ? run.blocks : run.threads); a++) {
    for (int b = 0; b < run.threads; b++)
      printf("%s%" PRIu64, b ? "," : a ? ",[" : "[", by_block ? per_block[a][b] : threads[a].from[b]);
    printf("]");
  }
  printf("]");
}

int main(int argc, char **argv) {
  pthread_t handles[MAX_THREADS];
  uint64_t writes = 0, torn = 0, rounds = 0;
  uint32_t first = 0, second = 0;

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
    rounds += threads[id].rounds;
  }
  for (int i = 0; i < run.sites; i++) {
    const struct Data *d = &sites[i].data;
#ifdef WITH_URCU
    if (sites[i].current) d = sites[i].current;
#endif
    first += d->first;
    second += d->second;
  }
  bool ok = first == (uint32_t)writes && second == (uint32_t)writes && torn == 0; /* counts wrap at 32 bits */
  printf("{\"lock\":\"%s\",\"threads\":%d,\"loopNs\":%.4f,\"section\":%" PRIu32 ",\"outside\":%" PRIu32 ",\"rates\":[", run.kind->name, run.threads, loop_ns,
         run.section, run.outside);
  for (int b = 0; b < run.blocks; b++) printf("%s%.2f", b ? "," : "", rates[b]);
  printf("]");
  print_threads("perBlock", true);
  print_threads("from", false);
  print_latency();
  printf(",\"rounds\":%" PRIu64 ",\"writes\":%" PRIu64 ",\"first\":%" PRIu32 ",\"second\":%" PRIu32 ",\"torn\":%" PRIu64 ",\"ok\":%s}\n", rounds, writes, first,
         second, torn, ok ? "true" : "false");
  return ok ? 0 : 1;
}
