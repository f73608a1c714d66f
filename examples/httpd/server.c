/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * server.c - a thread per connection, in plain blocking style
 *
 * Each connection is a thread that reads a request, answers it and goes on with the next, and its state is where that
 * thread stands. Responses gather in a buffer as long as there are requests in hand, so that what came in one segment
 * is answered in one. Whatever waits has a deadline.
 *
 * Stopping. The reading side of every connection is shut down. A request that has come in full is still in the socket's
 * buffer and is answered; after it recv() gives 0 and the connection ends as if the client had closed it. So there is
 * no race between "is it idle?" and a request that comes right now. A connection whose thread has not registered it yet
 * sees that the server stops when it does.
 *
 * Memory. A request is read into the small buffer of its connection, a larger one into one from malloc(). Responses are
 * made in a buffer that is borrowed and given back before the thread waits for the next request: the same few buffers
 * serve all connections, and are in the cache. So an idle connection is little more than its stack frames.
 *
 * Locks. One, for the list of connections: taken when a connection comes and when it goes.
 */
#include "server.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "listener.h"
#include "request.h"
#include "response.h"
#include "threads.h"

#define IN_SMALL 1024
#define OUT_SIZE 8192
#define FILE_PIECE ((size_t)1 << 20)
#define LINGER_NS (2 * THREADS_SEC)
#define LINGER_MAX ((size_t)1 << 20)

struct connection {
	struct threads_socket socket;
	struct connection *next, **link; /* in the list; guarded by the lock */
	uint64_t requests;
	char *in; /* what came in: from START to HAVE it is still to be read */
	uint32_t in_size, start, have;
	struct output out; /* borrowed, or no space at all */
	struct request request;
	char in_small[IN_SMALL];
};

static struct {
	const struct options *options;
	struct site *site;
	char *spare; /* an output that nobody uses now, or NULL; exchanged */
	struct threads_lock lock;
	struct threads_cond gone; /* the last connection has gone */
	struct connection *first; /* from here on guarded by the lock */
	uint64_t open;
	struct server_totals totals;
} server;

/* The one spare buffer is all the cache that one vCPU needs; on several, malloc() helps now and then. */
static bool output_borrow(struct output *out)
{
	out->space = __atomic_exchange_n(&server.spare, NULL, __ATOMIC_ACQUIRE);
	if (!out->space)
		out->space = malloc(OUT_SIZE);
	out->size = out->space ? OUT_SIZE : 0;
	out->have = 0;
	return out->space;
}

static void output_return(struct output *out)
{
	char *other = __atomic_exchange_n(&server.spare, out->space, __ATOMIC_ACQ_REL);

	free(other);
	*out = (struct output){NULL, 0, 0};
}

/* Sends COUNT bytes at BUF. */
static bool connection_send(struct connection *c, const char *buf, size_t count, int flags)
{
	while (count) {
		ssize_t n = threads_send(&c->socket, buf, count, flags, threads_now() + server.options->write_ns);

		if (n < 0)
			return false;
		buf += n;
		count -= (size_t)n;
	}
	return true;
}

static bool connection_flush(struct connection *c, int flags)
{
	size_t have = c->out.have;

	c->out.have = 0;
	return connection_send(c, c->out.space, have, flags);
}

/* Sends what is in the output and then the body of RS, which is in memory, together. */
static bool connection_send_memory(struct connection *c, const struct response *rs)
{
	struct iovec iov[2] = {{c->out.space, c->out.have}, {(char *)rs->body, rs->left}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
	size_t head = c->out.have, sent;
	ssize_t n = threads_sendmsg(&c->socket, &msg, threads_now() + server.options->write_ns);

	if (n < 0)
		return false;
	sent = (size_t)n;
	c->out.have = 0;
	if (sent < head) {
		if (!connection_send(c, c->out.space + sent, head - sent, MSG_MORE))
			return false;
		sent = head;
	}
	return connection_send(c, rs->body + (sent - head), rs->left - (sent - head), 0);
}

static bool connection_send_file(struct connection *c, struct response *rs)
{
	if (!connection_flush(c, MSG_MORE))
		return false;
	while (rs->left) {
		size_t piece = rs->left < FILE_PIECE ? rs->left : FILE_PIECE;
		ssize_t n =
			threads_sendfile(&c->socket, rs->fd, &rs->off, piece, threads_now() + server.options->write_ns);

		if (n <= 0)
			return false; /* 0: the file has become shorter than we said */
		rs->left -= (size_t)n;
	}
	return true;
}

/* Room behind what is in the input, for at least one byte; the parser says 431 before there can be none. */
static bool connection_room(struct connection *c)
{
	char *large;

	if (c->start) {
		memmove(c->in, c->in + c->start, c->have - c->start);
		c->have -= c->start;
		c->start = 0;
	}
	if (c->have < c->in_size)
		return true;
	large = malloc(REQUEST_MAX);
	if (!large)
		return false;
	c->in = memcpy(large, c->in, c->have);
	c->in_size = REQUEST_MAX;
	return true;
}

/* Reads a request: REQUEST_READY, or the status of an error; or -1, there is none and nothing to say about it. */
static int connection_request(struct connection *c)
{
	const struct options *o = server.options;
	threads_time until = 0;
	bool begun = false;

	request_init(&c->request);
	for (;;) {
		ssize_t n;

		if (c->have > c->start) {
			int status = request_parse(&c->request, c->in + c->start, c->have - c->start);

			if (status != REQUEST_MORE)
				return status;
		}
		if (c->out.space) {
			if (!connection_flush(c, 0))
				return -1;
			output_return(&c->out);
		}
		if (!connection_room(c))
			return -1;
		if (c->have == 0) {
			until = threads_now() + (c->requests ? o->idle_ns : o->header_ns);
		} else if (!begun) {
			begun = true;
			until = threads_now() + o->header_ns;
		}
		n = threads_recv(&c->socket, c->in + c->have, c->in_size - c->have, until);
		if (n < 0)
			return begun && errno == ETIMEDOUT ? 408 : -1;
		if (n == 0)
			return begun ? 400 : -1;
		c->have += (uint32_t)n;
	}
}

/* Answers one request; false when the connection is over. */
static bool connection_answer(struct connection *c, bool *linger)
{
	struct response rs;
	int status = connection_request(c);
	bool sent = true, stops = false;

	if (status < 0)
		return false;
	if (!c->out.space && !output_borrow(&c->out))
		return false;
	if (c->out.size - c->out.have < RESPONSE_HEAD_MAX && !connection_flush(c, 0))
		return false;
	if (status == REQUEST_READY) {
		c->requests++;
		stops = listener_stopped();
		if (stops)
			c->request.keep_alive = false;
		response_make(&rs, &c->request, server.site, &c->out);
		c->start += c->request.parsed;
	} else {
		response_error(&rs, status, &c->out);
	}
	if (rs.left)
		sent = rs.body ? connection_send_memory(c, &rs) : connection_send_file(c, &rs);
	if (rs.close && sent)
		sent = connection_flush(c, 0);
	response_done(&rs);
	/* Who did not know that we stop may have sent more. */
	*linger = sent && (rs.linger || stops);
	return sent && !rs.close;
}

/*
 * Closing a socket with unread input resets the connection, and the client may then lose the response that explains
 * why. So say that no more will be sent, and read on for a while.
 */
static void connection_linger(struct connection *c)
{
	threads_time until = threads_now() + LINGER_NS;
	size_t most = LINGER_MAX;
	ssize_t n = 1;

	shutdown(c->socket.fd, SHUT_WR);
	while (n > 0 && most) {
		n = threads_recv(&c->socket, c->in, c->in_size, until);
		if (n > 0)
			most -= (size_t)n < most ? (size_t)n : most;
	}
}

static void connection_enter(struct connection *c)
{
	threads_lock(&server.lock);
	c->next = server.first;
	c->link = &server.first;
	if (c->next)
		c->next->link = &c->next;
	server.first = c;
	if (listener_stopped())
		shutdown(c->socket.fd, SHUT_RD);
	threads_unlock(&server.lock);
}

/* Before the descriptor is closed: whoever stops the server must not meet another one of its number. */
static void connection_leave(struct connection *c)
{
	threads_lock(&server.lock);
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	server.totals.requests += c->requests;
	threads_unlock(&server.lock);
}

static void server_count_out(void)
{
	threads_lock(&server.lock);
	if (--server.open == 0)
		threads_cond_signal(&server.gone);
	threads_unlock(&server.lock);
}

/* The life of a connection. */
static void *connection_main(void *arg)
{
	struct connection c;
	bool linger = false;

	threads_socket_init(&c.socket, (int)(intptr_t)arg);
	c.requests = 0;
	c.in = c.in_small;
	c.in_size = sizeof c.in_small;
	c.start = c.have = 0;
	c.out = (struct output){NULL, 0, 0};
	connection_enter(&c);
	while (connection_answer(&c, &linger))
		;
	if (c.out.space)
		output_return(&c.out);
	if (linger)
		connection_linger(&c);
	connection_leave(&c);
	threads_socket_close(&c.socket);
	if (c.in != c.in_small)
		free(c.in);
	server_count_out();
	return NULL;
}

static void server_count_in(void)
{
	threads_lock(&server.lock);
	server.totals.connections++;
	if (++server.open > server.totals.most)
		server.totals.most = server.open;
	threads_unlock(&server.lock);
}

/* There is no thread for it. */
static void server_refuse(int fd)
{
	static const char busy[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
	struct threads_socket s;

	send(fd, busy, sizeof busy - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	threads_socket_init(&s, fd);
	threads_socket_close(&s);
}

/* What fails now and works later: the limits of descriptors and memory, and what the network did to one client. */
static bool server_accept_again(int error)
{
	switch (error) {
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		threads_sleep(THREADS_SEC / 100);
		return true;
	case EINVAL:
	case EBADF:
	case ENOTSOCK:
	case EOPNOTSUPP:
	case EFAULT:
		return false;
	default:
		return true;
	}
}

static void server_accept(int listener)
{
	while (!listener_stopped()) {
		int fd = threads_accept(listener), error;

		if (fd < 0) {
			error = errno;
			if (listener_stopped())
				return;
			if (server_accept_again(error))
				continue;
			fprintf(stderr, "%s: accept: %s\n", server.options->program, strerror(error));
			return;
		}
		server_count_in();
		if (threads_start(connection_main, (void *)(intptr_t)fd)) {
			server_refuse(fd);
			server_count_out();
		}
	}
}

/* Lets the connections finish what they do, for a while. */
static void server_finish(void)
{
	threads_time until = threads_now() + server.options->grace_ns;
	struct connection *c;

	threads_lock(&server.lock);
	for (c = server.first; c; c = c->next)
		shutdown(c->socket.fd, SHUT_RD);
	while (server.open && threads_now() < until)
		threads_cond_wait(&server.gone, &server.lock, until);
	server.totals.cut = server.open;
	threads_unlock(&server.lock);
}

struct server_totals server_run(const struct options *o, struct site *site, int listener)
{
	server.options = o;
	server.site = site;
	threads_lock_init(&server.lock);
	threads_cond_init(&server.gone);
	server_accept(listener);
	server_finish();
	return server.totals;
}
