/* SPDX-License-Identifier: BSD-2-Clause */
/* cpus_test.c - how many CPUs a quota grants, and an affinity mask */
#include "sys/cpus.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness/harness.h"

static unsigned quota(const char *text)
{
	char path[] = "/tmp/ellula-quota-XXXXXX";
	int fd = mkstemp(path);
	unsigned cpus;

	CHECK(fd >= 0);
	CHECK_EQ(dprintf(fd, "%s", text) >= 0, 1);
	close(fd);
	cpus = cpus_of_quota(path);
	unlink(path);
	return cpus;
}

static void a_quota_is_rounded_up_to_cpus(void)
{
	CHECK_EQ(quota("150000 100000\n"), 2);
	CHECK_EQ(quota("100000 100000\n"), 1);
	CHECK_EQ(quota("100001 100000\n"), 2);
	CHECK_EQ(quota("1000 100000\n"), 1);
	CHECK_EQ(quota("1 1000000\n"), 1);
	CHECK_EQ(quota("6400000 100000\n"), 64);
	CHECK_EQ(quota("25000 10000\n"), 3);
	CHECK_EQ(quota("200000 100000"), 2);
}

static void what_is_no_quota_grants_all(void)
{
	CHECK_EQ(quota("max 100000\n"), 0);
	CHECK_EQ(quota("max\n"), 0);
	CHECK_EQ(quota(""), 0);
	CHECK_EQ(quota("\n"), 0);
	CHECK_EQ(quota("garbage"), 0);
	CHECK_EQ(quota("100000"), 0);
	CHECK_EQ(quota("100000 0\n"), 0);
	CHECK_EQ(quota("0 100000\n"), 0);
	CHECK_EQ(quota("100000 max\n"), 0);
	CHECK_EQ(cpus_of_quota("/nowhere/cpu.max"), 0);
	CHECK_EQ(cpus_of_quota("/"), 0);
}

static void no_number_is_too_large(void)
{
	CHECK_EQ(quota("-1 100000\n"), 0);
	CHECK_EQ(quota("18446744073709551615 1000\n"), 0);
	CHECK_EQ(quota("18446744073709551615 100000\n"), 0);
	CHECK_EQ(quota("429496729700000 100000\n"), 0);
}

static void an_affinity_mask_bounds_it(void)
{
	cpu_set_t all, one;
	unsigned count;
	int cpu = 0;

	CHECK_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
	count = cpus_allowed(NULL);
	CHECK(count >= 1 && count <= (unsigned)CPU_COUNT(&all));
	while (!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	CHECK_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
	CHECK_EQ(cpus_allowed(NULL), 1);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(a_quota_is_rounded_up_to_cpus),
		HARNESS_CASE(what_is_no_quota_grants_all),
		HARNESS_CASE(no_number_is_too_large),
		HARNESS_CASE(an_affinity_mask_bounds_it),
	};

	return harness_run("cpus", cases, ARRAY_SIZE(cases), argc, argv);
}
