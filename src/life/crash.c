/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * crash.c - the last words of a process, and no message that writes to its memory meanwhile
 *
 * A signal that ends the process, if nobody else handles it, comes to a handler on the alternate stack of the LWP. It
 * halts the monitor, which would hand the vCPU of an LWP that writes a report to another, and reply to what is
 * cancelled. It stops the other LWPs, by a signal of the same kind; each cancels what is out in its ring, for only it
 * can, and stays in its handler. Then it writes a report to stderr, and lets the signal do what it does: a core is
 * written of memory that no message changes any more. All of it is bounded: STOP_NS for the monitor and as much for the
 * others, CANCEL_NS for each ring.
 *
 * Everything here is safe in a signal handler but backtrace(), whose first use, which allocates, was at the start.
 *
 * Not here: helpers, which block all signals; what they are in the middle of goes on. SIGSEGV, whose handler is in
 * thread/overflow.c, and calls crash() for what is no overflow.
 */
#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/panic.h"
#include "kport/helper.h"
#include "kport/kport.h"
#include "life/life.h"
#include "sched/current.h"
#include "sched/monitor.h"
#include "sched/sched.h"
#include "sys/sys.h"

#define STOP_NS (100 * ELL_MSEC)
#define CANCEL_NS (100 * ELL_MSEC)

enum { FRAMES = 48, STOPPER = SIGABRT };

static const int fatal[] = {SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT, SIGQUIT, SIGXCPU, SIGXFSZ};

static const char *const why_names[PARK_WHY_COUNT] = {
	[PARK_NOT] = "running or ready",
	[PARK_MESSAGE] = "message",
	[PARK_PORT] = "port",
	[PARK_JOIN] = "join",
	[PARK_MUTEX] = "mutex",
	[PARK_COND] = "condition",
	[PARK_SEM] = "semaphore",
	[PARK_RWLOCK] = "rwlock",
	[PARK_ONCE] = "once",
	[PARK_BARRIER] = "barrier",
	[PARK_FD] = "descriptor",
	[PARK_SLEEP] = "sleep",
	[PARK_PERMIT] = "permit",
	[PARK_SIGNAL] = "signal",
};

static bool silent;
static bool can_stop;	 /* our handler has STOPPER */
static pid_t crasher;	 /* the kernel thread that is in crash() */
static uint32_t stopped; /* LWPs */

static void cancel_own(const struct lwp *lw)
{
	if (lw && lw->lw_kport && lw->lw_kport->kp_ops->crash)
		lw->lw_kport->kp_ops->crash(lw->lw_kport, CANCEL_NS);
}

static void stop_others(const struct lwp *own)
{
	const struct timespec nap = {.tv_nsec = 1000000};
	ell_time until = ell_after(STOP_NS + CANCEL_NS);
	uint32_t others = 0;

	for (unsigned i = 0; can_stop && i < load_acquire(&runtime.rt_lwp_count); i++) {
		const struct lwp *lw = &runtime.rt_lwps[i];

		if (lw != own && sys.pthread_kill(lw->lw_pthread, STOPPER) == 0)
			others++;
	}
	while (load_acquire(&stopped) < others && ell_now() < until)
		sys.nanosleep(&nap, NULL);
}

static bool count_thread(struct thread *th, void *counts)
{
	unsigned why = load_relaxed(&th->th_why);

	if (why < PARK_WHY_COUNT)
		((unsigned *)counts)[why]++;
	return true;
}

static void report_threads(void)
{
	unsigned counts[PARK_WHY_COUNT] = {0};
	char line[400] = "";
	size_t used = 0;

	thread_each(count_thread, counts);
	for (unsigned why = 0; why < PARK_WHY_COUNT; why++) {
		if (counts[why] && used < sizeof(line))
			used += (size_t)snprintf(line + used, sizeof(line) - used, "%s%u %s", used ? ", " : "",
						 counts[why], why_names[why]);
	}
	complain("threads, by what they wait for: %s", line);
}

static void report_messages(void)
{
	uint32_t longs = 0, all = 0, helped = 0;
	uint64_t timers = 0;

	for (unsigned i = 0; i < load_acquire(&runtime.rt_lwp_count); i++) {
		const struct kport *kp = runtime.rt_lwps[i].lw_kport;

		longs += load_relaxed(&kp->kp_long_count);
		all += load_relaxed(&kp->kp_outstanding);
	}
	for (unsigned i = 0; i < runtime.rt_count; i++)
		timers += load_relaxed(&runtime.rt_vcpus[i].vc_wheel.wh_count);
	helped = helper_glance();
	complain("messages out: %u long, %u short, %u with helpers; %llu timers", longs, all - longs, helped,
		 (unsigned long long)timers);
}

static void report(int number, const struct lwp *lw)
{
	const struct thread *th = lw ? lw->lw_current : NULL;
	void *frames[FRAMES];

	if (th)
		complain("signal %d (SIG%s) ends the process, in thread \"%s\" on vCPU %d", number,
			 sigabbrev_np(number), th->th_name, lw->lw_number);
	else
		complain("signal %d (SIG%s) ends the process, in %s", number, sigabbrev_np(number),
			 lw ? "scheduler context" : "a kernel thread of the program's own");
	backtrace_symbols_fd(frames, backtrace(frames, FRAMES), STDERR_FILENO);
	report_threads();
	report_messages();
}

void crash(int number)
{
	struct lwp *lw = arch_lwp_or_null();
	pid_t self = sys.gettid();
	pid_t nobody = 0;
	int error = errno;

	if (!cas_acq_rel(&crasher, &nobody, self)) {
		/* Our own report has crashed. */
		if (nobody == self)
			return;
		cancel_own(lw);
		fetch_add_acq_rel(&stopped, 1);
		for (;;)
			sys.pause();
	}
	monitor_halt(ell_after(STOP_NS));
	stop_others(lw);
	cancel_own(lw);
	if (!silent)
		report(number, lw);
	errno = error;
}

/* A fault comes again when the instruction is repeated; anything else has to be sent again. */
static bool comes_again(int number, const siginfo_t *info)
{
	return info->si_code > 0 && (number == SIGBUS || number == SIGILL || number == SIGFPE);
}

static void on_fatal(int number, siginfo_t *info, void *context)
{
	const struct sigaction by_default = {.sa_handler = SIG_DFL};

	(void)context;
	crash(number);
	sys.sigaction(number, &by_default, NULL);
	if (!comes_again(number, info))
		sys.raise(number);
}

/* A sanitizer has these signals, and reports by itself. */
#if defined(WITH_ASAN) || defined(WITH_TSAN)
enum { SANITIZED = true };
#else
enum { SANITIZED = false };
#endif

void crash_watch(void)
{
	const char *wish = getenv("ELLULA_CRASH");
	struct sigaction action = {.sa_sigaction = on_fatal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	struct sigaction before;

	silent = wish && strcmp(wish, "off") == 0;
	if (SANITIZED)
		return;
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++) {
		if (sys.sigaction(fatal[i], NULL, &before) != 0 || (before.sa_flags & SA_SIGINFO) ||
		    before.sa_handler != SIG_DFL)
			continue;
		if (sys.sigaction(fatal[i], &action, NULL) == 0 && fatal[i] == STOPPER)
			can_stop = true;
	}
	sched_crash = crash;
}
