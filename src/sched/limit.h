/* SPDX-License-Identifier: BSD-2-Clause */
/* limit.h - vCPUs that rest, because the process may use fewer CPUs */
#ifndef SCHED_LIMIT_H
#define SCHED_LIMIT_H

#include <ellula/time.h>

#include "sched/vcpu.h"

/* Does VC leave what may run elsewhere to others? It may be otherwise a moment later. Context: any. */
static inline bool limit_rests(const struct vcpu *vc)
{
	return (unsigned)vc->vc_number >= load_relaxed(&runtime.rt_active);
}

/* At the start, and in the child after a fork: all of the COUNT vCPUs work; FOLLOW the system, too. Context: K. */
void limit_begin(unsigned count, bool follow);

/* VC rests: the threads that are ready here, and may move, go to others. Context: V, on VC. */
void limit_pass_on(struct vcpu *vc);

/* Does the monitor have to look? Context: F. */
bool limit_follows(void);

/* Reads what the system allows, if it is time for that. Context: F, the monitor. */
void limit_look(ell_time now);

#endif
