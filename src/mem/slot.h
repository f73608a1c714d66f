/* SPDX-License-Identifier: BSD-2-Clause */
/* slot.h - stacks, cut from large mappings, with a header each that is never used for anything else */
#ifndef MEM_SLOT_H
#define MEM_SLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SLOT_POOLS = 32, SLOT_BATCH = 64 };

struct slot_pool;

/*
 * The beginning of a slot's header, which lies near the slot's high end: fresh memory is all zero. sl_number counts
 * slots of all pools from 0.
 */
struct slot {
	struct slot *sl_next;  /* in a batch of free ones */
	struct slot *sl_batch; /* of the first of a batch: the next batch */
	struct slot_pool *sl_pool;
	uint32_t sl_number;
	uint32_t sl_used; /* 0: never taken before */
};

/* What slots a pool has. */
struct slot_pool {
	size_t sp_size;	  /* bytes from one slot to the next, a power of two */
	size_t sp_guard;  /* bytes at the low end that fault */
	size_t sp_header; /* bytes of the header */
	unsigned sp_kind; /* the user's: slots are only reused for the same kind */
	unsigned sp_id;	  /* index in a vCPU's caches */

	uint32_t sp_lock;
	struct slot *sp_batches; /* free ones; lock */
	struct slot *sp_cold;	 /* free ones that were trimmed; lock */
	size_t sp_free;		 /* batches in it; lock */
	size_t sp_least;	 /* the least of sp_free since the last look; lock */
	size_t sp_excess;	 /* batches that are to be trimmed; lock */
	char *sp_fresh;		 /* where the current mapping goes on; lock */
	char *sp_fresh_end;
};

/* A vCPU's share of a pool: no lock. */
struct slot_cache {
	struct slot *sc_first;
	unsigned sc_count;
	struct slot *sc_spare; /* a whole batch, or NULL */
};

/* The pool for such slots; NULL if there are SLOT_POOLS others already. Context: T F. Locks: its own. */
struct slot_pool *slot_pool_find(size_t size, size_t guard, size_t header, unsigned kind);

/*
 * A free slot, CACHE may be NULL: NULL when memory or a limit is exhausted, and a line on stderr has said which, once.
 * Context: T F. Locks: the pool's.
 */
struct slot *slot_take(struct slot_pool *pool, struct slot_cache *cache);

/* Gives it back. Context: T V F. */
void slot_give(struct slot *slot, struct slot_cache *cache);

/* The low end of the stack, above the guard. */
char *slot_low(const struct slot *slot);

/* The high end: where the header begins. */
static inline char *slot_high(const struct slot *slot)
{
	return (char *)(uintptr_t)slot;
}

/*
 * A look at what is free: half of the batches that nobody has needed since the last look are excess from now on.
 * Returns whether it is worth looking again. Context: V. Locks: the pools', one after the other.
 */
bool slot_trim_look(void);

/*
 * Returns the stacks of up to BATCHES batches of the excess to the system: true if some is left. Context: V. Locks: the
 * same.
 */
bool slot_trim_some(unsigned batches);

/* Called when a whole batch has become free, often. May be NULL. Context: T V F. */
extern void (*slot_has_excess)(void);

/* Before a fork, and after it on both sides: nobody is in the middle of taking or giving one. Context: T F K. */
void slot_hold(void);
void slot_release(void);

/* How many slots there ever were: all numbers are below. Context: any. And where that is written, for a core. */
extern const uint32_t *const slot_numbers_at;
uint32_t slot_numbers(void);

/* How guards are made, for people. */
const char *slot_describe(void);

#endif
