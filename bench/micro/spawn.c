/* SPDX-License-Identifier: BSD-2-Clause */
/* spawn.c - spawn ms=N COMMAND [ARGUMENT...]: what a run of another program takes, from its start to its end */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

extern char **environ;

static double seconds(struct timeval tv)
{
	return (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
}

static void run_once(char **command, const posix_spawn_file_actions_t *actions)
{
	int status;
	pid_t pid;

	BENCH_OK(posix_spawnp(&pid, command[0], actions, NULL, command, environ));
	if (waitpid(pid, &status, 0) != pid || status != 0)
		bench_fail(command[0], ECHILD);
}

int main(int argc, char **argv)
{
	posix_spawn_file_actions_t actions;
	struct rusage children;
	int64_t begin, ns;
	unsigned runs = 0;

	if (argc < 3) {
		fprintf(stderr, "usage: spawn ms=N COMMAND [ARGUMENT...]\n");
		return 2;
	}
	bench_options(2, argv);
	BENCH_OK(posix_spawn_file_actions_init(&actions));
	BENCH_OK(posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0));
	begin = bench_now();
	do {
		run_once(argv + 2, &actions);
		runs++;
		ns = bench_now() - begin;
	} while (ns < bench.ms * 1000000);
	BENCH_OK(getrusage(RUSAGE_CHILDREN, &children));
	bench_row("start to end", (double)ns / 1e6 / runs, "ms");
	bench_row("CPU", (seconds(children.ru_utime) + seconds(children.ru_stime)) * 1e3 / runs, "ms");
	return 0;
}
