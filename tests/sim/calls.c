/* SPDX-License-Identifier: BSD-2-Clause */
/* calls.c - scenarios: blocking calls on a kernel that gives short counts, is late, and runs out of things */
#include <ellula/call.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>

#include "base/atomic.h"
#include "sim.h"
#include "sys/sys.h"

enum { LENGTH_MAX = 3000, CLIENTS_MAX = 3, PORT = 80 };

static unsigned char pattern(unsigned salt, size_t i)
{
	return (unsigned char)(salt * 7 + i * 13 + (i >> 8));
}

/* What is written to a pipe comes out of it, in order, however short the counts. */

static int fds[2];
static size_t length;

static void *write_all(void *unused)
{
	unsigned char buf[LENGTH_MAX];

	(void)unused;
	for (size_t i = 0; i < length; i++)
		buf[i] = pattern(1, i);
	for (size_t done = 0; done < length;) {
		size_t part = any(1, (unsigned)(length - done));

		/* As write(2) in blocking mode: all of it. */
		CHECK(ell_write(fds[1], buf + done, part) == (ssize_t)part);
		done += part;
	}
	CHECK(ell_close(fds[1]) == 0);
	return NULL;
}

static void *read_all(void *unused)
{
	unsigned char buf[64];
	size_t done = 0;

	(void)unused;
	for (;;) {
		ssize_t n = ell_read(fds[0], buf, any(1, sizeof(buf)));

		CHECK(n >= 0);
		if (n == 0)
			break;
		for (ssize_t i = 0; i < n; i++)
			CHECK(buf[i] == pattern(1, done + (size_t)i));
		done += (size_t)n;
	}
	CHECK(done == length);
	CHECK(ell_close(fds[0]) == 0);
	return NULL;
}

static void *read_or_write(void *arg)
{
	return arg ? write_all(arg) : read_all(arg);
}

static int pipe_main(void *unused)
{
	(void)unused;
	length = any(1, LENGTH_MAX);
	CHECK(sys.pipe2(fds, 0) == 0);
	crew(2, read_or_write);
	return 0;
}

/* Echo: a server with a thread per connection; clients get back what they sent. */

static void *serve_one(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char buf[128];
	ssize_t n;

	while ((n = ell_recv(fd, buf, any(1, sizeof(buf)), 0)) > 0) {
		ssize_t sent = ell_send(fd, buf, (size_t)n, MSG_NOSIGNAL);

		CHECK(sent == n);
	}
	CHECK(n >= 0);
	CHECK(ell_close(fd) == 0);
	return NULL;
}

static int listener;
static unsigned clients;

static struct sockaddr_in address(void)
{
	return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(PORT)};
}

/* Of this scenario: what serves a connection, what asks, and whether connections break. */
static struct {
	void *(*serve)(void *arg);
	void *(*ask)(void *arg);
	bool breaks;
} net;

/* May that happen to a connection here? */
static bool breaks(int error)
{
	return net.breaks && (error == ECONNRESET || error == EPIPE || error == ECONNREFUSED || error == ENOMEM ||
			      error == ENOBUFS || error == ENOTCONN || error == ENFILE);
}

static void *serve_all(void *unused)
{
	ell_thread servers[CLIENTS_MAX * 4];
	unsigned count = 0;

	(void)unused;
	while (load_acquire(&clients) > 0) {
		int fd = ell_accept_until(listener, NULL, NULL, 0, ell_after(500 * ELL_USEC));

		if (fd >= 0)
			servers[count++] = start(net.serve, (void *)(intptr_t)fd);
		else if (errno == ETIMEDOUT)
			ell_yield();
		else
			CHECK(breaks(errno));
	}
	CHECK(ell_close(listener) == 0);
	for (unsigned i = 0; i < count; i++)
		CHECK(ell_join(servers[i], NULL) == 0);
	return NULL;
}

static void *serve_or_ask(void *arg)
{
	return arg ? net.ask(arg) : serve_all(arg);
}

static int run_net(void *(*serve)(void *arg), void *(*ask)(void *arg), bool may_break)
{
	const struct sockaddr_in in = address();

	net.serve = serve;
	net.ask = ask;
	net.breaks = may_break;
	clients = any(1, CLIENTS_MAX);
	while ((listener = ell_socket(AF_INET, SOCK_STREAM, 0)) < 0)
		CHECK(breaks(errno));
	while (ell_bind(listener, (const struct sockaddr *)&in, sizeof(in)) != 0)
		CHECK(breaks(errno));
	while (ell_listen(listener, 8) != 0)
		CHECK(breaks(errno));
	crew(clients + 1, serve_or_ask);
	return 0;
}

static ssize_t send_from(int fd, unsigned salt, size_t total)
{
	unsigned char buf[LENGTH_MAX];

	for (size_t i = 0; i < total; i++)
		buf[i] = pattern(salt, i);
	return ell_send(fd, buf, total, MSG_NOSIGNAL);
}

static void *be_client(void *arg)
{
	unsigned salt = (unsigned)(uintptr_t)arg + 1;
	const struct sockaddr_in in = address();
	int fd = ell_socket(AF_INET, SOCK_STREAM, 0);
	size_t total = any(1, 200), done = 0;
	unsigned char buf[100];

	CHECK(fd >= 0);
	CHECK(ell_connect(fd, (const struct sockaddr *)&in, sizeof(in)) == 0);
	CHECK(send_from(fd, salt, total) == (ssize_t)total);
	while (done < total) {
		ssize_t n = ell_recv_until(fd, buf, sizeof(buf), 0, any(0, 2) ? ELL_FOREVER : ell_after(50 * ELL_USEC));

		if (n < 0 && errno == ETIMEDOUT) {
			ell_yield();
			continue;
		}
		CHECK(n > 0);
		for (ssize_t i = 0; i < n; i++)
			CHECK(buf[i] == pattern(salt, done + (size_t)i));
		done += (size_t)n;
	}
	CHECK(ell_close(fd) == 0);
	fetch_sub_acq_rel(&clients, 1);
	return NULL;
}

static int echo_main(void *unused)
{
	(void)unused;
	return run_net(serve_one, be_client, false);
}

/*
 * Resets: the same, but connections break. What comes is still the beginning of what was sent, and everybody ends with
 * an error that POSIX knows.
 */

static void *serve_broken(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char buf[128];
	ssize_t n;

	while ((n = ell_recv(fd, buf, any(1, sizeof(buf)), 0)) > 0) {
		if (ell_send(fd, buf, (size_t)n, MSG_NOSIGNAL) == n)
			continue;
		break;
	}
	CHECK(n >= 0 || breaks(errno));
	CHECK(ell_close(fd) == 0);
	return NULL;
}

static void talk(int fd, unsigned salt)
{
	size_t total = any(1, 200), done = 0;
	unsigned char buf[100];
	ssize_t n = send_from(fd, salt, total);

	CHECK(n > 0 || breaks(errno));
	/* What was sent of it may come back all the same. */
	if (n != (ssize_t)total)
		ell_shutdown(fd, SHUT_WR);
	n = 1;
	while (done < total && (n = ell_recv(fd, buf, sizeof(buf), 0)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			CHECK(buf[i] == pattern(salt, done + (size_t)i));
		done += (size_t)n;
	}
	CHECK(n >= 0 || breaks(errno));
}

static void *be_broken_client(void *arg)
{
	const struct sockaddr_in in = address();
	int fd;

	do
		fd = ell_socket(AF_INET, SOCK_STREAM, 0);
	while (fd < 0 && errno == ENOMEM);
	CHECK(fd >= 0 || breaks(errno));
	if (fd >= 0) {
		if (ell_connect(fd, (const struct sockaddr *)&in, sizeof(in)) == 0)
			talk(fd, (unsigned)(uintptr_t)arg + 1);
		else
			CHECK(breaks(errno));
		CHECK(ell_close(fd) == 0);
	}
	fetch_sub_acq_rel(&clients, 1);
	return NULL;
}

static int reset_main(void *unused)
{
	(void)unused;
	return run_net(serve_broken, be_broken_client, true);
}

/* Files: what is written at a place is read there; without room an error, and nothing else is touched. */

static int file;

static void *use_file(void *arg)
{
	off_t at = (off_t)(uintptr_t)arg * 64;
	unsigned char buf[64], back[64];
	size_t done = 0;

	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = pattern((unsigned)at, i);
	while (done < sizeof(buf)) {
		ssize_t n = ell_pwrite(file, buf + done, sizeof(buf) - done, at + (off_t)done);

		CHECK(n > 0 || (n < 0 && (errno == ENOSPC || errno == ENOMEM)));
		if (n > 0)
			done += (size_t)n;
	}
	for (done = 0; done < sizeof(back);) {
		ssize_t n = ell_pread(file, back + done, sizeof(back) - done, at + (off_t)done);

		CHECK(n > 0);
		done += (size_t)n;
	}
	CHECK(memcmp(buf, back, sizeof(buf)) == 0);
	return NULL;
}

static int file_main(void *unused)
{
	(void)unused;
	do
		file = ell_open("/data", O_RDWR | O_CREAT, 0600);
	while (file < 0);
	crew(any(1, 4), use_file);
	CHECK(ell_close(file) == 0);
	return 0;
}

/* Children: each is waited for once, not before its end, with its status. */

enum { CHILDREN_MAX = 4, FIRST_PID = 100 };

static ell_time ends[CHILDREN_MAX];

static void *wait_for_child(void *arg)
{
	unsigned self = (unsigned)(uintptr_t)arg;
	int status = 0;

	for (;;) {
		pid_t pid = ell_waitpid_until(FIRST_PID + (pid_t)self, &status, 0,
					      any(0, 1) ? ELL_FOREVER : ell_after(any(0, 200) * ELL_USEC));

		if (pid > 0)
			break;
		CHECK(errno == ETIMEDOUT);
		ell_yield();
	}
	CHECK(ell_now() >= ends[self]);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == (int)self + 1);
	CHECK(ell_waitpid(FIRST_PID + (pid_t)self, &status, 0) < 0 && errno == ECHILD);
	return NULL;
}

static int child_main(void *unused)
{
	unsigned count = any(1, CHILDREN_MAX);

	(void)unused;
	for (unsigned i = 0; i < count; i++) {
		ends[i] = ell_after(any(0, 1000) * ELL_USEC);
		sim_process(FIRST_PID + (int)i, ends[i], (int)i + 1);
	}
	crew(count, wait_for_child);
	return 0;
}

const struct scenario calls[] = {
	{.name = "pipe", .main_fn = pipe_main, .faults = FAULTS_CALLS},
	{.name = "echo", .main_fn = echo_main, .faults = FAULTS_CALLS},
	{.name = "reset", .main_fn = reset_main, .faults = FAULTS_HARD},
	{.name = "file", .main_fn = file_main, .faults = FAULTS_HARD},
	{.name = "child", .main_fn = child_main, .faults = FAULTS_CALLS},
	{.name = NULL},
};
