/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * masks.c - what the kernel keeps per kernel thread about signals, and threads have, too
 *
 * A guest has a mask and an alternate stack of its own, and an LWP gets them when the guest goes back to the program,
 * if it was another one that was there before. While a handler of the program's runs, the guest's mask is what the
 * kernel has made of the LWP's: the handler may park, and go on elsewhere, and its signal stays blocked.
 *
 * An LWP that idles blocks what all guests block: signals to the process find somebody who takes them if any guest
 * would. As a rule that is the mask of the process' first thread; guests that have something else open are listed.
 */
#include "personality/masks.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/lock.h"
#include "personality/clib.h"
#include "personality/cpu.h"
#include "personality/guest.h"
#include "personality/route.h"
#include "sched/interrupt.h"
#include "sched/lwp.h"
#include "sched/sched.h"
#include "sched/thread.h"
#include "sched/vcpu.h"
#include "thread/guest.h"

/* A second or two, for LWPs that have to share their processors. */
enum { TELL_NAP_NS = 20000, TELL_TRIES = 20000 };

uint64_t masks_hidden = MASKS_BIT(SIGSYS);

/* What the first thread blocks, but for the moments in which it blocks all there are. */
static uint64_t first_mask;

/* Guests that do not block all of that. */
static struct {
	uint32_t lock;
	struct guest *first; /* lock */
	uint64_t open;	     /* what any of them does not block; lock to write */
} others;

static void set_mask(uint64_t mask)
{
	RAW(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, MASKS_SIZE);
}

static uint64_t get_mask(void)
{
	uint64_t mask = 0;

	RAW(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &mask, MASKS_SIZE);
	return mask;
}

bool masks_is_all(uint64_t mask)
{
	return (mask | clib.internal | MASKS_OPEN | masks_hidden) == ~UINT64_C(0);
}

/* What an LWP that idles blocks. */
static uint64_t idle_mask(void)
{
	return load_relaxed(&guest_main.gu_mask) & ~load_relaxed(&others.open);
}

/* An LWP is about to sleep. */
static void idle(void)
{
	static const stack_t none = {.ss_flags = SS_DISABLE};
	struct guest_lwp *gl = guest_lwp();
	uint64_t mask = idle_mask();

	/* Who comes next is counted from then. */
	if (UNLIKELY(load_relaxed(&cpu_asked)) && (gl->gl_runs || gl->gl_guest)) {
		cpu_runs(gl, NULL);
		gl->gl_guest = NULL;
	}
	/* The guest that was here may be in a handler on that stack, elsewhere: another signal must not use it here. */
	if (gl->gl_alternate) {
		RAW(SYS_sigaltstack, &none, NULL);
		gl->gl_alternate = false;
		gl->gl_guest = NULL;
	}
	if (gl->gl_mask == mask)
		return;
	set_mask(mask);
	store_relaxed(&gl->gl_mask, mask);
	gl->gl_guest = NULL;
}

static void recount_locked(void)
{
	uint64_t open = 0;

	for (const struct guest *gu = others.first; gu; gu = gu->gu_listed_next)
		open |= ~load_relaxed(&gu->gu_mask);
	store_relaxed(&others.open, open);
}

static void strike_out_locked(struct guest *gu)
{
	struct guest **at = &others.first;

	if (!gu->gu_listed)
		return;
	while (*at != gu)
		at = &(*at)->gu_listed_next;
	*at = gu->gu_listed_next;
	gu->gu_listed = false;
}

/* Does it not block something that the first thread blocks? */
static bool is_more_open(const struct guest *gu)
{
	return ~load_relaxed(&gu->gu_mask) & load_relaxed(&first_mask) & ~(clib.internal | MASKS_OPEN | masks_hidden);
}

void masks_list(struct guest *gu)
{
	fence_seq_cst(); /* ORD masks-2: pairs with ORD masks-1 */
	if (LIKELY(!is_more_open(gu) && !load_relaxed(&gu->gu_listed)) || gu == &guest_main)
		return;
	lock_acquire(&others.lock);
	strike_out_locked(gu);
	if (is_more_open(gu) && load_relaxed(&gu->gu_tid) != 0) {
		gu->gu_listed_next = others.first;
		others.first = gu;
		store_relaxed(&gu->gu_listed, true);
	}
	recount_locked();
	lock_release(&others.lock);
}

static bool list_again(struct thread *th, void *unused)
{
	(void)unused;
	if (load_relaxed(&th->th_kind) == THREAD_GUEST)
		masks_list(guest_room(th));
	return true;
}

/* The first thread has another mask. */
static void list_all(void)
{
	uint64_t mask = load_relaxed(&guest_main.gu_mask);

	if (mask == load_relaxed(&first_mask) || masks_is_all(mask))
		return;
	store_relaxed(&first_mask, mask);
	fence_seq_cst(); /* ORD masks-1: pairs with ORD masks-2: we see its mask, or it sees ours */
	thread_each(list_again, NULL);
}

static bool is_stale(const struct lwp *lw)
{
	return !load_relaxed(&lw->lw_current) && load_relaxed(&guest_lwp_of(lw)->gl_mask) != idle_mask();
}

static bool is_too_open(const struct lwp *lw)
{
	return !load_relaxed(&lw->lw_current) && (~load_relaxed(&guest_lwp_of(lw)->gl_mask) & idle_mask());
}

static bool any_lwp(bool (*is)(const struct lwp *lw))
{
	for (unsigned i = 0; i < load_acquire(&runtime.rt_lwp_count); i++) {
		if (is(&runtime.rt_lwps[i]))
			return true;
	}
	return false;
}

/*
 * The mask for LWPs that sleep may have changed: they get it, and before this returns if they block less, lest they
 * take a signal that nobody wants now. Not in the moments in which the first thread blocks all there are.
 */
static void tell_idle(void)
{
	const struct timespec nap = {.tv_nsec = TELL_NAP_NS};

	if (masks_is_all(idle_mask()) || !any_lwp(is_stale))
		return;
	sched_wake_lwps();
	for (int tries = 0; tries < TELL_TRIES && any_lwp(is_too_open); tries++)
		RAW(SYS_nanosleep, &nap, NULL);
}

void masks_begin(void)
{
	guest_main.gu_mask = get_mask() & ~masks_hidden;
	set_mask(guest_main.gu_mask);
	guest_main.gu_alternate.ss_flags = SS_DISABLE;
}

/* The handler of the library's own signal ends where calls are let through, wherever it has begun. */
static void redirect_return(int number)
{
	struct action action;

	if (RAW(SYS_rt_sigaction, number, NULL, &action, MASKS_SIZE) != 0)
		return;
	action.restorer = (void *)entry_restorer;
	/* What comes to a thread in it may park, and then an alternate stack is not the LWP's any more. */
	action.flags &= ~(uint64_t)SA_ONSTACK;
	RAW(SYS_rt_sigaction, number, &action, NULL, MASKS_SIZE);
}

void masks_start(void)
{
	redirect_return(interrupt_signal());
	masks_hidden |= MASKS_BIT(interrupt_signal());
	guest_main.gu_mask = get_mask();
	first_mask = guest_main.gu_mask;
	RAW(SYS_sigaltstack, NULL, &guest_main.gu_alternate);
	guest_main.gu_lwp = guest_lwp();
	guest_lwp()->gl_guest = &guest_main;
	guest_lwp()->gl_mask = guest_main.gu_mask;
	sched_idles = idle;
}

void masks_lwp_begins(void)
{
	/* It has that of the thread that made it. */
	guest_lwp()->gl_mask = get_mask();
}

void masks_settle(void)
{
	struct guest_lwp *gl = guest_lwp();
	struct guest *gu = guest_self;
	bool has;

	/* If both are so nobody has been here, and we have been nowhere else. */
	if (LIKELY(gl->gl_guest == gu && gu->gu_lwp == gl))
		return;
	if (gl->gl_mask != gu->gu_mask)
		set_mask(gu->gu_mask);
	gl->gl_mask = gu->gu_mask;
	has = !(gu->gu_alternate.ss_flags & SS_DISABLE);
	if (has || gl->gl_alternate)
		RAW(SYS_sigaltstack, &gu->gu_alternate, NULL);
	gl->gl_alternate = has;
	gl->gl_guest = gu;
	gu->gu_lwp = gl;
	if (UNLIKELY(load_relaxed(&cpu_asked)))
		cpu_runs(gl, gu);
}

void masks_close(void)
{
	set_mask(~UINT64_C(0));
}

void masks_open(void)
{
	set_mask(guest_self->gu_mask);
}

uint64_t masks_hold(void)
{
	uint64_t mask = get_mask();

	set_mask(~MASKS_BIT(SIGSYS));
	return mask;
}

void masks_release(uint64_t mask)
{
	set_mask(mask);
}

void masks_forked(void)
{
	memset(&others, 0, sizeof(others));
}

void masks_handler_begins(const ucontext_t *frame, uint64_t added)
{
	uint64_t mask;

	memcpy(&mask, &frame->uc_sigmask, sizeof(mask));
	mask = (mask | added) & ~(MASKS_OPEN | masks_hidden);
	if (entry_mode == ENTRY_PROGRAM && guest_self->gu_thread && !entry_ended()) {
		store_relaxed(&guest_self->gu_mask, mask);
		guest_lwp()->gl_mask = mask;
	}
	set_mask(mask);
}

void masks_handler_ends(const ucontext_t *frame)
{
	struct guest *gu = guest_self;
	uint64_t mask;

	memcpy(&mask, &frame->uc_sigmask, sizeof(mask));
	store_relaxed(&gu->gu_mask, mask & ~MASKS_OPEN);
	/* This LWP may be another one than at the beginning of the handler; it gets that mask with the return. */
	guest_lwp()->gl_mask = gu->gu_mask;
	if (gu->gu_thread)
		masks_settle();
}

/* The caller has another mask: who else is to know? */
static void changed(void)
{
	struct guest *gu = guest_self;

	if (gu == &guest_main)
		list_all();
	else
		masks_list(gu);
	tell_idle();
	route_look();
}

int64_t masks_change(struct entry_regs *g)
{
	struct guest *gu = guest_self;
	const uint64_t *wanted = (const uint64_t *)g->rsi;
	uint64_t mask = wanted && g->r10 == MASKS_SIZE ? *wanted : 0;
	int64_t error;

	if (g->rdi != SIG_UNBLOCK)
		mask &= ~masks_hidden;
	if (gu->gu_thread)
		masks_settle();
	error = RAW(SYS_rt_sigprocmask, g->rdi, wanted ? &mask : NULL, g->rdx, g->r10);
	if (error || (!g->rsi && gu->gu_thread))
		return error;
	mask = get_mask();
	store_relaxed(&gu->gu_mask, mask);
	guest_lwp()->gl_mask = mask;
	if (gu->gu_thread)
		changed();
	return 0;
}

/* The caller's mask, and that of its LWP. */
static void become(uint64_t mask)
{
	struct guest *gu = guest_self;

	store_relaxed(&gu->gu_mask, mask);
	gu->gu_lwp = NULL;
	masks_settle();
	changed();
}

int64_t masks_during(const uint64_t *mask, uint64_t size, int64_t (*waits)(void *arg), void *arg)
{
	uint64_t before = guest_self->gu_mask;
	int64_t result;

	if (size != MASKS_SIZE)
		return -EINVAL;
	become(*mask & ~(MASKS_OPEN | masks_hidden));
	result = waits(arg);
	/* The handlers run. */
	if (result == -EINTR) {
		entry_leave();
		entry_enter();
	}
	become(before);
	return result;
}

static int64_t sleep_for_ever(void *unused)
{
	(void)unused;
	return guest_sleep(ELL_FOREVER) ? -EINTR : 0;
}

int64_t masks_suspend(struct entry_regs *g)
{
	return masks_during((const uint64_t *)g->rdi, g->rsi, sleep_for_ever, NULL);
}

int64_t masks_alternate(struct entry_regs *g)
{
	struct guest *gu = guest_self;
	int64_t error;

	if (gu->gu_thread)
		masks_settle();
	error = RAW(SYS_sigaltstack, g->rdi, g->rsi);
	if (!error && g->rdi)
		RAW(SYS_sigaltstack, NULL, &gu->gu_alternate);
	/* Flags of the moment are no flags of the stack. */
	gu->gu_alternate.ss_flags &= ~SS_ONSTACK;
	guest_lwp()->gl_alternate = !(gu->gu_alternate.ss_flags & SS_DISABLE);
	return error;
}
