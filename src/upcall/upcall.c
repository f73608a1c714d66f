/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * upcall.c - functions that run because of an event
 *
 * Purpose: who registers a function gets a number, and anybody, in a signal handler too, may ask by that number for one
 * call of it: on a thread, or on any vCPU. How whoever runs it is interrupted stands in sched/interrupt.c.
 *
 * States of an upcall, for each place where it may run (a thread, or any vCPU): one bit, in th_calls or any_calls.
 *
 *	clear -> set	anybody: dispatch, who then asks for the interrupt
 *	set -> clear	who runs it, before the call; or delete, everywhere
 *
 * So what comes while it runs brings one more call, and what comes before, none.
 *
 * On a thread, an upcall is interrupted by one of higher priority only; what else comes waits for its end. So the stack
 * that all of them take is bounded.
 *
 * A name is a slot of the table and how often that was used. A slot is used again only when no call is in it and its
 * bit is clear everywhere. Dispatch counts as a call meanwhile, since it looks at the slot and then sets the bit.
 *
 * Locks: the table's, for registering and deleting; none to dispatch or to run.
 */
#include <ellula/ops.h>
#include <ellula/upcall.h>
#include <errno.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/guard.h"
#include "base/lock.h"
#include "sched/current.h"
#include "sched/interrupt.h"
#include "sched/sched.h"
#include "upcall/signal.h"

enum { SLOT_BITS = 8, SLOT_MASK = (1 << SLOT_BITS) - 1 };

struct slot_entry {
	ell_upcall name; /* 0: free, or going to be */
	uint64_t uses;
	void (*fn)(void *arg);
	void *arg;
	int priority;
	uint32_t busy;	    /* calls, and dispatches, that are in it */
	ell_thread on_port; /* to whom the events of its port and of its clock go */
	ell_thread on_clock;
	struct ell_port clock;
	struct ell_msg tick;
	uint32_t ticks; /* it is sent */
};

static struct slot_entry table[ELL_UPCALLS_MAX];
static uint32_t table_lock;
static uint64_t any_calls;

/* The slot of UPCALL, busy until left; NULL if there is none. */
static struct slot_entry *enter(ell_upcall upcall)
{
	unsigned at = (unsigned)(upcall & SLOT_MASK);
	struct slot_entry *slot;

	if (upcall == 0 || at >= ELL_UPCALLS_MAX)
		return NULL;
	slot = &table[at];
	fetch_add_acq_rel(&slot->busy, 1);
	/* ORD upcall-1: pairs with ORD upcall-2 */
	if (load_seq_cst(&slot->name) == upcall)
		return slot;
	fetch_sub_acq_rel(&slot->busy, 1);
	return NULL;
}

static void leave(struct slot_entry *slot)
{
	fetch_sub_acq_rel(&slot->busy, 1);
}

/*
 * Takes the bit of the highest priority, above ABOVE if not NULL, out of *CALLS: its slot, busy; NULL if there is none.
 */
static struct slot_entry *take(uint64_t *calls, const int *above)
{
	for (;;) {
		struct slot_entry *best = NULL;
		uint64_t bits = load_acquire(calls), bit;

		for (; bits; bits &= bits - 1) {
			struct slot_entry *slot = &table[__builtin_ctzll(bits)];

			if ((!above || slot->priority > *above) && (!best || slot->priority > best->priority))
				best = slot;
		}
		if (!best)
			return NULL;
		fetch_add_acq_rel(&best->busy, 1);
		bit = UINT64_C(1) << (best - table);
		if ((fetch_and_seq_cst(calls, ~bit) & bit) && load_seq_cst(&best->name))
			return best;
		leave(best);
	}
}

static bool run_any(void)
{
	struct slot_entry *slot;
	bool any = false;

	while ((slot = take(&any_calls, NULL)) != NULL) {
		slot->fn(slot->arg);
		leave(slot);
		any = true;
	}
	return any;
}

static void any_work(void)
{
	signals_route();
	run_any();
}

/*
 * How important what runs on TH, the caller, is: NULL if nothing does. What was left by longjmp() does not, and lies
 * below HERE.
 */
static const int *running(struct thread *th, const char *here)
{
	if (here >= th->th_stack_low && here < th->th_stack_high) {
		while (th->th_running_count > 0 && th->th_running[th->th_running_count - 1].at <= here &&
		       th->th_running[th->th_running_count - 1].at >= th->th_stack_low)
			th->th_running_count--;
	}
	return th->th_running_count > 0 ? &th->th_running[th->th_running_count - 1].priority : NULL;
}

/* On the caller, at depth 1, and each of them at 0; only what is more important than what runs there already. */
NOINLINE static bool run_own(struct thread *th)
{
	const char *here = __builtin_frame_address(0);
	const int *above = running(th, here);
	uint32_t count = th->th_running_count;
	struct slot_entry *slot;
	bool any = false;

	while (count < THREAD_CALLS_MAX && (slot = take(&th->th_calls, above)) != NULL) {
		th->th_running[count] = (struct thread_call){.at = here, .priority = slot->priority};
		th->th_running_count = count + 1;
		__asm__ volatile("" ::: "memory");
		ell_critical_self.cr_depth--;
		__asm__ volatile("" ::: "memory");
		slot->fn(slot->arg);
		guard_enter();
		th->th_running_count = count;
		leave(slot);
		any = true;
	}
	return any;
}

static void work(struct thread *th, void *frame)
{
	signals_work(th, frame);
	run_own(th);
}

void upcall_connect(void)
{
	store_relaxed(&interrupt_work, work);
	store_relaxed(&interrupt_any_work, any_work);
}

EXPORT ell_upcall ell_upcall_register(void (*fn)(void *arg), void *arg, int priority)
{
	ell_upcall name = 0;

	lock_acquire(&table_lock);
	upcall_connect();
	for (unsigned i = 0; i < ELL_UPCALLS_MAX && !name; i++) {
		struct slot_entry *slot = &table[i];

		/* A late dispatch may be in it, and finds another name. */
		if (slot->name || load_acquire(&slot->busy))
			continue;
		slot->fn = fn;
		slot->arg = arg;
		slot->priority = priority;
		name = ++slot->uses << SLOT_BITS | i;
		store_seq_cst(&slot->name, name);
	}
	lock_release(&table_lock);
	return name;
}

static bool forget(struct thread *th, void *bit)
{
	fetch_and_seq_cst(&th->th_calls, ~*(uint64_t *)bit);
	return true;
}

EXPORT int ell_upcall_delete(ell_upcall upcall)
{
	struct slot_entry *slot = enter(upcall);
	uint64_t bit;
	int error = 0;

	if (!slot)
		return EINVAL;
	lock_acquire(&table_lock);
	store_seq_cst(&slot->name, UINT64_C(0)); /* ORD upcall-2: pairs with ORD upcall-1 */
	if (load_seq_cst(&slot->busy) != 1 || load_acquire(&slot->ticks)) {
		store_seq_cst(&slot->name, upcall);
		error = EBUSY;
	} else {
		bit = UINT64_C(1) << (slot - table);
		fetch_and_seq_cst(&any_calls, ~bit);
		thread_each(forget, &bit);
	}
	leave(slot);
	lock_release(&table_lock);
	return error;
}

EXPORT int ell_upcall_dispatch(ell_upcall upcall, ell_thread thread)
{
	struct slot_entry *slot = enter(upcall);
	struct thread *th = NULL;
	int before = errno, error = 0;
	uint64_t bit;

	if (!slot)
		return EINVAL;
	bit = UINT64_C(1) << (slot - table);
	if (thread == ELL_THREAD_ANY) {
		fetch_or_seq_cst(&any_calls, bit);
	} else {
		th = thread_find(thread);
		if (!th || load_relaxed(&th->th_kind) == THREAD_FOREIGN)
			error = ESRCH;
		else
			fetch_or_seq_cst(&th->th_calls, bit);
		/* Gone meanwhile: the next thread on its descriptor begins with none, or loses this. */
		if (!error && load_acquire(&th->th_id) != thread) {
			fetch_and_seq_cst(&th->th_calls, ~bit);
			error = ESRCH;
		}
	}
	leave(slot);
	if (error)
		return error;
	if (th)
		interrupt_thread(th);
	else
		interrupt_anybody();
	errno = before;
	return 0;
}

static ell_upcall name_of(const struct slot_entry *slot)
{
	return load_acquire(&slot->name);
}

static void on_port(struct ell_port *port, void *arg)
{
	const struct slot_entry *slot = arg;

	(void)port;
	ell_upcall_dispatch(name_of(slot), slot->on_port);
}

EXPORT int ell_upcall_on_port(ell_upcall upcall, ell_thread thread, struct ell_port *port)
{
	struct slot_entry *slot = enter(upcall);

	if (!slot)
		return EINVAL;
	slot->on_port = thread;
	ell_port_upcall(port, on_port, slot);
	leave(slot);
	return 0;
}

static void on_clock(struct ell_port *port, void *arg)
{
	struct slot_entry *slot = arg;
	ell_upcall name = name_of(slot);
	ell_thread thread = slot->on_clock;

	ell_port_get(port);
	store_release(&slot->ticks, 0);
	ell_upcall_dispatch(name, thread);
}

EXPORT int ell_upcall_on_time(ell_upcall upcall, ell_thread thread, ell_time until)
{
	struct slot_entry *slot = enter(upcall);
	int error;

	if (!slot)
		return EINVAL;
	if (xchg_acq_rel(&slot->ticks, 1)) {
		leave(slot);
		return EBUSY;
	}
	slot->on_clock = thread;
	ell_port_init(&slot->clock, "upcall clock");
	ell_port_upcall(&slot->clock, on_clock, slot);
	ell_msg_init(&slot->tick, &slot->clock, NULL);
	ell_msg_timer(&slot->tick, until);
	error = -ell_msg_send(&slot->tick);
	if (error)
		store_release(&slot->ticks, 0);
	leave(slot);
	return error;
}

EXPORT bool ell_upcall_poll(void)
{
	struct thread *th = thread_current();
	bool any;

	if (!guard_depth_is(0) || th->th_kind == THREAD_FOREIGN)
		return false;
	guard_enter();
	th->th_upcalls++;
	any = run_any();
	th->th_upcalls--;
	any |= run_own(th);
	guard_leave();
	return any;
}

EXPORT bool ell_upcall_pending(ell_upcall upcall)
{
	struct slot_entry *slot = enter(upcall);
	bool pending;

	if (!slot)
		return false;
	pending = (load_seq_cst(&any_calls) | load_seq_cst(&thread_current()->th_calls)) >> (slot - table) & 1;
	leave(slot);
	return pending;
}
