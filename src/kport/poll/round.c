/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * round.c - what the kernel port on epoll does once per scheduling round
 *
 * What was sent begins with the next round and not at once, so that a reply never comes before the send has returned,
 * and an upcall that sends again does not go round in circles. Then the epoll instance is asked until it has no more,
 * and in the end all replies are made.
 */
#include <errno.h>
#include <sys/epoll.h>

#include "base/compiler.h"
#include "base/panic.h"
#include "kport/op_run.h"
#include "kport/poll/poller.h"
#include "kport/replies.h"
#include "message/message.h"
#include "sys/sys.h"

enum { AT_ONCE = 256 };

static struct poller *poller_of(struct kport *kp)
{
	return CONTAINER_OF(kp, struct poller, pl_kport);
}

void round_send(struct kport *kp, struct ell_msg *m)
{
	struct poller *pl = poller_of(kp);

	poller_count(pl, m, 1);
	m->ms_mark |= MARK_QUEUED;
	chain_append(&pl->pl_sent, m);
}

void round_cancel(struct kport *kp, struct ell_msg *m)
{
	struct poller *pl = poller_of(kp);

	/* Its reply is on its way. */
	if (m->ms_mark & MARK_FINISHED)
		return;
	if (m->ms_mark & MARK_QUEUED)
		chain_remove(&pl->pl_sent, m);
	else
		descriptor_remove(pl, m);
	poller_count(pl, m, -1);
	if (UNLIKELY(m->ms_op == ELL_OP_WATCH)) {
		message_reply(m, -ECANCELED);
		kport_above.event(m, -ECANCELED);
	} else {
		message_reply(m, op_stopped(m));
	}
}

/* All that was sent before now. */
static void begin(struct poller *pl)
{
	struct ell_msg *last = pl->pl_sent.last, *m;

	while (last && (m = pl->pl_sent.first) != NULL) {
		bool end = m == last;

		chain_remove(&pl->pl_sent, m);
		m->ms_mark &= (uint16_t)~MARK_QUEUED;
		descriptor_begin(pl, m);
		if (end)
			break;
	}
}

/* Acts on what has happened, and waits for it for LEFT: false if there may be more. */
static bool look(struct poller *pl, ell_time left)
{
	struct epoll_event events[AT_ONCE];
	int n = poller_wait(pl, events, AT_ONCE, left);

	if (UNLIKELY(n < 0 && errno != EINTR))
		panic("epoll_wait: error %d", errno);
	for (int i = 0; i < n; i++) {
		if (events[i].data.u64 != POLLER_WAKE)
			descriptor_event(pl, &events[i]);
	}
	return n < AT_ONCE;
}

/* Replies to all that is over. The upcalls of ports may send, and revoke what still stands there. */
static void deliver(struct poller *pl)
{
	struct replies rs = {0};
	struct ell_msg *m;

	while ((m = pl->pl_done.first) != NULL) {
		struct ell_port *port;

		chain_remove(&pl->pl_done, m);
		port = message_finish_to(m, m->ms_result);
		if (port)
			replies_add(&rs, port, m);
	}
	replies_deliver(&rs);
}

struct ell_msg *round_next(struct kport *kp, struct ell_msg *after)
{
	struct poller *pl = poller_of(kp);
	struct ell_msg *m;

	if (after && (after->ms_mark & MARK_QUEUED))
		return after->ms_next;
	m = descriptor_next(pl, after);
	return m ? m : pl->pl_sent.first;
}

bool round_is_behind(const struct kport *kp)
{
	const struct poller *pl = CONTAINER_OF(kp, struct poller, pl_kport);

	return pl->pl_sent.first || pl->pl_done.first;
}

void round_flush(struct kport *kp)
{
	struct poller *pl = poller_of(kp);
	bool fresh = pl->pl_fresh;

	if (pl->pl_busy || (UNLIKELY(pl->pl_epoll < 0) && !poller_revive(pl)))
		return;
	pl->pl_busy = true;
	pl->pl_fresh = false;
	kport_collect(kp);
	begin(pl);
	if (kp->kp_outstanding && !fresh) {
		while (!look(pl, 0))
			;
	}
	deliver(pl);
	pl->pl_busy = false;
}

bool round_prepare(struct kport *kp, bool revoke)
{
	kport_collect(kp);
	if (revoke)
		kport_revoke_all(kp);
	return false;
}

void round_sleep(struct kport *kp, ell_time until)
{
	struct poller *pl = poller_of(kp);
	ell_time left = until;

	if (UNLIKELY(pl->pl_epoll < 0) && !poller_revive(pl)) {
		const struct timespec nap = {.tv_nsec = ELL_MSEC};

		sys.nanosleep(&nap, NULL);
		return;
	}
	pl->pl_busy = true;
	begin(pl);
	if (pl->pl_done.first || pl->pl_sent.first) {
		left = 0;
	} else if (until != ELL_FOREVER) {
		left = until - ell_now();
		if (left < 0)
			left = 0;
	}
	pl->pl_fresh = look(pl, left);
	deliver(pl);
	pl->pl_busy = false;
}
