/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * slot.c - stacks, cut from large mappings
 *
 * Purpose: a million stacks without a million mappings. A slot is, from low to high: guard, stack, header, and up to 15
 * cache lines of nothing. The nothing differs from slot to slot (colour), because the same offset in each page would
 * put all headers into the same few sets of the first-level cache.
 *
 * The header shares its page with the first frames of the stack: a parked thread costs one page. A header is never
 * unmapped and never used for anything else: who holds a stale pointer to one finds a header.
 *
 * Guards: MADV_GUARD_INSTALL (Linux 6.13) needs no mapping of its own; where it is missing, or does nothing, mprotect()
 * makes two mappings of one, and vm.max_map_count bounds how many.
 *
 * Free slots go in batches: a vCPU has one that it takes from and gives to, and a spare one; whole batches move between
 * it and the pool under the pool's lock, in O(1). Fresh slots are made a batch at a time, too, so that one system call
 * makes all their guards.
 *
 * Rejected: MADV_POPULATE_WRITE for the headers of a batch; finding each page again costs the kernel more than the
 * fault that it saves.
 *
 * What is free for long is trimmed: at each look, half of the batches that nobody has needed since the last one are to
 * lose their stacks' pages, a few at a time (thread/trim.c has the clock). They are cold then, and taken last.
 */
#include "mem/slot.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/lock.h"
#include "base/panic.h"
#include "mem/advice.h"
#include "mem/valgrind.h"
#include "sys/sys.h"

#define SELF (-10001) /* PIDFD_SELF_THREAD_GROUP, Linux 6.14: needs no descriptor */

enum { PAGE = 4096, COLOURS = 16, CHUNK_BYTES = 64 << 20, CHUNK_SLOTS_MIN = 64 };

static struct slot_pool pools[SLOT_POOLS];
static unsigned pool_count;
static uint32_t pools_lock;
static uint32_t next_number;
const uint32_t *const slot_numbers_at = &next_number;

/* 0: not known yet. */
static enum { GUARD_UNKNOWN, GUARD_MADVISE, GUARD_MPROTECT } guard_way;

void (*slot_has_excess)(void);

static uint32_t complained;

static COLD void complain_once(const char *what, const char *limit, int error)
{
	if (xchg_acq_rel(&complained, 1) == 0)
		complain("no stack: %s: %s; the limit is %s", what, strerror(error), limit);
}

struct slot_pool *slot_pool_find(size_t size, size_t guard, size_t header, unsigned kind)
{
	unsigned n = load_acquire(&pool_count);
	struct slot_pool *pool;

	for (unsigned i = 0; i < n; i++) {
		pool = &pools[i];
		if (pool->sp_size == size && pool->sp_guard == guard && pool->sp_kind == kind)
			return pool;
	}
	pool = NULL;
	lock_acquire(&pools_lock);
	if (n != pool_count) {
		lock_release(&pools_lock);
		return slot_pool_find(size, guard, header, kind);
	}
	if (n == SLOT_POOLS) {
		complain_once("one more kind", "32 combinations of stack size, guard size and TLS", EAGAIN);
	} else {
		pool = &pools[n];
		*pool = (struct slot_pool){
			.sp_size = size, .sp_guard = guard, .sp_header = header, .sp_kind = kind, .sp_id = n};
		/* ORD pools-1: pairs with the load_acquire above, ORD pools-2. */
		store_release(&pool_count, n + 1);
	}
	lock_release(&pools_lock);
	return pool;
}

static char *slot_base(const struct slot *slot)
{
	return (char *)((uintptr_t)slot & ~(uintptr_t)(slot->sl_pool->sp_size - 1));
}

char *slot_low(const struct slot *slot)
{
	return slot_base(slot) + slot->sl_pool->sp_guard;
}

static struct slot *header_at(const struct slot_pool *pool, char *base)
{
	size_t fit = (pool->sp_size - pool->sp_guard - pool->sp_header) / CACHE_LINE + 1;
	size_t colour = (uintptr_t)base / pool->sp_size % (fit < COLOURS ? fit : COLOURS) * CACHE_LINE;

	return (struct slot *)(void *)(base + pool->sp_size - colour - pool->sp_header);
}

/* A new mapping, aligned to the slot size, becomes the fresh one. */
static bool map_chunk_locked(struct slot_pool *pool)
{
	size_t size = CHUNK_BYTES / pool->sp_size >= CHUNK_SLOTS_MIN ? CHUNK_BYTES : CHUNK_SLOTS_MIN * pool->sp_size;
	char *map = sys.mmap(NULL, size + pool->sp_size, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	uintptr_t start;

	if (map == MAP_FAILED) {
		complain_once("mmap", "the address space (ulimit -v, vm.overcommit_memory)", errno);
		return false;
	}
	start = ((uintptr_t)map + pool->sp_size - 1) & ~(uintptr_t)(pool->sp_size - 1);
	if (start != (uintptr_t)map)
		sys.munmap(map, start - (uintptr_t)map);
	sys.munmap((void *)(start + size), (uintptr_t)map + pool->sp_size - start);
	/* A huge page would be the memory of many stacks for one. */
	sys.madvise((void *)start, size, MADV_NOHUGEPAGE);
	pool->sp_fresh = (char *)start;
	pool->sp_fresh_end = (char *)start + size;
	return true;
}

/* One system call for the same advice about each range; false where the kernel cannot do that. */
static bool advise_all(const struct iovec *ranges, unsigned n, int advice)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < n; i++)
		bytes += ranges[i].iov_len;
	return sys.process_madvise(SELF, ranges, n, advice) == (ssize_t)bytes;
}

/* Emulators take advice that they do not know and forget it: whether the kernel may write there tells. */
static bool is_guarded(char *at)
{
	return sys.mincore(at, 1, (unsigned char *)at) != 0 && errno == EFAULT;
}

static bool guard_one(char *at, size_t size)
{
	if (guard_way != GUARD_MPROTECT) {
		bool taken = sys.madvise(at, size, GUARD_INSTALL) == 0;

		if (taken && (guard_way == GUARD_MADVISE || is_guarded(at))) {
			guard_way = GUARD_MADVISE;
			return true;
		}
		if (!taken && (guard_way == GUARD_MADVISE || errno != EINVAL)) {
			complain_once("madvise(MADV_GUARD_INSTALL)", "the memory for page tables", errno);
			return false;
		}
		guard_way = GUARD_MPROTECT;
	}
	if (sys.mprotect(at, size, PROT_NONE) == 0)
		return true;
	complain_once("mprotect of a stack guard", "vm.max_map_count", errno);
	return false;
}

/* Guards for N slots from BASE on: returns for how many it worked. */
static unsigned guard_slots(const struct slot_pool *pool, char *base, unsigned n)
{
	struct iovec ranges[SLOT_BATCH] = {0};

	if (pool->sp_guard == 0)
		return n;
	for (unsigned i = 0; i < n; i++)
		ranges[i] = (struct iovec){base + i * pool->sp_size, pool->sp_guard};
	if (guard_way == GUARD_MADVISE && advise_all(ranges, n, GUARD_INSTALL))
		return n;
	for (unsigned i = 0; i < n; i++) {
		if (!guard_one(ranges[i].iov_base, ranges[i].iov_len))
			return i;
	}
	return n;
}

/* A batch of fresh slots, in the order of their addresses: NULL if there is no memory. */
static struct slot *make_batch_locked(struct slot_pool *pool, unsigned *count)
{
	struct slot *first = NULL;
	unsigned n = SLOT_BATCH;
	char *base;

	if (pool->sp_fresh == pool->sp_fresh_end && !map_chunk_locked(pool))
		return NULL;
	base = pool->sp_fresh;
	if (n > (size_t)(pool->sp_fresh_end - base) / pool->sp_size)
		n = (unsigned)((size_t)(pool->sp_fresh_end - base) / pool->sp_size);
	n = guard_slots(pool, base, n);
	pool->sp_fresh += n * pool->sp_size;
	*count = n;
	for (unsigned i = n; i-- > 0;) {
		struct slot *slot = header_at(pool, base + i * pool->sp_size);

		slot->sl_pool = pool;
		slot->sl_next = first;
		first = slot;
		valgrind_stack(slot_low(slot), slot);
	}
	for (struct slot *slot = first; slot; slot = slot->sl_next)
		slot->sl_number = fetch_add_relaxed(&next_number, 1);
	return first;
}

static struct slot *take_batch(struct slot_pool *pool, unsigned *count)
{
	struct slot *batch;

	lock_acquire(&pool->sp_lock);
	batch = pool->sp_batches;
	if (batch) {
		pool->sp_batches = batch->sl_batch;
		if (--pool->sp_free < pool->sp_least)
			pool->sp_least = pool->sp_free;
		*count = SLOT_BATCH;
	} else if (pool->sp_cold) {
		batch = pool->sp_cold;
		pool->sp_cold = batch->sl_batch;
		*count = SLOT_BATCH;
	} else {
		batch = make_batch_locked(pool, count);
	}
	lock_release(&pool->sp_lock);
	return batch;
}

static void give_batch(struct slot_pool *pool, struct slot *batch)
{
	lock_acquire(&pool->sp_lock);
	batch->sl_batch = pool->sp_batches;
	pool->sp_batches = batch;
	pool->sp_free++;
	lock_release(&pool->sp_lock);
	if (slot_has_excess)
		slot_has_excess();
}

static void cache_refill(struct slot_pool *pool, struct slot_cache *cache)
{
	if (cache->sc_spare) {
		cache->sc_first = cache->sc_spare;
		cache->sc_count = SLOT_BATCH;
		cache->sc_spare = NULL;
	} else {
		cache->sc_first = take_batch(pool, &cache->sc_count);
	}
}

/* Foreign threads have no cache of their own. */
static struct {
	uint32_t lock;
	struct slot_cache caches[SLOT_POOLS];
} foreign;

static struct slot *take_cached(struct slot_pool *pool, struct slot_cache *cache)
{
	struct slot *slot;

	if (UNLIKELY(!cache->sc_first))
		cache_refill(pool, cache);
	slot = cache->sc_first;
	if (LIKELY(slot != NULL)) {
		cache->sc_first = slot->sl_next;
		cache->sc_count--;
	}
	return slot;
}

static void give_cached(struct slot *slot, struct slot_cache *cache)
{
	if (UNLIKELY(cache->sc_count == SLOT_BATCH)) {
		if (cache->sc_spare)
			give_batch(slot->sl_pool, cache->sc_spare);
		cache->sc_spare = cache->sc_first;
		cache->sc_first = NULL;
		cache->sc_count = 0;
	}
	slot->sl_next = cache->sc_first;
	cache->sc_first = slot;
	cache->sc_count++;
}

struct slot *slot_take(struct slot_pool *pool, struct slot_cache *cache)
{
	struct slot *slot;

	if (LIKELY(cache != NULL))
		return take_cached(pool, &cache[pool->sp_id]);
	lock_acquire(&foreign.lock);
	slot = take_cached(pool, &foreign.caches[pool->sp_id]);
	lock_release(&foreign.lock);
	return slot;
}

void slot_give(struct slot *slot, struct slot_cache *cache)
{
	if (LIKELY(cache != NULL)) {
		give_cached(slot, &cache[slot->sl_pool->sp_id]);
		return;
	}
	lock_acquire(&foreign.lock);
	give_cached(slot, &foreign.caches[slot->sl_pool->sp_id]);
	lock_release(&foreign.lock);
}

void slot_hold(void)
{
	lock_acquire(&foreign.lock);
	lock_acquire(&pools_lock);
	for (unsigned i = 0; i < pool_count; i++)
		lock_acquire(&pools[i].sp_lock);
}

void slot_release(void)
{
	for (unsigned i = 0; i < pool_count; i++)
		lock_release(&pools[i].sp_lock);
	lock_release(&pools_lock);
	lock_release(&foreign.lock);
}

static void trim_batch(struct slot *batch)
{
	for (struct slot *slot = batch; slot; slot = slot->sl_next) {
		char *low = slot_low(slot);
		/* The first frames share the page of the header, which stays. */
		uintptr_t high = (uintptr_t)slot & ~(uintptr_t)(PAGE - 1);

		if (high > (uintptr_t)low)
			sys.madvise(low, high - (uintptr_t)low, MADV_DONTNEED);
	}
}

/* A batch that is to be trimmed, taken out of the pool, or NULL. */
static struct slot *detach_excess(struct slot_pool *pool)
{
	struct slot *batch = NULL;

	lock_acquire(&pool->sp_lock);
	if (pool->sp_excess > 0 && pool->sp_batches) {
		batch = pool->sp_batches;
		pool->sp_batches = batch->sl_batch;
		pool->sp_free--;
		pool->sp_excess--;
		if (pool->sp_free < pool->sp_least)
			pool->sp_least = pool->sp_free;
	} else {
		pool->sp_excess = 0;
	}
	lock_release(&pool->sp_lock);
	return batch;
}

bool slot_trim_look(void)
{
	bool any = false;

	for (unsigned i = 0; i < load_acquire(&pool_count); i++) { /* ORD pools-2: pairs with ORD pools-1 */
		struct slot_pool *pool = &pools[i];

		lock_acquire(&pool->sp_lock);
		pool->sp_excess = (pool->sp_least + 1) / 2;
		pool->sp_least = pool->sp_free;
		any |= pool->sp_free > 0;
		lock_release(&pool->sp_lock);
	}
	return any;
}

bool slot_trim_some(unsigned batches)
{
	for (unsigned i = 0; i < load_acquire(&pool_count); i++) { /* ORD pools-2: pairs with ORD pools-1 */
		struct slot_pool *pool = &pools[i];
		struct slot *batch;

		while ((batch = detach_excess(pool)) != NULL) {
			trim_batch(batch);
			lock_acquire(&pool->sp_lock);
			batch->sl_batch = pool->sp_cold;
			pool->sp_cold = batch;
			lock_release(&pool->sp_lock);
			if (--batches == 0)
				return true;
		}
	}
	return false;
}

uint32_t slot_numbers(void)
{
	return load_acquire(&next_number);
}

const char *slot_describe(void)
{
	switch (guard_way) {
	case GUARD_MADVISE:
		return "MADV_GUARD_INSTALL";
	case GUARD_MPROTECT:
		return "mprotect (vm.max_map_count bounds the number of threads)";
	default:
		return "not used yet";
	}
}
