/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * message.c - one request and its one reply
 *
 * Purpose: to make true, in one place, that every message that is sent gets exactly one reply.
 *
 * States, and who moves a message from one to the next:
 *
 *	IDLE ---send--> SENT ---reply--> REPLIED ---take--> IDLE
 *	                 | ^                ^
 *	               revoke               |
 *	                 v                  |
 *	              REVOKING ----reply----+
 *
 *	send	the caller, who owns an idle message alone: a plain store, after all that a revoke wants to know
 *	revoke	anybody who knows that the message exists
 *	reply	the kernel port that executes it, once, with the operation's own result or -ECANCELED
 *	take	the receiver of its reply port, or the thread that waited for it
 *
 * A message of the short class (kport/op.h) is SHORT instead of SENT. It ends by itself, so a revoke leaves it alone;
 * and so nobody races with its reply, which is a plain store if it goes to a port.
 *
 * A request from thread to thread (ELL_OP_USER) is PUT instead of SENT, and makes one more step: its receiver moves it
 * from PUT to HELD when it takes it from the port, or from REVOKING at once to REPLIED, with -ECANCELED; and a revoke
 * moves it from HELD to UNWANTED, which is a hint to the receiver: ell_msg_reply() ends both. Nobody has to hear of
 * such a revoke, so after its swap it touches the message no more: the receiver may have replied.
 *
 * Ownership: while SENT and the like, the caller touches nothing but through this file. The reply is the last access of
 * its author: with the compare-and-swap to REPLIED the message without a port belongs to its sender again, who may free
 * it. Therefore the ticket of who waits lies in the same word as the state. A message with a port belongs to its author
 * until it is in the port; nobody takes it before, since all ways of taking find it there: who waits for such a message
 * waits on the port.
 *
 * A revoke has two halves: the swap to REVOKING, and reaching the kernel port, perhaps on another LWP. A message that
 * finishes between the two must not be replied to, for the second half would find it gone. So both, message_finish()
 * and message_revoke_seen(), leave a bit in ms_work, and the one that finds the other's bit replies (ORD message-3,
 * message-4). And a revoke may reach the kernel port before the message does, since the sender publishes SENT first
 * (ORD message-5, message-6): the kernel port remembers it then (kport.c), or takes a lock around both, as the timers
 * and the helpers do.
 *
 * Ordering: the result is written before the swap to REPLIED (release, ORD message-2), and read after the state was
 * seen there (acquire, ORD message-1), or after the port handed it out (ORD port-1, port-2).
 *
 * Rejected: a lock per message (twice the locked instructions); a flag "somebody waits" beside a field with the ticket
 * (the replier would read the ticket after the message may have been freed, or before it may have changed).
 */
#include "message/message.h"

#include <errno.h>
#include <string.h>

#include "base/compiler.h"
#include "base/panic.h"
#include "message/port.h"

/* ms_work: which half of a revoke's meeting has been here. */
enum { WORK_FINISHED = 1, WORK_REVOKE_SEEN = 2 };

struct message_above message_above;

static const char *const state_names[MESSAGE_STATES] = {
	[MESSAGE_IDLE] = "idle",
	[MESSAGE_SENT] = "sent",
	[MESSAGE_SHORT] = "sent",
	[MESSAGE_PUT] = "sent",
	[MESSAGE_REVOKING] = "being revoked",
	[MESSAGE_HELD] = "in its receiver's hands",
	[MESSAGE_UNWANTED] = "in its receiver's hands, revoked",
	[MESSAGE_REPLIED] = "replied, and its reply not taken",
};

void message_abuse(const struct ell_msg *m, const char *what)
{
	uint64_t word = load_relaxed(&m->ms_state);
	unsigned state = word & MESSAGE_STATE_MASK;
	bool damaged = state == MESSAGE_IDLE && word != MESSAGE_IDLE;

	panic("%s: message %p (operation %u, tag %p, port \"%s\") is %s", what, (const void *)m, m->ms_op, m->ms_tag,
	      m->ms_port ? port_name(m->ms_port) : "none", damaged ? "damaged" : state_names[state]);
}

bool message_is_valid(const struct ell_msg *m)
{
	uint64_t word = load_relaxed(&m->ms_state);

	/* Nobody waits for an idle message. */
	return ((word & MESSAGE_STATE_MASK) != MESSAGE_IDLE || word == MESSAGE_IDLE) && m->ms_op < ELL_OP_COUNT;
}

EXPORT void ell_msg_init(struct ell_msg *m, struct ell_port *port, void *tag)
{
	*m = (struct ell_msg){.ms_tag = tag, .ms_port = port};
}

EXPORT void ell_msg_drain(struct ell_msg *m, bool drain)
{
	if (UNLIKELY(load_relaxed(&m->ms_state) != MESSAGE_IDLE))
		message_abuse(m, "changing what becomes of a message that is not idle");
	m->ms_drain = drain;
}

void message_refuse(struct ell_msg *m, int64_t error)
{
	struct ell_port *port = m->ms_port;

	m->ms_result = error;
	store_release(&m->ms_state, MESSAGE_REPLIED); /* ORD message-2: pairs with ORD message-1 in message.h */
	if (port)
		port_push(port, m);
}

void message_reply(struct ell_msg *m, int64_t result)
{
	struct ell_port *port = m->ms_port;
	uint64_t old = load_relaxed(&m->ms_state);

	m->ms_result = result;
	do {
		if (UNLIKELY((old & MESSAGE_STATE_MASK) == MESSAGE_IDLE ||
			     (old & MESSAGE_STATE_MASK) >= MESSAGE_REPLIED))
			message_abuse(m, "replying a second time");
		/* ORD message-2: pairs with ORD message-1 in message.h */
	} while (!cas_acq_rel(&m->ms_state, &old, MESSAGE_REPLIED));

	if (port)
		port_push(port, m);
	else if (old >> MESSAGE_STATE_BITS)
		message_above.unpark(old >> MESSAGE_STATE_BITS);
}

struct ell_port *message_finish_slowly(struct ell_msg *m, int64_t result)
{
	uint64_t old = load_relaxed(&m->ms_state);

	m->ms_result = result;
	while ((old & MESSAGE_STATE_MASK) <= MESSAGE_SHORT && old) {
		struct ell_port *port = m->ms_port;

		/* ORD message-2: pairs with ORD message-1 in message.h */
		if (!cas_acq_rel(&m->ms_state, &old, MESSAGE_REPLIED))
			continue;
		if (!port && old >> MESSAGE_STATE_BITS)
			message_above.unpark(old >> MESSAGE_STATE_BITS);
		return port;
	}
	if (UNLIKELY((old & MESSAGE_STATE_MASK) != MESSAGE_REVOKING))
		message_abuse(m, "finishing what was not sent");
	/* ORD message-3: pairs with ORD message-4 */
	if (fetch_or_seq_cst(&m->ms_work, WORK_FINISHED) & WORK_REVOKE_SEEN)
		message_reply(m, result);
	return NULL;
}

void message_finish(struct ell_msg *m, int64_t result)
{
	struct ell_port *port = message_finish_to(m, result);

	if (port)
		port_push(port, m);
}

bool message_revoke_seen(struct ell_msg *m)
{
	/* ORD message-4: pairs with ORD message-3 */
	if (!(fetch_or_seq_cst(&m->ms_work, WORK_REVOKE_SEEN) & WORK_FINISHED))
		return true;
	message_reply(m, m->ms_result);
	return false;
}

bool message_is_finished(const struct ell_msg *m)
{
	return load_relaxed(&m->ms_work) & WORK_FINISHED;
}

bool message_to_revoking(struct ell_msg *m, enum message_state *state)
{
	uint64_t old = load_acquire(&m->ms_state); /* ORD message-6: pairs with ORD message-5 in message.h */
	uint64_t new;

	do {
		*state = (enum message_state)(old & MESSAGE_STATE_MASK);
		if (*state == MESSAGE_SENT || *state == MESSAGE_PUT)
			new = MESSAGE_REVOKING;
		else if (*state == MESSAGE_HELD)
			new = MESSAGE_UNWANTED;
		else
			return false;
		new |= old & ~MESSAGE_STATE_MASK;
	} while (!cas_acq_rel(&m->ms_state, &old, new));
	return true;
}

bool message_wait_begin(struct ell_msg *m, uint64_t ticket)
{
	uint64_t old = load_acquire(&m->ms_state);

	do {
		if ((old & MESSAGE_STATE_MASK) == MESSAGE_REPLIED)
			return false;
		if (UNLIKELY(old >> MESSAGE_STATE_BITS))
			message_abuse(m, "two threads wait for one message");
	} while (!cas_acq_rel(&m->ms_state, &old, old | ticket << MESSAGE_STATE_BITS));
	return true;
}

void message_wait_end(struct ell_msg *m)
{
	uint64_t old = load_acquire(&m->ms_state);

	do {
		if ((old & MESSAGE_STATE_MASK) == MESSAGE_REPLIED)
			return;
	} while (!cas_acq_rel(&m->ms_state, &old, old & MESSAGE_STATE_MASK));
}

EXPORT int ell_msg_send(struct ell_msg *m)
{
	int (*way)(struct ell_msg * m);

	if (UNLIKELY(m->ms_op <= ELL_OP_USER || m->ms_op >= ELL_OP_COUNT))
		return -EINVAL;
	way = load_relaxed(&message_above.send);
	if (UNLIKELY(!way))
		return -ENXIO;
	message_begin(m);
	return way(m);
}

EXPORT int ell_msg_revoke(struct ell_msg *m)
{
	enum message_state state;

	if (message_to_revoking(m, &state)) {
		if (state == MESSAGE_SENT)
			message_above.revoke(m);
		return 0;
	}
	if (state == MESSAGE_SHORT)
		return 0;
	return state == MESSAGE_IDLE ? -EINVAL : -EALREADY;
}

EXPORT void ell_msg_reply(struct ell_msg *m, int64_t result)
{
	enum message_state state = message_state(m);

	if (UNLIKELY(state != MESSAGE_HELD && state != MESSAGE_UNWANTED))
		message_abuse(m, "replying to what is no request in hand");
	message_reply(m, result);
}

EXPORT bool ell_msg_revoked(const struct ell_msg *m)
{
	enum message_state state = message_state(m);

	return state == MESSAGE_REVOKING || state == MESSAGE_UNWANTED;
}
