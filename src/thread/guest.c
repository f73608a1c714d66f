/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guest.c - threads on a stack and on thread-local storage that somebody else has made
 *
 * The C library's pthread_create() makes both, and wants them back when the thread has ended: the moment at which
 * nobody stands on that stack any more is known only to whoever runs next, who calls gone(). A guest's descriptor lies
 * beside what the personality knows about it, four of them in a page: with thousands of threads the address translation
 * of who goes on is often found where that of another one was.
 */
#include "thread/guest.h"

#include <errno.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/panic.h"
#include "mem/tls.h"
#include "sched/current.h"
#include "sched/deadline.h"
#include "sched/inside.h"
#include "sched/sanitizer.h"
#include "sched/sched.h"
#include "sched/vcpu.h"
#include "thread/life.h"

enum { SLOT = 1024, HEADER = (sizeof(struct thread) + CACHE_LINE - 1) & ~(CACHE_LINE - 1) };

_Static_assert(HEADER + GUEST_ROOM <= SLOT, "a guest's descriptor and its room share a slot");

static struct slot_pool *pool;
static const struct guest_above *above;

/* Context: V, or T, inside. */
static struct slot_cache *own_cache(void)
{
	struct lwp *lw = arch_lwp_or_null();

	return lw && lw->lw_vcpu ? lw->lw_vcpu->vc_slots : NULL;
}

static void gone(struct thread *th)
{
	if (th->th_kind != THREAD_GUEST) {
		thread_gone(th);
		return;
	}
	above->gone(th);
	sanitizer_thread_end(th);
	thread_give(th, own_cache());
}

int guest_init(const struct guest_above *told)
{
	int error;

	above = told;
	pool = slot_pool_find(SLOT, 0, HEADER + GUEST_ROOM, THREAD_GUEST);
	if (!pool)
		return -ENOMEM;
	runtime.rt_guests = true;
	sched_lwp_begins = told->lwp_begins;
	error = start_init();
	if (error)
		return error;
	sched_thread_gone = gone;
	return tls_works() ? 0 : -ENOTSUP;
}

struct thread *guest_create(uintptr_t tls, void *top, void (*entry)(void *previous))
{
	struct thread *th;

	inside_enter(arch_lwp());
	th = thread_take(pool, own_cache(), THREAD_GUEST);
	inside_leave(arch_lwp());
	if (UNLIKELY(!th))
		return NULL;
	th->th_tls = tls;
	store_relaxed(&th->th_vcpu, NULL);
	store_relaxed(&th->th_last, NULL);
	thread_name_copy(th, thread_current()->th_name);
	arch_context_make(&th->th_ctx, top, entry);
	arch_context_inherit(&th->th_ctx);
	sanitizer_thread_begin(th);
	return th;
}

void *guest_room(const struct thread *th)
{
	return (char *)(uintptr_t)th + HEADER;
}

void guest_exit(void)
{
	struct thread *th = thread_current();

	ASSERT(th->th_kind == THREAD_GUEST);
	deadline_forget(th);
	th->th_leave = LEAVE_EXIT;
	sched_leave(th);
	__builtin_unreachable();
}
