/* SPDX-License-Identifier: BSD-2-Clause */
/* mutex.h - what a condition variable needs of its mutex */
#ifndef SYNC_MUTEX_H
#define SYNC_MUTEX_H

#include "sync/waiters.h"

/* In mx_owner: the queue is not empty. It changes under wq_lock only. */
#define MUTEX_WAITERS (UINT64_C(1) << 63)

static inline bool mutex_is_owner(const struct ell_mutex *mx, ell_thread self)
{
	return (load_relaxed(&mx->mx_owner) & ~MUTEX_WAITERS) == self;
}

/*
 * Gives MX to THREAD if it is free: true. Else sets MUTEX_WAITERS, and the caller is to put somebody into the queue:
 * false. SELF is the caller's own name. Locks: wq_lock held.
 */
bool mutex_take_or_flag(struct ell_mutex *mx, ell_thread thread, ell_thread self);

/*
 * Makes WN, which is in no queue and patient, the next owner of MX, if SELF, the caller, owns it, and nobody waits for
 * it: true. Context: T F.
 */
static inline bool mutex_leave_to(struct ell_mutex *mx, struct ell_waiter *wn, ell_thread self)
{
	if (load_relaxed(&mx->mx_owner) != self || mx->mx_heir)
		return false;
	store_relaxed(&mx->mx_heir, wn);
	return true;
}

/*
 * Unlocks MX, which SELF owns: the ticket of the new owner, to be unparked, or 0. Nothing of MX is touched after the
 * moment from which another thread may lock it. Context: T F.
 */
park_ticket mutex_release(struct ell_mutex *mx, ell_thread self);

#endif
