/* SPDX-License-Identifier: BSD-2-Clause */
/* guest.h - what the personality knows about a thread of the program, and about an LWP */
#ifndef PERSONALITY_GUEST_H
#define PERSONALITY_GUEST_H

#include <ellula/message.h>
#include <ellula/port.h>
#include <ellula/time.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "personality/entry.h"
#include "sched/park.h"

struct fd_record;
struct lwp;
struct robust_list_head;
struct thread;

/*
 * A thread of the program. Its memory is never used for anything else: who looks it up by its number may be late. All
 * fields are its own, but for those that say otherwise.
 */
struct guest {
	struct thread *gu_thread;   /* NULL before the runtime has started */
	uint32_t *gu_clear_tid;	    /* what becomes 0 when it has ended; also whoever comes next */
	struct entry_regs *gu_regs; /* what a new one begins with, on its stack */
	struct robust_list_head *gu_robust;
	uint64_t gu_stack; /* one that it maps for another thread, while the guard's size is not known; see stacks.c */
	uint64_t gu_stack_end;
	uint64_t gu_left; /* the stack that it has unmapped, to end, and its size */
	uint64_t gu_left_size;
	struct guest_lwp *gu_lwp; /* where it was in the program last */
	uint64_t gu_mask;	  /* of signals, as the kernel keeps it */
	stack_t gu_alternate;
	struct guest *gu_listed_next; /* see masks.c: its lock */
	bool gu_listed;		      /* the same; read by anybody */
	int32_t gu_tid;		      /* written at its start; others read it */
	int gu_errno;		      /* the program's, while it is in here */
	uint32_t gu_lock;
	struct ell_msg *gu_message;  /* what it waits for; lock */
	park_ticket gu_ticket;	     /* of its sleep that a signal ends, or 0; others read */
	struct fd_record *gu_record; /* of the socket that it receives from, or NULL; others read */
	uint32_t gu_stop;	     /* the call that a helper makes for it is to end; lock to write */
	int gu_helper;		     /* that helper's number, or 0; lock */
	uint64_t gu_ends;	     /* signals that end its call even if it blocks them; others read */
	uint64_t gu_wanted;	     /* signals that it waits for by rt_sigtimedwait(); lock to write */
	int64_t gu_cpu;	     /* ns that it has computed, without the stretch that it is in; see cpu.c: anybody adds */
	uint64_t gu_pending; /* signals sent to it, bit number - 1; anybody adds */
	char gu_name[16];
};

/* In a guest's own thread-local storage. */
extern __thread struct guest *guest_self __attribute__((tls_model("initial-exec")));

/* The thread with which the process began. */
extern struct guest guest_main;

/* What the kernel keeps per kernel thread: the LWP's. */
struct guest_lwp {
	uint8_t gl_selector;	      /* read by the kernel at each call */
	bool gl_alternate;	      /* it has an alternate stack */
	const struct guest *gl_guest; /* whose mask and alternate stack it has; NULL: idle */
	struct guest *gl_runs;	      /* see cpu.c: whose time it is that passes, since the LWP's clock showed this */
	int64_t gl_since;
	uint64_t gl_mask; /* of signals, that it has but for a handler's: its own */
} CACHE_ALIGNED;

/* Of the calling kernel thread, an LWP or the only thread of the process. */
struct guest_lwp *guest_lwp(void);

/* That of LW. */
struct guest_lwp *guest_lwp_of(const struct lwp *lw);

/* More than one thread of the program exists. */
extern uint32_t guest_crowd;

/*
 * Is the calling thread the only one, so that the kernel does right by itself what is about threads? Not if there are
 * signals that only we know of.
 */
static inline __attribute__((always_inline)) bool guest_is_alone(void)
{
	return !load_relaxed(&guest_crowd) && !load_relaxed(&guest_self->gu_pending);
}

/* Numbers that we give: above all that the kernel gives, below FUTEX_TID_MASK. */
enum { GUEST_TID_FIRST = 1 << 29 };

/* The thread with that number, or NULL. Context: T V. */
struct guest *guest_find(int tid);

/*
 * M, prepared and not sent, is done by UNTIL: its result, -ETIMEDOUT, or -EINTR if a signal came for the caller. Parks.
 * Context: T.
 */
int64_t guest_do(struct ell_msg *m, int64_t until);

/*
 * Around a park_commit() for TICKET: a signal for the caller unparks it. Who has begun looks whether there is one
 * already, with a full barrier between (ORD guest-1), and then cancels the sleep. Context: T.
 */
void guest_wait_begin(park_ticket ticket);
void guest_wait_end(void);

/*
 * GU is to get that signal, and its wait ends if it does not block it. Context: T F. Locks: gu_lock.
 */
void guest_signal(struct guest *gu, int signal);

/* The same signal, if it has not been delivered: it is GU's no more. Context: T F. */
bool guest_take_back(struct guest *gu, int signal);

/* Is LW in the program's code, or in a call that was passed? Context: any. */
bool guest_is_in_program(const struct lwp *lw);

/*
 * Around a system call that the kernel thread TID makes for GU, which waits for it. Afterwards the call has ended.
 * Context: F. Locks: gu_lock.
 */
void guest_helped(struct guest *gu, int tid);
void guest_helped_no_more(struct guest *gu);

/* Sleeps: true if a signal came before UNTIL. Context: T. */
bool guest_sleep(ell_time until);

/* Is there a signal for the caller? */
bool guest_interrupted(void);

/* Waits for messages of poll_until_by(): interrupted by a signal for the caller. Parks. Context: T. */
struct ell_msg *guest_wait_port(struct ell_port *port, struct ell_msg *first, ell_time until, bool *interrupted);

#endif
