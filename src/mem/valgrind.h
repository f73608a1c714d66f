/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * valgrind.h - tell valgrind which memory is a stack, and whether it is there; nothing where its headers are not
 * installed
 *
 * Valgrind takes a large change of the stack pointer for a large frame, and then believes that everything between two
 * stacks is dead or new, unless it knows both. A slot is a stack for as long as the process lives, so it is said once,
 * when the slot is made, and never taken back: a create costs nothing for it.
 */
#ifndef MEM_VALGRIND_H
#define MEM_VALGRIND_H

#include <stdbool.h>

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif

/* From LOW on, and up to HIGH, where the stack pointer is while the stack is empty. */
static inline void valgrind_stack(const void *low, const void *high)
{
#ifdef VALGRIND_STACK_REGISTER
	(void)VALGRIND_STACK_REGISTER(low, high);
#endif
	(void)low;
	(void)high;
}

/* Are we run by it? A few instructions that do nothing elsewhere. */
static inline bool valgrind_runs(void)
{
#ifdef RUNNING_ON_VALGRIND
	return RUNNING_ON_VALGRIND;
#else
	return false;
#endif
}

#endif
