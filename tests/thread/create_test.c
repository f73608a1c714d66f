/* SPDX-License-Identifier: BSD-2-Clause */
/* create_test.c - what a new thread is like */
#include <alloca.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "harness/child.h"
#include "thread/threads.h"

static void *same(void *arg)
{
	return arg;
}

static int create(size_t stack, size_t guard)
{
	struct ell_attr attr;
	ell_thread thread;
	int error;

	ell_attr_init(&attr);
	attr.stack_size = stack;
	attr.guard_size = guard;
	error = ell_create(&thread, &attr, same, NULL);
	if (error == 0)
		join(thread);
	return error;
}

static void without_a_function_there_is_no_thread(void)
{
	CHECK_EQ(ell_create(NULL, NULL, NULL, NULL), EINVAL);
}

static void without_the_runtime_there_is_no_thread(void)
{
	ell_thread thread = 42;

	CHECK_EQ(ell_create(&thread, NULL, same, NULL), ENXIO);
	CHECK_EQ(thread, 42);
}

static void the_defaults_are_as_documented(void)
{
	struct ell_attr attr;

	memset(&attr, 0xff, sizeof(attr));
	ell_attr_init(&attr);
	CHECK_EQ(attr.stack_size, ELL_STACK_DEFAULT);
	CHECK_EQ(attr.guard_size, sysconf(_SC_PAGESIZE));
	CHECK(attr.name == NULL);
	CHECK_EQ(attr.vcpu, ELL_VCPU_ANY);
	CHECK_EQ(attr.tls, ELL_TLS_PRIVATE);
	CHECK(!attr.detached);
}

static void *mark(void *arg)
{
	store_release((unsigned *)arg, 1);
	return NULL;
}

static void the_name_is_not_asked_for(void)
{
	unsigned done = 0;

	CHECK_EQ(ell_create(NULL, NULL, mark, &done), 0);
	WAIT_FOR(load_acquire(&done));
}

static void stack_sizes_have_a_range(void)
{
	const size_t page = 4096;

	CHECK_EQ(create(0, 0), EINVAL);
	CHECK_EQ(create(ELL_STACK_MIN - 1, 0), EINVAL);
	CHECK_EQ(create(ELL_STACK_MIN, 0), 0);
	CHECK_EQ(create(ELL_STACK_MIN, 1), EINVAL);
	CHECK_EQ(create(ELL_STACK_MIN + page - 1, 1), EINVAL);
	CHECK_EQ(create(ELL_STACK_MIN + page, 1), 0);
	CHECK_EQ(create(ELL_STACK_MIN + 4 * page, 3 * page + 1), 0);
	CHECK_EQ(create((size_t)1 << 31, page), EINVAL);
	CHECK_EQ(create(SIZE_MAX, page), EINVAL);
	CHECK_EQ(create(SIZE_MAX / 2 + 2, page), EINVAL);
	CHECK_EQ(create(ELL_STACK_DEFAULT, SIZE_MAX), EINVAL);
	CHECK_EQ(create(ELL_STACK_DEFAULT, SIZE_MAX - page), EINVAL);
	CHECK_EQ(create(ELL_STACK_DEFAULT, ELL_STACK_DEFAULT), EINVAL);
}

static void other_attributes_have_a_range(void)
{
	static const int bad_vcpus[] = {-2, INT_MIN, INT_MAX};
	struct ell_attr attr;

	ell_attr_init(&attr);
	for (size_t i = 0; i < ARRAY_SIZE(bad_vcpus); i++) {
		attr.vcpu = bad_vcpus[i];
		CHECK_EQ(ell_create(NULL, &attr, same, NULL), EINVAL);
	}
	attr.vcpu = ell_vcpus();
	CHECK_EQ(ell_create(NULL, &attr, same, NULL), EINVAL);
	ell_attr_init(&attr);
	attr.tls = (enum ell_tls)(ELL_TLS_SHARED + 1);
	CHECK_EQ(ell_create(NULL, &attr, same, NULL), EINVAL);
}

/* All of it, but for what the first frames and this one need. */
static void *use_the_stack(void *arg)
{
	enum { FRAMES = 4096 };
	size_t bytes = *(size_t *)arg - FRAMES;
	volatile char *low = alloca(bytes);

	for (size_t i = 0; i < bytes; i += 512)
		low[i] = 1;
	CHECK(ell_stack_high_water() >= bytes);
	return arg;
}

static void a_thread_can_use_the_stack_it_asked_for(void)
{
	static const size_t sizes[] = {ELL_STACK_MIN, 32768, ELL_STACK_DEFAULT, 100000, 1 << 20, 8 << 20, 64 << 20};
	static const size_t guards[] = {0, 4096, 65536};

	for (size_t g = 0; g < ARRAY_SIZE(guards); g++) {
		for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
			/* The descriptor lies in it, too, and the size is rounded up. */
			size_t usable = sizes[s] - (sizes[s] == ELL_STACK_MIN ? 2048 : 0);
			struct ell_attr attr;

			ell_attr_init(&attr);
			attr.guard_size = guards[g];
			attr.stack_size = sizes[s] + guards[g];
			for (unsigned i = 0; i < 3; i++)
				join(start_with(&attr, use_the_stack, &usable));
		}
	}
}

static void create_many_kinds(void *arg)
{
	int error = 0;
	size_t kinds = 0;

	(void)arg;
	CHECK_EQ(ell_init(), 0);
	for (size_t guard = 4096; kinds < 100 && error == 0; guard += 4096, kinds++)
		error = create(1 << 20, guard);
	CHECK_EQ(error, EAGAIN);
	CHECK(kinds > 10);
	CHECK_EQ(create(1 << 20, 4096), 0);
	CHECK_EQ(create(1 << 20, 99 * 4096), EAGAIN);
}

static void too_many_kinds_of_stacks_are_an_error_that_says_so(void)
{
	CHECK_EXIT(child_run(create_many_kinds, NULL), 0);
	CHECK(strstr(child_said, "the limit is 32 combinations"));
}

static void *check_name(void *arg)
{
	char name[ELL_NAME_MAX];

	CHECK_EQ(ell_name(ell_self(), name, sizeof(name)), 0);
	CHECK_STR(name, arg);
	return NULL;
}

static void the_name_is_copied(void)
{
	char name[] = "a dragonfly";
	struct ell_attr attr;
	ell_thread thread;

	ell_attr_init(&attr);
	attr.name = name;
	thread = start_with(&attr, check_name, (void *)"a dragonfly");
	memset(name, 'x', sizeof(name) - 1);
	join(thread);
	attr.name = "0123456789abcdef0123456789abcdef";
	join(start_with(&attr, check_name, (void *)"0123456789abcde"));
	attr.name = "";
	join(start_with(&attr, check_name, (void *)""));
	join(start(check_name, (void *)"thread"));
}

/*
 * A thread with a vCPU of its own stays there, whatever it waits for and whoever wakes it.
 */
static ell_thread visited[2];

static void *stay(void *arg)
{
	int vcpu = (int)(intptr_t)arg;
	int ends[2];
	char byte;

	CHECK_EQ(pipe(ends), 0);
	for (unsigned i = 0; i < harness_rounds(MANY(3000, 300)); i++) {
		CHECK_EQ(ell_vcpu(), vcpu);
		ell_yield();
		CHECK_EQ(ell_vcpu(), vcpu);
		sleep_for(i % 50 * ELL_USEC);
		CHECK_EQ(ell_vcpu(), vcpu);
		/* The other pinned thread wakes it, from the other vCPU. */
		ell_unpark(load_acquire(&visited[!vcpu]));
		ell_park_until(ell_after(200 * ELL_USEC));
		CHECK_EQ(ell_vcpu(), vcpu);
		CHECK_EQ(join(start(same, arg)) == arg, true);
		CHECK_EQ(ell_vcpu(), vcpu);
		CHECK_EQ(ell_write(ends[1], "x", 1), 1);
		CHECK_EQ(ell_read(ends[0], &byte, 1), 1);
		CHECK_EQ(ell_vcpu(), vcpu);
	}
	close(ends[0]);
	close(ends[1]);
	return arg;
}

static void a_thread_stays_on_its_vcpu(void)
{
	for (int i = 0; i < 2; i++)
		store_release(&visited[i], start_on(i, stay, (void *)(intptr_t)i));
	for (int i = 0; i < 2; i++)
		join(visited[i]);
}

static unsigned seen[2];

static void *look_around(void *arg)
{
	for (unsigned i = 0; i < 100 && !(load_relaxed(&seen[0]) && load_relaxed(&seen[1])); i++) {
		store_relaxed(&seen[ell_vcpu()], 1);
		compute_for(ELL_MSEC);
		ell_yield();
	}
	return arg;
}

static void other_threads_go_where_there_is_room(void)
{
	ell_thread threads[4];

	for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
		threads[i] = start(look_around, NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
		join(threads[i]);
	CHECK_CAME(seen[0] && seen[1]);
}

/*
 * Creators everywhere
 */
enum { CREATORS = 4, EACH = MANY(20000, 1600) };

static unsigned ran;

static void *count_me(void *arg)
{
	fetch_add_relaxed(&ran, 1);
	return arg;
}

static void *create_and_join(void *arg)
{
	ell_thread threads[16];

	for (unsigned i = 0; i < EACH; i += ARRAY_SIZE(threads)) {
		for (unsigned k = 0; k < ARRAY_SIZE(threads); k++)
			threads[k] = start(count_me, arg);
		for (unsigned k = 0; k < ARRAY_SIZE(threads); k++)
			CHECK(join(threads[k]) == arg);
	}
	return arg;
}

static void all_kinds_of_threads_may_create_at_once(void)
{
	struct foreign foreigns[CREATORS / 2];
	ell_thread threads[CREATORS / 2];

	for (unsigned i = 0; i < CREATORS / 2; i++) {
		threads[i] = start(create_and_join, &ran);
		foreign_start(&foreigns[i], create_and_join, &ran);
	}
	for (unsigned i = 0; i < CREATORS / 2; i++) {
		join(threads[i]);
		foreign_join(&foreigns[i]);
	}
	CHECK_EQ(ran, CREATORS * EACH);
}

/* A thread may end on another LWP than the one that made its stack; both ways. */
static void *chain(void *arg)
{
	unsigned left = (unsigned)(uintptr_t)arg;

	if (left > 0) {
		struct ell_attr attr;

		ell_attr_init(&attr);
		attr.vcpu = (int)(left % (unsigned)ell_vcpus());
		attr.detached = true;
		CHECK_EQ(ell_create(NULL, &attr, chain, (void *)(uintptr_t)(left - 1)), 0);
	}
	fetch_add_relaxed(&ran, 1);
	return NULL;
}

static void each_thread_may_make_the_next(void)
{
	const unsigned links = harness_rounds(MANY(50000, 5000));

	chain((void *)(uintptr_t)links);
	WAIT_FOR(load_relaxed(&ran) == links + 1);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(without_a_function_there_is_no_thread, HARNESS_IN_RUN),
		HARNESS_CASE(without_the_runtime_there_is_no_thread),
		HARNESS_CASE(the_defaults_are_as_documented),
		HARNESS_CASE(the_name_is_not_asked_for, HARNESS_IN_RUN),
		HARNESS_CASE(stack_sizes_have_a_range, HARNESS_IN_RUN),
		HARNESS_CASE(other_attributes_have_a_range, HARNESS_IN_RUN),
		HARNESS_CASE_ON_1_AND_2(a_thread_can_use_the_stack_it_asked_for),
		HARNESS_CASE(too_many_kinds_of_stacks_are_an_error_that_says_so),
		HARNESS_CASE(the_name_is_copied, HARNESS_IN_RUN),
		HARNESS_CASE(a_thread_stays_on_its_vcpu, HARNESS_IN_RUN, HARNESS_VCPUS(2)),
		HARNESS_CASE(other_threads_go_where_there_is_room, HARNESS_IN_RUN, HARNESS_VCPUS(2)),
		HARNESS_CASE_ON_1_AND_2(all_kinds_of_threads_may_create_at_once),
		HARNESS_CASE_ON_1_AND_2(each_thread_may_make_the_next),
	};

	return harness_run("create", cases, ARRAY_SIZE(cases), argc, argv);
}
