/* SPDX-License-Identifier: BSD-2-Clause */
/* cpu.h - how long each thread has computed */
#ifndef PERSONALITY_CPU_H
#define PERSONALITY_CPU_H

#include <stdint.h>

#include "personality/entry.h"

struct guest;
struct guest_lwp;

/* Somebody has asked: 0 before, and nothing is counted. Written once. */
extern uint32_t cpu_asked;

/* When it is: GL, the calling LWP's, runs GU from now on, or NULL: nobody. Context: T V. */
void cpu_runs(struct guest_lwp *gl, struct guest *gu);

/* System calls. */
int64_t cpu_clock(struct entry_regs *g);
int64_t cpu_usage(struct entry_regs *g);

#endif
