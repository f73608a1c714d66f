/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * timers.c - timers that signal one thread
 *
 * Purpose: SIGEV_THREAD_ID names a thread by its number, and the kernel does not know the numbers that we give. The C
 * library's SIGEV_THREAD is made of it.
 *
 * The kernel's timer signals a kernel thread of ours, the ringer, with a value that says which of ours it is; the
 * ringer sends the thread what the program has asked for, as another thread would (route_queue()). The timer itself is
 * the kernel's: it is set, read and counted as without us.
 *
 * States of a timer of ours, with its lock:
 *
 *	FREE -> MADE	timers_create(): before the kernel has it
 *	MADE -> FREE	timers_delete(), after the kernel has it no more; or the kernel did not make it
 *
 * What is on its way when a timer is deleted finds another number of use in it, and is dropped.
 *
 * The ringer waits for the C library's first signal, which comes to threads only: nobody else can mean it.
 */
#include "personality/timers.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/atomic.h"
#include "base/lock.h"
#include "personality/clone.h"
#include "personality/guest.h"
#include "personality/hidden.h"
#include "personality/route.h"
#include "sys/sys.h"

enum { TIMERS = 1024, RINGER_STACK = 65536, RING = 32, SIGNALS = 64, SET_SIZE = 8 };

struct timer_of_ours {
	bool is_made;
	uint32_t uses;
	int id; /* the kernel's */
	int32_t tid;
	int signal;
	union sigval value;
};

static struct {
	uint32_t lock;
	uint32_t begun;			  /* the ringer is made, or being made */
	int ringer;			  /* its number, or 0: it is not there yet; negative: -errno */
	struct timer_of_ours all[TIMERS]; /* lock */
} timers;

/* The value of the kernel's timer: which, and in which use. */
static void *key_of(const struct timer_of_ours *t)
{
	return (void *)((uintptr_t)t->uses << 16 | (uintptr_t)(t - timers.all));
}

/* Sends what the timer of KEY is to send: false, to be tried again. */
static bool ring(uintptr_t key, const siginfo_t *came)
{
	const struct timer_of_ours *t = &timers.all[key & 0xffff];
	siginfo_t info = *came;
	struct guest *gu = NULL;

	lock_acquire(&timers.lock);
	if (t->is_made && (uintptr_t)key_of(t) == key) {
		info.si_signo = t->signal;
		info.si_value = t->value;
		gu = guest_find(t->tid);
	}
	lock_release(&timers.lock);
	return !gu || route_queue(gu, &info);
}

static void *ringer(void *unused)
{
	const uint64_t set = UINT64_C(1) << (RING - 1);
	const struct timespec nap = {.tv_nsec = 1000000};
	siginfo_t info;

	/* The C library blocks it for nobody. */
	RAW(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, SET_SIZE);
	store_release(&timers.ringer, sys.gettid());
	for (;;) {
		if (RAW(SYS_rt_sigtimedwait, &set, &info, NULL, SET_SIZE) < 0 || info.si_code != SI_TIMER)
			continue;
		while (!ring((uintptr_t)info.si_value.sival_ptr, &info))
			sys.nanosleep(&nap, NULL);
	}
	return unused;
}

/* The ringer's number, or -errno. */
static int find_ringer(void)
{
	const struct timespec nap = {.tv_nsec = 100000};
	int error;

	if (!xchg_seq_cst(&timers.begun, 1)) {
		error = hidden_thread(ringer, NULL, RINGER_STACK, 0);
		if (error)
			store_release(&timers.ringer, -error);
	}
	while (!load_acquire(&timers.ringer))
		sys.nanosleep(&nap, NULL);
	return load_acquire(&timers.ringer);
}

static struct timer_of_ours *take(const struct sigevent *event)
{
	struct timer_of_ours *t = timers.all;

	lock_acquire(&timers.lock);
	while (t < timers.all + TIMERS && t->is_made)
		t++;
	if (t < timers.all + TIMERS) {
		t->is_made = true;
		t->uses++;
		t->id = -1;
		t->tid = event->_sigev_un._tid;
		t->signal = event->sigev_signo;
		t->value = event->sigev_value;
	}
	lock_release(&timers.lock);
	return t < timers.all + TIMERS ? t : NULL;
}

static void give_back(struct timer_of_ours *t)
{
	lock_acquire(&timers.lock);
	t->is_made = false;
	lock_release(&timers.lock);
}

int64_t timers_create(struct entry_regs *g)
{
	const struct sigevent *asked = (const struct sigevent *)g->rsi;
	struct sigevent event;
	struct timer_of_ours *t;
	int64_t error;

	if (!asked || asked->sigev_notify != SIGEV_THREAD_ID || !clone_has_begun() ||
	    !guest_find(asked->_sigev_un._tid))
		return RAW(SYS_timer_create, g->rdi, g->rsi, g->rdx);
	if (asked->sigev_signo < 1 || asked->sigev_signo > SIGNALS)
		return -EINVAL;
	event = *asked;
	event._sigev_un._tid = find_ringer();
	if (event._sigev_un._tid < 0)
		return -EAGAIN;
	t = take(asked);
	if (!t)
		return -EAGAIN;
	event.sigev_signo = RING;
	event.sigev_value.sival_ptr = key_of(t);
	error = RAW(SYS_timer_create, g->rdi, &event, g->rdx);
	if (error)
		give_back(t);
	else
		t->id = *(const int *)g->rdx;
	return error;
}

int64_t timers_delete(struct entry_regs *g)
{
	int64_t error = RAW(SYS_timer_delete, g->rdi);

	lock_acquire(&timers.lock);
	for (struct timer_of_ours *t = timers.all; t < timers.all + TIMERS && !error; t++)
		t->is_made &= t->id != (int)g->rdi;
	lock_release(&timers.lock);
	return error;
}

void timers_forked(void)
{
	memset(&timers, 0, sizeof(timers));
}
