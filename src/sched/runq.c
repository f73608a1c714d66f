/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * runq.c - the ready threads of a vCPU
 *
 * Purpose: to push and pop with at most one locked instruction, to let idle vCPUs take half, and to be fair.
 *
 * There are three places. The ring holds up to 256 threads that may move: only the owner writes its tail; head moves by
 * compare-and-swap of the owner (by one) and of thieves (by half). What does not fit goes to the end of a list under a
 * lock, and as long as there is anything in it, everything new does, so that the order is kept; an empty ring is filled
 * from it. Threads that may not move stand in a list of the owner's alone, which needs no atomics. The owner takes from
 * the ring and from its own list in turn.
 *
 * Before all of them comes vc_next, the thread that the running one has just woken: its data is in the cache, and very
 * often the two talk to each other. RUNQ_IN_A_ROW_MAX times; then the queue has its turn, so that two that talk for
 * ever starve nobody. One that may not move has a place of its own, vc_own_next, and that goes before: whoever is still
 * in vc_next when the queue has its turn goes to its end, so that two that may not move do not keep it there.
 *
 * With one vCPU there are no thieves, and plain loads and stores will do (rt_solo).
 *
 * Ordering: a slot of the ring is written before tail (release, ORD runq-1); a thief reads tail (acquire, ORD runq-2),
 * then the slots, then moves head: if that fails, what it read is worth nothing. The owner overwrites a slot only when
 * head has passed it, which it reads with acquire (ORD runq-3, pairs with the thief's swap, ORD runq-4).
 */
#include "sched/runq.h"

#include "base/atomic.h"
#include "base/lock.h"
#include "base/panic.h"

enum { REFILL = RUNQ_SIZE / 2 };

static void more_push(struct vcpu *vc, struct thread *th)
{
	th->th_next = NULL;
	lock_acquire(&vc->vc_more_lock);
	if (vc->vc_more_last)
		vc->vc_more_last->th_next = th;
	else
		vc->vc_more_first = th;
	vc->vc_more_last = th;
	store_relaxed(&vc->vc_more_count, vc->vc_more_count + 1);
	lock_release(&vc->vc_more_lock);
}

/* Half of VICTIM's list, or all of one's own, up to what is sensible, into VC's ring, which is empty: how many. */
static unsigned more_take(struct vcpu *vc, struct vcpu *victim)
{
	uint32_t tail = vc->vc_tail;
	unsigned max, n = 0;

	if (!load_relaxed(&victim->vc_more_count))
		return 0;
	lock_acquire(&victim->vc_more_lock);
	max = vc == victim ? REFILL : (victim->vc_more_count + 1) / 2;
	if (max > REFILL)
		max = REFILL;
	while (n < max && victim->vc_more_first) {
		struct thread *th = victim->vc_more_first;

		victim->vc_more_first = th->th_next;
		store_relaxed(&vc->vc_ring[(tail + n++) % RUNQ_SIZE], th);
	}
	if (!victim->vc_more_first)
		victim->vc_more_last = NULL;
	store_relaxed(&victim->vc_more_count, victim->vc_more_count - n);
	lock_release(&victim->vc_more_lock);
	store_release(&vc->vc_tail, tail + n); /* ORD runq-1: pairs with ORD runq-2 */
	return n;
}

void runq_ring_push(struct vcpu *vc, struct thread *th)
{
	uint32_t tail = vc->vc_tail;

	/* ORD runq-3: pairs with ORD runq-4 */
	if (UNLIKELY(tail - load_acquire(&vc->vc_head) == RUNQ_SIZE || load_relaxed(&vc->vc_more_count))) {
		more_push(vc, th);
		return;
	}
	store_relaxed(&vc->vc_ring[tail % RUNQ_SIZE], th);
	store_release(&vc->vc_tail, tail + 1); /* ORD runq-1: pairs with ORD runq-2 */
}

struct thread *runq_ring_pop(struct vcpu *vc)
{
	uint32_t head = load_acquire(&vc->vc_head);
	struct thread *th;

	do {
		if (head == vc->vc_tail) {
			if (!more_take(vc, vc))
				return NULL;
			head = load_acquire(&vc->vc_head);
			if (head == vc->vc_tail)
				return NULL;
		}
		th = load_relaxed(&vc->vc_ring[head % RUNQ_SIZE]);
		if (runtime.rt_solo) {
			store_relaxed(&vc->vc_head, head + 1);
			return th;
		}
	} while (!cas_acq_rel(&vc->vc_head, &head, head + 1));
	return th;
}

void runq_push_next(struct vcpu *vc, struct thread *th)
{
	struct thread *before;

	if (th->th_vcpu) {
		runq_push_own_next(vc, th);
		return;
	}
	if (runtime.rt_solo) {
		before = vc->vc_next;
		vc->vc_next = th;
	} else {
		before = xchg_acq_rel(&vc->vc_next, th);
	}
	if (before)
		runq_push(vc, before);
}

/* Who was to run next on VC, by its owner or by a thief. */
static struct thread *take_next(struct vcpu *vc)
{
	return load_relaxed(&vc->vc_next) ? xchg_acq_rel(&vc->vc_next, NULL) : NULL;
}

void runq_queue_next(struct vcpu *vc)
{
	struct thread *th = take_next(vc);

	if (th)
		runq_ring_push(vc, th);
}

/* Copies half of the victim's ring behind our tail, which nobody sees yet. */
static unsigned ring_grab(struct vcpu *vc, struct vcpu *victim)
{
	for (;;) {
		uint32_t head = load_acquire(&victim->vc_head);
		uint32_t tail = load_acquire(&victim->vc_tail); /* ORD runq-2: pairs with ORD runq-1 */
		uint32_t n = tail - head;

		n -= n / 2;
		if (n == 0)
			return 0;
		if (n > RUNQ_SIZE / 2)
			continue; /* head and tail are of different moments */
		for (uint32_t i = 0; i < n; i++)
			store_relaxed(&vc->vc_ring[(vc->vc_tail + i) % RUNQ_SIZE],
				      load_relaxed(&victim->vc_ring[(head + i) % RUNQ_SIZE]));
		/* ORD runq-4: pairs with ORD runq-3 */
		if (cas_acq_rel(&victim->vc_head, &head, head + n))
			return n;
	}
}

struct thread *runq_steal(struct vcpu *vc, struct vcpu *victim, bool also_next)
{
	unsigned n = ring_grab(vc, victim);

	if (n > 0) {
		store_release(&vc->vc_tail, vc->vc_tail + n); /* ORD runq-1: pairs with ORD runq-2 */
		return runq_ring_pop(vc);
	}
	if (more_take(vc, victim))
		return runq_ring_pop(vc);
	return also_next ? take_next(victim) : NULL;
}

struct thread *runq_take(struct vcpu *vc)
{
	struct thread *th = take_next(vc);

	return th ? th : runq_ring_pop(vc);
}
