/* SPDX-License-Identifier: BSD-2-Clause */
/* calls.h - the system calls that are more than passed on: the functions of the table's rows */
#ifndef PERSONALITY_CALLS_H
#define PERSONALITY_CALLS_H

#include <stdbool.h>
#include <stdint.h>

#include "personality/entry.h"

/* What all these do is what the system call of that name does, but that the caller parks. Context: T, ENTRY_US. */

/* rw.c */
int64_t rw_read(struct entry_regs *g);
int64_t rw_readv(struct entry_regs *g);
int64_t rw_write(struct entry_regs *g);
int64_t rw_writev(struct entry_regs *g);
int64_t rw_recvfrom(struct entry_regs *g);
int64_t rw_recvmsg(struct entry_regs *g);
int64_t rw_sendto(struct entry_regs *g);
int64_t rw_sendmsg(struct entry_regs *g);
int64_t rw_accept(struct entry_regs *g);
int64_t rw_connect(struct entry_regs *g);
int64_t rw_fsync(struct entry_regs *g);
int64_t rw_close(struct entry_regs *g);
int64_t rw_close_range(struct entry_regs *g);
int64_t rw_dup2(struct entry_regs *g);
int64_t rw_dup(struct entry_regs *g);
int64_t rw_ioctl(struct entry_regs *g);
int64_t rw_setsockopt(struct entry_regs *g);

/* multi.c */
int64_t multi_poll(struct entry_regs *g);
int64_t multi_ppoll(struct entry_regs *g);
int64_t multi_select(struct entry_regs *g);
int64_t multi_pselect(struct entry_regs *g);
int64_t multi_epoll_wait(struct entry_regs *g);
int64_t multi_epoll_pwait(struct entry_regs *g);
int64_t multi_epoll_pwait2(struct entry_regs *g);
int64_t multi_io_pgetevents(struct entry_regs *g);

/* long.c: what waits for a helper, after one try that does not wait */
int64_t long_nanosleep(struct entry_regs *g);
int64_t long_clock_nanosleep(struct entry_regs *g);
int64_t long_wait4(struct entry_regs *g);
int64_t long_waitid(struct entry_regs *g);
int64_t long_flock(struct entry_regs *g);
int64_t long_fcntl(struct entry_regs *g);
int64_t long_open(struct entry_regs *g);
int64_t long_openat(struct entry_regs *g);
int64_t long_msg(struct entry_regs *g);
int64_t long_semop(struct entry_regs *g);

/* self.c: what a thread asks about itself */
int64_t self_gettid(struct entry_regs *g);
int64_t self_yield(struct entry_regs *g);
int64_t self_prctl(struct entry_regs *g);
int64_t self_arch_prctl(struct entry_regs *g);
int64_t self_accepted(struct entry_regs *g);
int64_t self_scheduling(struct entry_regs *g);
int64_t self_affinity(struct entry_regs *g);
int64_t self_exit_group(struct entry_regs *g);
int64_t self_refused(struct entry_regs *g);

/* stacks.c: the program's, for its threads */
int64_t stacks_mmap(struct entry_regs *g);
int64_t stacks_mprotect(struct entry_regs *g);
int64_t stacks_munmap(struct entry_regs *g);

/* Does the munmap(2) in G, or whatever it is, take the caller's own stack away? Context: any. */
bool stacks_unmaps_own(const struct entry_regs *g);

#endif
