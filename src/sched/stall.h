/* SPDX-License-Identifier: BSD-2-Clause */
/* stall.h - a report about a thread that has not scheduled for long, if somebody wants that */
#ifndef SCHED_STALL_H
#define SCHED_STALL_H

#include <ellula/time.h>
#include <ellula/upcall.h>
#include <stdbool.h>

#include "sched/lwp.h"

/* lw_report: the states stand in stall.c. */
enum stall_report { STALL_NONE, STALL_WANTED, STALL_RUNS };

/* ELLULA_STALL: false if it makes no sense, and a line on stderr says why. Once, at the start. */
bool stall_configure(void);

/* Is anybody interested in stalls? */
bool stall_is_watched(void);

/* FN is to be called when a thread has not scheduled for NS, on the monitor; NS 0: no more. Context: T F. */
void stall_tell(int64_t ns, void (*fn)(const struct ell_stall *stall));

/*
 * LW runs the same thread since SINCE: reports and tells that, once, if it is too long by now. Returns whether one of
 * these may still come. Context: F, the monitor.
 */
bool stall_look(struct lwp *lw, ell_time since, ell_time now);

/* The part of a report that is made on the LWP, in the handler of HANDOFF_SIGNAL, if one is wanted. Context: S. */
void stall_report_here(struct lwp *lw);

#endif
