/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * harness_test.c - a harness that lets a bad case pass would make every other test worthless
 *
 * It runs itself: with HARNESS_TEST_BAD set it is a test program of bad cases, whose output the good ones read.
 */
#include "harness/harness.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * The bad ones
 */

static void wrong_sum(void)
{
	NOTE("the sum was made by hand");
	CHECK_EQ(2 + 2, 5);
}

static void wrong_sum_in_a_grandchild(void)
{
	if (fork() == 0)
		CHECK(!"right");
	wait(NULL);
}

static void leaky(void)
{
	CHECK(open("/dev/null", O_RDONLY) >= 0);
}

static void crashing(void)
{
	raise(SIGSEGV);
}

static void endless(void)
{
	for (;;)
		pause();
}

static void leaving(void)
{
	exit(0);
}

static void surviving(void)
{
}

static void dying_silently(void)
{
	abort();
}

/* A child's memory is its own, a file position is not. */
static int throws = -1;

static void lucky_at_last(void)
{
	char byte;

	CHECK_CAME(read(throws, &byte, 1) == 1 && lseek(throws, 0, SEEK_CUR) == 3);
}

static void never_lucky(void)
{
	CHECK_CAME(throws == -2);
}

static void lacking(void)
{
	SKIP("no %s here", "dragonfly");
}

static int run_bad_cases(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(wrong_sum),
		HARNESS_CASE(wrong_sum_in_a_grandchild),
		HARNESS_CASE(leaky),
		HARNESS_CASE(crashing),
		HARNESS_CASE(endless, HARNESS_SECONDS(1)),
		HARNESS_CASE(leaving),
		HARNESS_CASE(surviving, HARNESS_DIES("famous last words")),
		HARNESS_CASE(dying_silently, HARNESS_DIES("famous last words")),
		HARNESS_CASE(lacking),
		HARNESS_CASE(lucky_at_last),
		HARNESS_CASE(never_lucky),
	};

	throws = open("/proc/self/exe", O_RDONLY);
	return harness_run("bad", cases, ARRAY_SIZE(cases), argc, argv);
}

/*
 * The good ones
 */

/* Runs the bad case NAME in a harness of its own: its output must have LINE, and EXPECT is its exit code. */
static void expect_line(const char *name, const char *line, int expect)
{
	char command[4200];
	char self[4096];
	char text[65536];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	FILE *out;
	size_t len;
	int status;

	CHECK(n > 0);
	self[n] = '\0';
	snprintf(command, sizeof(command), "HARNESS_TEST_BAD=1 PATH=/bin %s %s 2>&1", self, name);
	out = popen(command, "re");
	CHECK(out != NULL);
	len = fread(text, 1, sizeof(text) - 1, out);
	text[len] = '\0';
	status = pclose(out);
	if (!strstr(text, line))
		FAIL("no \"%s\" in:\n%s", line, text);
	CHECK_EQ(WEXITSTATUS(status), expect);
}

static void a_failed_check_shows_both_values_and_the_note(void)
{
	expect_line("wrong_sum", "2 + 2 == 5: 4 (0x4) != 5 (0x5) [the sum was made by hand]", 1);
}

static void a_failed_check_in_a_forked_process_fails_the_case(void)
{
	expect_line("wrong_sum_in_a_grandchild", "!\"right\"", 1);
}

static void a_leaked_descriptor_fails_the_case_and_is_named(void)
{
	expect_line("leaky", "-> /dev/null", 1);
}

static void a_crash_fails_the_case(void)
{
	expect_line("crashing", "bad: 0 passed, 1 failed, 0 skipped", 1);
}

static void a_case_without_end_is_killed(void)
{
	expect_line("endless", "FAIL bad.endless: no end after", 1);
}

static void an_early_exit_is_no_success(void)
{
	expect_line("leaving", "FAIL bad.leaving: exited before its end", 1);
}

static void a_case_that_should_die_must(void)
{
	expect_line("surviving", "FAIL bad.surviving: did not abort", 1);
}

static void a_case_that_should_die_must_say_why(void)
{
	expect_line("dying_silently", "did not say \"famous last words\"", 1);
}

static void a_skip_is_counted_with_its_reason(void)
{
	expect_line("lacking", "SKIP bad.lacking: no dragonfly here\nbad: 0 passed, 0 failed, 1 skipped", 0);
}

static void what_a_race_did_not_bring_may_come_at_another_try(void)
{
	expect_line("lucky_at_last", "bad: 1 passed, 0 failed, 0 skipped", 0);
	expect_line("never_lucky", "throws == -2, 10 times", 1);
}

static void an_unknown_case_is_an_error(void)
{
	expect_line("nonsense", "no such case", 1);
}

static void dying_as_expected_passes(void)
{
	fputs("these are famous last words\n", stderr);
	abort();
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(a_failed_check_shows_both_values_and_the_note),
		HARNESS_CASE(a_failed_check_in_a_forked_process_fails_the_case),
		HARNESS_CASE(a_leaked_descriptor_fails_the_case_and_is_named),
		HARNESS_CASE(a_crash_fails_the_case),
		HARNESS_CASE(a_case_without_end_is_killed),
		HARNESS_CASE(an_early_exit_is_no_success),
		HARNESS_CASE(a_case_that_should_die_must),
		HARNESS_CASE(a_case_that_should_die_must_say_why),
		HARNESS_CASE(a_skip_is_counted_with_its_reason),
		HARNESS_CASE(what_a_race_did_not_bring_may_come_at_another_try),
		HARNESS_CASE(an_unknown_case_is_an_error),
		HARNESS_CASE(dying_as_expected_passes, HARNESS_DIES("famous last words")),
	};

	if (getenv("HARNESS_TEST_BAD"))
		return run_bad_cases(argc, argv);
	return harness_run("harness", cases, ARRAY_SIZE(cases), argc, argv);
}
