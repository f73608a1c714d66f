/* SPDX-License-Identifier: BSD-2-Clause */
/* op_net_test.c - sockets are made, bound, connected, accepted and shut down as by the system calls */
#include <arpa/inet.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "kport/ways.h"

static int64_t do_socket(int domain, int type, int protocol)
{
	struct ell_msg m = {0};

	ell_msg_socket(&m, domain, type, protocol);
	return way_do(&m);
}

static int64_t do_bind(int fd, const void *addr, socklen_t len)
{
	struct ell_msg m = {0};

	ell_msg_bind(&m, fd, addr, len);
	return way_do(&m);
}

static int64_t do_listen(int fd, int backlog)
{
	struct ell_msg m = {0};

	ell_msg_listen(&m, fd, backlog);
	return way_do(&m);
}

static int64_t do_accept(int fd, void *addr, socklen_t *len, int flags)
{
	struct ell_msg m = {0};

	ell_msg_accept(&m, fd, addr, len, flags);
	return way_do(&m);
}

static int64_t do_connect(int fd, const void *addr, socklen_t len)
{
	struct ell_msg m = {0};

	ell_msg_connect(&m, fd, addr, len);
	return way_do(&m);
}

static int64_t do_shutdown(int fd, int how)
{
	struct ell_msg m = {0};

	ell_msg_shutdown(&m, fd, how);
	return way_do(&m);
}

static struct sockaddr_in loopback(void)
{
	return (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int plain_socket(int type)
{
	int fd = socket(AF_INET, type, 0);

	CHECK(fd >= 0);
	return fd;
}

/* A listening socket, by plain calls, and its address. */
static int listener(struct sockaddr_in *addr, int type)
{
	socklen_t len = sizeof(*addr);
	int fd = plain_socket(type);

	*addr = loopback();
	CHECK_EQ(bind(fd, (struct sockaddr *)addr, sizeof(*addr)), 0);
	CHECK_EQ(listen(fd, 16), 0);
	CHECK_EQ(getsockname(fd, (struct sockaddr *)addr, &len), 0);
	return fd;
}

WAYS(a_connection_is_made_from_both_ends)
{
	struct sockaddr_in addr = loopback(), peer = {0}, self = {0};
	socklen_t len = sizeof(addr);
	struct ell_msg m = {0};
	int server, client, conn;
	char byte = 0;

	server = (int)do_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(server >= 0);
	CHECK_EQ(fcntl(server, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(do_bind(server, &addr, sizeof(addr)), 0);
	CHECK_EQ(do_listen(server, 5), 0);
	CHECK_EQ(getsockname(server, (struct sockaddr *)&addr, &len), 0);
	CHECK(addr.sin_port != 0);

	len = sizeof(peer);
	ell_msg_accept(&m, server, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	way_start(&m);
	client = plain_socket(SOCK_STREAM);
	CHECK_EQ(connect(client, (struct sockaddr *)&addr, sizeof(addr)), 0);
	conn = (int)way_wait(&m);
	CHECK(conn >= 0);
	CHECK_EQ(len, sizeof(peer));
	len = sizeof(self);
	CHECK_EQ(getsockname(client, (struct sockaddr *)&self, &len), 0);
	CHECK_EQ(memcmp(&self, &peer, sizeof(self)), 0);
	CHECK_EQ(fcntl(conn, F_GETFD), FD_CLOEXEC);
	CHECK(fcntl(conn, F_GETFL) & O_NONBLOCK);
	CHECK_EQ(do_shutdown(client, SHUT_WR), 0);
	CHECK_EQ(recv(conn, &byte, 1, 0), 0);
	close(client);
	close(conn);

	client = plain_socket(SOCK_STREAM);
	CHECK_EQ(do_connect(client, &addr, sizeof(addr)), 0);
	conn = (int)do_accept(server, NULL, NULL, 0);
	CHECK(conn >= 0);
	CHECK_EQ(fcntl(conn, F_GETFD), 0);
	CHECK_EQ(send(client, "x", 1, 0), 1);
	CHECK_EQ(recv(conn, &byte, 1, 0), 1);
	close(client);
	close(conn);
	close(server);
}

WAYS(accept_and_connect_wait_with_O_NONBLOCK)
{
	struct sockaddr_in addr;
	struct ell_msg m = {0};
	int server = listener(&addr, SOCK_STREAM | SOCK_NONBLOCK);
	int client = plain_socket(SOCK_STREAM);
	int conn;

	ell_msg_accept(&m, server, NULL, NULL, 0);
	way_start(&m);
	CHECK_EQ(connect(client, (struct sockaddr *)&addr, sizeof(addr)), 0);
	conn = (int)way_wait(&m);
	CHECK(conn >= 0);
	close(conn);
	close(client);

	client = plain_socket(SOCK_STREAM | SOCK_NONBLOCK);
	CHECK_EQ(do_connect(client, &addr, sizeof(addr)), 0);
	CHECK_EQ(do_connect(client, &addr, sizeof(addr)), -EISCONN);
	close(client);
	close(server);

	/* Nobody listens there any more. */
	client = plain_socket(SOCK_STREAM | SOCK_NONBLOCK);
	CHECK_EQ(do_connect(client, &addr, sizeof(addr)), -ECONNREFUSED);
	close(client);
}

WAYS(unix_sockets_have_paths)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = "socket"};
	int server = (int)do_socket(AF_UNIX, SOCK_STREAM, 0);
	int client = (int)do_socket(AF_UNIX, SOCK_STREAM, 0);

	CHECK_EQ(do_connect(client, &addr, sizeof(addr)),
		 PLAIN(connect(client, (struct sockaddr *)&addr, sizeof(addr))));
	CHECK_EQ(do_bind(server, &addr, sizeof(addr)), 0);
	CHECK_EQ(access("socket", F_OK), 0);
	CHECK_EQ(do_connect(client, &addr, sizeof(addr)), -ECONNREFUSED);
	CHECK_EQ(do_listen(server, 1), 0);
	CHECK_EQ(do_connect(client, &addr, sizeof(addr)), 0);
	close(client);
	close(server);
}

WAYS(what_the_system_calls_refuse_is_refused)
{
	struct sockaddr_in addr, any = loopback();
	struct sockaddr_storage large = {.ss_family = AF_INET};
	struct sockaddr *to = (struct sockaddr *)&addr;
	struct sockaddr *at = (struct sockaddr *)&large;
	int server = listener(&addr, SOCK_STREAM);
	int fd = plain_socket(SOCK_STREAM);
	int file = open("file", O_RDWR | O_CREAT, 0600);
	socklen_t len = sizeof(large);

	NEED_KERNEL();
	CHECK_EQ(do_socket(-1, SOCK_STREAM, 0), PLAIN(socket(-1, SOCK_STREAM, 0)));
	CHECK_EQ(do_socket(AF_INET, 77, 0), PLAIN(socket(AF_INET, 77, 0)));
	CHECK_EQ(do_socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), PLAIN(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP)));
	CHECK_EQ(do_socket(AF_INET, SOCK_STREAM | 1 << 30, 0), PLAIN(socket(AF_INET, SOCK_STREAM | 1 << 30, 0)));

	CHECK_EQ(do_bind(fd, &addr, sizeof(addr)), PLAIN(bind(fd, to, sizeof(addr))));
	CHECK_EQ(do_bind(fd, &addr, 3), PLAIN(bind(fd, to, 3)));
	CHECK_EQ(do_bind(fd, &large, sizeof(large) + 1), PLAIN(bind(fd, at, sizeof(large) + 1)));
	CHECK_EQ(do_bind(fd, &large, UINT_MAX), -EINVAL);
	CHECK_EQ(do_bind(fd, NULL, 16), -EFAULT);
	CHECK_EQ(do_bind(-1, &any, sizeof(any)), -EBADF);
	CHECK_EQ(do_bind(file, &any, sizeof(any)), -ENOTSOCK);
	CHECK_EQ(do_listen(-1, 1), -EBADF);
	CHECK_EQ(do_listen(12345, 1), -EBADF);
	CHECK_EQ(do_listen(file, 1), -ENOTSOCK);
	CHECK_EQ(do_listen(fd, -1), 0);
	CHECK_EQ(do_shutdown(-1, SHUT_WR), -EBADF);
	CHECK_EQ(do_shutdown(file, SHUT_WR), -ENOTSOCK);
	CHECK_EQ(do_shutdown(server, 77), PLAIN(shutdown(server, 77)));
	close(fd);

	fd = plain_socket(SOCK_STREAM);
	CHECK_EQ(do_shutdown(fd, SHUT_WR), PLAIN(shutdown(fd, SHUT_WR)));
	CHECK_EQ(do_accept(fd, NULL, NULL, 0), PLAIN(accept4(fd, NULL, NULL, 0)));
	CHECK_EQ(do_accept(server, NULL, NULL, 1), PLAIN(accept4(server, NULL, NULL, 1)));
	CHECK_EQ(do_accept(server, &large, NULL, 0), -EFAULT);
	CHECK_EQ(do_accept(-1, &large, &len, 0), -EBADF);
	CHECK_EQ(do_accept(file, &large, &len, 0), -ENOTSOCK);
	CHECK_EQ(do_connect(-1, &addr, sizeof(addr)), -EBADF);
	CHECK_EQ(do_connect(12345, &addr, sizeof(addr)), -EBADF);
	CHECK_EQ(do_connect(file, &addr, sizeof(addr)), -ENOTSOCK);
	CHECK_EQ(do_connect(fd, NULL, sizeof(addr)), -EFAULT);
	CHECK_EQ(do_connect(fd, &addr, 3), PLAIN(connect(fd, to, 3)));
	CHECK_EQ(do_connect(fd, &large, sizeof(large) + 1), -EINVAL);
	large.ss_family = 77;
	CHECK_EQ(do_connect(fd, &large, sizeof(large)), PLAIN(connect(fd, at, sizeof(large))));
	close(fd);
	close(server);
	close(file);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		WAYS_CASES(a_connection_is_made_from_both_ends),
		WAYS_CASES(accept_and_connect_wait_with_O_NONBLOCK),
		WAYS_CASES(unix_sockets_have_paths),
		WAYS_CASES(what_the_system_calls_refuse_is_refused),
	};

	return harness_run("op_net", cases, ARRAY_SIZE(cases), argc, argv);
}
