/* SPDX-License-Identifier: BSD-2-Clause */
/* backend.h - which kernel port executes the messages of this case */
#ifndef HARNESS_BACKEND_H
#define HARNESS_BACKEND_H

#include <stdbool.h>
#include <string.h>

#include "arch/arch.h"
#include "harness/harness.h"
#include "kport/kport.h"
#include "sched/lwp.h"

/* Is it the one called NAME? In a case that is a user thread. */
static inline bool backend_is(const char *name)
{
	return strcmp(arch_lwp()->lw_kport->kp_ops->name, name) == 0;
}

/* For cases about io_uring itself. */
static inline void backend_needs_uring(void)
{
	if (!backend_is("uring"))
		SKIP("about io_uring, which is not in use");
}

#endif
