/* SPDX-License-Identifier: BSD-2-Clause */
/* clock_test.c - the present, and deadlines from it */
#include <ellula/time.h>
#include <time.h>

#include "harness/harness.h"

static ell_time kernels(void)
{
	struct timespec ts;

	CHECK_EQ(clock_gettime(CLOCK_MONOTONIC, &ts), 0);
	return ts.tv_sec * ELL_SEC + ts.tv_nsec;
}

static void the_present_is_that_of_the_monotonic_clock(void)
{
	for (unsigned i = 0; i < 1000; i++) {
		ell_time before = kernels(), now = ell_now(), after = kernels();

		CHECK(before <= now && now <= after);
	}
}

static void a_deadline_is_so_much_later(void)
{
	static const int64_t spans[] = {0, 1, 1000000, ELL_SEC, 365 * 86400 * ELL_SEC, -1, -ELL_SEC};

	for (unsigned i = 0; i < ARRAY_SIZE(spans); i++) {
		ell_time before = ell_now(), then = ell_after(spans[i]), after = ell_now();

		CHECK(before + spans[i] <= then && then <= after + spans[i]);
	}
}

static void a_deadline_that_does_not_fit_is_for_ever(void)
{
	CHECK_EQ(ell_after(INT64_MAX), ELL_FOREVER);
	CHECK_EQ(ell_after(INT64_MAX - 1), ELL_FOREVER);
	CHECK(ell_after(INT64_MAX - ell_now() - ELL_SEC) < ELL_FOREVER);
	CHECK(ell_after(INT64_MIN) < ell_now());
	CHECK(ell_after(INT64_MIN) < 0);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(the_present_is_that_of_the_monotonic_clock),
		HARNESS_CASE(a_deadline_is_so_much_later),
		HARNESS_CASE(a_deadline_that_does_not_fit_is_for_ever),
	};

	return harness_run("clock", cases, ARRAY_SIZE(cases), argc, argv);
}
