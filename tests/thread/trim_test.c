/* SPDX-License-Identifier: BSD-2-Clause */
/* trim_test.c - stacks that nobody needs go back to the system */
#include <ellula/ellula.h>
#include <stdio.h>

#include "harness/harness.h"

enum { THREADS = 2000, DEPTH = 40960, PAGE = 4096 };

static long resident_pages(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	long size, resident = 0;

	CHECK(file != NULL);
	CHECK_EQ(fscanf(file, "%ld %ld", &size, &resident), 2);
	fclose(file);
	return resident;
}

static void *use_stack(void *gate)
{
	char bytes[DEPTH];

	for (int i = 0; i < DEPTH; i += PAGE)
		*(volatile char *)&bytes[i] = 1;
	ell_sem_wait(gate);
	return NULL;
}

static void deep_stacks_are_given_back_some_time_after_their_threads(void)
{
	static ell_thread threads[THREADS];
	static struct ell_sem gate;
	struct ell_attr attr;
	long used, left = 0;

	ell_attr_init(&attr);
	attr.tls = ELL_TLS_SHARED;
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(ell_create(&threads[i], &attr, use_stack, &gate), 0);
	ell_yield();
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(ell_sem_post(&gate), 0);
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(ell_join(threads[i], NULL), 0);
	used = resident_pages();
	/* Two looks, five seconds apart, and the time for half of it. */
	for (int seconds = 0; seconds < 30; seconds++) {
		ell_sleep_until(ell_after(ELL_SEC));
		left = resident_pages();
		if (used - left > THREADS / 3 * (DEPTH / PAGE - 1))
			return;
	}
	FAIL("of %ld resident pages only %ld were given back", used, used - left);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(deep_stacks_are_given_back_some_time_after_their_threads, HARNESS_IN_RUN,
			     HARNESS_SECONDS(60)),
	};

	return harness_run("trim", cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
