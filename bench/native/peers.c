/* SPDX-License-Identifier: MIT */
/*
 * peers: measures the locks of locks.h the way lockrig measures its own.
 *
 * A round is acquire, increment of a plain counter word, release. --uncontended: one thread, blocks of N rounds, ns a round. Otherwise
 * all threads do batches of rounds and look at the stop word after each; a thread publishes its count at that moment, and the main
 * thread, asleep in between, reads the counts at the end of each block: acquisitions a second.
 * Even alone the rounds run in a second thread: the C library drops the atomics of a mutex while a process has only one.
 *
 * A contended run of --ms has one more block in front, for warm-up; an uncontended one warms up while it looks for N.
 * Threads take the cores of --pin in turn.
 *
 * --calls: what a direct and an indirect call of an empty function take, in ns. Where a processor mistrusts its predictions of indirect
 * branches the second is several times the first, and every call from JavaScript into WebAssembly or a built-in is one.
 *
 * Prints one line of JSON. Exit 1: the counter is not the sum of the counts, so the lock let two in. Exit 2: bad arguments.
 */
#define _GNU_SOURCE
#include <inttypes.h>

#include "locks.h"
#include "threads.h"

enum { MAX_BLOCKS = 1000 };

static struct {
  const struct Peer *peer;
  Rounds *rounds;
  int threads, blocks, batch;
  int64_t block_ns;
  struct Pins pins;
  bool uncontended;
} run = {.threads = 2, .blocks = 20, .batch = 64};
static Memory *memory;
static double results[MAX_BLOCKS];
static uint64_t per_block[MAX_BLOCKS][MAX_THREADS];

static __attribute__((noinline)) void callee(void) { __asm__ volatile(""); }
static void (*volatile indirectly)(void) = callee;

/* The least of several blocks each: a block in which somebody else had the core says nothing. */
static void calls(void) {
  enum { CALLS = 1000000, BLOCKS = 9 };
  double direct = 1e9, indirect = 1e9;
  for (int block = 0; block < BLOCKS; block++) {
    int64_t start = now_ns();
    for (int i = 0; i < CALLS; i++) callee();
    int64_t middle = now_ns();
    for (int i = 0; i < CALLS; i++) indirectly();
    int64_t end = now_ns();
    if (middle - start < direct * CALLS) direct = (double)(middle - start) / CALLS;
    if (end - middle < indirect * CALLS) indirect = (double)(end - middle) / CALLS;
  }
  printf("{\"direct\":%.2f,\"indirect\":%.2f}\n", direct, indirect);
  exit(0);
}

static _Atomic uint64_t *count_of(int id) { return (_Atomic uint64_t *)(void *)(memory + COUNTS + id * LINE); }
static void publish(int id, uint64_t count) { atomic_store_explicit(count_of(id), count, memory_order_relaxed); }

/* Doubling until a quarter of a block has passed is calibration and warm-up in one. */
static void *alone(void *arg) {
  uint32_t node = NODES;
  uint64_t total = 0, n = 64;
  int64_t took = 0;
  (void)arg;
  pin_self(&run.pins, 0);
  for (; took < run.block_ns / 4; n *= 2) {
    int64_t start = now_ns();
    run.rounds(memory, node, n);
    took = now_ns() - start;
    total += n;
  }
  n = (uint64_t)((double)(n / 2) * (double)run.block_ns / (double)(took > 0 ? took : 1)) + 1;
  for (int b = 0; b < run.blocks; b++) {
    int64_t start = now_ns();
    run.rounds(memory, node, n);
    results[b] = (double)(now_ns() - start) / (double)n;
    per_block[b][0] = n;
    total += n;
  }
  publish(0, total);
  return NULL;
}

static void *crowd(void *arg) {
  int id = (int)(intptr_t)arg;
  uint32_t node = NODES + (uint32_t)id * LINE;
  uint64_t count = 0;
  pin_self(&run.pins, id);
  atomic_fetch_add(word(memory, READY), 1);
  while (load(memory, READY) < (uint32_t)run.threads) sched_yield();
  while (load(memory, STOP) == 0) {
    run.rounds(memory, node, (uint64_t)run.batch);
    count += (uint64_t)run.batch;
    publish(id, count);
  }
  return NULL;
}

/* Block 0 is warm-up. A count may lag by the batch in progress, which the next block then has; only the sum at the end is exact. */
static void watch_crowd(void) {
  uint64_t before[MAX_THREADS] = {0};
  while (load(memory, READY) < (uint32_t)run.threads) sleep_until(now_ns() + 100000);
  int64_t start = now_ns(), last = start;
  for (int b = 0; b <= run.blocks; b++) {
    sleep_until(start + (b + 1) * run.block_ns);
    int64_t now = now_ns();
    uint64_t sum = 0;
    for (int id = 0; id < run.threads; id++) {
      uint64_t count = atomic_load_explicit(count_of(id), memory_order_relaxed), done = count - before[id];
      before[id] = count;
      sum += done;
      if (b > 0) per_block[b - 1][id] = done;
    }
    if (b > 0) results[b - 1] = (double)sum * 1e9 / (double)(now - last);
    last = now;
  }
  store(memory, STOP, 1, true);
}

static void read_lock(const char *name) {
  run.peer = NULL;
  for (int i = 0; i < PEERS; i++) {
    if (name && strcmp(name, peers[i].name) == 0) run.peer = &peers[i];
  }
  if (!run.peer) fail(2, "--lock: no lock '%s' here; try one that --list prints", name ? name : "nothing");
}

static _Noreturn void list(void) {
  for (int i = 0; i < PEERS; i++) printf("%s\"%s\"", i ? "," : "[", peers[i].name);
  puts("]");
  exit(0);
}

static const char *read_arguments(int argc, char **argv) {
  long ms = 500;
  const char *order = "release";
  for (int i = 1; i < argc; i++) {
    const char *option = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
    bool takes_value = false;
    if (!strcmp(option, "--list")) list();
    else if (!strcmp(option, "--calls")) calls();
    else if (!strcmp(option, "--uncontended")) run.uncontended = true;
    else if (!strcmp(option, "--pause")) relax_in_loops = true;
    else takes_value = true;
    if (!takes_value) continue;
    i++;
    if (!strcmp(option, "--lock")) read_lock(value);
    else if (!strcmp(option, "--threads")) run.threads = (int)number(option, value, 1, MAX_THREADS);
    else if (!strcmp(option, "--ms")) ms = number(option, value, 1, 3600000);
    else if (!strcmp(option, "--blocks")) run.blocks = (int)number(option, value, 1, MAX_BLOCKS);
    else if (!strcmp(option, "--batch")) run.batch = (int)number(option, value, 1, 1 << 20);
    else if (!strcmp(option, "--pin")) read_pins(&run.pins, value);
    else if (!strcmp(option, "--order")) order = value ? value : "nothing";
    else fail(2, "no option '%s'; there are --lock --threads --ms --blocks --batch --pin --order --pause --uncontended --list", option);
  }
  if (!run.peer) fail(2, "--lock NAME is missing; --list prints the names");
  if (strcmp(order, "release") && strcmp(order, "seqcst")) fail(2, "--order is release or seqcst, got '%s'", order);
#ifndef RELAX
  if (relax_in_loops) fail(2, "--pause: no pause instruction is known for this processor; leave it out");
#endif
  if (run.uncontended) run.threads = 1;
  run.rounds = strcmp(order, "seqcst") ? run.peer->release : run.peer->seqcst;
  run.block_ns = (int64_t)ms * 1000000 / run.blocks;
  return run.peer->release == run.peer->seqcst ? "own" : order; /* of the order, what the result says */
}

static void print_result(const char *order, uint64_t sum, uint32_t counter, bool ok) {
  printf("{\"lock\":\"%s\",\"threads\":%d,\"mode\":\"%s\",\"unit\":\"%s\",\"order\":\"%s\",\"pause\":%s,\"batch\":%d,\"pinned\":[",
         run.peer->name, run.threads, run.uncontended ? "uncontended" : "contended", run.uncontended ? "ns/op" : "acquisitions/s", order,
         relax_in_loops ? "true" : "false", run.batch);
  for (int id = 0; run.pins.count && id < run.threads; id++) printf("%s%d", id ? "," : "", run.pins.core[id % run.pins.count]);
  printf("],\"blocks\":[");
  for (int b = 0; b < run.blocks; b++) printf("%s%.4f", b ? "," : "", results[b]);
  printf("],\"perThread\":[");
  for (int id = 0; id < run.threads; id++) {
    uint64_t measured = 0;
    for (int b = 0; b < run.blocks; b++) measured += per_block[b][id];
    printf("%s%" PRIu64, id ? "," : "", measured);
  }
  printf("],\"perBlock\":[");
  for (int b = 0; b < run.blocks; b++) {
    for (int id = 0; id < run.threads; id++) printf("%s%" PRIu64, id ? "," : b ? ",[" : "[", per_block[b][id]);
    printf("]");
  }
  printf("],\"total\":%" PRIu64 ",\"counter\":%" PRIu32 ",\"counterOk\":%s}\n", sum, counter, ok ? "true" : "false");
}

int main(int argc, char **argv) {
  program_name = "peers";
  const char *order = read_arguments(argc, argv);
  pthread_t threads[MAX_THREADS];
  uint64_t sum = 0;

  memory = aligned_alloc(2 * LINE, MEMORY_SIZE);
  if (!memory) fail(4, "no memory for %d bytes", MEMORY_SIZE);
  memset(memory, 0, MEMORY_SIZE);
  run.peer->init(memory);

  for (int id = 0; id < run.threads; id++) {
    int error = pthread_create(&threads[id], NULL, run.uncontended ? alone : crowd, (void *)(intptr_t)id);
    if (error) fail(4, "cannot start thread %d of %d: %s", id + 1, run.threads, strerror(error));
  }
  if (!run.uncontended) watch_crowd();
  for (int id = 0; id < run.threads; id++) pthread_join(threads[id], NULL);

  for (int id = 0; id < run.threads; id++) sum += *count_of(id);
  uint32_t counter = load(memory, COUNTER);
  bool ok = counter == (uint32_t)sum; /* the counter wraps at 32 bits, like any word of shared memory */
  print_result(order, sum, counter, ok);
  return ok ? 0 : 1;
}
