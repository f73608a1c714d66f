/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * port.c - a queue of messages with many writers and one receiver at a time
 *
 * Purpose: requests to a thread and replies to it, in order, with one locked instruction per message, and with no
 * wake-up unless somebody sleeps.
 *
 * States of pt_head, one word:
 *
 *	0		nothing new
 *	a message	the newest of a chain, linked by ms_next from new to old
 *	ticket<<1 | 1	the receiver sleeps, or is about to
 *
 *	0 -> message, message -> message	any writer, by compare-and-swap
 *	ticket -> message			any writer, who then unparks the ticket
 *	message -> 0				the receiver, by exchange: it reverses the chain to pt_first
 *	0 -> ticket, ticket -> 0		the receiver
 *
 * The sleep cannot be missed: the receiver goes to sleep only if it changed 0 to its ticket, so what is put into the
 * port afterwards finds the ticket; and what was put before made that change fail.
 *
 * A receiver that waits on several ports leaves the same ticket in each. The first writer ends the sleep; later ones
 * find a ticket of a sleep that is over, or none, and unpark nobody. That is why the word holds a ticket, which is
 * harmless for ever, and not the address of something on the receiver's stack.
 *
 * A port with an upcall has a second word, pt_calls: CALL_RUNS, somebody is in the upcall; CALL_WANTED, it is to run
 * (once more); below these, how many writers are between the two, for after the swap the message may be taken, and only
 * this count keeps the port from being finished before they have called.
 *
 *	writer: 0 -> message		sets both bits; calls if CALL_RUNS was not set
 *	who calls			clears CALL_WANTED, calls, and clears CALL_RUNS if CALL_WANTED is still clear
 *
 * So the upcall is the one receiver, on whichever LWP it runs; and what it does may come back to its own port without
 * going deeper and deeper.
 *
 * Ordering: a message's fields are written before the swap that puts it in (release, ORD port-1) and read after the
 * exchange that takes it out (acquire, ORD port-2).
 *
 * Rejected: a lock (two locked instructions, and a sleeping holder stops all); a queue with a stub node (it needs
 * memory of its own, and an emptiness test that a waiter could trust needs a second word); an upcall wherever and
 * whenever a message comes (two LWPs would receive at once).
 */
#include "message/port.h"

#include <errno.h>
#include <stddef.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/guard.h"
#include "base/panic.h"
#include "message/message.h"

/* In pt_calls. */
#define CALL_RUNS (UINT32_C(1) << 31)
#define CALL_WANTED (UINT32_C(1) << 30)

static bool is_ticket(uint64_t head)
{
	return head & 1;
}

const char *port_name(const struct ell_port *port)
{
	return port->pt_name ? port->pt_name : "unnamed";
}

void port_abuse(const struct ell_port *port, uint64_t self)
{
	if (port->pt_magic == (uint32_t)PORT_DEAD)
		panic("port %p \"%s\" is used after it was finished", (const void *)port, port_name(port));
	if (port->pt_magic != PORT_MAGIC)
		panic("%p is not a port: ell_port_init() was not called, or something wrote over it",
		      (const void *)port);
	panic("port %p \"%s\": threads %llx and %llx receive from it at once", (const void *)port, port_name(port),
	      (unsigned long long)load_relaxed(&port->pt_receiver), (unsigned long long)self);
}

static void check(const struct ell_port *port)
{
	if (UNLIKELY(port->pt_magic != PORT_MAGIC))
		port_abuse(port, 0);
}

EXPORT void ell_port_init(struct ell_port *port, const char *name)
{
	*port = (struct ell_port){.pt_name = name, .pt_magic = PORT_MAGIC};
}

EXPORT void ell_port_upcall(struct ell_port *port, void (*fn)(struct ell_port *, void *), void *arg)
{
	check(port);
	port->pt_upcall = fn;
	port->pt_arg = arg;
}

EXPORT int ell_port_finish(struct ell_port *port)
{
	check(port);
	if (load_acquire(&port->pt_head) || port->pt_first || load_relaxed(&port->pt_receiver) ||
	    load_acquire(&port->pt_calls))
		return -EBUSY;
	port->pt_magic = PORT_DEAD;
	return 0;
}

/*
 * Puts the chain in, and wakes who waits: what pt_head was before. Afterwards the port may be gone, for its receiver
 * may finish it.
 */
static inline uint64_t push(struct ell_port *port, struct ell_msg *newest, struct ell_msg *oldest)
{
	uint64_t old = load_relaxed(&port->pt_head);

	do {
		oldest->ms_next = is_ticket(old) ? NULL : (struct ell_msg *)(uintptr_t)old;
		/* ORD port-1: pairs with ORD port-2 */
	} while (!cas_acq_rel(&port->pt_head, &old, (uint64_t)(uintptr_t)newest));

	if (is_ticket(old))
		message_above.unpark(old >> 1);
	return old;
}

/* Calls the upcall, or leaves that to who is in it. */
static void call(struct ell_port *port)
{
	uint32_t calls = fetch_or_seq_cst(&port->pt_calls, CALL_RUNS | CALL_WANTED);

	if (calls & CALL_RUNS)
		return;
	do {
		fetch_and_seq_cst(&port->pt_calls, ~CALL_WANTED);
		message_above.upcall(port->pt_upcall, port, port->pt_arg);
		calls = load_relaxed(&port->pt_calls);
		while (!(calls & CALL_WANTED) && !cas_seq_cst(&port->pt_calls, &calls, calls & ~CALL_RUNS))
			;
	} while (calls & CALL_WANTED);
}

COLD static void push_and_call(struct ell_port *port, struct ell_msg *newest, struct ell_msg *oldest)
{
	guard_enter();
	fetch_add_acq_rel(&port->pt_calls, 1);
	if (push(port, newest, oldest) == 0)
		call(port);
	fetch_sub_acq_rel(&port->pt_calls, 1);
	guard_leave();
}

void port_push_chain(struct ell_port *port, struct ell_msg *newest, struct ell_msg *oldest)
{
	check(port);
	if (UNLIKELY(port->pt_upcall))
		push_and_call(port, newest, oldest);
	else
		push(port, newest, oldest);
}

void port_push(struct ell_port *port, struct ell_msg *m)
{
	port_push_chain(port, m, m);
}

/* Brings what is new to the receiver's own list: false if that is empty then. */
static bool collect(struct ell_port *port)
{
	struct ell_msg *m, *newest, *newer = NULL;
	uint64_t head = load_relaxed(&port->pt_head);

	if (head == 0 || is_ticket(head))
		return port->pt_first != NULL;
	/* ORD port-2: pairs with ORD port-1 */
	newest = (struct ell_msg *)(uintptr_t)xchg_acq_rel(&port->pt_head, 0);
	for (m = newest;; m = m->ms_prev) {
		m->ms_prev = m->ms_next;
		m->ms_next = newer;
		newer = m;
		if (!m->ms_prev)
			break;
	}
	m->ms_prev = port->pt_last;
	if (port->pt_last)
		port->pt_last->ms_next = m;
	else
		port->pt_first = m;
	port->pt_last = newest;
	return true;
}

static void unlink_collected(struct ell_port *port, struct ell_msg *m)
{
	if (m->ms_prev)
		m->ms_prev->ms_next = m->ms_next;
	else
		port->pt_first = m->ms_next;
	if (m->ms_next)
		m->ms_next->ms_prev = m->ms_prev;
	else
		port->pt_last = m->ms_prev;
	m->ms_next = NULL;
	m->ms_prev = NULL;
}

/* A request comes into its receiver's hands: false if its sender does not want it any more, and it is replied to. */
static bool receive_request(struct ell_msg *m)
{
	uint64_t old = load_acquire(&m->ms_state);

	do {
		if ((old & MESSAGE_STATE_MASK) == MESSAGE_REVOKING) {
			message_reply(m, -ECANCELED);
			return false;
		}
		if (UNLIKELY((old & MESSAGE_STATE_MASK) != MESSAGE_PUT))
			message_abuse(m, "a message in a port");
	} while (!cas_acq_rel(&m->ms_state, &old, (old & ~MESSAGE_STATE_MASK) | MESSAGE_HELD));
	return true;
}

struct ell_msg *port_take(struct ell_port *port)
{
	struct ell_msg *m = NULL;

	guard_enter();
	while (!m && (port->pt_first || collect(port))) {
		m = port_unlink_first(port);
		if (message_state(m) == MESSAGE_REPLIED)
			message_taken(m);
		else if (!receive_request(m))
			m = NULL;
	}
	guard_leave();
	return m;
}

bool port_take_this(struct ell_port *port, struct ell_msg *m)
{
	bool is_there;

	guard_enter();
	collect(port);
	/* Before it is replied its links belong to who works on it. */
	is_there = message_state(m) == MESSAGE_REPLIED && (m->ms_prev || port->pt_first == m);
	if (is_there) {
		unlink_collected(port, m);
		message_taken(m);
	}
	guard_leave();
	return is_there;
}

bool port_wait_begin(struct ell_port *port, uint64_t ticket)
{
	uint64_t mine = ticket << 1 | 1;
	uint64_t old = 0;

	/* The same port may be waited on twice. */
	return cas_acq_rel(&port->pt_head, &old, mine) || old == mine;
}

void port_wait_end(struct ell_port *port, uint64_t ticket)
{
	uint64_t mine = ticket << 1 | 1;

	cas_acq_rel(&port->pt_head, &mine, 0);
}

EXPORT int ell_port_put(struct ell_port *port, struct ell_msg *m)
{
	if (UNLIKELY(m->ms_op != ELL_OP_USER))
		return -EINVAL;
	if (UNLIKELY(!message_above.unpark))
		return -ENXIO;
	check(port);
	message_begin(m);
	message_to_sent(m, MESSAGE_PUT, NULL);
	port_push(port, m);
	return 0;
}
