/* SPDX-License-Identifier: BSD-2-Clause */
/* echo.c - sends back what it gets: blocking calls, a thread per connection */
#include <ellula/ellula.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static void *serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char buf[1024];
	ssize_t n;

	while ((n = ell_recv(fd, buf, sizeof(buf), 0)) > 0 && ell_send(fd, buf, (size_t)n, MSG_NOSIGNAL) == n)
		;
	ell_close(fd);
	return NULL;
}

int main(int argc, char **argv)
{
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(argc > 1 ? (uint16_t)atoi(argv[1]) : 7007)};
	struct ell_attr attr;
	int listener, fd;

	if (ell_init() != 0)
		return 1;
	ell_attr_init(&attr);
	attr.detached = true;
	listener = ell_socket(AF_INET, SOCK_STREAM, 0);
	if (ell_bind(listener, (struct sockaddr *)&here, sizeof(here)) == 0 && ell_listen(listener, 1000) == 0) {
		while ((fd = ell_accept(listener, NULL, NULL)) >= 0) {
			if (ell_create(NULL, &attr, serve, (void *)(intptr_t)fd) != 0)
				ell_close(fd);
		}
	}
	perror("echo");
	return 1;
}
