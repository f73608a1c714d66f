/* SPDX-License-Identifier: BSD-2-Clause */
/* uring.h - the kernel port on io_uring */
#ifndef KPORT_URING_URING_H
#define KPORT_URING_URING_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

#include "kport/kport.h"

/* All fields are the LWP's. */
struct uring {
	struct kport ur_kport;
	struct io_uring ur_ring;
	struct ell_msg *ur_first; /* sent, but there was no room in the ring: by ms_next and ms_prev */
	struct ell_msg *ur_last;
	struct ell_msg *ur_cancels;  /* to be cancelled, the same: by ms_link, finished or not */
	struct ell_msg *ur_finished; /* waiting for what their cancels come to: by ms_next and ms_prev, newest first */
	bool ur_reaping;
	bool ur_deaf;	     /* foreign threads cannot wake the LWP before submit_wake_arm() has room */
	bool ur_defers;	     /* completions appear only when the LWP enters the kernel */
	bool ur_flagged;     /* and the ring says when that is worth it */
	bool ur_away;	     /* somebody else fills and empties the ring: the kernel must not be entered */
	int ur_eventfd;	     /* foreign threads write to it */
	uint64_t ur_submits; /* counters: entries into the kernel, messages, what was too much for the ring */
	uint64_t ur_messages;
	uint64_t ur_overflows;
};

/*
 * user_data of a submission: an address in bits 0 to 47, what it is in bits 0 to 2, which are 0 in an address, and of a
 * message the low half of its generation in bits 48 to 63, so that a late cancel never hits the next activation.
 */
enum uring_kind {
	KIND_MESSAGE,
	KIND_WAKE,	/* somebody has posted something */
	KIND_WAKE_LOST, /* the ring at this address could not be woken by a message from ours */
	KIND_CANCEL,	/* of the message at this address */
	KIND_MASK = 7
};

/* ring.c: makes and ends rings; what they can do was probed with the first. */
extern const struct kport_ops uring_ops;
struct uring *ring_create(int *error);
void ring_destroy(struct uring *ur);
bool ring_can(unsigned opcode);

/* submit.c: from messages to submissions. */
void submit_send(struct kport *kp, struct ell_msg *m);
void submit_cancel(struct kport *kp, struct ell_msg *m);
struct ell_msg *submit_next(struct kport *kp, struct ell_msg *after);
bool submit_is_pending(const struct kport *kp);
void submit_wake_arm(struct uring *ur);
void submit_wake(struct kport *target, struct kport *from);
void submit_wake_foreign(const struct uring *to);

/* Fills the ring with what waited for room. */
void submit_backlog(struct uring *ur);

/* M has finished with RESULT, but its cancel waits, for room or for an answer: the reply comes after that. */
void submit_hold(struct uring *ur, struct ell_msg *m, int64_t result);

/* The kernel has looked for a message to cancel it, and said RES. */
void submit_cancelled(struct uring *ur, struct ell_msg *m, int32_t res);

/* Is anything still waiting for room? */
static inline bool submit_is_behind(const struct uring *ur)
{
	return ur->ur_first || ur->ur_cancels || ur->ur_deaf;
}

/* reap.c: from completions to replies. */
void reap_flush(struct kport *kp);
void reap_sleep(struct kport *kp, ell_time until);

/* For an LWP that is away: see kport.h. */
void reap_ring_bell(struct kport *kp, bool on);
bool reap_has_news(const struct kport *kp);
bool reap_prepare(struct kport *kp, bool revoke);
void reap_enter(struct kport *kp);
void reap_away(struct kport *kp);

#endif
