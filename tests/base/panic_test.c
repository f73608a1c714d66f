/* SPDX-License-Identifier: BSD-2-Clause */
/* panic_test.c - the end of a process says why */
#include "base/panic.h"

#include <string.h>
#include <unistd.h>

#include "harness/harness.h"

static void panic_names_the_library_and_the_object(void)
{
	panic("port %s: taken twice", "replies");
}

static void a_broken_invariant_names_its_place(void)
{
	const int legs = 4;

	ASSERT(legs == 6);
}

static void an_invariant_that_holds_is_silent(void)
{
	ASSERT(1 + 1 == 2);
}

/* Into a pipe, what would be too long for the buffer: cut, but a whole line. */
static void a_long_complaint_is_cut(void)
{
	char text[2000];
	char read_back[4000];
	const char *end;
	int ends[2];
	int old = dup(STDERR_FILENO);
	ssize_t n;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	CHECK_EQ(pipe(ends), 0);
	CHECK(dup2(ends[1], STDERR_FILENO) >= 0);
	complain("%s", text);
	complain("short");
	CHECK(dup2(old, STDERR_FILENO) >= 0);
	close(old);
	close(ends[1]);
	n = read(ends[0], read_back, sizeof(read_back) - 1);
	close(ends[0]);
	CHECK(n > 0);
	read_back[n] = '\0';
	CHECK(strncmp(read_back, "libellula: xxx", 14) == 0);
	end = strchr(read_back, '\n');
	CHECK(end && end - read_back > 400 && end - read_back < 512);
	CHECK_STR(end, "\nlibellula: short\n");
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(panic_names_the_library_and_the_object,
			     HARNESS_DIES("libellula: port replies: taken twice\n")),
		HARNESS_CASE(a_broken_invariant_names_its_place,
			     HARNESS_DIES("a_broken_invariant_names_its_place: broken invariant: legs == 6")),
		HARNESS_CASE(an_invariant_that_holds_is_silent),
		HARNESS_CASE(a_long_complaint_is_cut),
	};

	return harness_run("panic", cases, ARRAY_SIZE(cases), argc, argv);
}
