/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * closeall.c - an ordinary program: it closes, or replaces, all descriptors that it does not know, and goes on with its
 * threads. What it opens has low numbers: the lowest that is free, but for a moment in which the library has it
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIRST = 3, LOW = 32, LAST = 1023, THREADS = 4, ROUNDS = 20 };

static void by_number(void)
{
	for (int fd = FIRST; fd <= LAST; fd++)
		close(fd);
}

static void by_range(void)
{
	syscall(SYS_close_range, FIRST, ~0U, 0);
}

static void by_list(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *each;

	while ((each = readdir(dir)) != NULL) {
		int fd = atoi(each->d_name);

		if (fd >= FIRST && fd != dirfd(dir))
			close(fd);
	}
	closedir(dir);
}

static void by_another_file(void)
{
	for (int fd = FIRST; fd <= LAST; fd++)
		dup2(0, fd);
	by_number();
}

static int echo[2][2];

static void *answer(void *arg)
{
	char byte;

	while (read(echo[0][0], &byte, 1) == 1) {
		usleep(10);
		write(echo[1][1], &byte, 1);
	}
	return arg;
}

/* Threads that wait for pipes, and sleep. */
static void talk(const char *when)
{
	pthread_t threads[THREADS];
	char byte = 0;
	int n = 0;

	for (int i = 0; i < 2; i++)
		pipe(echo[i]);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, answer, NULL);
	for (int i = 0; i < ROUNDS; i++)
		write(echo[0][1], &byte, 1);
	while (n < ROUNDS && read(echo[1][0], &byte, 1) == 1)
		n++;
	close(echo[0][1]);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("%s: %d answers, low %d\n", when, n, echo[1][1] < LOW);
	close(echo[0][0]);
	close(echo[1][0]);
	close(echo[1][1]);
}

static void each_way(const char *who)
{
	static const struct {
		const char *name;
		void (*close)(void);
	} ways[] = {{"number", by_number}, {"range", by_range}, {"list", by_list}, {"file", by_another_file}};
	char when[64];

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		const int far[] = {LOW, 200, 700};

		for (int j = 0; j < 3; j++)
			dup2(0, far[j]);
		ways[i].close();
		for (int j = 0; j < 3; j++) {
			if (fcntl(far[j], F_GETFD) != -1)
				printf("%d is open\n", far[j]);
		}
		snprintf(when, sizeof(when), "%s, by %s", who, ways[i].name);
		talk(when);
	}
	printf("once more: %s\n", close(LOW) ? strerror(errno) : "closed");
}

static void *wait_for_ever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

int main(void)
{
	pthread_t thread;
	pid_t child;

	by_number();
	pthread_create(&thread, NULL, wait_for_ever, NULL);
	talk("before");
	each_way("parent");
	fflush(NULL);
	child = fork();
	if (child == 0) {
		each_way("child");
		by_range();
		pthread_create(&thread, NULL, wait_for_ever, NULL);
		each_way("child with a thread");
		exit(0);
	}
	waitpid(child, NULL, 0);
	talk("after");
	return 0;
}
