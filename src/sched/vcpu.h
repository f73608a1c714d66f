/* SPDX-License-Identifier: BSD-2-Clause */
/* vcpu.h - the right to run threads, and the runtime as the set of them */
#ifndef SCHED_VCPU_H
#define SCHED_VCPU_H

#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "mem/slot.h"
#include "sched/lwp.h"
#include "sched/thread.h"
#include "sched/timer.h"

enum { VCPUS_MAX = 256, LWPS_SPARE_MAX = 256, RUNQ_SIZE = 256 };

/*
 * In pages of its own, which its first LWP is the first to touch: so they are near, where not all memory is equally
 * near. The kernel lets a thread stay there as long as it can.
 */
struct vcpu {
	/* A CPU that compares the low bits of addresses would take what follows for fields of the LWP. */
	char vc_apart[1024];
	/* The LWP that holds it. */
	struct thread *vc_next;	     /* runs next: was just woken by what runs now; thieves may take it */
	struct thread *vc_own_next;  /* the same, for one that may not move */
	struct thread *vc_own_first; /* ready threads that may not move */
	struct thread *vc_own_last;
	unsigned vc_turns;    /* switches left until the kernel port is looked at */
	unsigned vc_in_a_row; /* how often vc_next was preferred to the queue */
	bool vc_own_turn;     /* which queue is next */
	bool vc_searching;    /* it was woken to look for work */
	bool vc_watching;     /* it sleeps only for a while, to look for threads that wait too long */
	struct slot_cache vc_slots[SLOT_POOLS];
	uint64_t vc_switches; /* counters: read by anybody */
	uint64_t vc_rounds;
	uint64_t vc_steals;
	uint64_t vc_sleeps;
	uint64_t vc_handoffs; /* who gives it away */
	uintptr_t vc_tls;     /* the thread pointer of its threads that have none of their own */
	int *vc_errno;	      /* errno there */
	int vc_number;
	unsigned vc_node;   /* where its LWP was when it last had nothing to do: itself; thieves read it */
	unsigned vc_passed; /* threads that it has passed on, see sched/limit.c */

	/* See sched/runq.c. */
	uint32_t vc_head CACHE_ALIGNED; /* owner and thieves */
	uint32_t vc_tail;		/* owner */
	struct thread *vc_ring[RUNQ_SIZE];
	uint32_t vc_more_lock; /* the rest of the queue; lock */
	struct thread *vc_more_first;
	struct thread *vc_more_last;
	uint32_t vc_more_count; /* also read without the lock */

	struct thread *vc_inbox CACHE_ALIGNED; /* made ready elsewhere, by th_next, newest first: anybody adds */
	struct lwp *vc_lwp;		       /* who holds it: the start, the monitor */
	struct wheel vc_wheel;
} __attribute__((aligned(4096)));

/* The runtime: written at the start, but for the idle mask. */
struct runtime {
	unsigned rt_count; /* of vCPUs; 0: not started */
	struct vcpu *rt_vcpus;
	unsigned rt_lwp_count; /* of LWPs: grows */
	unsigned rt_lwp_max;
	struct lwp *rt_lwps;
	bool rt_solo;	 /* one vCPU: nobody steals */
	bool rt_migrate; /* see sched/ready.c */
	bool rt_guests;	 /* threads are another library's: see thread/guest.c */
	bool rt_forked;	 /* this is a child, see sched/fork.c */
	bool rt_watched; /* threads' lives are: see thread/life.h. Set once */
	uint32_t rt_ended;
	uint64_t rt_question;				/* see sched/end.c: who ends */
	uint64_t rt_idle[VCPUS_MAX / 64] CACHE_ALIGNED; /* bit set: that vCPU is idle, and nobody wakes it. LWPs */
	unsigned rt_active;				/* of vCPUs: these do not rest, see sched/limit.c */
	uint32_t rt_searching;				/* one was woken to look for work, and has found none yet */
	uint32_t rt_watch;				/* an idle one looks now and then */
};

extern struct runtime runtime;

/*
 * The vCPU that runs the caller, who must be on an LWP, and inside (sched/inside.h): NULL if it was given away. It may
 * be another one after any wait.
 */
static inline struct vcpu *vcpu_self(void)
{
	return arch_lwp()->lw_vcpu;
}

/*
 * The kernel port of the LWP that holds VC, to wake it after a post. An LWP that takes VC over looks for posts before
 * it sleeps: who posts, and reads the last holder here, has posted before. Context: any.
 */
static inline struct kport *vcpu_kport(const struct vcpu *vc)
{
	return load_seq_cst(&vc->vc_lwp)->lw_kport; /* ORD holder-1: pairs with ORD holder-2 in sched/handoff.c */
}

#endif
