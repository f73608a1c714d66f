/* SPDX-License-Identifier: BSD-2-Clause */
/* runq.h - the ready threads of a vCPU: what runs with each switch is inline, the rest and the essay are in runq.c */
#ifndef SCHED_RUNQ_H
#define SCHED_RUNQ_H

#include "base/atomic.h"
#include "sched/vcpu.h"

enum { RUNQ_IN_A_ROW_MAX = 64, RUNQ_PREFETCH_LINES = 12, RUNQ_PREFETCH_BELOW = 6 };

/* The part of the queue that thieves may take from. Context: T V, on VC. */
void runq_ring_push(struct vcpu *vc, struct thread *th);
struct thread *runq_ring_pop(struct vcpu *vc);

/* TH is to run next, before the queue. Context: T V, on VC. */
void runq_push_next(struct vcpu *vc, struct thread *th);

/*
 * Half of VICTIM's ready threads go to VC, one of them is returned: NULL if there is none. ALSO_NEXT: even the one that
 * should run next there. Context: V, on VC.
 */
struct thread *runq_steal(struct vcpu *vc, struct vcpu *victim, bool also_next);

/* Any thread that is ready here and may move: NULL if there is none. Context: V, on VC. */
struct thread *runq_take(struct vcpu *vc);

/* Is anything in the queue that a thief could take? Context: any. */
static inline bool runq_has_some(const struct vcpu *vc)
{
	return load_relaxed(&vc->vc_head) != load_relaxed(&vc->vc_tail) || load_relaxed(&vc->vc_more_count);
}

/* Is nothing ready here? Context: T V, on VC. */
static inline bool runq_is_empty(const struct vcpu *vc)
{
	return !vc->vc_own_first && !vc->vc_own_next && !load_relaxed(&vc->vc_next) && !runq_has_some(vc);
}

/* TH to the end of the queue. Context: T V, on VC. */
static inline void runq_push(struct vcpu *vc, struct thread *th)
{
	if (!th->th_vcpu) {
		runq_ring_push(vc, th);
		return;
	}
	th->th_next = NULL;
	if (vc->vc_own_first)
		vc->vc_own_last->th_next = th;
	else
		vc->vc_own_first = th;
	vc->vc_own_last = th;
}

/* TH is to run next, and no thief may take it before. Context: T V, on VC. */
static inline void runq_push_own_next(struct vcpu *vc, struct thread *th)
{
	struct thread *before = vc->vc_own_next;

	vc->vc_own_next = th;
	if (before)
		runq_push(vc, before);
}

static inline struct thread *runq_own_pop(struct vcpu *vc)
{
	struct thread *th = vc->vc_own_first;

	vc->vc_own_first = th->th_next;
	return th;
}

/* What was to run next, if thieves have left it. */
static inline struct thread *runq_next_pop(struct vcpu *vc)
{
	struct thread *th = vc->vc_own_next;

	if (th) {
		vc->vc_own_next = NULL;
		return th;
	}
	th = load_relaxed(&vc->vc_next);
	if (!th)
		return NULL;
	if (!runtime.rt_solo)
		return xchg_acq_rel(&vc->vc_next, NULL);
	vc->vc_next = NULL;
	return th;
}

/* Who was to run next, but was passed over for one that may not move: it goes to the end of the queue. Context: T V. */
void runq_queue_next(struct vcpu *vc);

/* Of TH, what runq_prefetch() looks at. Context: any. */
static inline void runq_prefetch_descriptor(const struct thread *th)
{
	__builtin_prefetch(th, 1);
	__builtin_prefetch((const char *)th + CACHE_LINE, 1);
}

/*
 * Who comes after the next one, as far as that can be seen: its stack may be far away, and there is time to fetch it.
 * Of who comes after that, where to find it. Context: T V, on VC.
 */
static inline void runq_prefetch(const struct vcpu *vc)
{
	uint32_t head = load_relaxed(&vc->vc_head);
	const struct thread *th = vc->vc_own_first;
	int line = 0;
	const char *sp;

	if (!th) {
		if (head == vc->vc_tail)
			return;
		th = load_relaxed(&vc->vc_ring[head % RUNQ_SIZE]);
		if (head + 1 != vc->vc_tail)
			runq_prefetch_descriptor(load_relaxed(&vc->vc_ring[(head + 1) % RUNQ_SIZE]));
		__builtin_prefetch(load_relaxed(&th->th_touches), 1);
		if (th->th_tls)
			__builtin_prefetch((const char *)th->th_tls + arch_lwp_offset());
		/* It may be new: then its frames will lie below. */
		line = -RUNQ_PREFETCH_BELOW;
	}
	sp = load_relaxed(&th->th_ctx.cx_sp);
	for (; line < RUNQ_PREFETCH_LINES; line++)
		__builtin_prefetch(sp + line * CACHE_LINE, 1);
	__builtin_prefetch((const char *)th + CACHE_LINE, 1);
	__builtin_prefetch((const char *)th + 2 * CACHE_LINE, 1);
}

/* The thread that runs next: NULL if nothing is ready here. Context: T V, on VC. */
static inline __attribute__((always_inline)) struct thread *runq_pop(struct vcpu *vc)
{
	struct thread *th;

	if (LIKELY(vc->vc_in_a_row++ < RUNQ_IN_A_ROW_MAX) && (th = runq_next_pop(vc)) != NULL)
		return th;
	vc->vc_in_a_row = 0;
	vc->vc_own_turn = !vc->vc_own_turn;
	if (UNLIKELY(vc->vc_own_next != NULL))
		runq_queue_next(vc);
	if (vc->vc_own_first && (vc->vc_own_turn || !runq_has_some(vc)))
		return runq_own_pop(vc);
	th = runq_ring_pop(vc);
	if (!th && vc->vc_own_first)
		return runq_own_pop(vc);
	return th ? th : runq_next_pop(vc);
}

#endif
