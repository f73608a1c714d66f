/* SPDX-License-Identifier: BSD-2-Clause */
/* life.h - how threads are made and ended, for the files of this room */
#ifndef THREAD_LIFE_H
#define THREAD_LIFE_H

#include <ellula/thread.h>

#include "sched/thread.h"

/* A thread that is not ready yet, in *MADE: 0 or an errno. Context: T F. */
int thread_create(struct thread **made, const struct ell_attr *attr, void *(*fn)(void *), void *arg);

/* TH ends with RESULT: if it is the one of ell_run(), so does the runtime. Context: T, TH itself. */
void start_thread_ends(const struct thread *th, void *result);

/* TH, which is no thread any more, goes back to the pools. Context: T V F. */
void thread_give_back(struct thread *th);

/* A thread has left for good, and its context runs no more: sched_thread_gone. Context: T V, whoever came next. */
void thread_gone(struct thread *th);

/* What ell_init() does, without overflow_watch(); sched_lwp_begins is set already: 0 or -errno. Context: F. */
int start_init(void);

void thread_name_copy(struct thread *th, const char *name);

/* SIGSEGV on a guard becomes a message. Once, at the start; and for each LWP. */
void overflow_watch(void);
void overflow_watch_lwp(void);

/* Is WHERE on the guard of the stack of TH? Context: any. */
bool overflow_is(const struct thread *th, const void *where);

/*
 * The rooms above hear of each thread that is made, before it is ready, and of each that ends, from itself in a guarded
 * stretch, if they have set these, and then runtime.rt_watched. Context: T F.
 */
extern void (*thread_is_made)(struct thread *th);
extern void (*thread_ends)(struct thread *th);

/* Stacks that nobody needs will go back to the system. Once, at the start. */
void trim_watch(void);

#endif
