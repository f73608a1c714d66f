/* SPDX-License-Identifier: BSD-2-Clause */
/* once_test.c - what <ellula/sync.h> promises of ell_once() */
#include <errno.h>

#include "sync/crew.h"

enum { OBJECTS = 20000 };

static struct ell_once_control once = ELL_ONCE_INIT;
static struct ell_once_control inner;
static struct ell_once_control many[OBJECTS];
static struct crew crew;
static unsigned runs;
static unsigned value;
static unsigned begun;
static bool may_end;

static void run_slowly(void)
{
	runs++;
	store_release(&begun, 1u);
	WAIT_FOR(load_acquire(&may_end));
	value = 42;
}

static void call_it(struct hand *hand)
{
	(void)hand;
	CHECK_EQ(ell_once(&once, run_slowly), 0);
	CHECK_EQ(value, 42);
}

static void everybody_waits_for_the_end_of_the_first_call(void)
{
	crew_start(&crew, 4, 4, call_it);
	WAIT_FOR(WAITERS(once.oc_waiters) == crew.size - 1);
	CHECK_EQ(load_acquire(&begun), 1);
	store_release(&may_end, true);
	crew_join(&crew);
	CHECK_EQ(runs, 1);
	CHECK_EQ(ell_once(&once, run_slowly), 0);
	CHECK_EQ(runs, 1);
}

static int inner_result;

static void come_again(void)
{
	runs++;
	inner_result = ell_once(&once, come_again);
}

static void a_function_that_comes_again_gets_EDEADLK(void)
{
	CHECK_EQ(ell_once(&once, come_again), 0);
	CHECK_EQ(inner_result, EDEADLK);
	CHECK_EQ(runs, 1);
	CHECK_EQ(ell_once(&once, come_again), 0);
	CHECK_EQ(runs, 1);
}

static void count_run(void)
{
	count_up(&runs, 1u);
}

static void call_another(void)
{
	CHECK_EQ(ell_once(&inner, count_run), 0);
}

static void different_objects_may_be_nested(void)
{
	CHECK_EQ(ell_once(&once, call_another), 0);
	CHECK_EQ(ell_once(&inner, count_run), 0);
	CHECK_EQ(runs, 1);
}

static void call_each(struct hand *hand)
{
	(void)hand;
	for (unsigned i = 0; i < OBJECTS; i++) {
		CHECK_EQ(ell_once(&many[i], count_run), 0);
		/* Each object's run is seen here; those of later objects may be on their way. */
		CHECK(load_relaxed(&runs) > i);
	}
}

static void race(void)
{
	crew_start(&crew, 4, 4, call_each);
	crew_join(&crew);
	CHECK_EQ(runs, OBJECTS);
}

static void each_function_runs_once_whoever_comes_first(void)
{
	crew_run(2, race);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(everybody_waits_for_the_end_of_the_first_call, HARNESS_IN_RUN),
		HARNESS_CASE(a_function_that_comes_again_gets_EDEADLK, HARNESS_IN_RUN),
		HARNESS_CASE(different_objects_may_be_nested, HARNESS_IN_RUN),
		HARNESS_CASE(each_function_runs_once_whoever_comes_first),
	};

	return harness_run("once", cases, ARRAY_SIZE(cases), argc, argv);
}
