/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * server.c - an ordinary program: a thread per connection that echoes, a thread per client, on loopback. With --serve
 * it prints its port, and serves until it is killed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { CLIENTS = 100, ROUNDS = 20, SIZE = 20000 };

static struct sockaddr_in here = {.sin_family = AF_INET};
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long bytes;

static void *serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char buf[8192];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0 && send(fd, buf, (size_t)n, MSG_NOSIGNAL) == n)
		;
	close(fd);
	return NULL;
}

static void *listen_to(void *arg)
{
	int listener = (int)(intptr_t)arg, fd;

	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		pthread_t thread;

		pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd);
		pthread_detach(thread);
	}
	return NULL;
}

/* Each waits for its echo in another way. */
static void wait_for(int fd, int way)
{
	struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = -1}};
	fd_set set;

	switch (way % 4) {
	case 1:
		poll(fds, 1, -1);
		break;
	case 2:
		poll(fds, 2, 10000);
		break;
	case 3:
		FD_ZERO(&set);
		FD_SET(fd, &set);
		select(fd + 1, &set, NULL, NULL, NULL);
		break;
	default:
		break;
	}
}

static void *client(void *arg)
{
	int number = (int)(intptr_t)arg, fd = socket(AF_INET, SOCK_STREAM, 0);
	char out[SIZE], in[SIZE];
	long sum = 0;

	memset(out, 'a' + number % 26, sizeof(out));
	if (connect(fd, (struct sockaddr *)&here, sizeof(here)) != 0)
		return NULL;
	for (int i = 0; i < ROUNDS; i++) {
		size_t got = 0;

		if (write(fd, out, sizeof(out)) != (ssize_t)sizeof(out))
			break;
		while (got < sizeof(in)) {
			ssize_t n;

			wait_for(fd, number);
			n = read(fd, in + got, sizeof(in) - got);
			if (n <= 0)
				break;
			got += (size_t)n;
		}
		if (memcmp(in, out, sizeof(in)) == 0)
			sum += (long)got;
	}
	close(fd);
	pthread_mutex_lock(&mutex);
	bytes += sum;
	pthread_mutex_unlock(&mutex);
	return NULL;
}

/* SO_RCVTIMEO, and a descriptor in non-blocking mode. */
static void *impatient(void *unused)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct timeval soon = {.tv_usec = 20000};
	char c;

	(void)unused;
	connect(fd, (struct sockaddr *)&here, sizeof(here));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
	printf("time-out: %s\n", read(fd, &c, 1) < 0 && errno == EAGAIN ? "yes" : "no");
	printf("at once: %s\n", recv(fd, &c, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN ? "yes" : "no");
	close(fd);
	return NULL;
}

int main(int argc, char **argv)
{
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	pthread_t threads[CLIENTS], acceptor;
	socklen_t len = sizeof(here);

	here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (struct sockaddr *)&here, sizeof(here)) != 0 || listen(listener, 1000) != 0)
		return 1;
	getsockname(listener, (struct sockaddr *)&here, &len);
	pthread_create(&acceptor, NULL, listen_to, (void *)(intptr_t)listener);
	if (argc > 1 && strcmp(argv[1], "--serve") == 0) {
		printf("%d\n", ntohs(here.sin_port));
		fflush(stdout);
		pthread_join(acceptor, NULL);
	}
	for (int i = 0; i < CLIENTS; i++)
		pthread_create(&threads[i], NULL, client, (void *)(intptr_t)i);
	for (int i = 0; i < CLIENTS; i++)
		pthread_join(threads[i], NULL);
	pthread_create(&threads[0], NULL, impatient, NULL);
	pthread_join(threads[0], NULL);
	printf("%ld bytes\n", bytes);
	return 0;
}
