/* SPDX-License-Identifier: BSD-2-Clause */
/* op_misc_test.c - nothing, and requests to a port of the program's */
#include "kport/ways.h"

WAYS(nothing_is_done)
{
	struct ell_msg m = {0};

	ell_msg_nop(&m);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(way_do(&m), 0);
}

static void a_request_carries_a_code_and_data_and_gets_a_result(void)
{
	struct ell_port service;
	struct ell_msg m = {0}, *request;
	int data = 42;

	ell_port_init(&service, "service");
	ell_msg_user(&m, 7, &data);
	m.ms_len = 3;
	CHECK_EQ(ell_port_put(&service, &m), 0);
	request = ell_port_wait(&service, ELL_FOREVER);
	CHECK(request == &m);
	CHECK_EQ(request->ms_opflags, 7);
	CHECK(request->ms_addr == &data);
	CHECK_EQ(request->ms_len, 3);
	ell_msg_reply(request, -ENOENT);
	CHECK_EQ(ell_msg_wait(&m, ELL_FOREVER), 0);
	CHECK_EQ(m.ms_result, -ENOENT);
	CHECK_EQ(ell_port_finish(&service), 0);
}

static void a_request_is_not_for_the_kernel(void)
{
	struct ell_msg m = {0};

	CHECK_EQ(ell_msg_send(&m), -EINVAL);
	ell_msg_user(&m, 0, NULL);
	CHECK_EQ(ell_msg_send(&m), -EINVAL);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		WAYS_CASES(nothing_is_done),
		HARNESS_CASE(a_request_carries_a_code_and_data_and_gets_a_result, HARNESS_IN_RUN),
		HARNESS_CASE(a_request_is_not_for_the_kernel, HARNESS_IN_RUN),
	};

	return harness_run("op_misc", cases, ARRAY_SIZE(cases), argc, argv);
}
