/* SPDX-License-Identifier: BSD-2-Clause */
/* clib.h - in what the program's C library differs from others */
#ifndef PERSONALITY_CLIB_H
#define PERSONALITY_CLIB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/* Written at the start. Signals are bits: number - 1. */
struct clib {
	bool is_glibc;
	uint8_t *text; /* its code */
	size_t text_size;
	uint64_t words; /* its variables, if kernel threads of ours wait for some of them unseen; else there are none */
	uint64_t words_size;
	uint64_t internal;   /* signals that no program has */
	int credentials;     /* that by which it asks all its threads to change theirs */
	uint64_t cancel;     /* that of cancellation, if it is to end a call although the thread blocks it; else 0 */
	uint64_t cancel_rip; /* only calls from here, behind the instruction; 0: any */
};

extern struct clib clib;

/* Looks at it. Context: F, the only thread. */
void clib_begin(void);

/* Signals that end a call from RIP even if the thread blocks them. */
static inline uint64_t clib_cancels(uint64_t rip)
{
	return !clib.cancel_rip || rip == clib.cancel_rip ? clib.cancel : 0;
}

/* Is there a variable of the C library's at ADDRESS for which kernel threads may wait unseen? Context: any. */
static inline __attribute__((always_inline)) bool clib_has_word(uint64_t address)
{
	return UNLIKELY(address - clib.words < clib.words_size);
}

/* Is that a lock for which threads, too, wait in the kernel? Context: any. */
bool clib_keeps_lock(uint64_t address);

/*
 * A thread's number for the C library lies AT bytes from its thread pointer. Then clib_end_last(), for the last thread,
 * whose exit(2) is to become exit(3). Context: T.
 */
void clib_note_number(int64_t at);
struct guest;
void clib_end_last(const struct guest *gu);

/* Threads of the C library's lend their thread-local storage to the runtime. Before that starts. Context: F. */
void clib_lend_tls(void);

/* setuid(2) and its kin. */
struct entry_regs;
int64_t clib_credentials(struct entry_regs *g);

#endif
