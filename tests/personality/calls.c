/* SPDX-License-Identifier: BSD-2-Clause */
/* calls.c - an ordinary program: what threads and the kernel owe each other; prints what it finds */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static volatile sig_atomic_t handled, interrupted;
static int pipes[2];

#define SAY(what, is) printf("%s: %s\n", what, (is) ? "yes" : "no")

static void *run(void *(*fn)(void *), void *arg)
{
	pthread_t thread;
	void *result = NULL;

	if (pthread_create(&thread, NULL, fn, arg) == 0)
		pthread_join(thread, &result);
	return result;
}

static void on_signal(int signal)
{
	handled = signal;
}

static void *read_once(void *error)
{
	char c;
	ssize_t n = read(pipes[0], &c, 1);

	*(int *)error = n < 0 ? errno : 0;
	interrupted = 1;
	return (void *)(intptr_t)n;
}

static void *write_all(void *size)
{
	char *data = calloc(1, (size_t)size);
	ssize_t n = write(pipes[1], data, (size_t)size);

	free(data);
	return (void *)(intptr_t)n;
}

static void signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	pthread_t thread;
	int error = 0;

	sigaction(SIGUSR1, &action, NULL);
	pthread_create(&thread, NULL, read_once, &error);
	/* One may come before the read begins. */
	while (!interrupted) {
		pthread_kill(thread, SIGUSR1);
		usleep(1000);
	}
	pthread_join(thread, NULL);
	SAY("a signal interrupts a read", handled == SIGUSR1 && error == EINTR);
	handled = 0;
	raise(SIGUSR1);
	SAY("raise() returns after the handler", handled == SIGUSR1);
}

static void *blocked(void *unused)
{
	sigset_t set, pending;

	(void)unused;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	handled = 0;
	raise(SIGUSR1);
	sched_yield();
	SAY("a blocked signal waits", handled == 0);
	sigemptyset(&pending);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	SAY("and comes when it is unblocked", handled == SIGUSR1);
	return NULL;
}

static void unlock(void *arg)
{
	pthread_mutex_unlock(arg);
}

static void *wait_for_cond(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&mutex);
	pthread_cleanup_push(unlock, &mutex);
	for (;;)
		pthread_cond_wait(&never, &mutex);
	pthread_cleanup_pop(1);
	return NULL;
}

static void cancellation(void)
{
	pthread_t thread;
	void *result;

	pthread_create(&thread, NULL, wait_for_cond, NULL);
	usleep(1000);
	pthread_cancel(thread);
	pthread_join(thread, &result);
	SAY("a wait for a condition can be cancelled", result == PTHREAD_CANCELED);
	SAY("and gives the mutex back", pthread_mutex_trylock(&mutex) == 0);
	pthread_mutex_unlock(&mutex);
}

static void deadlines(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += 20000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&mutex);
	SAY("a wait for a condition has a deadline", pthread_cond_timedwait(&never, &mutex, &until) == ETIMEDOUT);
	pthread_mutex_unlock(&mutex);
}

static void children(void)
{
	int status, error;
	char line[100] = "";
	pid_t pid;
	FILE *f;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		/* A child of a process with threads may have threads, too. */
		void *n = run(write_all, (void *)1);

		_exit(n == (void *)1 ? 7 : 8);
	}
	waitpid(pid, &status, 0);
	SAY("a child has threads", WIFEXITED(status) && WEXITSTATUS(status) == 7);
	SAY("and writes to a pipe", run(read_once, &error) == (void *)1);
	SAY("system()", WEXITSTATUS(system("exit 5")) == 5);
	f = popen("echo word", "r");
	SAY("popen()", f && fgets(line, sizeof(line), f) && strcmp(line, "word\n") == 0 && pclose(f) == 0);
	pid = vfork();
	if (pid == 0)
		_exit(9);
	waitpid(pid, &status, 0);
	SAY("vfork()", WIFEXITED(status) && WEXITSTATUS(status) == 9);
}

static void *lock_it(void *path)
{
	int fd = open(path, O_RDWR);
	int locked = flock(fd, LOCK_EX);

	close(fd);
	return (void *)(intptr_t)locked;
}

static void *open_fifo(void *path)
{
	return (void *)(intptr_t)open(path, O_WRONLY);
}

static void files(void)
{
	char name[] = "/tmp/personality-XXXXXX";
	int fd = mkstemp(name), in;
	pthread_t thread;
	void *result;

	flock(fd, LOCK_EX);
	pthread_create(&thread, NULL, lock_it, name);
	usleep(2000);
	flock(fd, LOCK_UN);
	pthread_join(thread, &result);
	SAY("flock() waits", result == NULL);
	SAY("fsync()", fsync(fd) == 0);
	unlink(name);
	/* The name is free again. */
	mkfifo(name, 0600);
	pthread_create(&thread, NULL, open_fifo, name);
	in = open(name, O_RDONLY);
	pthread_join(thread, &result);
	SAY("the ends of a FIFO meet", in >= 0 && (intptr_t)result >= 0);
	unlink(name);
}

static void *wait_epoll(void *epoll)
{
	struct epoll_event event;
	int n = epoll_wait((int)(intptr_t)epoll, &event, 1, 5000);

	return (void *)(intptr_t)n;
}

static void readiness(void)
{
	int epoll = epoll_create1(0), counter = eventfd(0, 0);
	struct epoll_event event = {.events = EPOLLIN};
	uint64_t one = 1;
	pthread_t thread;
	void *result;

	epoll_ctl(epoll, EPOLL_CTL_ADD, counter, &event);
	pthread_create(&thread, NULL, wait_epoll, (void *)(intptr_t)epoll);
	usleep(1000);
	write(counter, &one, sizeof(one));
	pthread_join(thread, &result);
	SAY("epoll_wait()", result == (void *)1);
}

static void *self(void *unused)
{
	char name[16] = "";

	(void)unused;
	prctl(PR_SET_NAME, "worker");
	sched_yield();
	prctl(PR_GET_NAME, name);
	SAY("a thread has a name of its own", strcmp(name, "worker") == 0);
	SAY("and a number",
	    syscall(SYS_gettid) != getpid() && syscall(SYS_tgkill, getpid(), (int)syscall(SYS_gettid), 0) == 0);
	return NULL;
}

static void *big_write(void *unused)
{
	(void)unused;
	return write_all((void *)1000000);
}

static void whole_writes(void)
{
	char buf[65536];
	long sum = 0;
	pthread_t thread;
	void *result;

	pthread_create(&thread, NULL, big_write, NULL);
	while (sum < 1000000)
		sum += read(pipes[0], buf, sizeof(buf));
	pthread_join(thread, &result);
	SAY("a write to a pipe is whole", sum == 1000000 && result == (void *)1000000);
}

static long futex(int *word, int op, int value, long more, int *second, int third)
{
	return syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, more, second, third);
}

/* More than once, so that the site is rewritten. */
static void *futexes(void *unused)
{
	int a = 5, b = 0;
	bool moved = true, changed = true;

	for (int i = 1; i <= 10; i++) {
		moved = moved && futex(&a, FUTEX_CMP_REQUEUE, 1, 1, &b, 4) == -1 && errno == EAGAIN;
		changed = changed &&
			  futex(&a, FUTEX_WAKE_OP, 1, 1, &b, FUTEX_OP(FUTEX_OP_SET, i, FUTEX_OP_CMP_EQ, 0)) == 0 &&
			  b == i;
	}
	SAY("waiters are not moved if the word has changed", moved);
	SAY("a wake changes the second word", changed);
	return unused;
}

int main(void)
{
	if (pipe(pipes) != 0)
		return 1;
	signals();
	run(blocked, NULL);
	cancellation();
	deadlines();
	children();
	files();
	readiness();
	run(self, NULL);
	run(futexes, NULL);
	whole_writes();
	fflush(stdout);
	/* The last thread to end takes the process along. */
	pthread_exit(NULL);
}
