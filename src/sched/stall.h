/* SPDX-License-Identifier: BSD-2-Clause */
/* stall.h - a report about a thread that has not scheduled for long, if somebody wants that */
#ifndef SCHED_STALL_H
#define SCHED_STALL_H

#include <ellula/time.h>
#include <stdbool.h>

#include "sched/lwp.h"

/* ELLULA_STALL: false if it makes no sense, and a line on stderr says why. Once, at the start. */
bool stall_configure(void);

/* Is anything to be reported? */
bool stall_is_watched(void);

/*
 * LW runs the same thread since SINCE: reports that, once, if it is too long by now. Returns whether a report may still
 * come. Context: F, the monitor.
 */
bool stall_look(struct lwp *lw, ell_time since, ell_time now);

/* The part of a report that is made on the LWP, in the handler of HANDOFF_SIGNAL, if one is wanted. Context: S. */
void stall_report_here(struct lwp *lw);

#endif
