/* SPDX-License-Identifier: BSD-2-Clause */
/* wait.h - threads wait for replies, as POSIX calls do */
#ifndef SCHED_WAIT_H
#define SCHED_WAIT_H

#include <ellula/message.h>
#include <ellula/port.h>
#include <ellula/time.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * As ell_msg_do_until(), but -EINTR when a signal handler has run meanwhile that was installed without SA_RESTART, M
 * may take for ever, and nothing has come of it. Context: T F. Parks.
 */
int64_t wait_do(struct ell_msg *m, ell_time until);

/* As ell_port_wait(), but NULL and *HANDLED if a signal handler has run meanwhile. Context: T F. Parks. */
struct ell_msg *wait_port_open(struct ell_port *port, ell_time until, bool *handled);

#endif
