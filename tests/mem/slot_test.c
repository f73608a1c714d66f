/* SPDX-License-Identifier: BSD-2-Clause */
/* slot_test.c - stacks as such: where they lie, who gets them again, and what becomes of their pages */
#include "mem/slot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "harness/child.h"
#include "harness/refuse.h"
#include "thread/threads.h"

enum { PAGE = 4096, SIZE = 65536, GUARD = PAGE, HEADER = 256, KIND = 77 };

static struct slot_pool *find(void)
{
	struct slot_pool *pool = slot_pool_find(SIZE, GUARD, HEADER, KIND);

	CHECK(pool != NULL);
	return pool;
}

static void the_same_request_finds_the_same_pool(void)
{
	struct slot_pool *pool = find();

	CHECK(find() == pool);
	CHECK(slot_pool_find(SIZE, GUARD, HEADER, KIND + 1) != pool);
	CHECK(slot_pool_find(SIZE, 2 * GUARD, HEADER, KIND) != pool);
	CHECK(slot_pool_find(2 * SIZE, GUARD, HEADER, KIND) != pool);
}

static int by_address(const void *a, const void *b)
{
	const struct slot *const *x = a, *const *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void slots_are_apart_and_fully_usable(void)
{
	enum { N = 3 * SLOT_BATCH + 5 };
	struct slot_cache cache[SLOT_POOLS] = {0};
	struct slot_pool *pool = find();
	struct slot *slots[N];

	for (unsigned i = 0; i < N; i++) {
		slots[i] = slot_take(pool, cache);
		CHECK(slots[i] != NULL);
		CHECK(slots[i]->sl_pool == pool);
		CHECK(slots[i]->sl_number < slot_numbers());
		CHECK_EQ((uintptr_t)slot_low(slots[i]) % SIZE, GUARD);
		/* At most 15 cache lines are left unused. */
		CHECK(slot_high(slots[i]) + HEADER <= slot_low(slots[i]) - GUARD + SIZE);
		CHECK(slot_high(slots[i]) + HEADER + 16 * 64 > slot_low(slots[i]) - GUARD + SIZE);
		memset(slot_low(slots[i]), (int)i, (size_t)(slot_high(slots[i]) - slot_low(slots[i])));
		memset(slots[i] + 1, (int)i, HEADER - sizeof(struct slot));
	}
	for (unsigned i = 0; i < N; i++)
		CHECK_EQ(*(unsigned char *)(slot_high(slots[i]) - 1), (unsigned char)i);
	qsort(slots, N, sizeof(slots[0]), by_address);
	for (unsigned i = 1; i < N; i++)
		CHECK(slot_high(slots[i - 1]) + HEADER <= slot_low(slots[i]) - GUARD);
}

/* Descriptors without a stack: nothing of them is trimmed. */
static void several_may_share_a_page(void)
{
	enum { N = 10 * SLOT_BATCH, SMALL = 1024, ALL = 768 };
	struct slot_cache cache[SLOT_POOLS] = {0};
	struct slot_pool *pool = slot_pool_find(SMALL, 0, ALL, KIND);
	struct slot *slots[N];

	for (unsigned i = 0; i < N; i++) {
		slots[i] = slot_take(pool, cache);
		CHECK(slot_high(slots[i]) >= slot_low(slots[i]));
		CHECK_EQ((uintptr_t)slot_low(slots[i]) % SMALL, 0);
		CHECK(slot_high(slots[i]) + ALL <= slot_low(slots[i]) + SMALL);
		memset(slots[i] + 1, (int)i, ALL - sizeof(struct slot));
	}
	for (unsigned i = 0; i < N; i++)
		slot_give(slots[i], cache);
	for (unsigned i = 0; i < 20 && slot_trim_look(); i++) {
		while (slot_trim_some(1))
			;
	}
	for (unsigned i = 0; i < N; i++) {
		const unsigned char *rest = (unsigned char *)(slots[i] + 1);

		CHECK(slots[i]->sl_pool == pool);
		for (unsigned k = 0; k < ALL - sizeof(struct slot); k++)
			CHECK_EQ(rest[k], (unsigned char)i);
	}
}

static void headers_spread_over_the_cache(void)
{
	struct slot_cache cache[SLOT_POOLS] = {0};
	bool seen[PAGE / 64] = {false};
	unsigned colours = 0;

	for (unsigned i = 0; i < 64; i++) {
		struct slot *slot = slot_take(find(), cache);
		size_t line = (uintptr_t)slot % PAGE / 64;

		colours += !seen[line];
		seen[line] = true;
	}
	CHECK_EQ(colours, 16);
}

static void the_last_one_given_is_the_next_one_taken(void)
{
	struct slot_cache cache[SLOT_POOLS] = {0};
	struct slot *first = slot_take(find(), cache);
	struct slot *second = slot_take(find(), cache);

	slot_give(first, cache);
	slot_give(second, cache);
	CHECK(slot_take(find(), cache) == second);
	CHECK(slot_take(find(), cache) == first);
}

/*
 * Random takes and gives, by several caches and by none: a slot has one owner, and free ones are used before new ones.
 */
enum { CACHES = 3, MOST = 1000, STEPS = MANY(300000, 30000) };

static struct slot *held[MOST];

/* In the header's memory, where a thread's descriptor would be. */
static unsigned *owned(struct slot *slot)
{
	return (unsigned *)(void *)(slot + 1);
}

static void no_slot_is_taken_twice_or_forgotten(void)
{
	static struct slot_cache caches[CACHES][SLOT_POOLS];
	uint64_t seed = harness_seed() | 1;
	unsigned before = slot_numbers();
	unsigned count = 0, most = 0;

	for (unsigned step = 0; step < STEPS; step++) {
		unsigned which = random_below(&seed, CACHES + 1);
		struct slot_cache *cache = which < CACHES ? caches[which] : NULL;
		/* Long runs of one kind, so that whole batches move. */
		bool takes = step / 700 % 2 ? random_below(&seed, 10) < 9 : random_below(&seed, 10) < 1;

		if (takes && count < MOST) {
			struct slot *slot = slot_take(find(), cache);

			CHECK(slot != NULL);
			CHECK_EQ(*owned(slot), 0);
			*owned(slot) = 1;
			held[count++] = slot;
			most = count > most ? count : most;
		} else if (count > 0) {
			unsigned at = random_below(&seed, count);

			CHECK_EQ(*owned(held[at]), 1);
			*owned(held[at]) = 0;
			slot_give(held[at], cache);
			held[at] = held[--count];
		}
	}
	/* What is made beyond what is held lies in the caches, at most two batches in each, and one is being made. */
	CHECK(slot_numbers() - before <= most + (2 * (CACHES + 1) + 1) * SLOT_BATCH);
}

static bool is_resident(char *at)
{
	unsigned char present;

	CHECK_EQ(mincore((char *)((uintptr_t)at & ~(uintptr_t)(PAGE - 1)), PAGE, &present), 0);
	return present & 1;
}

static void fill_and_free(struct slot **slots, unsigned n, struct slot_cache *cache)
{
	for (unsigned i = 0; i < n; i++) {
		slots[i] = slot_take(find(), cache);
		memset(slot_low(slots[i]), 1, (size_t)(slot_high(slots[i]) - slot_low(slots[i])));
	}
	for (unsigned i = 0; i < n; i++)
		slot_give(slots[i], cache);
}

static unsigned count_resident(struct slot **slots, unsigned n)
{
	unsigned resident = 0;

	for (unsigned i = 0; i < n; i++) {
		resident += is_resident(slot_low(slots[i]));
		/* The header's page stays, whatever becomes of the rest. */
		CHECK(is_resident((char *)slots[i]));
		CHECK(slots[i]->sl_pool == find());
	}
	return resident;
}

enum { TRIMMED = 10 * SLOT_BATCH };

static struct slot *trimmed[TRIMMED];

static void stacks_that_nobody_needs_are_trimmed(void)
{
	struct slot_cache cache[SLOT_POOLS] = {0};

	fill_and_free(trimmed, TRIMMED, cache);
	/* The first look learns how many are free; each later one takes half. */
	CHECK(slot_trim_look());
	while (slot_trim_some(1000))
		;
	CHECK_EQ(count_resident(trimmed, TRIMMED), TRIMMED);
	for (unsigned i = 0; i < 20 && slot_trim_look(); i++) {
		while (slot_trim_some(1))
			;
	}
	CHECK(!slot_trim_look());
	/* What is left are the cache's own: one batch, and a spare one. */
	CHECK(count_resident(trimmed, TRIMMED) <= 2 * SLOT_BATCH);
	/* They are stacks as before. */
	fill_and_free(trimmed, TRIMMED, cache);
	CHECK_EQ(count_resident(trimmed, TRIMMED), TRIMMED);
}

static void trimming_goes_in_steps(void)
{
	struct slot_cache cache[SLOT_POOLS] = {0};
	unsigned before, after;

	fill_and_free(trimmed, TRIMMED, cache);
	slot_trim_look();
	slot_trim_look();
	CHECK(slot_trim_some(1));
	before = count_resident(trimmed, TRIMMED);
	CHECK_EQ(before, TRIMMED - SLOT_BATCH);
	CHECK(slot_trim_some(2));
	after = count_resident(trimmed, TRIMMED);
	CHECK_EQ(after, before - 2 * SLOT_BATCH);
}

static void stacks_that_are_needed_are_not_trimmed(void)
{
	struct slot_cache cache[SLOT_POOLS] = {0};

	for (unsigned i = 0; i < 5; i++) {
		fill_and_free(trimmed, TRIMMED, cache);
		slot_trim_look();
		while (slot_trim_some(1000))
			;
		CHECK_EQ(count_resident(trimmed, TRIMMED), TRIMMED);
	}
}

/*
 * Guards
 */
enum { KERNELS_ANSWER, REFUSED, FORGOTTEN };

static void touch_below(void *arg)
{
	intptr_t advice = (intptr_t)arg;
	struct slot_cache cache[SLOT_POOLS] = {0};
	struct slot *slot = NULL;

	if (advice != KERNELS_ANSWER) {
		refuse(SYS_madvise, 2, 102, advice == REFUSED ? EINVAL : 0);
		refuse(SYS_process_madvise, REFUSE_ANY, 0, ENOSYS);
	}
	/* Some are made one by one, some in a batch. */
	for (unsigned i = 0; i < 2 * SLOT_BATCH; i++) {
		slot = slot_take(find(), cache);
		*(volatile char *)slot_low(slot) = 1;
	}
	fprintf(stderr, "%s\n", slot_describe());
	fflush(stderr);
	signal(SIGSEGV, SIG_DFL);
	*(volatile char *)(slot_low(slot) - 1) = 1;
}

static void expect_fault(void *arg, const char *way)
{
	int status = child_run(touch_below, arg);

	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGSEGV);
	CHECK(strstr(child_said, way) == child_said);
}

static void below_a_stack_is_a_guard(void)
{
	int status = child_run(touch_below, NULL);

	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGSEGV);
}

static void where_the_kernel_has_no_guards_they_are_mappings(void)
{
	expect_fault((void *)(intptr_t)REFUSED, "mprotect");
}

/* As emulators do with advice that they do not know. */
static void advice_that_is_taken_and_forgotten_is_not_believed(void)
{
	expect_fault((void *)(intptr_t)FORGOTTEN, "mprotect");
}

/* Each guard splits a mapping in two, and their number has a limit. */
static void exhaust_mappings(void *arg)
{
	struct slot_cache cache[SLOT_POOLS] = {0};
	static struct slot *slots[70000];
	unsigned n = 0;

	(void)arg;
	refuse(SYS_madvise, 2, 102, EINVAL);
	refuse(SYS_process_madvise, REFUSE_ANY, 0, ENOSYS);
	while (n < ARRAY_SIZE(slots) && (slots[n] = slot_take(find(), cache)) != NULL)
		n++;
	if (n == ARRAY_SIZE(slots))
		exit(2);
	CHECK(n > 1000);
	/* Again and again: one line is enough. */
	for (unsigned i = 0; i < 10; i++)
		CHECK(slot_take(find(), cache) == NULL);
	/* Nothing is lost: all are usable, and can be had again. */
	for (unsigned i = 0; i < n; i++)
		memset(slot_low(slots[i]), 1, 16);
	for (unsigned i = 0; i < n; i++)
		slot_give(slots[i], cache);
	for (unsigned i = 0; i < n; i++)
		CHECK(slot_take(find(), cache) != NULL);
	CHECK(slot_take(find(), cache) == NULL);
	/* Whatever wants to run at exit has no mapping left for it. */
	_exit(0);
}

static void the_limit_on_mappings_is_named(void)
{
	static const char line[] = "libellula: no stack: mprotect of a stack guard: Cannot allocate memory; "
				   "the limit is vm.max_map_count\n";
	int status;

	NO_VALGRIND("valgrind itself has no room for so many mappings");
	status = child_run(exhaust_mappings, NULL);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
		SKIP("vm.max_map_count is higher than usual");
	CHECK_EXIT(status, 0);
	CHECK_STR(child_said, line);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(the_same_request_finds_the_same_pool),
		HARNESS_CASE(slots_are_apart_and_fully_usable),
		HARNESS_CASE(several_may_share_a_page),
		HARNESS_CASE(headers_spread_over_the_cache),
		HARNESS_CASE(the_last_one_given_is_the_next_one_taken),
		HARNESS_CASE(no_slot_is_taken_twice_or_forgotten),
		HARNESS_CASE(stacks_that_nobody_needs_are_trimmed),
		HARNESS_CASE(trimming_goes_in_steps),
		HARNESS_CASE(stacks_that_are_needed_are_not_trimmed),
		HARNESS_CASE(below_a_stack_is_a_guard),
		HARNESS_CASE(where_the_kernel_has_no_guards_they_are_mappings),
		HARNESS_CASE(advice_that_is_taken_and_forgotten_is_not_believed),
		HARNESS_CASE(the_limit_on_mappings_is_named),
	};

	return harness_run("slot", cases, ARRAY_SIZE(cases), argc, argv);
}
