/* SPDX-License-Identifier: BSD-2-Clause */
/* signals.c - which signals can be had */
#include "sys/signals.h"

#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/lock.h"
#include "sys/sys.h"

static uint32_t lock;
static uint32_t last; /* 0: not known yet */

/*
 * Only a signal that is sent shows it. Ours is fetched before it could be delivered, for a debugger would stop at it,
 * and ignored until then: if it could not be fetched, it is dropped when it is not held back any more.
 */
static bool arrives(int number)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	const struct timespec now = {0};
	struct sigaction action;
	sigset_t set, mask;
	bool sent;

	if (sys.sigaction(number, &ignore, &action) != 0)
		return false;
	sigemptyset(&set);
	sigaddset(&set, number);
	sys.pthread_sigmask(SIG_BLOCK, &set, &mask);
	sent = sys.tgkill(sys.getpid(), sys.gettid(), number) == 0 || errno != EINVAL;
	while (sys.sigtimedwait(&set, NULL, &now) < 0 && errno == EINTR)
		;
	sys.pthread_sigmask(SIG_SETMASK, &mask, NULL);
	sys.sigaction(number, &action, NULL);
	return sent;
}

static COLD void find(void)
{
	uint32_t number = (uint32_t)SIGRTMAX;

	lock_acquire(&lock);
	if (!load_relaxed(&last)) {
		while (number > (uint32_t)SIGRTMIN && !arrives((int)number))
			number--;
		store_relaxed(&last, number);
	}
	lock_release(&lock);
}

int last_signal(void)
{
	if (UNLIKELY(!load_relaxed(&last)))
		find();
	return (int)load_relaxed(&last);
}
