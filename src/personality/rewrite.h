/* SPDX-License-Identifier: BSD-2-Clause */
/* rewrite.h - call sites become jumps */
#ifndef PERSONALITY_REWRITE_H
#define PERSONALITY_REWRITE_H

#include <stdint.h>

/* Looks at the C library. Context: F, the only thread. */
void rewrite_begin(void);

/* The call in G has trapped: rewrites it if that is the second time, and if it can. Context: T, ENTRY_US. */
struct entry_regs;
void rewrite_seen(const struct entry_regs *g);

/*
 * The futex calls of the C library, all of them: from now on ours must be seen, too. And what can be rewritten only
 * while no other thread exists. Context: F, the only thread.
 */
void rewrite_early(void);

/* Before a fork, and after it on both sides: nobody is in the middle of a change. Context: T K. */
void rewrite_hold(void);
void rewrite_release(void);

#endif
