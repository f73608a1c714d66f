/* SPDX-License-Identifier: BSD-2-Clause */
/* futex.h - futexes whose waiters are user threads */
#ifndef PERSONALITY_FUTEX_H
#define PERSONALITY_FUTEX_H

#include <linux/futex.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "personality/clib.h"
#include "personality/entry.h"
#include "personality/guest.h"

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif

struct futex_waiter;

enum { FUTEX_BUCKETS = 4096 };

struct futex_bucket {
	uint32_t fb_lock;
	uint32_t fb_kernel; /* a kernel thread of the runtime's has waited for a word of this bucket; anybody sets it */
	struct futex_waiter *fb_first; /* lock, but read by anybody */
	struct futex_waiter *fb_last;
} CACHE_ALIGNED;

extern struct futex_bucket futex_buckets[FUTEX_BUCKETS];

static inline __attribute__((always_inline)) struct futex_bucket *futex_bucket(uint64_t address)
{
	return &futex_buckets[address * UINT64_C(0x9e3779b97f4a7c15) >> 52];
}

/* Has anybody begun to wait for the word at ADDRESS, or for one that shares its bucket? The caller has changed it. */
static inline __attribute__((always_inline)) bool futex_is_waited(uint64_t address)
{
	const struct futex_bucket *b = futex_bucket(address);

	/* ORD futex-1: pairs with ORD futex-2, ORD futex-3: the waiter sees the new value, or we see the waiter. */
	fence_seq_cst();
	return load_acquire(&b->fb_lock) || load_relaxed(&b->fb_first);
}

/*
 * A kernel thread of the runtime's, or a thread of the program's that is alone just now, is about to wait in the kernel
 * for the word at ADDRESS.
 */
static inline __attribute__((always_inline)) void futex_waits_in_kernel(uint64_t address)
{
	/* ORD futex-3: pairs with ORD futex-1: the kernel compares the word after this. */
	store_seq_cst(&futex_bucket(address)->fb_kernel, 1);
}

/* Where call sites cannot be rewritten, nobody sees who waits in the kernel. Written before there are threads. */
extern uint32_t futex_is_blind;

/*
 * May somebody wait in the kernel for the word at ADDRESS, for whom the wake OP is? For a private one only where
 * there is a mark. After futex_is_waited().
 */
static inline __attribute__((always_inline)) bool futex_may_be_in_kernel(uint64_t address, uint64_t op)
{
	return !(op & FUTEX_PRIVATE_FLAG) || futex_is_blind || clib_has_word(address) ||
	       load_relaxed(&futex_bucket(address)->fb_kernel);
}

static inline __attribute__((always_inline)) bool futex_is_wake(uint64_t op)
{
	switch (op & FUTEX_CMD_MASK) {
	case FUTEX_WAKE:
	case FUTEX_WAKE_BITSET:
	case FUTEX_WAKE_OP:
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
		return true;
	default:
		return false;
	}
}

/* Does it nothing else, and with one word only? */
static inline __attribute__((always_inline)) bool futex_only_wakes(uint64_t op)
{
	uint64_t command = op & FUTEX_CMD_MASK;

	return command == FUTEX_WAKE || command == FUTEX_WAKE_BITSET;
}

/*
 * Is the call about a lock that knows its owner? The kernel would compare that with the LWP's number, so the call is
 * ours once there have been threads.
 */
static inline __attribute__((always_inline)) bool futex_has_owner(const struct entry_regs *g)
{
	if (g->rax != SYS_futex || !guest_self->gu_thread)
		return false;
	switch (g->rsi & FUTEX_CMD_MASK) {
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
	case FUTEX_TRYLOCK_PI:
	case FUTEX_UNLOCK_PI:
	case FUTEX_WAIT_REQUEUE_PI:
	case FUTEX_CMP_REQUEUE_PI:
		return true;
	default:
		return false;
	}
}

/* futex(2). */
int64_t futex_call(struct entry_regs *g);

/* futex_waitv(2). */
int64_t futex_wait_any(struct entry_regs *g);

/* Those of its commands that are about locks which inherit priority. Context: T. Parks. */
int64_t futex_pi(const struct entry_regs *g);

/* The thread TID, which is found no more, has ended: what it owned of them gets another owner. Context: V T. */
void futex_pi_bury(uint32_t tid);

/* In a child: nobody waits for anything. Context: K. */
void futex_forked(void);
void futex_pi_forked(void);

/* Up to MOST waiters for the word at ADDRESS go on: how many. Context: any but S. Locks: a bucket's. */
int64_t futex_wake(uint64_t address, uint64_t most, uint32_t bits);

/* A call of our own has passed, with this result: if it was to wake, those in the table are woken, too. */
void futex_passed(struct entry_regs *g);

#endif
