/* SPDX-License-Identifier: BSD-2-Clause */
/* child.h - do something in a process of its own, and see how that ends */
#ifndef HARNESS_CHILD_H
#define HARNESS_CHILD_H

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/harness.h"

/* What the last child said on stderr. */
static char child_said[4096];

/* Runs BODY(ARG) in a child, and then exit(0): its wait status. What it said goes to child_said. */
static inline int child_run(void (*body)(void *arg), void *arg)
{
	int fd = memfd_create("stderr", MFD_CLOEXEC);
	int status;
	ssize_t n;
	pid_t pid;

	CHECK(fd >= 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		const struct rlimit none = {0, 0};

		dup2(fd, STDERR_FILENO);
		setrlimit(RLIMIT_CORE, &none);
		body(arg);
		exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	harness_skip_if_skipped();
	n = pread(fd, child_said, sizeof(child_said) - 1, 0);
	child_said[n > 0 ? n : 0] = '\0';
	close(fd);
	NOTE("the child said: %.300s", child_said);
	return status;
}

/* The child must have ended with exit code CODE. */
#define CHECK_EXIT(status, code)                                                                                       \
	(WIFEXITED(status) ? CHECK_EQ(WEXITSTATUS(status), (code))                                                     \
			   : FAIL("the child was killed by signal %d", WTERMSIG(status)))

#endif
