/* SPDX-License-Identifier: BSD-2-Clause */
/* fork.h - a process becomes two */
#ifndef SCHED_FORK_H
#define SCHED_FORK_H

/*
 * Right before a fork: brings everything to a point at which a copy of it makes sense, and puts the calling kernel
 * thread on the TLS that the C library knows. Context: T F. Parks nobody.
 */
void sched_fork_prepare(void);

/* Right after it, in the parent: everything goes on. Context: T F. */
void sched_fork_parent(void);

/*
 * In the child: the caller is the only thread, of a runtime with one vCPU, and each message that was out is replied to
 * with -ECANCELED. A foreign kernel thread is left without runtime. Context: K.
 */
void sched_fork_child(void);

#endif
