/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * op_xattr.c - extended attributes, by path and by descriptor
 *
 *	ms_addr (path) or ms_fd, ms_addr2 (name), ms_off (the value's address), ms_len (its size), ms_opflags
 */
#include <ellula/ops.h>
#include <liburing.h>
#include <linux/limits.h>
#include <sys/xattr.h>

#include "base/compiler.h"
#include "kport/op_args.h"
#include "kport/op_rows.h"
#include "kport/op_run.h"
#include "message/message.h"
#include "sys/sys.h"

static void prepare(struct ell_msg *m, enum ell_op op, const char *name, const void *value, size_t size, int flags)
{
	message_prep(m, op);
	m->ms_addr2 = (void *)(uintptr_t)name;
	m->ms_off = op_field(value);
	m->ms_len = size;
	m->ms_opflags = (uint32_t)flags;
}

EXPORT void ell_msg_getxattr(struct ell_msg *m, const char *path, const char *name, void *value, size_t size)
{
	prepare(m, ELL_OP_GETXATTR, name, value, size, 0);
	m->ms_addr = (void *)(uintptr_t)path;
}

EXPORT void ell_msg_setxattr(struct ell_msg *m, const char *path, const char *name, const void *value, size_t size,
			     int flags)
{
	prepare(m, ELL_OP_SETXATTR, name, value, size, flags);
	m->ms_addr = (void *)(uintptr_t)path;
}

EXPORT void ell_msg_fgetxattr(struct ell_msg *m, int fd, const char *name, void *value, size_t size)
{
	prepare(m, ELL_OP_FGETXATTR, name, value, size, 0);
	m->ms_fd = fd;
}

EXPORT void ell_msg_fsetxattr(struct ell_msg *m, int fd, const char *name, const void *value, size_t size, int flags)
{
	prepare(m, ELL_OP_FSETXATTR, name, value, size, flags);
	m->ms_fd = fd;
}

static int check_get(const struct ell_msg *m)
{
	return m->ms_addr2 && (m->ms_off || m->ms_len == 0) ? 0 : -EFAULT;
}

static int check_set(const struct ell_msg *m)
{
	/* The kernel's answer, before its field for the size is too narrow. */
	if (m->ms_len > XATTR_SIZE_MAX)
		return -E2BIG;
	return check_get(m);
}

int op_getxattr_check(const struct ell_msg *m)
{
	return m->ms_addr ? check_get(m) : -EFAULT;
}

int op_setxattr_check(const struct ell_msg *m)
{
	return m->ms_addr ? check_set(m) : -EFAULT;
}

int op_fgetxattr_check(const struct ell_msg *m)
{
	return m->ms_fd < 0 ? -EBADF : check_get(m);
}

int op_fsetxattr_check(const struct ell_msg *m)
{
	return m->ms_fd < 0 ? -EBADF : check_set(m);
}

/* No value is larger, so the kernel, too, takes no more of a larger buffer. */
static unsigned room(const struct ell_msg *m)
{
	return m->ms_len < XATTR_SIZE_MAX ? (unsigned)m->ms_len : XATTR_SIZE_MAX;
}

void op_getxattr_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	io_uring_prep_getxattr(sqe, m->ms_addr2, op_pointer(m->ms_off), m->ms_addr, room(m));
}

void op_setxattr_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	io_uring_prep_setxattr(sqe, m->ms_addr2, op_pointer(m->ms_off), m->ms_addr, (int)m->ms_opflags, room(m));
}

void op_fgetxattr_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	io_uring_prep_fgetxattr(sqe, m->ms_fd, m->ms_addr2, op_pointer(m->ms_off), room(m));
}

void op_fsetxattr_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	io_uring_prep_fsetxattr(sqe, m->ms_fd, m->ms_addr2, op_pointer(m->ms_off), (int)m->ms_opflags, room(m));
}

int64_t op_getxattr_run(struct ell_msg *m)
{
	return op_result(sys.getxattr(m->ms_addr, m->ms_addr2, op_pointer(m->ms_off), m->ms_len));
}

int64_t op_setxattr_run(struct ell_msg *m)
{
	return op_result(sys.setxattr(m->ms_addr, m->ms_addr2, op_pointer(m->ms_off), m->ms_len, (int)m->ms_opflags));
}

int64_t op_fgetxattr_run(struct ell_msg *m)
{
	return op_result(sys.fgetxattr(m->ms_fd, m->ms_addr2, op_pointer(m->ms_off), m->ms_len));
}

int64_t op_fsetxattr_run(struct ell_msg *m)
{
	return op_result(sys.fsetxattr(m->ms_fd, m->ms_addr2, op_pointer(m->ms_off), m->ms_len, (int)m->ms_opflags));
}
