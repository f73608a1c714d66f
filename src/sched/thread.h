/* SPDX-License-Identifier: BSD-2-Clause */
/* thread.h - what is known of a thread */
#ifndef SCHED_THREAD_H
#define SCHED_THREAD_H

#include <ellula/thread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "arch/arch.h"
#include "mem/slot.h"
#include "sched/park.h"
#include "sched/timer.h"

struct vcpu;

enum thread_kind {
	THREAD_USER,	/* on a stack of ours */
	THREAD_MAIN,	/* on the stack of the process: who called ell_init() */
	THREAD_FOREIGN, /* a kernel thread of the program's own */
	THREAD_GUEST,	/* on a stack and TLS of somebody else's: the personality's (thread/guest.c) */
};

/* What whoever comes after this thread on its LWP has to do with it (sched/switch.c). */
enum thread_leave { LEAVE_YIELD, LEAVE_PARK, LEAVE_EXIT, LEAVE_GONE };

/* So many upcalls may run in sleeps that upcalls began in sleeps; further ones wait for the end of the innermost. */
enum { THREAD_OUTER_MAX = 4 };

/* An upcall that runs on a thread: how important it is, and where on the stack. */
struct thread_call {
	const char *at;
	int priority;
};

/* So many upcalls interrupt each other. */
enum { THREAD_CALLS_MAX = 6 };

/*
 * A thread descriptor. Its memory is never used for anything else, even when the thread is gone: an unpark that comes
 * too late finds th_wait, and in it that the sleep is over.
 */
struct thread {
	struct slot th_slot;	    /* where it and its stack lie; its number is the thread's index */
	struct arch_context th_ctx; /* while it does not run */
	uintptr_t th_tls;	    /* its thread pointer; 0: that of the LWP */
	uint64_t th_wait;	    /* see sched/park.c */
	uint64_t th_sleeps;	    /* the number of its last sleep: itself */
	uint32_t th_wanted;	/* somebody wants to interrupt it: see sched/interrupt.c. Anybody sets, itself clears */
	struct thread *th_next; /* in a run queue or an inbox */
	const void *th_touches; /* what it will look at first when it goes on, or did once: itself */
	struct vcpu *th_vcpu;	/* the only one that may run it, or NULL: fixed when it starts */
	struct vcpu *th_last;	/* the one that ran it last, for wakers that are none */
	int th_errno;		/* while it does not run, if it has no TLS of its own */
	uint8_t th_kind;	/* enum thread_kind */
	uint8_t th_leave;	/* enum thread_leave: itself, before it leaves */
	uint8_t th_why;		/* enum park_why: itself */
	bool th_tls_used;	/* a thread has run on th_tls before */
	uint32_t th_upcalls;	/* that it is in: then it must not wait. Itself */
	uint32_t th_held;	/* of a foreign thread: as lw_held */
	pid_t th_tid;		/* of a foreign thread */
	bool th_futex;		/* a foreign thread is asleep on its futex, or about to: itself */
	uint32_t th_blocking;	/* sections in which it may block its LWP: itself; the monitor reads it */
	bool th_open;		/* an upcall may run in its sleep; itself, before it leaves */
	bool th_handled;	/* a signal handler has run on it; itself, which clears it before it waits */
	bool th_broken;		/* the same, of those that end calls */
	uint64_t th_calls;	/* upcalls that are to run on it (upcall/upcall.c): anybody sets, itself clears */
	uint32_t th_running_count; /* of th_running: itself */
	uint32_t th_outer_count;   /* of th_outer: changed with its lock, read without, too */
	ell_thread th_id;	   /* 0: nobody's */
	uint64_t th_uses;	   /* how often the descriptor was taken */

	ell_time th_until;	/* the deadline of its sleep, or ELL_FOREVER: itself; read when th_timer is due */
	struct wheel *th_wheel; /* where th_timer was armed last, or NULL: itself */
	struct timer th_timer;	/* armed for th_until or before; see sched/deadline.c */

	uint64_t th_join;   /* see thread/join.c */
	uint64_t th_permit; /* see thread/permit.c */
	void *(*th_fn)(void *);
	void *th_arg;
	void *th_result;

	char *th_stack_low; /* the stack, without guard */
	char *th_stack_high;
	void *th_fiber; /* for the sanitizers */
	union {
		char th_name[ELL_NAME_MAX];
		uint64_t th_name_words[ELL_NAME_MAX / 8]; /* others read it while it may change */
	};

	/* Last, for few threads touch this. Sleeps in which an upcall runs, from the outermost on: see sched/park.c. */
	uint32_t th_outer_lock;
	uint64_t th_outer[THREAD_OUTER_MAX];
	const char *th_outer_at[THREAD_OUTER_MAX];	 /* on the stack */
	struct thread_call th_running[THREAD_CALLS_MAX]; /* upcalls that run on it, the outermost first: itself */
};

/* Ids and tickets end with the index. */
enum { THREAD_INDEX_BITS = 24 };
#define THREAD_INDEX_MASK ((UINT64_C(1) << THREAD_INDEX_BITS) - 1)

/* One entry for each descriptor that ever was; reserved as a whole, touched as it grows. */
extern struct thread **thread_table;

/*
 * Where tools find the threads in a core, without debug information: the symbol thread_map, or its magic in the data of
 * the program. The descriptor of a thread that is in use has an id that is not 0.
 */
struct thread_map {
	char tm_magic[8];		      /* "ELLTHRDS" */
	uint32_t tm_version;		      /* 1 */
	uint32_t tm_size;		      /* of this */
	struct thread **const *tm_table;      /* to the table: a pointer per descriptor, or NULL */
	const uint32_t *const *tm_count;      /* to the number of its entries */
	uint32_t tm_id, tm_name, tm_why;      /* offsets in a descriptor: 8 bytes, ELL_NAME_MAX bytes, 1 byte */
	uint32_t tm_sp, tm_pc;		      /* offsets: of a thread that does not run, 8 bytes each */
	uint32_t tm_stack_low, tm_stack_high; /* offsets, 8 bytes each */
};

extern const struct thread_map thread_map;

/* The descriptor with INDEX, which is known to exist. Context: any. */
static inline struct thread *thread_at(uint32_t index)
{
	return thread_table[index];
}

/*
 * The descriptor of the thread with this id; NULL if there never was one, or it is used by another thread now. Context:
 * any.
 */
struct thread *thread_find(ell_thread id);

/* The name of TH, as far as it is not changed meanwhile. Context: any. */
void thread_name_get(const struct thread *th, char name[ELL_NAME_MAX]);

/*
 * A descriptor for a new thread of KIND on a slot of POOL, with a new id: NULL if there is no memory. What the last
 * user left in th_tls, th_wait and th_permit is still there. Context: T F.
 */
struct thread *thread_take(struct slot_pool *pool, struct slot_cache *cache, enum thread_kind kind);

/* Gives it back: its id is no thread's from now on. Context: T V F. */
void thread_give(struct thread *th, struct slot_cache *cache);

/*
 * Calls FN for all descriptors that are in use, until it returns false. They may come and go meanwhile. Context: any.
 */
void thread_each(bool (*fn)(struct thread *th, void *arg), void *arg);

#endif
