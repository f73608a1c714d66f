/* SPDX-License-Identifier: BSD-2-Clause */
/* join.h - the states of th_join */
#ifndef THREAD_JOIN_H
#define THREAD_JOIN_H

#include <stdbool.h>
#include <stdint.h>

#include "sched/thread.h"

/* See join.c. */
enum join_state { JOIN_POSSIBLE, JOIN_WAITED, JOIN_ENDED, JOIN_DETACHED, JOIN_DONE, JOIN_STATE_BITS = 3 };

/* The word for the thread ID, in any state but WAITED. */
static inline uint64_t join_word(ell_thread id, enum join_state state)
{
	return id >> THREAD_INDEX_BITS << JOIN_STATE_BITS | state;
}

/*
 * TH, the caller, is about to end: if somebody waits for that, they are told, will run next, and nothing is left to be
 * done about TH: true. Context: T.
 */
bool join_early(struct thread *th);

#endif
