/* SPDX-License-Identifier: BSD-2-Clause */
/* tls_layout_test.c - what lies at the thread pointer is found for what it is */
#include "mem/tls_layout.h"

#include <string.h>

#include "arch/arch.h"
#include "harness/harness.h"
#include "sys/sys.h"

enum { LOOKED_AT = 512 };

static pid_t claimed;

static pid_t claim(void)
{
	return claimed;
}

/* Who is number 1 in a container, or has half of an address as its number, must not take that for the place. */
static void another_number_that_is_there_is_not_taken_for_the_tid(void)
{
	const char *tp = (const char *)arch_tls();
	pid_t tid = sys.gettid();
	struct tls_layout layout;
	ptrdiff_t place;

	CHECK(tls_layout_find(&layout));
	place = layout.tid;
	CHECK(place != 0);
	sys.gettid = claim;
	for (ptrdiff_t offset = -LOOKED_AT; offset < LOOKED_AT; offset += (ptrdiff_t)sizeof(claimed)) {
		memcpy(&claimed, tp + offset, sizeof(claimed));
		if (claimed == tid || claimed == 0)
			continue;
		tls_layout_find(&layout);
		CHECK_EQ(layout.tid, 0);
	}
	claimed = tid;
	CHECK(tls_layout_find(&layout));
	CHECK_EQ(layout.tid, place);
	sys.gettid = sys_real.gettid;
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(another_number_that_is_there_is_not_taken_for_the_tid),
	};

	return harness_run("tls_layout", cases, ARRAY_SIZE(cases), argc, argv);
}
