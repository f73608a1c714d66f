/* SPDX-License-Identifier: BSD-2-Clause */
/* blocking_test.c - a thread that says that it will block keeps nobody waiting */
#include <ellula/ellula.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"
#include "harness/harness.h"
#include "sched/need_handoff.h"

static ell_thread start(void *(*fn)(void *), void *arg)
{
	ell_thread thread;

	CHECK_EQ(ell_create(&thread, NULL, fn, arg), 0);
	return thread;
}

static int fds[2];
static uint32_t inside, rounds, stop;

static void *read_in_section(void *unused)
{
	char byte;

	ell_blocking_enter();
	ell_blocking_enter();
	errno = EDOM;
	fetch_add_acq_rel(&inside, 1);
	CHECK_EQ(read(fds[0], &byte, 1), 1);
	ell_blocking_leave();
	CHECK_EQ(errno, EDOM);
	/* The library is there as ever. */
	ell_sleep_until(ell_after(ELL_MSEC));
	ell_blocking_leave();
	CHECK_EQ(errno, EDOM);
	CHECK(ell_vcpu() >= 0 && ell_vcpu() < ell_vcpus());
	return unused;
}

static void *count_rounds(void *unused)
{
	while (!load_acquire(&stop)) {
		store_release(&rounds, load_relaxed(&rounds) + 1);
		ell_yield();
	}
	return unused;
}

enum { READERS = 8 };

/* They are in read(2), all of them, on one vCPU or two: others could not run otherwise. */
static void who_blocks_in_a_section_keeps_nobody_waiting(void)
{
	ell_thread readers[READERS], counter;
	uint32_t before;

	need_handoff();
	CHECK_EQ(pipe(fds), 0);
	counter = start(count_rounds, NULL);
	for (unsigned i = 0; i < READERS; i++)
		readers[i] = start(read_in_section, NULL);
	while (load_acquire(&inside) < READERS)
		ell_yield();
	before = load_acquire(&rounds);
	while (load_acquire(&rounds) < before + 1000)
		ell_yield();
	CHECK_EQ(write(fds[1], "12345678", READERS), READERS);
	for (unsigned i = 0; i < READERS; i++)
		CHECK_EQ(ell_join(readers[i], NULL), 0);
	store_release(&stop, 1);
	CHECK_EQ(ell_join(counter, NULL), 0);
	close(fds[0]);
	close(fds[1]);
}

static struct ell_msg sent;
static char received;

static void *send_and_block(void *arg)
{
	struct ell_port *port = arg;
	char byte;

	ell_msg_init(&sent, port, NULL);
	ell_msg_read(&sent, fds[0], &received, 1, -1);
	CHECK_EQ(ell_msg_send(&sent), 0);
	ell_blocking_enter();
	CHECK_EQ(read(fds[0], &byte, 1), 1);
	ell_blocking_leave();
	/* One of the two readers got each byte. */
	CHECK(ell_port_wait(port, ELL_FOREVER) == &sent);
	CHECK_EQ(sent.ms_result, 1);
	CHECK_EQ(byte + received, 'a' + 'b');
	return NULL;
}

/* It was sent right before, and the kernel has it although the LWP sees to nothing. */
static void what_was_sent_before_is_under_way(void)
{
	struct ell_port port;
	ell_thread thread;

	need_handoff();
	CHECK_EQ(pipe(fds), 0);
	ell_port_init(&port, "replies");
	thread = start(send_and_block, &port);
	CHECK_EQ(write(fds[1], "ab", 2), 2);
	CHECK_EQ(ell_join(thread, NULL), 0);
	CHECK_EQ(ell_port_finish(&port), 0);
	close(fds[0]);
	close(fds[1]);
}

static void *enter_and_leave(void *unused)
{
	for (unsigned i = 0; i < 500; i++) {
		ell_blocking_enter();
		if (i % 3 == 0)
			ell_yield();
		if (i % 5 == 0)
			ell_sleep_until(ell_after(10 * ELL_USEC));
		ell_blocking_leave();
		fetch_add_acq_rel(&rounds, 1);
	}
	return unused;
}

/* Wherever there is a hand-off or not. */
static void sections_come_and_go_in_a_crowd(void)
{
	ell_thread threads[20];

	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		threads[i] = start(enter_and_leave, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		CHECK_EQ(ell_join(threads[i], NULL), 0);
	CHECK_EQ(load_acquire(&rounds), 500 * ARRAY_SIZE(threads));
}

/* Somebody watches, but hands nothing over: there must be nobody to give a vCPU to. */
static int enter_and_leave_in_a_run(void *unused)
{
	struct ell_stats stats;

	/* So often that the monitor has looked in between, if it is rung. */
	for (int i = 0; i < 100000; i++) {
		ell_blocking_enter();
		ell_blocking_leave();
	}
	ell_stats_get(&stats);
	CHECK_EQ(stats.handoffs, 0);
	CHECK_EQ(stats.lwps, stats.vcpus);
	exit(unused == NULL ? 7 : 8);
}

static void who_only_watches_hands_nothing_over(void)
{
	pid_t child = fork();
	int status;

	CHECK(child >= 0);
	if (child == 0) {
		setenv("ELLULA_STALL", "5s", 1);
		setenv("ELLULA_MONITOR", "off", 1);
		CHECK_EQ(ell_run(enter_and_leave_in_a_run, NULL), 0);
		_exit(9);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 7);
}

static void *enter_as_foreign(void *unused)
{
	ell_blocking_enter();
	ell_blocking_leave();
	ell_blocking_leave();
	return unused;
}

static void on_a_foreign_thread_it_is_nothing(void)
{
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, enter_as_foreign, NULL), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void a_leave_without_enter_aborts(void)
{
	ell_blocking_enter();
	ell_blocking_leave();
	ell_blocking_leave();
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE_ON_1_AND_2(who_blocks_in_a_section_keeps_nobody_waiting),
		HARNESS_CASE_ON_1_AND_2(what_was_sent_before_is_under_way),
		HARNESS_CASE_ON_1_AND_2(sections_come_and_go_in_a_crowd),
		HARNESS_CASE(who_only_watches_hands_nothing_over),
		HARNESS_CASE(on_a_foreign_thread_it_is_nothing, HARNESS_IN_RUN),
		HARNESS_CASE(a_leave_without_enter_aborts, HARNESS_IN_RUN, HARNESS_DIES("is in no such section")),
	};

	return harness_run("blocking", cases, ARRAY_SIZE(cases), argc, argv);
}
