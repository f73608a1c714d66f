/* SPDX-License-Identifier: BSD-2-Clause */
/* guest.h - threads on a stack and on thread-local storage that somebody else has made */
#ifndef THREAD_GUEST_H
#define THREAD_GUEST_H

#include <stdint.h>

#include "sched/thread.h"

/* What the personality is told. Written before the runtime starts. */
struct guest_above {
	void (*lwp_begins)(void); /* on each LWP, when it begins. Context: V F */

	/* TH, a guest, has left its stack for good, and its descriptor is about to be given back. Context: T V. */
	void (*gone)(struct thread *th);
};

/*
 * Starts the runtime as ell_init() does, and the caller becomes its first thread, but the process keeps its handlers
 * and its alternate stacks: 0 or -errno. Without thread-local storage of a thread's own it cannot be: -ENOTSUP. Once.
 * Context: F.
 */
int guest_init(const struct guest_above *told);

/*
 * A thread with the thread pointer TLS that begins in ENTRY on the stack that ends at TOP; it is not ready yet, and
 * ENTRY must first call sched_finish_previous() with what it is called with. NULL: no memory. Context: T.
 */
struct thread *guest_create(uintptr_t tls, void *top, void (*entry)(void *previous));

/* GUEST_ROOM bytes behind TH's descriptor, all zero at first; they are never used for anything else. Context: any. */
enum { GUEST_ROOM = 256 };
void *guest_room(const struct thread *th);

/* The caller, a guest, ends. Context: T. */
void guest_exit(void) __attribute__((noreturn));

#endif
