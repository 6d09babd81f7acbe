/* SPDX-License-Identifier: MIT */
/*
 * What the native programs have in common: how they fail, read their options, take the time and bind threads to cores.
 *
 * A program that fails says why in one sentence on stderr, after its name. Exit 2: bad arguments. Exit 4: the system refused something.
 */
#ifndef LOCKRIG_NATIVE_THREADS_H
#define LOCKRIG_NATIVE_THREADS_H

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_PINS = 256 };

/* Cores to bind threads to, in turn; none: they are left alone. */
struct Pins {
  int core[MOST_PINS], count;
};

static const char *program_name = "native";

static _Noreturn void fail(int code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  fprintf(stderr, "%s: ", program_name);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  exit(code);
}

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void sleep_until(int64_t deadline) {
  for (int64_t left; (left = deadline - now_ns()) > 0;) {
    struct timespec t = {.tv_sec = (time_t)(left / 1000000000), .tv_nsec = (long)(left % 1000000000)};
    nanosleep(&t, NULL);
  }
}

static long number(const char *option, const char *text, long least, long most) {
  char *end = NULL;
  errno = 0;
  long value = text ? strtol(text, &end, 10) : 0;
  if (!text || end == text || *end || errno || value < least || value > most)
    fail(2, "%s needs a whole number from %ld to %ld, got '%s'", option, least, most, text ? text : "nothing");
  return value;
}

static void pin_self(const struct Pins *pins, int id) {
#ifdef __linux__
  if (pins->count == 0) return;
  int core = pins->core[id % pins->count];
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((size_t)core, &set);
  int error = pthread_setaffinity_np(pthread_self(), sizeof set, &set);
  if (error) fail(2, "--pin: core %d is not one that this process may use (%s)", core, strerror(error));
#else
  (void)pins, (void)id;
#endif
}

static void read_pins(struct Pins *pins, const char *text) {
#ifdef __linux__
  char copy[4096], *rest = copy;
  cpu_set_t allowed;
  if (!text || strlen(text) >= sizeof copy) fail(2, "--pin needs a list of cores such as 0,1, got '%s'", text ? text : "nothing");
  strcpy(copy, text);
  sched_getaffinity(0, sizeof allowed, &allowed);
  for (pins->count = 0; rest; pins->count++) {
    char *core = rest;
    if ((rest = strchr(rest, ','))) *rest++ = 0;
    if (pins->count == MOST_PINS) fail(2, "--pin takes at most %d cores", MOST_PINS);
    int wanted = pins->core[pins->count] = (int)number("--pin", core, 0, CPU_SETSIZE - 1);
    if (!CPU_ISSET((size_t)wanted, &allowed)) fail(2, "--pin: core %d is not one that this process may use", wanted);
  }
#else
  (void)pins, (void)text;
  fail(2, "--pin works on Linux only; leave it out");
#endif
}

#endif
