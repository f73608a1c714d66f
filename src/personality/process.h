/* SPDX-License-Identifier: BSD-2-Clause */
/* process.h - children of the program */
#ifndef PERSONALITY_PROCESS_H
#define PERSONALITY_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "personality/clone.h"

/* Children go on without us. Written at the start. */
extern bool process_alone;

/* The call in G, which wants what W says: a process. Returns twice, as it does. Context: T, ENTRY_US. */
int64_t process_make(const struct entry_regs *g, const struct clone_wish *w);

/* The same for callers of our own, and kernel threads: by the kernel, however the child begins. Context: any. */
int64_t process_plain(const struct entry_regs *g);

#endif
