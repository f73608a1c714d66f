/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rwlock.c - one writer or many readers, in the order in which they came
 *
 * States of rw_state, and who moves it:
 *
 *	0			free
 *	n			n readers hold it
 *	WRITER			a writer holds it, rw_writer
 *	n | WAITERS		the same, and the queue is not empty; its head is a writer
 *	WRITER | WAITERS	the same, and the queue is not empty
 *
 *	0 -> WRITER, n -> n + 1, n -> n - 1, WRITER -> 0	anybody, by compare-and-swap
 *	x -> x | WAITERS	who is about to queue, under wq_lock, by compare-and-swap
 *	with WAITERS set	under wq_lock only
 *
 * Fair: with WAITERS set everybody queues. So a stream of readers does not starve a writer, nor one of writers a
 * reader.
 *
 * Who releases the lock hands it to the head of the queue: to one writer, or to a batch of readers, whose tickets are
 * copied under wq_lock. Each reader that was let in so looks, before it goes on, whether there is a reader at the head
 * now, and lets in the next batch. So all of them come in, and the one who began it is not needed any more. A writer
 * that gives up lets in a batch, too, for it may be what kept the readers behind it out. While that goes on the head
 * may be a reader; but not when the last reader leaves: of all who were let in, the last one has looked.
 *
 * Lifetime: as in mutex.c, unlock lets go with its last access.
 *
 * Ordering: ORD rwlock-1, the swap of who locks, pairs with ORD rwlock-2, the swap of who unlocked. A hand-off is
 * ordered by wq_lock, through which all go who release while WAITERS is set; and by unpark and commit.
 */
#include <errno.h>

#include "base/compiler.h"
#include "sync/waiters.h"

#define RW_WAITERS (UINT64_C(1) << 63)
#define RW_WRITER (UINT64_C(1) << 62)

enum { BATCH = 16 };

EXPORT void ell_rwlock_init(struct ell_rwlock *rw)
{
	*rw = (struct ell_rwlock){0};
}

EXPORT int ell_rwlock_finish(struct ell_rwlock *rw)
{
	return load_relaxed(&rw->rw_state) ? EBUSY : 0;
}

/* Only the caller itself writes its own name there, or a waker while the caller waits. */
static inline bool is_writer(const struct ell_rwlock *rw, ell_thread self)
{
	return load_relaxed(&rw->rw_writer) == self;
}

/* Locks RW if that needs no waiting. *SEEN is what the word was. */
static inline bool take_reader(struct ell_rwlock *rw, uint64_t *seen)
{
	*seen = load_relaxed(&rw->rw_state);
	while (!(*seen & (RW_WAITERS | RW_WRITER)))
		if (cas_acquire(&rw->rw_state, seen, *seen + 1)) /* ORD rwlock-1: pairs with ORD rwlock-2 */
			return true;
	return false;
}

static inline bool take_writer(struct ell_rwlock *rw, ell_thread self, uint64_t *seen)
{
	*seen = 0;
	if (!cas_acquire(&rw->rw_state, seen, RW_WRITER)) /* ORD rwlock-1: pairs with ORD rwlock-2 */
		return false;
	store_relaxed(&rw->rw_writer, self);
	return true;
}

static inline bool take(struct ell_rwlock *rw, const struct ell_waiter *wn, uint64_t *seen)
{
	return wn->wn_writer ? take_writer(rw, wn->wn_thread, seen) : take_reader(rw, seen);
}

/*
 * The word becomes STATE, and WAITERS if there are any. Locks: wq_lock held; WAITERS set, or taken away by the caller.
 */
static void set_state(struct ell_rwlock *rw, uint64_t state)
{
	/* Release, though under a lock: after WAITERS is gone others go on with swaps, and without the lock. */
	store_release(&rw->rw_state, waiters_empty(&rw->rw_waiters) ? state : state | RW_WAITERS);
}

/* The caller has the only hold: it becomes that of the writer at the head. Locks: wq_lock held; released. */
static void hand_to_writer(struct ell_rwlock *rw, struct ell_waiter *wn)
{
	park_ticket ticket;

	store_relaxed(&rw->rw_writer, wn->wn_thread);
	ticket = waiters_grant(&rw->rw_waiters, wn);
	set_state(rw, RW_WRITER);
	lock_release(&rw->rw_waiters.wq_lock);
	park_unpark(ticket);
}

/*
 * The word becomes HOLDS, and those of the readers at the head of the queue, who are let in. Locks: wq_lock held;
 * released.
 */
static void let_readers_in(struct ell_rwlock *rw, uint64_t holds)
{
	park_ticket tickets[BATCH];
	struct ell_waiter *wn;
	unsigned n = 0;

	while (n < BATCH && (wn = rw->rw_waiters.wq_first) && !wn->wn_writer)
		tickets[n++] = waiters_grant(&rw->rw_waiters, wn);
	set_state(rw, holds + n);
	lock_release(&rw->rw_waiters.wq_lock);
	for (unsigned i = 0; i < n; i++)
		park_unpark(tickets[i]);
}

static void unlock_reader(struct ell_rwlock *rw)
{
	struct ell_waiter *wn;
	uint64_t seen = load_relaxed(&rw->rw_state);

	for (;;) {
		if (!(seen & RW_WAITERS)) {
			if (cas_release(&rw->rw_state, &seen, seen - 1)) /* ORD rwlock-2: pairs with ORD rwlock-1 */
				return;
			continue;
		}
		lock_acquire(&rw->rw_waiters.wq_lock);
		seen = load_relaxed(&rw->rw_state);
		if (seen & RW_WAITERS)
			break;
		lock_release(&rw->rw_waiters.wq_lock);
	}
	wn = waiters_oldest(&rw->rw_waiters);
	if (seen == (RW_WAITERS | 1) && wn) {
		if (UNLIKELY(runtime.rt_forked) && !wn->wn_writer) {
			/* The writer for whom it waited did not come along. */
			let_readers_in(rw, 0);
			return;
		}
		ASSERT(wn->wn_writer);
		hand_to_writer(rw, wn);
		return;
	}
	set_state(rw, (seen & ~RW_WAITERS) - 1);
	lock_release(&rw->rw_waiters.wq_lock);
}

/* The caller was let in as a reader, and there may be more. */
static void let_more_in(struct ell_rwlock *rw)
{
	lock_acquire(&rw->rw_waiters.wq_lock);
	if (waiters_empty(&rw->rw_waiters))
		lock_release(&rw->rw_waiters.wq_lock);
	else
		let_readers_in(rw, load_relaxed(&rw->rw_state) & ~RW_WAITERS);
}

static void unlock_writer(struct ell_rwlock *rw)
{
	uint64_t seen;

	store_relaxed(&rw->rw_writer, 0);
	for (;;) {
		seen = RW_WRITER;
		if (LIKELY(cas_release(&rw->rw_state, &seen, 0))) /* ORD rwlock-2: pairs with ORD rwlock-1 */
			return;
		lock_acquire(&rw->rw_waiters.wq_lock);
		if (waiters_oldest(&rw->rw_waiters))
			break;
		if (UNLIKELY(runtime.rt_forked) && load_relaxed(&rw->rw_state) == (RW_WRITER | RW_WAITERS))
			set_state(rw, RW_WRITER);
		lock_release(&rw->rw_waiters.wq_lock);
	}
	if (rw->rw_waiters.wq_first->wn_writer)
		hand_to_writer(rw, rw->rw_waiters.wq_first);
	else
		let_readers_in(rw, 0);
}

static NOINLINE int lock_slow(struct ell_rwlock *rw, bool writer, ell_time until)
{
	struct ell_waiter wn = {.wn_thread = thread_self(), .wn_writer = writer};
	uint64_t seen;

	if (is_writer(rw, wn.wn_thread))
		return EDEADLK;
	lock_acquire(&rw->rw_waiters.wq_lock);
	do {
		if (take(rw, &wn, &seen)) {
			lock_release(&rw->rw_waiters.wq_lock);
			return 0;
		}
	} while (!(seen & RW_WAITERS) && !cas_acquire(&rw->rw_state, &seen, seen | RW_WAITERS));
	waiters_append(&rw->rw_waiters, &wn);
	if (waiters_wait(&rw->rw_waiters, &wn, PARK_RWLOCK, until)) {
		if (!writer && load_relaxed(&rw->rw_state) & RW_WAITERS)
			let_more_in(rw);
		return 0;
	}
	seen = load_relaxed(&rw->rw_state) & ~RW_WAITERS;
	if (seen & RW_WRITER) {
		set_state(rw, seen);
		lock_release(&rw->rw_waiters.wq_lock);
	} else {
		let_readers_in(rw, seen);
	}
	return ETIMEDOUT;
}

EXPORT int ell_rwlock_rdlock_until(struct ell_rwlock *rw, ell_time until)
{
	uint64_t seen;

	return LIKELY(take_reader(rw, &seen)) ? 0 : lock_slow(rw, false, until);
}

EXPORT int ell_rwlock_rdlock(struct ell_rwlock *rw)
{
	uint64_t seen;

	return LIKELY(take_reader(rw, &seen)) ? 0 : lock_slow(rw, false, ELL_FOREVER);
}

EXPORT int ell_rwlock_tryrdlock(struct ell_rwlock *rw)
{
	uint64_t seen;

	return take_reader(rw, &seen) ? 0 : EBUSY;
}

EXPORT int ell_rwlock_wrlock_until(struct ell_rwlock *rw, ell_time until)
{
	uint64_t seen;

	return LIKELY(take_writer(rw, thread_self(), &seen)) ? 0 : lock_slow(rw, true, until);
}

EXPORT int ell_rwlock_wrlock(struct ell_rwlock *rw)
{
	uint64_t seen;

	return LIKELY(take_writer(rw, thread_self(), &seen)) ? 0 : lock_slow(rw, true, ELL_FOREVER);
}

EXPORT int ell_rwlock_trywrlock(struct ell_rwlock *rw)
{
	uint64_t seen;

	return take_writer(rw, thread_self(), &seen) ? 0 : EBUSY;
}

EXPORT int ell_rwlock_unlock(struct ell_rwlock *rw)
{
	uint64_t seen;

	if (is_writer(rw, thread_self())) {
		unlock_writer(rw);
		return 0;
	}
	seen = load_relaxed(&rw->rw_state);
	if (seen == 0 || seen & RW_WRITER)
		return EPERM;
	unlock_reader(rw);
	return 0;
}
