/* SPDX-License-Identifier: BSD-2-Clause */
/* port.h - where messages queue */
#ifndef MESSAGE_PORT_H
#define MESSAGE_PORT_H

#include <ellula/port.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"

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

const char *port_name(const struct ell_port *port);

#endif
