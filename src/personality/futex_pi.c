/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * futex_pi.c - futexes that inherit priority, for threads that have none
 *
 * User threads have no priorities, so nothing is inherited; the rest is as in the kernel. The word of a lock is 0, or
 * the number of its owner, with FUTEX_WAITERS if somebody waits. The C library takes and releases it by itself while
 * nobody waits; who waits, and who releases then, comes here:
 *
 *	who waits, with the lock of the bucket		who releases, with it
 *	1. sets FUTEX_WAITERS, if there is an owner	1. makes the first who waits the owner, in the word
 *	2. a node; parks				2. unparks it
 *
 * With FUTEX_WAITERS set nobody changes the word without the lock, so a lock goes from owner to owner, in the order of
 * coming. A signal does not end the wait, as in the kernel.
 *
 * A condition's waiters wait for another word, until they are moved to the lock's, where they wait like everybody else:
 * FUTEX_WAIT_REQUEUE_PI and FUTEX_CMP_REQUEUE_PI, which C libraries used for theirs before 2017.
 *
 * An owner may end without a word. Who waits then becomes the owner, and finds FUTEX_OWNER_DIED in the word; who comes
 * later is told ESRCH, but if the lock was robust, whose word is nobody's then (robust.c):
 *
 *	who waits				the owner
 *	1. counts itself			1. is found by its number no more
 *	2. is the owner found? (ORD futex-6)	2. does anybody wait? (ORD futex-7)
 *	   Then a node; parks			   Then looks for its locks
 */
#include <errno.h>
#include <linux/futex.h>
#include <string.h>
#include <time.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/list.h"
#include "base/lock.h"
#include "personality/futex.h"
#include "personality/guest.h"
#include "personality/stats.h"
#include "personality/times.h"

enum { BUCKETS = 64 };

struct waiter {
	struct waiter *next;
	uint32_t *word; /* changes with the bucket, under the locks of both */
	uint32_t *then; /* the lock that it is to be moved to; NULL: it waits for a lock */
	uint32_t tid;
	park_ticket ticket;
	bool owns;
};

static struct bucket {
	uint32_t lock;
	struct waiter *first;
} CACHE_ALIGNED buckets[BUCKETS];

/* Those who wait, or are about to. */
static uint32_t waiting;

static struct bucket *bucket_of(const uint32_t *word)
{
	return &buckets[(uintptr_t)word * UINT64_C(0x9e3779b97f4a7c15) >> 58];
}

static struct waiter *first_locked(struct bucket *b, const uint32_t *word)
{
	struct waiter *w = b->first;

	while (w && (w->word != word || w->then))
		w = w->next;
	return w;
}

static void append_locked(struct bucket *b, struct waiter *w)
{
	struct waiter **at = &b->first;

	while (*at)
		at = &(*at)->next;
	w->next = NULL;
	*at = w;
}

static void remove_locked(struct bucket *b, const struct waiter *w)
{
	struct waiter **at = &b->first;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
}

/* The caller, TID, becomes the owner: 0; -EDEADLK, it is; -EAGAIN, somebody else is, and FUTEX_WAITERS is set. */
static int64_t take_once_locked(uint32_t *word, uint32_t tid)
{
	uint32_t old = load_seq_cst(word);

	for (;;) {
		uint32_t owner = old & FUTEX_TID_MASK;

		if (owner == tid)
			return -EDEADLK;
		if (owner && (old & FUTEX_WAITERS))
			return -EAGAIN;
		if (cas_seq_cst(word, &old, owner ? old | FUTEX_WAITERS : old | tid))
			return owner ? -EAGAIN : 0;
	}
}

/* The same, and -ESRCH: the owner has ended. */
static int64_t take_locked(uint32_t *word, uint32_t tid)
{
	int64_t result = take_once_locked(word, tid);

	/* ORD futex-6: pairs with ORD futex-7 */
	fence_seq_cst();
	if (result != -EAGAIN || guest_find((int)(load_seq_cst(word) & FUTEX_TID_MASK)))
		return result;
	/* It has gone through its robust locks before. */
	result = take_once_locked(word, tid);
	return result == -EAGAIN ? -ESRCH : result;
}

/* W becomes the owner. */
static void hand_over_locked(struct bucket *b, struct waiter *w, uint32_t more)
{
	uint32_t *word = w->word;

	remove_locked(b, w);
	store_seq_cst(word, w->tid | more | (first_locked(b, word) ? FUTEX_WAITERS : 0));
	w->owns = true;
	park_unpark(w->ticket);
}

/* The bucket that W is in, and its lock. */
static struct bucket *find_and_lock(const struct waiter *w)
{
	for (;;) {
		struct bucket *b = bucket_of(load_relaxed(&w->word));

		lock_acquire(&b->lock);
		if (LIKELY(bucket_of(load_relaxed(&w->word)) == b))
			return b;
		lock_release(&b->lock);
	}
}

/* Too late: 0, it has become the owner meanwhile. */
static int64_t give_up(struct waiter *w)
{
	struct bucket *b = find_and_lock(w);
	bool owns = w->owns;

	if (!owns) {
		remove_locked(b, w);
		if (!w->then && !first_locked(b, w->word))
			fetch_and_seq_cst(w->word, ~FUTEX_WAITERS);
	}
	lock_release(&b->lock);
	return owns ? 0 : -ETIMEDOUT;
}

static int64_t lock_until(uint32_t *word, ell_time until)
{
	struct waiter w = {.word = word, .tid = (uint32_t)guest_self->gu_tid, .ticket = park_prepare()};
	struct bucket *b = bucket_of(word);
	int64_t result;

	__atomic_add_fetch(&waiting, 1, __ATOMIC_SEQ_CST);
	lock_acquire(&b->lock);
	result = take_locked(word, w.tid);
	if (result == -EAGAIN)
		append_locked(b, &w);
	lock_release(&b->lock);
	if (result != -EAGAIN)
		park_cancel(w.ticket);
	else
		result = park_commit(w.ticket, PARK_FUTEX, until) ? 0 : give_up(&w);
	__atomic_sub_fetch(&waiting, 1, __ATOMIC_SEQ_CST);
	return result;
}

/* If WORD is VALUE: until somebody moves the caller to THEN, and it has become the owner of that. */
static int64_t wait_to_be_moved(uint32_t *word, uint32_t value, uint32_t *then, ell_time until)
{
	struct waiter w = {.word = word, .then = then, .tid = (uint32_t)guest_self->gu_tid, .ticket = park_prepare()};
	struct bucket *b = bucket_of(word);
	int64_t result;
	bool as_expected;

	__atomic_add_fetch(&waiting, 1, __ATOMIC_SEQ_CST);
	lock_acquire(&b->lock);
	as_expected = load_seq_cst(word) == value;
	if (as_expected)
		append_locked(b, &w);
	lock_release(&b->lock);
	if (!as_expected)
		park_cancel(w.ticket);
	result = !as_expected ? -EAGAIN : park_commit(w.ticket, PARK_FUTEX, until) ? 0 : give_up(&w);
	__atomic_sub_fetch(&waiting, 1, __ATOMIC_SEQ_CST);
	return result;
}

/* W, which waits in A, becomes the owner of its lock, or goes on waiting for that, in B. */
static int64_t move_locked(struct bucket *a, struct bucket *b, struct waiter *w)
{
	int64_t result = take_locked(w->then, w->tid);

	if (result && result != -EAGAIN)
		return result;
	remove_locked(a, w);
	store_relaxed(&w->word, w->then);
	w->then = NULL;
	if (result) {
		append_locked(b, w);
	} else {
		w->owns = true;
		park_unpark(w->ticket);
	}
	return 0;
}

/* Up to MOST of those who wait for WORD, if that is VALUE: how many. */
static int64_t move(uint32_t *word, uint32_t value, uint32_t *then, uint64_t most)
{
	struct bucket *a = bucket_of(word), *b = bucket_of(then);
	int64_t n = 0, refused = 0;

	/* Two at once: the one with the lower address first. */
	lock_acquire(a < b ? &a->lock : &b->lock);
	if (a != b)
		lock_acquire(a < b ? &b->lock : &a->lock);
	if (load_seq_cst(word) != value)
		refused = -EAGAIN;
	for (struct waiter *w = a->first, *next; w && !refused && (uint64_t)n < most; w = next) {
		next = w->next;
		if (w->word != word || !w->then)
			continue;
		refused = w->then == then ? move_locked(a, b, w) : -EINVAL;
		n += !refused;
	}
	lock_release(&a->lock);
	if (a != b)
		lock_release(&b->lock);
	return n ? n : refused;
}

static int64_t try_lock(uint32_t *word)
{
	struct bucket *b = bucket_of(word);
	int64_t result;

	lock_acquire(&b->lock);
	result = take_locked(word, (uint32_t)guest_self->gu_tid);
	lock_release(&b->lock);
	return result;
}

static int64_t unlock(uint32_t *word)
{
	struct bucket *b = bucket_of(word);
	uint32_t old = load_seq_cst(word);
	struct waiter *w;

	if ((old & FUTEX_TID_MASK) != (uint32_t)guest_self->gu_tid)
		return -EPERM;
	lock_acquire(&b->lock);
	w = first_locked(b, word);
	if (w)
		hand_over_locked(b, w, 0);
	else
		store_seq_cst(word, 0);
	lock_release(&b->lock);
	return 0;
}

static void bury_in(struct bucket *b, uint32_t tid)
{
	struct waiter *next;

	lock_acquire(&b->lock);
	for (struct waiter *w = b->first; w; w = next) {
		uint32_t owner = load_seq_cst(w->word) & FUTEX_TID_MASK;

		next = w->next;
		/* A robust lock is nobody's by now. One that has got a new owner is passed on by that one. */
		if (!w->then && (!owner || owner == tid))
			hand_over_locked(b, w, FUTEX_OWNER_DIED);
	}
	lock_release(&b->lock);
}

void futex_pi_bury(uint32_t tid)
{
	fence_seq_cst(); /* ORD futex-7: pairs with ORD futex-6 */
	if (LIKELY(!load_relaxed(&waiting)))
		return;
	for (struct bucket *b = buckets; b < buckets + BUCKETS; b++)
		bury_in(b, tid);
}

void futex_pi_forked(void)
{
	waiting = 0;
	memset(buckets, 0, sizeof(buckets));
}

int64_t futex_pi(const struct entry_regs *g)
{
	const struct timespec *ts = (const struct timespec *)g->r10;
	uint64_t command = g->rsi & FUTEX_CMD_MASK;
	clockid_t clock =
		command == FUTEX_LOCK_PI || (g->rsi & FUTEX_CLOCK_REALTIME) ? CLOCK_REALTIME : CLOCK_MONOTONIC;
	bool waits = command != FUTEX_TRYLOCK_PI && command != FUTEX_UNLOCK_PI && command != FUTEX_CMP_REQUEUE_PI;
	uint32_t *word = (uint32_t *)g->rdi, *second = (uint32_t *)g->r8;
	ell_time until = ELL_FOREVER;

	if (!(g->rsi & FUTEX_PRIVATE_FLAG))
		return refuse("a futex that inherits priority, and is shared");
	if (g->rdi & 3)
		return -EINVAL;
	if (waits && ts && (ts->tv_sec < 0 || ts->tv_nsec < 0 || ts->tv_nsec >= ELL_SEC))
		return -EINVAL;
	if (waits && ts)
		until = times_until(clock, ts);
	switch (command) {
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
		return lock_until(word, until);
	case FUTEX_TRYLOCK_PI:
		return try_lock(word);
	case FUTEX_UNLOCK_PI:
		return unlock(word);
	case FUTEX_WAIT_REQUEUE_PI:
		if (word == second || (g->r8 & 3))
			return -EINVAL;
		return wait_to_be_moved(word, (uint32_t)g->rdx, second, until);
	case FUTEX_CMP_REQUEUE_PI:
		if (word == second || (g->r8 & 3) || (uint32_t)g->rdx != 1)
			return -EINVAL;
		return move(word, (uint32_t)g->r9, second, 1 + (uint64_t)(uint32_t)g->r10);
	default:
		return -ENOSYS;
	}
}
