/* SPDX-License-Identifier: BSD-2-Clause */
/* cpus.h - how many CPUs the process may use */
#ifndef SYS_CPUS_H
#define SYS_CPUS_H

#include <sys/types.h>

/* min(CPUs of the affinity mask of TID, 0: the caller, ceil(quota of the control group)), at least 1. Context: F. */
unsigned cpus_allowed(pid_t tid);

/*
 * The quota that the file at PATH, a cpu.max of control groups version 2, grants, in CPUs and rounded up; 0 if it
 * grants all, or is not there. Context: F.
 */
unsigned cpus_of_quota(const char *path);

#endif
