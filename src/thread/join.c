/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * join.c - wait for the end of a thread
 *
 * th_join holds a state and, above it, how often the descriptor was used, which is in the id, too; or in the state
 * WAITED the joiner's ticket. Who moves it, always by compare-and-swap:
 *
 *	POSSIBLE -> WAITED	a joiner, before it parks
 *	WAITED -> POSSIBLE	the joiner, when its deadline has passed
 *	POSSIBLE -> DETACHED	ell_detach()
 *	POSSIBLE, WAITED -> ENDED	thread_gone(), which unparks the ticket
 *	DETACHED -> DONE	thread_gone(), which gives the descriptor back
 *	ENDED -> DONE		the joiner, who takes the result, or ell_detach(): they give the descriptor back
 *
 * So exactly one gives it back, whoever else still holds the id: their swaps meet DONE, or, when the descriptor has
 * another user, another number.
 */
#include "thread/join.h"

#include <errno.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/guard.h"
#include "sched/current.h"
#include "sched/sanitizer.h"
#include "sched/vcpu.h"
#include "thread/life.h"

static enum join_state state_of(uint64_t join)
{
	return join & ((1 << JOIN_STATE_BITS) - 1);
}

void thread_gone(struct thread *th)
{
	uint64_t old = load_relaxed(&th->th_join);
	enum join_state new;

	sanitizer_thread_end(th);
	if (th->th_leave == LEAVE_GONE)
		return;
	/* ORD join-1: pairs with ORD join-2: the joiner sees th_result. */
	do
		new = state_of(old) == JOIN_DETACHED ? JOIN_DONE : JOIN_ENDED;
	while (!cas_acq_rel(&th->th_join, &old, join_word(th->th_id, new)));
	if (new == JOIN_DONE)
		thread_give_back(th);
	else if (state_of(old) == JOIN_WAITED)
		park_unpark(old >> JOIN_STATE_BITS);
}

bool join_early(struct thread *th)
{
	uint64_t join = load_acquire(&th->th_join);

	if (state_of(join) != JOIN_WAITED || !park_unpark_here(join >> JOIN_STATE_BITS))
		return false;
	/* The joiner has not run yet; nobody else changes this any more. ORD join-1: pairs with ORD join-2. */
	store_release(&th->th_join, join_word(th->th_id, JOIN_ENDED));
	return true;
}

static int take_result(struct thread *th, ell_thread id, void **result)
{
	uint64_t ended = join_word(id, JOIN_ENDED);

	/* ORD join-2: pairs with ORD join-1 */
	if (!cas_acq_rel(&th->th_join, &ended, join_word(id, JOIN_DONE)))
		return ESRCH;
	if (result)
		*result = th->th_result;
	thread_give_back(th);
	return 0;
}

/* What TH's state means to a caller who needs another one. */
static int refusal(const struct thread *th, ell_thread id, uint64_t join)
{
	if (join == join_word(id, JOIN_DETACHED) || state_of(join) == JOIN_WAITED)
		return load_acquire(&th->th_id) == id ? EINVAL : ESRCH;
	return ESRCH;
}

/* Waits until TH has ended: 0, ETIMEDOUT, or why not. */
static int wait_for_end(struct thread *th, ell_thread id, ell_time until)
{
	const uint64_t possible = join_word(id, JOIN_POSSIBLE);
	park_ticket ticket = park_prepare();
	uint64_t mine = ticket << JOIN_STATE_BITS | JOIN_WAITED;
	uint64_t old = possible;

	if (!cas_acq_rel(&th->th_join, &old, mine)) {
		park_cancel(ticket);
		return old == join_word(id, JOIN_ENDED) ? 0 : refusal(th, id, old);
	}
	if (park_commit(ticket, PARK_JOIN, until))
		return 0;
	return cas_acq_rel(&th->th_join, &mine, possible) ? ETIMEDOUT : 0;
}

EXPORT int ell_join_until(ell_thread thread, void **result, ell_time until)
{
	struct thread *th = thread_find(thread);
	int error = 0;

	if (!th)
		return ESRCH;
	if (th == thread_current())
		return EDEADLK;
	if (load_relaxed(&th->th_kind) != THREAD_USER)
		return EINVAL;
	if (load_acquire(&th->th_join) != join_word(thread, JOIN_ENDED))
		error = wait_for_end(th, thread, until);
	return error ? error : take_result(th, thread, result);
}

EXPORT int ell_join(ell_thread thread, void **result)
{
	return ell_join_until(thread, result, ELL_FOREVER);
}

EXPORT int ell_detach(ell_thread thread)
{
	struct thread *th = thread_find(thread);
	uint64_t join = join_word(thread, JOIN_POSSIBLE);

	if (!th)
		return ESRCH;
	if (load_relaxed(&th->th_kind) != THREAD_USER)
		return EINVAL;
	if (cas_acq_rel(&th->th_join, &join, join_word(thread, JOIN_DETACHED)))
		return 0;
	return join == join_word(thread, JOIN_ENDED) ? take_result(th, thread, NULL) : refusal(th, thread, join);
}
