/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * threads.h - one source, two kinds of threads
 *
 * A program that includes this is built twice: with BENCH_NPTL it runs on pthreads, without it on Libellula. The two
 * halves say the same thing in the words of each library, and nothing else: no cache, no queue, no shortcut.
 */
#ifndef BENCH_THREADS_H
#define BENCH_THREADS_H

#include "bench.h"

#define THREADS_STACK 65536

#ifdef BENCH_NPTL

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

typedef pthread_t threads_t;
typedef pthread_mutex_t threads_mutex;
typedef pthread_cond_t threads_cond;
#define THREADS_MUTEX PTHREAD_MUTEX_INITIALIZER
#define THREADS_COND PTHREAD_COND_INITIALIZER

static pthread_attr_t threads_attr;

static inline int threads_create(threads_t *t, void *(*fn)(void *), void *arg)
{
	return pthread_create(t, &threads_attr, fn, arg);
}

#define threads_join(t) pthread_join((t), NULL)
#define threads_yield() sched_yield()
#define threads_lock(m) pthread_mutex_lock(m)
#define threads_unlock(m) pthread_mutex_unlock(m)
#define threads_wait(c, m) pthread_cond_wait((c), (m))
#define threads_signal(c) pthread_cond_signal(c)
#define threads_read(fd, buf, n) read((fd), (buf), (n))
#define threads_write(fd, buf, n) write((fd), (buf), (n))

/* The same small stack for both, so that the C library's cache of them holds the threads of every benchmark. */
static inline int threads_main(int argc, char **argv, void *(*fn)(void *))
{
	bench_options(argc, argv);
	BENCH_OK(pthread_attr_init(&threads_attr));
	BENCH_OK(pthread_attr_setstacksize(&threads_attr, THREADS_STACK));
	fn(NULL);
	return 0;
}

#else

#include <ellula/ellula.h>

typedef ell_thread threads_t;
typedef struct ell_mutex threads_mutex;
typedef struct ell_cond threads_cond;
#define THREADS_MUTEX ELL_MUTEX_INIT
#define THREADS_COND ELL_COND_INIT

static struct ell_attr threads_attr;

static inline int threads_create(threads_t *t, void *(*fn)(void *), void *arg)
{
	return ell_create(t, &threads_attr, fn, arg);
}

#define threads_join(t) ell_join((t), NULL)
#define threads_yield() ell_yield()
#define threads_lock(m) ell_mutex_lock(m)
#define threads_unlock(m) ell_mutex_unlock(m)
#define threads_wait(c, m) ell_cond_wait((c), (m))
#define threads_signal(c) ell_cond_signal(c)
#define threads_read(fd, buf, n) ell_read((fd), (buf), (n))
#define threads_write(fd, buf, n) ell_write((fd), (buf), (n))

static __thread int threads_own;

static inline void *threads_where(void *arg)
{
	(void)arg;
	return &threads_own;
}

/* The library shares storage where it cannot make private blocks: its figures must not go by the other's name. */
static inline bool threads_are_private(void)
{
	threads_t a, b;
	void *of_a, *of_b;

	BENCH_OK(threads_create(&a, threads_where, NULL));
	BENCH_OK(threads_create(&b, threads_where, NULL));
	BENCH_OK(ell_join(a, &of_a));
	BENCH_OK(ell_join(b, &of_b));
	return of_a != of_b;
}

static inline int threads_first(void *arg)
{
	void *(**fn)(void *) = arg;
	threads_t t;

	if (!bench.shared && !threads_are_private()) {
		fprintf(stderr, "no private thread-local storage here\n");
		exit(BENCH_SKIP);
	}
	BENCH_OK(threads_create(&t, *fn, NULL));
	BENCH_OK(threads_join(t));
	return 0;
}

/* FN runs in a thread of the asked kind: the first thread's kind of thread-local storage is not ours to choose. */
static inline int threads_main(int argc, char **argv, void *(*fn)(void *))
{
	bench_options(argc, argv);
	ell_attr_init(&threads_attr);
	threads_attr.stack_size = THREADS_STACK;
	threads_attr.tls = bench.shared ? ELL_TLS_SHARED : ELL_TLS_PRIVATE;
	BENCH_OK(ell_run(threads_first, &fn));
	return 0;
}

#endif
#endif
