/* SPDX-License-Identifier: BSD-2-Clause */
/* sanitizer.h - tell the sanitizers that the stack changes; nothing in other builds */
#ifndef SCHED_SANITIZER_H
#define SCHED_SANITIZER_H

#include "base/compiler.h"
#include "sched/lwp.h"
#include "sched/thread.h"

#ifdef WITH_TSAN
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
#endif
#ifdef WITH_ASAN
void __sanitizer_start_switch_fiber(void **fake_stack, const void *bottom, size_t size);
void __sanitizer_finish_switch_fiber(void *fake_stack, const void **bottom, size_t *size);
void __asan_unpoison_memory_region(const volatile void *low, size_t size);
void __lsan_register_root_region(const void *low, size_t size);
void __lsan_unregister_root_region(const void *low, size_t size);
#endif

/* TH is about to run for the first time. */
static inline void sanitizer_thread_begin(struct thread *th)
{
	th->th_fiber = NULL;
#ifdef WITH_TSAN
	th->th_fiber = __tsan_create_fiber(0);
#elif defined(WITH_ASAN)
	size_t size = (size_t)(th->th_stack_high - th->th_stack_low);

	/* The last thread on this stack left in the middle of its frames. */
	__asan_unpoison_memory_region(th->th_stack_low, size);
	/* The leak checker looks at the stacks that run, and nowhere else. */
	__lsan_register_root_region(th->th_stack_low, size);
#endif
}

/* TH has left for good. */
static inline void sanitizer_thread_end(struct thread *th)
{
#ifdef WITH_TSAN
	__tsan_destroy_fiber(th->th_fiber);
	th->th_fiber = NULL;
#elif defined(WITH_ASAN)
	__lsan_unregister_root_region(th->th_stack_low, (size_t)(th->th_stack_high - th->th_stack_low));
#endif
	(void)th;
}

/* The calling kernel thread becomes LW. */
static inline void sanitizer_lwp_begin(struct lwp *lw)
{
#ifdef WITH_TSAN
	lw->lw_fiber = __tsan_get_current_fiber();
#elif defined(WITH_ASAN)
	__lsan_register_root_region(lw->lw_stack_low, lw->lw_stack_size);
#endif
	(void)lw;
}

/* The calling context becomes TH; LW's scheduler gets a stack of its own. */
static inline void sanitizer_adopt(struct thread *th, struct lwp *lw)
{
	th->th_fiber = lw->lw_fiber;
	lw->lw_fiber = NULL;
#ifdef WITH_TSAN
	lw->lw_fiber = __tsan_create_fiber(0);
#endif
}

#ifdef WITH_ASAN
/* Of the context that is left: set by it, read when it runs again. NULL when it ends, which frees its fake stack. */
#define SANITIZER_SLOT(th) ((th)->th_leave >= LEAVE_EXIT ? NULL : &(th)->th_fiber)
#define SANITIZER_LEAVE(slot, th_to)                                                                                   \
	__sanitizer_start_switch_fiber((slot), (th_to)->th_stack_low,                                                  \
				       (size_t)((th_to)->th_stack_high - (th_to)->th_stack_low))
#endif

static inline void sanitizer_leave_for(struct thread *th, struct thread *to)
{
#ifdef WITH_TSAN
	__tsan_switch_to_fiber(to->th_fiber, 0);
#elif defined(WITH_ASAN)
	SANITIZER_LEAVE(SANITIZER_SLOT(th), to);
#endif
	(void)th;
	(void)to;
}

static inline void sanitizer_leave_for_scheduler(struct thread *th, struct lwp *lw)
{
#ifdef WITH_TSAN
	__tsan_switch_to_fiber(lw->lw_fiber, 0);
#elif defined(WITH_ASAN)
	__sanitizer_start_switch_fiber(SANITIZER_SLOT(th), lw->lw_stack_low, lw->lw_stack_size);
#endif
	(void)th;
	(void)lw;
}

static inline void sanitizer_leave_scheduler_for(struct lwp *lw, struct thread *to)
{
#ifdef WITH_TSAN
	__tsan_switch_to_fiber(to->th_fiber, 0);
#elif defined(WITH_ASAN)
	SANITIZER_LEAVE(&lw->lw_fiber, to);
#endif
	(void)lw;
	(void)to;
}

/* In the context that runs now. */
static inline void sanitizer_arrived(void)
{
#ifdef WITH_ASAN
	struct lwp *lw = arch_lwp();

	__sanitizer_finish_switch_fiber(lw->lw_current ? lw->lw_current->th_fiber : lw->lw_fiber, NULL, NULL);
	if (lw->lw_current)
		lw->lw_current->th_fiber = NULL;
#endif
}

#endif
