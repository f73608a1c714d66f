/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rw.c - reading and writing, sockets, and closing
 *
 * Each call is first tried in a way that cannot wait. If it would wait, and the descriptor is not in non-blocking mode,
 * it becomes a message. What a descriptor is decides how it is tried, and is asked once: kinds[] is cleared where a
 * number gets another meaning, by close() and dup2(). Sockets of which more is known need no try: sockets.c.
 *
 * Files of a disk pass: reading and writing them ends soon, and they cannot be waited for. A time-out of the socket's
 * (SO_RCVTIMEO, SO_SNDTIMEO) is the message's deadline.
 */
#include <ellula/ops.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "call/fd.h"
#include "personality/calls.h"
#include "personality/clone.h"
#include "personality/descriptors.h"
#include "personality/guest.h"
#include "personality/sockets.h"
#include "personality/stats.h"
#include "sys/sys.h"

enum kind { KIND_UNKNOWN, KIND_FILE, KIND_SOCKET, KIND_PIPE, KIND_OTHER };

enum { KINDS = 1 << 16 };

static uint8_t kinds[KINDS];

static int64_t pass(const struct entry_regs *g)
{
	return RAW((long)g->rax, g->rdi, g->rsi, g->rdx, g->r10, g->r8, g->r9);
}

static enum kind kind_of(int fd)
{
	struct stat st;
	enum kind kind = fd < KINDS && fd >= 0 ? load_relaxed(&kinds[fd]) : KIND_UNKNOWN;

	if (LIKELY(kind != KIND_UNKNOWN))
		return kind;
	if (sys.fstat(fd, &st) != 0)
		return KIND_UNKNOWN;
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode))
		kind = KIND_FILE;
	else if (S_ISSOCK(st.st_mode))
		kind = KIND_SOCKET;
	else
		kind = S_ISFIFO(st.st_mode) ? KIND_PIPE : KIND_OTHER;
	if (fd < KINDS)
		store_relaxed(&kinds[fd], (uint8_t)kind);
	return kind;
}

static void forget(uint64_t first, uint64_t last)
{
	for (uint64_t fd = first; fd <= last && fd < KINDS; fd++)
		store_relaxed(&kinds[fd], KIND_UNKNOWN);
}

static bool is_nonblocking(int fd)
{
	int64_t flags = RAW(SYS_fcntl, fd, F_GETFL);

	return flags < 0 || (flags & O_NONBLOCK);
}

/* By when a call on the socket FD is to end: WHICH is SO_RCVTIMEO or SO_SNDTIMEO. */
static ell_time socket_deadline(int fd, int which)
{
	struct timeval tv = {0};
	socklen_t len = sizeof(tv);

	if (RAW(SYS_getsockopt, fd, SOL_SOCKET, which, &tv, &len) != 0 || (tv.tv_sec == 0 && tv.tv_usec == 0))
		return ELL_FOREVER;
	return ell_after(tv.tv_sec * ELL_SEC + tv.tv_usec * ELL_USEC);
}

static size_t total(const struct iovec *vector, int count)
{
	size_t sum = 0;

	for (int i = 0; i < count; i++)
		sum += vector[i].iov_len;
	return sum;
}

/* One try to receive, for fd_receive(). */
struct receive {
	const struct entry_regs *g;
	uint64_t *flags; /* in G */
	size_t wanted;
};

static int64_t try_receive(int fd, void *arg, bool *more)
{
	const struct receive *r = arg;
	uint64_t asked = *r->flags;
	int64_t n;

	(void)fd;
	if (guest_interrupted())
		return -EINTR;
	*r->flags = asked | MSG_DONTWAIT;
	n = pass(r->g);
	*r->flags = asked;
	*more = n >= (int64_t)r->wanted || (asked & (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE));
	return n;
}

/* Receives from a socket that is watched, and waits for that until UNTIL. */
static int64_t receive_watched(struct fd_record *rec, struct receive *r, ell_time until)
{
	struct guest *gu = guest_self;
	int64_t result = -EINTR;

	/* ORD guest-1: pairs with ORD guest-2: who sends a signal later sees the record. */
	store_seq_cst(&gu->gu_record, rec);
	if (!guest_interrupted())
		result = fd_receive(rec, (int)r->g->rdi, try_receive, r, until);
	store_relaxed(&gu->gu_record, NULL);
	return result == -ETIMEDOUT && until != ELL_FOREVER ? -EAGAIN : result;
}

static int64_t do_by(struct ell_msg *m, ell_time until, int64_t late)
{
	int64_t result = guest_do(m, until);

	return result == -ETIMEDOUT && until != ELL_FOREVER ? late : result;
}

/* Is there something to be had at once? For what cannot be tried in another way. */
static bool is_ready(int fd, short events)
{
	struct pollfd pfd = {.fd = fd, .events = events};

	return RAW(SYS_poll, &pfd, 1, 0) != 0;
}

static int64_t wait_ready(int fd, short events, ell_time until, int64_t late)
{
	struct ell_msg m;
	int64_t result;

	ell_msg_init(&m, NULL, NULL);
	ell_msg_poll_fd(&m, fd, (unsigned short)events);
	result = do_by(&m, until, late);
	return result < 0 ? result : 0;
}

/*
 * A read or a write of KIND's, VECTOR of COUNT, which NR does: without waiting, then waiting until there is something.
 */
static int64_t transfer(const struct entry_regs *g, const struct iovec *vector, int count, bool in)
{
	int fd = (int)g->rdi;
	enum kind kind = kind_of(fd);
	short events = in ? POLLIN : POLLOUT;
	ell_time until = ELL_FOREVER;
	struct fd_record *rec;
	int64_t result;

	if (kind == KIND_FILE || kind == KIND_UNKNOWN)
		return pass(g);
	rec = kind == KIND_SOCKET && in ? sockets_record(fd, &until) : NULL;
	if (rec) {
		struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)vector, .msg_iovlen = (size_t)count};
		struct entry_regs call = {.rax = SYS_recvmsg, .rdi = g->rdi, .rsi = (uint64_t)&msg};
		struct receive r = {&call, &call.rdx, total(vector, count)};

		return receive_watched(rec, &r, until);
	}
	for (bool first = true;; first = false) {
		if (kind == KIND_SOCKET) {
			struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)vector, .msg_iovlen = (size_t)count};

			result = in ? RAW(SYS_recvmsg, fd, &msg, MSG_DONTWAIT)
				    : RAW(SYS_sendmsg, fd, &msg, MSG_DONTWAIT);
		} else {
			result = in ? RAW(SYS_preadv2, fd, vector, count, -1, -1, RWF_NOWAIT)
				    : RAW(SYS_pwritev2, fd, vector, count, -1, -1, RWF_NOWAIT);
			/* Unlike a pipe's and a socket's, its answer at once may be that it knows no such flag. */
			if (result == -EOPNOTSUPP)
				result = is_ready(fd, events) ? pass(g) : -EAGAIN;
		}
		if (result != -EAGAIN)
			return result;
		if (first) {
			if (is_nonblocking(fd))
				return result;
			if (kind == KIND_SOCKET)
				until = socket_deadline(fd, in ? SO_RCVTIMEO : SO_SNDTIMEO);
		}
		result = wait_ready(fd, events, until, -EAGAIN);
		if (result < 0)
			return result;
	}
}

/* What a blocking descriptor's write does: all of it. The rest is a message, piece by piece. */
static int64_t write_rest(const struct entry_regs *g, const struct iovec *vector, int count, int64_t done)
{
	size_t skip = (size_t)done;

	if (done <= 0 || (size_t)done >= total(vector, count))
		return done;
	switch (kind_of((int)g->rdi)) {
	case KIND_SOCKET:
	case KIND_PIPE:
		break;
	default:
		return done;
	}
	if (is_nonblocking((int)g->rdi))
		return done;
	for (int i = 0; i < count; i++) {
		while (skip < vector[i].iov_len) {
			struct iovec piece = {(char *)vector[i].iov_base + skip, vector[i].iov_len - skip};
			int64_t n = transfer(g, &piece, 1, false);

			if (n <= 0)
				return done;
			done += n;
			skip += (size_t)n;
		}
		skip -= vector[i].iov_len;
	}
	return done;
}

int64_t rw_read(struct entry_regs *g)
{
	struct iovec one = {(void *)g->rsi, g->rdx};

	return g->rdx ? transfer(g, &one, 1, true) : pass(g);
}

int64_t rw_write(struct entry_regs *g)
{
	struct iovec one = {(void *)g->rsi, g->rdx};

	return g->rdx ? write_rest(g, &one, 1, transfer(g, &one, 1, false)) : pass(g);
}

/* Vectors that the kernel would refuse are left to it. */
static bool is_plain(const struct entry_regs *g)
{
	return g->rdx >= 1 && g->rdx <= 1024;
}

int64_t rw_readv(struct entry_regs *g)
{
	return is_plain(g) ? transfer(g, (const struct iovec *)g->rsi, (int)g->rdx, true) : pass(g);
}

int64_t rw_writev(struct entry_regs *g)
{
	const struct iovec *vector = (const struct iovec *)g->rsi;

	return is_plain(g) ? write_rest(g, vector, (int)g->rdx, transfer(g, vector, (int)g->rdx, false)) : pass(g);
}

/*
 * A call on a socket whose flags are in FLAGS: tried with MSG_DONTWAIT, and again when EVENTS say so. WANTED: so many
 * bytes at most.
 */
static int64_t socket_call(struct entry_regs *g, uint64_t *flags, short events, size_t wanted)
{
	int fd = (int)g->rdi;
	struct receive r = {g, flags, wanted};
	uint64_t asked = *flags;
	ell_time until = ELL_FOREVER;
	struct fd_record *rec;
	int64_t result;

	if (asked & MSG_DONTWAIT)
		return pass(g);
	rec = events == POLLIN ? sockets_record(fd, &until) : NULL;
	if (rec)
		return receive_watched(rec, &r, until);
	for (bool first = true;; first = false) {
		*flags = asked | MSG_DONTWAIT;
		result = pass(g);
		*flags = asked;
		if (result != -EAGAIN)
			return result;
		if (first) {
			if (is_nonblocking(fd))
				return result;
			until = socket_deadline(fd, events == POLLIN ? SO_RCVTIMEO : SO_SNDTIMEO);
		}
		result = wait_ready(fd, events, until, -EAGAIN);
		if (result < 0)
			return result;
	}
}

int64_t rw_recvfrom(struct entry_regs *g)
{
	struct entry_regs rest = *g;
	int64_t n, done = 0;

	/* All that was asked for: what has come is ours already, whatever happens then. */
	for (;;) {
		n = socket_call(&rest, &rest.r10, POLLIN, rest.rdx);
		if (n <= 0 || !(g->r10 & MSG_WAITALL) || (g->r10 & (MSG_PEEK | MSG_DONTWAIT)) || g->r8)
			return done ? done : n;
		done += n;
		rest.rsi += (uint64_t)n;
		rest.rdx -= (uint64_t)n;
		if (!rest.rdx || is_nonblocking((int)g->rdi))
			return done;
	}
}

int64_t rw_recvmsg(struct entry_regs *g)
{
	const struct msghdr *msg = (const struct msghdr *)g->rsi;

	return socket_call(g, &g->rdx, POLLIN, total(msg->msg_iov, (int)msg->msg_iovlen));
}

static bool is_stream(int fd)
{
	socklen_t len = sizeof(int);
	int type = 0;

	return RAW(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

int64_t rw_sendto(struct entry_regs *g)
{
	struct entry_regs rest = *g;
	int64_t n = socket_call(&rest, &rest.r10, POLLOUT, 0), done = n;

	if (n < 0 || (uint64_t)n >= g->rdx || (g->r10 & MSG_DONTWAIT) || !is_stream((int)g->rdi) ||
	    is_nonblocking((int)g->rdi))
		return n;
	while ((uint64_t)done < g->rdx) {
		rest.rsi = g->rsi + (uint64_t)done;
		rest.rdx = g->rdx - (uint64_t)done;
		n = socket_call(&rest, &rest.r10, POLLOUT, 0);
		if (n <= 0)
			break;
		done += n;
	}
	return done;
}

int64_t rw_sendmsg(struct entry_regs *g)
{
	const struct msghdr *msg = (const struct msghdr *)g->rsi;
	int64_t n;

	/* With it other processes may get descriptors. */
	if (msg->msg_controllen)
		sockets_unsure_of_all();
	n = socket_call(g, &g->rdx, POLLOUT, 0);
	if (n <= 0 || (g->rdx & MSG_DONTWAIT) || !is_stream((int)g->rdi))
		return n;
	return write_rest(g, msg->msg_iov, (int)msg->msg_iovlen, n);
}

int64_t rw_accept(struct entry_regs *g)
{
	int fd = (int)g->rdi, flags = g->rax == SYS_accept4 ? (int)g->r10 : 0;
	struct ell_msg m;
	int64_t new;

	if (is_nonblocking(fd)) {
		new = pass(g);
	} else {
		ell_msg_init(&m, NULL, NULL);
		ell_msg_accept(&m, fd, (struct sockaddr *)g->rsi, (socklen_t *)g->rdx, flags);
		new = do_by(&m, socket_deadline(fd, SO_RCVTIMEO), -EAGAIN);
	}
	if (new >= 0)
		sockets_accepted((int)new);
	return new;
}

int64_t rw_connect(struct entry_regs *g)
{
	int fd = (int)g->rdi;
	struct ell_msg m;

	if (is_nonblocking(fd))
		return pass(g);
	ell_msg_init(&m, NULL, NULL);
	ell_msg_connect(&m, fd, (const struct sockaddr *)g->rsi, (socklen_t)g->rdx);
	return do_by(&m, socket_deadline(fd, SO_SNDTIMEO), -EINPROGRESS);
}

int64_t rw_fsync(struct entry_regs *g)
{
	struct ell_msg m;

	ell_msg_init(&m, NULL, NULL);
	if (g->rax == SYS_fsync)
		ell_msg_fsync(&m, (int)g->rdi);
	else
		ell_msg_fdatasync(&m, (int)g->rdi);
	return guest_do(&m, ELL_FOREVER);
}

/* Around a call that closes the descriptors from FIRST to LAST. */
static int64_t closing(const struct entry_regs *g, uint32_t first, uint32_t last)
{
	bool watched = sockets_close(first, last);
	int64_t result;

	forget(first, last);
	result = pass(g);
	if (watched)
		fd_flush();
	return result;
}

int64_t rw_close(struct entry_regs *g)
{
	if (UNLIKELY(descriptors_are_ours((uint32_t)g->rdi)))
		return -EBADF;
	return closing(g, (uint32_t)g->rdi, (uint32_t)g->rdi);
}

/* All but ours. CLOSE_RANGE_CLOEXEC closes nothing. */
int64_t rw_close_range(struct entry_regs *g)
{
	uint64_t first = (uint32_t)g->rdi, last = (uint32_t)g->rsi;
	struct entry_regs part = *g;
	int64_t result = 0;

	if ((g->rdx & CLOSE_RANGE_UNSHARE) && clone_has_begun())
		return refuse("a table of descriptors of one thread's own");
	if ((g->rdx & CLOSE_RANGE_CLOEXEC) || first > last)
		return pass(g);
	while (first <= last && !result) {
		uint64_t ours = descriptors_next((uint32_t)first, (uint32_t)last);

		part.rdi = first;
		part.rsi = ours - 1;
		if (first < ours)
			result = closing(&part, (uint32_t)first, (uint32_t)(ours - 1));
		first = ours + 1;
	}
	return result;
}

int64_t rw_dup2(struct entry_regs *g)
{
	sockets_unsure((int)g->rdi);
	if (g->rdi == g->rsi)
		return pass(g);
	if (UNLIKELY(descriptors_are_ours((uint32_t)g->rsi)))
		return -EBADF;
	return closing(g, (uint32_t)g->rsi, (uint32_t)g->rsi);
}

int64_t rw_dup(struct entry_regs *g)
{
	sockets_unsure((int)g->rdi);
	return pass(g);
}

int64_t rw_ioctl(struct entry_regs *g)
{
	int64_t result = pass(g);

	if (g->rsi == FIONBIO)
		sockets_changed((int)g->rdi);
	return result;
}

int64_t rw_setsockopt(struct entry_regs *g)
{
	int64_t result = pass(g);

	if (g->rsi == SOL_SOCKET)
		sockets_changed((int)g->rdi);
	return result;
}
