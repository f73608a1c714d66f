/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * overflow.c - a stack that is too small says so
 *
 * A fault on the guard of the running thread's stack comes to a handler on a stack of the LWP's own, which names the
 * thread, the size, and who called whom. Any other fault goes on to whoever had the signal before.
 */
#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/panic.h"
#include "sched/current.h"
#include "sched/sched.h"
#include "sys/sys.h"
#include "thread/life.h"

enum { ALT_STACK = 65536, FRAMES = 48 };

static struct sigaction before;

/* A function with a frame larger than the guard may step over it, to another stack: that is what guard_size is for. */
bool overflow_is(const struct thread *th, const void *where)
{
	const char *address = where;
	const char *guard = th->th_stack_low - th->th_slot.sl_pool->sp_guard;

	return th->th_kind == THREAD_USER && address < th->th_stack_low && address >= guard;
}

static void report(const struct thread *th)
{
	void *frames[FRAMES];
	size_t size = th->th_slot.sl_pool->sp_size;

	complain("thread \"%s\" overflowed its %zu KiB stack", th->th_name, size / 1024);
	backtrace_symbols_fd(frames, backtrace(frames, FRAMES), STDERR_FILENO);
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
	struct lwp *lw = arch_lwp_or_null();

	bool sent = info->si_code <= 0;

	if (!sent && lw && lw->lw_current && overflow_is(lw->lw_current, info->si_addr)) {
		report(lw->lw_current);
		abort();
	}
	if (before.sa_flags & SA_SIGINFO) {
		before.sa_sigaction(signal, info, context);
	} else if (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN) {
		if (sched_crash)
			sched_crash(signal);
		/* The instruction is repeated, and faults for good; a signal that was sent is sent again. */
		sys.sigaction(signal, &before, NULL);
		if (sent)
			sys.raise(signal);
	} else {
		before.sa_handler(signal);
	}
}

void overflow_watch_lwp(void)
{
	stack_t stack = {.ss_size = ALT_STACK};

	/* Without the memory, or with an alternate stack of the program's own, there is no handler on ours. */
	if (sys.sigaltstack(NULL, &stack) == 0 && !(stack.ss_flags & SS_DISABLE))
		return;
	stack = (stack_t){.ss_size = ALT_STACK};
	stack.ss_sp = sys.mmap(NULL, ALT_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stack.ss_sp != MAP_FAILED)
		sys.sigaltstack(&stack, NULL);
}

void overflow_watch(void)
{
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
	void *frame;

	/* The first use loads the unwinder, which a handler could not. */
	backtrace(&frame, 1);
	sigemptyset(&action.sa_mask);
	sys.sigaction(SIGSEGV, &action, &before);
}
