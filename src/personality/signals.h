/* SPDX-License-Identifier: BSD-2-Clause */
/* signals.h - masks, alternate stacks, and signals from one thread to another */
#ifndef PERSONALITY_SIGNALS_H
#define PERSONALITY_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#include "personality/entry.h"

void signals_begin(void); /* the process */
void signals_start(void); /* the runtime */
void signals_lwp_begins(void);

/*
 * Around a fork: no handler runs on this kernel thread. The mask before; and back to it, on both sides. Context: T K.
 */
uint64_t signals_hold(void);
void signals_release(uint64_t mask);

/* The LWP gets the mask and the alternate stack of the calling guest, which goes back to the program. Context: T. */
void signals_settle(void);

/* Signals that were sent to the calling guest are raised, in ENTRY_PROGRAM. Context: T. */
void signals_deliver(void);

/* The same in the handler of a kick, which has interrupted the program. Context: S. */
void signals_kicked(void);

/* A handler of the program's ends, and the mask becomes that of FRAME. */
void signals_return(const ucontext_t *frame);

/* The caller's wait was interrupted: would the kernel begin the call again? */
bool signals_restart(void);

/* System calls. */
int64_t signals_mask(struct entry_regs *g);
int64_t signals_action(struct entry_regs *g);
int64_t signals_alternate(struct entry_regs *g);
int64_t signals_timedwait(struct entry_regs *g);
int64_t signals_pause(struct entry_regs *g);
int64_t signals_suspend(struct entry_regs *g);
int64_t signals_kill(struct entry_regs *g);
int64_t signals_tgkill(struct entry_regs *g);
int64_t signals_tkill(struct entry_regs *g);
int64_t signals_queue(struct entry_regs *g);

#endif
