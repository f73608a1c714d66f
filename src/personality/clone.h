/* SPDX-License-Identifier: BSD-2-Clause */
/* clone.h - threads and children of the program */
#ifndef PERSONALITY_CLONE_H
#define PERSONALITY_CLONE_H

#include <stdint.h>

#include "personality/entry.h"

/* clone(2), clone3(2), fork(2), vfork(2): a guest, or a process. Context: T, ENTRY_US. */
int64_t clone_call(struct entry_regs *g);

/* The same for callers of our own: all by the kernel, however the child begins. Context: any. */
int64_t clone_plain(const struct entry_regs *g);

/* exit(2): the calling thread ends. */
int64_t clone_exit(struct entry_regs *g);

/* set_tid_address(2). */
int64_t clone_set_tid_address(struct entry_regs *g);

#endif
