/* SPDX-License-Identifier: BSD-2-Clause */
/* op_rw_test.c - reading and writing do what the system calls do */
#include <limits.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "kport/ways.h"

enum { MANY = 1000003 };

static int file_with(const char *name, const char *text)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void check_content(int fd, const char *text)
{
	char buf[256] = {0};

	CHECK(pread(fd, buf, sizeof(buf) - 1, 0) >= 0);
	CHECK_STR(buf, text);
}

static int64_t do_read(int fd, void *buf, size_t len, int64_t off)
{
	struct ell_msg m = {0};

	ell_msg_read(&m, fd, buf, len, off);
	return way_do(&m);
}

static int64_t do_write(int fd, const void *buf, size_t len, int64_t off)
{
	struct ell_msg m = {0};

	ell_msg_write(&m, fd, buf, len, off);
	return way_do(&m);
}

static int64_t do_readv(int fd, const struct iovec *iov, int count, int64_t off, int flags)
{
	struct ell_msg m = {0};

	ell_msg_readv(&m, fd, iov, count, off, flags);
	return way_do(&m);
}

static int64_t do_writev(int fd, const struct iovec *iov, int count, int64_t off, int flags)
{
	struct ell_msg m = {0};

	ell_msg_writev(&m, fd, iov, count, off, flags);
	return way_do(&m);
}

WAYS(the_position_moves_without_an_offset_and_only_then)
{
	int fd = file_with("file", "0123456789");
	char buf[16] = {0};

	CHECK_EQ(do_read(fd, buf, 4, -1), 4);
	CHECK_STR(buf, "0123");
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 4);
	CHECK_EQ(do_read(fd, buf, 3, 7), 3);
	CHECK_STR(buf, "7893");
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 4);
	CHECK_EQ(do_write(fd, "ab", 2, -1), 2);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 6);
	CHECK_EQ(do_write(fd, "xy", 2, 0), 2);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 6);
	check_content(fd, "xy23ab6789");
	CHECK_EQ(do_read(fd, buf, sizeof(buf), -1), 4);
	CHECK_EQ(do_read(fd, buf, sizeof(buf), -1), 0);
	CHECK_EQ(do_read(fd, buf, sizeof(buf), 10), 0);
	CHECK_EQ(do_read(fd, buf, sizeof(buf), INT64_C(1) << 40), 0);
	CHECK_EQ(do_write(fd, "z", 1, 12), 1);
	CHECK_EQ(lseek(fd, 0, SEEK_END), 13);
	CHECK_EQ(do_read(fd, NULL, 0, -1), 0);
	CHECK_EQ(do_write(fd, NULL, 0, 0), 0);
	close(fd);
}

WAYS(pread_and_pwrite_want_an_offset)
{
	int fd = file_with("file", "0123456789");
	struct ell_msg m = {0};
	char buf[4] = {0};
	struct iovec iov = {.iov_base = buf, .iov_len = 3};

	ell_msg_pread(&m, fd, buf, 3, 2);
	CHECK_EQ(way_do(&m), 3);
	CHECK_STR(buf, "234");
	ell_msg_pwrite(&m, fd, buf, 3, 5);
	CHECK_EQ(way_do(&m), 3);
	check_content(fd, "0123423489");
	ell_msg_preadv(&m, fd, &iov, 1, 7);
	CHECK_EQ(way_do(&m), 3);
	CHECK_STR(buf, "489");
	ell_msg_pwritev(&m, fd, &iov, 1, 0);
	CHECK_EQ(way_do(&m), 3);
	check_content(fd, "4893423489");

	ell_msg_pread(&m, fd, buf, 3, -1);
	CHECK_EQ(way_do(&m), PLAIN(pread(fd, buf, 3, -1)));
	ell_msg_pwrite(&m, fd, buf, 3, -1);
	CHECK_EQ(way_do(&m), PLAIN(pwrite(fd, buf, 3, -1)));
	ell_msg_preadv(&m, fd, &iov, 1, -1);
	CHECK_EQ(way_do(&m), PLAIN(preadv(fd, &iov, 1, -1)));
	ell_msg_pwritev(&m, fd, &iov, 1, INT64_MIN);
	CHECK_EQ(way_do(&m), -EINVAL);
	CHECK_EQ(do_read(fd, buf, 3, -2), -EINVAL);
	CHECK_EQ(do_write(fd, buf, 3, -2), -EINVAL);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
	close(fd);
}

/* The C library hides that the call is missing. FD is closed then. */
static void needs_flags(int fd)
{
	if (syscall(SYS_preadv2, -1, NULL, 0, 0, 0, 0) == -1 && errno == ENOSYS) {
		close(fd);
		SKIP("no preadv2 here");
	}
}

WAYS(vectors_are_filled_and_written_in_order)
{
	int fd = file_with("file", "0123456789");
	char a[3] = {0}, b[4] = {0}, c[8] = {0};
	struct iovec iov[] = {{a, 2}, {NULL, 0}, {b, 3}, {c, 7}};

	CHECK_EQ(do_readv(fd, iov, 4, -1, 0), 10);
	CHECK_STR(a, "01");
	CHECK_STR(b, "234");
	CHECK_STR(c, "56789");
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 10);
	CHECK_EQ(do_readv(fd, iov, 2, 4, 0), 2);
	CHECK_STR(a, "45");
	CHECK_EQ(do_writev(fd, iov, 3, -1, 0), 5);
	CHECK_EQ(do_writev(fd, iov, 1, 0, 0), 2);
	check_content(fd, "452345678945234");
	needs_flags(fd);
	CHECK_EQ(do_writev(fd, iov, 1, 0, RWF_APPEND), 2);
	check_content(fd, "45234567894523445");
	CHECK_EQ(do_writev(fd, iov, 1, 1, RWF_DSYNC), 2);
	check_content(fd, "44534567894523445");
	CHECK_EQ(do_readv(fd, NULL, 0, -1, 0), PLAIN(readv(fd, NULL, 0)));
	close(fd);
}

WAYS(an_unknown_flag_is_refused)
{
	int fd = file_with("file", "0123456789");
	char buf[4] = "abc";
	struct iovec iov = {.iov_base = buf, .iov_len = 3};

	needs_flags(fd);
	CHECK_EQ(do_readv(fd, &iov, 1, 0, 1 << 30), PLAIN(preadv2(fd, &iov, 1, 0, 1 << 30)));
	CHECK_EQ(do_writev(fd, &iov, 1, 0, 1 << 30), PLAIN(pwritev2(fd, &iov, 1, 0, 1 << 30)));
	check_content(fd, "0123456789");
	close(fd);
}

WAYS(what_cannot_seek_takes_no_offset)
{
	char buf[4] = "abc";
	struct iovec iov = {.iov_base = buf, .iov_len = 3};
	int fds[2];

	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(write(fds[1], "abc", 3), 3);
	CHECK_EQ(do_read(fds[0], buf, 3, 0), PLAIN(pread(fds[0], buf, 3, 0)));
	CHECK_EQ(do_write(fds[1], buf, 3, 0), PLAIN(pwrite(fds[1], buf, 3, 0)));
	CHECK_EQ(do_readv(fds[0], &iov, 1, 5, 0), PLAIN(preadv(fds[0], &iov, 1, 5)));
	CHECK_EQ(do_writev(fds[1], &iov, 1, 5, 0), PLAIN(pwritev(fds[1], &iov, 1, 5)));
	/* Nothing was lost. */
	CHECK_EQ(do_read(fds[0], buf, 4, -1), 3);
	close(fds[0]);
	close(fds[1]);
}

WAYS(descriptors_that_will_not_do_are_refused)
{
	int only_written = open("file", O_WRONLY | O_CREAT, 0600);
	int only_read = open("file", O_RDONLY);
	int dir = open(".", O_RDONLY);
	char buf[4] = "abc";
	struct iovec iov = {.iov_base = buf, .iov_len = 3};

	CHECK_EQ(do_read(-1, buf, 3, -1), -EBADF);
	CHECK_EQ(do_write(-7, buf, 3, 5), -EBADF);
	CHECK_EQ(do_readv(-1, &iov, 1, -1, 0), -EBADF);
	CHECK_EQ(do_writev(-1, &iov, 1, 0, 0), -EBADF);
	CHECK_EQ(do_read(12345, buf, 3, -1), -EBADF);
	CHECK_EQ(do_read(12345, buf, 3, 0), -EBADF);
	CHECK_EQ(do_write(12345, buf, 3, -1), -EBADF);
	CHECK_EQ(do_read(only_written, buf, 3, -1), PLAIN(read(only_written, buf, 3)));
	CHECK_EQ(do_read(only_written, buf, 3, 0), PLAIN(pread(only_written, buf, 3, 0)));
	CHECK_EQ(do_write(only_read, buf, 3, -1), PLAIN(write(only_read, buf, 3)));
	CHECK_EQ(do_writev(only_read, &iov, 1, 3, 0), PLAIN(pwritev(only_read, &iov, 1, 3)));
	CHECK_EQ(do_read(dir, buf, 3, -1), PLAIN(read(dir, buf, 3)));
	close(only_written);
	close(only_read);
	close(dir);
}

WAYS(memory_that_will_not_do_is_refused)
{
	int fd = file_with("file", "0123456789");
	void *hole = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec iov = {.iov_base = hole, .iov_len = 3};
	struct iovec null = {.iov_base = NULL, .iov_len = 3};

	CHECK_EQ(do_read(fd, NULL, 3, -1), -EFAULT);
	CHECK_EQ(do_write(fd, NULL, 1, 0), -EFAULT);
	CHECK_EQ(do_readv(fd, NULL, 1, -1, 0), -EFAULT);
	CHECK_EQ(do_writev(fd, NULL, 1, -1, 0), -EFAULT);
	NEED_BAD_ADDRESSES();
	CHECK_EQ(do_read(fd, hole, 3, 0), PLAIN(pread(fd, hole, 3, 0)));
	CHECK_EQ(do_write(fd, hole, 3, 0), PLAIN(pwrite(fd, hole, 3, 0)));
	CHECK_EQ(do_readv(fd, &iov, 1, 0, 0), PLAIN(preadv(fd, &iov, 1, 0)));
	CHECK_EQ(do_writev(fd, &null, 1, 0, 0), PLAIN(pwritev(fd, &null, 1, 0)));
	CHECK_EQ(do_readv(fd, hole, 1, 0, 0), PLAIN(preadv(fd, hole, 1, 0)));
	check_content(fd, "0123456789");
	munmap(hole, 4096);
	close(fd);
}

WAYS(lengths_that_will_not_do_are_refused)
{
	int fd = file_with("file", "0123456789");
	char buf[16];
	char *large =
		mmap(NULL, ELL_MAX_COUNT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct iovec negative[] = {{buf, (size_t)-1}, {buf, 10}};
	struct iovec sum[] = {{buf, SSIZE_MAX}, {buf, SSIZE_MAX}};

	CHECK(large != MAP_FAILED);
	CHECK_EQ(do_read(fd, buf, ELL_MAX_COUNT + 1, 0), -EINVAL);
	CHECK_EQ(do_write(fd, buf, (size_t)UINT32_MAX + 2, 0), -EINVAL);
	CHECK_EQ(do_write(fd, buf, SIZE_MAX, -1), -EINVAL);
	CHECK_EQ(do_read(fd, large, ELL_MAX_COUNT, 6), 4);
	CHECK_EQ(do_readv(fd, negative, IOV_MAX + 1, 0, 0), -EINVAL);
	CHECK_EQ(do_readv(fd, negative, -1, 0, 0), -EINVAL);
	CHECK_EQ(do_writev(fd, negative, INT_MIN, 0, 0), -EINVAL);
	NEED_BAD_ADDRESSES();
	CHECK_EQ(do_readv(fd, negative, 2, 0, 0), PLAIN(preadv(fd, negative, 2, 0)));
	CHECK_EQ(do_readv(fd, sum, 2, 0, 0), PLAIN(preadv(fd, sum, 2, 0)));
	CHECK_EQ(do_writev(fd, negative, 2, 0, 0), PLAIN(pwritev(fd, negative, 2, 0)));
	check_content(fd, "0123456789");
	munmap(large, ELL_MAX_COUNT);
	close(fd);
}

static void check_waits(int flags)
{
	struct ell_msg m = {0};
	char buf[4] = {0};
	int fds[2];

	CHECK_EQ(pipe2(fds, flags), 0);
	ell_msg_read(&m, fds[0], buf, sizeof(buf), -1);
	way_start(&m);
	CHECK_EQ(write(fds[1], "abc", 3), 3);
	CHECK_EQ(way_wait(&m), 3);
	CHECK_STR(buf, "abc");
	ell_msg_read(&m, fds[0], buf, sizeof(buf), -1);
	way_start(&m);
	close(fds[1]);
	CHECK_EQ(way_wait(&m), 0);
	close(fds[0]);
}

WAYS(a_message_waits_with_and_without_O_NONBLOCK)
{
	check_waits(0);
	check_waits(O_NONBLOCK);
}

WAYS(RWF_NOWAIT_does_not_wait)
{
	char buf[4] = {0};
	struct iovec iov = {.iov_base = buf, .iov_len = 3};
	int fds[2];

	CHECK_EQ(pipe(fds), 0);
	needs_flags(fds[0]);
	CHECK_EQ(do_readv(fds[0], &iov, 1, -1, RWF_NOWAIT), PLAIN(preadv2(fds[0], &iov, 1, -1, RWF_NOWAIT)));
	if (preadv2(fds[0], &iov, 1, -1, RWF_NOWAIT) < 0 && errno == EOPNOTSUPP) {
		close(fds[0]);
		close(fds[1]);
		SKIP("this kernel's pipes know no RWF_NOWAIT");
	}
	CHECK_EQ(do_writev(fds[1], &iov, 1, -1, RWF_NOWAIT), 3);
	CHECK_EQ(do_readv(fds[0], &iov, 1, -1, RWF_NOWAIT), 3);
	close(fds[0]);
	close(fds[1]);
}

/* FDS: two ends of a stream, the second one written to. */
static void check_writes_all(const int *fds)
{
	unsigned char *bytes = pattern_make(MANY);
	struct iovec iov[7];
	struct drain drain;
	struct ell_msg m = {0};

	ell_msg_write(&m, fds[1], bytes, MANY, -1);
	/* Twice: a message may be sent again as it is. */
	for (int i = 0; i < 2; i++) {
		drain_start(&drain, fds[0], MANY);
		CHECK_EQ(way_do(&m), MANY);
		CHECK_EQ(drain_end(&drain), MANY);
	}

	/* Vectors that end inside and on the borders of what a pipe takes at once, and empty ones. */
	iov[0] = (struct iovec){bytes, 1};
	iov[1] = (struct iovec){bytes + 1, 65535};
	iov[2] = (struct iovec){bytes + 65536, 0};
	iov[3] = (struct iovec){bytes + 65536, 300000};
	iov[4] = (struct iovec){bytes + 365536, 65536};
	iov[5] = (struct iovec){bytes + 431072, MANY - 431072};
	iov[6] = (struct iovec){NULL, 0};
	ell_msg_writev(&m, fds[1], iov, 7, -1, 0);
	for (int i = 0; i < 2; i++) {
		drain_start(&drain, fds[0], MANY);
		CHECK_EQ(way_do(&m), MANY);
		CHECK_EQ(drain_end(&drain), MANY);
	}
	free(bytes);
	close(fds[0]);
	close(fds[1]);
}

WAYS(a_write_to_a_pipe_ends_when_all_is_written)
{
	int fds[2];

	CHECK_EQ(pipe(fds), 0);
	check_writes_all(fds);
	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
	check_writes_all(fds);
}

WAYS(a_write_to_a_stream_socket_ends_when_all_is_written)
{
	int fds[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	check_writes_all(fds);
}

WAYS(a_write_that_is_cut_off_replies_with_what_was_written)
{
	unsigned char *bytes = pattern_make(MANY);
	struct iovec iov[] = {{bytes, 100000}, {bytes + 100000, MANY - 100000}};
	struct drain drain;
	struct ell_msg m = {0};
	int64_t written;
	int fds[2];

	signal(SIGPIPE, SIG_IGN);
	for (int vectors = 0; vectors < 2; vectors++) {
		CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		if (vectors)
			ell_msg_writev(&m, fds[1], iov, 2, -1, 0);
		else
			ell_msg_write(&m, fds[1], bytes, MANY, -1);
		drain_start_then_shut(&drain, fds[0], 300000, true);
		written = way_do(&m);
		NOTE("written %lld", (long long)written);
		CHECK(written >= 300000 && written < MANY);
		CHECK_EQ(drain_end(&drain), 300000);
		CHECK_EQ(way_do(&m), -EPIPE);
		close(fds[0]);
		close(fds[1]);
	}
	free(bytes);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		WAYS_CASES(the_position_moves_without_an_offset_and_only_then),
		WAYS_CASES(pread_and_pwrite_want_an_offset),
		WAYS_CASES(vectors_are_filled_and_written_in_order),
		WAYS_CASES(an_unknown_flag_is_refused),
		WAYS_CASES(what_cannot_seek_takes_no_offset),
		WAYS_CASES(descriptors_that_will_not_do_are_refused),
		WAYS_CASES(memory_that_will_not_do_is_refused),
		WAYS_CASES(lengths_that_will_not_do_are_refused),
		WAYS_CASES(a_message_waits_with_and_without_O_NONBLOCK),
		WAYS_CASES(RWF_NOWAIT_does_not_wait),
		WAYS_CASES(a_write_to_a_pipe_ends_when_all_is_written),
		WAYS_CASES(a_write_to_a_stream_socket_ends_when_all_is_written),
		WAYS_CASES(a_write_that_is_cut_off_replies_with_what_was_written),
	};

	return harness_run("op_rw", cases, ARRAY_SIZE(cases), argc, argv);
}
