/* SPDX-License-Identifier: BSD-2-Clause */
/* helper_test.c - messages are messages on helper LWPs, too: as if the kernel's io_uring had no operations */
#include <dirent.h>
#include <ellula/ops.h>
#include <ellula/port.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch/arch.h"
#include "message/others.h"
#include "sys/sys.h"

/* Where HELPERS are all that the kernel makes, the rest is queued. */
enum { PIPES = 100, HELPERS = 32 };

/* How many more kernel threads there may be. */
static int threads_left = -1;

static int create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	int left = load_relaxed(&threads_left);

	do {
		if (left == 0)
			return EAGAIN;
	} while (left > 0 && !cas_acq_rel(&threads_left, &left, left - 1));
	return sys_real.pthread_create(thread, attr, fn, arg);
}

static struct ell_port port;
static struct ell_msg reads[PIPES];
static char bytes[PIPES];
static int ends[PIPES][2];

static void pipes_open(void)
{
	for (int i = 0; i < PIPES; i++)
		CHECK_EQ(pipe(ends[i]), 0);
}

static void pipes_close(void)
{
	for (int i = 0; i < PIPES; i++) {
		close(ends[i][0]);
		close(ends[i][1]);
	}
}

static void pipe_put(int i)
{
	char byte = (char)('0' + i);

	CHECK_EQ(write(ends[i][1], &byte, 1), 1);
}

static void pipe_check(int i)
{
	char byte;

	CHECK_EQ(read(ends[i][0], &byte, 1), 1);
	CHECK_EQ(byte, (char)('0' + i));
}

static void reads_send(struct ell_port *to)
{
	for (int i = 0; i < PIPES; i++) {
		ell_msg_init(&reads[i], to, &bytes[i]);
		ell_msg_read(&reads[i], ends[i][0], &bytes[i], 1, -1);
		CHECK_EQ(ell_msg_send(&reads[i]), 0);
	}
}

static void read_check(struct ell_msg *m)
{
	CHECK_EQ(m->ms_result, 1);
	CHECK(m->ms_tag == &bytes[m - reads]);
	CHECK_EQ(bytes[m - reads], (char)('0' + (m - reads)));
	bytes[m - reads] = 0;
}

/* Those that run make room for those that wait. */
static void more_messages_than_helpers_all_end(void)
{
	store_relaxed(&threads_left, HELPERS);
	pipes_open();
	ell_port_init(&port, "reads");
	for (int round = 0; round < 3; round++) {
		reads_send(&port);
		CHECK(!ell_port_wait(&port, ell_after(2 * ELL_MSEC)));
		for (int i = PIPES; i-- > 0;)
			pipe_put(i);
		for (int i = 0; i < PIPES; i++)
			read_check(ell_port_wait(&port, ELL_FOREVER));
		CHECK(!ell_port_get(&port));
	}
	CHECK_EQ(ell_port_finish(&port), 0);
	pipes_close();
}

/* Reads that wait for writes that were sent after them, and for short messages. */
static void messages_may_wait_for_later_ones(void)
{
	struct ell_msg writes[PIPES], m;

	pipes_open();
	ell_port_init(&port, "reads");
	reads_send(&port);
	ell_msg_init(&m, NULL, NULL);
	ell_msg_nop(&m);
	CHECK_EQ(ell_msg_do(&m), 0);
	for (int i = PIPES; i-- > 0;) {
		static char digits[PIPES];

		digits[i] = (char)('0' + i);
		ell_msg_init(&writes[i], NULL, NULL);
		ell_msg_write(&writes[i], ends[i][1], &digits[i], 1, -1);
		CHECK_EQ(ell_msg_send(&writes[i]), 0);
	}
	for (int i = 0; i < PIPES; i++)
		read_check(ell_port_wait(&port, ELL_FOREVER));
	for (int i = 0; i < PIPES; i++)
		CHECK_EQ(ell_msg_wait(&writes[i], ELL_FOREVER), 0);
	CHECK_EQ(ell_port_finish(&port), 0);
	pipes_close();
}

/* It stands in the helpers' queue and not in the port; and others come before it. */
static void one_that_is_queued_can_be_waited_for(void)
{
	store_relaxed(&threads_left, HELPERS);
	pipes_open();
	ell_port_init(&port, "reads");
	reads_send(&port);
	CHECK_EQ(ell_msg_wait(&reads[PIPES - 2], ell_after(2 * ELL_MSEC)), -ETIMEDOUT);
	CHECK(!ell_msg_poll(&reads[PIPES - 2]));
	for (int i = 0; i < PIPES; i++)
		pipe_put(i);
	CHECK_EQ(ell_msg_wait(&reads[PIPES - 2], ELL_FOREVER), 0);
	read_check(&reads[PIPES - 2]);
	for (int i = 0; i < PIPES - 1; i++)
		read_check(ell_port_wait(&port, ELL_FOREVER));
	CHECK_EQ(ell_port_finish(&port), 0);
	pipes_close();
}

static void one_that_is_queued_ends_when_it_is_revoked(void)
{
	store_relaxed(&threads_left, HELPERS);
	pipes_open();
	reads_send(NULL);
	for (int i = HELPERS; i < PIPES; i += 2) {
		CHECK_EQ(ell_msg_revoke(&reads[i]), 0);
		CHECK_EQ(ell_msg_wait(&reads[i], ELL_FOREVER), 0);
		CHECK_EQ(reads[i].ms_result, -ECANCELED);
	}
	for (int i = 0; i < PIPES; i++)
		pipe_put(i);
	for (int i = 0; i < PIPES; i++) {
		if (i >= HELPERS && i % 2 == 0) {
			pipe_check(i);
			continue;
		}
		CHECK_EQ(ell_msg_wait(&reads[i], ELL_FOREVER), 0);
		read_check(&reads[i]);
	}
	pipes_close();
}

/* Its system call is interrupted; and what comes later is not for its buffer. */
static void one_that_runs_ends_when_it_is_revoked(void)
{
	pipes_open();
	reads_send(NULL);
	/* All helpers are in their system calls. */
	CHECK_EQ(ell_msg_wait(&reads[0], ell_after(20 * ELL_MSEC)), -ETIMEDOUT);
	for (int i = 0; i < PIPES; i += 2) {
		CHECK_EQ(ell_msg_revoke(&reads[i]), 0);
		CHECK_EQ(ell_msg_wait(&reads[i], ell_after(10 * ELL_SEC)), 0);
		CHECK_EQ(reads[i].ms_result, -ECANCELED);
	}
	for (int i = 0; i < PIPES; i++)
		pipe_put(i);
	for (int i = 0; i < PIPES; i++) {
		if (i % 2 == 0) {
			CHECK_EQ(bytes[i], 0);
			pipe_check(i);
			continue;
		}
		CHECK_EQ(ell_msg_wait(&reads[i], ELL_FOREVER), 0);
		read_check(&reads[i]);
	}
	pipes_close();
}

enum { HITS = 3000 };

/* At each moment of a helper's way into its system call and back; the byte is read by exactly one. */
static void a_revoke_hits_at_any_moment(void)
{
	unsigned revoked = 0, done = 0;
	uint64_t random = harness_seed();
	struct ell_msg m;
	char byte;

	CHECK_EQ(pipe(ends[0]), 0);
	for (unsigned i = 0; i < HITS; i++) {
		byte = 0;
		ell_msg_init(&m, NULL, NULL);
		ell_msg_read(&m, ends[0][0], &byte, 1, -1);
		CHECK_EQ(ell_msg_send(&m), 0);
		random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
		for (unsigned spins = random >> 54; spins > 0; spins--)
			arch_pause();
		if (random >> 40 & 1)
			CHECK_EQ(write(ends[0][1], "x", 1), 1);
		ell_msg_revoke(&m);
		CHECK_EQ(ell_msg_wait(&m, ell_after(20 * ELL_SEC)), 0);
		if (m.ms_result == 1) {
			CHECK_EQ(byte, 'x');
			done++;
			continue;
		}
		CHECK_EQ(m.ms_result, -ECANCELED);
		CHECK_EQ(byte, 0);
		revoked++;
		if (random >> 40 & 1)
			CHECK_EQ(read(ends[0][0], &byte, 1), 1);
	}
	NOTE("%u done, %u revoked", done, revoked);
	CHECK_CAME(revoked > 0);
	close(ends[0][0]);
	close(ends[0][1]);
}

/* What waits for ever in the kernel, each in its way. */
static void whatever_blocks_can_be_revoked(void)
{
	char dir[] = "/tmp/ellula-helper-XXXXXX", path[64], byte[1];
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	struct ell_msg m[6];
	siginfo_t info;
	int sockets[2], listener, i = 0;
	pid_t child = fork();

	if (child == 0) {
		pause();
		_exit(0);
	}
	CHECK(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/fifo", dir);
	CHECK_EQ(mkfifo(path, 0600), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	CHECK_EQ(pipe(ends[0]), 0);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK_EQ(bind(listener, (struct sockaddr *)&name, sizeof(sa_family_t)), 0);
	CHECK_EQ(listen(listener, 1), 0);
	for (size_t n = 0; n < ARRAY_SIZE(m); n++)
		ell_msg_init(&m[n], NULL, NULL);
	ell_msg_openat(&m[i++], AT_FDCWD, path, O_RDONLY, 0);
	ell_msg_waitid(&m[i++], P_PID, (id_t)child, &info, WEXITED);
	ell_msg_splice(&m[i++], ends[0][0], -1, sockets[0], -1, 100, 0);
	ell_msg_recv(&m[i++], sockets[0], byte, 1, MSG_WAITALL);
	ell_msg_accept(&m[i++], listener, NULL, NULL, 0);
	ell_msg_poll_fd(&m[i++], ends[0][0], POLLIN);
	for (i = 0; i < (int)ARRAY_SIZE(m); i++)
		CHECK_EQ(ell_msg_send(&m[i]), 0);
	CHECK_EQ(ell_msg_wait(&m[0], ell_after(20 * ELL_MSEC)), -ETIMEDOUT);
	for (i = 0; i < (int)ARRAY_SIZE(m); i++) {
		NOTE("message %d", i);
		CHECK_EQ(ell_msg_revoke(&m[i]), 0);
		CHECK_EQ(ell_msg_wait(&m[i], ell_after(10 * ELL_SEC)), 0);
		CHECK_EQ(m[i].ms_result, -ECANCELED);
	}
	kill(child, SIGKILL);
	CHECK_EQ(waitpid(child, NULL, 0), child);
	unlink(path);
	rmdir(dir);
	close(sockets[0]);
	close(sockets[1]);
	close(listener);
	close(ends[0][0]);
	close(ends[0][1]);
}

enum { TRIES = 20000, TRIES_MAX = 400000, AT_ONCE = 50 };

static struct ell_msg contested[AT_ONCE];
static uint32_t over, accepted;

static void revoke_all(void *unused)
{
	uint64_t random = 1;

	(void)unused;
	while (!load_acquire(&over)) {
		for (int i = 0; i < AT_ONCE; i++) {
			random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
			/* After the first one, few: or none would ever be done. */
			if ((random >> 58 == 0 || load_relaxed(&accepted) == 0) && ell_msg_revoke(&contested[i]) == 0)
				fetch_add_relaxed(&accepted, 1);
		}
		other_pause(20 * ELL_USEC);
	}
}

/* Polls that end at once, against revokes from everywhere, while the messages are sent again and again. */
static void revokes_race_with_helpers(void)
{
	unsigned done = 0, revoked = 0, sent = AT_ONCE;
	struct other others[WHERES];

	pipes_open();
	ell_port_init(&port, "contested");
	for (int i = 0; i < AT_ONCE; i++) {
		ell_msg_init(&contested[i], &port, &contested[i]);
		ell_msg_poll_fd(&contested[i], ends[i][1], POLLOUT);
		CHECK_EQ(ell_msg_send(&contested[i]), 0);
	}
	for (int where = 0; where < WHERES; where++)
		other_start(&others[where], where, revoke_all, NULL);
	while (done + revoked < sent) {
		struct ell_msg *m = ell_port_wait(&port, ELL_FOREVER);

		CHECK(m->ms_tag == m);
		if (m->ms_result == -ECANCELED) {
			revoked++;
		} else {
			CHECK_EQ(m->ms_result, POLLOUT);
			done++;
		}
		if (sent < TRIES || (sent < TRIES_MAX && (!done || !revoked))) {
			CHECK_EQ(ell_msg_send(m), 0);
			sent++;
		}
	}
	store_release(&over, 1);
	for (int where = 0; where < WHERES; where++)
		other_join(&others[where]);
	CHECK(!ell_port_get(&port));
	NOTE("%u done, %u revoked, %u revokes", done, revoked, accepted);
	CHECK(revoked <= accepted);
	CHECK_CAME(done > 0 && revoked > 0);
	pipes_close();
}

static unsigned kernel_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	unsigned n = 0;

	CHECK(dir);
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

static void helpers_that_have_nothing_to_do_end(void)
{
	unsigned before = kernel_threads();

	pipes_open();
	reads_send(NULL);
	for (int i = 0; i < PIPES; i++)
		pipe_put(i);
	for (int i = 0; i < PIPES; i++)
		CHECK_EQ(ell_msg_wait(&reads[i], ELL_FOREVER), 0);
	CHECK(kernel_threads() > before);
	for (int tries = 0; kernel_threads() > before; tries++) {
		CHECK(tries < 300);
		other_pause(100 * ELL_MSEC);
	}
	/* And come back. */
	reads_send(NULL);
	for (int i = 0; i < PIPES; i++)
		pipe_put(i);
	for (int i = 0; i < PIPES; i++)
		CHECK_EQ(ell_msg_wait(&reads[i], ELL_FOREVER), 0);
	pipes_close();
}

static void a_message_that_nobody_can_run_says_so(void)
{
	struct ell_msg m;

	store_relaxed(&threads_left, 0);
	pipes_open();
	ell_msg_init(&m, NULL, NULL);
	ell_msg_nop(&m);
	CHECK_EQ(ell_msg_do(&m), -EAGAIN);
	reads_send(NULL);
	for (int i = 0; i < PIPES; i++) {
		CHECK_EQ(ell_msg_wait(&reads[i], ELL_FOREVER), 0);
		CHECK_EQ(reads[i].ms_result, -EAGAIN);
	}
	store_relaxed(&threads_left, -1);
	CHECK_EQ(ell_msg_do(&m), 0);
	pipes_close();
}

static void one_helper_is_enough(void)
{
	pipes_open();
	store_relaxed(&threads_left, 1);
	reads_send(NULL);
	for (int i = 0; i < PIPES; i++)
		pipe_put(i);
	for (int i = 0; i < PIPES; i++) {
		CHECK_EQ(ell_msg_wait(&reads[i], ELL_FOREVER), 0);
		read_check(&reads[i]);
	}
	pipes_close();
}

static uint32_t signals;
static pid_t who;

static void note_signal(int signal)
{
	(void)signal;
	who = gettid();
	fetch_add_relaxed(&signals, 1);
}

static void write_soon(void *unused)
{
	(void)unused;
	other_pause(10 * ELL_MSEC);
	for (int i = 0; i < PIPES; i++)
		pipe_put(i);
}

/* The program's signals are for the program's threads. */
static void helpers_take_no_signals(void)
{
	struct sigaction sa = {.sa_handler = note_signal};
	struct other other;
	sigset_t usr1, before;

	pipes_open();
	sigaction(SIGUSR1, &sa, NULL);
	reads_send(NULL);
	other_pause(5 * ELL_MSEC);
	/* Nobody else has it unblocked now. */
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &usr1, &before);
	CHECK_EQ(kill(getpid(), SIGUSR1), 0);
	usleep(5000);
	CHECK_EQ(load_relaxed(&signals), 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	CHECK_EQ(load_relaxed(&signals), 1);
	CHECK_EQ(who, gettid());
	other_start(&other, HERE, write_soon, NULL);
	for (int i = 0; i < PIPES; i++) {
		CHECK_EQ(ell_msg_wait(&reads[i], ELL_FOREVER), 0);
		read_check(&reads[i]);
	}
	other_join(&other);
	pipes_close();
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE_ON_1_AND_2(more_messages_than_helpers_all_end),
		HARNESS_CASE_ON_1_AND_2(messages_may_wait_for_later_ones),
		HARNESS_CASE_ON_1_AND_2(one_that_is_queued_can_be_waited_for),
		HARNESS_CASE_ON_1_AND_2(one_that_is_queued_ends_when_it_is_revoked),
		HARNESS_CASE_ON_1_AND_2(one_that_runs_ends_when_it_is_revoked),
		HARNESS_CASE_ON_1_AND_2(a_revoke_hits_at_any_moment),
		HARNESS_CASE_ON_1_AND_2(whatever_blocks_can_be_revoked),
		HARNESS_CASE_ON_1_AND_2(revokes_race_with_helpers),
		HARNESS_CASE(helpers_that_have_nothing_to_do_end, HARNESS_IN_RUN),
		HARNESS_CASE(a_message_that_nobody_can_run_says_so, HARNESS_IN_RUN, HARNESS_VCPUS(1)),
		HARNESS_CASE(one_helper_is_enough, HARNESS_IN_RUN, HARNESS_VCPUS(1)),
		HARNESS_CASE(helpers_take_no_signals, HARNESS_IN_RUN, HARNESS_VCPUS(1)),
	};

	/* These look into one LWP, and have it to themselves. */
	setenv("ELLULA_MONITOR", "off", 1);

	sys.pthread_create = create;
	setenv("ELLULA_UNPROBE", "all", 1);
	return harness_run("helper", cases, ARRAY_SIZE(cases), argc, argv);
}
