/* SPDX-License-Identifier: BSD-2-Clause */
/* blocking.c - a thread that will block its LWP says so, and nobody waits for it */
#include <ellula/blocking.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/guard.h"
#include "base/panic.h"
#include "kport/kport.h"
#include "sched/current.h"
#include "sched/handoff.h"
#include "sched/inside.h"
#include "sched/monitor.h"
#include "sched/sched.h"

/* The vCPU goes to a spare LWP. If there is none the monitor makes one, and then takes the vCPU. */
static void give_away(const struct thread *th)
{
	struct lwp *lw;
	bool wanted = false;

	guard_enter();
	lw = arch_lwp();
	inside_enter(lw);
	if (lw->lw_vcpu && th->th_tls) {
		/* What was sent is not to wait for a kick. */
		if (lw->lw_kport->kp_ops->is_behind(lw->lw_kport))
			lw->lw_kport->kp_ops->flush(lw->lw_kport);
		wanted = !handoff_give(lw) || !handoff_has_spare();
	}
	inside_leave(lw);
	guard_leave();
	if (wanted)
		monitor_want_spare();
}

static bool has_vcpu(void)
{
	struct lwp *lw;
	bool has;

	guard_enter();
	lw = arch_lwp();
	inside_enter(lw);
	has = lw->lw_vcpu != NULL;
	inside_leave(lw);
	guard_leave();
	return has;
}

EXPORT void ell_blocking_enter(void)
{
	struct thread *th = thread_current();

	if (th->th_blocking)
		store_relaxed(&th->th_blocking, th->th_blocking + 1);
	if (th->th_blocking || th->th_kind == THREAD_FOREIGN)
		return;
	store_relaxed(&th->th_blocking, 1u);
	give_away(th);
}

EXPORT void ell_blocking_leave(void)
{
	struct thread *th = thread_current();

	if (th->th_kind == THREAD_FOREIGN)
		return;
	if (UNLIKELY(!th->th_blocking))
		panic("ell_blocking_leave: thread \"%s\" is in no such section", th->th_name);
	store_relaxed(&th->th_blocking, th->th_blocking - 1);
	if (!th->th_blocking && !has_vcpu())
		sched_yield_self();
}
