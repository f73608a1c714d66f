/* SPDX-License-Identifier: BSD-2-Clause */
/* send.h - the way of a message to whoever executes it */
#ifndef SCHED_SEND_H
#define SCHED_SEND_H

#include <stdbool.h>

/* Connects the message room with what is above it. Once, at the start. */
void send_connect(void);

/* From now on what is sent is refused: -ESHUTDOWN. Context: T V F. */
void send_close(void);

/* In a child without an LWP: as before the start, -ENXIO. Context: K. */
void send_disconnect(void);

/* Is it? Context: any. */
bool send_is_closed(void);

#endif
