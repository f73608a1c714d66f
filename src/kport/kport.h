/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kport.h - a kernel port: executes the messages of one LWP
 *
 * Each LWP has one, for life. A back end (uring/, ...) is a struct kport with its own data behind it and the vectors
 * below. What comes from other LWPs and from foreign kernel threads is posted; the LWP collects it at its next round,
 * and is woken if it sleeps.
 *
 * The sleep cannot be missed:
 *
 *	the LWP					another
 *	1. kp_sleep = ASLEEP (seq_cst)		1. posts (seq_cst)
 *	2. looks for what is posted		2. looks at kp_sleep
 *	3. if nothing is: sleeps		3. if ASLEEP: ASLEEP -> WOKEN, and wakes it
 *
 * Either the LWP sees the post or the other sees ASLEEP (ORD kport-1, kport-2).
 */
#ifndef KPORT_KPORT_H
#define KPORT_KPORT_H

#include <ellula/message.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "kport/op.h"

struct kport;

enum kport_sleep { KPORT_AWAKE, KPORT_ASLEEP, KPORT_WOKEN };

struct kport_ops {
	const char *name;

	/* Starts to execute M, which is SENT. Context: T V, on its LWP. */
	void (*send)(struct kport *kp, struct ell_msg *m);

	/* M is revoked, message_revoke_seen() said so: asks for its end. Context: T V, on its LWP. */
	void (*cancel)(struct kport *kp, struct ell_msg *m);

	/* Hands what was sent to the kernel, and replies to what is finished. Context: V T, on its LWP. */
	void (*flush)(struct kport *kp);

	/* The same, and waits until something has finished, somebody wakes us, or UNTIL. Context: V. */
	void (*sleep)(struct kport *kp, ell_time until);

	/* Ends the sleep of TARGET. FROM: the kernel port of the caller, NULL for a foreign thread. Context: T V F. */
	void (*wake)(struct kport *target, struct kport *from);

	/*
	 * The messages that KP has and that do not end by themselves: the first (AFTER is NULL), or the next one; NULL:
	 * no more. Only MARK_IN_KERNEL ones stay where they are when the one before is cancelled. Context: T V, on its
	 * LWP.
	 */
	struct ell_msg *(*next)(struct kport *kp, struct ell_msg *after);

	/*
	 * In the child after a fork: adds all messages of KP to *ORPHANS, by ms_next, with the result that they are to
	 * be replied to with; closes what is the parent's. When KP is used again it is as new. Context: K.
	 */
	void (*forked)(struct kport *kp, struct ell_msg **orphans);

	/*
	 * The process is about to die: nothing writes to its memory any more, within NS. NULL: nothing does anyhow.
	 * Context: S, on its LWP.
	 */
	void (*crash)(struct kport *kp, int64_t ns);

	/* A cancel is the end of a message, with its reply; else the kernel has to agree, later. */
	bool ends_at_once;

	/* Has anything not been handed to the kernel yet? Context: T V, on its LWP. */
	bool (*is_behind)(const struct kport *kp);

	void (*destroy)(struct kport *kp);

	/*
	 * For an LWP that is away (sched/handoff.c); NULL where there is no such thing. The caller sees to it that the
	 * LWP does not use its kernel port meanwhile.
	 *
	 * Ring kport_bell, or be heard by kport_away, when something finishes here, or do not. Context: V F.
	 */
	void (*ring_bell)(struct kport *kp, bool on);

	/* Is there anything to be done for KP? A hint. Context: any. */
	bool (*has_news)(const struct kport *kp);

	/*
	 * Takes over what was posted, and revokes what is out or not, without entering the kernel: true if the LWP must
	 * enter it. Context: F.
	 */
	bool (*prepare)(struct kport *kp, bool revoke);

	/* Enters the kernel, and nothing else: a signal handler's part, on the LWP. Context: S. */
	void (*enter)(struct kport *kp);

	/* Replies to what has finished. Context: F. */
	void (*reap)(struct kport *kp);
};

struct kport {
	const struct kport_ops *kp_ops;
	uint32_t kp_outstanding; /* messages that the kernel has: the LWP's, the next three, too */
	uint32_t kp_drains;	 /* of these: that are marked to be completed at the end. Others read it in passing */
	uint32_t kp_long_count;	 /* of these: of the long class */
	struct ell_msg *kp_long; /* they themselves, by ms_next and ms_prev, newest first */
	uint32_t kp_number;
	/* The rest is shared. */
	uint32_t kp_sleep CACHE_ALIGNED; /* enum kport_sleep: LWP, wakers */
	struct ell_msg *kp_sent;    /* posted to be sent, by ms_next, newest first: others add, the LWP takes all */
	struct ell_msg *kp_revoked; /* posted to be revoked, by ms_link: the same */
};

/* What the kernel ports call above them. Set once, at the start. */
struct kport_above {
	/*
	 * News for the message WATCH of ELL_OP_WATCH, whose memory is never freed: poll(2) events or -errno. The last
	 * news come after its reply.
	 */
	void (*event)(struct ell_msg *watch, int32_t events);
	void (*expect)(const struct ell_msg *watch); /* there will be news in a moment */
	void (*forked)(struct ell_msg *watch);	     /* right before its last news, in the child after a fork */
	struct kport *(*self)(void);		     /* of the LWP that runs us; NULL on a foreign kernel thread */
};

extern struct kport_above kport_above;

/* An eventfd that kernel ports write to when they are told (ring_bell), or -1. Made before the first of them. */
extern int kport_bell;

/* An epoll instance in which those of LWPs that are away are, or -1: the other way in which something rings. */
extern int kport_away;

/* Some kernel port cannot: who listens has to look now and then. */
extern bool kport_is_mute;

/* ms_mark: a kernel port's notes about a message; the LWP's. */
enum {
	MARK_ARRIVED = 1,  /* the back end has it */
	MARK_UNWANTED = 2, /* its revoke came before it did */
	MARK_IN_KERNEL = 4,
	MARK_CANCEL_WAITS = 8, /* its cancel waits for room in the ring */
	MARK_FINISHED = 16,    /* meanwhile it has finished, and ms_result is there */
	MARK_CANCEL_SENT = 32, /* the kernel has its cancel, and has not said yet what came of it */
	MARK_ON_HELPER = 64,   /* the back end has handed it on */
	/* From here on each back end has its own. */
	MARK_OWN = 128,
};

/* M, which is SENT to KP, is here: KP is that of the LWP that runs us. Context: T V. */
static inline void kport_send_here(struct kport *kp, struct ell_msg *m)
{
	m->ms_mark = MARK_ARRIVED;
	kp->kp_ops->send(kp, m);
}

/*
 * The kernel has M, which is of CLASS, now; and has it no more. Those that may take for ever stand in a list, so that
 * the end of the process knows of each. Context: T V, on the LWP of KP.
 */
static inline void kport_has(struct kport *kp, struct ell_msg *m, enum op_class class)
{
	store_relaxed(&kp->kp_outstanding, kp->kp_outstanding + 1);
	m->ms_mark |= MARK_IN_KERNEL;
	if (UNLIKELY(m->ms_drain))
		store_relaxed(&kp->kp_drains, kp->kp_drains + 1);
	if (class != OP_LONG)
		return;
	kp->kp_long_count++;
	m->ms_prev = NULL;
	m->ms_next = kp->kp_long;
	if (kp->kp_long)
		kp->kp_long->ms_prev = m;
	kp->kp_long = m;
}

static inline void kport_has_not(struct kport *kp, struct ell_msg *m, enum op_class class)
{
	store_relaxed(&kp->kp_outstanding, kp->kp_outstanding - 1);
	m->ms_mark &= (uint16_t)~MARK_IN_KERNEL;
	if (UNLIKELY(m->ms_drain))
		store_relaxed(&kp->kp_drains, kp->kp_drains - 1);
	if (class != OP_LONG)
		return;
	kp->kp_long_count--;
	if (m->ms_prev)
		m->ms_prev->ms_next = m->ms_next;
	else
		kp->kp_long = m->ms_next;
	if (m->ms_next)
		m->ms_next->ms_prev = m->ms_prev;
	m->ms_prev = NULL;
	m->ms_next = NULL;
}

/*
 * Revokes what may be revoked and is not marked to be completed. May run upcalls. Context: T V, on the LWP of KP.
 */
void kport_revoke_all(struct kport *kp);

/* What is out: all of it, and what has to be completed among that. Context: T V, on the LWP of KP. */
struct kport_count {
	uint32_t left;
	uint32_t must;
};
struct kport_count kport_count(struct kport *kp);

/*
 * Before a fork: nothing is posted by foreign threads until NOW is false again. Context: T F.
 */
void kport_shut(bool now);

/* In the child: what kp_ops->forked() says, for KP and for what was posted to it. Context: K. */
void kport_forked(struct kport *kp, struct ell_msg **orphans);

/* Adds the chain FROM, by ms_next, to *ORPHANS: they are to be revoked. Context: K. */
void kport_orphans(struct ell_msg **orphans, struct ell_msg *from);

/* M, whose home is KP, of our LWP or of another, is to be sent or revoked. Context: T V F. */
void kport_send(struct kport *kp, struct ell_msg *m);
void kport_revoke(struct kport *kp, struct ell_msg *m);

/* Ends the sleep of KP, if it sleeps. Who posted something calls it afterwards. Context: T V F. */
void kport_wake(struct kport *kp);

/* The same, by a write only: what it interrupts may be at work on a ring. Context: any. */
void kport_wake_from_handler(struct kport *kp);

/* Takes over what others posted. Context: V T, on its LWP. */
void kport_collect(struct kport *kp);

/* Is anything posted? Context: V. */
bool kport_is_posted(const struct kport *kp);

/* Before the first kernel port: takes note of ELLULA_KPORT. 0; -EINVAL, and a line said why. Context: F. */
int kport_choose(void);

/* Makes one for the calling LWP, of the back end that the first one chose: NULL and *ERROR (-errno). Context: F. */
struct kport *kport_create(unsigned number, int *error);

/* Which back end it is and what it found, for people; and why it is not the first choice, or NULL. Once one exists. */
const char *kport_describe(void);
const char *kport_reason(void);

/* Can the kernel port do an operation itself, or must a helper LWP? Written when the first kernel port is made. */
extern bool kport_able[ELL_OP_COUNT];

static inline bool kport_can(enum ell_op op)
{
	return kport_able[op];
}

#endif
