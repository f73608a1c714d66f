/* SPDX-License-Identifier: BSD-2-Clause */
/* masks.h - what the kernel keeps per kernel thread about signals, and threads have, too */
#ifndef PERSONALITY_MASKS_H
#define PERSONALITY_MASKS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#include "personality/entry.h"

/* A set of signals is a word, as the kernel has it: bit number - 1. */
enum { MASKS_SIZE = 8 };

#define MASKS_BIT(signal) (UINT64_C(1) << ((signal)-1))

/* Nobody can block these. */
#define MASKS_OPEN (MASKS_BIT(SIGKILL) | MASKS_BIT(SIGSTOP))

/*
 * What no thread of the program's can block: the signal by which calls come to us, and, when the runtime has started,
 * the library's own.
 */
extern uint64_t masks_hidden;

void masks_begin(void); /* the process */
void masks_start(void); /* the runtime */
void masks_lwp_begins(void);

/* The LWP gets the mask and the alternate stack of the calling guest, which goes back to the program. Context: T. */
void masks_settle(void);

/*
 * Around a fork: no handler runs on this kernel thread. The mask before; and back to it, on both sides. Context: T K.
 */
uint64_t masks_hold(void);
void masks_release(uint64_t mask);

/* Does MASK block all that a C library blocks for a moment, to make a thread? */
bool masks_is_all(uint64_t mask);

/* The child: there are no other threads. Context: K. */
void masks_forked(void);

/*
 * The calling LWP blocks all there are, those of the C library's included, until it opens, or the handler ends that it
 * is in. Meanwhile no call may trap. masks_open(): it has the calling guest's mask again. Context: T S.
 */
void masks_close(void);
void masks_open(void);

/*
 * A handler of the program's begins, called from one of ours that blocks all and whose own frame is FRAME: its mask is
 * what that interrupted, and ADDED; in the program it is the guest's, too. Context: S.
 */
void masks_handler_begins(const ucontext_t *frame, uint64_t added);

/* And one ends: the mask becomes that of FRAME, on the LWP with the return from there. Context: T, ENTRY_PROGRAM. */
void masks_handler_ends(const ucontext_t *frame);

/*
 * WAITS(ARG) with MASK, of SIZE bytes, as the caller's mask: its result, after the handlers have run if that is -EINTR.
 * Parks. Context: T.
 */
int64_t masks_during(const uint64_t *mask, uint64_t size, int64_t (*waits)(void *arg), void *arg);

/* GU may have another mask than the first thread, or has ended. Context: T V. */
struct guest;
void masks_list(struct guest *gu);

/* System calls. */
int64_t masks_change(struct entry_regs *g);
int64_t masks_suspend(struct entry_regs *g);
int64_t masks_alternate(struct entry_regs *g);

#endif
