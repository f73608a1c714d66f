/* SPDX-License-Identifier: BSD-2-Clause */
/* poller.h - the kernel port on epoll and helpers */
#ifndef KPORT_POLL_POLLER_H
#define KPORT_POLL_POLLER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "kport/kport.h"
#include "kport/op.h"

struct epoll_event;

/* Messages in order, by ms_next and ms_prev. */
struct chain {
	struct ell_msg *first;
	struct ell_msg *last;
};

/* What a message waits for: to receive, to send, or for events of its own. */
enum direction { DIRECTION_IN, DIRECTION_OUT, DIRECTION_ANY, DIRECTIONS };

/* A descriptor's number, as the LWP sees it: one cache line. */
struct descriptor {
	struct chain de_waiting[DIRECTIONS];
	struct ell_msg *de_watch;
	uint16_t de_events; /* of poll(2), which the epoll instance has been told */
	uint16_t de_any;    /* all that those in the chain of events of their own wait for */
	bool de_known;	    /* the epoll instance has, or had, a file of this number */
	bool de_edges;	    /* it reports each edge, else the next event only */
	uint8_t de_generation;
} CACHE_ALIGNED;

_Static_assert(sizeof(struct descriptor) == CACHE_LINE, "a descriptor is a line");

/* All fields are the LWP's. */
struct poller {
	struct kport pl_kport;
	int pl_epoll;
	int pl_eventfd; /* others write to it to end a sleep */
	bool pl_busy;	/* in a round */
	bool pl_fresh;	/* the sleep that has just ended has looked */
	uint32_t pl_count;
	uint32_t pl_lowest;		   /* below this number nobody waits, */
	uint32_t pl_end;		   /* nor from this one on */
	struct descriptor *pl_descriptors; /* pl_count of them */
	struct chain pl_sent;		   /* not begun yet */
	struct chain pl_done;		   /* with their results in ms_result */
};

/* ms_mark: in which chain a message waits, and in the highest bits how often it was tried in vain. */
enum {
	MARK_QUEUED = MARK_OWN,	    /* in pl_sent */
	MARK_WAITS = MARK_OWN << 1, /* shifted by its direction */
	MARK_WAITS_ALL = MARK_WAITS << DIRECTION_IN | MARK_WAITS << DIRECTION_OUT | MARK_WAITS << DIRECTION_ANY,
	MARK_VAIN = MARK_WAITS << DIRECTIONS,
};

static inline void chain_append(struct chain *c, struct ell_msg *m)
{
	m->ms_next = NULL;
	m->ms_prev = c->last;
	if (c->last)
		c->last->ms_next = m;
	else
		c->first = m;
	c->last = m;
}

static inline void chain_remove(struct chain *c, struct ell_msg *m)
{
	if (m->ms_prev)
		m->ms_prev->ms_next = m->ms_next;
	else
		c->first = m->ms_next;
	if (m->ms_next)
		m->ms_next->ms_prev = m->ms_prev;
	else
		c->last = m->ms_prev;
	m->ms_next = NULL;
	m->ms_prev = NULL;
}

/* poller.c: in a child after fork, makes what was the parent's: false if there is no descriptor now. Context: T V. */
bool poller_revive(struct poller *pl);

/* Waits for events: which wait the kernel has. */
int poller_wait(struct poller *pl, struct epoll_event *events, int count, ell_time left);

/* What EPOLL_CTL_ADD gives for the events that end a sleep. */
#define POLLER_WAKE UINT64_MAX

/*
 * M was sent to us (CHANGE is 1), or is not ours any more (-1): what others want to know of an LWP that is busy.
 * Context: T V.
 */
static inline void poller_count(struct poller *pl, struct ell_msg *m, int change)
{
	struct kport *kp = &pl->pl_kport;

	m->ms_mark ^= MARK_IN_KERNEL;
	store_relaxed(&kp->kp_outstanding, kp->kp_outstanding + (uint32_t)change);
	if (op_table[m->ms_op].class == OP_LONG)
		kp->kp_long_count += (uint32_t)change;
	if (UNLIKELY(m->ms_drain))
		store_relaxed(&kp->kp_drains, kp->kp_drains + (uint32_t)change);
}

/* M, which is in no chain, has RESULT. Context: T V. */
static inline void poller_done(struct poller *pl, struct ell_msg *m, int64_t result)
{
	poller_count(pl, m, -1);
	m->ms_result = result;
	m->ms_mark |= MARK_FINISHED;
	chain_append(&pl->pl_done, m);
}

/* descriptor.c: Begins M, which was sent. Context: T V. */
void descriptor_begin(struct poller *pl, struct ell_msg *m);

/* The epoll instance has reported EVENTS. Context: T V. */
void descriptor_event(struct poller *pl, const struct epoll_event *event);

/* M, which waits or is a watch, is to end; its result is left to the caller. Context: T V. */
void descriptor_remove(struct poller *pl, struct ell_msg *m);

/* What waits and watches, one after the other; AFTER is NULL: the first. Context: T V. */
struct ell_msg *descriptor_next(struct poller *pl, const struct ell_msg *after);

/* round.c */
struct ell_msg *round_next(struct kport *kp, struct ell_msg *after);
bool round_is_behind(const struct kport *kp);
void round_send(struct kport *kp, struct ell_msg *m);
void round_cancel(struct kport *kp, struct ell_msg *m);
void round_flush(struct kport *kp);
void round_sleep(struct kport *kp, ell_time until);
bool round_prepare(struct kport *kp, bool revoke);

#endif
