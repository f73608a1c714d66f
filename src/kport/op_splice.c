/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * op_splice.c - moving data between descriptors: splice, tee, and sendfile, which is made of splices
 *
 * Purpose: io_uring has no sendfile, but it has splice, one end of which must be a pipe. So a pipe is filled from the
 * file and drained into the other descriptor until all is sent.
 *
 * Stages of a sendfile, each one submission but for the first:
 *
 *	START	gets a pipe, and where in the file to begin; goes on with FILL at once, or with FAILED
 *	FILL	file -> pipe
 *	ROOM	waits until the other descriptor takes something
 *	DRAIN	pipe -> other descriptor; then ROOM while the pipe holds something, FILL while something is left to send
 *	FAILED	an empty submission, so that the error comes with the reply
 *
 * ROOM is there because io_uring executes a splice on a kernel worker, of which there are few: a thousand slow
 * receivers would occupy them all. They wait in a poll instead, which occupies nothing and can be cancelled.
 *
 * The system call can read from a file by itself, but would occupy a helper for as long as the receiver reads nothing.
 * So the kernel port on epoll waits for room first, and the helper that then calls sends as much as there is room for,
 * and gives the message back.
 *
 * Position: the file is read at explicit offsets, and its position, or the caller's offset, is set at the end to
 * behind the last byte that was really sent. What is in the pipe when an error or a revoke ends the message has not
 * been sent, is lost with the pipe, and will be read again by whoever goes on from that position.
 *
 *	splice, tee	ms_fd, ms_off (from), ms_fd2, ms_addr2 (to), ms_len, ms_opflags
 *	sendfile	ms_fd (to), ms_fd2 (from), ms_addr (of the offset, NULL: the file's position), ms_len
 */
#include <ellula/ops.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/panic.h"
#include "kport/op_args.h"
#include "kport/op_rows.h"
#include "kport/op_run.h"
#include "kport/pipes.h"
#include "message/message.h"
#include "sys/sys.h"

enum { SPLICE_FLAGS = SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT };
enum { CHUNK = 256 * 1024, DRAIN_LEAST = 4096 }; /* a pipe takes less if it holds less */

enum sendfile_stage { START, FILL, ROOM, DRAIN, FAILED };

/* What ms_scratch holds. */
struct sendfile_notes {
	uint64_t sent;	 /* here the system call counts, too (op_rest), and leaves the rest alone */
	int64_t start;	 /* the offset of the first byte */
	int32_t in, out; /* the pipe */
	uint32_t held;	 /* bytes in it */
	uint16_t error;	 /* that made it fail */
	uint8_t stage;
	uint8_t generation;
};

_Static_assert(sizeof(struct sendfile_notes) == sizeof(((struct ell_msg *)0)->ms_scratch), "the notes fill ms_scratch");

EXPORT void ell_msg_splice(struct ell_msg *m, int fd_in, int64_t off_in, int fd_out, int64_t off_out, size_t len,
			   unsigned flags)
{
	message_prep(m, ELL_OP_SPLICE);
	m->ms_fd = fd_in;
	m->ms_off = (uint64_t)off_in;
	m->ms_fd2 = fd_out;
	m->ms_addr2 = op_pointer((uint64_t)off_out);
	m->ms_len = len;
	m->ms_opflags = flags;
}

EXPORT void ell_msg_tee(struct ell_msg *m, int fd_in, int fd_out, size_t len, unsigned flags)
{
	message_prep(m, ELL_OP_TEE);
	m->ms_fd = fd_in;
	m->ms_fd2 = fd_out;
	m->ms_len = len;
	m->ms_opflags = flags;
}

EXPORT void ell_msg_sendfile(struct ell_msg *m, int out, int in, int64_t *off, size_t count)
{
	message_prep(m, ELL_OP_SENDFILE);
	op_steps_clear(m);
	m->ms_fd = out;
	m->ms_fd2 = in;
	m->ms_addr = off;
	m->ms_len = count;
}

/* A flag of io_uring's own would make it take the descriptor for something else. */
int op_tee_check(const struct ell_msg *m)
{
	if (m->ms_fd < 0 || m->ms_fd2 < 0)
		return -EBADF;
	return m->ms_len > OP_MAX_COUNT || m->ms_opflags & ~(unsigned)SPLICE_FLAGS ? -EINVAL : 0;
}

int op_splice_check(const struct ell_msg *m)
{
	int error = op_tee_check(m);

	if (error)
		return error;
	return (int64_t)m->ms_off < -1 || (int64_t)op_field(m->ms_addr2) < -1 ? -EINVAL : 0;
}

int op_sendfile_check(const struct ell_msg *m)
{
	if (m->ms_fd < 0 || m->ms_fd2 < 0)
		return -EBADF;
	return m->ms_len > OP_MAX_COUNT ? -EINVAL : 0;
}

void op_splice_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	io_uring_prep_splice(sqe, m->ms_fd, (int64_t)m->ms_off, m->ms_fd2, (int64_t)op_field(m->ms_addr2),
			     (unsigned)m->ms_len, m->ms_opflags);
}

void op_tee_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	io_uring_prep_tee(sqe, m->ms_fd, m->ms_fd2, (unsigned)m->ms_len, m->ms_opflags);
}

int64_t op_splice_run(struct ell_msg *m)
{
	off64_t in = (off64_t)m->ms_off;
	off64_t out = (off64_t)op_field(m->ms_addr2);
	off64_t *from = in < 0 ? NULL : &in;
	off64_t *to = out < 0 ? NULL : &out;

	return OP_CALL(SYS_splice, m->ms_fd, from, m->ms_fd2, to, m->ms_len, m->ms_opflags);
}

int64_t op_tee_run(struct ell_msg *m)
{
	return OP_CALL(SYS_tee, m->ms_fd, m->ms_fd2, m->ms_len, m->ms_opflags, 0, 0);
}

static struct sendfile_notes notes_of(const struct ell_msg *m)
{
	struct sendfile_notes notes;

	memcpy(&notes, m->ms_scratch, sizeof(notes));
	return notes;
}

static void notes_keep(struct ell_msg *m, const struct sendfile_notes *notes)
{
	memcpy(m->ms_scratch, notes, sizeof(*notes));
}

/* Where to begin: the offset, or -errno as sendfile(2) has it. */
static int64_t first_offset(const struct ell_msg *m)
{
	const int64_t *off = m->ms_addr;
	int64_t position;

	if (off)
		return *off < 0 ? -EINVAL : *off;
	position = op_result(sys.lseek(m->ms_fd2, 0, SEEK_CUR));
	return position == -ESPIPE ? -EINVAL : position;
}

static void sendfile_start(const struct ell_msg *m, struct sendfile_notes *notes)
{
	struct pipe_pair pipe;
	int error;

	notes->start = first_offset(m);
	error = notes->start < 0 ? (int)notes->start : pipes_get(&pipe);
	if (error < 0) {
		notes->stage = FAILED;
		notes->error = (uint16_t)-error;
		return;
	}
	notes->stage = FILL;
	notes->in = pipe.pp_in;
	notes->out = pipe.pp_out;
	notes->generation = pipe.pp_generation;
}

static uint64_t left_to_send(const struct ell_msg *m, const struct sendfile_notes *notes)
{
	return m->ms_len - notes->sent;
}

/*
 * What FD can be expected to take without blocking. Of what is free in a socket's buffer half, for the kernel counts
 * its overhead, too; the other kinds end a splice early by themselves, or never block for long.
 */
static uint64_t drain_size(int fd, uint64_t held)
{
	int size = 0, queued = 0;
	socklen_t len = sizeof(size);
	int room;

	if (sys.getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &len) < 0 || sys.ioctl(fd, SIOCOUTQ, &queued) < 0)
		return held;
	room = (size - queued) / 2;
	if (room < DRAIN_LEAST)
		room = DRAIN_LEAST;
	return held < (uint64_t)room ? held : (uint64_t)room;
}

void op_sendfile_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
{
	struct sendfile_notes notes = notes_of(m);
	uint64_t left = left_to_send(m, &notes);

	if (notes.stage == START)
		sendfile_start(m, &notes);
	switch (notes.stage) {
	case FILL:
		io_uring_prep_splice(sqe, m->ms_fd2, notes.start + (int64_t)notes.sent, notes.out, -1,
				     (unsigned)(left < CHUNK ? left : CHUNK), 0);
		break;
	case ROOM:
		io_uring_prep_poll_add(sqe, m->ms_fd, POLLOUT);
		break;
	case DRAIN:
		/* Not SPLICE_F_MORE: if the file then turns out to have no more, its end would be held back. */
		io_uring_prep_splice(sqe, notes.in, -1, m->ms_fd, -1, (unsigned)drain_size(m->ms_fd, notes.held), 0);
		break;
	case FAILED:
		io_uring_prep_nop(sqe);
		break;
	default:
		panic("sendfile message %p in stage %u", (void *)m, notes.stage);
	}
	notes_keep(m, &notes);
}

/* Takes RESULT of the stage: true, with the next one chosen; or false, and the message is over. */
static bool sendfile_next(const struct ell_msg *m, struct sendfile_notes *notes, int64_t result)
{
	switch (notes->stage) {
	case FILL:
		if (result <= 0)
			return false;
		notes->held = (uint32_t)result;
		notes->stage = ROOM;
		return true;
	case ROOM:
		notes->stage = DRAIN;
		return result >= 0;
	case DRAIN:
		/* Somebody else was faster, and the descriptor is O_NONBLOCK. */
		if (result == -EAGAIN) {
			notes->stage = ROOM;
			return true;
		}
		if (result <= 0)
			return false;
		notes->held -= (uint32_t)result;
		notes->sent += (uint64_t)result;
		notes->stage = notes->held ? ROOM : FILL;
		return notes->held || left_to_send(m, notes);
	default:
		return false;
	}
}

static void sendfile_end(struct ell_msg *m, const struct sendfile_notes *notes)
{
	struct pipe_pair pipe = {.pp_in = notes->in, .pp_out = notes->out, .pp_generation = notes->generation};
	int64_t end = notes->start + (int64_t)notes->sent;

	op_steps_clear(m);
	if (notes->stage == START || notes->stage == FAILED)
		return;
	/* In the child after fork the file's position is the parent's, too. */
	if (!pipes_put(&pipe, notes->held == 0))
		return;
	if (m->ms_addr)
		*(int64_t *)m->ms_addr = end;
	else if (notes->sent > 0)
		sys.lseek(m->ms_fd2, end, SEEK_SET);
}

bool op_sendfile_step(struct ell_msg *m, int64_t *result, bool revoked)
{
	struct sendfile_notes notes = notes_of(m);

	if (sendfile_next(m, &notes, *result) && !revoked) {
		notes_keep(m, &notes);
		return true;
	}
	if (notes.stage == FAILED)
		*result = -notes.error;
	else if (notes.sent > 0)
		*result = (int64_t)notes.sent;
	else
		*result = revoked && *result >= 0 ? -ECANCELED : op_outcome(*result, revoked);
	sendfile_end(m, &notes);
	return false;
}

static int64_t call_sendfile(const struct ell_msg *m, uint64_t count)
{
	return OP_CALL(SYS_sendfile, m->ms_fd, m->ms_fd2, m->ms_addr, count, 0, 0);
}

static int64_t call_all(struct ell_msg *m)
{
	return call_sendfile(m, m->ms_len - m->ms_scratch[0]);
}

/* The system call keeps the position by itself; it ends early only for O_NONBLOCK, or because it cannot go on. */
static bool run_step(struct ell_msg *m, int64_t *result, bool revoked)
{
	return op_rest(m, m->ms_len, result, revoked);
}

int64_t op_sendfile_run(struct ell_msg *m)
{
	return op_retry_steps(m, POLLOUT, call_all, run_step);
}

int64_t op_sendfile_proceed(struct ell_msg *m)
{
	int64_t result;
	bool revoked;

	do {
		revoked = ell_msg_revoked(m);
		if (revoked)
			result = -EINTR;
		else if (op_ready(m->ms_fd, POLLOUT))
			result = call_sendfile(m, drain_size(m->ms_fd, m->ms_len - m->ms_scratch[0]));
		else
			return OP_WAIT(POLLOUT);
		if (result == -EAGAIN)
			return OP_WAIT(POLLOUT);
	} while (run_step(m, &result, revoked));
	return result;
}

/* Waits for room only: the file may have to be read from a disk. */
int64_t op_sendfile_attempt(struct ell_msg *m, bool again)
{
	(void)again;
	return op_wait_or_block(m->ms_fd, POLLOUT);
}
