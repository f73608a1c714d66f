/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net.c - the simulated kernel's sockets: streams between two ends of this process
 *
 * An address is a port. A connection is made when somebody listens there, and waits in the listener's queue until it is
 * accepted. Who closes a socket with something unread resets the connection. So may the seed, beside what it does to
 * all streams.
 *
 * A receive that is told to come back later although something is there (EAGAIN), or that leaves something, is followed
 * by an edge: whoever watches the socket relies on it that a stream which gave less than was asked for is empty.
 */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "kport/sim/files.h"
#include "kport/sim/sim.h"
#include "sys/sys.h"

/* Linux gives no socket less than some 2,000 bytes; those who send all before they receive rely on that. */
enum { SOCKET_ROOM = 256 };

static struct sim_file *listeners; /* by fl_next */

static struct sim_file *socket_of(int fd)
{
	struct sim_file *file = file_of(fd);

	if (file && file->fl_type != FILE_SOCKET && file->fl_type != FILE_LISTENER) {
		errno = ENOTSOCK;
		return NULL;
	}
	return file;
}

static unsigned port_of(const struct sockaddr *addr)
{
	struct sockaddr_in in;

	memcpy(&in, addr, sizeof(in));
	return ntohs(in.sin_port);
}

static int sim_socket(int domain, int type, int protocol)
{
	struct sim_file *file;

	(void)domain;
	(void)protocol;
	world_enter();
	if (world_fault(no_memory))
		return sim_fail(ENOMEM);
	file = file_create(FILE_SOCKET);
	file->fl_nonblocking = type & SOCK_NONBLOCK;
	return file_install(file);
}

static int sim_bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct sim_file *file = socket_of(fd);

	(void)len;
	world_enter();
	if (!file)
		return -1;
	file->fl_port = port_of(addr);
	return 0;
}

static int sim_listen(int fd, int backlog)
{
	struct sim_file *file = socket_of(fd);

	(void)backlog;
	world_enter();
	if (!file)
		return -1;
	if (file->fl_type == FILE_LISTENER)
		return 0;
	file->fl_type = FILE_LISTENER;
	file->fl_next = listeners;
	listeners = file;
	/* Who came too early. */
	world_wake(&listeners, UINT_MAX);
	return 0;
}

/*
 * The connection breaks: the other side, which may have gone, learns of it at its next call, and loses what has come to
 * it. The same on this side.
 */
static void reset(struct sim_file *file)
{
	file->fl_in->sm_reset = true;
	if (file->fl_out->sm_reader)
		file->fl_out->sm_reset = true;
	world_note("kernel: a connection is reset");
	file_changed(file, true);
	file_changed(file->fl_out->sm_reader, true);
}

/* Whoever is in it is not accepted any more. */
static void drop_queue(struct sim_file *file)
{
	while (file->fl_queue) {
		struct sim_file *end = file->fl_queue;

		file->fl_queue = end->fl_next;
		files_release(end);
	}
}

void net_close(struct sim_file *file)
{
	for (struct sim_file **at = &listeners; *at; at = &(*at)->fl_next) {
		if (*at == file) {
			*at = file->fl_next;
			break;
		}
	}
	drop_queue(file);
	if (file->fl_type == FILE_SOCKET && file->fl_in && file->fl_in->sm_count > 0)
		reset(file);
}

static struct sim_file *listener_at(unsigned port)
{
	for (struct sim_file *file = listeners; file; file = file->fl_next) {
		if (file->fl_port == port)
			return file;
	}
	return NULL;
}

static int sim_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct sim_file *file = socket_of(fd), *listener, *end, **last;

	(void)len;
	world_enter();
	if (!file)
		return -1;
	if (file->fl_in)
		return sim_fail(EISCONN);
	listener = listener_at(port_of(addr));
	if (!listener || listener->fl_shut || world_fault(reset))
		return sim_fail(ECONNREFUSED);
	end = file_create(FILE_SOCKET);
	end->fl_refs = 1;
	end->fl_in = file->fl_out = stream_create(end, file, SOCKET_ROOM);
	end->fl_out = file->fl_in = stream_create(file, end, SOCKET_ROOM);
	for (last = &listener->fl_queue; *last; last = &(*last)->fl_next)
		;
	*last = end;
	file_changed(listener, true);
	file_changed(file, true);
	return 0;
}

static int sim_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	struct sim_file *file = socket_of(fd), *end;
	int number, error;

	world_enter();
	if (!file)
		return -1;
	if (file->fl_type != FILE_LISTENER)
		return sim_fail(EINVAL);
	if (world_fault(again))
		return sim_fail(EINTR);
	if (world_fault(no_memory))
		return sim_fail(ENOBUFS);
	while (!file->fl_queue) {
		if (file->fl_shut)
			return sim_fail(EINVAL);
		if (file->fl_nonblocking)
			return sim_fail(EAGAIN);
		file->fl_refs++;
		error = job_wait(file, ELL_FOREVER);
		files_release(file);
		if (error)
			return sim_fail(-error);
	}
	end = file->fl_queue;
	number = file_install(end);
	if (number < 0)
		return -1;
	file->fl_queue = end->fl_next;
	end->fl_next = NULL;
	end->fl_refs--;
	end->fl_nonblocking = flags & SOCK_NONBLOCK;
	if (addr && len) {
		const struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(1)};

		job_touches();
		memcpy(addr, &in, *len < sizeof(in) ? *len : sizeof(in));
		*len = sizeof(in);
	}
	return number;
}

static int sim_shutdown(int fd, int how)
{
	struct sim_file *file = socket_of(fd);

	world_enter();
	if (!file)
		return -1;
	if (file->fl_type == FILE_LISTENER) {
		file->fl_shut = true;
		drop_queue(file);
		file_changed(file, true);
		return 0;
	}
	if (!file->fl_in)
		return sim_fail(ENOTCONN);
	if (how != SHUT_RD) {
		file->fl_out->sm_ended = true;
		file_changed(file->fl_out->sm_reader, true);
	}
	if (how != SHUT_WR) {
		file->fl_in->sm_ended = true;
		file_changed(file, true);
	}
	return 0;
}

static int sim_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	int answer = 0;

	if (!socket_of(fd))
		return -1;
	if (level == SOL_SOCKET && name == SO_TYPE)
		answer = SOCK_STREAM;
	else if (level == SOL_SOCKET && name == SO_DOMAIN)
		answer = AF_INET;
	memcpy(value, &answer, *len < sizeof(answer) ? *len : sizeof(answer));
	return 0;
}

/* There are no urgent data. */
static int sim_ioctl(int fd, unsigned long request, void *arg)
{
	if (!socket_of(fd))
		return -1;
	if (request != SIOCATMARK)
		return sim_fail(ENOTTY);
	*(int *)arg = 0;
	return 0;
}

static void edge_later(void *arg)
{
	file_changed(arg, true);
	files_release(arg);
}

static void promise_edge(struct sim_file *file)
{
	file->fl_refs++;
	world_spawn("edge", ACTOR_KERNEL, world_now() + 1000, edge_later, file);
}

static ssize_t receive(int fd, const struct iovec *iov, int count, int flags)
{
	struct sim_file *file;
	ssize_t n;

	world_enter();
	file = socket_of(fd);
	if (!file)
		return -1;
	if (!file->fl_in)
		return sim_fail(ENOTCONN);
	if (world_fault(reset))
		reset(file);
	if ((flags & MSG_DONTWAIT) && world_fault(again)) {
		promise_edge(file);
		return sim_fail(EAGAIN);
	}
	n = stream_read(file, iov, count, !(flags & MSG_DONTWAIT) && !file->fl_nonblocking, flags & MSG_PEEK);
	if (n > 0 && file->fl_in->sm_count)
		promise_edge(file);
	return n;
}

static ssize_t transmit(int fd, const struct iovec *iov, int count, int flags)
{
	struct sim_file *file;

	world_enter();
	file = socket_of(fd);
	if (!file)
		return -1;
	if (!file->fl_out)
		return sim_fail(ENOTCONN);
	if (world_fault(reset))
		reset(file);
	return stream_write(file, iov, count, !(flags & MSG_DONTWAIT) && !file->fl_nonblocking);
}

static ssize_t sim_recv(int fd, void *buf, size_t len, int flags)
{
	struct iovec iov = {buf, len};

	return receive(fd, &iov, 1, flags);
}

static ssize_t sim_send(int fd, const void *buf, size_t len, int flags)
{
	struct iovec iov = {(void *)(uintptr_t)buf, len};

	return transmit(fd, &iov, 1, flags);
}

static ssize_t sim_recvmsg(int fd, struct msghdr *msg, int flags)
{
	return receive(fd, msg->msg_iov, (int)msg->msg_iovlen, flags);
}

static ssize_t sim_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	return transmit(fd, msg->msg_iov, (int)msg->msg_iovlen, flags);
}

void net_begin(void)
{
	sys.socket = sim_socket;
	sys.bind = sim_bind;
	sys.listen = sim_listen;
	sys.connect = sim_connect;
	sys.accept4 = sim_accept4;
	sys.shutdown = sim_shutdown;
	sys.getsockopt = sim_getsockopt;
	sys.ioctl = sim_ioctl;
	sys.recv = sim_recv;
	sys.send = sim_send;
	sys.recvmsg = sim_recvmsg;
	sys.sendmsg = sim_sendmsg;
}
