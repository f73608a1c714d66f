/* SPDX-License-Identifier: BSD-2-Clause */
/* pipes_test.c - pipes are kept while they are empty, and never shared with a child */
#include "kport/pipes.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/harness.h"

enum { MORE_THAN_ARE_KEPT = 40 };

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void an_empty_pipe_is_used_again(void)
{
	struct pipe_pair first, second;

	CHECK_EQ(pipes_get(&first), 0);
	CHECK_EQ(fcntl(first.pp_in, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(first.pp_out, F_GETFD), FD_CLOEXEC);
	CHECK(pipes_put(&first, true));
	CHECK_EQ(pipes_get(&second), 0);
	CHECK_EQ(second.pp_in, first.pp_in);
	CHECK_EQ(second.pp_out, first.pp_out);
	CHECK(pipes_put(&second, true));
	pipes_forget();
	CHECK(!is_open(first.pp_in) && !is_open(first.pp_out));
}

static void a_pipe_with_data_in_it_is_closed(void)
{
	struct pipe_pair pipe;

	CHECK_EQ(pipes_get(&pipe), 0);
	CHECK_EQ(write(pipe.pp_out, "x", 1), 1);
	CHECK(pipes_put(&pipe, false));
	CHECK(!is_open(pipe.pp_in) && !is_open(pipe.pp_out));
}

static void few_are_kept(void)
{
	struct pipe_pair pipes[MORE_THAN_ARE_KEPT];
	int open = 0;

	for (int i = 0; i < MORE_THAN_ARE_KEPT; i++)
		CHECK_EQ(pipes_get(&pipes[i]), 0);
	for (int i = 0; i < MORE_THAN_ARE_KEPT; i++)
		CHECK(pipes_put(&pipes[i], true));
	for (int i = 0; i < MORE_THAN_ARE_KEPT; i++)
		open += is_open(pipes[i].pp_in);
	CHECK(open > 0 && open < MORE_THAN_ARE_KEPT);
	pipes_forget();
}

static void only_some_are_large(void)
{
	struct pipe_pair pipes[MORE_THAN_ARE_KEPT];
	int fds[2], small;

	CHECK_EQ(pipe(fds), 0);
	small = fcntl(fds[0], F_GETPIPE_SZ);
	for (int i = 0; i < MORE_THAN_ARE_KEPT; i++)
		CHECK_EQ(pipes_get(&pipes[i]), 0);
	CHECK(fcntl(pipes[0].pp_in, F_GETPIPE_SZ) > small);
	CHECK_EQ(fcntl(pipes[MORE_THAN_ARE_KEPT - 1].pp_in, F_GETPIPE_SZ), small);
	for (int i = 0; i < MORE_THAN_ARE_KEPT; i++)
		CHECK(pipes_put(&pipes[i], false));
	/* And again, when those are gone. */
	CHECK_EQ(pipes_get(&pipes[0]), 0);
	CHECK(fcntl(pipes[0].pp_in, F_GETPIPE_SZ) > small);
	CHECK(pipes_put(&pipes[0], false));
	close(fds[0]);
	close(fds[1]);
}

static void without_descriptors_there_is_an_error(void)
{
	struct rlimit none = {.rlim_cur = 3, .rlim_max = 3};
	struct rlimit before;
	struct pipe_pair pipe;
	int error;

	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
	none.rlim_max = before.rlim_max;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
	error = pipes_get(&pipe);
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
	CHECK_EQ(error, -EMFILE);
}

/* One is kept and one in use when the process forks. */
static void a_child_has_pipes_of_its_own(void)
{
	struct pipe_pair kept, used, childs;
	int status;
	pid_t pid;

	CHECK_EQ(pipes_get(&kept), 0);
	CHECK_EQ(pipes_get(&used), 0);
	CHECK(pipes_put(&kept, true));
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		pipes_forget();
		CHECK(!is_open(kept.pp_in) && !is_open(kept.pp_out));
		CHECK(!pipes_put(&used, true));
		CHECK(!is_open(used.pp_in) && !is_open(used.pp_out));
		CHECK_EQ(pipes_get(&childs), 0);
		CHECK(pipes_put(&childs, true));
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK(is_open(kept.pp_in) && is_open(used.pp_in));
	CHECK(pipes_put(&used, true));
	pipes_forget();
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(an_empty_pipe_is_used_again),
		HARNESS_CASE(a_pipe_with_data_in_it_is_closed),
		HARNESS_CASE(few_are_kept),
		HARNESS_CASE(only_some_are_large),
		HARNESS_CASE(without_descriptors_there_is_an_error),
		HARNESS_CASE(a_child_has_pipes_of_its_own),
	};

	return harness_run("pipes", cases, ARRAY_SIZE(cases), argc, argv);
}
