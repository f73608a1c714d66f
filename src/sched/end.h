/* SPDX-License-Identifier: BSD-2-Clause */
/* end.h - what LWPs are asked before the process ends, or becomes another one */
#ifndef SCHED_END_H
#define SCHED_END_H

#include <ellula/time.h>
#include <stdbool.h>
#include <stdint.h>

#include "sched/lwp.h"

/* What all of them answered. */
struct end_sum {
	uint32_t left;	 /* messages that are out */
	uint32_t must;	 /* of these: that are to be completed. Timers never are */
	unsigned silent; /* LWPs that have not answered yet */
};

/*
 * The question: hand to the kernel what was sent, and say what is out. CLOSE: from now on, revoke what may be revoked.
 * Returns its number. Context: T V F.
 */
uint64_t end_ask(bool close);

/*
 * Before a fork: the other LWPs come to a round, hand to the kernel what was sent, see their short messages end, and
 * stand still there until end_release(). One that computes is waited for until UNTIL. One fork at a time. Context: T F.
 */
void end_hold(ell_time until);
void end_release(void);

/* In the child: nobody was asked anything. Context: K. */
void end_forked(void);

/* The answers to question NUMBER, or to a later one, so far. Context: T V F. */
struct end_sum end_answers(uint64_t number);

/* LW's answer, if there is a question that it has not answered. Context: T V, on LW. */
void end_answer(struct lwp *lw);

/*
 * For LW, which is away: the question that it has not answered, and whether it is to REVOKE; or 0. And the answer, when
 * that is done. Context: F, with the ring of LW in hand.
 */
uint64_t end_unanswered(const struct lwp *lw, bool *revoke);
void end_answer_for(struct lwp *lw, uint64_t question);

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
