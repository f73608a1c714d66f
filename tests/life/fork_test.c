/* SPDX-License-Identifier: BSD-2-Clause */
/* fork_test.c - a process with messages out becomes two: the parent notices nothing, the child starts anew */
#include <dirent.h>
#include <ellula/ellula.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/harness.h"
#include "kport/kport.h"
#include "message/message.h"
#include "sched/vcpu.h"
#include "thread/threads.h"

static const char *const ours[] = {"io_uring", "eventfd", "eventpoll"};

static bool is_ours(const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		if (strstr(text, ours[i]))
			return true;
	return false;
}

/* Descriptors and mappings of the library's that this process has. */
static unsigned count_ours(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	unsigned count = 0;
	char line[512];

	CHECK(maps && dir);
	while (fgets(line, sizeof(line), maps))
		count += is_ours(line);
	while ((entry = readdir(dir)) != NULL) {
		char path[300];
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/fd/%s", entry->d_name);
		n = readlink(path, line, sizeof(line) - 1);
		if (n > 0) {
			line[n] = '\0';
			count += is_ours(line);
		}
	}
	fclose(maps);
	closedir(dir);
	return count;
}

static unsigned count_kernel_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	unsigned count = 0;

	CHECK(dir);
	while ((entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

/* How many there were before the library had any: an emulator has some of its own. */
static unsigned kernel_threads_before;

/* The child runs FN and ends with 33. */
static pid_t fork_and(void (*fn)(void))
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		fn();
		_exit(33);
	}
	return pid;
}

static void expect(pid_t pid, int code)
{
	int status;

	CHECK_EQ(ell_waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), code);
}

/*
 * Messages
 */

enum { EACH = MANY(250, 50), READS = 0, TIMERS = EACH, SOCKETS = 2 * EACH, SHORTS = 3 * EACH, ALL = 4 * EACH };

static struct ell_port port;
static struct ell_msg m[ALL];
static char bytes[ALL];
static unsigned replies[ALL];
static int ends[2], sockets[2];

static void send_all(void)
{
	CHECK_EQ(pipe(ends), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	ell_port_init(&port, "all");
	for (int i = 0; i < ALL; i++) {
		ell_msg_init(&m[i], &port, NULL);
		bytes[i] = 'u';
		replies[i] = 0;
		if (i < TIMERS)
			ell_msg_read(&m[i], ends[0], &bytes[i], 1, -1);
		else if (i < SOCKETS)
			ell_msg_nanosleep(&m[i], 600 * ELL_SEC);
		else if (i < SHORTS)
			ell_msg_recv(&m[i], sockets[0], &bytes[i], 1, 0);
		else
			ell_msg_nop(&m[i]);
		CHECK_EQ(ell_msg_send(&m[i]), 0);
	}
}

/* Until each has been replied to. */
static void take_all(int64_t unless_short)
{
	struct ell_msg *got;

	for (int i = 0; i < ALL; i++) {
		got = ell_port_wait(&port, ell_after(20 * ELL_SEC));
		CHECK(got != NULL);
		CHECK_EQ(replies[got - m]++, 0);
		/* Short ones have ended before the fork. */
		CHECK_EQ(got->ms_result, got - m >= SHORTS ? 0 : unless_short);
	}
	CHECK(!ell_port_get(&port));
}

static void use_the_library(void)
{
	char c = 'x', d = 0;
	int both[2];

	CHECK_EQ(pipe(both), 0);
	CHECK_EQ(ell_write(both[1], &c, 1), 1);
	CHECK_EQ(ell_read(both[0], &d, 1), 1);
	CHECK_EQ(d, 'x');
	CHECK_EQ(ell_sleep_until(ell_after(ELL_MSEC)), 0);
	close(both[0]);
	close(both[1]);
}

static void *count_one(void *count)
{
	ell_yield();
	use_the_library();
	fetch_add_relaxed((unsigned *)count, 1);
	return NULL;
}

static void create_threads(void)
{
	ell_thread threads[20];
	unsigned count = 0;

	for (int i = 0; i < 20; i++)
		threads[i] = start(count_one, &count);
	for (int i = 0; i < 20; i++)
		join(threads[i]);
	CHECK_EQ(count, 20);
}

static void leave(void)
{
	exit(34);
}

/* The child: everything there is. */
static void begin_anew(void)
{
	char *argv[] = {(char *)"true", NULL};
	pid_t pid;

	CHECK_EQ(count_kernel_threads(), kernel_threads_before);
	CHECK_EQ(count_ours(), 0);
	take_all(-ECANCELED);
	for (int i = 0; i < ALL; i++)
		CHECK_EQ(bytes[i], 'u');
	CHECK_EQ(ell_vcpus(), 1);
	create_threads();
	expect(fork_and(create_threads), 33);
	expect(fork_and(leave), 34);
	pid = fork();
	if (pid == 0) {
		ell_execve("/bin/true", argv, environ);
		_exit(1);
	}
	expect(pid, 0);
}

/* The parent: each message gets what it waits for. */
static void go_on(void)
{
	static char x[ALL];

	memset(x, 'x', sizeof(x));
	for (int i = 0; i < TIMERS; i++)
		CHECK_EQ(write(ends[1], x, 1), 1);
	for (int i = TIMERS; i < SOCKETS; i++)
		CHECK_EQ(ell_msg_revoke(&m[i]), 0);
	for (int i = SOCKETS; i < SHORTS; i++)
		CHECK_EQ(write(sockets[1], x, 1), 1);
	for (int i = 0; i < ALL; i++) {
		struct ell_msg *got = ell_port_wait(&port, ell_after(20 * ELL_SEC));
		int which;

		CHECK(got != NULL);
		which = (int)(got - m);
		CHECK_EQ(replies[which]++, 0);
		if (which >= TIMERS && which < SOCKETS)
			CHECK_EQ(got->ms_result, -ECANCELED);
		else
			CHECK_EQ(got->ms_result, which >= SHORTS ? 0 : 1);
		CHECK_EQ(bytes[which], which < TIMERS || (which >= SOCKETS && which < SHORTS) ? 'x' : 'u');
	}
	close(ends[0]);
	close(ends[1]);
	close(sockets[0]);
	close(sockets[1]);
}

static unsigned asleep;

static void *sleep_long(void *stop)
{
	fetch_add_relaxed(&asleep, 1);
	while (!load_acquire((uint32_t *)stop))
		ell_sleep_until(ell_after(50 * ELL_MSEC));
	return NULL;
}

enum { THREADS = MANY(10000, 100) };

static void messages_of_every_class_are_revoked_in_the_child_alone(void)
{
	static ell_thread threads[THREADS];
	static uint32_t stop;

	for (int i = 0; i < THREADS; i++)
		threads[i] = start(sleep_long, &stop);
	WAIT_FOR(load_relaxed(&asleep) == THREADS);
	send_all();
	expect(fork_and(begin_anew), 33);
	go_on();
	store_release(&stop, 1);
	for (int i = 0; i < THREADS; i++)
		join(threads[i]);
}

/*
 * Threads
 */

static uint32_t stop;
static ell_thread other;
static struct ell_mutex mutex;

static void *wait_for_mutex(void *unused)
{
	CHECK_EQ(ell_mutex_lock(&mutex), 0);
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
	return unused;
}

/* Who forks holds the mutex, and another thread waits for it. */
static void unlock_and_lock(void)
{
	CHECK_EQ(ell_join(other, NULL), ESRCH);
	CHECK_EQ(ell_unpark(other), ESRCH);
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
	CHECK_EQ(ell_mutex_lock_until(&mutex, ell_after(ELL_SEC)), 0);
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
}

static void other_threads_are_gone_and_get_nothing(void)
{
	CHECK_EQ(ell_mutex_lock(&mutex), 0);
	other = start(wait_for_mutex, NULL);
	sleep_for(2 * ELL_MSEC);
	expect(fork_and(unlock_and_lock), 33);
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
	join(other);
}

static void *fork_here(void *unused)
{
	errno = E2BIG;
	send_all();
	expect(fork_and(begin_anew), 33);
	go_on();
	return unused;
}

/* On any vCPU, with TLS of its own or without. */
static void any_thread_may_fork(void)
{
	struct ell_attr attr;

	for (int vcpu = 0; vcpu < ell_vcpus(); vcpu++) {
		for (int tls = ELL_TLS_PRIVATE; tls <= ELL_TLS_SHARED; tls++) {
			ell_attr_init(&attr);
			attr.vcpu = vcpu;
			attr.tls = (enum ell_tls)tls;
			join(start_with(&attr, fork_here, NULL));
		}
	}
}

static void nothing(void)
{
}

static void *fork_in_foreign(void *unused)
{
	pid_t pid = fork_and(nothing);
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 33);
	return unused;
}

static void a_foreign_thread_may_fork(void)
{
	struct foreign foreign;

	send_all();
	foreign_start(&foreign, fork_in_foreign, NULL);
	foreign_join(&foreign);
	go_on();
}

/* In the child of a foreign thread, which has no runtime. */
static void init_anew(void)
{
	CHECK_EQ(ell_vcpus(), 0);
	CHECK_EQ(ell_create(NULL, NULL, count_one, NULL), ENXIO);
	CHECK_EQ(ell_init(), 0);
	CHECK_EQ(ell_init(), -EALREADY);
	take_all(-ECANCELED);
	create_threads();
	expect(fork_and(create_threads), 33);
	expect(fork_and(leave), 34);
}

static int be_main(void *unused)
{
	(void)unused;
	take_all(-ECANCELED);
	create_threads();
	expect(fork_and(create_threads), 33);
	return 5;
}

static void run_anew(void)
{
	CHECK_EQ(ell_run(be_main, NULL), 5);
}

static void *fork_and_start(void *unused)
{
	static void (*const ways[])(void) = {init_anew, run_anew};

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		pid_t pid = fork_and(ways[i]);
		int status;

		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 33);
	}
	return unused;
}

static void its_child_may_start_the_runtime(void)
{
	struct foreign foreign;

	send_all();
	foreign_start(&foreign, fork_and_start, NULL);
	foreign_join(&foreign);
	go_on();
}

static int watched;

static void receive_in_child(void)
{
	char c = 0;

	CHECK_EQ(ell_recv_until(watched, &c, 1, 0, ell_after(2 * ELL_MSEC)), -1);
	CHECK_EQ(errno, ETIMEDOUT);
	CHECK_EQ(write(sockets[1], "w", 1), 1);
	CHECK_EQ(ell_recv_until(watched, &c, 1, 0, ell_after(10 * ELL_SEC)), 1);
	CHECK_EQ(c, 'w');
}

static void a_watched_socket_can_be_used_in_the_child(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	char c;

	watched = ell_socket(AF_INET, SOCK_DGRAM, 0);
	CHECK_EQ(ell_bind(watched, (struct sockaddr *)&addr, len), 0);
	CHECK_EQ(getsockname(watched, (struct sockaddr *)&addr, &len), 0);
	sockets[1] = socket(AF_INET, SOCK_DGRAM, 0);
	CHECK_EQ(connect(sockets[1], (struct sockaddr *)&addr, len), 0);
	CHECK_EQ(ell_recv_until(watched, &c, 1, 0, ell_after(ELL_MSEC)), -1);
	/* One byte for the child, then one for the parent, for they have the socket in common. */
	expect(fork_and(receive_in_child), 33);
	CHECK_EQ(write(sockets[1], "p", 1), 1);
	CHECK_EQ(ell_recv_until(watched, &c, 1, 0, ell_after(10 * ELL_SEC)), 1);
	CHECK_EQ(c, 'p');
	ell_close(watched);
	close(sockets[1]);
}

/*
 * Functions, and the cheap way
 */

static char calls[16];

static void note(char c)
{
	size_t len = strlen(calls);

	CHECK(len + 1 < sizeof(calls));
	calls[len] = c;
}

static void prepare_1(void)
{
	note('2');
}

static void prepare_2(void)
{
	/* Still a thread that may wait. */
	CHECK_EQ(ell_sleep_until(ell_after(ELL_MSEC)), 0);
	note('1');
}

static void after_1(void)
{
	use_the_library();
	note('3');
}

static void after_2(void)
{
	use_the_library();
	note('4');
}

static void check_calls(void)
{
	CHECK_STR(calls, "1234");
}

static void functions_run_in_order_and_may_use_the_library(void)
{
	CHECK_EQ(pthread_atfork(prepare_1, after_1, after_1), 0);
	CHECK_EQ(pthread_atfork(prepare_2, after_2, after_2), 0);
	expect(fork_and(check_calls), 33);
	CHECK_STR(calls, "1234");
}

static void *run_quickly(void *stop_it)
{
	uint64_t rounds = 0;

	/* It comes to no round, so a fork would wait for it. */
	while (!load_acquire((uint32_t *)stop_it))
		rounds++;
	return (void *)(uintptr_t)rounds;
}

static pid_t vfork_true(void)
{
	char *argv[] = {(char *)"true", NULL};
	pid_t pid = vfork();

	if (pid == 0) {
		execve("/bin/true", argv, environ);
		_exit(1);
	}
	return pid;
}

static void spawning_takes_the_cheap_way(void)
{
	char *argv[] = {(char *)"true", NULL};
	ell_thread busy = 0;
	pid_t pid;

	CHECK_EQ(pthread_atfork(prepare_1, after_1, after_1), 0);
	if (ell_vcpus() > 1)
		busy = start_on((ell_vcpu() + 1) % 2, run_quickly, &stop);
	send_all();
	CHECK_EQ(posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ), 0);
	expect(pid, 0);
	expect(vfork_true(), 0);
	CHECK_EQ(WEXITSTATUS(system("exit 3")), 3);
	CHECK_STR(calls, "");
	store_release(&stop, 1);
	if (busy)
		join(busy);
	go_on();
}

/*
 * Many
 */

static void *make_load(void *unused)
{
	int both[2];
	char c = 'l';

	CHECK_EQ(pipe2(both, O_CLOEXEC), 0);
	while (!load_acquire(&stop)) {
		CHECK_EQ(ell_write(both[1], &c, 1), 1);
		CHECK_EQ(ell_read(both[0], &c, 1), 1);
		ell_sleep_until(ell_after(100 * ELL_USEC));
		ell_yield();
	}
	close(both[0]);
	close(both[1]);
	return unused;
}

static unsigned count_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	CHECK(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static void forks_under_load_hang_and_leak_nothing(void)
{
	const char *given = getenv("FORKS");
	int forks = given ? atoi(given) : harness_emulated() ? 10 : MANY(200, 30);
	ell_thread threads[20];
	unsigned before, lwps;

	for (int i = 0; i < 20; i++)
		threads[i] = start(make_load, NULL);
	sleep_for(5 * ELL_MSEC);
	lwps = load_acquire(&runtime.rt_lwp_count);
	before = count_open();
	for (int i = 0; i < forks; i++) {
		NOTE("fork %d of %d", i, forks);
		expect(fork_and(i % 10 == 0 ? create_threads : use_the_library), 33);
	}
	/* An LWP that was made meanwhile, for a vCPU to go on with, has two. */
	CHECK_EQ(count_open() - before, 2 * (load_acquire(&runtime.rt_lwp_count) - lwps));
	store_release(&stop, 1);
	for (int i = 0; i < 20; i++)
		join(threads[i]);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE_ON_1_AND_2(messages_of_every_class_are_revoked_in_the_child_alone),
		HARNESS_CASE_ON_1_AND_2(other_threads_are_gone_and_get_nothing),
		HARNESS_CASE_ON_1_AND_2(any_thread_may_fork),
		HARNESS_CASE_ON_1_AND_2(a_foreign_thread_may_fork),
		HARNESS_CASE_ON_1_AND_2(its_child_may_start_the_runtime),
		HARNESS_CASE_ON_1_AND_2(a_watched_socket_can_be_used_in_the_child),
		HARNESS_CASE_ON_1_AND_2(functions_run_in_order_and_may_use_the_library),
		HARNESS_CASE_ON_1_AND_2(spawning_takes_the_cheap_way),
		HARNESS_CASE_ON_1_AND_2(forks_under_load_hang_and_leak_nothing, HARNESS_SECONDS(600)),
	};

#ifdef WITH_TSAN
	/* It knows nothing of a child that goes on with a fiber. */
	if (argc == 1) {
		printf("SKIP fork: the thread sanitizer cannot follow\nfork: 0 passed, 0 failed, %zu skipped\n",
		       ARRAY_SIZE(cases));
		return 0;
	}
#endif
	kernel_threads_before = count_kernel_threads();
	return harness_run("fork", cases, ARRAY_SIZE(cases), argc, argv);
}
