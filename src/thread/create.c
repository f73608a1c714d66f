/* SPDX-License-Identifier: BSD-2-Clause */
/* create.c - the beginning and the end of a thread */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/guard.h"
#include "base/panic.h"
#include "mem/tls.h"
#include "sched/current.h"
#include "sched/deadline.h"
#include "sched/inside.h"
#include "sched/sanitizer.h"
#include "sched/sched.h"
#include "thread/join.h"
#include "thread/life.h"

enum { PAGE = 4096, STACK_MAX = 1 << 30 };

EXPORT void ell_attr_init(struct ell_attr *attr)
{
	*attr = (struct ell_attr){
		.stack_size = ELL_STACK_DEFAULT, .guard_size = PAGE, .vcpu = ELL_VCPU_ANY, .tls = ELL_TLS_PRIVATE};
}

/* The slot that ATTR asks for: 0, or an errno. */
static int find_pool(const struct ell_attr *attr, struct slot_pool **pool)
{
	size_t guard = (attr->guard_size + PAGE - 1) & ~(size_t)(PAGE - 1);
	size_t size = PAGE;

	if (attr->stack_size > STACK_MAX || attr->guard_size > STACK_MAX || attr->stack_size < guard + ELL_STACK_MIN)
		return EINVAL;
	if (attr->vcpu < ELL_VCPU_ANY || attr->vcpu >= (int)runtime.rt_count)
		return EINVAL;
	if (attr->tls != ELL_TLS_PRIVATE && attr->tls != ELL_TLS_SHARED)
		return EINVAL;
	while (size < attr->stack_size)
		size *= 2;
	*pool = slot_pool_find(size, guard, sizeof(struct thread), attr->tls);
	return *pool ? 0 : EAGAIN;
}

void thread_name_copy(struct thread *th, const char *name)
{
	uint64_t words[ARRAY_SIZE(th->th_name_words)] = {0};

	memcpy(words, name, strnlen(name, ELL_NAME_MAX - 1));
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		store_relaxed(&th->th_name_words[i], words[i]);
}

/* As thread_name_copy(th, "thread"), which would be a twentieth of a create. */
static void name_default(struct thread *th)
{
	static const union {
		char name[ELL_NAME_MAX];
		uint64_t words[ELL_NAME_MAX / 8];
	} unnamed = {.name = "thread"};

	for (size_t i = 0; i < ARRAY_SIZE(unnamed.words); i++)
		store_relaxed(&th->th_name_words[i], unnamed.words[i]);
}

void (*thread_is_made)(struct thread *th);
void (*thread_ends)(struct thread *th);

/* The first function of each thread. */
static void thread_main(void *previous)
{
	struct thread *th;

	sched_finish_previous(previous);
	th = arch_thread();
	if (!th->th_tls && !th->th_vcpu)
		store_relaxed(&th->th_vcpu, vcpu_self());
	inside_arrived();
	if (th->th_tls)
		tls_enter(th->th_tls_used);
	th->th_tls_used = true;
	sched_arrived(th, 1);
	guard_leave();
	ell_exit(th->th_fn(th->th_arg));
}

/* Threads of its kind have a block of their own, which stays with the stack: 0 or an errno. */
static int prepare_tls(struct thread *th, enum ell_tls tls)
{
	if (tls == ELL_TLS_SHARED || !tls_works())
		return 0;
	if (!th->th_tls) {
		th->th_tls = tls_create();
		th->th_tls_used = false;
	}
	return th->th_tls ? 0 : ENOMEM;
}

static char *stack_top(const struct thread *th)
{
	return (char *)((uintptr_t)th->th_stack_high & ~(uintptr_t)15);
}

static struct thread *take(struct slot_pool *pool)
{
	struct lwp *lw = arch_lwp_or_null();
	struct thread *th;

	if (UNLIKELY(!lw))
		return thread_take(pool, NULL, THREAD_USER);
	inside_enter(lw);
	th = thread_take(pool, LIKELY(lw->lw_vcpu != NULL) ? lw->lw_vcpu->vc_slots : NULL, THREAD_USER);
	inside_leave(lw);
	return th;
}

void thread_give_back(struct thread *th)
{
	struct lwp *lw;

	guard_enter();
	lw = arch_lwp_or_null();
	if (LIKELY(lw != NULL)) {
		inside_enter(lw);
		thread_give(th, LIKELY(lw->lw_vcpu != NULL) ? lw->lw_vcpu->vc_slots : NULL);
		inside_leave(lw);
	} else {
		thread_give(th, NULL);
	}
	guard_leave();
}

int thread_create(struct thread **made, const struct ell_attr *attr, void *(*fn)(void *), void *arg)
{
	struct slot_pool *pool;
	struct thread *th;
	int error = find_pool(attr, &pool);

	if (UNLIKELY(error))
		return error;
	th = take(pool);
	if (UNLIKELY(!th))
		return ENOMEM;
	error = prepare_tls(th, attr->tls);
	if (UNLIKELY(error)) {
		thread_give_back(th);
		return error;
	}
	store_relaxed(&th->th_vcpu, attr->vcpu == ELL_VCPU_ANY ? NULL : &runtime.rt_vcpus[attr->vcpu]);
	store_relaxed(&th->th_last, NULL);
	th->th_errno = 0;
	store_relaxed(&th->th_calls, UINT64_C(0));
	th->th_running_count = 0;
	store_relaxed(&th->th_blocking, 0u);
	th->th_outer_count = 0;
	th->th_fn = fn;
	th->th_arg = arg;
	store_relaxed(&th->th_join, join_word(th->th_id, attr->detached ? JOIN_DETACHED : JOIN_POSSIBLE));
	if (attr->name)
		thread_name_copy(th, attr->name);
	else
		name_default(th);
	if (th->th_tls)
		tls_guard(th->th_tls);
	arch_context_make(&th->th_ctx, stack_top(th), thread_main);
	sanitizer_thread_begin(th);
	*made = th;
	return 0;
}

/* A thread that a foreign kernel thread makes has no vCPU to begin with: each gets the next. */
static struct vcpu *next_vcpu(void)
{
	static uint32_t turn;

	return &runtime.rt_vcpus[fetch_add_relaxed(&turn, 1) % load_relaxed(&runtime.rt_active)];
}

static inline int create(ell_thread *thread, const struct ell_attr *attr, void *(*fn)(void *), void *arg)
{
	static const struct ell_attr defaults = {
		.stack_size = ELL_STACK_DEFAULT, .guard_size = PAGE, .vcpu = ELL_VCPU_ANY, .tls = ELL_TLS_PRIVATE};
	struct thread *th;
	int error;

	if (UNLIKELY(!fn))
		return EINVAL;
	if (UNLIKELY(!runtime.rt_count))
		return ENXIO;
	error = thread_create(&th, attr ? attr : &defaults, fn, arg);
	if (UNLIKELY(error))
		return error;
	if (thread)
		*thread = th->th_id;
	if (UNLIKELY(!arch_lwp_or_null()))
		store_relaxed(&th->th_last, next_vcpu());
	if (UNLIKELY(load_acquire(&runtime.rt_watched)))
		thread_is_made(th);
	/* From here it may run, and be gone. */
	sched_ready(th, READY_LAST);
	return 0;
}

EXPORT int ell_create(ell_thread *thread, const struct ell_attr *attr, void *(*fn)(void *), void *arg)
{
	int error;

	guard_enter();
	error = create(thread, attr, fn, arg);
	guard_leave();
	return error;
}

EXPORT void ell_exit(void *result)
{
	struct thread *th = thread_current();

	if (UNLIKELY(th->th_kind != THREAD_USER))
		panic("ell_exit: thread \"%s\" %s", th->th_name,
		      th->th_kind == THREAD_MAIN ? "is main: return from main(), or call exit()"
						 : "is a foreign kernel thread");
	if (th->th_tls)
		tls_leave();
	guard_enter();
	if (UNLIKELY(load_acquire(&runtime.rt_watched)))
		thread_ends(th);
	start_thread_ends(th, result);
	deadline_forget(th);
	th->th_result = result;
	/* A joiner who runs gives this stack away: it is queued here, and here it stays until we have left. */
	inside_enter(arch_lwp());
	th->th_leave = join_early(th) ? LEAVE_GONE : LEAVE_EXIT;
	sched_leave(th);
	__builtin_unreachable();
}
