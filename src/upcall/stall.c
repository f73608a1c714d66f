/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stall.c - an upcall when a thread keeps its LWP for long
 *
 * The monitor sees the stall (sched/stall.c), writes down who it is, and dispatches. There is one such upcall at a
 * time.
 *
 * Locks: told.lock, for a few instructions, by the monitor, and by who asks.
 */
#include <ellula/upcall.h>
#include <errno.h>
#include <pthread.h>

#include "base/compiler.h"
#include "base/guard.h"
#include "base/lock.h"
#include "sched/monitor.h"
#include "sched/stall.h"
#include "sched/vcpu.h"

static struct {
	uint32_t lock;
	ell_upcall upcall;
	ell_thread thread;
	struct ell_stall last;
} told;

static void on_stall(const struct ell_stall *stall)
{
	ell_upcall upcall;
	ell_thread thread;

	lock_acquire(&told.lock);
	told.last = *stall;
	upcall = told.upcall;
	thread = told.thread;
	lock_release(&told.lock);
	ell_upcall_dispatch(upcall, thread);
}

/* In the child after a fork: who held the lock is gone. */
static void forked(void)
{
	told.lock = 0;
}

__attribute__((constructor)) static void watch_forks(void)
{
	pthread_atfork(NULL, NULL, forked);
}

EXPORT int ell_upcall_on_stall(ell_upcall upcall, ell_thread thread, int64_t ns)
{
	int error;

	if (ns < 0)
		return EINVAL;
	if (!runtime.rt_count)
		return ENXIO;
	error = ns ? -monitor_watch() : 0;
	if (error)
		return error;
	guard_enter();
	lock_acquire(&told.lock);
	told.upcall = upcall;
	told.thread = thread;
	stall_tell(ns, on_stall);
	lock_release(&told.lock);
	guard_leave();
	/* It sleeps when all vCPUs are idle, though an LWP may be away. */
	monitor_wake();
	return 0;
}

EXPORT void ell_stall_get(struct ell_stall *stall)
{
	guard_enter();
	lock_acquire(&told.lock);
	*stall = told.last;
	lock_release(&told.lock);
	guard_leave();
}
