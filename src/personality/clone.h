/* SPDX-License-Identifier: BSD-2-Clause */
/* clone.h - threads of the program */
#ifndef PERSONALITY_CLONE_H
#define PERSONALITY_CLONE_H

#include <stdbool.h>
#include <stdint.h>

#include "personality/entry.h"

/* What clone(2) and clone3(2), fork(2) and vfork(2) are asked for. */
struct clone_wish {
	uint64_t flags;
	uint64_t stack; /* its high end; 0: the caller's */
	uint64_t tls;
	uint32_t *parent_tid;
	uint32_t *child_tid;
};

/* Bytes below a stack pointer that are in use. */
enum { CLONE_RED_ZONE = 128 };

/* The call in G. Context: any. */
void clone_read(const struct entry_regs *g, struct clone_wish *w);

/* All of them: a guest, or a process. Context: T, ENTRY_US. */
int64_t clone_call(struct entry_regs *g);

/* There are guests, or there have been: the runtime runs. Context: any. */
bool clone_has_begun(void);

/* In a child that was made as W says: the caller is the first thread, and no other has ever been. Context: K. */
void clone_forked(const struct clone_wish *w);

/* exit(2): the calling thread ends. */
int64_t clone_exit(struct entry_regs *g);

/* set_tid_address(2). */
int64_t clone_set_tid_address(struct entry_regs *g);

#endif
