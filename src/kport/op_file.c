/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * op_file.c - what is done to an open file, or to memory, as a whole or to a range of it
 *
 * Ranges have lengths of 64 bits, of which a submission of an older kernel carries 32. So a longer range goes in
 * pieces, one step each; the system call takes it whole. What is said to be longer than any file is taken to mean the
 * file's end, as a length of 0 does.
 *
 *	ms_fd or ms_addr, ms_off, ms_len, ms_opflags (flags, mode or advice), ms_scratch[0] (what the steps have done)
 */
#include <ellula/ops.h>
#include <fcntl.h>
#include <liburing.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/compiler.h"
#include "kport/op_args.h"
#include "kport/op_newer.h"
#include "kport/op_rows.h"
#include "kport/op_run.h"
#include "message/message.h"
#include "sys/sys.h"

#define PIECE (UINT64_C(1) << 31)   /* a multiple of any page */
#define LONGEST (UINT64_C(1) << 42) /* 2,048 pieces */
#define SPACE (UINT64_C(1) << 47)   /* that a process may map */

static void prepare(struct ell_msg *m, enum ell_op op, int fd, int64_t off, int64_t len, uint32_t opflags)
{
	message_prep(m, op);
	op_steps_clear(m);
	m->ms_fd = fd;
	m->ms_off = (uint64_t)off;
	m->ms_len = (uint64_t)len;
	m->ms_opflags = opflags;
}

EXPORT void ell_msg_fsync(struct ell_msg *m, int fd)
{
	prepare(m, ELL_OP_FSYNC, fd, 0, 0, 0);
}

EXPORT void ell_msg_fdatasync(struct ell_msg *m, int fd)
{
	prepare(m, ELL_OP_FSYNC, fd, 0, 0, IORING_FSYNC_DATASYNC);
}

EXPORT void ell_msg_sync_file_range(struct ell_msg *m, int fd, int64_t off, int64_t len, unsigned flags)
{
	prepare(m, ELL_OP_SYNC_FILE_RANGE, fd, off, len, flags);
}

EXPORT void ell_msg_fallocate(struct ell_msg *m, int fd, int mode, int64_t off, int64_t len)
{
	prepare(m, ELL_OP_FALLOCATE, fd, off, len, (uint32_t)mode);
}

EXPORT void ell_msg_ftruncate(struct ell_msg *m, int fd, int64_t len)
{
	prepare(m, ELL_OP_FTRUNCATE, fd, 0, len, 0);
}

EXPORT void ell_msg_fadvise(struct ell_msg *m, int fd, int64_t off, int64_t len, int advice)
{
	prepare(m, ELL_OP_FADVISE, fd, off, len, (uint32_t)advice);
}

EXPORT void ell_msg_madvise(struct ell_msg *m, void *addr, size_t len, int advice)
{
	prepare(m, ELL_OP_MADVISE, -1, 0, (int64_t)len, (uint32_t)advice);
	m->ms_addr = addr;
}

int op_fd_check(const struct ell_msg *m)
{
	return op_check_fd(m);
}

/* A range that makes no sense as a whole must not begin. */
int op_sync_file_range_check(const struct ell_msg *m)
{
	int64_t off = (int64_t)m->ms_off;
	int64_t len = (int64_t)m->ms_len;

	if (m->ms_fd < 0)
		return -EBADF;
	return off < 0 || len < 0 || len > INT64_MAX - off ? -EINVAL : 0;
}

int op_fadvise_check(const struct ell_msg *m)
{
	if (m->ms_fd < 0)
		return -EBADF;
	return (int64_t)m->ms_len < 0 ? -EINVAL : 0;
}

int op_madvise_check(const struct ell_msg *m)
{
	uint64_t addr = op_field(m->ms_addr);

	if (addr + m->ms_len < addr)
		return -EINVAL;
	return m->ms_len > SPACE ? -ENOMEM : 0;
}

/* What the next step takes; 0: all up to the end. */
static uint32_t piece(const struct ell_msg *m)
{
	uint64_t left = m->ms_len - m->ms_scratch[0];

	if (m->ms_len > LONGEST && m->ms_op != ELL_OP_MADVISE)
		return 0;
	return (uint32_t)(left < PIECE ? left : PIECE);
}

bool op_range_step(struct ell_msg *m, int64_t *result, bool revoked)
{
	/* madvise(2) advises what lies behind a hole, too, and reports the hole at the end. */
	if (m->ms_op == ELL_OP_MADVISE && *result == -ENOMEM) {
		m->ms_scratch[1] = 1;
		*result = 0;
	}
	m->ms_scratch[0] += piece(m);
	if (*result == 0 && piece(m) > 0) {
		if (!revoked)
			return true;
		*result = -ECANCELED;
	}
	*result = op_outcome(*result, revoked);
	if (*result == 0 && m->ms_scratch[1])
		*result = -ENOMEM;
	op_steps_clear(m);
	return false;
}

void op_fsync_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	io_uring_prep_fsync(sqe, m->ms_fd, m->ms_opflags);
}

void op_sync_file_range_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	io_uring_prep_sync_file_range(sqe, m->ms_fd, piece(m), m->ms_off + m->ms_scratch[0], (int)m->ms_opflags);
}

void op_fallocate_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	io_uring_prep_fallocate(sqe, m->ms_fd, (int)m->ms_opflags, (off_t)m->ms_off, (off_t)m->ms_len);
}

void op_ftruncate_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	io_uring_prep_rw(OP_URING_FTRUNCATE, sqe, m->ms_fd, NULL, 0, m->ms_len);
}

void op_fadvise_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	io_uring_prep_fadvise(sqe, m->ms_fd, m->ms_off + m->ms_scratch[0], piece(m), (int)m->ms_opflags);
}

void op_madvise_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	io_uring_prep_madvise(sqe, op_after(m->ms_addr, m->ms_scratch[0]), piece(m), (int)m->ms_opflags);
}

int64_t op_fsync_run(struct ell_msg *m)
{
	return op_result(m->ms_opflags & IORING_FSYNC_DATASYNC ? sys.fdatasync(m->ms_fd) : sys.fsync(m->ms_fd));
}

int64_t op_sync_file_range_run(struct ell_msg *m)
{
	return op_result(sys.sync_file_range(m->ms_fd, (off_t)m->ms_off, (off_t)m->ms_len, m->ms_opflags));
}

int64_t op_fallocate_run(struct ell_msg *m)
{
	return OP_CALL(SYS_fallocate, m->ms_fd, m->ms_opflags, m->ms_off, m->ms_len, 0, 0);
}

int64_t op_ftruncate_run(struct ell_msg *m)
{
	return op_result(sys.ftruncate(m->ms_fd, (off_t)m->ms_len));
}

/* posix_fadvise() gives the error itself. */
int64_t op_fadvise_run(struct ell_msg *m)
{
	return -sys.posix_fadvise(m->ms_fd, (off_t)m->ms_off, (off_t)m->ms_len, (int)m->ms_opflags);
}

int64_t op_madvise_run(struct ell_msg *m)
{
	return op_result(sys.madvise(m->ms_addr, m->ms_len, (int)m->ms_opflags));
}
