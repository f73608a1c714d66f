/* SPDX-License-Identifier: BSD-2-Clause */
/* tls.h - thread-local storage of a thread's own, made with the C library's means */
#ifndef MEM_TLS_H
#define MEM_TLS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Blocks of somebody else's, for where the C library makes none but for its own threads. Set before tls_probe(). They
 * are fresh, and never given back.
 */
struct tls_lender {
	bool (*reserve)(unsigned count); /* so many can be taken from now on. Context: F */
	uintptr_t (*take)(void);	 /* a thread pointer, or 0. Context: F */
};

extern const struct tls_lender *tls_lender;

/* Finds out whether it can be done here, and tries it. Once, at the start. Context: F. */
bool tls_probe(void);

/* Can it? And what tls_probe() found, for people. */
bool tls_works(void);
const char *tls_describe(void);

/* Before the first COUNT blocks, which only the runtime itself needs: is there memory? Context: F, the only thread. */
bool tls_reserve(unsigned count);

/* A new block: the thread pointer for it, or 0 without memory. Context: T F. */
uintptr_t tls_create(void);

/* Gives the block TP back, on which no thread has begun that the C library knows. Context: T F. */
void tls_destroy(uintptr_t tp);

/* Who begins on the block TP is not to be interrupted before it says so (base/guard.h). Context: T F. */
void tls_guard(uintptr_t tp);

/*
 * At the beginning of a thread that runs on its block: what a thread of the C library's own does. USED: another thread
 * had the block before; its variables get their first values again, but the C library keeps its caches. Context: T.
 */
void tls_enter(bool used);

/* At its end: runs the destructors of thread_local objects. Context: T. May do all that a thread does. */
void tls_leave(void);

#endif
