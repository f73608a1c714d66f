/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * once.c - run a function once, and let everybody else wait for its end
 *
 *	NEW -> RUNNING	the first caller, under wq_lock
 *	RUNNING -> DONE	the same, under wq_lock, when the function has returned
 *
 * Ordering: what the function did is seen by all who see DONE (ORD once-1, the load, pairs with ORD once-2, the store).
 */
#include <errno.h>

#include "base/compiler.h"
#include "sync/waiters.h"

enum { ONCE_NEW, ONCE_RUNNING, ONCE_DONE };

static NOINLINE int once_slow(struct ell_once_control *oc, void (*fn)(void))
{
	struct ell_waiter wn = {.wn_thread = thread_self()};
	struct ell_waiter *others;

	lock_acquire(&oc->oc_waiters.wq_lock);
	if (oc->oc_state == ONCE_DONE || (oc->oc_state == ONCE_RUNNING && oc->oc_runner == wn.wn_thread)) {
		int rc = oc->oc_state == ONCE_DONE ? 0 : EDEADLK;

		lock_release(&oc->oc_waiters.wq_lock);
		return rc;
	}
	if (oc->oc_state == ONCE_RUNNING) {
		waiters_append(&oc->oc_waiters, &wn);
		waiters_wait(&oc->oc_waiters, &wn, PARK_ONCE, ELL_FOREVER);
		return 0;
	}
	store_relaxed(&oc->oc_state, ONCE_RUNNING);
	oc->oc_runner = wn.wn_thread;
	lock_release(&oc->oc_waiters.wq_lock);

	fn();

	lock_acquire(&oc->oc_waiters.wq_lock);
	store_release(&oc->oc_state, ONCE_DONE); /* ORD once-2: pairs with ORD once-1 */
	others = waiters_detach(&oc->oc_waiters);
	lock_release(&oc->oc_waiters.wq_lock);
	waiters_wake_all(others);
	return 0;
}

EXPORT int ell_once(struct ell_once_control *oc, void (*fn)(void))
{
	if (LIKELY(load_acquire(&oc->oc_state) == ONCE_DONE)) /* ORD once-1: pairs with ORD once-2 */
		return 0;
	return once_slow(oc, fn);
}
