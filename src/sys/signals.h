/* SPDX-License-Identifier: BSD-2-Clause */
/* signals.h - which signals can be had */
#ifndef SYS_SIGNALS_H
#define SYS_SIGNALS_H

/*
 * The last real-time signal that reaches a thread: SIGRTMAX, but where an emulator keeps some for itself. qemu-user has
 * two less, and takes actions for them all the same; valgrind has one less. Context: any. Locks: its own, once.
 */
int last_signal(void);

#endif
