/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * uring.c - the yardstick: an event loop on io_uring, written by hand
 *
 * One multishot accept, and one edge-triggered multishot poll per connection; then recv and send are tried directly.
 * That beat a message per recv and per send, and a multishot recv into provided buffers, when it was measured.
 */
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "conn.h"
#include "listener.h"

#define SQ_ENTRIES 4096
#define CQ_ENTRIES 32768

/* What completes: a poll has its connection's address. */
#define TAG_ACCEPT 0
#define TAG_CANCEL 1

static struct io_uring uring;
static int uring_listener;
static bool uring_accepting;

static struct io_uring_sqe *uring_sqe(void)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&uring);

	while (!sqe) {
		io_uring_submit(&uring);
		sqe = io_uring_get_sqe(&uring);
	}
	return sqe;
}

static void uring_accept(void)
{
	struct io_uring_sqe *sqe = uring_sqe();

	io_uring_prep_multishot_accept(sqe, uring_listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	io_uring_sqe_set_data64(sqe, TAG_ACCEPT);
	uring_accepting = true;
}

static void uring_poll(struct conn *c)
{
	struct io_uring_sqe *sqe = uring_sqe();

	io_uring_prep_poll_multishot(sqe, c->fd, POLLIN | POLLOUT | POLLRDHUP);
	sqe->poll32_events |= EPOLLET;
	io_uring_sqe_set_data(sqe, c);
}

/*
 * An armed poll keeps the socket open: it has to end first, which its last completion says. By ASYNC_CANCEL, because
 * POLL_REMOVE gives -EALREADY and removes nothing when another event is on its way at that moment.
 */
static void uring_end(struct conn *c, bool armed)
{
	struct io_uring_sqe *sqe;

	c->over = true;
	if (!armed) {
		conn_close(c);
		if (!uring_accepting && !listener_stopped())
			uring_accept();
		return;
	}
	sqe = uring_sqe();
	io_uring_prep_cancel64(sqe, (uint64_t)(uintptr_t)c, 0);
	io_uring_sqe_set_flags(sqe, IOSQE_CQE_SKIP_SUCCESS);
	io_uring_sqe_set_data64(sqe, TAG_CANCEL);
}

static void uring_accepted(const struct io_uring_cqe *cqe)
{
	struct conn *c;

	if (cqe->res >= 0) {
		c = conn_open(cqe->res);
		if (c)
			uring_poll(c);
	}
	if (cqe->flags & IORING_CQE_F_MORE)
		return;
	uring_accepting = false;
	/* Without descriptors it would fail at once again: it waits until a connection is closed. */
	if (cqe->res != -EMFILE && cqe->res != -ENFILE && !listener_stopped())
		uring_accept();
}

static void uring_polled(struct conn *c, const struct io_uring_cqe *cqe)
{
	bool armed = cqe->flags & IORING_CQE_F_MORE;

	if (c->over) {
		if (!armed)
			uring_end(c, false);
		return;
	}
	if (cqe->res < 0 || !conn_event(c, cqe->res & (POLLRDHUP | POLLHUP | POLLERR)))
		uring_end(c, armed);
	else if (!armed)
		uring_poll(c);
}

static void uring_reap(void)
{
	struct io_uring_cqe *cqe;
	unsigned head, count = 0;

	io_uring_for_each_cqe(&uring, head, cqe)
	{
		uint64_t tag = io_uring_cqe_get_data64(cqe);

		count++;
		if (tag == TAG_ACCEPT)
			uring_accepted(cqe);
		else if (tag != TAG_CANCEL)
			uring_polled((struct conn *)(uintptr_t)tag, cqe);
	}
	io_uring_cq_advance(&uring, count);
}

static void uring_wait(void)
{
	int patience = conn_patience();
	struct __kernel_timespec ts = {.tv_sec = patience / 1000, .tv_nsec = patience % 1000 * 1000000};
	struct io_uring_cqe *cqe;

	if (patience < 0)
		io_uring_submit_and_wait(&uring, 1);
	else
		io_uring_submit_and_wait_timeout(&uring, &cqe, 1, &ts, NULL);
}

struct server_totals server_run(const struct options *o, struct site *site, int listener)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		.cq_entries = CQ_ENTRIES,
	};
	bool stopping = false;
	int error;

	conn_setup(o, site);
	uring_listener = listener;
	error = io_uring_queue_init_params(SQ_ENTRIES, &uring, &params);
	if (error) {
		fprintf(stderr, "%s: io_uring: %s\n", o->program, strerror(-error));
		return conn_totals();
	}
	io_uring_register_ring_fd(&uring);
	uring_accept();
	while (conn_going()) {
		uring_wait();
		uring_reap();
		if (listener_stopped() && !stopping) {
			stopping = true;
			conn_stop();
		}
	}
	io_uring_queue_exit(&uring);
	return conn_totals();
}
