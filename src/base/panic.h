/* SPDX-License-Identifier: BSD-2-Clause */
/* panic.h - the end of a process whose invariants, or whose use of the library, are broken */
#ifndef BASE_PANIC_H
#define BASE_PANIC_H

#include "base/compiler.h"

/*
 * Writes "libellula: " and the message to stderr, in one write(2), and aborts. Allocates nothing.
 * Context: T V S F K.
 */
COLD void panic(const char *fmt, ...) PRINTF(1, 2) __attribute__((noreturn));

/* One line to stderr, the same way. Context: T V S F K. */
COLD void complain(const char *fmt, ...) PRINTF(1, 2);

/* An invariant of our own: a few instructions, so it stays in every build. */
#define ASSERT(cond)                                                                                                   \
	do {                                                                                                           \
		if (UNLIKELY(!(cond)))                                                                                 \
			panic("%s:%d: %s: broken invariant: %s", __FILE__, __LINE__, __func__, #cond);                 \
	} while (0)

/* An invariant that costs: debug builds only. */
#ifdef ELL_DEBUG
#define ASSERT_SLOW(cond) ASSERT(cond)
#else
#define ASSERT_SLOW(cond) ((void)sizeof(!!(cond)))
#endif

#endif
