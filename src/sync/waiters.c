/* SPDX-License-Identifier: BSD-2-Clause */
/* waiters.c - wait in a queue until granted, or until a deadline; the protocol stands in waiters.h */
#include "sync/waiters.h"

/* The check of a queue of thousands would hold its lock too long. */
enum { LOOKED_AT = 16 };

bool waiters_wait(struct ell_waiters *wq, struct ell_waiter *wn, enum park_why why, ell_time until)
{
	ASSERT_SLOW(waiters_is_valid(wq));
	lock_release(&wq->wq_lock);
	if (park_commit(wn->wn_ticket, why, until))
		return true;

	lock_acquire(&wq->wq_lock);
	if (wn->wn_granted) {
		lock_release(&wq->wq_lock);
		return true;
	}
	waiters_remove(wq, wn);
	return false;
}

struct ell_waiter *waiters_detach(struct ell_waiters *wq)
{
	struct ell_waiter *first = wq->wq_first;

	ASSERT_SLOW(waiters_is_valid(wq));
	wq->wq_first = NULL;
	wq->wq_last = NULL;
	store_relaxed(&wq->wq_count, 0u);
	return first;
}

void waiters_wake_all(struct ell_waiter *wn)
{
	while (wn) {
		struct ell_waiter *next = wn->wn_next; /* the unpark ends the life of the node */

		park_unpark(wn->wn_ticket);
		wn = next;
	}
}

void waiters_bury(struct ell_waiters *wq)
{
	struct ell_waiter *wn, *next;

	/* The stacks on which the nodes lie are there, though nobody runs on them. */
	for (wn = wq->wq_first; wn; wn = next) {
		next = wn->wn_next;
		if (!thread_find(wn->wn_thread))
			waiters_remove(wq, wn);
	}
}

bool waiters_is_valid(const struct ell_waiters *wq)
{
	const struct ell_waiter *wn, *prev = NULL;
	uint32_t n = 0;

	for (wn = wq->wq_first; wn && n < LOOKED_AT; prev = wn, wn = wn->wn_next, n++) {
		if (wn->wn_prev != prev || wn->wn_granted)
			return false;
	}
	if (wn)
		return wq->wq_count > n && !wq->wq_last->wn_next;
	return wq->wq_last == prev && wq->wq_count == n;
}
