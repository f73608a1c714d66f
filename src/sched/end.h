/* SPDX-License-Identifier: BSD-2-Clause */
/* end.h - what LWPs are asked before the process ends, or becomes another one */
#ifndef SCHED_END_H
#define SCHED_END_H

#include <stdbool.h>
#include <stdint.h>

#include "sched/lwp.h"

/* What all of them answered. */
struct end_sum {
	uint32_t left;	 /* messages that are out */
	uint32_t must;	 /* of these: that are to be completed. Timers never are */
	unsigned silent; /* LWPs that have not answered yet, and may have something out */
};

/*
 * The question: hand to the kernel what was sent, and say what is out. CLOSE: from now on, revoke what may be revoked.
 * Returns its number. Context: T V F.
 */
uint64_t end_ask(bool close);

/* The answers to question NUMBER, or to a later one, so far. Context: T V F. */
struct end_sum end_answers(uint64_t number);

/* LW's answer, if there is a question that it has not answered. Context: T V, on LW. */
void end_answer(struct lwp *lw);

/*
 * An LWP whose rounds are over goes on for as long as it has messages out: a kernel thread that ends takes them with
 * it. Context: V.
 */
void end_linger(struct lwp *lw);

/* LW, all of whose messages are over or given up, answers no more. Context: V. */
void end_gone(struct lwp *lw);

/* NS of rest for who waits for answers: on an LWP, whatever comes in meanwhile is collected. Context: T V F. */
void end_rest(int64_t ns);

#endif
