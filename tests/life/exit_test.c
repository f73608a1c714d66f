/* SPDX-License-Identifier: BSD-2-Clause */
/* exit_test.c - however a process ends, what is to be completed is, and nothing keeps it for longer than the bound */
#include <ellula/ellula.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "harness/child.h"
#include "sched/need_handoff.h"
#include "thread/threads.h"

/* What the child tells its parent. */
static struct told {
	unsigned before, after; /* calls of the functions registered before and after the start */
	int64_t refused;	/* what sending gave in the former */
	int64_t result;		/* of the message that was out */
	unsigned replied;
	bool has_fuse;
} * told;

enum way { RETURN_FROM_MAIN, EXIT_IN_MAIN, EXIT_IN_THREAD, EXIT_IN_FOREIGN, RETURN_FROM_RUN, EXIT_IN_RUN, WAYS };

static const char *const way_names[WAYS] = {"main() returns",	  "exit() in main()",
					    "exit() in a thread", "exit() in a kernel thread",
					    "ell_run() ends",	  "exit() in ell_run()"};

/* What is done before the end, by the thread that ends. */
static void (*act)(void);
static bool ended_with_run;

static void *end_thread(void *arg)
{
	act();
	exit((int)(intptr_t)arg);
}

static int end_run(void *way)
{
	act();
	if (*(enum way *)way == EXIT_IN_RUN)
		exit(40 + EXIT_IN_RUN);
	ended_with_run = true;
	return 40 + RETURN_FROM_RUN;
}

/* Ends with 40 + WAY. */
static void end(void *arg)
{
	enum way way = (enum way)(uintptr_t)arg;
	struct foreign foreign;

	if (way >= RETURN_FROM_RUN)
		exit(ell_run(end_run, &way));
	CHECK_EQ(ell_init(), 0);
	if (way == EXIT_IN_THREAD) {
		start_on(0, end_thread, (void *)(intptr_t)(40 + way));
		ell_park();
	} else if (way == EXIT_IN_FOREIGN) {
		foreign_start(&foreign, end_thread, (void *)(intptr_t)(40 + way));
		ell_park();
	}
	act();
	/* main() returns to a call of exit(). */
	exit(40 + (int)way);
}

/* The child's status; the macro for that looks at it more than once. */
static void check_end(enum way way, int code)
{
	int status = child_run(end, (void *)(uintptr_t)way);

	CHECK_EXIT(status, code);
}

static void share(void)
{
	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(told != MAP_FAILED);
}

/* Runs the child with ACT before its end, in each way and with one vCPU and two; then CHECKS what came of it. */
static void each_way(void (*the_act)(void), void (*prepare)(void), void (*checks)(void))
{
	act = the_act;
	share();
	for (unsigned vcpus = 1; vcpus <= 2; vcpus++) {
		for (enum way way = 0; way < WAYS; way++) {
			memset(told, 0, sizeof(*told));
			setenv("ELLULA_VCPUS", vcpus == 1 ? "1" : "2", 1);
			if (prepare)
				prepare();
			check_end(way, 40 + (int)way);
			NOTE("%s, %u vCPU(s), said: %.200s", way_names[way], vcpus, child_said);
			checks();
		}
	}
}

/*
 * Revoked, and refused
 */

static int ends[2];
static struct ell_port port;
static struct ell_msg endless[2];
static char byte;

static void note_reply(struct ell_port *at, void *arg)
{
	struct ell_msg *m;

	(void)arg;
	while ((m = ell_port_get(at))) {
		told->replied++;
		told->result = m->ms_result;
	}
}

static void called_last(void)
{
	struct ell_msg m;

	told->before++;
	ell_msg_init(&m, NULL, NULL);
	ell_msg_nop(&m);
	told->refused = ell_msg_send(&m);
}

static void called_first(void)
{
	told->after++;
	CHECK_EQ(told->before, 0);
	/* The end of ell_run() comes before exit(). */
	CHECK_EQ(told->replied, ended_with_run ? 2 : 0);
	/* All of the library is still there. */
	CHECK_EQ(ell_sleep_until(ell_after(ELL_MSEC)), 0);
}

/* A read that never ends, and a sleep that is longer than anybody's patience. */
static void send_endless(void)
{
	ell_port_init(&port, "endless");
	ell_port_upcall(&port, note_reply, NULL);
	for (int i = 0; i < 2; i++)
		ell_msg_init(&endless[i], &port, NULL);
	ell_msg_read(&endless[0], ends[0], &byte, 1, -1);
	ell_msg_nanosleep(&endless[1], 3600 * ELL_SEC);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(ell_msg_send(&endless[i]), 0);
	CHECK_EQ(atexit(called_first), 0);
}

static void check_revoked(void)
{
	CHECK_EQ(told->before, 1);
	CHECK_EQ(told->after, 1);
	CHECK_EQ(told->refused, -ESHUTDOWN);
	CHECK_EQ(told->replied, 2);
	CHECK_EQ(told->result, -ECANCELED);
}

static void what_may_take_for_ever_is_revoked_and_new_messages_are_refused(void)
{
	CHECK_EQ(pipe(ends), 0);
	CHECK_EQ(atexit(called_last), 0);
	each_way(send_endless, NULL, check_revoked);
	told->before = 0;
	close(ends[0]);
	close(ends[1]);
}

/* The thread that sends blocks its LWP for ever afterwards. */
static void *send_and_block(void *unused)
{
	char c;

	send_endless();
	CHECK_EQ(read(ends[0], &c, 1), 0);
	return unused;
}

static void let_another_one_block(void)
{
	struct ell_stats stats;

	start_on(0, send_and_block, NULL);
	do {
		ell_yield();
		ell_stats_get(&stats);
	} while (stats.lwps_away == 0);
}

static int end_beside_it(void *unused)
{
	(void)unused;
	need_handoff();
	let_another_one_block();
	/* ell_run() cannot return: the other one has the kernel thread. */
	exit(0);
}

static void run_beside_it(void *unused)
{
	(void)unused;
	ell_run(end_beside_it, NULL);
}

/* It has lost its vCPU, and comes to no round. */
static void so_is_what_an_lwp_has_out_that_is_away(void)
{
	CHECK_EQ(pipe(ends), 0);
	CHECK_EQ(atexit(called_last), 0);
	share();
	setenv("ELLULA_VCPUS", "1", 1);
	for (int i = 0; i < 10; i++) {
		int status;

		memset(told, 0, sizeof(*told));
		status = child_run(run_beside_it, NULL);
		CHECK_EXIT(status, 0);
		check_revoked();
	}
	told->before = 0;
	close(ends[0]);
	close(ends[1]);
}

/*
 * Completed
 */

enum { LARGE = 1 << 20 };

static char large[LARGE];
static pid_t reader;
static size_t *got;
static struct ell_msg drained[2];

/*
 * Begins late. A process, and no thread: the sanitizers' allocators are not made for a fork beside another thread.
 */
static void read_all(void)
{
	static char sink[65536];
	const struct timespec ts = {.tv_nsec = 20000000};
	ssize_t n;

	close(ends[1]);
	nanosleep(&ts, NULL);
	while (*got < LARGE && (n = read(ends[0], sink, sizeof(sink))) > 0)
		*got += (size_t)n;
	_exit(0);
}

static void start_reader(void)
{
	if (!got)
		got = mmap(NULL, sizeof(*got), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(got != MAP_FAILED);
	*got = 0;
	CHECK_EQ(pipe(ends), 0);
	reader = fork();
	CHECK(reader >= 0);
	if (reader == 0)
		read_all();
}

static void end_reader(void)
{
	close(ends[1]);
	CHECK_EQ(waitpid(reader, NULL, 0), reader);
	close(ends[0]);
}

/* More than a pipe takes, so in many steps; and the other end is closed by a short message only after that. */
static void send_large(void)
{
	ell_msg_init(&drained[0], NULL, NULL);
	ell_msg_write(&drained[0], ends[1], large, LARGE, -1);
	ell_msg_drain(&drained[0], true);
	CHECK_EQ(ell_msg_send(&drained[0]), 0);
}

static void check_all_came(void)
{
	end_reader();
	CHECK_EQ(*got, LARGE);
}

static void what_is_marked_is_completed(void)
{
	each_way(send_large, start_reader, check_all_came);
}

static void *send_large_here(void *unused)
{
	send_large();
	return unused;
}

static void send_large_elsewhere(void)
{
	join(start_on(1, send_large_here, NULL));
}

/* Its thread is gone, and so are the rounds of its LWP. */
static void an_lwp_that_has_messages_out_goes_on(void)
{
	setenv("ELLULA_VCPUS", "2", 1);
	act = send_large_elsewhere;
	start_reader();
	check_end(RETURN_FROM_RUN, 40 + RETURN_FROM_RUN);
	check_all_came();
}

static void send_large_unmarked(void)
{
	/* Whoever waits for it waits longer than the test. */
	ell_exit_bound(3600 * ELL_SEC);
	send_large();
	ell_msg_poll(&drained[0]);
	CHECK_EQ(ell_msg_revoke(&drained[0]), 0);
	ell_msg_wait(&drained[0], ELL_FOREVER);
	ell_msg_drain(&drained[0], false);
	CHECK_EQ(ell_msg_send(&drained[0]), 0);
}

static void open_pipe_that_nobody_reads(void)
{
	CHECK_EQ(pipe(ends), 0);
}

static void close_pipe(void)
{
	close(ends[0]);
	close(ends[1]);
}

static void what_is_not_marked_is_not_waited_for(void)
{
	each_way(send_large_unmarked, open_pipe_that_nobody_reads, close_pipe);
}

/* On the poll back end it is in the next round, when the process ends already, that a helper gets it. */
static void receive_all_of_what_never_comes(void)
{
	ell_exit_bound(3600 * ELL_SEC);
	ell_msg_init(&drained[0], NULL, NULL);
	ell_msg_recv(&drained[0], ends[0], large, LARGE, MSG_WAITALL);
	CHECK_EQ(ell_msg_send(&drained[0]), 0);
}

static void open_sockets_with_a_byte(void)
{
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	CHECK_EQ(write(ends[1], "", 1), 1);
}

static void nor_is_what_a_helper_would_begin_after_that(void)
{
	each_way(receive_all_of_what_never_comes, open_sockets_with_a_byte, close_pipe);
}

/*
 * Bounded
 */

static int64_t bound_ms;
static char fifo[] = "/tmp/ellula-fifo-XXXXXX";

static int64_t child_time(void)
{
	ell_time begin = ell_now();

	check_end(EXIT_IN_THREAD, 40 + EXIT_IN_THREAD);
	return ell_now() - begin;
}

/* Does the child take less than LIMIT? A busy machine may say no now and then, but not each time. */
static bool ends_within(int64_t limit)
{
	for (int tries = 0; tries < 8; tries++) {
		if (child_time() < limit)
			return true;
	}
	return false;
}

static void set_bound(void)
{
	/* What it was is the default. */
	CHECK_EQ(ell_exit_bound(bound_ms * ELL_MSEC), 2 * ELL_SEC);
	CHECK_EQ(ell_exit_bound(bound_ms * ELL_MSEC), bound_ms * ELL_MSEC);
}

static void drain_what_never_ends(void)
{
	set_bound();
	ell_msg_init(&drained[0], NULL, NULL);
	ell_msg_read(&drained[0], ends[0], &byte, 1, -1);
	ell_msg_drain(&drained[0], true);
	CHECK_EQ(ell_msg_send(&drained[0]), 0);
}

static void what_is_never_completed_takes_the_bound(void)
{
	CHECK_EQ(pipe(ends), 0);
	act = drain_what_never_ends;
	bound_ms = 300;
	CHECK(child_time() >= 300 * ELL_MSEC);
	CHECK(ends_within(1800 * ELL_MSEC));
	bound_ms = 0;
	CHECK(ends_within(ELL_SEC));
	close(ends[0]);
	close(ends[1]);
}

static void open_fifo(void)
{
	ell_msg_init(&drained[0], NULL, NULL);
	ell_msg_openat(&drained[0], AT_FDCWD, fifo, O_RDONLY, 0);
	CHECK_EQ(ell_msg_send(&drained[0]), 0);
	ell_msg_poll(&drained[0]);
	sleep_for(2 * ELL_MSEC);
}

static void open_fifo_and_wait(void)
{
	open_fifo();
	bound_ms = 400;
	set_bound();
	ell_msg_init(&drained[1], NULL, NULL);
	ell_msg_openat(&drained[1], AT_FDCWD, fifo, O_RDONLY, 0);
	ell_msg_drain(&drained[1], true);
	CHECK_EQ(ell_msg_send(&drained[1]), 0);
}

/* A worker of the kernel's, or a helper, is in an open that nobody answers. */
static void an_open_that_hangs_does_not_keep_the_process(void)
{
	CHECK(mkdtemp(fifo));
	CHECK_EQ(rmdir(fifo), 0);
	CHECK_EQ(mkfifo(fifo, 0600), 0);
	for (int helper = 0; helper < 2; helper++) {
		if (helper)
			setenv("ELLULA_UNPROBE", "openat", 1);
		act = open_fifo;
		/* A tenth of the bound, not all of it. */
		CHECK(ends_within(1500 * ELL_MSEC));
		act = open_fifo_and_wait;
		CHECK(child_time() >= 400 * ELL_MSEC);
	}
	unlink(fifo);
}

static int fuse_fd;
static char mount_point[] = "/tmp/ellula-fuse-XXXXXX";

/* The file system's server has not even said hello, and never will. */
static void open_fuse(void)
{
	char options[100];

	fuse_fd = open("/dev/fuse", O_RDWR);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse_fd);
	if (fuse_fd < 0 || mount("fuse", mount_point, "fuse", MS_NOSUID | MS_NODEV, options) != 0)
		return;
	told->has_fuse = true;
	ell_msg_init(&drained[0], NULL, NULL);
	ell_msg_openat(&drained[0], AT_FDCWD, mount_point, O_RDONLY, 0);
	CHECK_EQ(ell_msg_send(&drained[0]), 0);
	ell_msg_poll(&drained[0]);
	sleep_for(2 * ELL_MSEC);
}

static void a_file_system_that_never_answers_does_not_keep_the_process(void)
{
	int64_t took;

#ifdef WITH_ASAN
	SKIP("the leak checker waits for the thread that is in it");
#endif
	share();
	CHECK(mkdtemp(mount_point));
	act = open_fuse;
	took = child_time();
	umount2(mount_point, MNT_DETACH);
	rmdir(mount_point);
	if (!told->has_fuse)
		SKIP("FUSE cannot be mounted here");
	CHECK(took < 10 * ELL_SEC);
}

static void *compute_for_ever(void *arg)
{
	store_release((bool *)arg, true);
	for (;;)
		__asm__ volatile("");
	return NULL;
}

static void let_another_compute(void)
{
	static bool computes;

	start_on(1, compute_for_ever, &computes);
	WAIT_FOR(load_acquire(&computes));
}

static void a_thread_that_computes_does_not_keep_the_process(void)
{
	setenv("ELLULA_VCPUS", "2", 1);
	act = let_another_compute;
	CHECK(ends_within(1500 * ELL_MSEC));
}

static void *compute_after_sending(void *arg)
{
	send_large();
	return compute_for_ever(arg);
}

static void let_who_has_sent_compute(void)
{
	static bool computes;

	start_on(1, compute_after_sending, &computes);
	WAIT_FOR(load_acquire(&computes));
	bound_ms = 300;
	set_bound();
}

/* Its LWP never comes to a round, so the message does not even start. */
static void what_an_lwp_that_computes_has_sent_is_waited_for(void)
{
	CHECK_EQ(pipe(ends), 0);
	setenv("ELLULA_VCPUS", "2", 1);
	act = let_who_has_sent_compute;
	CHECK(child_time() >= 300 * ELL_MSEC);
	CHECK(ends_within(1800 * ELL_MSEC));
	close(ends[0]);
	close(ends[1]);
}

static void a_bound_that_is_no_number_is_not_taken(void)
{
	CHECK_EQ(pipe(ends), 0);
	act = drain_what_never_ends;
	bound_ms = 10;
	setenv("ELLULA_EXIT_BOUND", "soon", 1);
	check_end(RETURN_FROM_MAIN, 40);
	CHECK(strstr(child_said, "ELLULA_EXIT_BOUND=soon"));
	close(ends[0]);
	close(ends[1]);
}

static void wait_for_the_environment(void)
{
	CHECK_EQ(ell_exit_bound(0), 250 * ELL_MSEC);
	ell_exit_bound(250 * ELL_MSEC);
}

static void the_environment_sets_the_bound(void)
{
	act = wait_for_the_environment;
	setenv("ELLULA_EXIT_BOUND", "250", 1);
	check_end(RETURN_FROM_MAIN, 40);
}

/*
 * Threads that wait
 */

static void *receive_at_the_end(void *unused)
{
	int fd = ell_socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in addr = {.sin_family = AF_INET};

	(void)unused;
	CHECK_EQ(ell_bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	store_relaxed(&told->replied, 1);
	CHECK_EQ(ell_recv(fd, &byte, 1, 0), -1);
	told->result = errno;
	for (;;) {
		CHECK_EQ(ell_recv(fd, &byte, 1, 0), -1);
		told->refused = errno;
		ell_yield();
	}
	return NULL;
}

static void let_another_receive(void)
{
	start_on(1, receive_at_the_end, NULL);
	WAIT_FOR(load_relaxed(&told->replied) == 1);
	sleep_for(ELL_MSEC);
	/* Long enough that the thread on the other vCPU says what it saw. */
	bound_ms = 1000;
	drain_what_never_ends();
}

static void a_thread_that_waits_for_a_socket_is_told(void)
{
	CHECK_EQ(pipe(ends), 0);
	share();
	setenv("ELLULA_VCPUS", "2", 1);
	act = let_another_receive;
	child_time();
	CHECK_EQ(told->result, ECANCELED);
	CHECK_EQ(told->refused, ECANCELED);
	close(ends[0]);
	close(ends[1]);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(what_may_take_for_ever_is_revoked_and_new_messages_are_refused),
		HARNESS_CASE(so_is_what_an_lwp_has_out_that_is_away),
		HARNESS_CASE(what_is_marked_is_completed),
		HARNESS_CASE(an_lwp_that_has_messages_out_goes_on),
		HARNESS_CASE(what_is_not_marked_is_not_waited_for),
		HARNESS_CASE(nor_is_what_a_helper_would_begin_after_that),
		HARNESS_CASE(what_is_never_completed_takes_the_bound),
		HARNESS_CASE(an_open_that_hangs_does_not_keep_the_process),
		HARNESS_CASE(a_file_system_that_never_answers_does_not_keep_the_process),
		HARNESS_CASE(a_thread_that_computes_does_not_keep_the_process),
		HARNESS_CASE(what_an_lwp_that_computes_has_sent_is_waited_for),
		HARNESS_CASE(a_bound_that_is_no_number_is_not_taken),
		HARNESS_CASE(the_environment_sets_the_bound),
		HARNESS_CASE(a_thread_that_waits_for_a_socket_is_told),
	};

	return harness_run("exit", cases, ARRAY_SIZE(cases), argc, argv);
}
