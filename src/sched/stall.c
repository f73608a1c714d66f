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
#include "sched/slices.h"
#include "sched/thread.h"
#include "sched/vcpu.h"
#include "sys/sys.h"

#define GAP_NS ELL_SEC
#define ANSWER_NS (100 * ELL_MSEC)

enum { FRAMES = 48, NAP_NS = 100000 };

static struct {
	ell_time limit; /* 0: nobody is interested */
	ell_time next;	/* not before then: the next report */
	unsigned more;	/* stalls that were not reported since the last report */
	char begin[120];
	const struct thread *thread; /* who is to be reported */
	struct lwp *asked;	     /* who was asked last */
	uint32_t printed;	     /* it has answered, about that thread: the handler */
	ell_time tell_limit;	     /* 0: nobody is to be told */
	void (*tell)(const struct ell_stall *stall);
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
	slices_timed = true;
	return true;
}

bool stall_is_watched(void)
{
	return stall.limit != 0 || load_relaxed(&stall.tell_limit) != 0;
}

void stall_tell(int64_t ns, void (*fn)(const struct ell_stall *stall))
{
	store_relaxed(&stall.tell, fn);
	store_release(&stall.tell_limit, ns); /* ORD tell-1: pairs with ORD tell-2 */
}

static const char *name_of(long number)
{
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		if (calls[i].number == number)
			return calls[i].name;
	}
	return "see <sys/syscall.h>";
}

/* What the kernel says about LW, into TEXT. */
static void describe(const struct lwp *lw, char *text, size_t size)
{
	char path[64], said[32] = "";
	ssize_t n = -1;
	long number;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", (int)lw->lw_tid);
	fd = sys.openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd >= 0) {
		n = sys.read(fd, said, sizeof(said) - 1);
		sys.close(fd);
	}
	said[n > 0 ? n : 0] = '\0';
	number = strtol(said, NULL, 10);
	if (n <= 0)
		snprintf(text, size, "doing what cannot be seen here");
	else if (strncmp(said, "running", 7) == 0)
		snprintf(text, size, "computing");
	else if (number < 0)
		snprintf(text, size, "blocked in no system call, but perhaps by a page");
	else
		snprintf(text, size, "in system call %ld (%s)", number, name_of(number));
}

/* Was anything printed? */
static bool report(struct lwp *lw, ell_time lasts)
{
	const struct timespec nap = {.tv_nsec = NAP_NS};
	ell_time until = ell_after(ANSWER_NS);
	uint32_t wanted = STALL_WANTED;
	int used;

	/* One that has begun to answer may hang in its write. */
	if (stall.asked && load_acquire(&stall.asked->lw_report) != STALL_NONE)
		return false;
	stall.asked = lw;
	stall.thread = load_relaxed(&lw->lw_current);
	store_relaxed(&stall.printed, 0);
	used = snprintf(stall.begin, sizeof(stall.begin), "has not scheduled for %lld ms, ",
			(long long)(lasts / ELL_MSEC));
	describe(lw, stall.begin + used, sizeof(stall.begin) - (size_t)used);
	store_release(&lw->lw_report, STALL_WANTED); /* ORD stall-1: pairs with ORD stall-2 */
	if (handoff_signal(lw)) {
		while (load_acquire(&lw->lw_report) != STALL_NONE && ell_now() < until)
			sys.nanosleep(&nap, NULL);
	}
	if (cas_acq_rel(&lw->lw_report, &wanted, STALL_NONE)) {
		complain("a thread %s; it blocks the signal that asks where", stall.begin);
		return true;
	}
	return load_relaxed(&stall.printed);
}

/* May it still become long enough? */
static bool tell(struct lwp *lw, ell_time since, ell_time now)
{
	ell_time limit = load_acquire(&stall.tell_limit); /* ORD tell-2: pairs with ORD tell-1 */
	const struct thread *th = load_relaxed(&lw->lw_current);
	const struct vcpu *vc = th ? load_relaxed(&th->th_last) : NULL;
	struct ell_stall it = {.ns = now - since};

	if (!limit || lw->lw_told == since || !vc)
		return false;
	if (now - since < limit)
		return true;
	lw->lw_told = since;
	it.thread = load_relaxed(&th->th_id);
	it.vcpu = vc->vc_number;
	thread_name_get(th, it.name);
	load_relaxed (&stall.tell)(&it);
	return false;
}

static bool look_and_report(struct lwp *lw, ell_time since, ell_time now)
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
	if (!report(lw, now - since))
		return false;
	if (stall.more)
		complain("and %u other stalls since the last report", stall.more);
	stall.more = 0;
	stall.next = ell_after(GAP_NS);
	return false;
}

bool stall_look(struct lwp *lw, ell_time since, ell_time now)
{
	bool more = tell(lw, since, now);

	return look_and_report(lw, since, now) || more;
}

void stall_report_here(struct lwp *lw)
{
	uint32_t wanted = STALL_WANTED;
	const struct thread *th;
	void *frames[FRAMES];

	/* ORD stall-2: pairs with ORD stall-1 */
	if (!cas_acq_rel(&lw->lw_report, &wanted, STALL_RUNS))
		return;
	th = load_relaxed(&lw->lw_current);
	/* Else it has gone on meanwhile. */
	if (th && th == stall.thread) {
		complain("thread \"%s\" %s", th->th_name, stall.begin);
		backtrace_symbols_fd(frames, backtrace(frames, FRAMES), STDERR_FILENO);
		store_relaxed(&stall.printed, 1);
	}
	store_release(&lw->lw_report, STALL_NONE);
}
