/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tls_test.c - thread-local storage belongs to the thread, wherever it runs
 *
 * Threads go to another vCPU at each switch (ELLULA_MIGRATE), so that an address that the compiler remembers from
 * before a wait is an error for certain, unless the block is the thread's own. What compilers remember differs: this
 * file and tls_wait.c are compiled in several ways (meson.build), and each is a test.
 */
#include <ctype.h>
#include <dlfcn.h>
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#include "harness/child.h"
#include "mem/tls_lib.h"
#include "mem/tls_wait.h"
#include "thread/threads.h"

enum { WORKERS = 6, ROUNDS = 1500 };

#if defined(WITH_ASAN) || defined(WITH_TSAN)
static const bool threads_have_tls = false;
#else
static const bool threads_have_tls = true;
#endif

static void need_private_tls(void)
{
	if (!threads_have_tls)
		SKIP("with a sanitizer, threads share the TLS of their LWP");
}

static void run_workers_with(const struct ell_attr *attr, void *(*fn)(void *))
{
	ell_thread threads[WORKERS];
	unsigned long before = tls_moves();

	for (uintptr_t i = 0; i < WORKERS; i++)
		threads[i] = start_with(attr, fn, (void *)(i + 1));
	for (unsigned i = 0; i < WORKERS; i++)
		join(threads[i]);
	NOTE("%lu moves", tls_moves() - before);
	if (threads_have_tls && !attr)
		CHECK(tls_moves() - before > ROUNDS);
}

static void run_workers(void *(*fn)(void *))
{
	need_private_tls();
	run_workers_with(NULL, fn);
}

/*
 * errno
 */
static void *use_errno(void *arg)
{
	int *where = &errno;

	for (int i = 0; i < ROUNDS; i++) {
		errno = i * WORKERS + (int)(intptr_t)arg;
		wait_quietly((unsigned)i);
		CHECK_EQ(errno, i * WORKERS + (int)(intptr_t)arg);
		CHECK(&errno == where);
	}
	return NULL;
}

static void errno_belongs_to_the_thread(void)
{
	run_workers(use_errno);
}

/* Here the address is not the thread's, and nobody may remember it: the library copies the value. */
static NOINLINE void set_errno(int value)
{
	__asm__ volatile("");
	errno = value;
}

static NOINLINE int get_errno(void)
{
	__asm__ volatile("");
	return errno;
}

static void *use_copied_errno(void *arg)
{
	int vcpu = -1;

	for (int i = 0; i < ROUNDS; i++) {
		set_errno(i * WORKERS + (int)(intptr_t)arg);
		wait_quietly((unsigned)i);
		CHECK_EQ(get_errno(), i * WORKERS + (int)(intptr_t)arg);
		CHECK(vcpu == -1 || vcpu == ell_vcpu());
		vcpu = ell_vcpu();
	}
	return NULL;
}

static void errno_belongs_to_a_thread_that_shares_the_rest(void)
{
	struct ell_attr attr;

	ell_attr_init(&attr);
	attr.tls = ELL_TLS_SHARED;
	run_workers_with(&attr, use_copied_errno);
}

static __thread unsigned lwps_own;

/* Not remembered either. */
static NOINLINE unsigned count_for_lwp(void)
{
	__asm__ volatile("");
	return ++lwps_own;
}

static void *count_together(void *arg)
{
	unsigned *most = arg;

	for (unsigned i = 0; i < 100; i++) {
		unsigned n = count_for_lwp();

		*most = n > *most ? n : *most;
		ell_yield();
	}
	return arg;
}

static void threads_that_share_see_each_others_variables(void)
{
	ell_thread threads[WORKERS];
	struct ell_attr attr;
	unsigned most = 0;

	ell_attr_init(&attr);
	attr.tls = ELL_TLS_SHARED;
	attr.vcpu = 1;
	for (unsigned i = 0; i < WORKERS; i++)
		threads[i] = start_with(&attr, count_together, &most);
	for (unsigned i = 0; i < WORKERS; i++)
		join(threads[i]);
	CHECK_EQ(most, WORKERS * 100);
}

/*
 * Variables of the program: zero, initialised, large, aligned, of another file
 */
static __thread unsigned long count;
static __thread unsigned long counted_from = 77;
static __thread char text[3000] = "zygoptera";
static __thread struct {
	char bytes[64];
} line __attribute__((aligned(64)));

static void check_first_values(void)
{
	CHECK_EQ(count, 0);
	CHECK_EQ(counted_from, 77);
	CHECK_STR(text, "zygoptera");
	for (size_t i = 10; i < sizeof(text); i++)
		CHECK_EQ(text[i], 0);
	for (size_t i = 0; i < sizeof(line.bytes); i++)
		CHECK_EQ(line.bytes[i], 0);
	CHECK_EQ((uintptr_t)&line % 64, 0);
	CHECK_EQ(tls_foreign_count, 1000);
	CHECK_STR(tls_foreign_text, "anisoptera");
	CHECK(tls_lib_is_new());
	CHECK_EQ(errno, 0);
}

static void leave_other_values(uintptr_t mark)
{
	count = mark;
	counted_from = mark;
	memset(text, (int)mark, sizeof(text));
	memset(line.bytes, (int)mark, sizeof(line.bytes));
	tls_foreign_count = mark;
	memset(tls_foreign_text, (int)mark, sizeof(tls_foreign_text));
	tls_lib_bump();
	errno = EXDEV;
}

static void *count_rounds(void *arg)
{
	uintptr_t mark = (uintptr_t)arg;
	const void *where = &count, *lib = tls_lib_address();

	check_first_values();
	memset(text, (int)mark, sizeof(text));
	memset(line.bytes, (int)mark, sizeof(line.bytes));
	for (unsigned i = 0; i < ROUNDS; i++) {
		count++;
		counted_from += mark;
		wait_somehow(i);
		CHECK_EQ(counted_from, 77 + (i + 1) * mark);
		CHECK_EQ(text[i % sizeof(text)], (char)mark);
		CHECK_EQ(line.bytes[i % sizeof(line)], (char)mark);
		tls_count_slowly(i);
		CHECK_EQ(tls_lib_bump(), TLS_LIB_FIRST + (int)i + 1);
	}
	CHECK_EQ(count, ROUNDS);
	CHECK_EQ(tls_foreign_count, 1000 + ROUNDS);
	CHECK(&count == where && tls_lib_address() == lib);
	return NULL;
}

static void variables_belong_to_the_thread(void)
{
	run_workers(count_rounds);
}

/* The compiler may keep the variable itself in a register, too, but for calls that it does not know. */
static void *count_in_a_loop(void *arg)
{
	unsigned long *mine = &count;

	for (unsigned i = 0; i < ROUNDS; i++) {
		++*mine;
		wait_quietly(i);
		++count;
	}
	CHECK_EQ(count, 2 * ROUNDS);
	return arg;
}

static void an_address_stays_good_across_waits(void)
{
	run_workers(count_in_a_loop);
}

static void *find_and_leave(void *arg)
{
	check_first_values();
	leave_other_values((uintptr_t)arg);
	wait_quietly((unsigned)(uintptr_t)arg);
	CHECK_EQ(count, (uintptr_t)arg);
	CHECK_EQ(text[2999], (char)(uintptr_t)arg);
	return arg;
}

static void the_next_thread_on_a_stack_begins_with_first_values(void)
{
	need_private_tls();
	for (uintptr_t i = 1; i <= 500; i++)
		join(start(find_and_leave, (void *)i));
}

/*
 * A library that comes late
 */
static struct {
	int (*bump)(void);
	bool (*is_new)(void);
	const void *(*address)(void);
} late;

static unsigned loaded;

static void *use_late_library(void *arg)
{
	const void *where;

	WAIT_FOR(load_acquire(&loaded));
	CHECK(late.is_new());
	where = late.address();
	for (int i = 1; i < ROUNDS; i++) {
		CHECK_EQ(late.bump(), TLS_LIB_FIRST + i);
		wait_quietly((unsigned)i);
	}
	CHECK(late.address() == where);
	return arg;
}

static void variables_of_a_library_that_is_loaded_late_are_the_threads_too(void)
{
	ell_thread threads[WORKERS];
	void *library;

	need_private_tls();
	for (uintptr_t i = 0; i < WORKERS; i++)
		threads[i] = start(use_late_library, NULL);
	library = dlopen(TLS_LATE, RTLD_NOW);
	if (!library)
		FAIL("dlopen: %s", dlerror());
	*(void **)&late.bump = dlsym(library, "tls_lib_bump");
	*(void **)&late.is_new = dlsym(library, "tls_lib_is_new");
	*(void **)&late.address = dlsym(library, "tls_lib_address");
	CHECK(late.bump && late.is_new && late.address);
	CHECK(late.address() != tls_lib_address());
	store_release(&loaded, 1);
	for (unsigned i = 0; i < WORKERS; i++)
		join(threads[i]);
	/* The same stacks again, with blocks in which the library has its variables already. */
	for (unsigned i = 0; i < 50; i++)
		join(start(use_late_library, NULL));
}

/*
 * What the C library keeps for a thread
 */
static void *use_locale(void *arg)
{
	bool utf8 = (uintptr_t)arg % 2;
	locale_t mine = newlocale(LC_ALL_MASK, utf8 ? "C.UTF-8" : "C", NULL);
	const char *codeset = utf8 ? "UTF-8" : "ANSI_X3.4-1968";

	CHECK(mine != NULL);
	CHECK(uselocale(NULL) == LC_GLOBAL_LOCALE);
	uselocale(mine);
	for (unsigned i = 0; i < ROUNDS; i++) {
		wait_quietly(i);
		CHECK(uselocale(NULL) == mine);
		CHECK_STR(nl_langinfo(CODESET), codeset);
		CHECK_EQ(MB_CUR_MAX, utf8 ? 6 : 1);
		CHECK(isalpha('x') && !isalpha('1'));
		CHECK_EQ(iswalpha(0xe4) != 0, utf8);
	}
	/* Its successor on this stack must not find it. */
	return mine;
}

static void the_locale_belongs_to_the_thread(void)
{
	need_private_tls();
	for (unsigned again = 0; again < 3; again++) {
		ell_thread threads[WORKERS];

		for (uintptr_t i = 0; i < WORKERS; i++)
			threads[i] = start(use_locale, (void *)i);
		for (unsigned i = 0; i < WORKERS; i++)
			freelocale(join(threads[i]));
	}
}

enum { KEYS = 70 };

static pthread_key_t keys[KEYS];

static void *use_keys(void *arg)
{
	for (unsigned k = 0; k < KEYS; k++) {
		CHECK(pthread_getspecific(keys[k]) == NULL);
		CHECK_EQ(pthread_setspecific(keys[k], (char *)arg + k), 0);
	}
	for (unsigned i = 0; i < ROUNDS; i++) {
		wait_quietly(i);
		CHECK(pthread_getspecific(keys[i % KEYS]) == (char *)arg + i % KEYS);
	}
	return NULL;
}

/* Most programs use few keys: these have a place of their own in the C library. */
static void *use_one_key(void *arg)
{
	CHECK(pthread_getspecific(keys[0]) == NULL);
	CHECK_EQ(pthread_setspecific(keys[0], arg), 0);
	wait_quietly((unsigned)(uintptr_t)arg);
	CHECK(pthread_getspecific(keys[0]) == arg);
	return NULL;
}

static void values_of_keys_belong_to_the_thread_and_end_with_it(void)
{
	for (unsigned k = 0; k < KEYS; k++)
		CHECK_EQ(pthread_key_create(&keys[k], NULL), 0);
	need_private_tls();
	for (uintptr_t i = 1; i < 200; i++)
		join(start(use_one_key, (void *)i));
	for (unsigned i = 0; i < 3; i++)
		run_workers(use_keys);
}

static void *use_strerror(void *arg)
{
	int number = 5000 + (int)(intptr_t)arg;
	const char *said = strerror(number);
	char expected[40];

	snprintf(expected, sizeof(expected), "Unknown error %d", number);
	for (unsigned i = 0; i < ROUNDS; i++) {
		CHECK_STR(said, expected);
		wait_quietly(i);
		if (i % 100 == 0)
			said = strerror(number);
	}
	return NULL;
}

static void what_strerror_said_stays(void)
{
	run_workers(use_strerror);
}

static void *use_identity(void *arg)
{
	pthread_t self = pthread_self();
	const void *resolver = &_res;

	for (unsigned i = 0; i < ROUNDS; i++) {
		wait_quietly(i);
		CHECK(pthread_equal(pthread_self(), self));
		CHECK(&_res == resolver);
		/* stdio's locks know their owner by it. */
		flockfile(stdin);
		flockfile(stdin);
		CHECK_EQ(ftrylockfile(stdin), 0);
		for (unsigned k = 0; k < 3; k++)
			funlockfile(stdin);
	}
	*(pthread_t *)arg = self;
	return NULL;
}

static void each_thread_is_somebody_to_the_c_library(void)
{
	ell_thread threads[WORKERS];
	pthread_t selves[WORKERS];

	need_private_tls();
	for (unsigned i = 0; i < WORKERS; i++)
		threads[i] = start(use_identity, &selves[i]);
	for (unsigned i = 0; i < WORKERS; i++) {
		join(threads[i]);
		CHECK(!pthread_equal(selves[i], pthread_self()));
		for (unsigned k = 0; k < i; k++)
			CHECK(!pthread_equal(selves[i], selves[k]));
	}
}

/*
 * malloc
 */
enum { BLOCKS = 64 };

static unsigned char *passed[BLOCKS];

static void check_block(const unsigned char *block)
{
	size_t size = *(const size_t *)(const void *)block;

	for (size_t i = sizeof(size_t); i < size; i++)
		CHECK_EQ(block[i], (unsigned char)size);
}

static void *allocate_and_free(void *arg)
{
	uint64_t seed = (uintptr_t)arg * UINT64_C(0x9e3779b97f4a7c15);

	for (unsigned i = 0; i < 4 * ROUNDS; i++) {
		unsigned slot = random_below(&seed, BLOCKS);
		size_t size = 16 + random_below(&seed, i % 64 == 0 ? 200000 : 2000);
		unsigned char *block = malloc(size), *old;

		CHECK(block != NULL);
		memset(block, (int)(unsigned char)size, size);
		*(size_t *)(void *)block = size;
		if (i % 4 == 0)
			wait_quietly(i);
		check_block(block);
		/* Whoever comes next, elsewhere perhaps, frees it. */
		old = xchg_acq_rel(&passed[slot], block);
		if (old) {
			check_block(old);
			free(old);
		}
	}
	return NULL;
}

static void memory_can_be_allocated_here_and_freed_there(void)
{
	run_workers_with(NULL, allocate_and_free);
	for (unsigned i = 0; i < BLOCKS; i++)
		free(passed[i]);
}

static long resident_kib(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	long size, resident = 0;

	CHECK(file != NULL);
	CHECK_EQ(fscanf(file, "%ld %ld", &size, &resident), 2);
	fclose(file);
	return resident * 4;
}

static void *allocate_a_little(void *arg)
{
	void *blocks[40];

	for (unsigned i = 0; i < ARRAY_SIZE(blocks); i++)
		blocks[i] = malloc(16 << i % 10);
	strerror(5000 + (int)(intptr_t)arg);
	for (unsigned i = 0; i < ARRAY_SIZE(blocks); i++)
		free(blocks[i]);
	return arg;
}

static void create_and_measure(void *arg)
{
	const uintptr_t warm = 5000, all = MANY(100000, 15000);
	long before = 0;

	(void)arg;
	unsetenv("ELLULA_MIGRATE");
	CHECK_EQ(ell_init(), 0);
	for (uintptr_t i = 0; i < all; i += 10) {
		ell_thread threads[10];

		if (i == warm)
			before = resident_kib();
		for (uintptr_t k = 0; k < ARRAY_SIZE(threads); k++)
			threads[k] = start(allocate_a_little, (void *)(i + k));
		for (uintptr_t k = 0; k < ARRAY_SIZE(threads); k++)
			join(threads[k]);
	}
	NOTE("%ld KiB after %lu threads, %ld KiB after %lu", before, (unsigned long)warm, resident_kib(),
	     (unsigned long)all);
	/*
	 * A cache per thread would be some 1,000 MiB by now; there is one, of 20 KiB, per stack that is kept: some
	 * hundred. The sanitizers have one of their own for what is freed.
	 */
	CHECK(resident_kib() - before < MANY(16384, 1000000));
}

static void threads_that_have_ended_leave_no_caches(void)
{
	CHECK_EXIT(child_run(create_and_measure, NULL), 0);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(errno_belongs_to_the_thread, HARNESS_IN_RUN, HARNESS_VCPUS(2)),
		HARNESS_CASE(errno_belongs_to_a_thread_that_shares_the_rest, HARNESS_IN_RUN, HARNESS_VCPUS(2)),
		HARNESS_CASE(threads_that_share_see_each_others_variables, HARNESS_IN_RUN, HARNESS_VCPUS(2)),
		HARNESS_CASE(variables_belong_to_the_thread, HARNESS_IN_RUN, HARNESS_VCPUS(2)),
		HARNESS_CASE(an_address_stays_good_across_waits, HARNESS_IN_RUN, HARNESS_VCPUS(2)),
		HARNESS_CASE(the_next_thread_on_a_stack_begins_with_first_values, HARNESS_IN_RUN, HARNESS_VCPUS(2)),
		HARNESS_CASE(variables_of_a_library_that_is_loaded_late_are_the_threads_too, HARNESS_IN_RUN,
			     HARNESS_VCPUS(2)),
		HARNESS_CASE(the_locale_belongs_to_the_thread, HARNESS_IN_RUN, HARNESS_VCPUS(2)),
		HARNESS_CASE(values_of_keys_belong_to_the_thread_and_end_with_it, HARNESS_IN_RUN, HARNESS_VCPUS(2)),
		HARNESS_CASE(what_strerror_said_stays, HARNESS_IN_RUN, HARNESS_VCPUS(2)),
		HARNESS_CASE(each_thread_is_somebody_to_the_c_library, HARNESS_IN_RUN, HARNESS_VCPUS(2)),
		HARNESS_CASE(memory_can_be_allocated_here_and_freed_there, HARNESS_IN_RUN, HARNESS_VCPUS(2)),
		HARNESS_CASE(threads_that_have_ended_leave_no_caches),
	};

	setenv("ELLULA_MIGRATE", "1", 1);
	return harness_run(TLS_TEST, cases, ARRAY_SIZE(cases), argc, argv);
}
