/* SPDX-License-Identifier: BSD-2-Clause */
/* foreign.c - kernel threads of the program's own, as threads that can wait and be woken */
#include <pthread.h>
#include <sys/prctl.h>

#include "base/panic.h"
#include "sched/current.h"
#include "sched/interrupt.h"
#include "sys/sys.h"

/*
 * A foreign kernel thread gets a descriptor at its first use of the library, in a slot that is one page and has no
 * stack, and gives it back when it ends. It may use this variable of its own: it never moves.
 */
static __thread struct thread *own __attribute__((tls_model("initial-exec")));
static pthread_key_t at_exit;
static pthread_once_t once = PTHREAD_ONCE_INIT;

enum { FOREIGN_SLOT = 4096 };

static void gone(void *th)
{
	own = NULL;
	thread_give(th, NULL);
}

static void make_key(void)
{
	if (pthread_key_create(&at_exit, gone) != 0)
		panic("no pthread key for foreign threads");
}

COLD static struct thread *adopt(void)
{
	struct slot_pool *pool = slot_pool_find(FOREIGN_SLOT, 0, sizeof(struct thread), THREAD_FOREIGN);
	struct thread *th = pool ? thread_take(pool, NULL, THREAD_FOREIGN) : NULL;

	if (!th)
		panic("no memory for the descriptor of a foreign thread");
	/* The kernel's name for it fits. */
	th->th_tid = sys.gettid();
	interrupt_allow();
	sys.prctl(PR_GET_NAME, (unsigned long)(uintptr_t)th->th_name);
	pthread_once(&once, make_key);
	pthread_setspecific(at_exit, th);
	own = th;
	return th;
}

struct thread *thread_foreign(void)
{
	return LIKELY(own != NULL) ? own : adopt();
}

void thread_misplaced(void)
{
	panic("a function that waits or yields was called from an upcall, or in scheduler context");
}
