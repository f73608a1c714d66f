/* SPDX-License-Identifier: BSD-2-Clause */
/* op_splice_test.c - splice, tee and sendfile do what the system calls do, and lose nothing */
#include <dirent.h>
#include <ellula/call.h>
#include <ellula/thread.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "kport/ways.h"

enum { SIZE = 700001 };

static void check_content(int fd, const char *text)
{
	char buf[64] = {0};

	CHECK(pread(fd, buf, sizeof(buf) - 1, 0) >= 0);
	CHECK_STR(buf, text);
}

static int file_with(const char *name, const void *bytes, size_t size)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, bytes, size), size);
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static int pattern_file(void)
{
	unsigned char *bytes = pattern_make(SIZE);
	int fd = file_with("pattern", bytes, SIZE);

	free(bytes);
	return fd;
}

static int64_t do_splice(int in, int64_t off_in, int out, int64_t off_out, size_t len, unsigned flags)
{
	struct ell_msg m = {0};

	ell_msg_splice(&m, in, off_in, out, off_out, len, flags);
	return way_do(&m);
}

static int64_t do_tee(int in, int out, size_t len, unsigned flags)
{
	struct ell_msg m = {0};

	ell_msg_tee(&m, in, out, len, flags);
	return way_do(&m);
}

static int64_t do_sendfile(int out, int in, int64_t *off, size_t count)
{
	struct ell_msg m = {0};

	ell_msg_sendfile(&m, out, in, off, count);
	return way_do(&m);
}

static void close_both(const int *fds)
{
	close(fds[0]);
	close(fds[1]);
}

WAYS(splice_moves_between_a_file_and_a_pipe)
{
	int from = file_with("from", "0123456789", 10);
	int to = file_with("to", "..........", 10);
	int fds[2];

	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(do_splice(from, -1, fds[1], -1, 4, 0), 4);
	CHECK_EQ(lseek(from, 0, SEEK_CUR), 4);
	CHECK_EQ(do_splice(from, 8, fds[1], -1, 100, SPLICE_F_MOVE), 2);
	CHECK_EQ(lseek(from, 0, SEEK_CUR), 4);
	CHECK_EQ(do_splice(from, 10, fds[1], -1, 100, 0), 0);
	CHECK_EQ(do_splice(fds[0], -1, to, 3, 4, 0), 4);
	CHECK_EQ(lseek(to, 0, SEEK_CUR), 0);
	CHECK_EQ(do_splice(fds[0], -1, to, -1, 4, 0), 2);
	CHECK_EQ(lseek(to, 0, SEEK_CUR), 2);
	check_content(to, "89.0123...");
	CHECK_EQ(do_splice(fds[0], -1, to, -1, 0, 0), 0);
	close_both(fds);
	close(from);
	close(to);
}

WAYS(splice_waits_for_data_unless_told_not_to)
{
	struct ell_msg m = {0};
	int a[2], b[2];
	char buf[4] = {0};

	CHECK_EQ(pipe(a), 0);
	CHECK_EQ(pipe(b), 0);
	CHECK_EQ(do_splice(a[0], -1, b[1], -1, 3, SPLICE_F_NONBLOCK), -EAGAIN);
	CHECK_EQ(do_tee(a[0], b[1], 3, SPLICE_F_NONBLOCK), -EAGAIN);
	ell_msg_splice(&m, a[0], -1, b[1], -1, 3, 0);
	way_start(&m);
	CHECK_EQ(write(a[1], "abc", 3), 3);
	CHECK_EQ(way_wait(&m), 3);
	CHECK_EQ(read(b[0], buf, 3), 3);
	CHECK_STR(buf, "abc");
	close(a[1]);
	CHECK_EQ(do_splice(a[0], -1, b[1], -1, 3, 0), 0);
	close(a[0]);
	close_both(b);
}

WAYS(tee_leaves_the_data_where_they_are)
{
	int a[2], b[2];
	char buf[4] = {0};

	CHECK_EQ(pipe(a), 0);
	CHECK_EQ(pipe(b), 0);
	CHECK_EQ(write(a[1], "abc", 3), 3);
	CHECK_EQ(do_tee(a[0], b[1], 2, 0), 2);
	CHECK_EQ(read(a[0], buf, 4), 3);
	CHECK_STR(buf, "abc");
	CHECK_EQ(read(b[0], buf, 4), 2);
	close_both(a);
	close_both(b);
}

WAYS(splice_and_tee_refuse_what_the_system_calls_refuse)
{
	int file = file_with("file", "0123456789", 10);
	off64_t zero = 0;
	int fds[2];

	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(do_splice(-1, -1, fds[1], -1, 3, 0), -EBADF);
	CHECK_EQ(do_splice(file, -1, -1, -1, 3, 0), -EBADF);
	CHECK_EQ(do_splice(12345, -1, fds[1], -1, 3, 0), -EBADF);
	CHECK_EQ(do_splice(file, -1, 12345, -1, 3, 0), -EBADF);
	CHECK_EQ(do_splice(file, -1, file, -1, 3, 0), PLAIN(splice(file, NULL, file, NULL, 3, 0)));
	CHECK_EQ(do_splice(file, 0, fds[1], 0, 3, 0), PLAIN(splice(file, &zero, fds[1], &zero, 3, 0)));
	CHECK_EQ(do_splice(file, 0, fds[1], -1, 3, 1u << 31), PLAIN(splice(file, &zero, fds[1], NULL, 3, 1u << 31)));
	CHECK_EQ(do_splice(file, -2, fds[1], -1, 3, 0), -EINVAL);
	CHECK_EQ(do_splice(fds[0], -1, file, INT64_MIN, 3, 0), -EINVAL);
	CHECK_EQ(do_splice(file, 0, fds[1], -1, ELL_MAX_COUNT + 1, 0), -EINVAL);
	CHECK_EQ(do_splice(file, 0, fds[1], -1, (size_t)UINT32_MAX + 4, 0), -EINVAL);
	CHECK_EQ(do_splice(file, 0, fds[0], -1, 3, 0), PLAIN(splice(file, &zero, fds[0], NULL, 3, 0)));
	CHECK_EQ(do_tee(-1, fds[1], 3, 0), -EBADF);
	CHECK_EQ(do_tee(fds[0], -1, 3, 0), -EBADF);
	CHECK_EQ(do_tee(file, fds[1], 3, 0), PLAIN(tee(file, fds[1], 3, 0)));
	CHECK_EQ(do_tee(fds[0], fds[1], 3, 0), PLAIN(tee(fds[0], fds[1], 3, 0)));
	CHECK_EQ(do_tee(fds[0], fds[1], 3, 16), PLAIN(tee(fds[0], fds[1], 3, 16)));
	CHECK_EQ(do_tee(fds[0], fds[1], SIZE_MAX, 0), -EINVAL);
	close_both(fds);
	close(file);
}

/* To FDS[1], whose other end is FDS[0]; closes them. */
static void check_sends_all(const int *fds)
{
	int in = pattern_file();
	struct ell_msg m = {0};
	struct drain drain;
	int64_t off = 0;

	drain_start(&drain, fds[0], SIZE);
	ell_msg_sendfile(&m, fds[1], in, &off, SIZE);
	CHECK_EQ(way_do(&m), SIZE);
	CHECK_EQ(drain_end(&drain), SIZE);
	CHECK_EQ(off, SIZE);
	CHECK_EQ(lseek(in, 0, SEEK_CUR), 0);
	/* Again, as it is: it goes on from the offset, where nothing is. */
	CHECK_EQ(way_do(&m), 0);
	off = 0;
	drain_start(&drain, fds[0], SIZE);
	CHECK_EQ(way_do(&m), SIZE);
	CHECK_EQ(drain_end(&drain), SIZE);

	/* By the position, in two parts, and more than there is. */
	drain_start(&drain, fds[0], SIZE);
	CHECK_EQ(do_sendfile(fds[1], in, NULL, 123457), 123457);
	CHECK_EQ(lseek(in, 0, SEEK_CUR), 123457);
	CHECK_EQ(do_sendfile(fds[1], in, NULL, ELL_MAX_COUNT), SIZE - 123457);
	CHECK_EQ(lseek(in, 0, SEEK_CUR), SIZE);
	CHECK_EQ(drain_end(&drain), SIZE);
	CHECK_EQ(do_sendfile(fds[1], in, NULL, 1), 0);
	CHECK_EQ(do_sendfile(fds[1], in, NULL, 0), 0);
	close(in);
	close_both(fds);
}

WAYS(sendfile_sends_all_to_a_socket)
{
	int fds[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	check_sends_all(fds);
}

WAYS(sendfile_waits_for_a_socket_with_O_NONBLOCK)
{
	int fds[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	CHECK_EQ(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
	check_sends_all(fds);
}

WAYS(sendfile_sends_all_to_a_pipe)
{
	int fds[2];

	CHECK_EQ(pipe(fds), 0);
	check_sends_all(fds);
}

WAYS(sendfile_copies_to_a_file)
{
	int in = pattern_file();
	int out = open("copy", O_RDWR | O_CREAT, 0600);
	unsigned char *bytes = pattern_make(SIZE);
	unsigned char *copy = malloc(SIZE);
	int64_t off = 4097;

	CHECK_EQ(do_sendfile(out, in, &off, SIZE), SIZE - 4097);
	CHECK_EQ(off, SIZE);
	CHECK_EQ(lseek(out, 0, SEEK_CUR), SIZE - 4097);
	CHECK_EQ(pread(out, copy, SIZE, 0), SIZE - 4097);
	CHECK_EQ(memcmp(copy, bytes + 4097, SIZE - 4097), 0);
	free(bytes);
	free(copy);
	close(in);
	close(out);
}

WAYS(sendfile_refuses_what_the_system_call_refuses)
{
	int in = file_with("in", "0123456789", 10);
	int out = file_with("out", "", 0);
	int append = open("out", O_WRONLY | O_APPEND);
	int only_read = open("in", O_RDONLY);
	int only_written = open("out", O_WRONLY);
	int64_t off = 0, same = 0;
	int fds[2];

	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(do_sendfile(-1, in, NULL, 3), -EBADF);
	CHECK_EQ(do_sendfile(out, -1, NULL, 3), -EBADF);
	CHECK_EQ(do_sendfile(12345, in, NULL, 3), -EBADF);
	CHECK_EQ(do_sendfile(out, 12345, NULL, 3), -EBADF);
	CHECK_EQ(do_sendfile(out, fds[0], NULL, 3), PLAIN(sendfile(out, fds[0], NULL, 3)));
	CHECK_EQ(do_sendfile(out, fds[0], &off, 3), PLAIN(sendfile(out, fds[0], &same, 3)));
	CHECK_EQ(do_sendfile(append, in, &off, 3), PLAIN(sendfile(append, in, &same, 3)));
	CHECK_EQ(do_sendfile(only_read, in, &off, 3), PLAIN(sendfile(only_read, in, &same, 3)));
	CHECK_EQ(do_sendfile(out, only_written, &off, 3), PLAIN(sendfile(out, only_written, &same, 3)));
	CHECK_EQ(do_sendfile(out, in, &off, ELL_MAX_COUNT + 1), -EINVAL);
	CHECK_EQ(off, 0);
	off = same = -1;
	CHECK_EQ(do_sendfile(out, in, &off, 3), PLAIN(sendfile(out, in, &same, 3)));
	CHECK_EQ(off, -1);
	/* Nothing was read or written. */
	CHECK_EQ(lseek(in, 0, SEEK_CUR), 0);
	CHECK_EQ(lseek(out, 0, SEEK_END), 0);
	close_both(fds);
	close(in);
	close(out);
	close(append);
	close(only_read);
	close(only_written);
}

/* The receiver goes away in the middle: what it did not get can be sent from where the offset is. */
WAYS(sendfile_that_is_cut_off_says_how_far_it_came)
{
	int in = pattern_file();
	struct drain drain;
	int64_t off = 0, sent;
	int fds[2];

	signal(SIGPIPE, SIG_IGN);
	for (int position = 0; position < 2; position++) {
		CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		drain_start_then_shut(&drain, fds[0], 100000, true);
		sent = do_sendfile(fds[1], in, position ? NULL : &off, SIZE);
		NOTE("sent %lld", (long long)sent);
		CHECK(sent >= 100000 && sent < SIZE);
		CHECK_EQ(position ? lseek(in, 0, SEEK_CUR) : off, sent);
		CHECK_EQ(drain_end(&drain), 100000);
		CHECK_EQ(do_sendfile(fds[1], in, position ? NULL : &off, SIZE), -EPIPE);
		CHECK_EQ(position ? lseek(in, 0, SEEK_CUR) : off, sent);
		close_both(fds);
	}
	close(in);
}

static void continue_revoked(void)
{
	int in = pattern_file();
	struct ell_msg m = {0};
	struct drain drain;
	int64_t off = 0, sent;
	int fds[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	ell_msg_sendfile(&m, fds[1], in, &off, SIZE);
	CHECK_EQ(ell_msg_send(&m), 0);
	/* Until the socket is full. */
	CHECK_EQ(ell_msg_wait(&m, ell_after(100 * ELL_MSEC)), -ETIMEDOUT);
	CHECK_EQ(ell_msg_revoke(&m), 0);
	CHECK_EQ(ell_msg_wait(&m, ELL_FOREVER), 0);
	sent = m.ms_result;
	NOTE("sent %lld", (long long)sent);
	CHECK(sent > 0 && sent < SIZE);
	CHECK_EQ(off, sent);
	drain_start(&drain, fds[0], SIZE);
	CHECK_EQ(way_do(&m), SIZE - sent);
	CHECK_EQ(drain_end(&drain), SIZE);
	close_both(fds);
	close(in);
}

/* Only a message can be revoked. */
static void a_revoked_sendfile_can_be_continued(void)
{
	way_run(WAY_WAIT, continue_revoked);
}

/* Kernel threads of ours: LWPs, helpers, workers of io_uring. */
static unsigned kernel_threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	unsigned count = 0;

	CHECK(tasks);
	for (struct dirent *task; (task = readdir(tasks));)
		count += task->d_name[0] != '.';
	closedir(tasks);
	return count;
}

enum { STALLED = 100, FEW = 48 };

struct stalled {
	struct ell_msg m;
	int64_t off;
	int fds[2];
};

static bool has_room(int fd)
{
	struct pollfd room = {.fd = fd, .events = POLLOUT};

	return poll(&room, 1, 0) != 0;
}

/* Until the socket is full. */
static void stall(struct stalled *s, int in)
{
	const int little = 16384;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s->fds), 0);
	CHECK_EQ(setsockopt(s->fds[1], SOL_SOCKET, SO_SNDBUF, &little, sizeof(little)), 0);
	ell_msg_sendfile(&s->m, s->fds[1], in, &s->off, SIZE);
	CHECK_EQ(ell_msg_send(&s->m), 0);
	while (has_room(s->fds[1]))
		CHECK_EQ(ell_msg_wait(&s->m, ell_after(ELL_MSEC)), -ETIMEDOUT);
}

static void stall_many(void)
{
	static struct stalled s[STALLED];
	int in = pattern_file();
	unsigned threads;
	int fd;

	for (int i = 0; i < STALLED; i++)
		stall(&s[i], in);
	threads = kernel_threads();
	NOTE("%u kernel threads", threads);
	CHECK(threads < FEW || !kport_can(ELL_OP_SENDFILE));
	/* Others get on. */
	fd = ell_open("other", O_RDWR | O_CREAT, 0600);
	CHECK_EQ(ell_pwrite(fd, "abc", 3, 0), 3);
	CHECK_EQ(ell_fsync(fd), 0);
	CHECK_EQ(ell_close(fd), 0);
	for (int i = 0; i < STALLED; i++) {
		struct drain drain;

		if (i % 10 == 0) {
			drain_start(&drain, s[i].fds[0], SIZE);
			CHECK_EQ(ell_msg_wait(&s[i].m, ELL_FOREVER), 0);
			CHECK_EQ(drain_end(&drain), SIZE);
			CHECK_EQ(s[i].m.ms_result, SIZE);
		} else {
			CHECK_EQ(ell_msg_revoke(&s[i].m), 0);
			CHECK_EQ(ell_msg_wait(&s[i].m, ELL_FOREVER), 0);
			CHECK(s[i].m.ms_result > 0 && s[i].m.ms_result < SIZE);
		}
		CHECK_EQ(s[i].m.ms_result, s[i].off);
		close_both(s[i].fds);
	}
	close(in);
}

static void slow_receivers_occupy_no_kernel_threads(void)
{
	way_run(WAY_WAIT, stall_many);
}

/* At any moment: while it waits, while a helper has it, and on the way from one to the other. */
static void revoke_any_time(void)
{
	enum { ROUNDS = 300 };
	static struct stalled s;
	static char buf[SIZE];
	const int little = 16384;
	int in = pattern_file();
	uint64_t seed = harness_seed();

	for (int i = 0; i < ROUNDS; i++) {
		int64_t got = 0;
		ssize_t n;

		memset(&s, 0, sizeof(s));
		CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s.fds), 0);
		CHECK_EQ(setsockopt(s.fds[1], SOL_SOCKET, SO_SNDBUF, &little, sizeof(little)), 0);
		ell_msg_sendfile(&s.m, s.fds[1], in, &s.off, SIZE);
		CHECK_EQ(ell_msg_send(&s.m), 0);
		for (uint64_t turns = (seed >> 33) % 5; turns > 0; turns--) {
			n = recv(s.fds[0], buf, 8192, MSG_DONTWAIT);
			got += n > 0 ? n : 0;
			ell_yield();
		}
		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
		CHECK_EQ(ell_msg_wait(&s.m, ell_after((int64_t)(seed >> 48))), -ETIMEDOUT);
		/* A helper goes on meanwhile, until there is no room; this LWP does not. */
		for (int naps = i % 2 ? 50 : 0; naps > 0 && has_room(s.fds[1]); naps--)
			usleep(20);
		CHECK_EQ(ell_msg_revoke(&s.m), 0);
		CHECK_EQ(ell_msg_wait(&s.m, ELL_FOREVER), 0);
		/* What has been sent is there, and nothing comes after it. */
		close(s.fds[1]);
		while ((n = read(s.fds[0], buf, sizeof(buf))) > 0)
			got += n;
		CHECK_EQ(s.m.ms_result, got > 0 ? got : -ECANCELED);
		CHECK_EQ(s.off, got);
		close(s.fds[0]);
	}
	close(in);
}

static void a_sendfile_is_revoked_wherever_it_is(void)
{
	way_run(WAY_WAIT, revoke_any_time);
}

/* io_uring needs a pipe; the system call has one of its own. */
WAYS(sendfile_without_a_descriptor_for_its_pipe_says_so)
{
	int in = file_with("in", "0123456789", 10);
	int out = file_with("out", "", 0);
	struct rlimit before, none;
	int64_t result;

	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 3;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
	result = do_sendfile(out, in, NULL, 3);
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
	CHECK_EQ(result, way_is_submitted() ? -EMFILE : 3);
	close(in);
	close(out);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		WAYS_CASES(splice_moves_between_a_file_and_a_pipe),
		WAYS_CASES(splice_waits_for_data_unless_told_not_to),
		WAYS_CASES(tee_leaves_the_data_where_they_are),
		WAYS_CASES(splice_and_tee_refuse_what_the_system_calls_refuse),
		WAYS_CASES(sendfile_sends_all_to_a_socket),
		WAYS_CASES(sendfile_waits_for_a_socket_with_O_NONBLOCK),
		WAYS_CASES(sendfile_sends_all_to_a_pipe),
		WAYS_CASES(sendfile_copies_to_a_file),
		WAYS_CASES(sendfile_refuses_what_the_system_call_refuses),
		WAYS_CASES(sendfile_that_is_cut_off_says_how_far_it_came),
		HARNESS_CASE(a_revoked_sendfile_can_be_continued, HARNESS_IN_RUN),
		HARNESS_CASE(slow_receivers_occupy_no_kernel_threads, HARNESS_IN_RUN),
		HARNESS_CASE(a_sendfile_is_revoked_wherever_it_is, HARNESS_IN_RUN),
		WAYS_CASES(sendfile_without_a_descriptor_for_its_pipe_says_so),
	};

	return harness_run("op_splice", cases, ARRAY_SIZE(cases), argc, argv);
}
