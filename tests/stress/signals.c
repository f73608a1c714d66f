/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * signals.c - a storm of signals against threads that read, lock, sleep and end
 *
 * A quarter comes from another process with a value, a quarter from there without one, and as many from a thread, to
 * others and to the process. None with a value is lost; after the last one without, its handler runs once more; and
 * none comes to a thread that blocks it. SIGNALS=n in the environment is their number.
 */
#include <ellula/ellula.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"
#include "harness/harness.h"
#include "thread/threads.h"

enum { THREADS = MANY(1000, 100) };

static unsigned signals = MANY(20000, 4000);
static uint64_t outside, inside, plain, misplaced, done, locked;
static int fds[2];
static struct ell_mutex mutex = ELL_MUTEX_INIT;
static ell_thread threads[THREADS];
static uint64_t blocks[THREADS]; /* ids, published before the thread begins to block */

static bool blocks_all(ell_thread thread)
{
	for (unsigned i = 0; i < THREADS; i += 4)
		if (load_relaxed(&blocks[i]) == thread)
			return true;
	return false;
}

static void on_signal(int number, siginfo_t *info, void *context)
{
	(void)context;
	if (number == SIGRTMIN)
		fetch_add_relaxed(&outside, (uint64_t)info->si_value.sival_int);
	else if (number == SIGRTMIN + 1)
		fetch_add_relaxed(&inside, (uint64_t)info->si_value.sival_int);
	else
		fetch_add_relaxed(&plain, 1);
	if (number != SIGRTMIN + 1 && blocks_all(ell_self()))
		fetch_add_relaxed(&misplaced, 1);
}

static void *read_on(void *arg)
{
	char byte;

	while (!load_acquire(&done)) {
		ssize_t n = ell_read(fds[0], &byte, 1);

		CHECK(n == 1 || (n < 0 && errno == EINTR));
		if (n == 1 && !load_acquire(&done))
			CHECK_EQ(ell_write(fds[1], &byte, 1), 1);
		ell_yield();
	}
	return arg;
}

static void *lock_on(void *arg)
{
	while (!load_acquire(&done)) {
		CHECK_EQ(ell_mutex_lock(&mutex), 0);
		locked++;
		ell_yield();
		CHECK_EQ(ell_mutex_unlock(&mutex), 0);
	}
	return arg;
}

/* With all but what is sent to it alone blocked. */
static void *sleep_on(void *arg)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigaddset(&set, SIGUSR1);
	CHECK_EQ(ell_sigmask(SIG_BLOCK, &set, NULL), 0);
	store_release((uint64_t *)arg, ell_self());
	while (!load_acquire(&done))
		ell_sleep_until(ell_after(20 * ELL_MSEC));
	return NULL;
}

static void *end(void *arg)
{
	return arg;
}

/* Threads that end, one after the other. */
static void *end_on(void *arg)
{
	while (!load_acquire(&done)) {
		join(start(end, NULL));
		ell_sleep_until(ell_after(ELL_MSEC));
	}
	return arg;
}

static void *(*const lives[])(void *) = {sleep_on, read_on, lock_on, end_on};

/* The thread sanitizer puts handlers off, and keeps one of each number: the rest it drops. */
static bool all_came(uint64_t of_outside)
{
#ifdef WITH_TSAN
	return load_acquire(&outside) <= of_outside;
#else
	return load_acquire(&outside) == of_outside;
#endif
}

/* The other process. */
static void send_from_outside(pid_t to)
{
	for (unsigned i = 0; i < signals / 4; i++) {
		while (sigqueue(to, SIGRTMIN, (union sigval){.sival_int = 1 + (int)(i % 7)}) != 0)
			sched_yield();
		if (kill(to, SIGUSR1) != 0)
			_exit(1);
	}
	_exit(0);
}

static void none_is_lost_and_none_is_misplaced(void)
{
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
	uint64_t seed = harness_seed(), to_outside = 0, to_inside = 0, before;
	pid_t self = getpid(), child;
	sigset_t set;
	int status;

	if (getenv("SIGNALS"))
		signals = (unsigned)strtoul(getenv("SIGNALS"), NULL, 10);
	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(ell_sigaction(SIGUSR1, &action, NULL), 0);
	action.sa_flags = SA_SIGINFO;
	CHECK_EQ(ell_sigaction(SIGRTMIN, &action, NULL), 0);
	CHECK_EQ(ell_sigaction(SIGRTMIN + 1, &action, NULL), 0);
	for (unsigned i = 0; i < THREADS; i++)
		threads[i] = start(lives[i % 4], &blocks[i]);
	CHECK_EQ(ell_write(fds[1], "abcdefgh", 8), 8);
	for (unsigned i = 0; i < THREADS; i += 4)
		WAIT_FOR(load_acquire(&blocks[i]) != 0);
	/* Somebody else is to have them. */
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigaddset(&set, SIGUSR1);
	CHECK_EQ(ell_sigmask(SIG_BLOCK, &set, NULL), 0);
	child = fork();
	CHECK(child >= 0);
	if (child == 0)
		send_from_outside(self);
	for (unsigned i = 0; i < signals / 4; i++) {
		int value = 1 + (int)(i % 5);

		to_outside += 1 + i % 7;
		to_inside += (unsigned)value;
		CHECK_EQ(ell_sigqueue(threads[random_below(&seed, THREADS)], SIGRTMIN + 1,
				      (union sigval){.sival_int = value}),
			 0);
		CHECK_EQ(ell_sigqueue(ELL_THREAD_ANY, SIGUSR1, (union sigval){0}), 0);
		if (i % 64 == 0)
			ell_yield();
	}
	CHECK_EQ(ell_waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	WAIT_FOR(all_came(to_outside) && load_acquire(&inside) == to_inside);
	before = load_acquire(&plain);
	CHECK_EQ(kill(self, SIGUSR1), 0);
	WAIT_FOR(load_acquire(&plain) > before);
	CHECK_EQ(misplaced, 0);
	CHECK(load_acquire(&plain) <= signals / 2 + 1);
	store_release(&done, 1);
	for (unsigned i = 0; i < THREADS; i++) {
		CHECK(write(fds[1], "z", 1) == 1);
		if (i % 64 == 0)
			ell_yield();
	}
	for (unsigned i = 0; i < THREADS; i++)
		join(threads[i]);
	CHECK(all_came(to_outside));
	CHECK_EQ(inside, to_inside);
	close(fds[0]);
	close(fds[1]);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(none_is_lost_and_none_is_misplaced, HARNESS_IN_RUN, HARNESS_SECONDS(600)),
	};

	return harness_run("signals", cases, ARRAY_SIZE(cases), argc, argv);
}
