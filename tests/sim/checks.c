/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * checks.c - what must be true of the scheduler all the time: nobody is woken twice, queues are bounded, and fair
 *
 * At each step of an LWP: has it changed to another thread? Then all queues are looked at. What other LWPs have in
 * their store buffers is not seen, so of their queues a part may be missing, but nothing is there that should not be.
 *
 * Woken twice. A thread that is ready stands in one place: in a ring, a list, a front place, an inbox; and one that
 * runs stands in none. Two wake-ups that both believe to have it, or a thief and the owner that both take it, put it
 * into two, or make it stand in a queue while it runs.
 *
 * Bounded. A ring has RUNQ_SIZE places at most, a cache SLOT_BATCH free stacks; the lists run through the threads, and
 * with nobody in two places they are no longer than there are threads. What is counted is as long as the count says.
 *
 * Fair. Whoever is the first of a queue is passed over FIRST_MOST times at most, in changes of that vCPU: twice
 * RUNQ_IN_A_ROW_MAX, for those that are woken by who runs go before the queue so often, and once for the other queue.
 * That bounds everybody who is ready: who stands at place k of a queue is its first after k times that. An inbox is
 * emptied in each round, and a round comes after INBOX_MOST changes. Nobody who comes later goes into the ring before
 * what stands in the list behind it.
 */
#include "mem/slot.h"
#include "sched/runq.h"
#include "sched/vcpu.h"
#include "sim.h"

enum { MARKS = 1 << 13, VCPUS_SEEN = 4, FIRST_MOST = 2 * (RUNQ_IN_A_ROW_MAX + 1), INBOX_MOST = 64 };

/* Who waits at a place, and how often another one ran instead. */
struct wait {
	const struct thread *thread;
	unsigned passed;
};

static struct {
	const struct thread *current;
	const struct thread *list; /* the first of the list */
	uint32_t tail;		   /* of the ring */
	struct wait ring, own, next, own_next, inbox;
} seen[VCPUS_SEEN];

/* Where each thread stands. */
static struct {
	uint64_t look;
	const char *place;
	int vcpu;
} marks[MARKS];

static uint64_t look;

static void stands(const struct thread *th, const struct vcpu *vc, const char *place)
{
	uint32_t number = th->th_slot.sl_number;

	CHECK(number < MARKS);
	if (marks[number].look == look)
		world_fail("thread %llx was woken twice: vcpu %d, %s, and vcpu %d, %s", (unsigned long long)th->th_id,
			   marks[number].vcpu, marks[number].place, vc->vc_number, place);
	marks[number].look = look;
	marks[number].place = place;
	marks[number].vcpu = vc->vc_number;
}

/* How many stand in a chain by th_next. */
static unsigned chain(const struct thread *th, const struct vcpu *vc, const char *place)
{
	unsigned n = 0;

	for (; th; th = th->th_next, n++)
		stands(th, vc, place);
	return n;
}

/* All that others may see of VC's queues. IS_OWN: nobody is in the middle of changing them, but for thieves. */
static void look_at(const struct vcpu *vc, bool is_own)
{
	uint32_t count = vc->vc_tail - vc->vc_head;
	unsigned listed;

	if (is_own && count > RUNQ_SIZE)
		world_fail("vcpu %d: %u threads in the ring", vc->vc_number, count);
	for (uint32_t i = 0; count <= RUNQ_SIZE && i < count; i++)
		stands(vc->vc_ring[(vc->vc_head + i) % RUNQ_SIZE], vc, "in the ring");
	if (vc->vc_next)
		stands(vc->vc_next, vc, "next");
	chain(vc->vc_inbox, vc, "in the inbox");
	if (!vc->vc_more_lock) {
		listed = chain(vc->vc_more_first, vc, "in the list");
		if (is_own && listed != vc->vc_more_count)
			world_fail("vcpu %d: %u threads in the list, counted %u", vc->vc_number, listed,
				   vc->vc_more_count);
	}
}

/* Another thread runs on VC: TH, if anybody, goes on waiting, which may happen MOST times. */
static void pass(struct wait *wait, const struct thread *th, unsigned most, const struct vcpu *vc, const char *place)
{
	if (th != wait->thread || !th)
		*wait = (struct wait){.thread = th};
	else if (++wait->passed > most)
		world_fail("vcpu %d: thread %llx, the first %s, was passed over %u times", vc->vc_number,
			   (unsigned long long)th->th_id, place, wait->passed);
}

static const struct thread *oldest(const struct thread *th)
{
	while (th && th->th_next)
		th = th->th_next;
	return th;
}

static void look_at_waits(const struct vcpu *vc)
{
	unsigned n = (unsigned)vc->vc_number;
	bool some = vc->vc_head != vc->vc_tail;

	pass(&seen[n].ring, some ? vc->vc_ring[vc->vc_head % RUNQ_SIZE] : NULL, FIRST_MOST, vc, "in the ring");
	pass(&seen[n].own, vc->vc_own_first, FIRST_MOST, vc, "of its own");
	pass(&seen[n].next, vc->vc_next, FIRST_MOST, vc, "next");
	pass(&seen[n].own_next, vc->vc_own_next, FIRST_MOST, vc, "next of its own");
	pass(&seen[n].inbox, oldest(vc->vc_inbox), INBOX_MOST, vc, "in the inbox");
	if (vc->vc_more_first && vc->vc_more_first == seen[n].list && vc->vc_tail != seen[n].tail)
		world_fail("vcpu %u: somebody went into the ring before thread %llx, the first in the list", n,
			   (unsigned long long)seen[n].list->th_id);
	seen[n].list = vc->vc_more_first;
	seen[n].tail = vc->vc_tail;
}

static void look_at_stacks(const struct vcpu *vc)
{
	for (unsigned i = 0; i < SLOT_POOLS; i++) {
		const struct slot_cache *cache = &vc->vc_slots[i];
		unsigned n = 0;

		for (const struct slot *slot = cache->sc_first; slot && n <= SLOT_BATCH; slot = slot->sl_next)
			n++;
		if (n != cache->sc_count || n > SLOT_BATCH)
			world_fail("vcpu %d: %u free stacks in a cache, counted %u", vc->vc_number, n, cache->sc_count);
	}
}

/* The running actor's own stores are seen by it, so it is the one to look at its LWP. */
static void at_step(void)
{
	const struct lwp *lw = arch_lwp_or_null();
	const struct vcpu *vc;
	const struct thread *th;

	if (!lw || !runtime.rt_count || !(vc = lw->lw_vcpu))
		return;
	CHECK(vc->vc_number < VCPUS_SEEN);
	th = lw->lw_current;
	if (th == seen[vc->vc_number].current)
		return;
	seen[vc->vc_number].current = th;
	if (!th)
		return;
	look++;
	stands(th, vc, "it runs");
	for (unsigned i = 0; i < runtime.rt_count; i++)
		look_at(&runtime.rt_vcpus[i], &runtime.rt_vcpus[i] == vc);
	chain(vc->vc_own_first, vc, "in its own list");
	if (vc->vc_own_next)
		stands(vc->vc_own_next, vc, "next of its own");
	look_at_waits(vc);
	if (look % 16 == 0)
		look_at_stacks(vc);
}

void checks_begin(void)
{
	world_at_step = at_step;
}
