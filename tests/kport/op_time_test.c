/* SPDX-License-Identifier: BSD-2-Clause */
/* op_time_test.c - sleeping by message: never too short, counted from the sending, told apart by tags */
#include <ellula/ops.h>
#include <ellula/port.h>
#include <errno.h>

#include "harness/harness.h"

static void a_sleep_is_never_too_short(void)
{
	static const int64_t lengths[] = {0, 1, 999, ELL_USEC, 100 * ELL_USEC, ELL_MSEC, 20 * ELL_MSEC};
	struct ell_msg m = {0};

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		ell_time before = ell_now();

		ell_msg_nanosleep(&m, lengths[i]);
		CHECK_EQ(ell_msg_do(&m), 0);
		CHECK(ell_now() - before >= lengths[i]);
	}
}

static void a_sleep_is_counted_from_its_sending(void)
{
	struct ell_msg m = {0}, pause = {0};
	ell_time before;

	ell_msg_nanosleep(&m, 20 * ELL_MSEC);
	ell_msg_nanosleep(&pause, 30 * ELL_MSEC);
	CHECK_EQ(ell_msg_do(&pause), 0);
	/* And again, with the same message. */
	for (int i = 0; i < 2; i++) {
		before = ell_now();
		CHECK_EQ(ell_msg_do(&m), 0);
		CHECK(ell_now() - before >= 20 * ELL_MSEC);
	}
}

static void a_timer_ends_at_a_point_in_time(void)
{
	struct ell_msg m = {0};
	ell_time when = ell_now() + 20 * ELL_MSEC;

	ell_msg_timer(&m, when);
	CHECK_EQ(ell_msg_do(&m), 0);
	CHECK(ell_now() >= when);
	/* Now it is past. */
	CHECK_EQ(ell_msg_do(&m), 0);
	ell_msg_timer(&m, INT64_MIN);
	CHECK_EQ(ell_msg_do(&m), 0);
	ell_msg_timer(&m, 0);
	CHECK_EQ(ell_msg_do(&m), 0);
}

static void a_timer_for_ever_ends_only_when_revoked(void)
{
	struct ell_msg m = {0};

	ell_msg_timer(&m, ELL_FOREVER);
	CHECK_EQ(ell_msg_do_until(&m, ell_after(10 * ELL_MSEC)), -ETIMEDOUT);
	ell_msg_nanosleep(&m, INT64_MAX);
	CHECK_EQ(ell_msg_send(&m), 0);
	CHECK_EQ(ell_msg_revoke(&m), 0);
	CHECK_EQ(ell_msg_wait(&m, ELL_FOREVER), 0);
	CHECK_EQ(m.ms_result, -ECANCELED);
}

static void two_sleeps_are_told_apart_by_their_tags(void)
{
	struct ell_port port;
	struct ell_msg slow, fast;
	char first, second;

	ell_port_init(&port, "sleeps");
	ell_msg_init(&slow, &port, &second);
	ell_msg_init(&fast, &port, &first);
	ell_msg_nanosleep(&slow, 40 * ELL_MSEC);
	ell_msg_nanosleep(&fast, 5 * ELL_MSEC);
	CHECK_EQ(ell_msg_send(&slow), 0);
	CHECK_EQ(ell_msg_send(&fast), 0);
	CHECK(ell_port_wait(&port, ELL_FOREVER)->ms_tag == &first);
	CHECK(ell_port_wait(&port, ELL_FOREVER)->ms_tag == &second);
	CHECK_EQ(ell_port_finish(&port), 0);
}

static void a_negative_length_is_refused(void)
{
	struct ell_msg m = {0};

	ell_msg_nanosleep(&m, -1);
	CHECK_EQ(ell_msg_do(&m), -EINVAL);
	ell_msg_nanosleep(&m, INT64_MIN);
	CHECK_EQ(ell_msg_do(&m), -EINVAL);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(a_sleep_is_never_too_short, HARNESS_IN_RUN),
		HARNESS_CASE(a_sleep_is_counted_from_its_sending, HARNESS_IN_RUN),
		HARNESS_CASE(a_timer_ends_at_a_point_in_time, HARNESS_IN_RUN),
		HARNESS_CASE(a_timer_for_ever_ends_only_when_revoked, HARNESS_IN_RUN),
		HARNESS_CASE(two_sleeps_are_told_apart_by_their_tags, HARNESS_IN_RUN),
		HARNESS_CASE(a_negative_length_is_refused, HARNESS_IN_RUN),
	};

	return harness_run("op_time", cases, ARRAY_SIZE(cases), argc, argv);
}
