/* SPDX-License-Identifier: BSD-2-Clause */
/* upcall.h - functions that run because of an event, and sections that hold them back */
#ifndef ELLULA_UPCALL_H
#define ELLULA_UPCALL_H

#include <stdbool.h>
#include <stdint.h>

#include <ellula/port.h>
#include <ellula/thread.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How deep the caller is in critical sections, and whether something came meanwhile. The library's: see below. */
struct ell_critical {
	uint32_t cr_depth;
	uint32_t cr_due;
};
extern __thread struct ell_critical ell_critical_self __attribute__((tls_model("initial-exec")));

/* Runs what is due. For ell_critical_leave(). */
void ell_critical_due(void);

/*
 * A critical section: no upcall and no signal handler of the library's interrupts the calling thread in it; what comes
 * meanwhile runs at the leave. Sections nest, and a thread may wait in one. On a foreign kernel thread, too. Not for
 * signal handlers that the kernel calls.
 */
static inline void ell_critical_enter(void)
{
	ell_critical_self.cr_depth++;
	__asm__ volatile("" ::: "memory");
}

static inline void ell_critical_leave(void)
{
	__asm__ volatile("" ::: "memory");
	if (__builtin_expect(--ell_critical_self.cr_depth == 0, 1) &&
	    __builtin_expect(ell_critical_self.cr_due != 0, 0))
		ell_critical_due();
}

/* An upcall: a number that is registered. 0 is none. */
typedef uint64_t ell_upcall;

#define ELL_UPCALLS_MAX 64 /* registered at one time */
#define ELL_THREAD_ANY 0   /* no thread: the next vCPU that is free or comes to a safe point */

/*
 * Registers FN(ARG): its name, or 0 if ELL_UPCALLS_MAX are registered. Of several that are due, one with a higher
 * PRIORITY runs first. Also before the runtime starts. Not for signal handlers.
 */
ell_upcall ell_upcall_register(void (*fn)(void *arg), void *arg, int priority);

/*
 * UPCALL is to run once: 0; EINVAL, there is no such upcall; ESRCH, no such thread, or a foreign one. On THREAD it runs
 * in the thread's own context, at once wherever that is: in the middle of a computation, or of a sleep, which goes on
 * afterwards. It may do all that the thread may, wait included, but not use what the thread may just have locked. With
 * ELL_THREAD_ANY it runs on a vCPU, at once on one that sleeps, or in the middle of a thread: it may send messages,
 * wake threads and dispatch upcalls; a wait in it aborts. One of higher priority interrupts one that runs on a thread.
 * Dispatched again before it has run, it runs once. Never switches threads; safe in a signal handler.
 */
int ell_upcall_dispatch(ell_upcall upcall, ell_thread thread);

/*
 * The same, each time PORT changes from empty to not empty (instead of ell_port_upcall()), and once when UNTIL has
 * come: 0, EINVAL, or EBUSY if an earlier time has not come yet. Not for signal handlers.
 */
int ell_upcall_on_port(ell_upcall upcall, ell_thread thread, struct ell_port *port);
int ell_upcall_on_time(ell_upcall upcall, ell_thread thread, ell_time until);

/* A thread that has kept its LWP, in a system call or computing, for NS nanoseconds so far. */
struct ell_stall {
	ell_thread thread;
	int vcpu; /* where it runs, or ran before it lost that */
	int64_t ns;
	char name[ELL_NAME_MAX];
};

/*
 * The same, once each time that a thread has not switched for NS nanoseconds, as far as the monitor sees, which looks
 * every 10 ms: 0; EINVAL, NS is negative; ENXIO, the runtime is not started; EAGAIN or EMFILE, there can be no monitor;
 * ENOTSUP, there is none under "ellula run". Replaces what was asked for before; NS 0: not any more. Not for signal
 * handlers.
 */
int ell_upcall_on_stall(ell_upcall upcall, ell_thread thread, int64_t ns);

/* Who has stalled last, of those that the upcall was dispatched for; all 0: nobody. Not for signal handlers. */
void ell_stall_get(struct ell_stall *stall);

/*
 * UPCALL does not begin any more: 0, EINVAL, or EBUSY while it runs, or its time has not come. Take it from its port
 * before. Not for signal handlers.
 */
int ell_upcall_delete(ell_upcall upcall);

/* Runs what is due on the caller, or on any vCPU, now, unless in a critical section: was there anything? */
bool ell_upcall_poll(void);

/* Has UPCALL been dispatched to the caller, or to any vCPU, and not begun? */
bool ell_upcall_pending(ell_upcall upcall);

#ifdef __cplusplus
}
#endif
#endif
