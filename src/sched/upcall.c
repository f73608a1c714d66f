/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * upcall.c - an upcall interrupts a thread, or scheduler context, which must go on soon
 *
 * If the thread waited in it, that would be in the middle of what it was doing: of emptying its LWP's ring, say, which
 * nobody else can do. Scheduler context cannot wait at all.
 */
#include "base/guard.h"
#include "sched/current.h"
#include "sched/sched.h"

void sched_upcall(void (*fn)(struct ell_port *port, void *arg), struct ell_port *port, void *arg)
{
	struct lwp *lw = arch_lwp_or_null();
	struct thread *th = lw ? arch_thread() : thread_foreign();

	guard_enter();
	if (th)
		th->th_upcalls++;
	fn(port, arg);
	if (th)
		th->th_upcalls--;
	guard_leave();
}
