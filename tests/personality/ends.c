/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ends.c - an ordinary program: threads that nobody joins, a main that ends before them, and what the last one leaves
 */
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { DETACHED = 3000, FEW = 300 };

extern char **environ;

static atomic_int ended;
static pthread_key_t key;
static __thread int own = 7;
static pthread_mutex_t recursive;

static void nap(void)
{
	const struct timespec ts = {.tv_nsec = 1000000};

	nanosleep(&ts, NULL);
}

static int count_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	int lines = 0;

	for (int c; (c = getc(maps)) != EOF;)
		lines += c == '\n';
	fclose(maps);
	return lines;
}

static void destroyed(void *value)
{
	ended += *(int *)value == 8;
}

static void *alone(void *unused)
{
	own++;
	pthread_setspecific(key, &own);
	if (own % 2)
		pthread_exit(NULL);
	return unused;
}

/* Some are detached from the beginning, some by another thread. */
static void detached(void)
{
	int before = count_mappings();
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (int i = 0; i < DETACHED; i++) {
		while (pthread_create(&thread, i % 2 ? &attr : NULL, alone, NULL) != 0)
			nap();
		if (i % 2 == 0)
			pthread_detach(thread);
		if (i % 16 == 0)
			sched_yield();
	}
	while (ended < DETACHED)
		nap();
	/* The last ones have yet to leave their stacks. */
	for (int i = 0; i < 5000 && count_mappings() > before + FEW; i++)
		nap();
	printf("%d ended, %s mappings are left\n", ended, count_mappings() > before + FEW ? "many" : "few");
}

static void spawned(void)
{
	char *words[] = {"sh", "-c", "exit 5", NULL};
	char line[16] = "";
	int status = 0;
	pid_t pid = 0;
	FILE *from;

	if (posix_spawnp(&pid, "sh", NULL, NULL, words, environ) == 0)
		waitpid(pid, &status, 0);
	printf("posix_spawn: %d, system: %d", WEXITSTATUS(status), WEXITSTATUS(system("exit 6")));
	from = popen("echo seven", "r");
	fgets(line, sizeof(line), from);
	printf(", popen: %.5s %d\n", line, pclose(from));
}

static void at_exit(void)
{
	pthread_mutex_lock(&recursive);
	pthread_mutex_lock(&recursive);
	pthread_mutex_unlock(&recursive);
	printf("the lock is %s\n", pthread_mutex_unlock(&recursive) == 0 ? "ours" : "not ours");
}

static void *last(void *main_thread)
{
	pthread_join(*(pthread_t *)main_thread, NULL);
	printf("main has ended\n");
	return NULL;
}

int main(void)
{
	static pthread_t main_thread;
	pthread_mutexattr_t attr;
	pthread_t thread;

	setvbuf(stdout, NULL, _IOLBF, 0);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&recursive, &attr);
	pthread_key_create(&key, destroyed);
	atexit(at_exit);
	detached();
	spawned();
	main_thread = pthread_self();
	pthread_create(&thread, NULL, last, &main_thread);
	pthread_exit(NULL);
}
