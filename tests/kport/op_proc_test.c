/* SPDX-License-Identifier: BSD-2-Clause */
/* op_proc_test.c - waiting for children */
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kport/ways.h"

static int64_t do_waitid(idtype_t idtype, id_t id, siginfo_t *info, int options)
{
	struct ell_msg m = {0};

	ell_msg_waitid(&m, idtype, id, info, options);
	return way_do(&m);
}

/* A child that waits for the end of FD and exits with 7. */
static pid_t child(int fd)
{
	char *argv[] = {"sh", "-c", "read nothing; exit 7", NULL};
	posix_spawn_file_actions_t actions;
	pid_t pid;

	CHECK_EQ(posix_spawn_file_actions_init(&actions), 0);
	CHECK_EQ(posix_spawn_file_actions_adddup2(&actions, fd, STDIN_FILENO), 0);
	CHECK_EQ(posix_spawn(&pid, "/bin/sh", &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	return pid;
}

WAYS(the_end_of_a_child_is_waited_for)
{
	struct ell_msg m = {0};
	siginfo_t info = {0};
	int fds[2];
	pid_t pid;

	CHECK_EQ(pipe2(fds, O_CLOEXEC), 0);
	pid = child(fds[0]);
	CHECK_EQ(do_waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG), 0);
	CHECK_EQ(info.si_pid, 0);
	ell_msg_waitid(&m, P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
	way_start(&m);
	close(fds[1]);
	CHECK_EQ(way_wait(&m), 0);
	CHECK_EQ(info.si_pid, pid);
	CHECK_EQ(info.si_code, CLD_EXITED);
	CHECK_EQ(info.si_status, 7);
	/* It was left to be waited for. */
	CHECK_EQ(do_waitid(P_ALL, 0, harness_emulated_by("valgrind") ? &info : NULL, WEXITED), 0);
	CHECK_EQ(do_waitid(P_PID, (id_t)pid, &info, WEXITED), -ECHILD);
	close(fds[0]);
}

WAYS(a_child_is_found_by_its_descriptor)
{
	siginfo_t info = {0};
	int fds[2], pidfd;
	pid_t pid;

	NO_VALGRIND("valgrind has no pidfd_open(2)");
	CHECK_EQ(pipe2(fds, O_CLOEXEC), 0);
	pid = child(fds[0]);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	CHECK(pidfd >= 0);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_EQ(do_waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED), 0);
	CHECK_EQ(info.si_code, CLD_KILLED);
	CHECK_EQ(info.si_status, SIGKILL);
	close(pidfd);
	close(fds[0]);
	close(fds[1]);
}

WAYS(what_the_system_call_refuses_is_refused)
{
	siginfo_t info;

	CHECK_EQ(do_waitid(P_ALL, 0, &info, WEXITED), PLAIN(waitid(P_ALL, 0, &info, WEXITED)));
	CHECK_EQ(do_waitid(P_ALL, 0, &info, 0), PLAIN(waitid(P_ALL, 0, &info, 0)));
	CHECK_EQ(do_waitid(P_ALL, 0, &info, WEXITED | 0x100), PLAIN(waitid(P_ALL, 0, &info, WEXITED | 0x100)));
	CHECK_EQ(do_waitid((idtype_t)77, 0, &info, WEXITED), PLAIN(waitid((idtype_t)77, 0, &info, WEXITED)));
	CHECK_EQ(do_waitid(P_PID, 0, &info, WEXITED), PLAIN(waitid(P_PID, 0, &info, WEXITED)));
	CHECK_EQ(do_waitid(P_PIDFD, 12345, &info, WEXITED), PLAIN(waitid(P_PIDFD, 12345, &info, WEXITED)));
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		WAYS_CASES(the_end_of_a_child_is_waited_for),
		WAYS_CASES(a_child_is_found_by_its_descriptor),
		WAYS_CASES(what_the_system_call_refuses_is_refused),
	};

	return harness_run("op_proc", cases, ARRAY_SIZE(cases), argc, argv);
}
