/* SPDX-License-Identifier: BSD-2-Clause */
/* handoff.h - a vCPU leaves an LWP that does not schedule, for one that will */
#ifndef SCHED_HANDOFF_H
#define SCHED_HANDOFF_H

#include "sched/vcpu.h"

/* lw_asked: the states stand in handoff.c. */
enum handoff_state { HANDOFF_HOLDS, HANDOFF_ASKED, HANDOFF_AWAY };

/*
 * What an LWP is kicked by: ignored by who does not handle it, and hardly used by anybody. A program that runs
 * unmodified may use it: then it is the library's own signal (sched/interrupt.h).
 */
#define HANDOFF_SIGNAL SIGURG

/* What came of an attempt. */
enum handoff_result {
	HANDOFF_DONE,
	HANDOFF_BUSY,	/* the LWP is inside; or the thread uses the vCPU's TLS, and has to keep it */
	HANDOFF_NOBODY, /* there is no spare LWP */
};

/*
 * What the kernel and the kernel port need for it is there: false, and no vCPU ever leaves its LWP. Once. Context: F.
 */
bool handoff_probe(void);

/* Is there a spare LWP? Context: any. */
bool handoff_has_spare(void);

/* How many LWPs are spare, and how many run a thread without vCPU; in passing. Context: any but S. */
void handoff_count(unsigned *spare, unsigned *away);

/* LW, which is in scheduler context and has no vCPU, waits until it is given one, or the runtime ends. Context: V. */
void handoff_wait(struct lwp *lw);

/* LW, whose rounds are over, uses its kernel port itself from now on, the monitor no more. Context: V. */
void handoff_end(struct lwp *lw);

/* VC, whose holder seems to be away, goes to a spare LWP. Context: F, the monitor. */
enum handoff_result handoff_take(struct vcpu *vc);

/* The caller's LWP gives its vCPU to a spare one: false if there is none. Context: T. */
bool handoff_give(struct lwp *lw);

/*
 * Sees to the kernel ports of the LWPs that are away: what was posted to them, and what has finished. Returns whether
 * something has to be tried again soon. Context: F, the monitor.
 */
bool handoff_serve(void);

/* In the child after a fork: there are no spare LWPs. Context: K. */
void handoff_forked(void);

/* Handlers for what the monitor asks of LWPs by a signal. Once. */
void handoff_watch_signal(void);

/* Sends LW that signal: false if it is gone. Context: F. */
bool handoff_signal(struct lwp *lw);

/* LW, the caller's, does what it was asked for by that signal. Context: S. */
void handoff_kicked(struct lwp *lw);

#endif
