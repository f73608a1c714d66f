/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * brokenpipe.c - an ordinary program: SIGPIPE and SIGXFSZ come to the thread whose call failed, before it returns,
 * whichever call it is, at once or after it has waited; or they wait there, blocked; or end the process
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 4096, LIMIT = 8192 };

static char page[SIZE];
static _Thread_local volatile sig_atomic_t came[2];
static int file;

static void on_signal(int number)
{
	came[number == SIGXFSZ]++;
}

static ssize_t do_write(int fd)
{
	return write(fd, page, SIZE);
}

static ssize_t do_writev(int fd)
{
	struct iovec two[2] = {{page, SIZE / 2}, {page + SIZE / 2, SIZE / 2}};

	return writev(fd, two, 2);
}

static ssize_t do_send(int fd)
{
	return send(fd, page, SIZE, 0);
}

static ssize_t do_send_quietly(int fd)
{
	return send(fd, page, SIZE, MSG_NOSIGNAL);
}

static ssize_t do_sendmsg(int fd)
{
	struct iovec one = {page, SIZE};
	struct msghdr msg = {.msg_iov = &one, .msg_iovlen = 1};

	return sendmsg(fd, &msg, 0);
}

static ssize_t do_sendmmsg(int fd)
{
	struct iovec one = {page, SIZE};
	struct mmsghdr msg = {.msg_hdr = {.msg_iov = &one, .msg_iovlen = 1}};

	return sendmmsg(fd, &msg, 1, 0);
}

static ssize_t do_sendmmsg_quietly(int fd)
{
	struct iovec one = {page, SIZE};
	struct mmsghdr msg = {.msg_hdr = {.msg_iov = &one, .msg_iovlen = 1}};

	return sendmmsg(fd, &msg, 1, MSG_NOSIGNAL);
}

static ssize_t do_sendfile(int fd)
{
	off_t at = 0;

	return sendfile(fd, file, &at, SIZE);
}

static ssize_t do_splice(int fd)
{
	off_t at = 0;

	return splice(file, &at, fd, NULL, SIZE, 0);
}

static ssize_t do_vmsplice(int fd)
{
	struct iovec one = {page, SIZE};

	return vmsplice(fd, &one, 1, 0);
}

static ssize_t do_pwrite(int fd)
{
	return pwrite(fd, page, SIZE, LIMIT);
}

static ssize_t do_copy(int fd)
{
	off_t from = 0, to = LIMIT;

	return copy_file_range(file, &from, fd, &to, SIZE, 0);
}

static ssize_t do_sendfile_beyond(int fd)
{
	lseek(fd, LIMIT, SEEK_SET);
	return do_sendfile(fd);
}

static const struct way {
	const char *name;
	ssize_t (*call)(int fd);
} pipe_ways[] = {{"write", do_write},	{"writev", do_writev},	   {"sendfile", do_sendfile},
		 {"splice", do_splice}, {"vmsplice", do_vmsplice}, {NULL, NULL}},
  socket_ways[] = {{"write", do_write},
		   {"writev", do_writev},
		   {"send", do_send},
		   {"send, quietly", do_send_quietly},
		   {"sendmsg", do_sendmsg},
		   {"sendmmsg", do_sendmmsg},
		   {"sendmmsg, quietly", do_sendmmsg_quietly},
		   {"sendfile", do_sendfile},
		   {NULL, NULL}},
  file_ways[] = {{"pwrite", do_pwrite}, {"copy_file_range", do_copy}, {"sendfile", do_sendfile_beyond}, {NULL, NULL}};

static void say(const char *what, const struct way *way, ssize_t result, int error)
{
	printf("%s, %s: %d %s, SIGPIPE %d, SIGXFSZ %d\n", what, way->name, (int)result,
	       strerror(result < 0 ? error : 0), (int)came[0], (int)came[1]);
	came[0] = came[1] = 0;
}

static void call(const char *what, const struct way *way, int fd)
{
	ssize_t result = way->call(fd);

	say(what, way, result, errno);
}

/* The other end of what it gets is closed already. */
static void at_once(const char *what, const struct way *ways, int open(int[2]))
{
	for (; ways->name; ways++) {
		int fds[2];

		open(fds);
		close(fds[0]);
		call(what, ways, fds[1]);
		close(fds[1]);
	}
}

struct filler {
	const char *what;
	const struct way *way;
	int fd;
};

/* Until one fails; the last but one waits for the end that is closed then. */
static void *fill(void *arg)
{
	struct filler *f = arg;
	ssize_t result;

	do
		result = f->way->call(f->fd);
	while (result > 0);
	say(f->what, f->way, result, errno);
	return NULL;
}

static void after_a_wait(const char *what, const struct way *ways, int open(int[2]))
{
	for (; ways->name; ways++) {
		struct filler f = {.what = what, .way = ways};
		pthread_t thread;
		struct pollfd room = {.events = POLLOUT};
		int fds[2];

		open(fds);
		f.fd = room.fd = fds[1];
		pthread_create(&thread, NULL, fill, &f);
		/* What it calls then waits, if it does not do so already. */
		while (poll(&room, 1, 0) != 0)
			sched_yield();
		close(fds[0]);
		pthread_join(thread, NULL);
		close(fds[1]);
	}
	printf("of the thread that closes: %d\n", (int)came[0]);
}

static int open_pipe(int fds[2])
{
	return pipe(fds);
}

static int open_sockets(int fds[2])
{
	return socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
}

static void beyond_limit(const char *what)
{
	const struct rlimit limit = {LIMIT, LIMIT};
	int fd = memfd_create("limited", 0);

	setrlimit(RLIMIT_FSIZE, &limit);
	for (const struct way *way = file_ways; way->name; way++)
		call(what, way, fd);
	close(fd);
}

/* It is pending then, for this thread alone. */
static void *blocked(void *arg)
{
	const struct timespec now = {0};
	sigset_t set;
	int fds[2];

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	for (const struct way *way = pipe_ways; way->name; way++) {
		sigset_t pending;

		pipe(fds);
		close(fds[0]);
		call("blocked", way, fds[1]);
		sched_yield();
		sigpending(&pending);
		printf("pending %d, ", sigismember(&pending, SIGPIPE));
		printf("taken %d\n", sigtimedwait(&set, NULL, &now) == SIGPIPE);
		close(fds[1]);
	}
	return arg;
}

static void *wait_for_ever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

/* What ends a process in which another thread waits. */
static void ends(void)
{
	for (const struct way *way = pipe_ways; way->name; way++) {
		pthread_t thread;
		int fds[2], status;
		pid_t child;

		fflush(NULL);
		child = fork();
		if (child == 0) {
			signal(SIGPIPE, SIG_DFL);
			pthread_create(&thread, NULL, wait_for_ever, NULL);
			pipe(fds);
			close(fds[0]);
			way->call(fds[1]);
			_exit(0);
		}
		waitpid(child, &status, 0);
		printf("default, %s: %s\n", way->name, WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "nothing");
	}
}

int main(void)
{
	pthread_t thread;

	file = memfd_create("page", 0);
	write(file, page, SIZE);
	signal(SIGPIPE, on_signal);
	signal(SIGXFSZ, on_signal);
	pthread_create(&thread, NULL, wait_for_ever, NULL);
	at_once("pipe", pipe_ways, open_pipe);
	at_once("socket", socket_ways, open_sockets);
	after_a_wait("full pipe", pipe_ways, open_pipe);
	pthread_create(&thread, NULL, blocked, NULL);
	pthread_join(thread, NULL);
	ends();
	beyond_limit("file");
	return 0;
}
