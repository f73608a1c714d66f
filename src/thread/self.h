/* SPDX-License-Identifier: BSD-2-Clause */
/* self.h - who is calling */
#ifndef THREAD_SELF_H
#define THREAD_SELF_H

#include <ellula/thread.h>
#include <stdbool.h>

/* The caller's own name, never 0: a user thread's or, on a foreign kernel thread, that one's. Context: T F. */
ell_thread thread_self(void);

/* Is the caller a user thread that may move to another LWP at any wait? Context: any. */
bool thread_is_user(void);

#endif
