/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * limit.c - vCPUs that rest
 *
 * Purpose: a process that may use fewer CPUs than at its start runs its threads on fewer vCPUs, and loses nothing.
 *
 * vCPUs from number rt_active on rest. One that rests keeps its LWP, its ring, its timers and its inbox, and comes to
 * its rounds for what happens there: each message that was sent is replied to. But in each round it gives away all
 * threads that are ready and may move; it takes none from others, and nobody wakes it to look for work. Threads that
 * may not move run there as before.
 *
 * rt_active is read without order. Who reads an old value gives a thread to a vCPU that rests by now, which passes it
 * on in its next round. For that it is woken after a change, as all are: those that begin to work again look for work.
 *
 * There are two limits, what the program says and what the system allows: CPUs, and the quota of the process's groups.
 * The smaller one counts. Neither makes more vCPUs than there were at the start.
 *
 * Rejected: to end the LWP. What is out in its ring would end with it, or it would have to wait for that.
 */
#include "sched/limit.h"

#include <ellula/thread.h>
#include <errno.h>
#include <sched.h>

#include "base/lock.h"
#include "sched/runq.h"
#include "sched/sched.h"
#include "sys/cpus.h"
#include "sys/sys.h"

#define LOOK_NS ELL_SEC

static struct {
	uint32_t lock;
	unsigned said;	  /* by the program; lock */
	unsigned allowed; /* by the system; lock */
	bool follow;
	ell_time next; /* look: the monitor's */
} limit;

void limit_begin(unsigned count, bool follow)
{
	limit.lock = 0;
	limit.said = limit.allowed = count ? count : 1;
	limit.follow = follow;
	store_relaxed(&runtime.rt_active, limit.said);
}

static void apply_locked(void)
{
	unsigned active = limit.said < limit.allowed ? limit.said : limit.allowed;

	if (active == load_relaxed(&runtime.rt_active))
		return;
	store_seq_cst(&runtime.rt_active, active);
	sched_wake_lwps();
}

void limit_pass_on(struct vcpu *vc)
{
	struct thread *th = vc->vc_own_next;

	/* One that was to run here, but may run elsewhere: whose place it was to take has left. */
	if (th && !th->th_vcpu) {
		vc->vc_own_next = NULL;
		sched_post(&runtime.rt_vcpus[vc->vc_passed++ % load_relaxed(&runtime.rt_active)], th);
	}
	while ((th = runq_take(vc)) != NULL)
		sched_post(&runtime.rt_vcpus[vc->vc_passed++ % load_relaxed(&runtime.rt_active)], th);
}

bool limit_follows(void)
{
	return limit.follow && runtime.rt_count > 1;
}

/* All CPUs that any LWP may use: a thread may have bound its own. */
static void find_cpus(cpu_set_t *all)
{
	CPU_ZERO(all);
	/* ORD lwps-1: pairs with ORD lwps-2 in sched/start.c */
	for (unsigned i = 0; i < load_acquire(&runtime.rt_lwp_count); i++) {
		cpu_set_t set;

		if (sys.sched_getaffinity(runtime.rt_lwps[i].lw_tid, sizeof(set), &set) == 0)
			CPU_OR(all, all, &set);
	}
}

void limit_look(ell_time now)
{
	cpu_set_t all;
	unsigned cpus;

	if (!limit_follows() || now < limit.next)
		return;
	limit.next = now + LOOK_NS;
	find_cpus(&all);
	if (CPU_COUNT(&all) == 0)
		return;
	cpus = cpus_allowed(&all);
	lock_acquire(&limit.lock);
	limit.allowed = cpus < runtime.rt_count ? cpus : runtime.rt_count;
	apply_locked();
	lock_release(&limit.lock);
}

EXPORT int ell_vcpus_limit(int count)
{
	if (!runtime.rt_count)
		return ENXIO;
	if (count < 1 || count > (int)runtime.rt_count)
		return EINVAL;
	lock_acquire(&limit.lock);
	limit.said = (unsigned)count;
	apply_locked();
	lock_release(&limit.lock);
	return 0;
}
