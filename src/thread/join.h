/* SPDX-License-Identifier: BSD-2-Clause */
/* join.h - the states of th_join */
#ifndef THREAD_JOIN_H
#define THREAD_JOIN_H

/* See join.c; above these two bits, the ticket of who joins. */
enum join_state { JOIN_POSSIBLE, JOIN_ENDED, JOIN_DETACHED, JOIN_DONE, JOIN_STATE_BITS = 2 };

#endif
