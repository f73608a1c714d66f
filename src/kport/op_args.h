/* SPDX-License-Identifier: BSD-2-Clause */
/* op_args.h - what the checks of several families ask of a message's arguments */
#ifndef KPORT_OP_ARGS_H
#define KPORT_OP_ARGS_H

#include <ellula/message.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "kport/op.h"

/*
 * Where a pointer or an offset is the third of its kind it lies in a field of the other kind, 64 bits wide both. The
 * functions of <ellula/ops.h> say with each operation what lies where.
 */
_Static_assert(sizeof(void *) == sizeof(uint64_t), "pointers and offsets share fields");

static inline void *op_pointer(uint64_t field)
{
	return (void *)(uintptr_t)field;
}

static inline uint64_t op_field(const void *pointer)
{
	return (uintptr_t)pointer;
}

/* DONE bytes behind POINTER, which is the program's and may be anything, NULL too. */
static inline void *op_after(const void *pointer, uint64_t done)
{
	return op_pointer(op_field(pointer) + done);
}

/* A descriptor and LEN bytes at ADDR. */
static inline int op_check_buffer(int fd, const void *addr, uint64_t len)
{
	if (fd < 0)
		return -EBADF;
	if (len > OP_MAX_COUNT)
		return -EINVAL;
	return addr || len == 0 ? 0 : -EFAULT;
}

/* COUNT vectors. What is in them, sums that do not fit among that, the kernel checks, the same way in both forms. */
static inline int op_check_vectors(int fd, const void *iov, uint64_t count)
{
	if (fd < 0)
		return -EBADF;
	if (count > IOV_MAX)
		return -EINVAL;
	return iov || count == 0 ? 0 : -EFAULT;
}

/* The message's only descriptor. */
static inline int op_check_fd(const struct ell_msg *m)
{
	return m->ms_fd < 0 ? -EBADF : 0;
}

#endif
