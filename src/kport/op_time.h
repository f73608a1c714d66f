/* SPDX-License-Identifier: BSD-2-Clause */
/* op_time.h - what a message of ELL_OP_TIMER says to the timer wheel */
#ifndef KPORT_OP_TIME_H
#define KPORT_OP_TIME_H

/* In ms_opflags: ms_off is nanoseconds from the sending, not a point in time. */
enum { OP_TIMER_FROM_SEND = 1 };

#endif
