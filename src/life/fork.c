/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fork.c - when a process becomes two
 *
 * The library registers its functions with pthread_atfork() before any of the program's code runs. So of all functions
 * that are to run before a fork these are the last, and of those after it the first: the program's may use the library
 * on both sides. With guests they do nothing: the personality has its own way (personality/clone.c). vfork(), and
 * posix_spawn(), system() and popen(), which are made of it, run none of them.
 */
#include <pthread.h>

#include "kport/pipes.h"
#include "sched/fork.h"
#include "sched/vcpu.h"

static void prepare(void)
{
	if (runtime.rt_count && !runtime.rt_guests)
		sched_fork_prepare();
}

static void parent(void)
{
	if (runtime.rt_count && !runtime.rt_guests)
		sched_fork_parent();
}

static void child(void)
{
	pipes_forget();
	if (runtime.rt_count && !runtime.rt_guests)
		sched_fork_child();
}

/* Before what the program registers in constructors of its own. */
__attribute__((constructor(101))) static void register_functions(void)
{
	pthread_atfork(prepare, parent, child);
}
