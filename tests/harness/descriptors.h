/* SPDX-License-Identifier: BSD-2-Clause */
/* descriptors.h - which descriptors a case opened and left open */
#ifndef HARNESS_DESCRIPTORS_H
#define HARNESS_DESCRIPTORS_H

#include <stdbool.h>
#include <stddef.h>

/* Notes what is open. */
void descriptors_remember(void);

/*
 * Is anything open that was not? Then TEXT says what. A runtime opens rings and the like when it first needs them and
 * keeps them until the process ends: IN_RUNTIME forgives those.
 */
bool descriptors_leaked(char *text, size_t size, bool in_runtime);

#endif
