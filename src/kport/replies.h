/* SPDX-License-Identifier: BSD-2-Clause */
/* replies.h - replies to one port, which go there together */
#ifndef KPORT_REPLIES_H
#define KPORT_REPLIES_H

#include <stddef.h>

#include "message/message.h"
#include "message/port.h"

/* Replies to one port that were not put into it yet: with one locked instruction for all of them. */
struct replies {
	struct ell_port *port;
	struct ell_msg *newest;
	struct ell_msg *oldest;
};

static inline void replies_deliver(struct replies *rs)
{
	struct ell_port *port = rs->port;

	/* An upcall of the port may come here again. */
	rs->port = NULL;
	if (port)
		port_push_chain(port, rs->newest, rs->oldest);
}

static inline void replies_add(struct replies *rs, struct ell_port *port, struct ell_msg *m)
{
	if (rs->port != port) {
		replies_deliver(rs);
		*rs = (struct replies){.port = port, .oldest = m};
	}
	m->ms_next = rs->newest;
	rs->newest = m;
}

#endif
