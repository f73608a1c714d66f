/* SPDX-License-Identifier: BSD-2-Clause */
/* offload.h - blocking calls that no message can be made of */
#ifndef PERSONALITY_OFFLOAD_H
#define PERSONALITY_OFFLOAD_H

#include <stdint.h>

#include "personality/entry.h"

/* The call in G, as it stands, on a kernel thread that waits for it: its result. Parks. Context: T. */
int64_t offload(struct entry_regs *g);

/* In a child: there are no helpers, and nobody has asked for one. Context: K. */
void offload_forked(void);

/* What ends a helper's call: 0 if there is no such signal. Written before the first call. */
extern int offload_signal;

#endif
