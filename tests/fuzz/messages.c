/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * messages.c - any operation with any arguments, sent, revoked and waited for in any order: one reply each
 *
 * The bytes say what to do with a few messages. A model knows which of them are sent, and checks: each has exactly one
 * reply, with its own tag; the result is one that the operation may have; what was only to be read is unchanged; and of
 * what was to be written into, nothing that the result does not count.
 *
 * Arguments are wild, but not so that a right kernel would harm us: descriptors are ours or do not exist, names lie in
 * a directory of ours, and lengths beyond a buffer come only with an address where there is nothing.
 */
#include <ellula/ellula.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fuzz/fuzz.h"

enum { SLOTS = 6, ROOM = 256, FDS = 9, VECTORS = 4, PAGES = 4, PAGE = 4096, STEPS = 64 };

enum state { IDLE, SENT, REQUESTED };

struct slot {
	struct ell_msg m;
	enum state state;
	bool is_prepared, is_revoked;
	bool gives_fd;	/* the result is a descriptor, for us to close */
	bool is_source; /* buf is only to be read */
	bool is_target; /* buf is to be written into, of one piece */
	size_t most;	/* the result is at most that */
	unsigned char buf[ROOM], before[ROOM];
	struct iovec iov[VECTORS], iov_before[VECTORS];
	struct msghdr header;
	struct sockaddr_un addr;
	socklen_t addr_len;
	struct ell_peer peer;
	siginfo_t info;
	struct statx statx;
	off_t off;
};

static struct slot slots[SLOTS];
static struct ell_port replies, requests;
static int fds[FDS];
static int dir = -1;
static char dir_name[] = "/tmp/ellula-fuzz-XXXXXX";
static char file_name[sizeof(dir_name) + 2];
static char *nowhere; /* a page that may not be touched */
static char *pages;   /* some that may */

static const char *const names[] = {"a", "b", "c", "", "d/a"};

static int fd_of(struct bytes *b)
{
	unsigned n = bytes_below(b, FDS + 3);

	return n < FDS ? fds[n] : n == FDS ? -1 : n == FDS + 1 ? 1 << 19 : INT32_MIN;
}

static int64_t number(struct bytes *b)
{
	static const int64_t odd[] = {
		-1, -2, INT64_MAX, INT64_MIN, INT64_C(1) << 32, (INT64_C(1) << 31) - 1, INT64_C(1) << 47};
	unsigned n = bytes_next(b);

	return n < 200 ? n : odd[n % (sizeof(odd) / sizeof(odd[0]))];
}

/* A piece of memory: inside of the buffer, or where nothing is, of any length. */
static void *piece(struct bytes *b, struct slot *s, size_t *len, bool source)
{
	unsigned n = bytes_below(b, 16);

	s->is_source = source;
	if (n < 13) {
		*len = bytes_below(b, ROOM + 1u);
		s->most = *len;
		s->is_target = !source;
		return s->buf;
	}
	*len = (size_t)number(b);
	s->most = ELL_MAX_COUNT;
	return n == 13 ? NULL : nowhere;
}

static const char *name_of(struct bytes *b)
{
	unsigned n = bytes_below(b, 8);

	return n < 5 ? names[n] : n == 5 ? NULL : n == 6 ? nowhere : names[0];
}

static int dir_of(struct bytes *b)
{
	/* Never AT_FDCWD: names are for our directory. */
	return bytes_below(b, 4) ? dir : fd_of(b);
}

/* Vectors over the buffer, one behind the other, or odd ones. */
static int vectors(struct bytes *b, struct slot *s, bool source, struct iovec **iov)
{
	unsigned n = bytes_below(b, 8);
	size_t at = 0;

	s->is_source = source;
	s->most = ROOM;
	*iov = s->iov;
	if (n > VECTORS) {
		*iov = n == 5 ? NULL : s->iov;
		return n == 5 ? (int)bytes_below(b, 5) : n == 6 ? -1 : 5000;
	}
	for (unsigned i = 0; i < n; i++) {
		size_t len = bytes_below(b, ROOM / VECTORS + 1);

		s->iov[i] = (struct iovec){s->buf + at, len};
		at += len;
		if (bytes_below(b, 32) == 31)
			s->iov[i] = (struct iovec){nowhere, (size_t)number(b)};
	}
	return (int)n;
}

static int msg_flags(struct bytes *b)
{
	static const int flags[] = {0,	       0,	MSG_DONTWAIT, MSG_PEEK, MSG_WAITALL,
				    MSG_TRUNC, MSG_OOB, MSG_NOSIGNAL, -1,	1 << 30};

	return flags[bytes_below(b, sizeof(flags) / sizeof(flags[0]))];
}

static socklen_t address(struct bytes *b, struct slot *s)
{
	static const char name[] = "\0ellula-fuzz";

	s->addr.sun_family = AF_UNIX;
	memcpy(s->addr.sun_path, name, sizeof(name));
	s->addr.sun_path[sizeof(name)] = (char)bytes_below(b, 3);
	return bytes_below(b, 8) ? (socklen_t)(sizeof(sa_family_t) + sizeof(name) + 1) : (socklen_t)number(b);
}

static void header(struct bytes *b, struct slot *s, bool source)
{
	int n = vectors(b, s, source, &s->header.msg_iov);

	s->header.msg_iovlen = (size_t)n;
	if (bytes_below(b, 4) == 0) {
		s->header.msg_namelen = address(b, s);
		s->header.msg_name = &s->addr;
		if (s->header.msg_namelen > sizeof(s->addr))
			s->header.msg_namelen = sizeof(s->addr);
	}
}

static void prepare_io(struct bytes *b, struct slot *s, unsigned which)
{
	struct ell_msg *m = &s->m;
	struct iovec *iov;
	size_t len;
	void *p;
	int n, flags;

	switch (which) {
	case 0:
		p = piece(b, s, &len, false);
		ell_msg_read(m, fd_of(b), p, len, number(b));
		break;
	case 1:
		p = piece(b, s, &len, true);
		ell_msg_write(m, fd_of(b), p, len, number(b));
		break;
	case 2:
		n = vectors(b, s, false, &iov);
		ell_msg_readv(m, fd_of(b), iov, n, number(b), bytes_below(b, 64));
		break;
	case 3:
		n = vectors(b, s, true, &iov);
		ell_msg_writev(m, fd_of(b), iov, n, number(b), bytes_below(b, 64));
		break;
	case 4:
		p = piece(b, s, &len, false);
		ell_msg_pread(m, fd_of(b), p, len, number(b));
		break;
	case 5:
		p = piece(b, s, &len, true);
		ell_msg_pwrite(m, fd_of(b), p, len, number(b));
		break;
	case 6:
		p = piece(b, s, &len, true);
		ell_msg_sock_send(m, fd_of(b), p, len, msg_flags(b) | MSG_NOSIGNAL);
		break;
	case 7:
		p = piece(b, s, &len, false);
		flags = msg_flags(b);
		ell_msg_recv(m, fd_of(b), p, len, flags);
		if (flags & MSG_TRUNC)
			s->most = ELL_MAX_COUNT;
		break;
	case 8:
		p = piece(b, s, &len, true);
		flags = msg_flags(b);
		ell_msg_sendto(m, fd_of(b), p, len, flags | MSG_NOSIGNAL, (struct sockaddr *)&s->addr, address(b, s));
		break;
	case 9:
		p = piece(b, s, &len, false);
		flags = msg_flags(b);
		ell_msg_recvfrom(m, fd_of(b), p, len, flags, &s->peer);
		if (flags & MSG_TRUNC)
			s->most = ELL_MAX_COUNT;
		break;
	case 10:
		header(b, s, true);
		ell_msg_sendmsg(m, fd_of(b), &s->header, msg_flags(b) | MSG_NOSIGNAL);
		break;
	case 11:
		header(b, s, false);
		s->most = ELL_MAX_COUNT;
		ell_msg_recvmsg(m, fd_of(b), &s->header, msg_flags(b));
		break;
	case 12:
		s->most = PAGE;
		n = fd_of(b);
		ell_msg_splice(m, n, number(b), fd_of(b), number(b), bytes_below(b, ROOM), bytes_below(b, 16));
		break;
	case 13:
		s->most = PAGE;
		n = fd_of(b);
		ell_msg_tee(m, n, fd_of(b), bytes_below(b, ROOM), bytes_below(b, 16));
		break;
	default:
		s->off = number(b);
		s->most = PAGE;
		n = fd_of(b);
		ell_msg_sendfile(m, n, fd_of(b), bytes_below(b, 2) ? &s->off : NULL, bytes_below(b, ROOM));
		break;
	}
}

static void prepare_file(struct bytes *b, struct slot *s, unsigned which)
{
	static const int advices[] = {
		MADV_NORMAL, MADV_DONTNEED, MADV_WILLNEED, MADV_FREE, MADV_DONTFORK, MADV_DOFORK, 77, -1};
	struct ell_msg *m = &s->m;
	int64_t off = number(b);

	switch (which) {
	case 0:
		ell_msg_fsync(m, fd_of(b));
		break;
	case 1:
		ell_msg_fdatasync(m, fd_of(b));
		break;
	case 2:
		ell_msg_sync_file_range(m, fd_of(b), off, number(b), bytes_below(b, 9));
		break;
	case 3:
		ell_msg_fallocate(m, fd_of(b), (int)bytes_below(b, 128), off, number(b));
		break;
	case 4:
		ell_msg_ftruncate(m, fd_of(b), off);
		break;
	case 5:
		ell_msg_fadvise(m, fd_of(b), off, number(b), (int)bytes_below(b, 8));
		break;
	case 6:
		/* What lies behind the pages is not ours. */
		ell_msg_madvise(m, pages + (off % 8 == 7 ? 1 : 0),
				off < 0 ? (size_t)off : (size_t)off % (PAGES * PAGE - 1), advices[bytes_below(b, 8)]);
		break;
	case 7:
		ell_msg_getxattr(m, file_name, "user.a", s->buf, bytes_below(b, ROOM));
		s->most = ROOM;
		break;
	case 8:
		ell_msg_setxattr(m, bytes_below(b, 4) ? file_name : NULL, "user.a", s->buf, bytes_below(b, ROOM),
				 (int)bytes_below(b, 4));
		break;
	case 9:
		ell_msg_fgetxattr(m, fd_of(b), bytes_below(b, 4) ? "user.a" : NULL, s->buf, bytes_below(b, ROOM));
		s->most = ROOM;
		break;
	case 10:
		ell_msg_fsetxattr(m, fd_of(b), "user.a", bytes_below(b, 4) ? s->buf : NULL, (size_t)off,
				  (int)bytes_below(b, 4));
		break;
	case 11:
		/* A copy: what is closed here may be used by another message. */
		ell_msg_close(m, bytes_below(b, 4) ? fcntl(fds[bytes_below(b, FDS)], F_DUPFD_CLOEXEC, 0) : -1);
		break;
	default:
		ell_msg_poll_fd(m, fd_of(b), (unsigned)(bytes_next(b) | bytes_next(b) << 8));
		s->most = UINT32_MAX;
		break;
	}
}

static void prepare_path(struct bytes *b, struct slot *s, unsigned which)
{
	static const int flags[] = {O_RDONLY,
				    O_RDWR,
				    O_WRONLY,
				    O_CREAT | O_RDWR,
				    O_CREAT | O_EXCL | O_WRONLY,
				    O_DIRECTORY,
				    O_PATH,
				    O_TRUNC | O_WRONLY,
				    -1};
	struct ell_msg *m = &s->m;
	const char *name = name_of(b);
	int at = dir_of(b);

	switch (which) {
	case 0:
		ell_msg_openat(m, at, name, flags[bytes_below(b, 9)] | O_CLOEXEC | O_NONBLOCK, 0600);
		s->most = INT32_MAX;
		s->gives_fd = true;
		break;
	case 1:
		ell_msg_statx(m, at, name, (int)bytes_below(b, 4) * 0x800, STATX_BASIC_STATS,
			      bytes_below(b, 8) ? &s->statx : (struct statx *)(void *)nowhere);
		break;
	case 2:
		ell_msg_unlinkat(m, at, name, bytes_below(b, 2) ? AT_REMOVEDIR : (int)bytes_below(b, 3));
		break;
	case 3:
		ell_msg_renameat(m, at, name, dir_of(b), name_of(b), bytes_below(b, 8));
		break;
	case 4:
		ell_msg_mkdirat(m, at, name, 0700);
		break;
	case 5:
		ell_msg_linkat(m, at, name, dir_of(b), name_of(b), (int)bytes_below(b, 2) * AT_SYMLINK_FOLLOW);
		break;
	default:
		ell_msg_symlinkat(m, bytes_below(b, 8) ? "a" : NULL, at, name);
		break;
	}
}

static void prepare_other(struct bytes *b, struct slot *s, unsigned which)
{
	static const int domains[] = {AF_UNIX, AF_INET, AF_INET6, -1, 1000};
	struct ell_msg *m = &s->m;
	int fd = fd_of(b);
	unsigned n;

	switch (which) {
	case 0:
		n = bytes_below(b, 8);
		ell_msg_socket(m, domains[bytes_below(b, 5)], (int)n | SOCK_CLOEXEC, (int)bytes_below(b, 3));
		s->most = INT32_MAX;
		s->gives_fd = true;
		break;
	case 1:
		ell_msg_bind(m, fd, bytes_below(b, 8) ? (struct sockaddr *)&s->addr : NULL, address(b, s));
		break;
	case 2:
		ell_msg_listen(m, fd, (int)number(b));
		break;
	case 3:
		ell_msg_shutdown(m, fd, (int)bytes_below(b, 4) - 1);
		break;
	case 4:
		s->addr_len = bytes_below(b, 4) ? sizeof(s->addr) : 0;
		ell_msg_accept(m, fd, (struct sockaddr *)&s->addr, &s->addr_len, SOCK_CLOEXEC | (int)bytes_below(b, 2));
		s->most = INT32_MAX;
		s->gives_fd = true;
		break;
	case 5:
		ell_msg_connect(m, fd, (struct sockaddr *)&s->addr, address(b, s));
		break;
	case 6:
		ell_msg_nanosleep(m, number(b));
		break;
	case 7:
		ell_msg_timer(m, bytes_below(b, 2) ? ell_after(number(b)) : number(b));
		break;
	case 8:
		ell_msg_waitid(m, (idtype_t)bytes_below(b, 5), (id_t)number(b), bytes_below(b, 2) ? &s->info : NULL,
			       (int)(bytes_next(b) | bytes_next(b) << 8));
		break;
	default:
		ell_msg_nop(m);
		break;
	}
}

static void prepare(struct bytes *b, struct slot *s)
{
	struct ell_port *port = bytes_below(b, 2) ? &replies : NULL;
	struct ell_msg *m = &s->m;
	unsigned family = bytes_below(b, 4);

	memset(s, 0, sizeof(*s));
	ell_msg_init(m, port, s);
	for (unsigned i = 0; i < ROOM; i++)
		s->buf[i] = (unsigned char)(i * 31 + 7);
	switch (family) {
	case 0:
		prepare_io(b, s, bytes_below(b, 15));
		break;
	case 1:
		prepare_file(b, s, bytes_below(b, 13));
		break;
	case 2:
		prepare_path(b, s, bytes_below(b, 7));
		break;
	default:
		prepare_other(b, s, bytes_below(b, 10));
		break;
	}
	memcpy(s->before, s->buf, ROOM);
	memcpy(s->iov_before, s->iov, sizeof(s->iov));
	s->is_prepared = true;
}

/* S has its reply. */
static void end(struct slot *s)
{
	int64_t result = s->m.ms_result;
	size_t counted = result < 0 ? 0 : result < ROOM ? (size_t)result : ROOM;

	/* A request that nobody has taken yet is revoked on the spot. */
	MUST(s->state == SENT || (s->state == REQUESTED && s->is_revoked && result == -ECANCELED));
	MUST(s->m.ms_tag == s);
	/* From 512 on the kernel has codes for itself, of which none may come out (but ENOTSUPP does). */
	MUST(result <= (int64_t)s->most && (result > -512 || result == -524));
	MUST(result != -ECANCELED || s->is_revoked);
	MUST(memcmp(s->iov, s->iov_before, sizeof(s->iov)) == 0);
	if (s->is_source)
		MUST(memcmp(s->buf, s->before, ROOM) == 0);
	if (s->is_target)
		MUST(memcmp(s->buf + counted, s->before + counted, ROOM - counted) == 0);
	if (s->gives_fd && result >= 0)
		close((int)result);
	s->state = IDLE;
	/* An answer that comes too late would change it. */
	memcpy(s->before, s->buf, ROOM);
}

/* A reply from the port. */
static void end_of(struct ell_msg *m)
{
	struct slot *s = m ? m->ms_tag : NULL;

	if (!m)
		return;
	MUST(s >= slots && s < slots + SLOTS && m == &s->m && m->ms_port == &replies);
	end(s);
}

static void send_one(struct bytes *b, struct slot *s)
{
	if (s->state != IDLE)
		return;
	MUST(memcmp(s->buf, s->before, ROOM) == 0);
	/* As it is, once more: but not what closes, and what would write over itself. */
	if (!s->is_prepared || s->m.ms_op == ELL_OP_CLOSE || s->m.ms_op == ELL_OP_USER || s->is_target ||
	    bytes_below(b, 4))
		prepare(b, s);
	s->is_revoked = false;
	MUST(ell_msg_send(&s->m) == 0);
	s->state = SENT;
}

static void ask(struct bytes *b, struct slot *s)
{
	if (s->state != IDLE)
		return;
	memset(s, 0, sizeof(*s));
	ell_msg_init(&s->m, &replies, s);
	ell_msg_user(&s->m, bytes_next(b), s);
	MUST(ell_port_put(&requests, &s->m) == 0);
	s->state = REQUESTED;
	s->most = 255;
}

static void answer(struct bytes *b)
{
	struct ell_msg *m = ell_port_get(&requests);
	struct slot *s = m ? m->ms_tag : NULL;

	if (!m)
		return;
	MUST(s->state == REQUESTED && m == &s->m);
	MUST(!ell_msg_revoked(m) && !s->is_revoked);
	s->state = SENT;
	ell_msg_reply(m, bytes_next(b));
}

static void revoke_one(struct slot *s)
{
	int error = ell_msg_revoke(&s->m);

	if (s->state == IDLE)
		MUST(error == -EINVAL || error == -EALREADY);
	else
		MUST(error == 0 || error == -EALREADY);
	s->is_revoked |= s->state != IDLE && error == 0;
}

static void wait_one(struct slot *s, ell_time until)
{
	int error = ell_msg_wait(&s->m, until);

	if (s->state == IDLE) {
		MUST(error == -EINVAL);
	} else if (error) {
		MUST(error == -ETIMEDOUT);
	} else {
		end(s);
	}
}

/* The world goes on by itself, too. */
static void meddle(struct bytes *b)
{
	char byte[16] = "meddled with it";
	unsigned n = bytes_below(b, FDS);

	if (bytes_below(b, 2)) {
		if (write(fds[n], byte, 1 + bytes_below(b, 15)) < 0 && n == 0)
			MUST(errno == EBADF);
	} else if (read(fds[n], byte, sizeof(byte)) < 0) {
		MUST(errno != EFAULT);
	}
}

static void step(struct bytes *b)
{
	struct slot *s = &slots[bytes_below(b, SLOTS)];

	switch (bytes_below(b, 12)) {
	case 0:
	case 1:
	case 2:
	case 3:
		send_one(b, s);
		break;
	case 4:
	case 5:
		if (s->is_prepared || s->state != IDLE)
			revoke_one(s);
		break;
	case 6:
		if (s->state != REQUESTED)
			wait_one(s, bytes_below(b, 2) ? 0 : ell_after(bytes_next(b) * ELL_USEC));
		break;
	case 7:
		end_of(ell_port_get(&replies));
		break;
	case 8:
		if (s->state == SENT)
			ell_msg_poll(&s->m);
		break;
	case 9:
		meddle(b);
		break;
	case 10:
		ask(b, s);
		break;
	default:
		answer(b);
		break;
	}
}

static void open_all(void)
{
	MUST(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
	MUST(pipe2(fds + 2, O_CLOEXEC | O_NONBLOCK) == 0);
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds + 4) == 0);
	MUST(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds + 6) == 0);
	fds[8] = openat(dir, "a", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	MUST(fds[8] >= 0);
}

static void close_all(void)
{
	for (int i = 0; i < FDS; i++)
		close(fds[i]);
	for (unsigned i = 0; i < 3; i++) {
		if (unlinkat(dir, names[i], 0) != 0)
			unlinkat(dir, names[i], AT_REMOVEDIR);
	}
}

static void clean(void)
{
	rmdir(dir_name);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const struct rlimit small = {64 << 20, 64 << 20};

	(void)argc;
	(void)argv;
	setenv("ELLULA_VCPUS", "1", 1);
	MUST(ell_init() == 0);
	MUST(mkdtemp(dir_name));
	atexit(clean);
	snprintf(file_name, sizeof(file_name), "%s/a", dir_name);
	dir = open(dir_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	nowhere = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pages = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(dir >= 0 && nowhere != MAP_FAILED && pages != MAP_FAILED);
	/* A file of any size costs neither disk nor time. */
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	MUST(setrlimit(RLIMIT_FSIZE, &small) == 0);
	ell_port_init(&replies, "replies");
	ell_port_init(&requests, "requests");
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes b = {data, data + size};

	memset(slots, 0, sizeof(slots));
	open_all();
	for (int i = 0; i < STEPS && b.at < b.end; i++)
		step(&b);
	for (int i = 0; i < SLOTS; i++)
		answer(&b);
	for (int i = 0; i < SLOTS; i++) {
		struct slot *s = &slots[i];

		if (s->state != IDLE) {
			revoke_one(s);
			wait_one(s, ell_after(20 * ELL_SEC));
			if (s->state != IDLE)
				fprintf(stderr, "operation %u does not end\n", s->m.ms_op);
			MUST(s->state == IDLE);
		}
		MUST(memcmp(s->buf, s->before, ROOM) == 0);
	}
	MUST(!ell_port_get(&replies) && !ell_port_get(&requests));
	close_all();
	return 0;
}
