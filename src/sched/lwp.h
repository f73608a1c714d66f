/* SPDX-License-Identifier: BSD-2-Clause */
/* lwp.h - a kernel thread that runs user threads */
#ifndef SCHED_LWP_H
#define SCHED_LWP_H

#include <ellula/stats.h>
#include <ellula/time.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "arch/arch.h"
#include "base/compiler.h"

struct kport;
struct thread;
struct vcpu;

/* All fields are the LWP's own, but for those that say otherwise. */
struct lwp {
	struct lwp *lw_self;	   /* here: what the LWP register points to */
	struct thread *lw_current; /* the thread that runs; NULL in scheduler context */
	uint32_t lw_inside;	   /* sections of sched/inside.h that it is in; read by the monitor */
	uint32_t lw_asked;	   /* enum handoff_state: see sched/handoff.c */
	struct vcpu *lw_vcpu;	   /* what it holds, or NULL */
	struct kport *lw_kport;
	int *lw_errno;		    /* of its own TLS */
	uintptr_t lw_tls;	    /* its own thread pointer */
	uintptr_t lw_kernel_tls;    /* the one with which the C library made this kernel thread */
	struct arch_context lw_ctx; /* scheduler context, while a thread runs */
	void *lw_fiber;		    /* the same, for the sanitizers */
	char *lw_stack_low;	    /* the stack of scheduler context */
	size_t lw_stack_size;
	pthread_t lw_pthread; /* written at its start */
	int lw_number;
	pid_t lw_tid;
	uint32_t lw_kicked; /* a kick is on its way: who kicks sets, its signal handler clears */
	uint32_t lw_held;   /* the stop at whose end it waits, or 0: others read */

	/* See sched/end.c. */
	uint64_t lw_answered;
	uint32_t lw_left;
	uint32_t lw_must;

	/* See sched/handoff.c. */
	struct lwp *lw_next;   /* in the list of spares; its lock */
	struct vcpu *lw_given; /* what a spare one is given: who gives, and itself */
	uint32_t lw_ring_lock;
	bool lw_home;		/* it has no vCPU, and waits for one: itself, with lw_ring_lock */
	uint32_t lw_kick;	/* what its signal handler is to do: the monitor, the handler */
	uint64_t lw_kicks;	/* the monitor */
	ell_time lw_given_at;	/* who gives: when that was decided */
	uint64_t lw_handoff_ns; /* how long it has waited since, over all times; read by anybody */

	/* See sched/stall.c. */
	uint32_t lw_report; /* what is asked of it, and where that stands: the monitor, its handler */
	ell_time
		lw_stalled; /* since then it runs a thread that has lost its vCPU; 0: that was announced. The monitor */
	ell_time lw_reported; /* the beginning of the stall that was reported last: the monitor */
	ell_time lw_told;     /* the same, of the one that the upcall was dispatched for: the monitor */

	uint64_t lw_slices[ELL_SLICES]; /* see sched/slices.c: counters, read by anybody */
} __attribute__((aligned(4096)));	/* as a vCPU, and for the same reason */

_Static_assert(offsetof(struct lwp, lw_self) == 0, "the LWP register points to itself");
_Static_assert(offsetof(struct lwp, lw_current) == 8, "the running thread is read in one instruction");

#endif
