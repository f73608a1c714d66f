/* SPDX-License-Identifier: BSD-2-Clause */
/* refuse.h - let the kernel refuse a system call to this process, as if it were older or stricter */
#ifndef HARNESS_REFUSE_H
#define HARNESS_REFUSE_H

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "harness/harness.h"

enum { REFUSE_ANY = -1 };

/*
 * From now on system call NR gives ERROR, if the low half of its argument number ARG (from 0) is VALUE; REFUSE_ANY as
 * ARG: always. There is no way back: for a child.
 */
static inline void refuse(int nr, int arg, uint32_t value, int error)
{
	size_t offset =
		arg == REFUSE_ANY ? offsetof(struct seccomp_data, nr) : offsetof(struct seccomp_data, args[arg]);
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, arg == REFUSE_ANY ? (uint32_t)nr : value, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = ARRAY_SIZE(code), .filter = code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		SKIP("no seccomp filters here (errno %d)", errno);
}

#endif
