/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * futex.c - futexes whose waiters are user threads
 *
 * Purpose: the C library's locks, condition variables, joins: whoever waits parks, and the LWP runs somebody else.
 *
 * A waiter is a node on its stack, in the bucket of its address, in the order of coming. The lock of the bucket orders
 * the look at the word against wakes:
 *
 *	who waits				who wakes
 *	1. takes the lock			1. has changed the word
 *	2. the word is as expected?		2. is the lock taken, or a node there? (ORD futex-1)
 *	   (ORD futex-2) Then a node		3. with the lock: takes nodes out, unparks
 *
 * Either the waiter sees the change, or the waker sees the lock or the node. Who takes a node out leaves it with the
 * last access to it (ORD futex-4): after that it may be gone, for a ticket is good without it.
 *
 * Who waits in the kernel: the runtime's own LWPs and helpers share locks of the C library with the program (malloc's,
 * for one). Such a wait passes, and leaves a mark in the bucket for good (fb_kernel): a wake that finds fewer waiters
 * here than it may wake, and the mark, asks the kernel, too. Wakes of the runtime's own, which pass, look here
 * (futex_passed(); rewrite_early() sees to it that all these come by).
 *
 * Shared futexes pass: their waiters may be other processes. A wait for one is a helper's, but for one case: a thread's
 * number, which the C library's pthread_join() waits for as if it were shared; that one is ours, and so it waits here.
 *
 * Deadlines by CLOCK_REALTIME are converted when the wait begins: setting the clock does not move them.
 *
 * Not here: locks that inherit priority (futex_pi.c).
 */
#include "personality/futex.h"

#include <ellula/time.h>
#include <errno.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/lock.h"
#include "personality/clone.h"
#include "personality/guest.h"
#include "personality/offload.h"
#include "personality/stats.h"
#include "personality/times.h"

struct futex_waiter {
	struct futex_waiter *next;
	struct futex_waiter *prev;
	struct futex_bucket *bucket; /* changes with the address, under the locks of both */
	uint64_t address;
	park_ticket ticket;
	uint32_t bits;
};

struct futex_bucket futex_buckets[FUTEX_BUCKETS];
uint32_t futex_is_blind;

static void append_locked(struct futex_bucket *b, struct futex_waiter *w)
{
	w->next = NULL;
	w->prev = b->fb_last;
	if (b->fb_last)
		b->fb_last->next = w;
	else
		store_relaxed(&b->fb_first, w);
	b->fb_last = w;
	store_relaxed(&w->bucket, b);
}

static void unlink_locked(struct futex_bucket *b, struct futex_waiter *w)
{
	if (w->prev)
		w->prev->next = w->next;
	else
		store_relaxed(&b->fb_first, w->next);
	if (w->next)
		w->next->prev = w->prev;
	else
		b->fb_last = w->prev;
}

/* The node may be gone afterwards. */
static void remove_locked(struct futex_bucket *b, struct futex_waiter *w)
{
	unlink_locked(b, w);
	store_release(&w->bucket, NULL); /* ORD futex-4: pairs with ORD futex-5 */
}

static void wake_locked(struct futex_bucket *b, struct futex_waiter *w, bool next)
{
	park_ticket ticket = w->ticket;

	remove_locked(b, w);
	if (next)
		park_unpark_next(ticket);
	else
		park_unpark(ticket);
}

int64_t futex_wake(uint64_t address, uint64_t most, uint32_t bits)
{
	struct futex_bucket *b = futex_bucket(address);
	int64_t n = 0;

	lock_acquire(&b->fb_lock);
	for (struct futex_waiter *w = b->fb_first, *next; w && (uint64_t)n < most; w = next) {
		next = w->next;
		if (w->address == address && (w->bits & bits)) {
			wake_locked(b, w, most == 1);
			n++;
		}
	}
	lock_release(&b->fb_lock);
	return n;
}

void futex_forked(void)
{
	for (struct futex_bucket *b = futex_buckets; b < futex_buckets + FUTEX_BUCKETS; b++) {
		/* Pages that nobody has written to are to stay so. */
		if (b->fb_lock || b->fb_kernel || b->fb_first)
			*b = (struct futex_bucket){0};
	}
	futex_pi_forked();
}

/* Takes W out, if nobody has: true. It may have been moved meanwhile. */
static bool withdraw(struct futex_waiter *w)
{
	struct futex_bucket *b;

	while ((b = load_acquire(&w->bucket)) != NULL) { /* ORD futex-5: pairs with ORD futex-4 */
		bool here;

		lock_acquire(&b->fb_lock);
		here = load_relaxed(&w->bucket) == b;
		if (here)
			remove_locked(b, w);
		lock_release(&b->fb_lock);
		if (here)
			return true;
	}
	return false;
}

/* W goes into its bucket: 0, or why the wait is over before it has begun. */
static int64_t enqueue(struct futex_waiter *w, uint32_t value)
{
	struct futex_bucket *b = futex_bucket(w->address);
	int64_t refused = 0;

	/* ORD futex-2: pairs with ORD futex-1 in futex.h. ORD guest-1: pairs with ORD guest-2. */
	lock_acquire(&b->fb_lock);
	if (load_seq_cst((const uint32_t *)w->address) != value)
		refused = -EAGAIN;
	else if (guest_interrupted())
		refused = -EINTR;
	else
		append_locked(b, w);
	lock_release(&b->fb_lock);
	return refused;
}

/* The sleep TICKET, unless REFUSED: was there time left at its end? */
static bool sleep_unless(int64_t refused, park_ticket ticket, ell_time until)
{
	bool in_time = true;

	if (!refused) {
		count_up(&stats.waits, 1);
		in_time = park_commit(ticket, PARK_FUTEX, until);
	} else if (!park_cancel(ticket)) {
		park_commit(ticket, PARK_FUTEX, ELL_FOREVER);
	}
	guest_wait_end();
	return in_time;
}

static int64_t wait_for(uint64_t address, uint32_t value, uint32_t bits, ell_time until)
{
	struct futex_waiter w = {.address = address, .bits = bits, .ticket = park_prepare()};
	int64_t refused;
	bool in_time;

	guest_wait_begin(w.ticket);
	refused = enqueue(&w, value);
	in_time = sleep_unless(refused, w.ticket, until);
	if (refused)
		return refused;
	if (!withdraw(&w))
		return 0;
	return in_time ? -EINTR : -ETIMEDOUT;
}

/* For all of COUNT words at once: the number of one that was woken. */
static int64_t wait_for_any(const struct futex_waitv *words, unsigned count, ell_time until)
{
	struct futex_waiter waiters[FUTEX_WAITV_MAX];
	park_ticket ticket = park_prepare();
	int64_t refused = 0, woken = -1;
	unsigned queued = 0;
	bool in_time;

	guest_wait_begin(ticket);
	while (queued < count && !refused) {
		struct futex_waiter *w = &waiters[queued];

		*w = (struct futex_waiter){
			.address = words[queued].uaddr, .bits = FUTEX_BITSET_MATCH_ANY, .ticket = ticket};
		refused = enqueue(w, (uint32_t)words[queued].val);
		queued += !refused;
	}
	in_time = sleep_unless(refused, ticket, until);
	for (unsigned i = 0; i < queued; i++) {
		if (!withdraw(&waiters[i]) && woken < 0)
			woken = i;
	}
	if (woken >= 0)
		return woken;
	return refused ? refused : in_time ? -EINTR : -ETIMEDOUT;
}

/* The deadline of a wait: relative in FUTEX_WAIT, on CLOCK_MONOTONIC or CLOCK_REALTIME otherwise. Negative: -errno. */
static ell_time deadline(const struct timespec *ts, uint64_t op)
{
	if (!ts)
		return ELL_FOREVER;
	if (ts->tv_sec < 0 || ts->tv_nsec < 0 || ts->tv_nsec >= ELL_SEC)
		return -EINVAL;
	if ((op & FUTEX_CMD_MASK) == FUTEX_WAIT)
		return times_after(ts);
	return times_until(op & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC, ts);
}

/* Is the word at ADDRESS the number of a thread that lives, and becomes 0 when it ends? */
static bool is_joined(uint64_t address, uint32_t value)
{
	const struct guest *gu = guest_find((int)value);

	return gu && (uint64_t)(uintptr_t)load_relaxed(&gu->gu_clear_tid) == address;
}

static int64_t pass(const struct entry_regs *g, uint64_t count_left)
{
	return RAW(SYS_futex, g->rdi, g->rsi, count_left, g->r10, g->r8, g->r9);
}

/* Moves up to MOST waiters to another address: how many. */
static int64_t requeue(uint64_t from, uint64_t to, uint64_t most)
{
	struct futex_bucket *a = futex_bucket(from), *b = futex_bucket(to);
	int64_t n = 0;

	/* Two at once: the one with the lower address first. */
	lock_acquire(a < b ? &a->fb_lock : &b->fb_lock);
	if (a != b)
		lock_acquire(a < b ? &b->fb_lock : &a->fb_lock);
	for (struct futex_waiter *w = a->fb_first, *next; w && (uint64_t)n < most; w = next) {
		next = w->next;
		if (w->address != from)
			continue;
		unlink_locked(a, w);
		w->address = to;
		append_locked(b, w);
		n++;
	}
	lock_release(&a->fb_lock);
	if (a != b)
		lock_release(&b->fb_lock);
	return n;
}

/* WAKE_OP's change of the second word: was its old value as compared? Negative: -errno. */
static int64_t change(uint32_t *word, uint32_t code)
{
	uint32_t op = code >> 28 & 7, compare = code >> 24 & 15;
	int32_t operand = (int32_t)(code << 8) >> 20, against = (int32_t)(code << 20) >> 20;
	int32_t old;

	if (code >> 28 & FUTEX_OP_OPARG_SHIFT)
		operand = (int32_t)(1U << (operand & 31));
	switch (op) {
	case FUTEX_OP_SET:
		old = (int32_t)__atomic_exchange_n(word, (uint32_t)operand, __ATOMIC_SEQ_CST);
		break;
	case FUTEX_OP_ADD:
		old = (int32_t)__atomic_fetch_add(word, (uint32_t)operand, __ATOMIC_SEQ_CST);
		break;
	case FUTEX_OP_OR:
		old = (int32_t)__atomic_fetch_or(word, (uint32_t)operand, __ATOMIC_SEQ_CST);
		break;
	case FUTEX_OP_ANDN:
		old = (int32_t)__atomic_fetch_and(word, ~(uint32_t)operand, __ATOMIC_SEQ_CST);
		break;
	case FUTEX_OP_XOR:
		old = (int32_t)__atomic_fetch_xor(word, (uint32_t)operand, __ATOMIC_SEQ_CST);
		break;
	default:
		return -ENOSYS;
	}
	switch (compare) {
	case FUTEX_OP_CMP_EQ:
		return old == against;
	case FUTEX_OP_CMP_NE:
		return old != against;
	case FUTEX_OP_CMP_LT:
		return old < against;
	case FUTEX_OP_CMP_GE:
		return old >= against;
	case FUTEX_OP_CMP_LE:
		return old <= against;
	case FUTEX_OP_CMP_GT:
		return old > against;
	default:
		return -ENOSYS;
	}
}

static int64_t wake(const struct entry_regs *g, uint32_t bits)
{
	int64_t n, more;

	if (!bits)
		return -EINVAL;
	n = futex_wake(g->rdi, (uint32_t)g->rdx, bits);
	if (n >= (int32_t)g->rdx || !futex_may_be_in_kernel(g->rdi, g->rsi))
		return n;
	more = pass(g, (uint32_t)((int32_t)g->rdx - n));
	return more > 0 ? n + more : n ? n : more;
}

static int64_t wait_call(struct entry_regs *g, uint32_t bits)
{
	ell_time until = deadline((const struct timespec *)g->r10, g->rsi);

	if (until < 0)
		return until;
	if (!bits || (g->rdi & 3))
		return -EINVAL;
	if (clib_keeps_lock(g->rdi))
		return pass(g, g->rdx);
	if (!(g->rsi & FUTEX_PRIVATE_FLAG) && !is_joined(g->rdi, (uint32_t)g->rdx))
		return offload(g);
	return wait_for(g->rdi, (uint32_t)g->rdx, bits, until);
}

/* REQUEUE and CMP_REQUEUE: what waits in the kernel is only woken. */
static int64_t wake_and_move(const struct entry_regs *g, bool compare)
{
	int64_t n;

	if (compare && load_seq_cst((const uint32_t *)g->rdi) != (uint32_t)g->r9)
		return -EAGAIN;
	n = futex_wake(g->rdi, (uint32_t)g->rdx, FUTEX_BITSET_MATCH_ANY);
	n += requeue(g->rdi, g->r8, (uint32_t)g->r10);
	RAW(SYS_futex, g->rdi, (g->rsi & ~(uint64_t)FUTEX_CMD_MASK) | FUTEX_WAKE, INT32_MAX, 0, 0, 0);
	return n;
}

static int64_t wake_op(const struct entry_regs *g)
{
	int64_t second = change((uint32_t *)g->r8, (uint32_t)g->r9);
	uint64_t op = (g->rsi & ~(uint64_t)FUTEX_CMD_MASK) | FUTEX_WAKE;
	int64_t n;

	if (second < 0)
		return second;
	n = futex_wake(g->rdi, (uint32_t)g->rdx, FUTEX_BITSET_MATCH_ANY);
	n += RAW(SYS_futex, g->rdi, op, (uint32_t)g->rdx, 0, 0, 0);
	if (second) {
		n += futex_wake(g->r8, (uint32_t)g->r10, FUTEX_BITSET_MATCH_ANY);
		n += RAW(SYS_futex, g->r8, op, (uint32_t)g->r10, 0, 0, 0);
	}
	return n;
}

/* futex_waitv(2): if any of the words is shared, or nobody here could wake us, the kernel waits for all of them. */
int64_t futex_wait_any(struct entry_regs *g)
{
	const struct futex_waitv *words = (const struct futex_waitv *)g->rdi;
	const struct timespec *ts = (const struct timespec *)g->r10;
	uint64_t count = g->rsi;
	ell_time until = ELL_FOREVER;
	bool ours = load_relaxed(&guest_crowd);

	if (!words || count < 1 || count > FUTEX_WAITV_MAX || g->rdx)
		return -EINVAL;
	for (unsigned i = 0; i < count; i++) {
		if ((words[i].flags & ~(uint32_t)FUTEX_PRIVATE_FLAG) != FUTEX_32 || words[i].__reserved ||
		    (words[i].uaddr & 3))
			return -EINVAL;
		ours &= (words[i].flags & FUTEX_PRIVATE_FLAG) != 0;
	}
	if (ts && g->r8 != CLOCK_MONOTONIC && g->r8 != CLOCK_REALTIME)
		return -EINVAL;
	if (ts && (ts->tv_sec < 0 || ts->tv_nsec < 0 || ts->tv_nsec >= ELL_SEC))
		return -EINVAL;
	if (ts)
		until = times_until((clockid_t)g->r8, ts);
	if (ours)
		return wait_for_any(words, (unsigned)count, until);
	for (unsigned i = 0; i < count; i++)
		futex_waits_in_kernel(words[i].uaddr);
	return load_relaxed(&guest_crowd) ? offload(g) : RAW(SYS_futex_waitv, g->rdi, g->rsi, g->rdx, g->r10, g->r8);
}

int64_t futex_call(struct entry_regs *g)
{
	switch (g->rsi & FUTEX_CMD_MASK) {
	case FUTEX_WAIT:
		return wait_call(g, FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAIT_BITSET:
		return wait_call(g, (uint32_t)g->r9);
	case FUTEX_WAKE:
		return wake(g, FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAKE_BITSET:
		return wake(g, (uint32_t)g->r9);
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
		/* Of another process' waiters we can move none. */
		if (!(g->rsi & FUTEX_PRIVATE_FLAG))
			return pass(g, g->rdx);
		return wake_and_move(g, (g->rsi & FUTEX_CMD_MASK) == FUTEX_CMP_REQUEUE);
	case FUTEX_WAKE_OP:
		return wake_op(g);
	default:
		return futex_pi(g);
	}
}

void futex_passed(struct entry_regs *g)
{
	uint64_t command = g->rsi & FUTEX_CMD_MASK;
	int64_t n = (int64_t)g->rax;

	if ((command == FUTEX_WAKE || command == FUTEX_WAKE_BITSET) && n >= 0 && n < (int32_t)g->rdx)
		g->rax = (uint64_t)(n + futex_wake(g->rdi, (uint64_t)((int32_t)g->rdx - n), FUTEX_BITSET_MATCH_ANY));
}
