/* SPDX-License-Identifier: BSD-2-Clause */
/* tail.h - the few instructions between the one that a jump has replaced and the system call */
#ifndef PERSONALITY_TAIL_H
#define PERSONALITY_TAIL_H

#include <stdbool.h>
#include <stdint.h>

#include "personality/entry.h"

/* Register NUMBER of the processor in G: NULL for rcx and r11, which a system call takes. Context: any. */
uint64_t *tail_register(struct entry_regs *g, unsigned number);

/*
 * Does to G what the SIZE bytes of instructions at CODE do: false if one of them is not known here, or if they do not
 * end there. Context: any, without vector registers.
 */
bool tail_run(const uint8_t *code, unsigned size, struct entry_regs *g);

#endif
