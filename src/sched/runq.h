/* SPDX-License-Identifier: BSD-2-Clause */
/* runq.h - the ready threads of a vCPU */
#ifndef SCHED_RUNQ_H
#define SCHED_RUNQ_H

#include "sched/vcpu.h"

/* TH to the end of the queue. Context: T V, on VC. */
void runq_push(struct vcpu *vc, struct thread *th);

/* TH is to run next, before the queue. Context: T V, on VC. */
void runq_push_next(struct vcpu *vc, struct thread *th);

/* The thread that runs next: NULL if nothing is ready here. Context: T V, on VC. */
struct thread *runq_pop(struct vcpu *vc);

/* Is anything in the queue that a thief could take? Context: any. */
bool runq_has_some(const struct vcpu *vc);

/*
 * Half of VICTIM's ready threads go to VC, one of them is returned: NULL if there is none. ALSO_NEXT: even the one that
 * should run next there. Context: V, on VC.
 */
struct thread *runq_steal(struct vcpu *vc, struct vcpu *victim, bool also_next);

#endif
