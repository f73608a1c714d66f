/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * forks.c - an ordinary program: children of threads, and what they do, which is all that a process can do
 *
 * With a number: only so many forks under load. With "tasks": how many kernel threads a child with a hundred threads
 * has, or with "tasks alone", one that has made no other before.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <dirent.h>

enum { CROWD = 100, LOAD = 6 };

extern char **environ;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int there, sum, go;
static atomic_int handled, over;
static __thread int mine;

static pthread_t begin(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, fn, arg) != 0)
		abort();
	return thread;
}

/* How the child ended: its exit code, or 1000 and the signal. */
static int status_of(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int count_tasks(void)
{
	DIR *directory = opendir("/proc/self/task");
	int n = 0;

	while (directory && readdir(directory))
		n++;
	closedir(directory);
	return n - 2;
}

/* Gets a byte from a socket, sends it back, waits for all the others. */
static void *echo(void *arg)
{
	const int *fd = arg;
	char c = 0;

	mine = fd[1];
	if (read(fd[1], &c, 1) != 1 || write(fd[1], &c, 1) != 1)
		abort();
	pthread_mutex_lock(&mutex);
	there++;
	sum += mine == fd[1] ? c : 1000;
	pthread_cond_broadcast(&changed);
	while (!go)
		pthread_cond_wait(&changed, &mutex);
	pthread_mutex_unlock(&mutex);
	return NULL;
}

/* A hundred threads with sockets, a lock and a condition: how many kernel threads there were. */
static int crowd(const char *who)
{
	int fds[CROWD][2], tasks;
	pthread_t threads[CROWD];

	there = sum = go = 0;
	for (int i = 0; i < CROWD; i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds[i]) != 0)
			abort();
		threads[i] = begin(echo, fds[i]);
	}
	for (int i = 0; i < CROWD; i++) {
		char c = (char)i;

		if (write(fds[i][0], &c, 1) != 1 || read(fds[i][0], &c, 1) != 1 || c != (char)i)
			abort();
	}
	pthread_mutex_lock(&mutex);
	while (there < CROWD)
		pthread_cond_wait(&changed, &mutex);
	tasks = count_tasks();
	go = 1;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
	for (int i = 0; i < CROWD; i++) {
		pthread_join(threads[i], NULL);
		close(fds[i][0]);
		close(fds[i][1]);
	}
	if (who)
		printf("%s: %d threads, sum %d\n", who, there, sum);
	fflush(stdout);
	return tasks;
}

static void handler(int number)
{
	(void)number;
	handled++;
}

static void set_handler(int number)
{
	struct sigaction action = {.sa_handler = handler};

	sigaction(number, &action, NULL);
}

static void nap(void)
{
	const struct timespec ts = {.tv_nsec = 1000000};

	nanosleep(&ts, NULL);
}

static void *sleeps(void *arg)
{
	(void)arg;
	while (!over)
		nap();
	return NULL;
}

static void *waits_for_signal(void *arg)
{
	int got = 0;

	sigwait(arg, &got);
	return got == SIGUSR2 ? arg : NULL;
}

/* What a child does about signals: it has handlers and mask of its parent's, and neither its timers nor what waits. */
static void signals_of_child(void)
{
	const struct itimerval once = {.it_value = {.tv_usec = 1000}};
	struct itimerval timer;
	sigset_t set, pending;
	pthread_t thread;
	void *result;

	sigpending(&pending);
	getitimer(ITIMER_REAL, &timer);
	pthread_sigmask(SIG_SETMASK, NULL, &set);
	printf("in the child: %d pending, %d timers, %d blocked\n", sigismember(&pending, SIGUSR2),
	       timer.it_value.tv_sec != 0, sigismember(&set, SIGUSR2));
	handled = 0;
	raise(SIGUSR1);
	kill(getpid(), SIGUSR1);
	set_handler(SIGALRM);
	setitimer(ITIMER_REAL, &once, NULL);
	while (handled < 3)
		nap();
	over = 0;
	thread = begin(sleeps, NULL);
	pthread_kill(thread, SIGUSR1);
	while (handled < 4)
		nap();
	over = 1;
	pthread_join(thread, NULL);
	printf("%d handled\n", handled);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	thread = begin(waits_for_signal, &set);
	kill(getpid(), SIGUSR2);
	pthread_join(thread, &result);
	printf("%s\n", result == &set ? "waited for" : "not waited for");
	thread = begin(sleeps, NULL);
	pthread_join(thread, NULL);
	fflush(stdout);
}

static void *last(void *first)
{
	pthread_join(*(pthread_t *)first, NULL);
	printf("the last thread goes on\n");
	fflush(stdout);
	over = 0;
	pthread_cancel(begin(sleeps, NULL));
	_exit(7);
}

/* A child whose first thread ends before another one. */
static void first_thread_ends(void)
{
	static pthread_t first;

	first = pthread_self();
	begin(last, &first);
	pthread_exit(NULL);
}

static void *dies_with_lock(void *lock)
{
	pthread_mutex_lock(lock);
	return NULL;
}

static void locks_of_child(void)
{
	pthread_mutexattr_t attr;
	pthread_mutex_t robust;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&robust, &attr);
	pthread_join(begin(dies_with_lock, &robust), NULL);
	printf("a lock whose owner has ended: %d\n", pthread_mutex_lock(&robust) == EOWNERDEAD);
	fflush(stdout);
}

static void run_program(int how)
{
	char *const words[] = {"sh", "-c", "exit 5", NULL};
	pid_t pid;

	if (how == 0) {
		execv("/bin/sh", words);
		_exit(9);
	}
	if (how == 1 && posix_spawn(&pid, "/bin/sh", NULL, NULL, words, environ) == 0)
		exit(status_of(pid));
	if (how == 2)
		exit(WEXITSTATUS(system("exit 5")));
	pid = vfork();
	if (pid == 0) {
		execv("/bin/sh", words);
		_exit(9);
	}
	exit(status_of(pid));
}

static void child(int what)
{
	pid_t pid;

	switch (what) {
	case 0:
		printf("its number: %d\n", syscall(SYS_gettid) == getpid());
		crowd("in a child");
		pid = fork();
		if (pid == 0) {
			crowd("in a child's child");
			exit(3);
		}
		printf("its child: %d\n", status_of(pid));
		crowd("in a child again");
		exit(4);
	case 1:
		signals_of_child();
		_exit(0);
	case 2:
		first_thread_ends();
		break;
	case 3:
		locks_of_child();
		abort();
	default:
		if (what & 1)
			crowd(NULL);
		run_program((what - 4) / 2);
	}
}

/* Children of a thread, one after the other, each of which does something else. */
static void *parent(void *arg)
{
	const struct itimerval far = {.it_value = {.tv_sec = 1000}}, none = {.it_value = {.tv_sec = 0}};
	const int *most = arg;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	pthread_kill(pthread_self(), SIGUSR2);
	setitimer(ITIMER_REAL, &far, NULL);
	for (int i = 0; i < *most; i++) {
		pid_t pid = fork();

		if (pid == 0)
			child(i);
		printf("child %d: %d\n", i, status_of(pid));
		fflush(stdout);
	}
	setitimer(ITIMER_REAL, &none, NULL);
	return NULL;
}

struct loader {
	int to, from;
	pthread_t thread;
};

/* Is never done: sends a byte in a ring of threads, with locks and memory in between. */
static void *load(void *arg)
{
	const struct loader *l = arg;
	char c;

	while (!over && read(l->from, &c, 1) == 1) {
		char *memory;

		pthread_mutex_lock(&mutex);
		sum++;
		pthread_mutex_unlock(&mutex);
		memory = malloc((size_t)(100 + sum % 5000));
		memory[0] = c;
		if (write(l->to, memory, 1) != 1)
			abort();
		free(memory);
	}
	return NULL;
}

static void *answers(void *arg)
{
	return arg;
}

/* Children under load: each makes two threads, and has the lock if it waits for it in time. */
static void forks_under_load(int rounds)
{
	struct loader loaders[LOAD];
	int fds[LOAD][2], wrong = 0;

	over = 0;
	for (int i = 0; i < LOAD; i++) {
		if (pipe(fds[i]) != 0)
			abort();
	}
	for (int i = 0; i < LOAD; i++) {
		loaders[i].from = fds[i][0];
		loaders[i].to = fds[(i + 1) % LOAD][1];
		loaders[i].thread = begin(load, &loaders[i]);
	}
	for (int i = 0; i < LOAD / 2; i++)
		wrong += write(fds[i * 2][1], "x", 1) != 1;
	for (int i = 0; i < rounds; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			void *result[2];
			pthread_t threads[2] = {begin(answers, fds), begin(answers, loaders)};

			pthread_join(threads[0], &result[0]);
			pthread_join(threads[1], &result[1]);
			free(malloc(5000));
			_exit(result[0] == fds && result[1] == loaders ? 0 : 1);
		}
		wrong += status_of(pid) != 0;
	}
	over = 1;
	for (int i = 0; i < LOAD; i++)
		wrong += write(fds[i][1], "x", 1) != 1;
	for (int i = 0; i < LOAD; i++)
		pthread_join(loaders[i].thread, NULL);
	printf("%d forks, %d wrong\n", rounds, wrong);
}

static int tasks_of_child(int alone)
{
	pid_t pid;

	if (!alone)
		crowd(NULL);
	pid = fork();
	if (pid == 0)
		exit(crowd(NULL));
	printf("%d\n", status_of(pid));
	return 0;
}

int main(int argc, char **argv)
{
	int most = 12;

	set_handler(SIGUSR1);
	if (argc > 1 && strcmp(argv[1], "tasks") == 0)
		return tasks_of_child(argc > 2);
	if (argc > 1) {
		forks_under_load(atoi(argv[1]));
		return 0;
	}
	pthread_join(begin(parent, &most), NULL);
	crowd("in the parent");
	most = 4;
	parent(&most);
	forks_under_load(100);
	return 0;
}
