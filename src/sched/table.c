/* SPDX-License-Identifier: BSD-2-Clause */
/* table.c - descriptors of threads: from a number to the thread, and back */
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/lock.h"
#include "base/panic.h"
#include "sched/thread.h"
#include "sys/sys.h"

struct thread **thread_table;

const struct thread_map thread_map __attribute__((used)) = {
	.tm_magic = {'E', 'L', 'L', 'T', 'H', 'R', 'D', 'S'},
	.tm_version = 1,
	.tm_size = sizeof(struct thread_map),
	.tm_table = &thread_table,
	.tm_count = &slot_numbers_at,
	.tm_id = offsetof(struct thread, th_id),
	.tm_name = offsetof(struct thread, th_name),
	.tm_why = offsetof(struct thread, th_why),
	.tm_sp = offsetof(struct thread, th_ctx.cx_sp),
	.tm_pc = offsetof(struct thread, th_ctx.cx_pc),
	.tm_stack_low = offsetof(struct thread, th_stack_low),
	.tm_stack_high = offsetof(struct thread, th_stack_high),
};

/*
 * An id is the index, and above it how often the descriptor was used; th_id is 0 while nobody uses it, th_uses is kept.
 * Bit 63 stays free, for the locks.
 */
enum { USES_BITS = 63 - THREAD_INDEX_BITS };

static bool table_reserve(void)
{
	static uint32_t lock;
	size_t size = sizeof(struct thread *) << THREAD_INDEX_BITS;
	void *map;

	if (LIKELY(load_acquire(&thread_table) != NULL)) /* ORD table-1: pairs with ORD table-2 */
		return true;
	lock_acquire(&lock);
	if (!thread_table) {
		map = sys.mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (map != MAP_FAILED)
			store_release(&thread_table, (struct thread **)map); /* ORD table-2: pairs with ORD table-1 */
	}
	lock_release(&lock);
	return thread_table != NULL;
}

struct thread *thread_find(ell_thread id)
{
	struct thread *th;

	if (!thread_table || id == 0)
		return NULL;
	th = load_acquire(&thread_table[id & THREAD_INDEX_MASK]);
	return th && load_acquire(&th->th_id) == id ? th : NULL;
}

struct thread *thread_take(struct slot_pool *pool, struct slot_cache *cache, enum thread_kind kind)
{
	struct thread *th;
	uint64_t number;

	if (UNLIKELY(!table_reserve()))
		return NULL;
	th = (struct thread *)(void *)slot_take(pool, cache);
	if (UNLIKELY(!th))
		return NULL;
	number = th->th_slot.sl_number;
	if (UNLIKELY(!th->th_stack_high)) {
		if (number > THREAD_INDEX_MASK) {
			slot_give(&th->th_slot, cache);
			return NULL;
		}
		th->th_stack_low = slot_low(&th->th_slot);
		th->th_stack_high = slot_high(&th->th_slot);
		store_release(&thread_table[number], th);
	}
	store_relaxed(&th->th_kind, (uint8_t)kind);
	th->th_why = PARK_NOT;
	th->th_until = ELL_FOREVER;
	th->th_uses = (th->th_uses + 1) & ((UINT64_C(1) << USES_BITS) - 1);
	th->th_uses += th->th_uses == 0;
	store_release(&th->th_id, th->th_uses << THREAD_INDEX_BITS | number);
	return th;
}

void thread_give(struct thread *th, struct slot_cache *cache)
{
	store_release(&th->th_id, 0);
	slot_give(&th->th_slot, cache);
}

void thread_each(bool (*fn)(struct thread *th, void *arg), void *arg)
{
	uint32_t end = slot_numbers();

	for (uint32_t i = 0; thread_table && i < end && i <= THREAD_INDEX_MASK; i++) {
		struct thread *th = load_acquire(&thread_table[i]);

		if (th && load_acquire(&th->th_id) != 0 && !fn(th, arg))
			return;
	}
}

void thread_name_get(const struct thread *th, char name[ELL_NAME_MAX])
{
	for (size_t i = 0; i < ARRAY_SIZE(th->th_name_words); i++) {
		uint64_t word = load_relaxed(&th->th_name_words[i]);

		memcpy(name + i * sizeof(word), &word, sizeof(word));
	}
}
