/* SPDX-License-Identifier: BSD-2-Clause */
/* helper.h - LWPs that run what no kernel port can, by plain blocking calls */
#ifndef KPORT_HELPER_H
#define KPORT_HELPER_H

#include <stdbool.h>
#include <stdint.h>

#include "message/message.h"

/* M, which is to be sent as STATE, is to run on a helper. Context: T V F. */
void helper_send(struct ell_msg *m, enum message_state state);

/*
 * The same for M, which is sent already, to a kernel port that cannot do it. With that it may be over, or be posted to
 * the kernel port again, when what is left of it only waits for its descriptor. Context: T V.
 */
void helper_take(struct ell_msg *m);

/*
 * M is REVOKING: takes it back if it has not begun, or ends its system call. False: it is posted to its kernel port
 * again, which has to deal with that. Context: T V F; if M is a kernel port's, on the LWP of that.
 */
bool helper_revoke(struct ell_msg *m);

/* The process ends: takes back what has not begun, and may be. Context: T V F. */
void helper_close(void);

/*
 * The signal that ends sys.interruptible() on other kernel threads that block all but that: 0 if there is none.
 * Context: T V F. Locks: the queue's.
 */
int helper_signal(void);

/* Adds what helpers have: to *LEFT all, to *MUST what is to be completed. Context: T V F. */
void helper_count(uint32_t *left, uint32_t *must);

/* How many messages helpers have, without the lock. Context: S. */
uint32_t helper_glance(void);

/*
 * Before a fork: waits until no helper runs a short message, and lets none finish until helper_release(), or, in the
 * child, until helper_forked(), which adds all that helpers had to *ORPHANS, by ms_next. Context: T F K.
 */
void helper_hold(void);
void helper_release(void);
void helper_forked(struct ell_msg **orphans);

#endif
