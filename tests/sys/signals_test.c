/* SPDX-License-Identifier: BSD-2-Clause */
/* signals_test.c - the search for a signal that arrives leaves nothing behind */
#include "sys/signals.h"

#include <pthread.h>
#include <signal.h>

#include "harness/harness.h"

static void handle(int number)
{
	(void)number;
	FAIL("the signal came");
}

static void the_last_one_is_found_and_left_as_it_was(void)
{
	const struct sigaction mine = {.sa_handler = handle};
	struct sigaction now;
	sigset_t all, pending;
	int last;

	NO_VALGRIND("valgrind keeps the last signal for itself");
	CHECK_EQ(sigaction(SIGRTMAX, &mine, NULL), 0);
	sigfillset(&all);
	CHECK_EQ(pthread_sigmask(SIG_SETMASK, &all, NULL), 0);
	last = last_signal();
	CHECK(last > SIGRTMIN && last <= SIGRTMAX);
	if (!harness_emulated())
		CHECK_EQ(last, SIGRTMAX);
	CHECK_EQ(sigpending(&pending), 0);
	CHECK_EQ(sigismember(&pending, last), 0);
	CHECK_EQ(sigaction(SIGRTMAX, NULL, &now), 0);
	CHECK(now.sa_handler == handle);
	sigemptyset(&all);
	CHECK_EQ(pthread_sigmask(SIG_SETMASK, &all, NULL), 0);
	CHECK_EQ(last_signal(), last);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(the_last_one_is_found_and_left_as_it_was),
	};

	return harness_run("signals", cases, ARRAY_SIZE(cases), argc, argv);
}
