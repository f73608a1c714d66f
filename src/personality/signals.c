/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * signals.c - signals from one thread to another, and to those that wait for them
 *
 * A signal to a guest is noted, its wait is interrupted, and on its way back to the program it sends the signal to the
 * LWP that it is on: the kernel then builds the frame, on the right stack. So SIGCANCEL works, and pthread_kill(). The
 * LWP of one that is in the program is kicked (sched/interrupt.c), and the handler of the kick does the same.
 *
 * The signal by which the C library asks all threads to change their credentials, has no guest as its target: LWPs have
 * credentials, and the C library knows them and asks them, too.
 *
 * Not here: masks (masks.c); how a signal to the process finds a guest (route.c).
 */
#include "personality/signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/lock.h"
#include "call/fd.h"
#include "message/message.h"
#include "personality/clib.h"
#include "personality/guest.h"
#include "personality/masks.h"
#include "personality/offload.h"
#include "personality/route.h"
#include "personality/stats.h"
#include "sched/interrupt.h"
#include "sys/sys.h"

enum { SIGNALS = 64 };

static uint64_t deliverable(const struct guest *gu)
{
	return load_relaxed(&gu->gu_pending) & ~gu->gu_mask & ~gu->gu_wanted;
}

/* Of these, and of those that end its call all the same: is there any? */
static bool ends_wait(const struct guest *gu)
{
	return load_relaxed(&gu->gu_pending) & (~gu->gu_mask | load_relaxed(&gu->gu_ends)) & ~gu->gu_wanted;
}

/* The caller's LWP is sent all that may come, and blocks it: in between the caller may go nowhere else. */
static void raise_all(void)
{
	struct guest *gu = guest_self;
	uint64_t set;

	masks_close();
	while ((set = deliverable(gu)) != 0) {
		int signal = __builtin_ctzll(set) + 1;
		long process = RAW(SYS_getpid), lwp = RAW(SYS_gettid);

		if (guest_take_back(gu, signal) && !route_deliver(gu, signal))
			RAW(SYS_tgkill, process, lwp, signal);
	}
}

void signals_deliver(void)
{
	while (deliverable(guest_self)) {
		raise_all();
		masks_open();
	}
}

void signals_kicked(void)
{
	/* It comes when this handler has ended, and its frame is gone. */
	if (guest_self->gu_thread && deliverable(guest_self))
		raise_all();
}

void signals_return(const ucontext_t *frame)
{
	masks_close();
	masks_handler_ends(frame);
	/*
	 * This, too, comes when the frame is gone: handlers of signals that come fast follow each other, and do not
	 * pile up.
	 */
	if (deliverable(guest_self))
		raise_all();
}

bool signals_restart(void)
{
	uint64_t set = deliverable(guest_self);

	if (load_relaxed(&guest_self->gu_pending) & guest_self->gu_ends)
		return false;
	while (set) {
		struct action action = {0};

		RAW(SYS_rt_sigaction, __builtin_ctzll(set) + 1, NULL, &action, MASKS_SIZE);
		if (!(action.flags & SA_RESTART) && action.handler != (void *)SIG_IGN)
			return false;
		set &= set - 1;
	}
	return true;
}

bool guest_interrupted(void)
{
	return ends_wait(guest_self);
}

void guest_wait_begin(park_ticket ticket)
{
	store_relaxed(&guest_self->gu_ticket, ticket);
}

void guest_wait_end(void)
{
	store_relaxed(&guest_self->gu_ticket, 0);
}

bool guest_sleep(ell_time until)
{
	park_ticket ticket = park_prepare();
	bool ended = false;

	guest_wait_begin(ticket);
	fence_seq_cst(); /* ORD guest-1: pairs with ORD guest-2 */
	if (!guest_interrupted() || !park_cancel(ticket))
		ended = !park_commit(ticket, PARK_SLEEP, until);
	guest_wait_end();
	return !ended && ell_now() < until;
}

/* A signal to GU, the caller, revokes M. */
static void watch(struct guest *gu, struct ell_msg *m)
{
	lock_acquire(&gu->gu_lock);
	gu->gu_message = m;
	lock_release(&gu->gu_lock);
}

int64_t guest_do(struct ell_msg *m, int64_t until)
{
	struct guest *gu = guest_self;
	int64_t result;
	bool in_time;
	int error;

	count_up(&stats.messages, 1);
	if (ends_wait(gu))
		return -EINTR;
	error = ell_msg_send(m);
	if (error)
		return error;
	watch(gu, m);
	/* Who sent a signal before that found no message. */
	if (ends_wait(gu))
		ell_msg_revoke(m);
	in_time = ell_msg_wait(m, until) == 0;
	watch(gu, NULL);
	if (!in_time) {
		ell_msg_revoke(m);
		ell_msg_wait(m, ELL_FOREVER);
	}
	result = m->ms_result;
	if (result == -ECANCELED)
		return in_time ? -EINTR : -ETIMEDOUT;
	return result;
}

struct ell_msg *guest_wait_port(struct ell_port *port, struct ell_msg *first, ell_time until, bool *interrupted)
{
	struct guest *gu = guest_self;
	struct ell_msg *m;

	watch(gu, first);
	/* Who sent a signal before that found no message. */
	if (ends_wait(gu))
		ell_msg_revoke(first);
	m = ell_port_wait(port, until);
	watch(gu, NULL);
	*interrupted = ends_wait(gu);
	return m;
}

bool guest_take_back(struct guest *gu, int signal)
{
	uint64_t bit = MASKS_BIT(signal);

	return __atomic_fetch_and(&gu->gu_pending, ~bit, __ATOMIC_ACQ_REL) & bit;
}

/* Is there a signal for which GU's helper is to end its call? */
static bool stops_helper(const struct guest *gu)
{
	return load_relaxed(&gu->gu_pending) &
	       (~gu->gu_mask | load_relaxed(&gu->gu_ends) | load_relaxed(&gu->gu_wanted));
}

static void stop_locked(struct guest *gu)
{
	if (load_relaxed(&gu->gu_stop))
		return;
	store_relaxed(&gu->gu_stop, 1);
	if (offload_signal)
		RAW(SYS_tgkill, sys.getpid(), gu->gu_helper, offload_signal);
}

void guest_helped(struct guest *gu, int tid)
{
	lock_acquire(&gu->gu_lock);
	gu->gu_helper = tid;
	store_relaxed(&gu->gu_stop, 0);
	if (stops_helper(gu))
		stop_locked(gu);
	lock_release(&gu->gu_lock);
}

void guest_helped_no_more(struct guest *gu)
{
	lock_acquire(&gu->gu_lock);
	gu->gu_helper = 0;
	lock_release(&gu->gu_lock);
	/* What was sent meanwhile arrives here, and interrupts no other call. */
	if (load_relaxed(&gu->gu_stop))
		RAW(SYS_getpid);
}

void guest_signal(struct guest *gu, int signal)
{
	struct fd_record *rec;
	park_ticket ticket;
	bool runs;

	__atomic_fetch_or(&gu->gu_pending, MASKS_BIT(signal), __ATOMIC_SEQ_CST);
	if (gu == guest_self)
		return;
	ticket = load_seq_cst(&gu->gu_ticket); /* ORD guest-2: pairs with ORD guest-1 */
	rec = load_seq_cst(&gu->gu_record);
	lock_acquire(&gu->gu_lock);
	if (gu->gu_helper && stops_helper(gu))
		stop_locked(gu);
	runs = ends_wait(gu) && !gu->gu_helper && !ticket && !rec && !gu->gu_message;
	if (ends_wait(gu)) {
		if (ticket)
			park_unpark(ticket);
		if (rec)
			fd_nudge(rec);
		/* One that is replied has a waiter that is on its way; the lock keeps its memory. */
		if (gu->gu_message && message_state(gu->gu_message) == MESSAGE_SENT)
			ell_msg_revoke(gu->gu_message);
	}
	lock_release(&gu->gu_lock);
	if (runs)
		route_interrupt(gu);
}

static int64_t pass(const struct entry_regs *g)
{
	return RAW((long)g->rax, g->rdi, g->rsi, g->rdx, g->r10, g->r8, g->r9);
}

/* Signal number, thread number; GROUP: whether it is one of this process, or 0 for any. */
static int64_t to_thread(const struct entry_regs *g, int64_t group, int tid, int64_t signal)
{
	struct guest *gu = guest_find(tid);

	if (!gu) {
		if (tid >= GUEST_TID_FIRST)
			return -ESRCH;
		return pass(g);
	}
	if (group && group != RAW(SYS_getpid))
		return -ESRCH;
	if (signal < 0 || signal > SIGNALS)
		return -EINVAL;
	if (signal == clib.credentials)
		return gu == &guest_main ? pass(g) : -ESRCH;
	if (signal > 0)
		guest_signal(gu, (int)signal);
	return 0;
}

int64_t signals_tgkill(struct entry_regs *g)
{
	return to_thread(g, (int32_t)g->rdi, (int)g->rsi, (int32_t)g->rdx);
}

int64_t signals_tkill(struct entry_regs *g)
{
	return to_thread(g, 0, (int)g->rdi, (int32_t)g->rsi);
}

/* rt_tgsigqueueinfo() */
int64_t signals_queue(struct entry_regs *g)
{
	struct guest *gu = guest_find((int)g->rsi);
	siginfo_t info;

	if (!gu || (int32_t)g->rdi != sys.getpid() || (int)g->rdx < 1 || (int)g->rdx > SIGNALS)
		return pass(g);
	memcpy(&info, (const void *)g->r10, sizeof(info));
	info.si_signo = (int)g->rdx;
	return route_queue(gu, &info) ? 0 : -EAGAIN;
}

/* What comes with a signal that this process sends. */
static siginfo_t from_here(int signal, int code)
{
	siginfo_t info = {.si_signo = signal, .si_code = code};

	info.si_pid = sys.getpid();
	info.si_uid = (uint32_t)RAW(SYS_getuid);
	return info;
}

/* To the process itself: it has arrived at its thread before the call returns. */
int64_t signals_kill(struct entry_regs *g)
{
	if (guest_self->gu_thread && (int32_t)g->rdi == sys.getpid()) {
		siginfo_t info = from_here((int)g->rsi, SI_USER);

		if (route_send(&info))
			return 0;
	}
	return pass(g);
}

/* One of the signals in SET that were sent to the caller, or to the process: 0 if there is none. */
static int take(uint64_t set, siginfo_t *info)
{
	struct guest *gu = guest_self;
	uint64_t own = set & load_relaxed(&gu->gu_pending);
	int signal;

	if (!own)
		return route_take_noted(set, info);
	signal = __builtin_ctzll(own) + 1;
	if (!guest_take_back(gu, signal))
		return 0;
	if (!route_take(gu, signal, info))
		*info = from_here(signal, SI_TKILL);
	else if (route_is_given(gu, signal))
		__atomic_fetch_or(&gu->gu_pending, MASKS_BIT(signal), __ATOMIC_ACQ_REL);
	return signal;
}

int64_t signals_pending(struct entry_regs *g)
{
	uint64_t set = 0;
	int64_t error = RAW(SYS_rt_sigpending, &set, g->rsi);

	if (error)
		return error;
	set |= (load_relaxed(&guest_self->gu_pending) | route_noted()) & guest_self->gu_mask;
	memcpy((void *)g->rdi, &set, g->rsi);
	return 0;
}

int signals_take_of_write(int64_t result)
{
	int signal = result == -EPIPE ? SIGPIPE : result == -EFBIG ? SIGXFSZ : 0;
	const uint64_t set = signal ? MASKS_BIT(signal) : 0;
	const struct timespec now = {0};

	return signal && RAW(SYS_rt_sigtimedwait, &set, NULL, &now, MASKS_SIZE) > 0 ? signal : 0;
}

void signals_raised(int signal)
{
	struct guest *gu = guest_self;
	siginfo_t info = from_here(signal, SI_USER);

	if (!(load_relaxed(&gu->gu_pending) & MASKS_BIT(signal)) && !route_queue(gu, &info))
		guest_signal(gu, signal);
}

/* If the caller blocks the signal it is its own, and stays so wherever it goes on. */
void signals_write_failed(int64_t result)
{
	struct guest *gu = guest_self;
	int signal;

	if (!gu->gu_thread || !(gu->gu_mask & (MASKS_BIT(SIGPIPE) | MASKS_BIT(SIGXFSZ))))
		return;
	signal = signals_take_of_write(result);
	if (signal)
		__atomic_fetch_or(&gu->gu_pending, MASKS_BIT(signal), __ATOMIC_ACQ_REL);
}

int64_t signals_timedwait(struct entry_regs *g)
{
	struct guest *gu = guest_self;
	uint64_t set = *(const uint64_t *)g->rdi & ~(MASKS_OPEN | masks_hidden);
	const struct timespec *most = (const struct timespec *)g->rdx, now = {0};
	siginfo_t *info = (siginfo_t *)g->rsi, taken;
	int64_t result;
	int own;

	if (g->r10 != MASKS_SIZE)
		return -EINVAL;
	store_relaxed(&gu->gu_wanted, set);
	own = take(set, &taken);
	result = own ? own : RAW(SYS_rt_sigtimedwait, g->rdi, g->rsi, &now, g->r10);
	if (result == -EAGAIN && !(most && !most->tv_sec && !most->tv_nsec)) {
		route_look();
		result = offload(g);
		/* One that has come to the thread has stopped the helper. */
		if (result == -EINTR && (own = take(set, &taken)) != 0)
			result = own;
	}
	store_relaxed(&gu->gu_wanted, 0);
	if (own && info)
		*info = taken;
	return result;
}

int64_t signals_pause(struct entry_regs *g)
{
	(void)g;
	return guest_sleep(ELL_FOREVER) ? -EINTR : 0;
}

/* SIGSYS is ours, and nobody else's calls cause it: to ignore it or not makes no difference. */
static int64_t trap_action(const struct action *asked, struct action *old)
{
	static struct action now;
	struct action before = now;

	if (asked && asked->handler != (void *)SIG_DFL && asked->handler != (void *)SIG_IGN)
		return refuse("a handler for SIGSYS");
	if (asked)
		now = *asked;
	if (old)
		*old = before;
	return 0;
}

int64_t signals_action(struct entry_regs *g)
{
	const struct action *asked = (const struct action *)g->rsi;
	struct action *old = (struct action *)g->rdx;
	struct action action, before = {0};
	int64_t error = 0;
	int number = (int)g->rdi;

	if (number < 1 || number > SIGNALS || g->r10 != MASKS_SIZE)
		return RAW(SYS_rt_sigaction, g->rdi, g->rsi, g->rdx, g->r10);
	if (number == SIGSYS)
		return trap_action(asked, old);
	if (asked && guest_self->gu_thread && number == interrupt_signal() && asked->handler != (void *)SIG_DFL)
		return refuse("another use of the last real-time signal, which is the library's,");
	if (old || !asked)
		error = RAW(SYS_rt_sigaction, number, NULL, &before, MASKS_SIZE);
	route_unwrap(number, &before);
	if (!error && asked) {
		action = *asked;
		action.mask &= ~masks_hidden;
		route_wrap(number, &action);
		error = RAW(SYS_rt_sigaction, number, &action, NULL, MASKS_SIZE);
	}
	if (!error && old)
		*old = before;
	return error;
}
