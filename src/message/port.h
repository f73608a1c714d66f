/* SPDX-License-Identifier: BSD-2-Clause */
/* port.h - where messages queue */
#ifndef MESSAGE_PORT_H
#define MESSAGE_PORT_H

#include <ellula/port.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/guard.h"
#include "message/message.h"

enum { PORT_MAGIC = 0x74726f70, PORT_DEAD = 0x64616564 };

/* Aborts and says what is wrong with PORT or with its use by SELF. */
void port_abuse(const struct ell_port *port, uint64_t self) __attribute__((noreturn, cold));

/* Puts M, which nobody else has, into PORT; wakes who waits there. Context: T V F. */
void port_push(struct ell_port *port, struct ell_msg *m);

/* The same for a chain, linked by ms_next from NEWEST to OLDEST. */
void port_push_chain(struct ell_port *port, struct ell_msg *newest, struct ell_msg *oldest);

/*
 * The oldest message of PORT, NULL if there is none: a reply, taken; or a request, which is HELD now. A request that
 * was revoked before is replied to here and not handed out. Context: T V F, the receiver.
 */
struct ell_msg *port_take(struct ell_port *port);

/* Takes M, which is replied, out of PORT, wherever it stands: false if it is not there yet. The receiver. */
bool port_take_this(struct ell_port *port, struct ell_msg *m);

/* Leaves TICKET, for port_push() to unpark: false if something new is there. Context: T F, the receiver. */
bool port_wait_begin(struct ell_port *port, uint64_t ticket);

/* Takes TICKET away again, if it is still there. */
void port_wait_end(struct ell_port *port, uint64_t ticket);

/*
 * Marks SELF as the thread inside a receiving call of PORT, and its end. Aborts if another one is inside, or if there
 * is no such port. Context: T F V.
 */
static inline void port_enter(struct ell_port *port, uint64_t self)
{
	uint64_t other = load_relaxed(&port->pt_receiver);

	if (UNLIKELY(port->pt_magic != PORT_MAGIC || (other && other != self)))
		port_abuse(port, self);
	store_relaxed(&port->pt_receiver, self);
}

static inline void port_leave(struct ell_port *port)
{
	store_relaxed(&port->pt_receiver, 0);
}

/* The first of what the receiver has collected, out of the list. */
static inline struct ell_msg *port_unlink_first(struct ell_port *port)
{
	struct ell_msg *m = port->pt_first, *next = m->ms_next;

	port->pt_first = next;
	if (next)
		next->ms_prev = NULL;
	else
		port->pt_last = NULL;
	return m;
}

/*
 * As port_enter(), port_take() and port_leave(), with a third of the instructions, if the oldest message is a reply
 * that was collected before: else NULL, and nothing has happened. Context: T V F, the receiver.
 */
static inline struct ell_msg *port_take_ready(struct ell_port *port)
{
	struct ell_msg *m;

	guard_enter();
	m = port->pt_first;
	if (LIKELY(m && port->pt_magic == PORT_MAGIC && !load_relaxed(&port->pt_receiver) &&
		   load_acquire(&m->ms_state) == MESSAGE_REPLIED)) {
		port_unlink_first(port);
		store_relaxed(&m->ms_state, MESSAGE_IDLE);
	} else {
		m = NULL;
	}
	guard_leave();
	return m;
}

const char *port_name(const struct ell_port *port);

#endif
