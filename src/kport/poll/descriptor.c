/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * descriptor.c - messages wait for descriptors
 *
 * Purpose: a message is tried when it begins; if it has to wait, it stands in a chain of its descriptor's number until
 * the epoll instance reports an event, and is tried again. Nothing is allocated for that.
 *
 * An epoll instance knows a file by its number and by the file behind it, and forgets it with the last close(2) of the
 * file, wherever that is: without a word to us. So three things can be behind a number that we have registered: the
 * file that was, nothing, or another file, which the instance does not know. Which one shows when EPOLL_CTL_MOD is
 * tried: 0, EBADF, ENOENT. It is tried
 *
 *	- whenever a message begins to wait. ENOENT: it waits for a new file, and is added. Those that waited for the
 *	  old one will not hear of it again: they are over, with EBADF.
 *	- when an event has come, before anything is tried again: the old file, which somebody has kept by dup(2) or
 *	  fork(2), may report for a number that is another one's by now, and a read must not take what is not its own.
 *	  The generation is for an event of the old file that comes after the new one was added.
 *
 * Two ways to be told:
 *
 *	once	EPOLLONESHOT, for messages: after an event the number is silent until somebody waits again. The
 *		registration looks whether the event is there already, so what came after the attempt is not missed.
 *	edges	EPOLLET, as soon as there is a watch: it stays registered, and costs no call per wait. A message that
 *		waits then, for what is registered already, needs none either: its attempt came before, so what it
 *		waits for has yet to come, and will be an edge. That the file is the same is the promise of
 *		ell_close(), which revokes the watch before it closes.
 *
 * A watch that is being revoked is none: its number may be another file's by now (call/fd.c), though the revoke has
 * not come to this LWP yet.
 *
 * Trying again: who waits to receive waits in order, and behind one that gets nothing nobody is tried: they want the
 * same bytes. Senders may want different things (an address, a length), and each is tried. What is tried in vain VAIN
 * times, though poll(2) calls it ready (a datagram to one peer of many whose queue is full), goes to a helper: it
 * blocks there, or naps between two attempts.
 *
 * Here no reply is made, for a reply may run an upcall, which may send and revoke: what is over goes to pl_done.
 */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>

#include "base/compiler.h"
#include "base/panic.h"
#include "kport/helper.h"
#include "kport/op.h"
#include "kport/op_run.h"
#include "kport/poll/poller.h"
#include "message/message.h"
#include "sys/sys.h"

enum { VAIN = 30 };

_Static_assert(VAIN *MARK_VAIN <= UINT16_MAX, "the count fits in ms_mark");
_Static_assert(POLLIN == EPOLLIN && POLLOUT == EPOLLOUT && POLLPRI == EPOLLPRI && POLLRDHUP == EPOLLRDHUP &&
		       POLLERR == EPOLLERR && POLLHUP == EPOLLHUP,
	       "events of poll(2) are events of epoll");

static struct descriptor *descriptor_of(const struct poller *pl, int fd)
{
	return fd >= 0 && (uint32_t)fd < pl->pl_count ? &pl->pl_descriptors[fd] : NULL;
}

static int number_of(const struct poller *pl, const struct descriptor *de)
{
	return (int)(de - pl->pl_descriptors);
}

static bool is_watched(const struct descriptor *de)
{
	return de->de_watch && !ell_msg_revoked(de->de_watch);
}

static uint16_t events_wanted(const struct descriptor *de)
{
	uint16_t events = 0;

	if (de->de_waiting[DIRECTION_IN].first)
		events |= POLLIN;
	if (de->de_waiting[DIRECTION_OUT].first)
		events |= POLLOUT;
	if (de->de_waiting[DIRECTION_ANY].first)
		events |= de->de_any;
	return events;
}

static void leave(struct descriptor *de, struct ell_msg *m)
{
	for (int d = 0; d < DIRECTIONS; d++) {
		if (m->ms_mark & MARK_WAITS << d)
			chain_remove(&de->de_waiting[d], m);
	}
	m->ms_mark &= (uint16_t)~MARK_WAITS_ALL;
}

static void note_number(struct poller *pl, int fd)
{
	if ((uint32_t)fd < pl->pl_lowest)
		pl->pl_lowest = (uint32_t)fd;
	if ((uint32_t)fd >= pl->pl_end)
		pl->pl_end = (uint32_t)fd + 1;
}

/* The file that they wait for has been closed. */
static void give_up(struct poller *pl, struct descriptor *de)
{
	for (int d = 0; d < DIRECTIONS; d++) {
		struct ell_msg *m;

		while ((m = de->de_waiting[d].first) != NULL) {
			int64_t result = op_stopped(m);

			leave(de, m);
			poller_done(pl, m, result == -ECANCELED ? -EBADF : result);
		}
	}
}

static int control(struct poller *pl, struct descriptor *de, int op, uint32_t events)
{
	int fd = number_of(pl, de);
	struct epoll_event event = {.events = events, .data.u64 = (uint64_t)de->de_generation << 32 | (uint32_t)fd};

	return sys.epoll_ctl(pl->pl_epoll, op, fd, &event) == 0 ? 0 : -errno;
}

static void hand_on(struct poller *pl, struct ell_msg *m)
{
	poller_count(pl, m, -1);
	m->ms_mark |= MARK_ON_HELPER;
	helper_take(m);
}

/* They cannot be told: helpers wait for them. */
static void hand_all_on(struct poller *pl, struct descriptor *de)
{
	for (int d = 0; d < DIRECTIONS; d++) {
		struct ell_msg *m;

		while ((m = de->de_waiting[d].first) != NULL) {
			leave(de, m);
			hand_on(pl, m);
		}
	}
}

/* Those who wait for DE, which the epoll instance has refused with ERROR, are told no more. */
static void disarm(struct poller *pl, struct descriptor *de, int error)
{
	if (error == -ENOENT || error == -EBADF)
		give_up(pl, de);
	else
		hand_all_on(pl, de);
	de->de_known = de->de_edges = false;
	de->de_events = 0;
}

/* Tells the epoll instance of EVENTS and of what is wanted beside: 0 or -errno. */
static int arm(struct poller *pl, struct descriptor *de, uint16_t events)
{
	bool edges = is_watched(de);
	uint32_t mode = edges ? EPOLLET : EPOLLONESHOT;
	int error = -ENOENT;

	events |= events_wanted(de);
	if (edges)
		events |= (uint16_t)de->de_watch->ms_opflags | (de->de_edges ? de->de_events : 0);
	if (edges && de->de_edges && events == de->de_events)
		return 0;
	if (de->de_known) {
		error = control(pl, de, EPOLL_CTL_MOD, events | mode);
		if (error == -ENOENT || error == -EBADF)
			give_up(pl, de);
	}
	if (error == -ENOENT) {
		de->de_generation++;
		error = control(pl, de, EPOLL_CTL_ADD, events | mode);
		/* A watch that ended has left it behind. */
		if (error == -EEXIST)
			error = control(pl, de, EPOLL_CTL_MOD, events | mode);
	}
	if (error) {
		/* Edges are reported as they were; who is not told of goes elsewhere. */
		if (!(edges && de->de_edges))
			disarm(pl, de, error);
		return error;
	}
	de->de_known = true;
	de->de_edges = edges;
	de->de_events = events;
	return 0;
}

/* The result of an attempt, or what it waits for. */
static int64_t attempt(struct ell_msg *m, bool again)
{
	const struct op *row = &op_table[m->ms_op];
	int64_t result;

	do
		result = row->attempt(m, again);
	while (op_is_result(result) && row->step && row->step(m, &result, ell_msg_revoked(m)));
	return result;
}

/* M, which is in no chain, was tried: it is over, or goes on elsewhere, or (true) has to wait for *EVENTS. */
static bool settle(struct poller *pl, struct ell_msg *m, int64_t result, uint16_t *events)
{
	if (op_is_result(result)) {
		poller_done(pl, m, result);
		return false;
	}
	if (result == OP_BLOCKS) {
		hand_on(pl, m);
		return false;
	}
	*events = (uint16_t)result;
	return true;
}

static void wait_for(struct poller *pl, struct ell_msg *m, uint16_t events)
{
	struct descriptor *de = descriptor_of(pl, m->ms_fd);
	enum direction d = events == POLLIN ? DIRECTION_IN : events == POLLOUT ? DIRECTION_OUT : DIRECTION_ANY;
	int error = de ? arm(pl, de, events) : -EPERM;

	if (error == -EBADF) {
		poller_done(pl, m, error);
	} else if (error) {
		/* A kind of file that cannot be polled, or no room for one more. */
		hand_on(pl, m);
	} else {
		if (d == DIRECTION_ANY)
			de->de_any = (uint16_t)((de->de_waiting[d].first ? de->de_any : 0) | events);
		m->ms_mark |= (uint16_t)(MARK_WAITS << d);
		chain_append(&de->de_waiting[d], m);
		note_number(pl, m->ms_fd);
	}
}

static void watch_begin(struct poller *pl, struct ell_msg *watch)
{
	struct descriptor *de = descriptor_of(pl, watch->ms_fd);
	int error = -EPERM;

	/* The edges of the number's last watch are not this one's. */
	if (de) {
		de->de_watch = watch;
		de->de_edges = false;
		error = arm(pl, de, 0);
	}
	if (!error) {
		note_number(pl, watch->ms_fd);
		return;
	}
	if (de)
		de->de_watch = NULL;
	poller_count(pl, watch, -1);
	message_finish(watch, error);
	kport_above.event(watch, error);
}

void descriptor_begin(struct poller *pl, struct ell_msg *m)
{
	uint16_t events;

	if (m->ms_op == ELL_OP_WATCH)
		watch_begin(pl, m);
	else if (settle(pl, m, attempt(m, false), &events))
		wait_for(pl, m, events);
}

/* Tries M again, which waits in the chain D: does it still? */
static bool try_again(struct poller *pl, struct descriptor *de, struct ell_msg *m)
{
	uint64_t done = m->ms_scratch[0];
	int64_t result = attempt(m, true);
	uint16_t events;

	if (!op_is_result(result) && result != OP_BLOCKS) {
		if (m->ms_scratch[0] != done)
			m->ms_mark %= MARK_VAIN;
		else
			m->ms_mark += MARK_VAIN;
		if (m->ms_mark / MARK_VAIN < VAIN)
			return true;
		result = OP_BLOCKS;
	}
	leave(de, m);
	settle(pl, m, result, &events);
	return false;
}

static void try_all(struct poller *pl, struct descriptor *de, enum direction d)
{
	struct ell_msg *m, *next;

	for (m = de->de_waiting[d].first; m; m = next) {
		next = m->ms_next;
		if (try_again(pl, de, m) && d == DIRECTION_IN)
			return;
	}
}

void descriptor_event(struct poller *pl, const struct epoll_event *event)
{
	struct descriptor *de = descriptor_of(pl, (int)(uint32_t)event->data.u64);
	uint32_t events = event->events;
	int error = 0;

	ASSERT(de);
	if (de->de_generation != (uint8_t)(event->data.u64 >> 32))
		return;
	if (de->de_watch && (events & (de->de_watch->ms_opflags | POLLERR | POLLHUP)))
		kport_above.event(de->de_watch, (int32_t)events);
	if (!events_wanted(de)) {
		/* What a watch has left behind, in a file that somebody keeps. */
		if (!de->de_watch && de->de_edges) {
			control(pl, de, EPOLL_CTL_DEL, 0);
			de->de_known = de->de_edges = false;
		}
		return;
	}
	if (!de->de_edges) {
		error = control(pl, de, EPOLL_CTL_MOD, EPOLLONESHOT);
		if (error) {
			disarm(pl, de, error);
			return;
		}
	}
	if (events & (POLLIN | POLLERR | POLLHUP))
		try_all(pl, de, DIRECTION_IN);
	if (events & (POLLOUT | POLLERR | POLLHUP))
		try_all(pl, de, DIRECTION_OUT);
	try_all(pl, de, DIRECTION_ANY);
	if (!de->de_edges && events_wanted(de))
		arm(pl, de, 0);
}

void descriptor_remove(struct poller *pl, struct ell_msg *m)
{
	struct descriptor *de = descriptor_of(pl, m->ms_fd);

	ASSERT(de);
	if (m != de->de_watch) {
		leave(de, m);
		return;
	}
	de->de_watch = NULL;
	/* Who still waits is told once, from now on. */
	if (events_wanted(de) && de->de_edges)
		arm(pl, de, 0);
}

/* The first who waits for DE in a chain from D on, or its watch. */
static struct ell_msg *first_of(const struct descriptor *de, int d)
{
	for (; d < DIRECTIONS; d++) {
		if (de->de_waiting[d].first)
			return de->de_waiting[d].first;
	}
	return de->de_watch;
}

static struct ell_msg *first_from(const struct poller *pl, uint32_t number)
{
	for (; number < pl->pl_end; number++) {
		struct ell_msg *m = first_of(&pl->pl_descriptors[number], 0);

		if (m)
			return m;
	}
	return NULL;
}

struct ell_msg *descriptor_next(struct poller *pl, const struct ell_msg *after)
{
	const struct descriptor *de;
	struct ell_msg *m = NULL;

	if (!after) {
		m = first_from(pl, pl->pl_lowest);
		pl->pl_lowest = m ? (uint32_t)m->ms_fd : pl->pl_end;
		return m;
	}
	de = descriptor_of(pl, after->ms_fd);
	ASSERT(de);
	if (after->ms_next)
		return after->ms_next;
	for (int d = 0; d < DIRECTIONS; d++) {
		if (after->ms_mark & MARK_WAITS << d)
			m = first_of(de, d + 1);
	}
	return m ? m : first_from(pl, (uint32_t)after->ms_fd + 1);
}
