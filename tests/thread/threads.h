/* SPDX-License-Identifier: BSD-2-Clause */
/* threads.h - what tests of threads do again and again */
#ifndef THREAD_THREADS_H
#define THREAD_THREADS_H

#include <ellula/call.h>
#include <ellula/thread.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "harness/harness.h"
#include "mem/slot.h"

/* Sanitizers make all slower, and TSan bounds the number of threads. */
#if defined(WITH_TSAN) || defined(WITH_ASAN)
#define MANY(normal, sanitized) (sanitized)
#else
#define MANY(normal, sanitized) (normal)
#endif

static inline ell_thread start_with(const struct ell_attr *attr, void *(*fn)(void *), void *arg)
{
	ell_thread thread = 0;

	CHECK_EQ(ell_create(&thread, attr, fn, arg), 0);
	CHECK(thread != 0);
	return thread;
}

static inline ell_thread start(void *(*fn)(void *), void *arg)
{
	return start_with(NULL, fn, arg);
}

/* On vCPU number VCPU and nowhere else. */
static inline ell_thread start_on(int vcpu, void *(*fn)(void *), void *arg)
{
	struct ell_attr attr;

	ell_attr_init(&attr);
	attr.vcpu = vcpu;
	return start_with(&attr, fn, arg);
}

/* Where a guard needs a mapping, N or as many threads as vm.max_map_count leaves room for. */
static inline unsigned guards_fit(unsigned n)
{
	FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
	unsigned maps = 0;

	CHECK(file != NULL);
	CHECK_EQ(fscanf(file, "%u", &maps), 1);
	fclose(file);
	return strcmp(slot_describe(), "MADV_GUARD_INSTALL") == 0 || n < maps / 2 - 2000 ? n : maps / 2 - 2000;
}

static inline void *join(ell_thread thread)
{
	void *result;

	CHECK_EQ(ell_join(thread, &result), 0);
	return result;
}

static inline void sleep_for(int64_t ns)
{
	CHECK_EQ(ell_sleep_until(ell_after(ns)), 0);
}

/* Gives its CPU away, in both senses: to other threads, and now and then to other LWPs. */
static inline void breathe(unsigned tries)
{
	if (tries % 16 < 15)
		ell_yield();
	else
		ell_sleep_until(ell_after(20 * ELL_USEC));
}

/* The harness ends a case in which COND never comes true. */
#define WAIT_FOR(cond)                                                                                                 \
	do {                                                                                                           \
		for (unsigned tries_ = 0; !(cond); tries_++)                                                           \
			breathe(tries_);                                                                               \
	} while (0)

/* A kernel thread of the program's own. */
struct foreign {
	pthread_t pthread;
	void *(*fn)(void *);
	void *arg;
	unsigned done;
};

static void *foreign_main(void *arg)
{
	struct foreign *foreign = arg;
	void *result = foreign->fn(foreign->arg);

	store_release(&foreign->done, 1);
	return result;
}

static inline void foreign_start(struct foreign *foreign, void *(*fn)(void *), void *arg)
{
	*foreign = (struct foreign){.fn = fn, .arg = arg};
	CHECK_EQ(pthread_create(&foreign->pthread, NULL, foreign_main, foreign), 0);
}

/* pthread_join() alone would keep the vCPU from those for whom the foreign thread waits. */
static inline void foreign_join(struct foreign *foreign)
{
	WAIT_FOR(load_acquire(&foreign->done));
	CHECK_EQ(pthread_join(foreign->pthread, NULL), 0);
}

/* CPU time of the process, and of the calling kernel thread, in nanoseconds. */
static inline int64_t cpu_time(clockid_t clock)
{
	struct timespec ts;

	CHECK_EQ(clock_gettime(clock, &ts), 0);
	return ts.tv_sec * ELL_SEC + ts.tv_nsec;
}

/* Computes for NS nanoseconds, without a call that could switch threads. */
static inline void compute_for(int64_t ns)
{
	ell_time until = ell_after(ns);

	while (ell_now() < until)
		;
}

/* The next of a sequence that SEED determines, below N. */
static inline unsigned random_below(uint64_t *seed, unsigned n)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (unsigned)(*seed >> 32) % n;
}

#endif
