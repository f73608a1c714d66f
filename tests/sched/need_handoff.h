/* SPDX-License-Identifier: BSD-2-Clause */
/* need_handoff.h - what a case about the hand-off of vCPUs needs */
#ifndef SCHED_NEED_HANDOFF_H
#define SCHED_NEED_HANDOFF_H

#include "harness/harness.h"
#include "kport/kport.h"
#include "mem/tls.h"
#include "sched/handoff.h"

/* Where there is no hand-off a case says why, and does nothing. */
static inline void need_handoff(void)
{
	if (!tls_works())
		SKIP("threads share the TLS of their LWP here: %s", tls_describe());
	if (!handoff_probe())
		SKIP("no membarrier(2) here");
	if (!vcpu_kport(&runtime.rt_vcpus[0])->kp_ops->ring_bell)
		SKIP("this kernel port does not leave its LWP alone");
}

#endif
