/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * crowd.c - very many threads: alive at once, one after the other, and when there is no room for more
 *
 * ELLULA_STRESS=n in the environment asks for n threads at once instead of 100,000.
 */
#include <ellula/ellula.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "harness/child.h"
#include "thread/threads.h"

/* What a thread may cost while it waits: a page of stack, its TLS block, and what the C library allocates for that. */
enum { BYTES_PER_THREAD = 14000 };

static unsigned wanted(void)
{
	const char *text = getenv("ELLULA_STRESS");

#ifdef WITH_TSAN
	/* It knows no more than some 8,000 at once. */
	return text ? (unsigned)atoi(text) : 1000;
#else
	return guards_fit(text ? (unsigned)atoi(text) : MANY(100000, 10000));
#endif
}

/* In KiB: FIELD is 0 for the address space, 1 for what is resident. */
static long memory(int field)
{
	FILE *file = fopen("/proc/self/statm", "re");
	long pages[2] = {0};

	CHECK(file != NULL);
	CHECK_EQ(fscanf(file, "%ld %ld", &pages[0], &pages[1]), 2);
	fclose(file);
	return pages[field] * 4;
}

static ell_thread *threads;
static unsigned alive;
static uint64_t sum;

static void *stand_around(void *arg)
{
	fetch_add_relaxed(&alive, 1);
	ell_park();
	fetch_add_relaxed(&sum, (uintptr_t)arg);
	return arg;
}

static void gather(unsigned n)
{
	store_relaxed(&alive, 0);
	store_relaxed(&sum, 0);
	for (uintptr_t i = 0; i < n; i++)
		threads[i] = start(stand_around, (void *)i);
	WAIT_FOR(load_relaxed(&alive) == n);
}

static void disperse(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		CHECK_EQ(ell_unpark(threads[i]), 0);
	for (uintptr_t i = 0; i < n; i++)
		CHECK(join(threads[i]) == (void *)i);
	CHECK_EQ(sum, (uint64_t)n * (n - 1) / 2);
}

static void a_crowd_is_alive_at_once(void)
{
	unsigned n = wanted();
	long before, with, again;

	threads = calloc(n, sizeof(*threads));
	CHECK(threads != NULL);
	before = memory(1);
	gather(n);
	with = memory(1);
	disperse(n);
	/* The next crowd stands where the first one stood. */
	gather(n);
	again = memory(1);
	disperse(n);
	free(threads);
	NOTE("%u threads, %ld bytes each, then %ld", n, (with - before) * 1024 / n, (again - before) * 1024 / n);
#if !defined(WITH_TSAN) && !defined(WITH_ASAN)
	CHECK((with - before) * 1024 < (long)n * BYTES_PER_THREAD);
	CHECK(again - with < 2048 + with / 50);
#endif
}

static void *use_some_stack(void *arg)
{
	volatile char bytes[20000];

	for (size_t i = 0; i < sizeof(bytes); i += 512)
		bytes[i] = 1;
	return (char *)arg + bytes[512];
}

static void threads_one_after_the_other_need_no_more_than_a_few(void)
{
	const unsigned warm = 5000, all = MANY(200000, 20000);
	struct ell_attr attr;
	long before = 0;
	char mark[2];

	ell_attr_init(&attr);
	for (unsigned i = 0; i < all; i += 20) {
		ell_thread some[20];

		if (i == warm)
			before = memory(1);
		for (unsigned k = 0; k < ARRAY_SIZE(some); k++) {
			attr.tls = k % 2 ? ELL_TLS_PRIVATE : ELL_TLS_SHARED;
			some[k] = start_with(&attr, use_some_stack, mark);
		}
		for (unsigned k = 0; k < ARRAY_SIZE(some); k++)
			CHECK(join(some[k]) == &mark[1]);
	}
	NOTE("%ld KiB after %u threads, %ld KiB after %u", before, warm, memory(1), all);
#if !defined(WITH_TSAN) && !defined(WITH_ASAN)
	CHECK(memory(1) - before < 16384);
#endif
}

/*
 * No room
 */
static int fill_the_room(void *arg)
{
	const unsigned most = 1000000;
	struct rlimit limit;
	const unsigned kept = 2 * 64 * (unsigned)ell_vcpus();
	unsigned n = 0, second;
	int error = 0;

	(void)arg;
	threads = calloc(most, sizeof(*threads));
	CHECK(threads != NULL);
	/* The first thread makes what is made once. */
	join(start(use_some_stack, (char[2]){0}));
	limit.rlim_cur = limit.rlim_max = (rlim_t)memory(0) * 1024 + ((rlim_t)200 << 20);
	CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
	while (n < most && (error = ell_create(&threads[n], NULL, stand_around, (void *)(uintptr_t)n)) == 0)
		n++;
	CHECK(error == ENOMEM || error == EAGAIN);
	CHECK(n > 100);
	/* It stays so, and does not get worse. */
	for (unsigned i = 0; i < 100; i++)
		CHECK_EQ(ell_create(NULL, NULL, stand_around, NULL), error);
	WAIT_FOR(load_relaxed(&alive) == n);
	disperse(n);
	/* As many as before, but for two batches of stacks that each other vCPU may keep. */
	CHECK(n > kept);
	store_relaxed(&alive, 0);
	store_relaxed(&sum, 0);
	for (second = 0; second < n - kept; second++)
		CHECK_EQ(ell_create(&threads[second], NULL, stand_around, (void *)(uintptr_t)second), 0);
	WAIT_FOR(load_relaxed(&alive) == second);
	disperse(second);
	free(threads);
	return 0;
}

static void run_full(void *arg)
{
	(void)arg;
	CHECK_EQ(ell_run(fill_the_room, NULL), 0);
}

static void without_room_there_is_an_error_and_a_line_and_nothing_is_lost(void)
{
#if defined(WITH_TSAN) || defined(WITH_ASAN)
	SKIP("the sanitizers need terabytes of address space");
#endif
	CHECK_EXIT(child_run(run_full, NULL), 0);
	CHECK(strstr(child_said, "libellula: no ") == child_said);
	/* It has a limit of its own on what it maps. */
	NEED_KERNEL();
	CHECK(strstr(child_said, "the limit is the address space (ulimit -v, vm.overcommit_memory)\n") != NULL);
	/* Once. */
	CHECK(strchr(child_said, '\n')[1] == '\0');
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE_ON_1_AND_2(a_crowd_is_alive_at_once, HARNESS_SECONDS(180)),
		HARNESS_CASE_ON_1_AND_2(threads_one_after_the_other_need_no_more_than_a_few, HARNESS_SECONDS(120)),
		HARNESS_CASE(without_room_there_is_an_error_and_a_line_and_nothing_is_lost),
	};

	return harness_run("crowd", cases, ARRAY_SIZE(cases), argc, argv);
}
