/* SPDX-License-Identifier: BSD-2-Clause */
/* long.c - calls that may take long: time, children, locks of files, FIFOs, System V */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "base/compiler.h"
#include "personality/calls.h"
#include "personality/guest.h"
#include "personality/offload.h"
#include "personality/sockets.h"
#include "personality/times.h"
#include "sys/sys.h"

static int64_t pass(const struct entry_regs *g)
{
	return RAW((long)g->rax, g->rdi, g->rsi, g->rdx, g->r10, g->r8, g->r9);
}

/* Tries the call in G with *ARG changed to TRY, which does not wait; if that gives BUSY it is a helper's. */
static int64_t try_first(struct entry_regs *g, uint64_t *arg, uint64_t try, int64_t busy)
{
	uint64_t asked = *arg;
	int64_t result;

	if (asked == try)
		return pass(g);
	*arg = try;
	result = pass(g);
	*arg = asked;
	return result == busy ? offload(g) : result;
}

static int64_t sleep_until(ell_time until, struct timespec *rest)
{
	if (!guest_sleep(until))
		return 0;
	if (rest && until != ELL_FOREVER) {
		ell_time ns = until - ell_now();

		*rest = (struct timespec){.tv_sec = ns / ELL_SEC, .tv_nsec = ns % ELL_SEC};
	}
	return -EINTR;
}

static bool is_valid(const struct timespec *ts)
{
	return ts->tv_sec >= 0 && ts->tv_nsec >= 0 && ts->tv_nsec < ELL_SEC;
}

int64_t long_nanosleep(struct entry_regs *g)
{
	const struct timespec *ts = (const struct timespec *)g->rdi;

	return is_valid(ts) ? sleep_until(times_after(ts), (struct timespec *)g->rsi) : -EINVAL;
}

int64_t long_clock_nanosleep(struct entry_regs *g)
{
	const struct timespec *ts = (const struct timespec *)g->rdx;
	clockid_t clock = (clockid_t)g->rdi;

	if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME && clock != CLOCK_TAI)
		return offload(g);
	if (!is_valid(ts))
		return -EINVAL;
	if (g->rsi & TIMER_ABSTIME)
		return sleep_until(times_until(clock, ts), NULL);
	return sleep_until(times_after(ts), (struct timespec *)g->r10);
}

int64_t long_wait4(struct entry_regs *g)
{
	int64_t pid = 0;

	if (!(g->rdx & WNOHANG)) {
		g->rdx |= WNOHANG;
		pid = pass(g);
		g->rdx &= ~(uint64_t)WNOHANG;
		return pid ? pid : offload(g);
	}
	return pass(g);
}

int64_t long_waitid(struct entry_regs *g)
{
	return g->r10 & WNOHANG ? pass(g) : offload(g);
}

int64_t long_flock(struct entry_regs *g)
{
	return try_first(g, &g->rsi, g->rsi | LOCK_NB, -EWOULDBLOCK);
}

int64_t long_fcntl(struct entry_regs *g)
{
	int64_t result;

	if (g->rsi == F_SETLKW)
		return try_first(g, &g->rsi, F_SETLK, -EAGAIN);
	if (g->rsi == F_OFD_SETLKW)
		return try_first(g, &g->rsi, F_OFD_SETLK, -EAGAIN);
	if (g->rsi == F_DUPFD || g->rsi == F_DUPFD_CLOEXEC)
		sockets_unsure((int)g->rdi);
	result = pass(g);
	if (g->rsi == F_SETFL)
		sockets_changed((int)g->rdi);
	return result;
}

static int64_t open_at(struct entry_regs *g, int dir, const char *path, uint64_t flags)
{
	struct stat st;

	if (!(flags & (O_NONBLOCK | O_PATH)) && sys.fstatat(dir, path, &st, 0) == 0 && S_ISFIFO(st.st_mode))
		return offload(g);
	return pass(g);
}

int64_t long_open(struct entry_regs *g)
{
	return open_at(g, AT_FDCWD, (const char *)g->rdi, g->rsi);
}

int64_t long_openat(struct entry_regs *g)
{
	return open_at(g, (int)g->rdi, (const char *)g->rsi, g->rdx);
}

/* msgsnd(), msgrcv(): the flags are the last argument. */
int64_t long_msg(struct entry_regs *g)
{
	if (g->rax == SYS_msgsnd)
		return try_first(g, &g->r10, g->r10 | IPC_NOWAIT, -EAGAIN);
	return try_first(g, &g->r8, g->r8 | IPC_NOWAIT, -ENOMSG);
}

/* Which of the operations is to wait each says itself. */
int64_t long_semop(struct entry_regs *g)
{
	return offload(g);
}
