/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * conn.c - one connection of an event loop: what httpd's thread does, as a state machine
 *
 * The two raw loops beside it are the yardstick for threads, so this is written to be as fast as we know how: one
 * thread, no locks of its own, readiness armed once per connection, recv and send tried directly, input and output in
 * two buffers that all connections share and that stay in the cache; a connection has buffers of its own just while a
 * request has come in part, or while the socket does not take a response. Parser, files and responses are httpd's.
 *
 * What it leaves out is time-outs, and a large file to a client that reads as fast as we send keeps the others waiting.
 * Both favour it.
 */
#include "conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "listener.h"

#define IN_SIZE 16384
#define OUT_SIZE 32768

enum push { PUSH_DONE, PUSH_STUCK, PUSH_FAILED };

static char conn_in[IN_SIZE];
static char conn_out[OUT_SIZE];

static struct {
	const struct options *options;
	struct site *site;
	struct conn *first;
	uint64_t open;
	int64_t until; /* when the server is to stop: the end of the grace */
	struct server_totals totals;
} conns;

static int64_t conn_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void conn_setup(const struct options *o, struct site *site)
{
	conns.options = o;
	conns.site = site;
}

struct conn *conn_open(int fd)
{
	struct conn *c = malloc(sizeof *c);

	if (!c) {
		close(fd);
		return NULL;
	}
	*c = (struct conn){.fd = fd, .next = conns.first, .link = &conns.first};
	request_init(&c->request);
	if (c->next)
		c->next->link = &c->next;
	conns.first = c;
	conns.totals.connections++;
	if (++conns.open > conns.totals.most)
		conns.totals.most = conns.open;
	return c;
}

void conn_close(struct conn *c)
{
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	conns.open--;
	close(c->fd);
	if (c->response.left)
		response_done(&c->response);
	free(c->held);
	free(c->rest);
	free(c);
}

static enum push conn_failed(void)
{
	return errno == EAGAIN ? PUSH_STUCK : PUSH_FAILED;
}

/* Sends the body of the response. */
static enum push conn_push_body(struct conn *c)
{
	struct response *rs = &c->response;

	while (rs->left) {
		ssize_t n;

		if (rs->body)
			n = send(c->fd, rs->body, rs->left, MSG_NOSIGNAL | MSG_DONTWAIT);
		else
			n = sendfile(c->fd, rs->fd, &rs->off, rs->left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return conn_failed();
		if (n == 0)
			return PUSH_FAILED; /* the file has become shorter than we said */
		if (rs->body)
			rs->body += n;
		rs->left -= (size_t)n;
	}
	return PUSH_DONE;
}

/* Sends what got stuck. */
static enum push conn_push(struct conn *c)
{
	while (c->rest) {
		ssize_t n = send(c->fd, c->rest + c->rest_off, c->rest_end - c->rest_off,
				 MSG_NOSIGNAL | MSG_DONTWAIT | (c->response.left ? MSG_MORE : 0));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return conn_failed();
		c->rest_off += (uint32_t)n;
		if (c->rest_off == c->rest_end) {
			free(c->rest);
			c->rest = NULL;
		}
	}
	if (c->response.left) {
		enum push push = conn_push_body(c);

		if (push != PUSH_DONE)
			return push;
		response_done(&c->response);
	}
	return PUSH_DONE;
}

/* Sends OUT and the body of the response, if there is one; keeps what the socket does not take. */
static enum push conn_send(struct conn *c, struct output *out)
{
	struct response *rs = &c->response;
	struct iovec iov[2] = {{out->space, out->have}, {(char *)rs->body, rs->left}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
	size_t have = out->have, sent;
	ssize_t n;

	out->have = 0;
	do {
		if (rs->left && rs->body)
			n = sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		else
			n = send(c->fd, out->space, have, MSG_NOSIGNAL | MSG_DONTWAIT | (rs->left ? MSG_MORE : 0));
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		return PUSH_FAILED;
	sent = n < 0 ? 0 : (size_t)n;
	if (sent < have) {
		c->rest = malloc(have - sent);
		if (!c->rest)
			return PUSH_FAILED;
		memcpy(c->rest, out->space + sent, have - sent);
		c->rest_off = 0;
		c->rest_end = (uint32_t)(have - sent);
		return PUSH_STUCK;
	}
	if (!rs->left)
		return PUSH_DONE;
	if (rs->body) {
		rs->body += sent - have;
		rs->left -= sent - have;
		if (!rs->left) {
			response_done(rs);
			return PUSH_DONE;
		}
	}
	return conn_push(c);
}

/* Keeps LEFT bytes at IN for later. */
static bool conn_hold(struct conn *c, const char *in, size_t left)
{
	if (left && !c->held) {
		c->held = malloc(IN_SIZE);
		if (!c->held)
			return false;
	}
	if (left) {
		memmove(c->held, in, left);
	} else {
		free(c->held);
		c->held = NULL;
	}
	c->held_have = (uint32_t)left;
	return true;
}

/* Answers one request, which is of STATUS as request_parse() says. */
static void conn_respond(struct conn *c, int status, struct output *out)
{
	struct response rs;

	if (status == REQUEST_READY) {
		conns.totals.requests++;
		if (listener_stopped())
			c->request.keep_alive = false;
		response_make(&rs, &c->request, conns.site, out);
	} else {
		response_error(&rs, status, out);
	}
	c->closing = rs.close;
	c->linger = rs.linger;
	if (rs.left)
		c->response = rs;
	else
		response_done(&rs);
}

/* Answers all the requests that HAVE bytes at IN hold. */
static enum push conn_answer(struct conn *c, char *in, size_t have)
{
	struct output out = {conn_out, sizeof conn_out, 0};
	enum push push = PUSH_DONE;
	size_t start = 0;

	while (start < have && !c->closing) {
		int status;

		if (out.size - out.have < RESPONSE_HEAD_MAX) {
			push = conn_send(c, &out);
			if (push != PUSH_DONE)
				break;
		}
		status = request_parse(&c->request, in + start, have - start);
		if (status == REQUEST_MORE)
			break;
		conn_respond(c, status, &out);
		start += c->request.parsed;
		request_init(&c->request);
		if (c->response.left) {
			push = conn_send(c, &out);
			if (push != PUSH_DONE)
				break;
		}
	}
	if (push == PUSH_DONE && out.have)
		push = conn_send(c, &out);
	if (c->closing)
		start = have;
	return conn_hold(c, in + start, have - start) ? push : PUSH_FAILED;
}

/* Reads what nobody wants, so that closing does not reset the connection before the client has read the response. */
static bool conn_drain(struct conn *c)
{
	ssize_t n;

	if (!c->linger)
		return false;
	if (!c->draining)
		shutdown(c->fd, SHUT_WR);
	c->draining = true;
	do
		n = recv(c->fd, conn_in, sizeof conn_in, MSG_DONTWAIT);
	while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 && errno == EAGAIN;
}

bool conn_event(struct conn *c, bool ended)
{
	enum push push = PUSH_DONE;

	if (c->rest || c->response.left)
		push = conn_push(c);
	if (push == PUSH_DONE && c->held && !c->closing)
		push = conn_answer(c, c->held, c->held_have);
	while (push == PUSH_DONE) {
		char *in = c->held ? c->held : conn_in;
		size_t room = IN_SIZE - c->held_have;
		ssize_t n;

		if (c->closing)
			return conn_drain(c);
		n = recv(c->fd, in + c->held_have, room, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		if (n == 0) {
			struct output out = {conn_out, sizeof conn_out, 0};

			if (!c->held)
				return false;
			conn_respond(c, 400, &out);
			push = conn_send(c, &out);
			continue;
		}
		push = conn_answer(c, in, c->held_have + (size_t)n);
		/* A short read has emptied the socket: the next byte is the next edge; its end may be in this one. */
		if (push == PUSH_DONE && (size_t)n < room && !ended && !c->closing)
			return true;
	}
	return push == PUSH_STUCK;
}

void conn_stop(void)
{
	struct conn *c;

	conns.until = conn_now_ms() + conns.options->grace_ns / 1000000;
	for (c = conns.first; c; c = c->next)
		shutdown(c->fd, SHUT_RD);
}

bool conn_going(void)
{
	return !conns.until || (conns.open && conn_now_ms() < conns.until);
}

int conn_patience(void)
{
	int64_t left = conns.until - conn_now_ms();

	if (!conns.until)
		return -1;
	return left > 0 ? (int)left : 0;
}

struct server_totals conn_totals(void)
{
	conns.totals.cut = conns.open;
	return conns.totals;
}
