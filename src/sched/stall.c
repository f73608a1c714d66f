/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stall.c - who keeps a vCPU, or its LWP, and where in the program
 *
 * The monitor knows since when an LWP has run the same thread. When that is longer than ELLULA_STALL it reads in /proc
 * whether the LWP is in a system call, and asks the LWP by a signal for the rest: the name of the thread, and the
 * backtrace, which only it can take, on the stack of the thread itself.
 *
 * States of lw_report, by compare-and-swap:
 *
 *	NONE -> WANTED		the monitor, which has written what the report begins with before
 *	WANTED -> RUNS -> NONE	the handler, on the LWP
 *	WANTED -> NONE		the monitor, if the LWP does not react
 *
 * A stall is reported once, however long it lasts; and of all stalls one a second, with the number of those between.
 * The signal interrupts the thread's system call as any signal does; SA_RESTART holds.
 */
#include "sched/stall.h"

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/panic.h"
#include "sched/handoff.h"
#include "sched/thread.h"
#include "sys/sys.h"

#define GAP_NS ELL_SEC
#define ANSWER_NS (100 * ELL_MSEC)

enum { FRAMES = 48, NAP_NS = 100000 };
enum { NONE, WANTED, RUNS };

static struct {
	ell_time limit; /* 0: nobody is interested */
	ell_time next;	/* not before then: the next report */
	unsigned more;	/* stalls that were not reported since the last report */
	char begin[100];
} stall;

/* What a thread may be in for long. */
static const struct {
	long number;
	const char *name;
} calls[] = {
#define NAME(name)                                                                                                     \
	{                                                                                                              \
		SYS_##name, #name                                                                                      \
	}
	NAME(read),
	NAME(write),
	NAME(readv),
	NAME(writev),
	NAME(pread64),
	NAME(pwrite64),
	NAME(openat),
	NAME(close),
	NAME(fsync),
	NAME(fdatasync),
	NAME(ppoll),
	NAME(pselect6),
	NAME(epoll_pwait),
	NAME(futex),
	NAME(nanosleep),
	NAME(accept),
	NAME(accept4),
	NAME(connect),
	NAME(sendto),
	NAME(recvfrom),
	NAME(sendmsg),
	NAME(recvmsg),
	NAME(wait4),
	NAME(waitid),
	NAME(clock_nanosleep),
	NAME(flock),
	NAME(fcntl),
	NAME(ioctl),
	NAME(sendfile),
	NAME(splice),
	NAME(rt_sigtimedwait),
	NAME(msgrcv),
	NAME(semtimedop),
	NAME(mmap),
	NAME(munmap),
	NAME(madvise),
	NAME(copy_file_range),
	NAME(getrandom),
	NAME(sync),
	NAME(statx),
#ifdef SYS_poll
	NAME(poll),
	NAME(select),
	NAME(epoll_wait),
	NAME(open),
	NAME(pause),
	NAME(stat),
#endif
};

bool stall_configure(void)
{
	const char *text = getenv("ELLULA_STALL");
	unsigned long n;
	char *end;
	int64_t unit = ELL_MSEC;

	stall.limit = 0;
	if (!text || !*text)
		return true;
	errno = 0;
	n = strtoul(text, &end, 10);
	if (strcmp(end, "us") == 0)
		unit = ELL_USEC;
	else if (strcmp(end, "s") == 0)
		unit = ELL_SEC;
	else if (*end && strcmp(end, "ms") != 0)
		n = 0;
	if (*text < '0' || *text > '9' || errno || n < 1 || n > 1000000) {
		complain("ELLULA_STALL=%s: a time from 1us to 1000000s is wanted, as 50ms", text);
		return false;
	}
	stall.limit = (ell_time)n * unit;
	return true;
}

bool stall_is_watched(void)
{
	return stall.limit != 0;
}

static const char *name_of(long number)
{
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		if (calls[i].number == number)
			return calls[i].name;
	}
	return "see <sys/syscall.h>";
}

/* What the kernel says about LW: the number of its system call, or -1. */
static long system_call_of(const struct lwp *lw)
{
	char path[64], text[32] = "";
	long number;
	char *end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", (int)lw->lw_tid);
	fd = sys.openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	n = sys.read(fd, text, sizeof(text) - 1);
	sys.close(fd);
	text[n > 0 ? n : 0] = '\0';
	number = strtol(text, &end, 10);
	return end == text ? -1 : number;
}

static void report(struct lwp *lw, ell_time lasts)
{
	const struct timespec nap = {.tv_nsec = NAP_NS};
	ell_time until = ell_after(ANSWER_NS);
	long number = system_call_of(lw);
	uint32_t wanted = WANTED;
	int used;

	used = snprintf(stall.begin, sizeof(stall.begin), "has not scheduled for %lld ms, ",
			(long long)(lasts / ELL_MSEC));
	if (number >= 0)
		snprintf(stall.begin + used, sizeof(stall.begin) - (size_t)used, "in system call %ld (%s)", number,
			 name_of(number));
	else
		snprintf(stall.begin + used, sizeof(stall.begin) - (size_t)used, "computing");
	store_release(&lw->lw_report, WANTED); /* ORD stall-1: pairs with ORD stall-2 */
	if (sys.pthread_kill(lw->lw_pthread, HANDOFF_SIGNAL) == 0) {
		while (load_acquire(&lw->lw_report) != NONE && ell_now() < until)
			sys.nanosleep(&nap, NULL);
	}
	if (cas_acq_rel(&lw->lw_report, &wanted, NONE)) {
		complain("a thread %s; it blocks the signal that asks where", stall.begin);
		return;
	}
	while (load_acquire(&lw->lw_report) != NONE)
		sys.nanosleep(&nap, NULL);
}

bool stall_look(struct lwp *lw, ell_time since, ell_time now)
{
	if (!stall.limit || lw->lw_reported == since)
		return false;
	if (now - since < stall.limit)
		return true;
	lw->lw_reported = since;
	if (now < stall.next) {
		stall.more++;
		return false;
	}
	report(lw, now - since);
	if (stall.more)
		complain("and %u other stalls since the last report", stall.more);
	stall.more = 0;
	stall.next = ell_after(GAP_NS);
	return false;
}

void stall_report_here(struct lwp *lw)
{
	uint32_t wanted = WANTED;
	const struct thread *th;
	void *frames[FRAMES];

	/* ORD stall-2: pairs with ORD stall-1 */
	if (!cas_acq_rel(&lw->lw_report, &wanted, RUNS))
		return;
	th = load_relaxed(&lw->lw_current);
	if (th) {
		complain("thread \"%s\" %s", th->th_name, stall.begin);
		backtrace_symbols_fd(frames, backtrace(frames, FRAMES), STDERR_FILENO);
	}
	store_release(&lw->lw_report, NONE);
}
