/* SPDX-License-Identifier: BSD-2-Clause */
/* message.h - the state of a message, and who may change it */
#ifndef MESSAGE_MESSAGE_H
#define MESSAGE_MESSAGE_H

#include <ellula/message.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"

/*
 * ms_state: the state in the low three bits, above it the ticket of the thread that waits for this very message, or 0.
 * The transitions stand in message.c.
 */
enum message_state {
	MESSAGE_IDLE,	  /* the caller's */
	MESSAGE_SENT,	  /* on its way */
	MESSAGE_SHORT,	  /* the same, and it ends by itself, soon: a revoke changes nothing */
	MESSAGE_PUT,	  /* a request on its way to its receiver */
	MESSAGE_REVOKING, /* on its way, and its sender has asked for an end */
	MESSAGE_HELD,	  /* a request in the hands of its receiver */
	MESSAGE_UNWANTED, /* the same, and its sender has asked for an end */
	MESSAGE_REPLIED,  /* over, and not yet taken by its sender */
	MESSAGE_STATES
};

#define MESSAGE_STATE_BITS 3
#define MESSAGE_STATE_MASK UINT64_C(7)

static inline enum message_state message_state(const struct ell_msg *m)
{
	/* ORD message-1: pairs with ORD message-2 in message.c: who sees REPLIED sees the result. */
	return (enum message_state)(load_acquire(&m->ms_state) & MESSAGE_STATE_MASK);
}

/*
 * What lies above this room: set once, when the runtime starts, and before that each field is NULL; send once more,
 * when the process ends.
 * unpark ends a sleep (sched/park.h). upcall calls FN(PORT, ARG), and sees to it that it does not wait. send and revoke
 * reach the LWP whose ring works on the message.
 */
struct message_above {
	bool (*unpark)(uint64_t ticket);
	void (*upcall)(void (*fn)(struct ell_port *port, void *arg), struct ell_port *port, void *arg);
	int (*send)(struct ell_msg *m);
	void (*revoke)(struct ell_msg *m);
};

extern struct message_above message_above;

/* Aborts with WHAT, M and its state. Context: any. */
void message_abuse(const struct ell_msg *m, const char *what) __attribute__((noreturn, cold));

/*
 * Begins to prepare M for OP: aborts if it is sent or not taken, clears its arguments. Tag and port stay.
 * Context: T F V.
 */
static inline void message_prep(struct ell_msg *m, enum ell_op op)
{
	if (UNLIKELY(load_relaxed(&m->ms_state) != MESSAGE_IDLE))
		message_abuse(m, "preparing a message that is not idle");
	m->ms_op = (uint8_t)op;
	m->ms_mark = 0;
	m->ms_fd = -1;
	m->ms_fd2 = -1;
	m->ms_opflags = 0;
	m->ms_addr = NULL;
	m->ms_addr2 = NULL;
	m->ms_len = 0;
	m->ms_off = 0;
}

/* M, which is idle, will be sent at once: aborts and names it if it is in another state. Context: T F V. */
static inline void message_begin(struct ell_msg *m)
{
	if (UNLIKELY(load_relaxed(&m->ms_state) != MESSAGE_IDLE))
		message_abuse(m, "sending a message that is not idle");
	m->ms_gen++;
	m->ms_work = 0;
	m->ms_mark = 0;
}

/*
 * idle -> STATE: SENT, SHORT or PUT, with HOME working on it. From here on it may be revoked, even before HOME has it.
 * Context: T F V.
 */
static inline void message_to_sent(struct ell_msg *m, enum message_state state, void *home)
{
	m->ms_home = home;
	store_release(&m->ms_state, state); /* ORD message-5: pairs with ORD message-6 in message.c */
}

/* idle -> replied, with ERROR: it was never on its way. Context: T F V. */
void message_refuse(struct ell_msg *m, int64_t error);

/*
 * Any state of a message on its way -> replied, with RESULT, and off to its reply port or to the thread that waits for
 * it. The message may be gone when this returns. It may run the port's upcall. Context: T V F, only who has the
 * message, once.
 */
void message_reply(struct ell_msg *m, int64_t result);

/*
 * A kernel port's way to reply: when a revoke is under way, whoever comes second, this or message_revoke_seen(), makes
 * the reply, so that neither finds the message gone. Context: T V F.
 */
void message_finish(struct ell_msg *m, int64_t result);

/*
 * The same, but a message with a reply port is left to the caller to put there: the port, or NULL if nothing is left to
 * do.
 */
struct ell_port *message_finish_slowly(struct ell_msg *m, int64_t result);

static inline struct ell_port *message_finish_to(struct ell_msg *m, int64_t result)
{
	struct ell_port *port = m->ms_port;

	if (UNLIKELY(!port || load_relaxed(&m->ms_state) != MESSAGE_SHORT))
		return message_finish_slowly(m, result);
	m->ms_result = result;
	store_release(&m->ms_state, MESSAGE_REPLIED); /* ORD message-2: pairs with ORD message-1 */
	return port;
}

/*
 * The revoke of M has reached the kernel port: true, and it is to be stopped, message_finish() is still to come; or
 * false, it has finished meanwhile and is replied to now. Context: T V F, once per revoke.
 */
bool message_revoke_seen(struct ell_msg *m);

/* Has the operation of M, which is REVOKING, finished, and its reply only waits for its revoke? Context: K. */
bool message_is_finished(const struct ell_msg *m);

/* replied -> idle. Context: T F V, the receiver of the reply. */
static inline void message_taken(struct ell_msg *m)
{
	if (UNLIKELY(load_relaxed(&m->ms_state) != MESSAGE_REPLIED))
		message_abuse(m, "taking a reply that has not come");
	store_relaxed(&m->ms_state, MESSAGE_IDLE);
}

/* sent, put -> revoking; held -> unwanted: true if this call did it. *STATE is what it was. Context: T F V. */
bool message_to_revoking(struct ell_msg *m, enum message_state *state);

/*
 * Leaves TICKET with M, for message_reply() to unpark: false if M is replied. Context: T F.
 */
bool message_wait_begin(struct ell_msg *m, uint64_t ticket);

/* Takes it away again. Context: T F. */
void message_wait_end(struct ell_msg *m);

/* Has the fields of a message in order? For debug builds. */
bool message_is_valid(const struct ell_msg *m);

#endif
