/* SPDX-License-Identifier: BSD-2-Clause */
/* poll.h - wait for several descriptors, for whom signals come in another way */
#ifndef CALL_POLL_H
#define CALL_POLL_H

#include <ellula/message.h>
#include <ellula/port.h>
#include <ellula/time.h>
#include <poll.h>
#include <stdbool.h>

/*
 * Waits for a message in PORT: it, or NULL, and then UNTIL has passed or *HANDLED says that a handler has run, or is
 * to. To revoke FIRST, one of the messages, makes PORT have one. Context: T F. Parks.
 */
typedef struct ell_msg *poll_wait_fn(struct ell_port *port, struct ell_msg *first, ell_time until, bool *handled);

/* As ell_poll_until(), but WAITS does the waiting. Context: T F. Parks. */
int poll_until_by(struct pollfd *fds, nfds_t count, ell_time until, poll_wait_fn *waits);

#endif
