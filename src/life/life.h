/* SPDX-License-Identifier: BSD-2-Clause */
/* life.h - what the ends of a process have in common */
#ifndef LIFE_LIFE_H
#define LIFE_LIFE_H

#include <stdbool.h>

/*
 * Waits, within the bound, until all that was sent is with the kernel, and what is to be completed is. CLOSE: refuses
 * what is new, and revokes the rest. Does not park. Context: T V F.
 */
void life_settle(bool close);

#endif
