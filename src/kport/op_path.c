/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * op_path.c - what names a file by its path, and close
 *
 * A directory descriptor that is not one is the kernel's to refuse: only it knows that an absolute path makes it
 * irrelevant.
 *
 *	ms_fd, ms_addr		the directory and the path; of the old name, where there are two
 *	ms_fd2, ms_addr2	the same of the new name; of statx, ms_addr2 is the buffer
 *	ms_opflags, ms_len	flags; mode or mask
 */
#include <ellula/ops.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/compiler.h"
#include "kport/op_args.h"
#include "kport/op_rows.h"
#include "kport/op_run.h"
#include "message/message.h"
#include "sys/sys.h"

static void prepare(struct ell_msg *m, enum ell_op op, int dirfd, const char *path, uint32_t opflags, uint64_t len)
{
	message_prep(m, op);
	m->ms_fd = dirfd;
	m->ms_addr = (void *)(uintptr_t)path;
	m->ms_opflags = opflags;
	m->ms_len = len;
}

static void prepare_new_name(struct ell_msg *m, int dirfd, const char *path)
{
	m->ms_fd2 = dirfd;
	m->ms_addr2 = (void *)(uintptr_t)path;
}

EXPORT void ell_msg_openat(struct ell_msg *m, int dirfd, const char *path, int flags, mode_t mode)
{
	prepare(m, ELL_OP_OPENAT, dirfd, path, (uint32_t)flags, mode);
}

EXPORT void ell_msg_open(struct ell_msg *m, const char *path, int flags, mode_t mode)
{
	prepare(m, ELL_OP_OPENAT, AT_FDCWD, path, (uint32_t)flags, mode);
}

EXPORT void ell_msg_close(struct ell_msg *m, int fd)
{
	prepare(m, ELL_OP_CLOSE, fd, NULL, 0, 0);
}

EXPORT void ell_msg_statx(struct ell_msg *m, int dirfd, const char *path, int flags, unsigned mask, struct statx *buf)
{
	prepare(m, ELL_OP_STATX, dirfd, path, (uint32_t)flags, mask);
	m->ms_addr2 = buf;
}

EXPORT void ell_msg_unlinkat(struct ell_msg *m, int dirfd, const char *path, int flags)
{
	prepare(m, ELL_OP_UNLINKAT, dirfd, path, (uint32_t)flags, 0);
}

EXPORT void ell_msg_renameat(struct ell_msg *m, int olddirfd, const char *oldpath, int newdirfd, const char *newpath,
			     unsigned flags)
{
	prepare(m, ELL_OP_RENAMEAT, olddirfd, oldpath, flags, 0);
	prepare_new_name(m, newdirfd, newpath);
}

EXPORT void ell_msg_mkdirat(struct ell_msg *m, int dirfd, const char *path, mode_t mode)
{
	prepare(m, ELL_OP_MKDIRAT, dirfd, path, 0, mode);
}

EXPORT void ell_msg_linkat(struct ell_msg *m, int olddirfd, const char *oldpath, int newdirfd, const char *newpath,
			   int flags)
{
	prepare(m, ELL_OP_LINKAT, olddirfd, oldpath, (uint32_t)flags, 0);
	prepare_new_name(m, newdirfd, newpath);
}

EXPORT void ell_msg_symlinkat(struct ell_msg *m, const char *target, int newdirfd, const char *linkpath)
{
	prepare(m, ELL_OP_SYMLINKAT, -1, target, 0, 0);
	prepare_new_name(m, newdirfd, linkpath);
}

int op_path_check(const struct ell_msg *m)
{
	return m->ms_addr ? 0 : -EFAULT;
}

/* Two paths, or a path and a buffer. */
int op_pointers_check(const struct ell_msg *m)
{
	return m->ms_addr && m->ms_addr2 ? 0 : -EFAULT;
}

/*
 * io_uring first tries with O_NONBLOCK, which opens a FIFO without its other end, and a device in another way. It does
 * not try if it may not; that is slower, so it is done only where it can make a difference.
 */
void op_openat_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	io_uring_prep_openat(sqe, m->ms_fd, m->ms_addr, (int)m->ms_opflags, (mode_t)m->ms_len);
	if (!(m->ms_opflags & (O_NONBLOCK | O_DIRECTORY | O_PATH)))
		sqe->flags |= IOSQE_ASYNC;
}

void op_close_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	io_uring_prep_close(sqe, m->ms_fd);
}

void op_statx_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	io_uring_prep_statx(sqe, m->ms_fd, m->ms_addr, (int)m->ms_opflags, (unsigned)m->ms_len, m->ms_addr2);
}

void op_unlinkat_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	io_uring_prep_unlinkat(sqe, m->ms_fd, m->ms_addr, (int)m->ms_opflags);
}

void op_renameat_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	io_uring_prep_renameat(sqe, m->ms_fd, m->ms_addr, m->ms_fd2, m->ms_addr2, m->ms_opflags);
}

void op_mkdirat_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	io_uring_prep_mkdirat(sqe, m->ms_fd, m->ms_addr, (mode_t)m->ms_len);
}

void op_linkat_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	io_uring_prep_linkat(sqe, m->ms_fd, m->ms_addr, m->ms_fd2, m->ms_addr2, (int)m->ms_opflags);
}

void op_symlinkat_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	io_uring_prep_symlinkat(sqe, m->ms_addr, m->ms_fd2, m->ms_addr2);
}

int64_t op_openat_run(struct ell_msg *m)
{
	return OP_CALL(SYS_openat, m->ms_fd, m->ms_addr, m->ms_opflags, m->ms_len, 0, 0);
}

int64_t op_close_run(struct ell_msg *m)
{
	return op_result(sys.close(m->ms_fd));
}

int64_t op_statx_run(struct ell_msg *m)
{
	return op_result(sys.statx(m->ms_fd, m->ms_addr, (int)m->ms_opflags, (unsigned)m->ms_len, m->ms_addr2));
}

int64_t op_unlinkat_run(struct ell_msg *m)
{
	return op_result(sys.unlinkat(m->ms_fd, m->ms_addr, (int)m->ms_opflags));
}

int64_t op_renameat_run(struct ell_msg *m)
{
	return op_result(sys.renameat2(m->ms_fd, m->ms_addr, m->ms_fd2, m->ms_addr2, m->ms_opflags));
}

int64_t op_mkdirat_run(struct ell_msg *m)
{
	return op_result(sys.mkdirat(m->ms_fd, m->ms_addr, (mode_t)m->ms_len));
}

int64_t op_linkat_run(struct ell_msg *m)
{
	return op_result(sys.linkat(m->ms_fd, m->ms_addr, m->ms_fd2, m->ms_addr2, (int)m->ms_opflags));
}

int64_t op_symlinkat_run(struct ell_msg *m)
{
	return op_result(sys.symlinkat(m->ms_addr, m->ms_fd2, m->ms_addr2));
}
