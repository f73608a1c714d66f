/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * op_rw.c - read and write, with and without an offset, with one buffer and with several
 *
 * Offsets: -1 is the descriptor's own position. Any other one is of pread(2) and pwrite(2), which refuse a descriptor
 * that cannot seek (ESPIPE); io_uring would read from it. So the check asks the kernel, by a read or write of no
 * vectors at all: that never reaches the file, and never blocks.
 *
 *	ms_fd, ms_off, ms_addr, ms_len (bytes, or vectors), ms_opflags (RWF_ flags)
 */
#include <ellula/ops.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/compiler.h"
#include "kport/op_args.h"
#include "kport/op_rows.h"
#include "kport/op_run.h"
#include "message/message.h"
#include "sys/sys.h"

enum { POSITION = -1, OFFSET_BAD = -2 };

static void prepare(struct ell_msg *m, enum ell_op op, int fd, const void *addr, uint64_t len, int64_t off)
{
	message_prep(m, op);
	op_steps_clear(m);
	m->ms_fd = fd;
	m->ms_addr = (void *)(uintptr_t)addr;
	m->ms_len = len;
	m->ms_off = (uint64_t)off;
}

EXPORT void ell_msg_read(struct ell_msg *m, int fd, void *buf, size_t len, int64_t off)
{
	prepare(m, ELL_OP_READ, fd, buf, len, off);
}

EXPORT void ell_msg_write(struct ell_msg *m, int fd, const void *buf, size_t len, int64_t off)
{
	prepare(m, ELL_OP_WRITE, fd, buf, len, off);
}

EXPORT void ell_msg_pread(struct ell_msg *m, int fd, void *buf, size_t len, int64_t off)
{
	prepare(m, ELL_OP_READ, fd, buf, len, off < 0 ? OFFSET_BAD : off);
}

EXPORT void ell_msg_pwrite(struct ell_msg *m, int fd, const void *buf, size_t len, int64_t off)
{
	prepare(m, ELL_OP_WRITE, fd, buf, len, off < 0 ? OFFSET_BAD : off);
}

EXPORT void ell_msg_readv(struct ell_msg *m, int fd, const struct iovec *iov, int count, int64_t off, int flags)
{
	prepare(m, ELL_OP_READV, fd, iov, (uint64_t)(int64_t)count, off);
	m->ms_opflags = (uint32_t)flags;
}

EXPORT void ell_msg_writev(struct ell_msg *m, int fd, const struct iovec *iov, int count, int64_t off, int flags)
{
	prepare(m, ELL_OP_WRITEV, fd, iov, (uint64_t)(int64_t)count, off);
	m->ms_opflags = (uint32_t)flags;
}

EXPORT void ell_msg_preadv(struct ell_msg *m, int fd, const struct iovec *iov, int count, int64_t off)
{
	ell_msg_readv(m, fd, iov, count, off < 0 ? OFFSET_BAD : off, 0);
}

EXPORT void ell_msg_pwritev(struct ell_msg *m, int fd, const struct iovec *iov, int count, int64_t off)
{
	ell_msg_writev(m, fd, iov, count, off < 0 ? OFFSET_BAD : off, 0);
}

static int check_offset(const struct ell_msg *m, ssize_t (*call)(int fd, const struct iovec *iov, int count, off_t off))
{
	int64_t off = (int64_t)m->ms_off;

	if (off == POSITION)
		return 0;
	if (off < 0)
		return -EINVAL;
	return (int)op_result(call(m->ms_fd, NULL, 0, off));
}

int op_read_check(const struct ell_msg *m)
{
	int error = op_check_buffer(m->ms_fd, m->ms_addr, m->ms_len);

	return error ? error : check_offset(m, sys.preadv);
}

int op_write_check(const struct ell_msg *m)
{
	int error = op_check_buffer(m->ms_fd, m->ms_addr, m->ms_len);

	return error ? error : check_offset(m, sys.pwritev);
}

int op_readv_check(const struct ell_msg *m)
{
	int error = op_check_vectors(m->ms_fd, m->ms_addr, m->ms_len);

	return error ? error : check_offset(m, sys.preadv);
}

int op_writev_check(const struct ell_msg *m)
{
	int error = op_check_vectors(m->ms_fd, m->ms_addr, m->ms_len);

	return error ? error : check_offset(m, sys.pwritev);
}

void op_read_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	io_uring_prep_read(sqe, m->ms_fd, m->ms_addr, (unsigned)m->ms_len, m->ms_off);
}

void op_readv_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	io_uring_prep_readv2(sqe, m->ms_fd, m->ms_addr, (unsigned)m->ms_len, m->ms_off, (int)m->ms_opflags);
}

/* Of a rest (op_rest) the position is the descriptor's: only what cannot seek has one. */
void op_write_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	uint64_t done = m->ms_scratch[0];

	io_uring_prep_write(sqe, m->ms_fd, op_after(m->ms_addr, done), (unsigned)(m->ms_len - done), m->ms_off);
}

/* The vectors are the caller's and stay as they are; a rest is written vector by vector. */
void op_writev_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	struct iovec next;

	if (m->ms_scratch[0] == 0) {
		io_uring_prep_writev2(sqe, m->ms_fd, m->ms_addr, (unsigned)m->ms_len, m->ms_off, (int)m->ms_opflags);
		return;
	}
	next = op_rest_vector(m->ms_addr, m->ms_len, m->ms_scratch[0]);
	io_uring_prep_write(sqe, m->ms_fd, next.iov_base, (unsigned)next.iov_len, m->ms_off);
	sqe->rw_flags = (int)m->ms_opflags;
}

bool op_write_step(struct ell_msg *m, int64_t *result, bool revoked)
{
	return op_rest(m, m->ms_len, result, revoked);
}

bool op_writev_step(struct ell_msg *m, int64_t *result, bool revoked)
{
	/* After an error the vectors may be what was wrong. */
	uint64_t total = *result > 0 ? op_total(m->ms_addr, m->ms_len) : 0;

	return op_rest(m, total, result, revoked);
}

static int64_t call_read(struct ell_msg *m)
{
	if (m->ms_off == (uint64_t)POSITION)
		return OP_CALL(SYS_read, m->ms_fd, m->ms_addr, m->ms_len, 0, 0, 0);
	return OP_CALL(SYS_pread64, m->ms_fd, m->ms_addr, m->ms_len, m->ms_off, 0, 0);
}

static int64_t call_write(struct ell_msg *m)
{
	uint64_t done = m->ms_scratch[0];
	const char *at = op_after(m->ms_addr, done);

	if (m->ms_off == (uint64_t)POSITION)
		return OP_CALL(SYS_write, m->ms_fd, at, m->ms_len - done, 0, 0, 0);
	return OP_CALL(SYS_pwrite64, m->ms_fd, at, m->ms_len - done, m->ms_off, 0, 0);
}

/* Without flags by the older calls: qemu-user, for one, lacks preadv2(2). The offset is one argument on 64 bits. */
static int64_t read_vectors(const struct ell_msg *m, const struct iovec *iov, uint64_t count, unsigned flags)
{
	if (flags)
		return OP_CALL(SYS_preadv2, m->ms_fd, iov, count, m->ms_off, 0, flags);
	if (m->ms_off == (uint64_t)POSITION)
		return OP_CALL(SYS_readv, m->ms_fd, iov, count, 0, 0, 0);
	return OP_CALL(SYS_preadv, m->ms_fd, iov, count, m->ms_off, 0, 0);
}

static int64_t write_vectors(const struct ell_msg *m, const struct iovec *iov, uint64_t count, unsigned flags)
{
	if (flags)
		return OP_CALL(SYS_pwritev2, m->ms_fd, iov, count, m->ms_off, 0, flags);
	if (m->ms_off == (uint64_t)POSITION)
		return OP_CALL(SYS_writev, m->ms_fd, iov, count, 0, 0, 0);
	return OP_CALL(SYS_pwritev, m->ms_fd, iov, count, m->ms_off, 0, 0);
}

static int64_t call_readv(struct ell_msg *m)
{
	return read_vectors(m, m->ms_addr, m->ms_len, m->ms_opflags);
}

/* What is left to write: COUNT vectors, one of them perhaps in ROOM. */
static const struct iovec *rest_vectors(const struct ell_msg *m, struct iovec *room, uint64_t *count)
{
	uint64_t done = m->ms_scratch[0];

	*count = m->ms_len;
	if (m->ms_op == ELL_OP_WRITEV && done == 0)
		return m->ms_addr;
	*count = 1;
	*room = m->ms_op == ELL_OP_WRITEV
			? op_rest_vector(m->ms_addr, m->ms_len, done)
			: (struct iovec){.iov_base = (char *)m->ms_addr + done, .iov_len = m->ms_len - done};
	return room;
}

static int64_t call_writev(struct ell_msg *m)
{
	struct iovec room;
	uint64_t count;
	const struct iovec *iov = rest_vectors(m, &room, &count);

	return write_vectors(m, iov, count, m->ms_opflags);
}

int64_t op_read_run(struct ell_msg *m)
{
	return op_retry(m, POLLIN, call_read);
}

int64_t op_write_run(struct ell_msg *m)
{
	return op_retry_steps(m, POLLOUT, call_write, op_write_step);
}

int64_t op_readv_run(struct ell_msg *m)
{
	return m->ms_opflags & RWF_NOWAIT ? call_readv(m) : op_retry(m, POLLIN, call_readv);
}

int64_t op_writev_run(struct ell_msg *m)
{
	return m->ms_opflags & RWF_NOWAIT ? call_writev(m) : op_retry_steps(m, POLLOUT, call_writev, op_writev_step);
}

/* Is FD something that may wait for a disk, whatever poll(2) says? */
static bool is_file(int fd)
{
	struct stat st;

	return sys.fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode) || S_ISDIR(st.st_mode));
}

/* RESULT of a call with RWF_NOWAIT, or of CALL where the file does not know that flag. */
static int64_t attempted(struct ell_msg *m, int64_t result, short events, op_call *call)
{
	int flags;

	if (m->ms_opflags & RWF_NOWAIT)
		return result;
	if (result == -EOPNOTSUPP || result == -ENOSYS) {
		flags = sys.fcntl(m->ms_fd, F_GETFL, 0);
		if (flags >= 0 && !(flags & O_NONBLOCK))
			return op_wait_or_block(m->ms_fd, events);
		result = call(m);
	}
	return result == -EAGAIN ? OP_WAIT(events) : result;
}

/*
 * Of a file, what the page cache holds may be less than what there is. So only a count that is all that was asked for
 * is a result; and with the file's own position, which would have moved, there is no attempt.
 */
static int64_t attempt_read(struct ell_msg *m, const struct iovec *iov, uint64_t count, op_call *call)
{
	bool at_offset = m->ms_off != (uint64_t)POSITION;
	int64_t result;

	if (!at_offset && !(m->ms_opflags & RWF_NOWAIT) && is_file(m->ms_fd))
		return OP_BLOCKS;
	result = read_vectors(m, iov, count, m->ms_opflags | RWF_NOWAIT);
	if (at_offset && !(m->ms_opflags & RWF_NOWAIT) && (result < 0 || (uint64_t)result < op_total(iov, count)))
		return OP_BLOCKS;
	return attempted(m, result, POLLIN, call);
}

static int64_t attempt_write(struct ell_msg *m, op_call *call)
{
	struct iovec room;
	uint64_t count;
	const struct iovec *iov;

	if (!(m->ms_opflags & RWF_NOWAIT) && is_file(m->ms_fd))
		return OP_BLOCKS;
	iov = rest_vectors(m, &room, &count);
	return attempted(m, write_vectors(m, iov, count, m->ms_opflags | RWF_NOWAIT), POLLOUT, call);
}

int64_t op_read_attempt(struct ell_msg *m, bool again)
{
	const struct iovec iov = {.iov_base = m->ms_addr, .iov_len = m->ms_len};

	(void)again;
	return attempt_read(m, &iov, 1, call_read);
}

int64_t op_readv_attempt(struct ell_msg *m, bool again)
{
	(void)again;
	return attempt_read(m, m->ms_addr, m->ms_len, call_readv);
}

int64_t op_write_attempt(struct ell_msg *m, bool again)
{
	(void)again;
	return attempt_write(m, call_write);
}

int64_t op_writev_attempt(struct ell_msg *m, bool again)
{
	(void)again;
	return attempt_write(m, call_writev);
}
