/* SPDX-License-Identifier: BSD-2-Clause */
/* self_test.c - who I am, what I am called, and how to let others go first */
#include <alloca.h>
#include <string.h>
#include <sys/prctl.h>

#include "thread/threads.h"

static void *tell(void *arg)
{
	ell_thread self = ell_self();

	for (unsigned i = 0; i < 20; i++) {
		ell_yield();
		sleep_for(i * 10 * ELL_USEC);
		CHECK(ell_equal(ell_self(), self));
	}
	*(ell_thread *)arg = self;
	return NULL;
}

static void self_is_the_name_that_the_creator_got(void)
{
	ell_thread threads[10], told[10];

	for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
		threads[i] = start(tell, &told[i]);
	for (unsigned i = 0; i < ARRAY_SIZE(threads); i++) {
		join(threads[i]);
		CHECK(ell_equal(told[i], threads[i]));
		CHECK(!ell_equal(told[i], ell_self()));
		for (unsigned k = 0; k < i; k++)
			CHECK(!ell_equal(threads[i], threads[k]));
	}
}

static void a_foreign_thread_has_a_name_too(void)
{
	struct foreign foreigns[4];
	ell_thread told[4];

	for (unsigned i = 0; i < ARRAY_SIZE(foreigns); i++)
		foreign_start(&foreigns[i], tell, &told[i]);
	for (unsigned i = 0; i < ARRAY_SIZE(foreigns); i++) {
		foreign_join(&foreigns[i]);
		CHECK(told[i] != 0 && told[i] != ell_self());
		for (unsigned k = 0; k < i; k++)
			CHECK(told[i] != told[k]);
		CHECK_EQ(ell_unpark(told[i]), ESRCH);
	}
}

static void *check_where(void *arg)
{
	CHECK_EQ(ell_vcpu(), -1);
	ell_yield();
	CHECK_EQ(ell_vcpus(), 2);
	CHECK_EQ(ell_stack_high_water(), 0);
	return arg;
}

static void a_foreign_thread_is_on_no_vcpu(void)
{
	struct foreign foreign;

	CHECK(ell_vcpu() >= 0);
	foreign_start(&foreign, check_where, NULL);
	foreign_join(&foreign);
}

static void before_the_start_there_are_no_vcpus(void)
{
	CHECK_EQ(ell_vcpus(), 0);
	CHECK_EQ(ell_vcpu(), -1);
	ell_yield();
	CHECK(ell_self() != 0);
	CHECK(!ell_park_until(ell_after(ELL_MSEC)));
	CHECK_EQ(ell_unpark(ell_self()), 0);
	ell_park();
}

static void the_first_thread_is_called_main(void)
{
	char name[ELL_NAME_MAX];

	CHECK_EQ(ell_name(ell_self(), name, sizeof(name)), 0);
	CHECK_STR(name, "main");
}

static void names_can_be_changed_and_are_cut(void)
{
	char name[ELL_NAME_MAX + 1];

	ell_name_set("Libellula depressa");
	memset(name, 'x', sizeof(name));
	CHECK_EQ(ell_name(ell_self(), name, ELL_NAME_MAX), 0);
	CHECK_STR(name, "Libellula depre");
	CHECK_EQ(name[ELL_NAME_MAX], 'x');
	memset(name, 'x', sizeof(name));
	CHECK_EQ(ell_name(ell_self(), name, 10), ERANGE);
	CHECK_STR(name, "Libellula");
	CHECK_EQ(name[10], 'x');
	CHECK_EQ(ell_name(ell_self(), name, 1), ERANGE);
	CHECK_STR(name, "");
	name[0] = 'x';
	CHECK_EQ(ell_name(ell_self(), name, 0), ERANGE);
	CHECK_EQ(name[0], 'x');
	ell_name_set("");
	CHECK_EQ(ell_name(ell_self(), name, 1), 0);
	CHECK_STR(name, "");
}

static void *check_foreign_name(void *arg)
{
	char name[ELL_NAME_MAX], kernels[16];

	CHECK_EQ(prctl(PR_GET_NAME, kernels), 0);
	CHECK_EQ(ell_name(ell_self(), name, sizeof(name)), 0);
	CHECK_STR(name, kernels);
	ell_name_set("somebody else");
	CHECK_EQ(ell_name(ell_self(), name, sizeof(name)), 0);
	CHECK_STR(name, "somebody else");
	return arg;
}

static void a_foreign_thread_begins_with_the_kernels_name_for_it(void)
{
	for (unsigned i = 0; i < 3; i++) {
		struct foreign foreign;

		foreign_start(&foreign, check_foreign_name, NULL);
		foreign_join(&foreign);
	}
}

/* Names are read while they change: one or the other, and never longer than there is room. */
static unsigned renamed;

static void *rename_often(void *arg)
{
	for (unsigned i = 0; i < 20000; i++) {
		ell_name_set(i % 2 ? "aaaaaaaaaaaaaaa" : "bb");
		if (i % 64 == 0)
			ell_yield();
	}
	store_release(&renamed, 1);
	return arg;
}

static void names_may_change_while_others_read_them(void)
{
	ell_thread thread = start(rename_often, NULL);
	char name[ELL_NAME_MAX];

	for (unsigned tries = 0; !load_acquire(&renamed); breathe(tries++)) {
		CHECK_EQ(ell_name(thread, name, sizeof(name)), 0);
		CHECK(strlen(name) < ELL_NAME_MAX);
	}
	join(thread);
}

/*
 * Yield
 */
enum { TAKES = 300 };

static unsigned order[3 * TAKES], taken;

static void *take_turns(void *arg)
{
	for (unsigned i = 0; i < TAKES; i++) {
		order[taken++] = (unsigned)(uintptr_t)arg;
		ell_yield();
	}
	return NULL;
}

static void those_who_yield_take_turns(void)
{
	ell_thread threads[3];

	for (uintptr_t i = 0; i < ARRAY_SIZE(threads); i++)
		threads[i] = start(take_turns, (void *)i);
	for (unsigned i = 0; i < ARRAY_SIZE(threads); i++)
		join(threads[i]);
	CHECK_EQ(taken, ARRAY_SIZE(order));
	for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
		CHECK_EQ(order[i], i % 3);
}

/*
 * High water
 */
static void *wade(void *arg)
{
	size_t before = ell_stack_high_water();

	CHECK(before > 0 && before <= 16384);
	for (size_t depth = 8192; depth <= 200000; depth *= 2) {
		volatile char *low = alloca(depth);

		for (size_t i = 0; i < depth; i += 512)
			low[i] = 1;
		CHECK(ell_stack_high_water() >= depth);
		CHECK(ell_stack_high_water() <= 2 * depth + 16384);
	}
	return arg;
}

static void the_high_water_mark_follows_the_stack(void)
{
	struct ell_attr attr;

	ell_attr_init(&attr);
	attr.stack_size = 512 * 1024;
	join(start_with(&attr, wade, NULL));
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE_ON_1_AND_2(self_is_the_name_that_the_creator_got),
		HARNESS_CASE(a_foreign_thread_has_a_name_too, HARNESS_IN_RUN),
		HARNESS_CASE(a_foreign_thread_is_on_no_vcpu, HARNESS_IN_RUN, HARNESS_VCPUS(2)),
		HARNESS_CASE(before_the_start_there_are_no_vcpus),
		HARNESS_CASE(the_first_thread_is_called_main, HARNESS_IN_RUN),
		HARNESS_CASE(names_can_be_changed_and_are_cut, HARNESS_IN_RUN),
		HARNESS_CASE(a_foreign_thread_begins_with_the_kernels_name_for_it, HARNESS_IN_RUN),
		HARNESS_CASE(names_may_change_while_others_read_them, HARNESS_IN_RUN),
		HARNESS_CASE(those_who_yield_take_turns, HARNESS_IN_RUN, HARNESS_VCPUS(1)),
		HARNESS_CASE_ON_1_AND_2(the_high_water_mark_follows_the_stack),
	};

	return harness_run("self", cases, ARRAY_SIZE(cases), argc, argv);
}
