/* SPDX-License-Identifier: BSD-2-Clause */
/* limit_test.c - a vCPU that rests keeps every reply, runs what is bound to it, and leaves the rest to others */
#include <dirent.h>
#include <ellula/ellula.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"
#include "harness/harness.h"
#include "mem/tls.h"
#include "sched/limit.h"
#include "sys/cpus.h"
#include "sys/sys.h"

enum { VCPUS = 4, THREADS = 64, ROUNDS = 100, CHANGES = 500, READS = 100 };

static uint32_t stop, ready;

static ell_thread start(int vcpu, void *(*fn)(void *), void *arg)
{
	struct ell_attr attr;
	ell_thread thread;

	ell_attr_init(&attr);
	attr.vcpu = vcpu;
	CHECK_EQ(ell_create(&thread, &attr, fn, arg), 0);
	return thread;
}

static void join(ell_thread thread)
{
	CHECK_EQ(ell_join(thread, NULL), 0);
}

static void a_limit_that_makes_no_sense_is_refused(void)
{
	struct ell_stats stats;

	CHECK_EQ(ell_vcpus_limit(0), EINVAL);
	CHECK_EQ(ell_vcpus_limit(-1), EINVAL);
	CHECK_EQ(ell_vcpus_limit(VCPUS + 1), EINVAL);
	CHECK_EQ(ell_vcpus_limit(VCPUS), 0);
	CHECK_EQ(ell_vcpus_limit(1), 0);
	ell_stats_get(&stats);
	CHECK_EQ(stats.vcpus, VCPUS);
	CHECK_EQ(stats.vcpus_active, 1);
	CHECK_EQ(ell_vcpus(), VCPUS);
}

static void before_the_start_there_is_nothing_to_limit(void)
{
	CHECK_EQ(ell_vcpus_limit(1), ENXIO);
}

/* Each sends messages where it is, and counts what comes back. */
static void *send_and_count(void *arg)
{
	struct ell_msg pair[2];
	struct ell_port port;
	uint64_t *replies = arg;

	ell_port_init(&port, "replies");
	for (int i = 0; i < ROUNDS; i++) {
		for (int k = 0; k < 2; k++) {
			ell_msg_init(&pair[k], &port, NULL);
			if (k)
				ell_msg_nop(&pair[k]);
			else
				ell_msg_nanosleep(&pair[k], 50 * ELL_USEC * (i % 4));
			CHECK_EQ(ell_msg_send(&pair[k]), 0);
		}
		ell_yield();
		for (int k = 0; k < 2; k++) {
			const struct ell_msg *m = ell_port_wait(&port, ELL_FOREVER);

			CHECK(m == &pair[0] || m == &pair[1]);
			CHECK_EQ(m->ms_result, 0);
			++*replies;
		}
	}
	return NULL;
}

static void no_reply_is_lost_while_the_limit_changes(void)
{
	static uint64_t replies[THREADS];
	ell_thread threads[THREADS];
	uint64_t seed = harness_seed();

	for (int i = 0; i < THREADS; i++)
		threads[i] = start(i % 8 < VCPUS ? i % 8 : ELL_VCPU_ANY, send_and_count, &replies[i]);
	for (int i = 0; i < CHANGES; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		CHECK_EQ(ell_vcpus_limit(1 + (int)(seed >> 33) % VCPUS), 0);
		CHECK_EQ(ell_nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		join(threads[i]);
		CHECK_EQ(replies[i], 2 * ROUNDS);
	}
}

static void *read_from(void *fd)
{
	static struct ell_msg reads[READS];
	static char bytes[READS];
	struct ell_port port;

	ell_port_init(&port, "reads");
	for (int i = 0; i < READS; i++) {
		ell_msg_init(&reads[i], &port, NULL);
		ell_msg_read(&reads[i], *(int *)fd, &bytes[i], 1, -1);
		CHECK_EQ(ell_msg_send(&reads[i]), 0);
	}
	store_release(&ready, 1);
	for (int i = 0; i < READS; i++)
		CHECK_EQ(ell_port_wait(&port, ELL_FOREVER)->ms_result, 1);
	return NULL;
}

static void what_was_sent_before_a_vcpu_rests_is_replied_to(void)
{
	static const char text[READS];
	ell_thread reader;
	int fds[2];

	CHECK_EQ(pipe(fds), 0);
	reader = start(VCPUS - 1, read_from, &fds[0]);
	while (!load_acquire(&ready))
		ell_yield();
	CHECK_EQ(ell_vcpus_limit(1), 0);
	CHECK_EQ(write(fds[1], text, READS), READS);
	join(reader);
	close(fds[0]);
	close(fds[1]);
}

/* Until the limit has told: then for a while. */
static void *wander(void *unused)
{
	int at_home = 0;

	while (!load_acquire(&stop))
		ell_yield();
	while (at_home < 1000) {
		ell_yield();
		at_home = ell_vcpu() == 0 ? at_home + 1 : 0;
	}
	return unused;
}

static void threads_that_may_move_leave_it(void)
{
	ell_thread threads[THREADS];

	if (!tls_works())
		SKIP("without TLS of their own no threads may move");
	for (int i = 0; i < THREADS; i++)
		threads[i] = start(ELL_VCPU_ANY, wander, NULL);
	CHECK_EQ(ell_vcpus_limit(1), 0);
	store_release(&stop, 1);
	for (int i = 0; i < THREADS; i++)
		join(threads[i]);
}

static void *stay(void *vcpu)
{
	for (int i = 0; i < 1000; i++) {
		CHECK_EQ(ell_vcpu(), (int)(intptr_t)vcpu);
		ell_yield();
	}
	return NULL;
}

static void threads_that_are_bound_to_it_stay(void)
{
	ell_thread threads[VCPUS];

	CHECK_EQ(ell_vcpus_limit(1), 0);
	for (intptr_t i = 0; i < VCPUS; i++)
		threads[i] = start((int)i, stay, (void *)i);
	for (int i = 0; i < VCPUS; i++)
		join(threads[i]);
}

/* Until it has been on all. */
static void *visit_all(void *seen)
{
	while (load_acquire((uint32_t *)seen) != (1u << VCPUS) - 1) {
		fetch_or_seq_cst((uint32_t *)seen, 1u << ell_vcpu());
		ell_yield();
	}
	return NULL;
}

static void it_works_again_when_the_limit_is_gone(void)
{
	static uint32_t seen;
	ell_thread threads[THREADS];

	if (!tls_works())
		SKIP("without TLS of their own no threads may move");
	CHECK_EQ(ell_vcpus_limit(1), 0);
	for (int i = 0; i < THREADS; i++)
		threads[i] = start(ELL_VCPU_ANY, visit_all, &seen);
	for (int i = 0; i < 100; i++)
		ell_yield();
	CHECK_EQ(ell_vcpus_limit(VCPUS), 0);
	for (int i = 0; i < THREADS; i++)
		join(threads[i]);
}

static unsigned active(void)
{
	struct ell_stats stats;

	ell_stats_get(&stats);
	return stats.vcpus_active;
}

/* Of all kernel threads, as taskset -a does it. */
static void bind_all(const cpu_set_t *set)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;

	CHECK(dir != NULL);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.')
			sched_setaffinity(atoi(entry->d_name), sizeof(*set), set);
	}
	closedir(dir);
}

/* The monitor looks while there is something to do. */
static int run_with_one_cpu_less(void *unused)
{
	cpu_set_t all, one;
	unsigned count = active();
	int cpu = 0;

	(void)unused;
	CHECK_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
	while (!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	/* Spare LWPs may be made meanwhile. */
	do {
		bind_all(&one);
		ell_yield();
	} while (active() != 1);
	bind_all(&all);
	while (active() != count)
		ell_yield();
	return 0;
}

static void the_affinity_mask_is_followed(void)
{
	int status;
	pid_t child = fork();

	CHECK(child >= 0);
	if (child == 0) {
		unsetenv("ELLULA_VCPUS");
		_exit(ell_run(run_with_one_cpu_less, NULL));
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
}

/* The kernel thread with number N may use CPU N. */
static int bound_to_one(pid_t tid, size_t size, cpu_set_t *set)
{
	CHECK_EQ(size, sizeof(*set));
	CPU_ZERO(set);
	CPU_SET(tid, set);
	return 0;
}

static void a_thread_that_binds_its_lwp_does_not_bind_the_process(void)
{
	static struct lwp lwps[] = {{.lw_tid = 0}, {.lw_tid = 1}};
	cpu_set_t both;

	CPU_ZERO(&both);
	CPU_SET(0, &both);
	CPU_SET(1, &both);
	if (cpus_allowed(&both) < 2)
		SKIP("a quota leaves one CPU here");
	sys.sched_getaffinity = bound_to_one;
	runtime.rt_lwps = lwps;
	runtime.rt_lwp_count = runtime.rt_count = 2;
	limit_begin(2, true);
	limit_look(ell_now());
	CHECK_EQ(runtime.rt_active, 2);
	/* For what runs at the end of the process. */
	runtime.rt_lwp_count = runtime.rt_count = 0;
	runtime.rt_lwps = NULL;
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(before_the_start_there_is_nothing_to_limit),
		HARNESS_CASE(a_limit_that_makes_no_sense_is_refused, HARNESS_IN_RUN, HARNESS_VCPUS(VCPUS)),
		HARNESS_CASE(no_reply_is_lost_while_the_limit_changes, HARNESS_IN_RUN, HARNESS_VCPUS(VCPUS)),
		HARNESS_CASE(what_was_sent_before_a_vcpu_rests_is_replied_to, HARNESS_IN_RUN, HARNESS_VCPUS(VCPUS)),
		HARNESS_CASE(threads_that_may_move_leave_it, HARNESS_IN_RUN, HARNESS_VCPUS(VCPUS)),
		HARNESS_CASE(threads_that_are_bound_to_it_stay, HARNESS_IN_RUN, HARNESS_VCPUS(VCPUS)),
		HARNESS_CASE(it_works_again_when_the_limit_is_gone, HARNESS_IN_RUN, HARNESS_VCPUS(VCPUS)),
		HARNESS_CASE(the_affinity_mask_is_followed),
		HARNESS_CASE(a_thread_that_binds_its_lwp_does_not_bind_the_process),
	};

	return harness_run("limit", cases, ARRAY_SIZE(cases), argc, argv);
}
