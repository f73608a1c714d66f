/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cpu.c - how long each thread has computed
 *
 * The kernel counts for LWPs. A guest's time is that of its LWP from when the guest comes to it until another one does,
 * or until it idles: so nothing is counted but where an LWP's mask is changed for another guest anyway (masks.c), and
 * there only after somebody has asked for the first time. What was before is not known: times begin then.
 *
 * gl_runs and gl_since are the LWP's own; others read them, to see how far a guest is that runs there, and may be wrong
 * by the moment in which it is changed.
 *
 * The number of a thread is not whole in a clock's: ~number << 3, in 32 bits, and its kind. The bits that are left find
 * it again.
 */
#include "personality/cpu.h"

#include <ellula/time.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "personality/guest.h"
#include "personality/times.h"
#include "sched/lwp.h"
#include "sched/vcpu.h"

enum { OF_THREAD = 4, KINDS = 8, NUMBER_MASK = GUEST_TID_FIRST - 1 };

uint32_t cpu_asked;

static int64_t pass(const struct entry_regs *g)
{
	return RAW((long)g->rax, g->rdi, g->rsi, g->rdx, g->r10, g->r8, g->r9);
}

/* What CLOCK shows. */
static int64_t shown(clockid_t clock)
{
	struct timespec ts = {0};

	RAW(SYS_clock_gettime, clock, &ts);
	return times_ns(&ts);
}

static int64_t own(void)
{
	return shown(CLOCK_THREAD_CPUTIME_ID);
}

void cpu_runs(struct guest_lwp *gl, struct guest *gu)
{
	struct guest *before = gl->gl_runs;
	int64_t now = own();

	if (before)
		__atomic_fetch_add(&before->gu_cpu, now - gl->gl_since, __ATOMIC_RELAXED);
	store_relaxed(&gl->gl_runs, NULL);
	store_relaxed(&gl->gl_since, now);
	store_release(&gl->gl_runs, gu);
}

/* The clock of the LWP that GL is about. */
static clockid_t clock_of(const struct guest_lwp *gl)
{
	for (unsigned i = 0; i < load_acquire(&runtime.rt_lwp_count); i++) {
		if (guest_lwp_of(&runtime.rt_lwps[i]) == gl)
			return (clockid_t)(~(unsigned)runtime.rt_lwps[i].lw_tid * KINDS + (OF_THREAD | 2));
	}
	return CLOCK_THREAD_CPUTIME_ID;
}

/* Of the stretch that GU is in, if it runs. */
static int64_t stretch(const struct guest *gu)
{
	const struct guest_lwp *gl = load_relaxed(&gu->gu_lwp);
	int64_t since, now;

	if (gu == guest_self)
		return own() - guest_lwp()->gl_since;
	if (!gl || load_acquire(&gl->gl_runs) != gu)
		return 0;
	since = load_relaxed(&gl->gl_since);
	now = shown(clock_of(gl));
	return load_acquire(&gl->gl_runs) == gu && now > since ? now - since : 0;
}

static int64_t time_of(struct guest *gu)
{
	struct guest_lwp *gl = guest_lwp();

	store_relaxed(&cpu_asked, 1);
	/* Was it counted since it came here? */
	if (gl->gl_runs != guest_self)
		cpu_runs(gl, guest_self);
	return __atomic_load_n(&gu->gu_cpu, __ATOMIC_RELAXED) + stretch(gu);
}

/* Whose clock it is: NULL, none of our threads'. */
static struct guest *owner(clockid_t clock)
{
	uint32_t number = ~((uint32_t)clock / KINDS) & NUMBER_MASK;

	if (clock == CLOCK_THREAD_CPUTIME_ID)
		return guest_self;
	if ((clock >= 0 && clock < 2 * KINDS) || !((uint32_t)clock & OF_THREAD))
		return NULL;
	return number == (uint32_t)guest_main.gu_tid ? &guest_main : guest_find((int)(number | GUEST_TID_FIRST));
}

int64_t cpu_clock(struct entry_regs *g)
{
	struct guest *gu = guest_self->gu_thread ? owner((clockid_t)g->rdi) : NULL;
	struct timespec *ts = (struct timespec *)g->rsi;
	int64_t ns;

	if (!gu)
		return pass(g);
	if (g->rax == SYS_clock_getres)
		return RAW(SYS_clock_getres, CLOCK_THREAD_CPUTIME_ID, ts);
	ns = time_of(gu);
	*ts = (struct timespec){.tv_sec = ns / ELL_SEC, .tv_nsec = ns % ELL_SEC};
	return 0;
}

static int64_t ns_of(const struct timeval *tv)
{
	return tv->tv_sec * ELL_SEC + tv->tv_usec * ELL_USEC;
}

static struct timeval timeval_of(int64_t ns)
{
	return (struct timeval){.tv_sec = ns / ELL_SEC, .tv_usec = ns % ELL_SEC / ELL_USEC};
}

/* RUSAGE_THREAD: the time is the thread's, in the shares of its LWP; the rest is the LWP's. */
int64_t cpu_usage(struct entry_regs *g)
{
	struct rusage *usage = (struct rusage *)g->rsi;
	int64_t result = pass(g), system, both, ns;

	if (result || (int)g->rdi != RUSAGE_THREAD || !guest_self->gu_thread)
		return result;
	system = ns_of(&usage->ru_stime);
	both = system + ns_of(&usage->ru_utime);
	ns = time_of(guest_self);
	system = both ? (int64_t)((double)ns * (double)system / (double)both) : 0;
	usage->ru_stime = timeval_of(system);
	usage->ru_utime = timeval_of(ns - system);
	return 0;
}
