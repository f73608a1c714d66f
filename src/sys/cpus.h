/* SPDX-License-Identifier: BSD-2-Clause */
/* cpus.h - how many CPUs the process may use */
#ifndef SYS_CPUS_H
#define SYS_CPUS_H

#include <sched.h>

/*
 * min(CPUs of SET, or NULL: of the caller's affinity mask, ceil(quota of the control group)), at least 1. Context: F.
 */
unsigned cpus_allowed(const cpu_set_t *set);

/*
 * The quota that the file at PATH, a cpu.max of control groups version 2, grants, in CPUs and rounded up; 0 if it
 * grants all, or is not there. Context: F.
 */
unsigned cpus_of_quota(const char *path);

#endif
