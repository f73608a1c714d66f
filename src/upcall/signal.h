/* SPDX-License-Identifier: BSD-2-Clause */
/* signal.h - POSIX signals of user threads, for the files of this room */
#ifndef UPCALL_SIGNAL_H
#define UPCALL_SIGNAL_H

#include <ellula/signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "sched/thread.h"

enum { SIGNALS_MAX = 64, SIGNAL_NESTING = 16 };

/* A set as a word: bit N - 1 is signal N. */
#define SIGNAL_BIT(number) (UINT64_C(1) << ((number)-1))

/* One signal that was sent: in the free list, among the arrivals, or in a queue. */
struct signal_record {
	struct signal_record *sr_next;
	uint32_t sr_index;
	uint32_t sr_free; /* in the free list: the next one's index + 1 */
	ell_thread sr_to; /* 0: to the process */
	siginfo_t sr_info;
};

/* Pending ones, the oldest first. All fields: with the lock; sq_set is read without, too. */
struct signal_queue {
	uint64_t sq_set;
	struct signal_record *sq_first;
	struct signal_record *sq_last;
};

/* A handler that runs. */
struct signal_running {
	const char *sr_at; /* on the stack */
	uint64_t sr_mask;  /* before it */
	bool sr_alternate; /* it is on the alternate stack */
};

/* What a thread has of signals. With the lock, but for what is the thread's own. */
struct signal_thread {
	ell_thread st_id; /* whose it is; if the descriptor has another id, nobody's */
	bool st_gone;	  /* it takes nothing any more */
	uint64_t st_mask; /* itself, with the lock */
	uint64_t st_waits;
	park_ticket st_ticket;
	struct signal_thread *st_next; /* who else waits */
	struct signal_queue st_queue;
	uint32_t st_count;				  /* of st_running */
	struct signal_running st_running[SIGNAL_NESTING]; /* itself, with the lock */
	stack_t st_stack;				  /* itself */
};

/* arrivals.c */

/* A record, or NULL if there is no memory. Context: any. */
struct signal_record *signal_record_take(void);
void signal_record_give(struct signal_record *record);

/* INFO has come from the kernel, for TO or, if 0, the process. Context: any. */
void signal_arrive(const siginfo_t *info, ell_thread to);

/* All that has, the oldest first. Context: T V. */
struct signal_record *signal_arrived(void);

/* queue.c */

extern uint32_t signals_lock;
extern struct signal_queue signals_of_process;

/* What TH has; made if need be. NULL: no memory, or NULL if !MAKE and it has nothing. With the lock. */
struct signal_thread *signal_thread_of(struct thread *th, bool make);

/* RECORD is pending, unless a standard one is already. With the lock. */
void signal_put_locked(struct signal_queue *queue, struct signal_record *record);

/* The oldest with NUMBER, which is there. With the lock. */
struct signal_record *signal_get_locked(struct signal_queue *queue, int number);

/* Sends RECORD on its way: 0 or ESRCH. Context: T V F. */
int signal_post(struct signal_record *record);

/* What has arrived finds its way. Context: T V. */
void signals_route(void);

/* Somebody who does not block it takes what is pending for the process; with MAYBE, or may not. Context: T V. */
void signals_poke(const struct thread *but, bool maybe);

/* Handles what TH, the caller, has and does not block; FRAME as in sched/interrupt.h. At depth 1. Context: T. */
void signals_work(struct thread *th, void *frame);

/* Handlers of ST that were left by longjmp() lie below HERE, or on the other stack: their masks are over. */
void signals_forget_left_locked(struct signal_thread *st, uintptr_t here);

/* TH, the caller, is to look at the end of the guarded stretch. */
void signals_look(struct thread *th);

/* NUMBER is pending no more, for anybody. With the lock. */
void signals_discard_locked(int number);

/* ST waits, or does not. With the lock. */
void signal_waits_locked(struct signal_thread *st, uint64_t set, park_ticket ticket);

/* The functions of whom this file needs are set. Any number of times. Context: any. */
void signals_use(void);
void upcall_connect(void);

/* action.c */

/* What is to be done about NUMBER now; resets it if it is for once. With the lock. */
struct sigaction signal_action_locked(int number);

/* NUMBER is to go to whom? 0: an upcall it is not. With the lock. */
ell_upcall signal_upcall_locked(int number, ell_thread *thread);

/* SET comes to the library, whatever is to be done about it. Context: T F. */
void signals_catch(uint64_t set);

/* What happens if nothing is said about NUMBER, which may be the end. Context: T. */
void signal_by_default(int number);

/* The union of those that a program may use. */
uint64_t signal_usable(uint64_t set);

/* Between sigset_t and a word. */
uint64_t signal_word(const sigset_t *set);
void signal_set(sigset_t *set, uint64_t word);

#endif
