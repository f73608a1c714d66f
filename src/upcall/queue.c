/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * queue.c - a signal from who sends it to the thread that handles it
 *
 * The essay is docs/signals.md. In short: what is pending stands in the queue of a thread or of the process, with
 * signals_lock. Who puts it there pokes a thread that does not block it, by interrupt_thread(); that thread takes it
 * here, out of either queue, and calls the handler. What is pending for the process is nobody's until it is taken: who
 * cannot take it any more, because it ends or has just blocked it, pokes somebody else.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "arch/arch.h"
#include "base/atomic.h"
#include "base/compiler.h"
#include "base/guard.h"
#include "base/lock.h"
#include "sched/current.h"
#include "sched/interrupt.h"
#include "sched/sched.h"
#include "sys/sys.h"
#include "thread/life.h"
#include "upcall/signal.h"

enum { PAGE_THREADS = 1024 };

uint32_t signals_lock;
struct signal_queue signals_of_process;

/* By the index of the thread; a page is made when one of its threads needs it. */
static struct signal_thread *pages[(1 << THREAD_INDEX_BITS) / PAGE_THREADS];

static struct signal_thread *waiters;
static uint32_t routing; /* calls of signals_route() since it was idle */
static bool begun;

static struct signal_thread *place_of(const struct thread *th)
{
	struct signal_thread *page = load_acquire(&pages[th->th_slot.sl_number / PAGE_THREADS]);

	return page ? &page[th->th_slot.sl_number % PAGE_THREADS] : NULL;
}

static bool make_page(const struct thread *th)
{
	size_t size = PAGE_THREADS * sizeof(struct signal_thread);
	void *map = sys.mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		return false;
	store_release(&pages[th->th_slot.sl_number / PAGE_THREADS], (struct signal_thread *)map);
	return true;
}

static void empty_locked(struct signal_queue *queue)
{
	struct signal_record *record = queue->sq_first;

	while (record) {
		struct signal_record *next = record->sr_next;

		signal_record_give(record);
		record = next;
	}
	store_relaxed(&queue->sq_set, UINT64_C(0));
	queue->sq_first = queue->sq_last = NULL;
}

struct signal_thread *signal_thread_of(struct thread *th, bool make)
{
	ell_thread id = load_acquire(&th->th_id);
	struct signal_thread *st = place_of(th);

	if (st && st->st_id == id)
		return st;
	if (!make || (!st && !make_page(th)))
		return NULL;
	st = place_of(th);
	empty_locked(&st->st_queue);
	*st = (struct signal_thread){.st_id = id, .st_stack = {.ss_flags = SS_DISABLE}};
	return st;
}

void signal_put_locked(struct signal_queue *queue, struct signal_record *record)
{
	uint64_t bit = SIGNAL_BIT(record->sr_info.si_signo);

	if (record->sr_info.si_signo < SIGRTMIN && (queue->sq_set & bit)) {
		signal_record_give(record);
		return;
	}
	record->sr_next = NULL;
	if (queue->sq_last)
		queue->sq_last->sr_next = record;
	else
		queue->sq_first = record;
	queue->sq_last = record;
	store_relaxed(&queue->sq_set, queue->sq_set | bit);
}

struct signal_record *signal_get_locked(struct signal_queue *queue, int number)
{
	struct signal_record *before = NULL, *found = queue->sq_first, *more;

	while (found->sr_info.si_signo != number) {
		before = found;
		found = found->sr_next;
	}
	if (before)
		before->sr_next = found->sr_next;
	else
		queue->sq_first = found->sr_next;
	if (queue->sq_last == found)
		queue->sq_last = before;
	for (more = found->sr_next; more && more->sr_info.si_signo != number; more = more->sr_next)
		;
	if (!more)
		store_relaxed(&queue->sq_set, queue->sq_set & ~SIGNAL_BIT(number));
	return found;
}

static void discard_in(struct signal_queue *queue, int number)
{
	while (queue->sq_set & SIGNAL_BIT(number))
		signal_record_give(signal_get_locked(queue, number));
}

static bool discard_of(struct thread *th, void *number)
{
	struct signal_thread *st = signal_thread_of(th, false);

	if (st)
		discard_in(&st->st_queue, *(int *)number);
	return true;
}

void signals_discard_locked(int number)
{
	discard_in(&signals_of_process, number);
	thread_each(discard_of, &number);
}

void signal_waits_locked(struct signal_thread *st, uint64_t set, park_ticket ticket)
{
	struct signal_thread **at = &waiters;

	while (*at && *at != st)
		at = &(*at)->st_next;
	if (*at)
		*at = st->st_next;
	st->st_waits = set;
	st->st_ticket = ticket;
	if (set) {
		st->st_next = waiters;
		waiters = st;
	}
}

/* Who waits for one of SET is told: ONLY, or whoever it is. */
static bool wake_waiter_locked(uint64_t set, const struct signal_thread *only)
{
	for (struct signal_thread *st = waiters; st; st = st->st_next) {
		if ((only && st != only) || !(st->st_waits & set) || !park_unpark(st->st_ticket))
			continue;
		signal_waits_locked(st, 0, 0);
		return true;
	}
	return false;
}

/* What ST would handle; or with MAYBE, what it would if its handlers have been left by longjmp(). */
static uint64_t open_to(const struct signal_thread *st, bool maybe)
{
	if (st->st_count == SIGNAL_NESTING && !maybe)
		return 0;
	return ~(maybe && st->st_count ? st->st_running[0].sr_mask & st->st_mask : st->st_mask);
}

struct search {
	const struct thread *but;
	struct thread *found;
	uint64_t set;
	bool maybe;
};

static bool look_at(struct thread *th, void *arg)
{
	struct search *search = arg;
	uint8_t kind = load_relaxed(&th->th_kind);
	const struct signal_thread *st;

	if (th == search->but || (kind != THREAD_USER && kind != THREAD_MAIN))
		return true;
	st = signal_thread_of(th, false);
	if (st && (st->st_gone || !(open_to(st, search->maybe) & search->set)))
		return true;
	search->found = th;
	return false;
}

static struct thread *find_for(uint64_t set, const struct thread *but, bool maybe)
{
	struct search search = {.but = but, .set = set, .maybe = maybe};

	thread_each(look_at, &search);
	return search.found;
}

void signals_poke(const struct thread *but, bool maybe)
{
	uint64_t set;

	/* Each bit may be another thread's. */
	for (set = load_relaxed(&signals_of_process.sq_set); set; set &= set - 1) {
		struct thread *th = NULL;
		uint64_t bit = set & -set;

		lock_acquire(&signals_lock);
		if ((signals_of_process.sq_set & bit) && !wake_waiter_locked(bit, NULL)) {
			th = find_for(bit, but, false);
			if (!th && maybe)
				th = find_for(bit, but, true);
		}
		lock_release(&signals_lock);
		if (th)
			interrupt_thread(th);
	}
}

/* To TH: with the lock, whether it is to be interrupted. */
static int put_to_thread_locked(struct thread *th, struct signal_record *record, bool *interrupt)
{
	uint64_t bit = SIGNAL_BIT(record->sr_info.si_signo);
	struct signal_thread *st = signal_thread_of(th, true);

	*interrupt = false;
	if (!st)
		return EAGAIN;
	if (st->st_gone || st->st_id != record->sr_to)
		return ESRCH;
	signal_put_locked(&st->st_queue, record);
	if (!wake_waiter_locked(bit, st))
		*interrupt = ((open_to(st, false) | open_to(st, true)) & bit) != 0;
	return 0;
}

static int post_to_thread(struct signal_record *record)
{
	struct thread *th = thread_find(record->sr_to);
	bool interrupt = false;
	int error = ESRCH;

	if (th && load_relaxed(&th->th_kind) != THREAD_FOREIGN) {
		lock_acquire(&signals_lock);
		error = put_to_thread_locked(th, record, &interrupt);
		lock_release(&signals_lock);
	}
	if (error)
		signal_record_give(record);
	else if (interrupt)
		interrupt_thread(th);
	return error;
}

int signal_post(struct signal_record *record)
{
	/* Once it is in the queue of the process, anybody may take it. */
	ell_thread thread, to = record->sr_to;
	ell_upcall upcall;

	lock_acquire(&signals_lock);
	upcall = signal_upcall_locked(record->sr_info.si_signo, &thread);
	if (!upcall && !to)
		signal_put_locked(&signals_of_process, record);
	lock_release(&signals_lock);
	if (upcall) {
		signal_record_give(record);
		ell_upcall_dispatch(upcall, thread);
		return 0;
	}
	return to ? post_to_thread(record) : 0;
}

/*
 * A lock would do, but for one thing: who routes must not be overtaken by another one who routes what came later. So
 * one at a time does, and looks again when it is done.
 */
void signals_route(void)
{
	uint32_t seen;

	if (!load_relaxed(&begun))
		return;
	if (fetch_add_seq_cst(&routing, 1) != 0)
		return;
	do {
		seen = load_seq_cst(&routing);
		for (struct signal_record *record = signal_arrived(), *next; record; record = next) {
			next = record->sr_next;
			signal_post(record);
		}
		signals_poke(NULL, true);
	} while (!cas_seq_cst(&routing, &seen, 0));
}

void signals_look(struct thread *th)
{
	store_relaxed(&th->th_wanted, 1);
	ell_critical_self.cr_due = 1;
}

void signals_forget_left_locked(struct signal_thread *st, uintptr_t here)
{
	bool alternate = here - (uintptr_t)st->st_stack.ss_sp < st->st_stack.ss_size;

	while (st->st_count > 0) {
		const struct signal_running *last = &st->st_running[st->st_count - 1];

		if (last->sr_alternate == alternate ? (uintptr_t)last->sr_at > here : !last->sr_alternate)
			break;
		st->st_mask = last->sr_mask;
		st->st_count--;
	}
}

/* The next that ST handles: its record, and what is to be done. */
static struct signal_record *next_locked(struct signal_thread *st, struct sigaction *action)
{
	struct signal_record *record;
	uint64_t own = st->st_queue.sq_set, set = (own | signals_of_process.sq_set) & open_to(st, false);
	int number;

	if (!set || st->st_gone)
		return NULL;
	number = __builtin_ctzll(set) + 1;
	record = signal_get_locked(own & SIGNAL_BIT(number) ? &st->st_queue : &signals_of_process, number);
	*action = signal_action_locked(number);
	return record;
}

static void call(const struct sigaction *action, siginfo_t *info, void *context)
{
	ucontext_t none;

	if (!(action->sa_flags & SA_SIGINFO)) {
		action->sa_handler(info->si_signo);
		return;
	}
	if (!context)
		memset(&none, 0, sizeof(none));
	action->sa_sigaction(info->si_signo, info, context ? context : &none);
}

struct call {
	const struct sigaction *action;
	siginfo_t *info;
	void *context;
};

static void call_there(void *arg)
{
	const struct call *c = arg;

	call(c->action, c->info, c->context);
}

/* TH, the caller, at depth 1, calls the handler of ACTION. */
NOINLINE static void handle(struct thread *th, struct signal_thread *st, const struct sigaction *action,
			    siginfo_t *info, void *context)
{
	const char *here = __builtin_frame_address(0);
	bool on = (uintptr_t)here - (uintptr_t)st->st_stack.ss_sp < st->st_stack.ss_size;
	bool change = (action->sa_flags & SA_ONSTACK) && st->st_stack.ss_size && !on;
	struct signal_running *running = &st->st_running[st->st_count];
	struct call c = {action, info, context};

	lock_acquire(&signals_lock);
	*running = (struct signal_running){.sr_at = here, .sr_mask = st->st_mask, .sr_alternate = on || change};
	if (change)
		running->sr_at = (char *)st->st_stack.ss_sp + st->st_stack.ss_size;
	st->st_count++;
	st->st_mask |= signal_usable(signal_word(&action->sa_mask));
	if (!(action->sa_flags & SA_NODEFER))
		st->st_mask |= SIGNAL_BIT(info->si_signo);
	lock_release(&signals_lock);
	__asm__ volatile("" ::: "memory");
	ell_critical_self.cr_depth--;
	__asm__ volatile("" ::: "memory");
	if (change)
		arch_call_on((char *)st->st_stack.ss_sp + st->st_stack.ss_size, call_there, &c);
	else
		call_there(&c);
	guard_enter();
	lock_acquire(&signals_lock);
	st->st_count = (uint32_t)(running - st->st_running);
	st->st_mask = running->sr_mask;
	lock_release(&signals_lock);
	th->th_handled = true;
	if (!(action->sa_flags & SA_RESTART))
		th->th_broken = true;
}

static void do_as_said(struct thread *th, struct signal_thread *st, const struct sigaction *action, siginfo_t *info,
		       void *context)
{
	bool function = (action->sa_flags & SA_SIGINFO) || (action->sa_handler != SIG_DFL);

	if (!function)
		signal_by_default(info->si_signo);
	else if ((action->sa_flags & SA_SIGINFO) || action->sa_handler != SIG_IGN)
		handle(th, st, action, info, context);
}

/* The fault at FRAME, if that is why TH is here. */
static void handle_fault(struct thread *th, struct signal_thread *st, void *frame)
{
	siginfo_t *shown = arch_frame_info(frame), info;
	struct sigaction action;

	if (!shown->si_signo)
		return;
	info = *shown;
	/* Only once. */
	shown->si_signo = 0;
	lock_acquire(&signals_lock);
	action = signal_action_locked(info.si_signo);
	lock_release(&signals_lock);
	do_as_said(th, st, &action, &info, arch_frame_context(frame));
}

void signals_work(struct thread *th, void *frame)
{
	void *context = frame ? arch_frame_context(frame) : NULL;
	struct signal_record *record;
	struct signal_thread *st;
	struct sigaction action;

	if (!load_relaxed(&begun))
		return;
	lock_acquire(&signals_lock);
	st = signal_thread_of(th, true);
	if (st)
		signals_forget_left_locked(st, (uintptr_t)__builtin_frame_address(0));
	lock_release(&signals_lock);
	if (!st)
		return;
	if (frame)
		handle_fault(th, st, frame);
	for (;;) {
		siginfo_t info;

		lock_acquire(&signals_lock);
		record = next_locked(st, &action);
		lock_release(&signals_lock);
		if (!record)
			break;
		info = record->sr_info;
		signal_record_give(record);
		do_as_said(th, st, &action, &info, context);
	}
	signals_poke(th, false);
}

/* thread_is_made: it has its maker's mask. */
static void is_made(struct thread *th)
{
	const struct lwp *lw = arch_lwp_or_null();
	struct thread *maker = lw ? arch_thread() : NULL;
	const struct signal_thread *own;
	struct signal_thread *st;
	uint64_t mask;

	lock_acquire(&signals_lock);
	own = maker ? signal_thread_of(maker, false) : NULL;
	mask = own ? own->st_mask : 0;
	if (mask && (st = signal_thread_of(th, true)) != NULL)
		st->st_mask = mask;
	lock_release(&signals_lock);
	signals_poke(NULL, false);
}

static void ends(struct thread *th)
{
	struct signal_thread *st;

	lock_acquire(&signals_lock);
	st = signal_thread_of(th, true);
	if (st) {
		st->st_gone = true;
		empty_locked(&st->st_queue);
	}
	lock_release(&signals_lock);
	signals_poke(th, true);
}

/* The child of a fork has one thread, and nothing is pending. */
static void forked(void)
{
	struct thread *th = arch_lwp_or_null() ? arch_thread() : NULL;
	struct signal_thread *st;

	signals_lock = routing = 0;
	waiters = NULL;
	for (struct signal_record *record = signal_arrived(), *next; record; record = next) {
		next = record->sr_next;
		signal_record_give(record);
	}
	empty_locked(&signals_of_process);
	st = th ? signal_thread_of(th, false) : NULL;
	if (st)
		empty_locked(&st->st_queue);
}

void signals_use(void)
{
	if (load_acquire(&begun))
		return;
	upcall_connect();
	lock_acquire(&signals_lock);
	if (!begun) {
		pthread_atfork(NULL, NULL, forked);
		thread_is_made = is_made;
		thread_ends = ends;
		store_release(&runtime.rt_watched, true);
		store_release(&begun, true);
	}
	lock_release(&signals_lock);
}
