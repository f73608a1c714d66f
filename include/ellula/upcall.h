/* SPDX-License-Identifier: BSD-2-Clause */
/* upcall.h - functions that run because of an event, and sections that hold them back */
#ifndef ELLULA_UPCALL_H
#define ELLULA_UPCALL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How deep the caller is in critical sections, and whether something came meanwhile. The library's: see below. */
struct ell_critical {
	uint32_t cr_depth;
	uint32_t cr_due;
};
extern __thread struct ell_critical ell_critical_self __attribute__((tls_model("initial-exec")));

/* What is due runs now. For ell_critical_leave(). */
void ell_critical_due(void);

/*
 * A critical section: no upcall and no signal handler of the library's interrupts the calling thread in it; what comes
 * meanwhile runs at the leave. Sections nest, and a thread may wait in one. On a foreign kernel thread, too. Not for
 * signal handlers that the kernel calls.
 */
static inline void ell_critical_enter(void)
{
	ell_critical_self.cr_depth++;
	__asm__ volatile("" ::: "memory");
}

static inline void ell_critical_leave(void)
{
	__asm__ volatile("" ::: "memory");
	if (__builtin_expect(--ell_critical_self.cr_depth == 0, 1) &&
	    __builtin_expect(ell_critical_self.cr_due != 0, 0))
		ell_critical_due();
}

#ifdef __cplusplus
}
#endif
#endif
