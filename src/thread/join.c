/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * join.c - wait for the end of a thread
 *
 * States of th_join, and who moves it, always by compare-and-swap or exchange:
 *
 *	POSSIBLE -> ticket	a joiner, before it parks
 *	ticket -> POSSIBLE	the joiner, when its deadline has passed
 *	POSSIBLE -> DETACHED	ell_detach()
 *	POSSIBLE, ticket -> ENDED	thread_gone(), which unparks the ticket
 *	ENDED -> DONE		the joiner, who takes the result and gives the descriptor back
 *
 * thread_gone() of a DETACHED thread gives the descriptor back itself, and so does ell_detach() of an ENDED one. A
 * descriptor that was given back has another id, or none: a late caller finds that out before, or right after its swap.
 */
#include "thread/join.h"

#include <errno.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "sched/current.h"
#include "sched/sanitizer.h"
#include "sched/vcpu.h"
#include "thread/life.h"

static struct slot_cache *own_cache(void)
{
	struct lwp *lw = arch_lwp_or_null();

	return lw ? lw->lw_vcpu->vc_slots : NULL;
}

void thread_gone(struct thread *th)
{
	uint64_t old;

	sanitizer_thread_end(th);
	/* ORD join-1: pairs with ORD join-2: the joiner sees th_result. */
	old = xchg_acq_rel(&th->th_join, JOIN_ENDED);
	if (old == JOIN_DETACHED)
		thread_give(th, own_cache());
	else if (old != JOIN_POSSIBLE)
		park_unpark(old >> JOIN_STATE_BITS);
}

static int take_result(struct thread *th, void **result)
{
	uint64_t ended = JOIN_ENDED;

	/* ORD join-2: pairs with ORD join-1 */
	if (!cas_acq_rel(&th->th_join, &ended, JOIN_DONE))
		return ESRCH;
	if (result)
		*result = th->th_result;
	thread_give(th, own_cache());
	return 0;
}

/* Waits until TH has ended: 0, ETIMEDOUT, or EINVAL if somebody else was faster. */
static int wait_for_end(struct thread *th, ell_thread id, ell_time until)
{
	park_ticket ticket = park_prepare();
	uint64_t mine = ticket << JOIN_STATE_BITS;
	uint64_t old = JOIN_POSSIBLE;

	if (!cas_acq_rel(&th->th_join, &old, mine)) {
		park_cancel(ticket);
		return old == JOIN_ENDED ? 0 : EINVAL;
	}
	if (load_acquire(&th->th_id) != id && cas_acq_rel(&th->th_join, &mine, JOIN_POSSIBLE) && park_cancel(ticket))
		return ESRCH;
	if (park_commit(ticket, PARK_JOIN, until))
		return 0;
	return cas_acq_rel(&th->th_join, &mine, JOIN_POSSIBLE) ? ETIMEDOUT : 0;
}

EXPORT int ell_join_until(ell_thread thread, void **result, ell_time until)
{
	struct thread *th = thread_find(thread);
	uint64_t state;
	int error;

	if (!th)
		return ESRCH;
	if (th == thread_current())
		return EDEADLK;
	if (th->th_kind != THREAD_USER)
		return EINVAL;
	state = load_acquire(&th->th_join);
	if (state == JOIN_DONE)
		return ESRCH;
	if (state != JOIN_POSSIBLE && state != JOIN_ENDED)
		return EINVAL;
	error = state == JOIN_ENDED ? 0 : wait_for_end(th, thread, until);
	return error ? error : take_result(th, result);
}

EXPORT int ell_join(ell_thread thread, void **result)
{
	return ell_join_until(thread, result, ELL_FOREVER);
}

EXPORT int ell_detach(ell_thread thread)
{
	struct thread *th = thread_find(thread);
	uint64_t state = JOIN_POSSIBLE;

	if (!th)
		return ESRCH;
	if (th->th_kind != THREAD_USER)
		return EINVAL;
	if (cas_acq_rel(&th->th_join, &state, JOIN_DETACHED))
		return 0;
	if (state == JOIN_ENDED)
		return take_result(th, NULL);
	return state == JOIN_DONE ? ESRCH : EINVAL;
}
