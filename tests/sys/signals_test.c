/* SPDX-License-Identifier: BSD-2-Clause */
/* signals_test.c - masks are put back as they were, and the search for a signal that arrives leaves nothing behind */
#include "sys/signals.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness/harness.h"
#include "sys/sys.h"

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

/* Even those that the C library never blocks. */
static void a_mask_is_put_back_whole(void)
{
	const uint64_t wanted = UINT64_C(1) << 31 | UINT64_C(1) << (SIGUSR1 - 1);
	sigset_t all, before;
	uint64_t now = 0;

	if (harness_emulated())
		SKIP("qemu-user keeps the C library's signals for itself");
	CHECK_EQ(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &wanted, NULL, 8), 0);
	sigfillset(&all);
	CHECK_EQ(sys.pthread_sigmask(SIG_SETMASK, &all, &before), 0);
	CHECK_EQ(sys.pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
	CHECK_EQ(syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &now, 8), 0);
	CHECK_EQ(now, wanted);
	CHECK_EQ(sys.pthread_sigmask(-1, &all, NULL), EINVAL);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(a_mask_is_put_back_whole),
		HARNESS_CASE(the_last_one_is_found_and_left_as_it_was),
	};

	return harness_run("signals", cases, ARRAY_SIZE(cases), argc, argv);
}
