/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * route.c - a signal to the process finds a thread
 *
 * Purpose: the kernel gives a signal to the process to one of our LWPs, and knows nothing of the threads that are
 * parked. POSIX wants it to interrupt a thread that does not block it, and programs want that to be the first one.
 *
 * Handlers of the program's are called by on_signal(). If the LWP is in the program, in the first thread or while that
 * blocks the signal, the handler is called there and then. Otherwise the signal is noted, and the router, a kernel
 * thread, gives it to a guest, as a signal from one thread to another is given: its wait ends, and on its way back to
 * the program it sends itself the signal, which names the note. A guest that is in the program already is kicked, and
 * does the same. If it waits in the kernel because it is alone its LWP gets the signal once more; and if its wait has
 * ended before that has come it waits for it (route_await()).
 *
 * States of a note, and who moves it:
 *
 *	FREE -> BUSY -> NOTED	on_signal()
 *	NOTED -> BUSY -> GIVEN	the router: it has a guest
 *	FREE -> BUSY -> GIVEN	kill(2) of the process itself, which need not ask the kernel
 *	GIVEN -> BUSY -> FREE	on_signal() in that guest, or its rt_sigtimedwait(2)
 *	NOTED -> BUSY -> FREE	anybody's rt_sigtimedwait(2)
 *	FREE -> BUSY -> GIVEN	the same, for signals to one thread that bring something along
 *	GIVEN -> NOTED		the router, because the guest has ended; or on_signal(), when it has left the LWP
 *
 * What nobody takes stays NOTED until a mask changes. If no note is free the handler is called where the signal
 * came: 64 signals are on their way.
 *
 * Can a guest be missed, because it leaves the runtime in the moment in which it is given the signal?
 *
 *	the router				the guest
 *	1. gu_pending has the bit		1. its LWP's selector says that it is in the program
 *	2. membarrier				2. looks at gu_pending
 *	3. reads the selector
 *
 * The kernel gives SA_ONSTACK to faults only: an LWP that has just been left keeps the thread's alternate stack for a
 * moment, and a frame there would overwrite the handler that the thread is in elsewhere. So the frame lies on the stack
 * that was interrupted, and from there the handler is called on the other one. And routed signals come twice, so it is
 * we who reset a handler with SA_RESETHAND.
 *
 * Not routed: faults, and what a write to a broken pipe causes, belong to the thread that caused them; if that is in
 * the library, it gets the second kind on its way back. Timers of CPU time belong where they happen.
 */
#include "personality/route.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "personality/clib.h"
#include "personality/futex.h"
#include "personality/guest.h"
#include "personality/hidden.h"
#include "personality/masks.h"
#include "sched/interrupt.h"
#include "sched/lwp.h"
#include "sched/thread.h"
#include "sched/vcpu.h"
#include "sys/sys.h"
#include "thread/guest.h"

/* From QUEUED on signals queue; two that do belong to the C library, whose SIGRTMIN is higher. */
enum { SIGNALS = 64, QUEUED = 32, NOTES = 64, ROUTER_STACK = 65536 };

enum note_state { NOTE_FREE, NOTE_BUSY, NOTE_NOTED, NOTE_GIVEN };

struct note {
	uint32_t state;
	uint64_t order; /* of coming, from 1 */
	struct guest *guest;
	int32_t tid; /* the guest's: when it has ended another thread may be there */
	bool is_own; /* for that guest alone */
	siginfo_t info;
};

typedef void handler_fn(int number, siginfo_t *info, void *context);

/* What the program has asked for. The handler is NULL when there is none. */
static struct {
	handler_fn *handler;
	uint64_t flags;
	uint64_t mask;
} handlers[SIGNALS + 1];

static struct note notes[NOTES];
static uint64_t last_order;
static uint32_t kicks;	 /* what the router waits for */
static uint32_t begun;	 /* the router is made, or being made */
static uint32_t running; /* it is there */
static bool wanted;	 /* there is a handler */

static void kick(void)
{
	__atomic_add_fetch(&kicks, 1, __ATOMIC_SEQ_CST);
	RAW(SYS_futex, &kicks, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1);
}

static bool change(struct note *n, uint32_t from, uint32_t to)
{
	return cas_acq_rel(&n->state, &from, to);
}

/* One that is BUSY, with INFO: NULL if none is free. Context: T S. */
static struct note *write_note(const siginfo_t *info)
{
	for (struct note *n = notes; n < notes + NOTES; n++) {
		if (!change(n, NOTE_FREE, NOTE_BUSY))
			continue;
		n->info = *info;
		n->is_own = false;
		n->order = __atomic_add_fetch(&last_order, 1, __ATOMIC_RELAXED);
		return n;
	}
	return NULL;
}

static void become_given(struct note *n, struct guest *gu)
{
	n->guest = gu;
	n->tid = load_relaxed(&gu->gu_tid);
	store_release(&n->state, NOTE_GIVEN);
}

static void give_alone(struct note *n, struct guest *gu)
{
	n->is_own = true;
	become_given(n, gu);
}

/* It is GIVEN: to GU, and not to one that was there before? */
static bool is_given_to(const struct note *n, const struct guest *gu)
{
	return n->guest == gu && n->tid && n->tid == load_seq_cst(&gu->gu_tid);
}

static void add_pending(struct guest *gu, int number)
{
	__atomic_fetch_or(&gu->gu_pending, MASKS_BIT(number), __ATOMIC_ACQ_REL);
}

/* Is the same signal on its way to somebody? A second one is none, but for those that queue. */
static bool is_coming(int number)
{
	for (const struct note *n = notes; number < QUEUED && n < notes + NOTES; n++) {
		uint32_t state = load_acquire(&n->state);

		if ((state == NOTE_NOTED || state == NOTE_GIVEN) && !n->is_own && n->info.si_signo == number)
			return true;
	}
	return false;
}

static bool take_note(const siginfo_t *info)
{
	struct note *n;

	if (is_coming(info->si_signo))
		return true;
	n = write_note(info);
	if (!n)
		return false;
	store_release(&n->state, NOTE_NOTED);
	kick();
	return true;
}

static bool takes(const struct guest *gu, int number)
{
	uint64_t open = ~load_relaxed(&gu->gu_mask) | load_relaxed(&gu->gu_wanted);

	return load_relaxed(&gu->gu_tid) != 0 && (open >> (number - 1) & 1);
}

static const struct guest *guest_of(const struct thread *th)
{
	if (th == guest_main.gu_thread)
		return &guest_main;
	return th->th_kind == THREAD_GUEST ? guest_room(th) : NULL;
}

/* The LWP that is interrupted is not where the signal NUMBER belongs. Context: S. */
static bool is_for_another(int number, const siginfo_t *info)
{
	const struct thread *th;
	const struct guest *gu;

	if (!load_relaxed(&running) || entry_ended() || info->si_code == SI_TKILL)
		return false;
	/* One that is no LWP, or not yet, has blocked it too late. */
	th = arch_lwp_or_null() ? arch_thread() : NULL;
	gu = th ? guest_of(th) : NULL;
	if (!gu)
		return true;
	if (!load_relaxed(&guest_crowd))
		return false;
	return entry_mode != ENTRY_PROGRAM || (gu != &guest_main && takes(&guest_main, number));
}

/* The first one after ORDER that GU has been given, or NULL. */
static struct note *given(const struct guest *gu, int number, uint64_t order)
{
	struct note *first = NULL;

	for (struct note *n = notes; n < notes + NOTES; n++) {
		if (load_acquire(&n->state) == NOTE_GIVEN && is_given_to(n, gu) && n->info.si_signo == number &&
		    n->order > order && (!first || n->order < first->order))
			first = n;
	}
	return first;
}

bool route_is_given(const struct guest *gu, int number)
{
	return given(gu, number, 0);
}

/* Is a signal on its way to GU's LWP, which does not block it? */
static bool is_sent(const struct guest *gu)
{
	uint64_t open = ~load_relaxed(&gu->gu_mask) & ~load_relaxed(&gu->gu_pending);

	for (const struct note *n = notes; n < notes + NOTES; n++) {
		if (load_acquire(&n->state) == NOTE_GIVEN && is_given_to(n, gu) && (open & MASKS_BIT(n->info.si_signo)))
			return true;
	}
	return false;
}

void route_await(void)
{
	const struct timespec nap = {.tv_nsec = 20000};

	while (!load_relaxed(&guest_crowd) && is_sent(guest_self))
		RAW(SYS_nanosleep, &nap, NULL);
}

/* N's INFO, if it is still given to GU: true. */
static bool take_given(const struct guest *gu, struct note *n, siginfo_t *info)
{
	int number;

	if (!change(n, NOTE_GIVEN, NOTE_BUSY))
		return false;
	*info = n->info;
	number = info->si_signo;
	store_release(&n->state, NOTE_FREE);
	/* Others that came meanwhile are the same signal, but for those that queue. */
	while (number < QUEUED && (n = given(gu, number, 0)) != NULL)
		change(n, NOTE_GIVEN, NOTE_FREE);
	return true;
}

bool route_take(const struct guest *gu, int number, siginfo_t *info)
{
	struct note *n = given(gu, number, 0);

	return n && take_given(gu, n, info);
}

/* The note that was noted first, after ORDER; and those of guests that have ended are noted again, or dropped. */
static struct note *next(uint64_t order)
{
	struct note *first = NULL;

	for (struct note *n = notes; n < notes + NOTES; n++) {
		uint32_t state = load_acquire(&n->state);

		if (state == NOTE_GIVEN && !is_given_to(n, n->guest)) {
			state = n->is_own ? NOTE_FREE : NOTE_NOTED;
			if (!change(n, NOTE_GIVEN, state))
				continue;
		}
		if (state == NOTE_NOTED && n->order > order && (!first || n->order < first->order))
			first = n;
	}
	return first;
}

uint64_t route_noted(void)
{
	uint64_t set = 0;

	for (const struct note *n = notes; load_relaxed(&last_order) && n < notes + NOTES; n++) {
		if (load_acquire(&n->state) == NOTE_NOTED)
			set |= MASKS_BIT(n->info.si_signo);
	}
	return set;
}

int route_take_noted(uint64_t set, siginfo_t *info)
{
	struct note *n;

	for (uint64_t order = 0; (n = next(order)) != NULL; order = n->order) {
		if (!(set & MASKS_BIT(n->info.si_signo)) || !change(n, NOTE_NOTED, NOTE_BUSY))
			continue;
		*info = n->info;
		store_release(&n->state, NOTE_FREE);
		return info->si_signo;
	}
	return 0;
}

/* What the router and guests send is a signal that says which note it is about. */
static bool queue_to(int lwp, struct note *n)
{
	siginfo_t info = {.si_signo = n->info.si_signo, .si_code = SI_QUEUE, .si_value = {.sival_ptr = n}};
	/* Not by the C library: the caller may be in the program, and block the trap. */
	long process = RAW(SYS_getpid);

	return RAW(SYS_rt_tgsigqueueinfo, process, lwp, info.si_signo, &info) == 0;
}

/*
 * It came for a note: INFO becomes what is written there. False: its guest is not here any more, and is sought again.
 */
static bool read_note(siginfo_t *info)
{
	struct note *n = info->si_value.sival_ptr;
	const struct thread *th = arch_lwp_or_null() ? arch_thread() : NULL;
	const struct guest *gu = th ? guest_of(th) : NULL;
	bool here = gu && is_given_to(n, gu) && (entry_mode == ENTRY_PROGRAM || !load_relaxed(&guest_crowd));

	if (here)
		return take_given(gu, n, info);
	if (!n->is_own && change(n, NOTE_GIVEN, NOTE_NOTED))
		kick();
	else if (n->is_own && is_given_to(n, n->guest))
		add_pending(n->guest, info->si_signo);
	return false;
}

/* Caused by what the thread itself does. */
static bool is_fault(int number)
{
	return number == SIGSEGV || number == SIGBUS || number == SIGILL || number == SIGFPE || number == SIGTRAP;
}

static bool is_of_write(int number)
{
	return number == SIGPIPE || number == SIGXFSZ;
}

static bool is_routed(int number)
{
	return !is_fault(number) && !is_of_write(number) && number != SIGABRT && number != SIGPROF &&
	       number != SIGVTALRM && !(MASKS_BIT(number) & clib.internal);
}

/* The high end of the alternate stack, if a handler of the frame CONTEXT is to run there; or 0. */
static uint64_t alternate_top(const ucontext_t *context)
{
	const stack_t *stack = &context->uc_stack;
	uint64_t low = (uint64_t)(uintptr_t)stack->ss_sp, here = (uint64_t)(uintptr_t)__builtin_frame_address(0);

	if (!stack->ss_size || (stack->ss_flags & SS_DISABLE) || (here > low && here <= low + stack->ss_size))
		return 0;
	return low + stack->ss_size;
}

/* The program's handler, as the kernel would call it. */
static void call_handler(int number, siginfo_t *info, ucontext_t *context)
{
	handler_fn *handler = load_acquire(&handlers[number].handler);
	uint64_t flags = load_relaxed(&handlers[number].flags);
	uint64_t top;

	/* Gone meanwhile: what is there now gets it. */
	if (UNLIKELY(!handler)) {
		long process = RAW(SYS_getpid), lwp = RAW(SYS_gettid);

		RAW(SYS_tgkill, process, lwp, number);
		return;
	}
	if ((flags & (uint64_t)SA_RESETHAND) && is_routed(number)) {
		const struct action none = {.handler = (void *)SIG_DFL};

		store_release(&handlers[number].handler, NULL);
		RAW(SYS_rt_sigaction, number, &none, NULL, sizeof(none.mask));
	}
	masks_handler_begins(context, load_relaxed(&handlers[number].mask) |
					      (flags & (uint64_t)SA_NODEFER ? 0 : MASKS_BIT(number)));
	top = (flags & (uint64_t)SA_ONSTACK) && !is_fault(number) ? alternate_top(context) : 0;
	if (top)
		entry_call_on(top, handler, number, info, context);
	else
		handler(number, info, context);
}

/* The calling thread, which is in the library, has caused INFO: it gets it on its way back. Context: S. */
static bool keep(const siginfo_t *info)
{
	struct guest *gu = guest_self;
	struct note *n;

	if (entry_mode == ENTRY_PROGRAM || !gu || !gu->gu_thread || entry_ended() || !arch_lwp_or_null() ||
	    arch_thread() != gu->gu_thread)
		return false;
	n = write_note(info);
	if (!n)
		return false;
	give_alone(n, gu);
	add_pending(gu, info->si_signo);
	return true;
}

static void on_signal(int number, siginfo_t *info, void *context)
{
	struct note *n = info->si_value.sival_ptr;

	if (info->si_code == SI_QUEUE && n >= notes && n < notes + NOTES) {
		if (!read_note(info))
			return;
	} else if (is_of_write(number)) {
		if (keep(info))
			return;
	} else if (is_routed(number) && is_for_another(number, info) && take_note(info)) {
		return;
	}
	call_handler(number, info, context);
}

struct search {
	struct guest *found;
	int number;
};

static bool consider(struct thread *th, void *arg)
{
	struct search *search = arg;

	if (load_relaxed(&th->th_kind) == THREAD_GUEST && takes(guest_room(th), search->number))
		search->found = guest_room(th);
	return !search->found;
}

static struct guest *choose(int number)
{
	struct search search = {.number = number};

	if (takes(&guest_main, number))
		return &guest_main;
	thread_each(consider, &search);
	return search.found;
}

/* The LWP whose system calls, or whose program, a signal to it would interrupt for GU: NULL if GU is parked, or is in
 * the runtime and will look. */
static const struct lwp *lwp_of(const struct guest *gu)
{
	unsigned count = load_acquire(&runtime.rt_lwp_count);

	for (const struct lwp *lw = runtime.rt_lwps; lw < runtime.rt_lwps + count; lw++) {
		if (load_relaxed(&lw->lw_current) == gu->gu_thread)
			return guest_is_in_program(lw) || !load_relaxed(&guest_crowd) ? lw : NULL;
	}
	return NULL;
}

/*
 * GU, which is alone, has been given NUMBER, and may not look: then its LWP gets it, if GU has not taken it meanwhile.
 */
static void send_to_lwp(struct guest *gu, int number)
{
	const struct lwp *lw;
	struct note *n;

	sys.membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
	lw = lwp_of(gu);
	if (!lw || !guest_take_back(gu, number))
		return;
	/* Without memory for a queue it looks itself, later. */
	for (uint64_t order = 0; (n = given(gu, number, order)) != NULL; order = n->order) {
		if (!queue_to(lw->lw_tid, n))
			add_pending(gu, number);
	}
}

void route_interrupt(const struct guest *gu)
{
	const struct lwp *lw;

	sys.membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
	lw = lwp_of(gu);
	if (lw)
		sys.tgkill(sys.getpid(), lw->lw_tid, interrupt_signal());
}

bool route_deliver(const struct guest *gu, int number)
{
	bool handled = load_acquire(&handlers[number].handler);
	uint64_t order = 0;
	bool queued = false;
	struct note *n;

	while ((n = given(gu, number, order)) != NULL) {
		order = n->order;
		/* At the end of a handler it is still blocked, and comes in a moment. */
		if (handled && queue_to((int)RAW(SYS_gettid), n))
			queued = true;
		else
			change(n, NOTE_GIVEN, NOTE_FREE);
	}
	return queued;
}

static void give(struct note *n, struct guest *gu)
{
	int number = n->info.si_signo;

	become_given(n, gu);
	guest_signal(gu, number);
	if (gu == guest_self)
		return;
	/*
	 * Among others one in the program has been kicked; who is alone may wait in the kernel, which is to end the
	 * call.
	 */
	if (!load_relaxed(&guest_crowd))
		send_to_lwp(gu, number);
	if (!is_given_to(n, gu) && change(n, NOTE_GIVEN, NOTE_NOTED))
		kick();
}

bool route_queue(struct guest *gu, const siginfo_t *info)
{
	struct note *n = write_note(info);

	if (!n)
		return false;
	give_alone(n, gu);
	guest_signal(gu, info->si_signo);
	return true;
}

bool route_send(const siginfo_t *info)
{
	struct action action = {0};
	struct guest *gu;
	struct note *n;

	if (!load_relaxed(&running) || info->si_signo < 1 || info->si_signo > SIGNALS)
		return false;
	gu = takes(&guest_main, info->si_signo) ? &guest_main : guest_self;
	if (!takes(gu, info->si_signo) ||
	    RAW(SYS_rt_sigaction, info->si_signo, NULL, &action, sizeof(action.mask)) != 0 ||
	    action.handler != (void *)on_signal)
		return false;
	n = write_note(info);
	if (n)
		give(n, gu);
	return n != NULL;
}

static void *router(void *unused)
{
	(void)unused;
	for (;;) {
		uint32_t seen = load_seq_cst(&kicks);
		struct note *n;

		for (uint64_t order = 0; (n = next(order)) != NULL;) {
			struct guest *gu = choose(n->info.si_signo);

			order = n->order;
			/* Somebody's rt_sigtimedwait(2) may have it already. */
			if (gu && change(n, NOTE_NOTED, NOTE_BUSY))
				give(n, gu);
		}
		RAW(SYS_futex, &kicks, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, seen, NULL);
	}
	return NULL;
}

/* Without a router handlers are called where signals come. */
static void make_router(void)
{
	if (!wanted || !guest_main.gu_thread || xchg_seq_cst(&begun, 1))
		return;
	if (hidden_thread(router, NULL, ROUTER_STACK, 0) == 0)
		store_release(&running, 1);
}

void route_start(void)
{
	make_router();
}

void route_forked(void)
{
	memset(notes, 0, sizeof(notes));
	last_order = 0;
	running = begun = 0;
}

void route_look(void)
{
	if (UNLIKELY(load_relaxed(&last_order)))
		kick();
}

/* The C library's own are for a thread, and do not wait; of its mask that of cancellation makes use (clib.c). */
static bool is_wrapped(int number, const struct action *action)
{
	return action->handler != (void *)SIG_DFL && action->handler != (void *)SIG_IGN &&
	       !(MASKS_BIT(number) & clib.internal & ~clib.cancel);
}

void route_wrap(int number, struct action *action)
{
	uint64_t ours = 0;

	if (!is_wrapped(number, action)) {
		store_release(&handlers[number].handler, NULL);
		return;
	}
	if (!is_fault(number))
		ours |= (uint64_t)SA_ONSTACK;
	if (is_routed(number))
		ours |= (uint64_t)SA_RESETHAND;
	store_relaxed(&handlers[number].flags, action->flags);
	store_relaxed(&handlers[number].mask, action->mask);
	store_release(&handlers[number].handler, (handler_fn *)action->handler);
	action->handler = (void *)on_signal;
	action->flags = (action->flags & ~ours) | (uint64_t)SA_SIGINFO;
	/*
	 * Until on_signal() has found out where it is nothing else may come, but the trap, by which it returns to the
	 * program.
	 */
	action->mask = ~MASKS_BIT(SIGSYS);
	wanted |= is_routed(number);
	make_router();
}

void route_unwrap(int number, struct action *action)
{
	if (action->handler != (void *)on_signal)
		return;
	action->handler = (void *)handlers[number].handler;
	action->flags = handlers[number].flags;
	action->mask = handlers[number].mask;
}
