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

/*
 * Signal NUMBER is about to end the process: stops the other LWPs, cancels what is out, reports. On an LWP that is
 * being stopped it does not return. Context: S.
 */
void crash(int number);

/* Such signals come to crash(). Once, at the start. */
void crash_watch(void);

#endif
