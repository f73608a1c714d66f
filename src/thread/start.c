/* SPDX-License-Identifier: BSD-2-Clause */
/* start.c - main() becomes a thread, or calls one */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/panic.h"
#include "mem/tls.h"
#include "sched/current.h"
#include "sched/end.h"
#include "sched/handoff.h"
#include "sched/inside.h"
#include "sched/sanitizer.h"
#include "sched/sched.h"
#include "sys/sys.h"
#include "thread/life.h"

enum { MAIN_STACK = 8 << 20, SCHEDULER_STACK = 65536, PAGE = 4096 };

/* What ell_run() was called with, and what it is to return. One at a time: the runtime starts once. */
static struct {
	int (*fn)(void *);
	void *arg;
	int result;
	struct thread *thread;
	pid_t pid; /* who called it */
} call;

static int start(struct lwp **lw)
{
	int error;

	sched_thread_gone = thread_gone;
	error = sched_start(lw);
	if (!error)
		trim_watch();
	return error;
}

/* The same; stacks that overflow say so, and the process ends as the life room wants it. */
static int start_watched(struct lwp **lw)
{
	int error;

	sched_lwp_begins = overflow_watch_lwp;
	error = start(lw);
	if (!error) {
		overflow_watch();
		sched_begun();
	}
	return error;
}

static void *run_main(void *unused)
{
	(void)unused;
	return (void *)(intptr_t)call.fn(call.arg);
}

void start_thread_ends(const struct thread *th, void *result)
{
	if (th != load_relaxed(&call.thread))
		return;
	/* The descriptor may be another thread's before the runtime has ended. */
	store_relaxed(&call.thread, NULL);
	call.result = (int)(intptr_t)result;
	/* In the child after a fork, the kernel thread that called ell_run() may not exist. */
	if (UNLIKELY(sys.getpid() != call.pid))
		exit(call.result);
	sched_end();
}

EXPORT int ell_run(int (*main_fn)(void *arg), void *arg)
{
	struct ell_attr attr;
	struct lwp *lw;
	int error;

	if (!main_fn)
		return -EINVAL;
	error = start_watched(&lw);
	if (error)
		return error;
	ell_attr_init(&attr);
	attr.stack_size = MAIN_STACK;
	attr.name = "main";
	attr.detached = true;
	call.fn = main_fn;
	call.arg = arg;
	call.pid = sys.getpid();
	error = thread_create(&call.thread, &attr, run_main, NULL);
	if (error) {
		sched_end();
		lwp_resign();
		return -error;
	}
	sched_ready(call.thread, READY_LAST);
	sched_loop(lw);
	handoff_end(lw);
	sched_ending();
	end_gone(lw);
	lwp_resign();
	return call.result;
}

/* The scheduler context of the first LWP, after main() became a thread on its stack. */
static void scheduler(void *previous)
{
	struct lwp *lw = arch_lwp();

	sched_came_back(previous);
	sched_loop(lw);
	for (;;)
		sys.pause();
}

/* The scheduler of LW gets TLS of its own, for main() keeps what it has. */
static bool separate_tls(struct lwp *lw, struct thread *th)
{
	uintptr_t own = arch_tls();

	if (!tls_works()) {
		th->th_vcpu = lw->lw_vcpu;
		return true;
	}
	lw->lw_tls = tls_create();
	if (!lw->lw_tls)
		return false;
	tls_guard(lw->lw_tls);
	arch_tls_set(lw->lw_tls);
	lw->lw_errno = lwp_errno();
	arch_tls_set(own);
	th->th_tls = own;
	return true;
}

/* The caller becomes the thread main; the scheduler of its LWP, LW, gets a stack. */
static int become_main(struct lwp *lw)
{
	struct slot_pool *small, *stacks;
	struct thread *th, *scheduler_slot;

	small = slot_pool_find(PAGE, 0, sizeof(struct thread), THREAD_FOREIGN);
	stacks = slot_pool_find(SCHEDULER_STACK, PAGE, sizeof(struct thread), ELL_TLS_SHARED);
	th = small ? thread_take(small, lw->lw_vcpu->vc_slots, THREAD_MAIN) : NULL;
	/* A descriptor goes with the stack, but no thread has that id. */
	scheduler_slot = stacks ? thread_take(stacks, lw->lw_vcpu->vc_slots, THREAD_USER) : NULL;
	if (!th || !scheduler_slot || !separate_tls(lw, th)) {
		sched_end();
		lwp_resign();
		return -ENOMEM;
	}
	scheduler_slot->th_id = 0;
	thread_name_copy(th, "main");
	store_relaxed(&th->th_last, lw->lw_vcpu);
	th->th_stack_low = lw->lw_stack_low;
	th->th_stack_high = lw->lw_stack_low + lw->lw_stack_size;
	lw->lw_stack_low = scheduler_slot->th_stack_low;
	lw->lw_stack_size = (size_t)(scheduler_slot->th_stack_high - scheduler_slot->th_stack_low);
	arch_context_make(&lw->lw_ctx, (char *)((uintptr_t)scheduler_slot->th_stack_high & ~(uintptr_t)15), scheduler);
	sanitizer_adopt(th, lw);
	store_relaxed(&lw->lw_current, th); /* the monitor looks */
	inside_arrived();
	guard_leave();
	return 0;
}

EXPORT int ell_init(void)
{
	struct lwp *lw;
	int error = start_watched(&lw);

	return error ? error : become_main(lw);
}

int start_init(void)
{
	struct lwp *lw;
	int error = start(&lw);

	return error ? error : become_main(lw);
}
