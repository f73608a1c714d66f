/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * calls.c - the simulated kernel's calls for time, and for kernel threads that wait
 *
 * They take the places of the real ones in the table of system calls (sys/sys.h). What is not replaced here or in
 * files.c goes to the real kernel: memory, and what is asked once at the start.
 */
#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>

#include "arch/arch.h"
#include "base/panic.h"
#include "kport/sim/sim.h"
#include "sys/sys.h"

/* The simulated present begins here on the calendar. */
#define CALENDAR (INT64_C(1700000000) * ELL_SEC)

static struct timespec to_timespec(ell_time t)
{
	return (struct timespec){.tv_sec = t / ELL_SEC, .tv_nsec = t % ELL_SEC};
}

static ell_time to_time(const struct timespec *ts)
{
	return ts->tv_sec * ELL_SEC + ts->tv_nsec;
}

static int sim_clock_gettime(clockid_t clock, struct timespec *now)
{
	bool is_calendar = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;

	*now = to_timespec(world_now() + (is_calendar ? CALENDAR : 0));
	return 0;
}

/* One node: the simulated machine is the same everywhere. */
static int sim_getcpu(unsigned *cpu, unsigned *node)
{
	*cpu = *node = 0;
	return 0;
}

static int sim_nanosleep(const struct timespec *ts, struct timespec *left)
{
	(void)left;
	world_wait(NULL, world_now() + to_time(ts));
	return 0;
}

static int sim_sched_yield(void)
{
	world_yield();
	return 0;
}

static int sim_pause(void)
{
	world_wait(NULL, ELL_FOREVER);
	errno = EINTR;
	return -1;
}

static long sim_futex(uint32_t *word, int op, uint32_t value, const struct timespec *until, uint32_t mask)
{
	(void)mask;
	world_enter();
	if ((op & FUTEX_CMD_MASK) == FUTEX_WAKE)
		return world_wake(word, value);
	if (*word != value) {
		errno = EAGAIN;
		return -1;
	}
	if (world_fault(again)) {
		errno = EINTR;
		return -1;
	}
	if (world_wait(word, until ? to_time(until) : ELL_FOREVER))
		return 0;
	errno = ETIMEDOUT;
	return -1;
}

/* The first word of a mutex says whether it is held, and all zero is a free one. */
static int sim_mutex_lock(pthread_mutex_t *lock)
{
	int *held = (int *)(void *)lock;

	world_enter();
	while (*held)
		world_wait(lock, ELL_FOREVER);
	*held = 1;
	return 0;
}

static int sim_mutex_unlock(pthread_mutex_t *lock)
{
	world_enter();
	*(int *)(void *)lock = 0;
	world_wake(lock, 1);
	return 0;
}

static int sim_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock)
{
	/* Nobody can come in between: a wake-up is no turn. */
	sim_mutex_unlock(lock);
	world_wait(cond, ELL_FOREVER);
	return sim_mutex_lock(lock);
}

static int sim_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock, const struct timespec *until)
{
	bool woken;

	sim_mutex_unlock(lock);
	woken = world_wait(cond, to_time(until) - CALENDAR);
	sim_mutex_lock(lock);
	return woken ? 0 : ETIMEDOUT;
}

static int sim_cond_signal(pthread_cond_t *cond)
{
	world_enter();
	world_wake(cond, 1);
	return 0;
}

static int sim_cond_broadcast(pthread_cond_t *cond)
{
	world_enter();
	world_wake(cond, UINT32_MAX);
	return 0;
}

struct begin {
	void *(*main)(void *);
	void (*foreign)(void *);
	void *arg;
};

static void thread_begins(void *arg)
{
	struct begin begin = *(struct begin *)arg;

	free(arg);
	if (begin.main)
		begin.main(begin.arg);
	else
		begin.foreign(begin.arg);
}

static struct begin *begin_with(struct begin values)
{
	struct begin *begin = malloc(sizeof(*begin));

	if (!begin)
		panic("the simulator is out of memory");
	*begin = values;
	return begin;
}

static int sim_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*main_fn)(void *), void *arg)
{
	/* The C library is told to detach it, and finds room for what it knows of a thread. */
	static char nobody[8192] __attribute__((aligned(64)));
	static unsigned count;
	char name[24];

	(void)attr;
	world_enter();
	snprintf(name, sizeof(name), "lwp %u", ++count);
	world_spawn(name, ACTOR_THREAD, world_now(), thread_begins,
		    begin_with((struct begin){.main = main_fn, .arg = arg}));
	*thread = (pthread_t)(uintptr_t)nobody;
	return 0;
}

void sim_foreign(const char *name, void (*fn)(void *arg), void *arg)
{
	world_spawn(name, ACTOR_THREAD, world_now(), thread_begins,
		    begin_with((struct begin){.foreign = fn, .arg = arg}));
}

/* Kernel threads have ids like those of processes, and these change by a fork. */
enum { FIRST_ID = 100000 };

static pid_t pid = FIRST_ID;

static pid_t sim_getpid(void)
{
	return pid;
}

static pid_t sim_gettid(void)
{
	return FIRST_ID + (pid_t)world_number();
}

void calls_forked(void)
{
	pid++;
}

/* What the signal is for is in memory: there is nothing more to it than that a wait ends. */
static int sim_tgkill(pid_t process, pid_t thread, int number)
{
	(void)process;
	(void)number;
	world_enter();
	world_signal((unsigned)(thread - FIRST_ID));
	return 0;
}

/* The C library's answer would be about the one real thread. */
static int sim_getattr_np(pthread_t thread, pthread_attr_t *attr)
{
	(void)thread;
	(void)attr;
	return ENOSYS;
}

static int sim_sigmask(int how, const sigset_t *set, sigset_t *before)
{
	(void)how;
	(void)set;
	(void)before;
	return 0;
}

static int sim_sigaltstack(const stack_t *now, stack_t *before)
{
	(void)now;
	if (before)
		*before = (stack_t){0};
	return 0;
}

void calls_begin(void)
{
	sys.clock_gettime = sim_clock_gettime;
	sys.getcpu = sim_getcpu;
	sys.nanosleep = sim_nanosleep;
	sys.sched_yield = sim_sched_yield;
	sys.pause = sim_pause;
	sys.futex = sim_futex;
	sys.getpid = sim_getpid;
	sys.gettid = sim_gettid;
	sys.tgkill = sim_tgkill;
	sys.pthread_create = sim_pthread_create;
	sys.pthread_mutex_lock = sim_mutex_lock;
	sys.pthread_mutex_unlock = sim_mutex_unlock;
	sys.pthread_cond_wait = sim_cond_wait;
	sys.pthread_cond_timedwait = sim_cond_timedwait;
	sys.pthread_cond_signal = sim_cond_signal;
	sys.pthread_cond_broadcast = sim_cond_broadcast;
	sys.pthread_getattr_np = sim_getattr_np;
	sys.pthread_sigmask = sim_sigmask;
	sys.sigaltstack = sim_sigaltstack;
}
