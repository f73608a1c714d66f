/* SPDX-License-Identifier: BSD-2-Clause */
/* self.h - who is calling */
#ifndef THREAD_SELF_H
#define THREAD_SELF_H

#include <ellula/thread.h>
#include <stdbool.h>

#include "sched/current.h"

/*
 * The caller's own name, never 0: a user thread's or, on a foreign kernel thread, that one's. For the fast paths of
 * locks: whether the LWP is of this copy of the library is looked at when somebody waits. Context: T F.
 */
static inline ell_thread thread_self(void)
{
	return thread_current()->th_id;
}

#endif
