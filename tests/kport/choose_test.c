/* SPDX-License-Identifier: BSD-2-Clause */
/* choose_test.c - a kernel that refuses io_uring, as that of a container does, and programs that run on */
#include <ellula/ellula.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/backend.h"
#include "harness/refuse.h"

static void *talk(void *arg)
{
	int fd = *(const int *)arg;
	char line[8];

	CHECK_EQ(ell_read(fd, line, sizeof(line)), 5);
	CHECK_EQ(memcmp(line, "hello", 5), 0);
	CHECK_EQ(ell_write(fd, "world", 5), 5);
	return NULL;
}

/* Threads, messages that wait, a helper's work, a revoke, and a timer. */
static int program(void *backend)
{
	struct ell_msg m;
	ell_thread thread;
	int fds[2], file;
	char line[8];

	CHECK(backend_is(backend));
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	CHECK_EQ(ell_create(&thread, NULL, talk, &fds[1]), 0);
	ell_sleep_until(ell_after(ELL_MSEC));
	CHECK_EQ(ell_write(fds[0], "hello", 5), 5);
	CHECK_EQ(ell_read(fds[0], line, sizeof(line)), 5);
	CHECK_EQ(memcmp(line, "world", 5), 0);
	CHECK_EQ(ell_join(thread, NULL), 0);
	CHECK_EQ(ell_read_until(fds[0], line, 1, ell_after(ELL_MSEC)), -1);
	CHECK_EQ(errno, ETIMEDOUT);
	file = ell_open("/dev/null", O_RDONLY, 0);
	CHECK(file >= 0);
	CHECK_EQ(ell_read(file, line, 1), 0);
	ell_close(file);
	ell_msg_init(&m, NULL, NULL);
	ell_msg_read(&m, fds[0], line, 1, -1);
	CHECK_EQ(ell_msg_send(&m), 0);
	CHECK_EQ(ell_msg_revoke(&m), 0);
	CHECK_EQ(ell_msg_wait(&m, ELL_FOREVER), 0);
	CHECK_EQ(m.ms_result, -ECANCELED);
	ell_close(fds[0]);
	ell_close(fds[1]);
	return 7;
}

/* In a child, for what belongs to the runtime stays open until the process ends. */
static void run_on_poll(const char *reason)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		CHECK_EQ(ell_run(program, (void *)(uintptr_t) "poll"), 7);
		CHECK_STR(kport_reason(), reason);
		_exit(7);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void runs_on_poll_because(int error)
{
	unsetenv("ELLULA_KPORT");
	refuse(SYS_io_uring_setup, REFUSE_ANY, 0, error);
	run_on_poll(error == ENOSYS   ? "uring is refused: Function not implemented"
		    : error == EPERM  ? "uring is refused: Operation not permitted"
		    : error == EACCES ? "uring is refused: Permission denied"
				      : "uring is refused: Invalid argument");
}

static void a_filter_that_says_EPERM(void)
{
	runs_on_poll_because(EPERM);
}

static void a_filter_that_says_ENOSYS(void)
{
	runs_on_poll_because(ENOSYS);
}

static void a_filter_that_says_EACCES(void)
{
	runs_on_poll_because(EACCES);
}

static void a_kernel_that_knows_none_of_our_flags(void)
{
	runs_on_poll_because(EINVAL);
}

static void fails_to_start(const char *backend, int error, int expected)
{
	if (backend)
		setenv("ELLULA_KPORT", backend, 1);
	else
		unsetenv("ELLULA_KPORT");
	if (error)
		refuse(SYS_io_uring_setup, REFUSE_ANY, 0, error);
	CHECK_EQ(ell_init(), expected);
}

static void a_shortage_of_memory_stays_an_error(void)
{
	fails_to_start(NULL, ENOMEM, -ENOMEM);
}

static void what_was_asked_for_by_name_is_not_replaced(void)
{
	fails_to_start("uring", EPERM, -EPERM);
}

static void a_name_that_does_not_exist_is_an_error(void)
{
	fails_to_start("urin", 0, -EINVAL);
}

static void the_simulator_is_another_build(void)
{
	fails_to_start("sim", 0, -EINVAL);
}

static void poll_by_name(void)
{
	setenv("ELLULA_KPORT", "poll", 1);
	run_on_poll("ELLULA_KPORT says so");
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(a_filter_that_says_EPERM),
		HARNESS_CASE(a_filter_that_says_ENOSYS),
		HARNESS_CASE(a_filter_that_says_EACCES),
		HARNESS_CASE(a_kernel_that_knows_none_of_our_flags),
		HARNESS_CASE(a_shortage_of_memory_stays_an_error),
		HARNESS_CASE(what_was_asked_for_by_name_is_not_replaced),
		HARNESS_CASE(a_name_that_does_not_exist_is_an_error),
		HARNESS_CASE(the_simulator_is_another_build),
		HARNESS_CASE(poll_by_name),
	};

	return harness_run("choose", cases, ARRAY_SIZE(cases), argc, argv);
}
