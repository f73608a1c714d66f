/* SPDX-License-Identifier: BSD-2-Clause */
/* signal.c - masks, sending, and waiting for signals */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/guard.h"
#include "base/lock.h"
#include "sched/current.h"
#include "sched/interrupt.h"
#include "sched/sched.h"
#include "sys/sys.h"
#include "upcall/signal.h"

static int failed(int error)
{
	errno = error;
	return -1;
}

static bool is_foreign(const struct thread *th)
{
	return th->th_kind == THREAD_FOREIGN;
}

/* The mask of TH, the caller, becomes MASK; who else handles what it does not any more is told. */
static int set_mask(struct thread *th, uint64_t mask, uint64_t *old)
{
	struct signal_thread *st;

	mask = signal_usable(mask);
	signals_catch(mask);
	lock_acquire(&signals_lock);
	st = signal_thread_of(th, true);
	if (st) {
		if (old)
			*old = st->st_mask;
		st->st_mask = mask;
		if ((st->st_queue.sq_set | signals_of_process.sq_set) & ~mask)
			signals_look(th);
	}
	lock_release(&signals_lock);
	if (!st)
		return ENOMEM;
	if (load_relaxed(&signals_of_process.sq_set) & mask) {
		guard_enter();
		signals_poke(th, true);
		guard_leave();
	}
	return 0;
}

static uint64_t own_mask(struct thread *th)
{
	const struct signal_thread *st;
	uint64_t mask;

	lock_acquire(&signals_lock);
	st = signal_thread_of(th, false);
	mask = st ? st->st_mask : 0;
	lock_release(&signals_lock);
	return mask;
}

EXPORT int ell_sigmask(int how, const sigset_t *set, sigset_t *old)
{
	struct thread *th = thread_current();
	uint64_t before, word = set ? signal_word(set) : 0;

	if (is_foreign(th)) {
		sigset_t usual;

		/* Nobody blocks the C library's own two: pthread_sigmask(3). */
		signal_set(&usual, word & ~(SIGNAL_BIT(32) | SIGNAL_BIT(33)));
		return sys.pthread_sigmask(how, set ? &usual : NULL, old);
	}
	signals_use();
	if (set && how != SIG_BLOCK && how != SIG_UNBLOCK && how != SIG_SETMASK)
		return EINVAL;
	before = own_mask(th);
	if (old)
		signal_set(old, before);
	if (!set)
		return 0;
	if (how == SIG_BLOCK)
		word |= before;
	else if (how == SIG_UNBLOCK)
		word = before & ~word;
	return set_mask(th, word, NULL);
}

EXPORT int ell_sigpending(sigset_t *set)
{
	struct thread *th = thread_current();
	const struct signal_thread *st;
	uint64_t pending, mask;

	signals_use();
	guard_enter();
	signals_route();
	guard_leave();
	lock_acquire(&signals_lock);
	st = signal_thread_of(th, false);
	mask = st ? st->st_mask : 0;
	pending = ((st ? st->st_queue.sq_set : 0) | signals_of_process.sq_set) & mask;
	lock_release(&signals_lock);
	signal_set(set, pending);
	return 0;
}

static bool is_number(int number)
{
	return number >= 1 && number <= SIGNALS_MAX && (number < 32 || number >= SIGRTMIN);
}

static int send_signal(ell_thread thread, int number, int code, union sigval value)
{
	struct signal_record *record;
	int error;

	signals_use();
	if (signal_usable(SIGNAL_BIT(number)))
		signals_catch(SIGNAL_BIT(number));
	else
		return EINVAL;
	record = signal_record_take();
	if (!record)
		return EAGAIN;
	memset(&record->sr_info, 0, sizeof(record->sr_info));
	record->sr_to = thread;
	record->sr_info.si_signo = number;
	record->sr_info.si_code = code;
	record->sr_info.si_pid = sys.getpid();
	record->sr_info.si_uid = getuid();
	record->sr_info.si_value = value;
	guard_enter();
	error = signal_post(record);
	if (!error && !thread)
		signals_poke(NULL, true);
	guard_leave();
	return error;
}

EXPORT int ell_kill(ell_thread thread, int number)
{
	const struct thread *th = thread_find(thread);

	if (number != 0 && !is_number(number))
		return EINVAL;
	if (!th)
		return ESRCH;
	if (number == 0)
		return 0;
	if (is_foreign(th))
		return sys.tgkill(sys.getpid(), th->th_tid, number) == 0 ? 0 : errno;
	return send_signal(thread, number, SI_TKILL, (union sigval){0});
}

EXPORT int ell_sigqueue(ell_thread thread, int number, union sigval value)
{
	if (!is_number(number))
		return EINVAL;
	if (thread != ELL_THREAD_ANY && !thread_find(thread))
		return ESRCH;
	return send_signal(thread, number, SI_QUEUE, value);
}

/* One of SET that is pending: its number, or 0. With the lock. */
static int take_locked(struct signal_thread *st, uint64_t set, siginfo_t *info)
{
	struct signal_queue *queue = &st->st_queue;
	struct signal_record *record;
	int number;

	set &= st->st_queue.sq_set | signals_of_process.sq_set;
	if (!set)
		return 0;
	number = __builtin_ctzll(set) + 1;
	if (!(queue->sq_set & SIGNAL_BIT(number)))
		queue = &signals_of_process;
	record = signal_get_locked(queue, number);
	if (info)
		*info = record->sr_info;
	signal_record_give(record);
	return number;
}

/* The same, or who waits is known to wait: 0, and a ticket. Or -errno. */
static int take_or_wait(struct thread *th, uint64_t set, siginfo_t *info, park_ticket *ticket)
{
	struct signal_thread *st;
	int number;

	*ticket = park_prepare();
	lock_acquire(&signals_lock);
	st = signal_thread_of(th, true);
	number = st ? take_locked(st, set, info) : -ENOMEM;
	if (number == 0)
		signal_waits_locked(st, set, *ticket);
	lock_release(&signals_lock);
	/* Nobody knows it. */
	if (number != 0)
		park_cancel(*ticket);
	return number;
}

static void wait_no_more(struct thread *th)
{
	lock_acquire(&signals_lock);
	signal_waits_locked(signal_thread_of(th, false), 0, 0);
	lock_release(&signals_lock);
}

EXPORT int ell_sigwait_until(const sigset_t *set, siginfo_t *info, ell_time until)
{
	struct thread *th = thread_current();
	uint64_t wanted = signal_usable(signal_word(set));
	enum park_end end = PARK_WOKEN;

	if (is_foreign(th))
		return failed(ENOTSUP);
	signals_catch(wanted);
	th->th_handled = false;
	for (;;) {
		park_ticket ticket;
		int number;

		guard_enter();
		signals_route();
		guard_leave();
		number = take_or_wait(th, wanted, info, &ticket);
		if (number != 0)
			return number < 0 ? failed(-number) : number;
		if (end == PARK_EXPIRED) {
			if (park_cancel(ticket)) {
				wait_no_more(th);
				return failed(EAGAIN);
			}
			/* Somebody has just woken us. */
			end = park_commit_open(ticket, PARK_SIGNAL, until, true);
			continue;
		}
		end = park_commit_open(ticket, PARK_SIGNAL, until, true);
		wait_no_more(th);
		if (end == PARK_INTERRUPTED && th->th_handled)
			return failed(EINTR);
	}
}

EXPORT int ell_sigwaitinfo(const sigset_t *set, siginfo_t *info)
{
	return ell_sigwait_until(set, info, ELL_FOREVER);
}

EXPORT int ell_sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
	int64_t ns;

	if (!timeout)
		return ell_sigwaitinfo(set, info);
	if (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec >= ELL_SEC)
		return failed(EINVAL);
	if (__builtin_mul_overflow((int64_t)timeout->tv_sec, ELL_SEC, &ns) ||
	    __builtin_add_overflow(ns, (int64_t)timeout->tv_nsec, &ns))
		ns = INT64_MAX;
	return ell_sigwait_until(set, info, ell_after(ns));
}

EXPORT int ell_sigwait(const sigset_t *set, int *number)
{
	int before = errno, got;

	do
		got = ell_sigwaitinfo(set, NULL);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno;
	errno = before;
	*number = got;
	return 0;
}

EXPORT int ell_sigsuspend(const sigset_t *mask)
{
	struct thread *th = thread_current();
	uint64_t old = 0;
	int error;

	if (is_foreign(th))
		return failed(ENOTSUP);
	th->th_handled = false;
	error = set_mask(th, signal_word(mask), &old);
	if (error)
		return failed(error);
	/* Nobody else knows the ticket. */
	while (!th->th_handled)
		park_commit_open(park_prepare(), PARK_SIGNAL, ELL_FOREVER, true);
	set_mask(th, old, NULL);
	return failed(EINTR);
}

EXPORT int ell_sigaltstack(const stack_t *stack, stack_t *old)
{
	struct thread *th = thread_current();
	const char *here = __builtin_frame_address(0);
	struct signal_thread *st;
	bool on;

	if (is_foreign(th))
		return failed(ENOTSUP);
	signals_use();
	lock_acquire(&signals_lock);
	st = signal_thread_of(th, true);
	lock_release(&signals_lock);
	if (!st)
		return failed(ENOMEM);
	on = (uintptr_t)here - (uintptr_t)st->st_stack.ss_sp < st->st_stack.ss_size;
	if (old) {
		*old = st->st_stack;
		old->ss_flags |= on ? SS_ONSTACK : 0;
	}
	if (!stack)
		return 0;
	if (on)
		return failed(EPERM);
	if (stack->ss_flags & ~SS_DISABLE)
		return failed(EINVAL);
	if (!(stack->ss_flags & SS_DISABLE) && stack->ss_size < (size_t)MINSIGSTKSZ)
		return failed(ENOMEM);
	st->st_stack = stack->ss_flags & SS_DISABLE ? (stack_t){.ss_flags = SS_DISABLE} : *stack;
	return 0;
}
