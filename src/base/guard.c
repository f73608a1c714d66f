/* SPDX-License-Identifier: BSD-2-Clause */
/* guard.c - stretches of code in which no thread is interrupted: the word, and the way up */
#include "base/guard.h"

#include "base/compiler.h"

EXPORT __thread struct ell_critical ell_critical_self __attribute__((tls_model("initial-exec")));

static void nothing(void)
{
	ell_critical_self.cr_due = 0;
}

void (*guard_due)(void) = nothing;

EXPORT void ell_critical_due(void)
{
	guard_due();
}
