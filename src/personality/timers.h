/* SPDX-License-Identifier: BSD-2-Clause */
/* timers.h - timers that signal one thread */
#ifndef PERSONALITY_TIMERS_H
#define PERSONALITY_TIMERS_H

#include <stdint.h>

#include "personality/entry.h"

/* System calls. Context: T. */
int64_t timers_create(struct entry_regs *g);
int64_t timers_delete(struct entry_regs *g);

/* In a child, which has none. Context: K. */
void timers_forked(void);

#endif
