/* SPDX-License-Identifier: BSD-2-Clause */
/* idle_test.c - vCPUs without work sleep, and wake for work that is worth it */
#include <ellula/ellula.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "thread/threads.h"

static void need_two_cpus(void)
{
	cpu_set_t set;

	CHECK_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
	if (CPU_COUNT(&set) < 2)
		SKIP("there is one CPU only");
}

/*
 * Computing, without ever waiting
 */
static unsigned steps[2], satisfied[2];

/* Sees the other's steps grow while it makes its own: so they run at the same time. */
static void *compute_beside_another(void *arg)
{
	bool side = arg != NULL;
	ell_time late = ell_after(30 * ELL_SEC);
	unsigned seen = 0, changes = 0;

	while (!load_relaxed(&satisfied[0]) || !load_relaxed(&satisfied[1])) {
		unsigned other = load_relaxed(&steps[!side]);

		changes += other != seen;
		seen = other;
		count_up(&steps[side], 1);
		if (changes == 1000)
			store_relaxed(&satisfied[side], 1);
		if (ell_now() > late)
			FAIL("after 30 s, side %d has seen %u changes", side, changes);
	}
	return NULL;
}

static void two_that_compute_run_at_the_same_time(void)
{
	ell_thread one, other;

	need_two_cpus();
	one = start(compute_beside_another, NULL);
	other = start(compute_beside_another, &steps);
	join(one);
	join(other);
}

enum { TASKS = 200 };

static unsigned done_by[2];

static void *compute_a_little(void *arg)
{
	compute_for(ELL_MSEC);
	fetch_add_relaxed(&done_by[ell_vcpu()], 1);
	return arg;
}

static bool both_have_done_some(void)
{
	ell_thread tasks[TASKS];

	done_by[0] = done_by[1] = 0;
	for (unsigned i = 0; i < TASKS; i++)
		tasks[i] = start(compute_a_little, NULL);
	for (unsigned i = 0; i < TASKS; i++)
		join(tasks[i]);
	NOTE("%u and %u tasks", done_by[0], done_by[1]);
	CHECK_EQ(done_by[0] + done_by[1], TASKS);
	return done_by[0] > TASKS / 10 && done_by[1] > TASKS / 10;
}

/* Where others want the CPUs, too, one LWP may not run at all for a while. */
static void work_of_one_is_shared(void)
{
	ell_time late = ell_after(30 * ELL_SEC);

	need_two_cpus();
	while (!both_have_done_some()) {
		NEED_PACE();
		CHECK(ell_now() < late);
	}
}

/*
 * One wakes another and goes on computing: it must not have to wait until that is done.
 */
enum { WAKES = 60 };

static struct ell_sem sem;
static struct ell_mutex mutex;
static struct ell_cond cond;
static struct ell_port port;
static unsigned turn;

static void *answer_permit(void *arg)
{
	for (unsigned i = 1; i <= WAKES; i++) {
		ell_park();
		store_release(&turn, i);
	}
	return arg;
}

static void give_permit(ell_thread thread)
{
	CHECK_EQ(ell_unpark(thread), 0);
}

static void *answer_unit(void *arg)
{
	for (unsigned i = 1; i <= WAKES; i++) {
		CHECK_EQ(ell_sem_wait(&sem), 0);
		store_release(&turn, i);
	}
	return arg;
}

static void give_unit(ell_thread thread)
{
	(void)thread;
	CHECK_EQ(ell_sem_post(&sem), 0);
}

static unsigned signals;

static void *answer_signal(void *arg)
{
	CHECK_EQ(ell_mutex_lock(&mutex), 0);
	for (unsigned i = 1; i <= WAKES; i++) {
		while (signals < i)
			CHECK_EQ(ell_cond_wait(&cond, &mutex), 0);
		store_release(&turn, i);
	}
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
	return arg;
}

static void give_signal(ell_thread thread)
{
	(void)thread;
	CHECK_EQ(ell_mutex_lock(&mutex), 0);
	signals++;
	CHECK_EQ(ell_cond_signal(&cond), 0);
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
}

static void *answer_message(void *arg)
{
	for (unsigned i = 1; i <= WAKES; i++) {
		struct ell_msg *m = ell_port_wait(&port, ELL_FOREVER);

		store_release(&turn, i);
		ell_msg_reply(m, 0);
	}
	return arg;
}

static struct ell_msg messages[WAKES];

static void give_message(ell_thread thread)
{
	static unsigned n;

	(void)thread;
	ell_msg_init(&messages[n], NULL, NULL);
	ell_msg_user(&messages[n], 1, NULL);
	CHECK_EQ(ell_port_put(&port, &messages[n++]), 0);
}

static int by_size(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* The median says what the library does, the rest what else runs on the machine. */
static void expect_quick_answers(void *(*answer)(void *), void (*give)(ell_thread))
{
	/* With a sanitizer, a thread stays where it began. */
	ell_thread thread = MANY(start(answer, NULL), start_on(!ell_vcpu(), answer, NULL));
	int64_t delays[WAKES];

	need_two_cpus();
	for (unsigned i = 1; i <= WAKES; i++) {
		ell_time begin;

		/* It is asleep, and so is the other vCPU. */
		sleep_for(2 * ELL_MSEC);
		begin = ell_now();
		give(thread);
		while (load_acquire(&turn) < i) {
			if (ell_now() > begin + 20 * ELL_SEC)
				FAIL("no answer while the waker computes, the %u. time", i);
		}
		delays[i - 1] = ell_now() - begin;
	}
	join(thread);
	qsort(delays, WAKES, sizeof(delays[0]), by_size);
	NOTE("median %lld us, worst %lld us", (long long)(delays[WAKES / 2] / 1000),
	     (long long)(delays[WAKES - 1] / 1000));
	NEED_PACE();
	CHECK(delays[WAKES / 2] < MANY(5, 20) * ELL_MSEC);
}

static void a_permit_from_one_that_computes_arrives(void)
{
	expect_quick_answers(answer_permit, give_permit);
}

static void a_unit_from_one_that_computes_arrives(void)
{
	expect_quick_answers(answer_unit, give_unit);
}

static void a_signal_from_one_that_computes_arrives(void)
{
	expect_quick_answers(answer_signal, give_signal);
}

static void a_message_from_one_that_computes_arrives(void)
{
	ell_port_init(&port, "port");
	expect_quick_answers(answer_message, give_message);
	for (unsigned i = 0; i < WAKES; i++)
		CHECK_EQ(ell_msg_wait(&messages[i], ELL_FOREVER), 0);
}

/*
 * Sleeping
 */
static void sleeps_on_an_idle_vcpu_end_in_time(void)
{
	int64_t delays[100];

	for (unsigned i = 0; i < ARRAY_SIZE(delays); i++) {
		ell_time until = ell_after((i % 10 + 1) * 300 * ELL_USEC);

		ell_sleep_until(until);
		delays[i] = ell_now() - until;
		CHECK(delays[i] >= 0);
	}
	qsort(delays, ARRAY_SIZE(delays), sizeof(delays[0]), by_size);
	NOTE("median %lld us, worst %lld us", (long long)(delays[50] / 1000), (long long)(delays[99] / 1000));
	NEED_PACE();
	CHECK(delays[50] < MANY(3, 20) * ELL_MSEC);
}

enum { IDLERS = MANY(10000, 2000), SECONDS = 10 };

static void *idle_for_long(void *arg)
{
	switch ((uintptr_t)arg % 20) {
	case 0: {
		int ends[2];
		char byte;

		CHECK_EQ(pipe(ends), 0);
		ell_read(ends[0], &byte, 1);
		break;
	}
	case 1: {
		struct ell_port own;

		ell_port_init(&own, "idle");
		ell_port_wait(&own, ELL_FOREVER);
		break;
	}
	case 2:
	case 3:
	case 4:
	case 5:
		ell_sleep_until(ell_after(ELL_SEC * (3600 + (int)(uintptr_t)arg)));
		break;
	case 6:
		ell_sem_wait(&sem);
		break;
	default:
		ell_park();
	}
	return NULL;
}

static int64_t used_cpu(long *switches)
{
	struct rusage usage;

	CHECK_EQ(getrusage(RUSAGE_SELF, &usage), 0);
	*switches = usage.ru_nvcsw + usage.ru_nivcsw;
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * ELL_SEC +
	       (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * ELL_USEC;
}

static int be_idle(void *arg)
{
	long switches_before, switches;
	int64_t before, used;

	(void)arg;
	for (uintptr_t i = 0; i < IDLERS; i++)
		start(idle_for_long, (void *)i);
	/* Whatever is left to do, after the creation of so many, is done in a second. */
	sleep_for(ELL_SEC);
	before = used_cpu(&switches_before);
	sleep_for(SECONDS * ELL_SEC);
	used = used_cpu(&switches) - before;
	NOTE("%lld us of CPU time and %ld switches of LWPs in %d s", (long long)(used / 1000),
	     switches - switches_before, SECONDS);
	CHECK(switches - switches_before < 100);
	NEED_PACE();
	CHECK(used < SECONDS * ELL_SEC / 1000);
	return 0;
}

static void an_idle_process_uses_no_cpu(void)
{
	pid_t pids[2];
	int status;

#ifdef WITH_TSAN
	SKIP("the thread sanitizer is never idle");
#endif
	for (unsigned i = 0; i < 2; i++) {
		pids[i] = fork();
		CHECK(pids[i] >= 0);
		if (pids[i] == 0) {
			setenv("ELLULA_VCPUS", i ? "2" : "1", 1);
			_exit(ell_run(be_idle, NULL));
		}
	}
	for (unsigned i = 0; i < 2; i++) {
		CHECK_EQ(waitpid(pids[i], &status, 0), pids[i]);
		harness_skip_if_skipped();
		CHECK_EQ(status, 0);
	}
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(two_that_compute_run_at_the_same_time, HARNESS_IN_RUN, HARNESS_VCPUS(2)),
		HARNESS_CASE(work_of_one_is_shared, HARNESS_IN_RUN, HARNESS_VCPUS(2)),
		HARNESS_CASE(a_permit_from_one_that_computes_arrives, HARNESS_IN_RUN, HARNESS_VCPUS(2)),
		HARNESS_CASE(a_unit_from_one_that_computes_arrives, HARNESS_IN_RUN, HARNESS_VCPUS(2)),
		HARNESS_CASE(a_signal_from_one_that_computes_arrives, HARNESS_IN_RUN, HARNESS_VCPUS(2)),
		HARNESS_CASE(a_message_from_one_that_computes_arrives, HARNESS_IN_RUN, HARNESS_VCPUS(2)),
		HARNESS_CASE_ON_1_AND_2(sleeps_on_an_idle_vcpu_end_in_time),
		HARNESS_CASE(an_idle_process_uses_no_cpu),
	};

	return harness_run("idle", cases, ARRAY_SIZE(cases), argc, argv);
}
