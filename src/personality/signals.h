/* SPDX-License-Identifier: BSD-2-Clause */
/* signals.h - signals from one thread to another, and to those that wait for them */
#ifndef PERSONALITY_SIGNALS_H
#define PERSONALITY_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#include "personality/entry.h"

/* Signals that were sent to the calling guest are raised, in ENTRY_PROGRAM. Context: T. */
void signals_deliver(void);

/* The same in the handler of a kick, which has interrupted the program. Context: S. */
void signals_kicked(void);

/* A handler of the program's ends, and the mask becomes that of FRAME. */
void signals_return(const ucontext_t *frame);

/* The caller's wait was interrupted: would the kernel begin the call again? */
bool signals_restart(void);

/*
 * The calling kernel thread's call to write has ended with RESULT: if it has raised SIGPIPE or SIGXFSZ, which are
 * blocked, they are that no more, and their number is returned; or 0. Context: T F.
 */
int signals_take_of_write(int64_t result);

/* The caller has made a call to write, or a kernel thread has for it, which has raised SIGNAL. Context: T. */
void signals_write_failed(int64_t result);
void signals_raised(int signal);

/* System calls. */
int64_t signals_action(struct entry_regs *g);
int64_t signals_pending(struct entry_regs *g);
int64_t signals_timedwait(struct entry_regs *g);
int64_t signals_pause(struct entry_regs *g);
int64_t signals_kill(struct entry_regs *g);
int64_t signals_tgkill(struct entry_regs *g);
int64_t signals_tkill(struct entry_regs *g);
int64_t signals_queue(struct entry_regs *g);

#endif
