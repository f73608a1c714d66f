/* SPDX-License-Identifier: BSD-2-Clause */
/* slices.h - how long threads run between two switches */
#ifndef SCHED_SLICES_H
#define SCHED_SLICES_H

#include <ellula/time.h>
#include <stdbool.h>

#include "sched/lwp.h"

/* Are slices timed? Written at the start. */
extern bool slices_timed;

/* A thread has run on LW, the caller's, since BEGIN. Context: V. */
void slices_count(struct lwp *lw, ell_time begin);

/* The last words: a line on stderr, if slices are timed. Context: T F. */
void slices_say(void);

#endif
