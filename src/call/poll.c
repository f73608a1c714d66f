/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * poll.c - wait for several descriptors
 *
 * One look by poll(2) itself; if nothing is there, a message per descriptor, all to one port. The first reply ends the
 * wait: the others are revoked, all replies are taken, and a last look by poll(2) says what the caller wants to know.
 * So does the deadline, and a signal handler, whatever its SA_RESTART: EINTR, if there is nothing then.
 */
#include "call/poll.h"

#include <ellula/call.h>
#include <ellula/ops.h>
#include <stdlib.h>

#include "base/compiler.h"
#include "call/do.h"
#include "sys/sys.h"

enum { MESSAGES_HERE = 8 };

static int look(struct pollfd *fds, nfds_t count)
{
	int n;

	do
		n = sys.poll(fds, count, 0);
	while (n < 0 && errno == EINTR);
	return n;
}

/* Sends a message for each descriptor that is none to be ignored: how many. */
static nfds_t send_all(struct ell_msg *messages, struct ell_port *port, const struct pollfd *fds, nfds_t count)
{
	nfds_t sent = 0;

	for (nfds_t i = 0; i < count; i++) {
		struct ell_msg *m = &messages[sent];

		if (fds[i].fd < 0)
			continue;
		ell_msg_init(m, port, NULL);
		ell_msg_poll_fd(m, fds[i].fd, (unsigned short)fds[i].events);
		if (ell_msg_send(m) == 0)
			sent++;
	}
	return sent;
}

static int wait_with(struct ell_msg *messages, struct pollfd *fds, nfds_t count, ell_time until, poll_wait_fn *waits)
{
	struct ell_port port;
	nfds_t sent, left;
	bool handled = false;
	int n;

	ell_port_init(&port, "poll");
	sent = send_all(messages, &port, fds, count);
	if (sent == 0)
		return ell_sleep_until(until);
	left = waits(&port, messages, until, &handled) ? sent - 1 : sent;
	for (nfds_t i = 0; i < sent; i++)
		ell_msg_revoke(&messages[i]);
	/* All are on their way. */
	while (left-- > 0)
		ell_port_wait(&port, ELL_FOREVER);
	n = look(fds, count);
	return n == 0 && handled ? (int)call_result(-EINTR) : n;
}

int poll_until_by(struct pollfd *fds, nfds_t count, ell_time until, poll_wait_fn *waits)
{
	struct ell_msg here[MESSAGES_HERE];
	struct ell_msg *messages = here;
	int n = look(fds, count);

	if (n != 0 || until <= 0)
		return n;
	if (count > MESSAGES_HERE) {
		messages = calloc(count, sizeof(*messages));
		if (!messages)
			return -1;
	}
	/* An edge that another thread was faster to use leaves nothing to report: wait again. */
	do
		n = wait_with(messages, fds, count, until, waits);
	while (n == 0 && (until == ELL_FOREVER || ell_now() < until));
	if (messages != here)
		free(messages);
	return n;
}

static struct ell_msg *wait_open(struct ell_port *port, struct ell_msg *first, ell_time until, bool *handled)
{
	(void)first;
	return wait_port_open(port, until, handled);
}

EXPORT int ell_poll_until(struct pollfd *fds, nfds_t count, ell_time until)
{
	return poll_until_by(fds, count, until, wait_open);
}

EXPORT int ell_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	if (timeout_ms == 0)
		return look(fds, count);
	return ell_poll_until(fds, count, timeout_ms < 0 ? ELL_FOREVER : ell_after(timeout_ms * ELL_MSEC));
}
