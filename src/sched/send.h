/* SPDX-License-Identifier: BSD-2-Clause */
/* send.h - the way of a message to whoever executes it */
#ifndef SCHED_SEND_H
#define SCHED_SEND_H

/* Connects the message room with what is above it. Once, at the start. */
void send_connect(void);

#endif
