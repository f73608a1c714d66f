/* SPDX-License-Identifier: BSD-2-Clause */
/* start_test.c - the beginning of the runtime, and the ends of a process that uses it */
#include <ellula/stats.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "harness/child.h"
#include "harness/refuse.h"
#include "thread/threads.h"

static int give_back(void *arg)
{
	return *(int *)arg;
}

static void run_returns_what_main_returned(void)
{
	static const int values[] = {0, 1, 42, -7, 255, 100000};

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		pid_t pid = fork();
		int status;

		CHECK(pid >= 0);
		if (pid == 0)
			_exit(ell_run(give_back, (void *)(uintptr_t)&values[i]) == values[i] ? 3 : 4);
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EXIT(status, 3);
	}
}

static void without_a_function_it_does_not_start(void)
{
	CHECK_EQ(ell_run(NULL, NULL), -EINVAL);
	CHECK_EQ(ell_vcpus(), 0);
}

static unsigned others;

static void *never_end(void *arg)
{
	fetch_add_relaxed(&others, 1);
	for (;;) {
		switch ((uintptr_t)arg) {
		case 0:
			ell_park();
			break;
		case 1:
			ell_yield();
			break;
		case 2:
			ell_sleep_until(ell_after(ELL_USEC));
			break;
		case 3:
			compute_for(ELL_MSEC);
			ell_yield();
			break;
		default: {
			int ends[2];
			char byte;

			CHECK_EQ(pipe(ends), 0);
			ell_read(ends[0], &byte, 1);
		}
		}
	}
	return NULL;
}

static int leave_others_behind(void *arg)
{
	for (uintptr_t i = 0; i < 5; i++)
		start(never_end, (void *)i);
	WAIT_FOR(load_relaxed(&others) == 5);
	return *(int *)arg;
}

static void run_and_abandon(void *arg)
{
	int value = 5;

	setenv("ELLULA_VCPUS", arg, 1);
	CHECK_EQ(ell_run(leave_others_behind, &value), 5);
	/* A kernel thread like any other now. */
	CHECK_EQ(ell_vcpu(), -1);
	CHECK_EQ(ell_run(give_back, &value), -EALREADY);
	CHECK_EQ(ell_init(), -EALREADY);
	CHECK(ell_self() != 0);
	exit(7);
}

static void the_end_of_main_abandons_the_others(void)
{
	CHECK_EXIT(child_run(run_and_abandon, (void *)"1"), 7);
	CHECK_EXIT(child_run(run_and_abandon, (void *)"2"), 7);
}

/*
 * ell_init()
 */
static void say_goodbye(void)
{
	/* It runs on the thread that called exit(), and may still do all that this may. */
	CHECK_EQ(ell_sleep_until(ell_after(ELL_MSEC)), 0);
	fprintf(stderr, "goodbye from %s\n", ell_vcpu() >= 0 ? "a thread" : "outside");
}

static void *park_for_ever(void *arg)
{
	ell_park();
	return arg;
}

static void init_and_return(void *arg)
{
	char name[ELL_NAME_MAX];

	setenv("ELLULA_VCPUS", arg, 1);
	CHECK_EQ(ell_init(), 0);
	CHECK_EQ(ell_vcpus(), atoi(arg));
	CHECK(ell_vcpu() >= 0);
	CHECK_EQ(ell_init(), -EALREADY);
	CHECK_EQ(ell_run(give_back, NULL), -EALREADY);
	CHECK_EQ(ell_name(ell_self(), name, sizeof(name)), 0);
	CHECK_STR(name, "main");
	CHECK_EQ(ell_join(ell_self(), NULL), EDEADLK);
	atexit(say_goodbye);
	for (uintptr_t i = 0; i < 5; i++)
		start(never_end, (void *)i);
	WAIT_FOR(load_relaxed(&others) == 5);
	sleep_for(ELL_MSEC);
}

static void init_makes_main_a_thread_that_may_return(void)
{
	CHECK_EXIT(child_run(init_and_return, (void *)"1"), 0);
	CHECK_STR(child_said, "goodbye from a thread\n");
	CHECK_EXIT(child_run(init_and_return, (void *)"2"), 0);
	CHECK_STR(child_said, "goodbye from a thread\n");
}

static int local_errno(void)
{
	return errno;
}

/* main() keeps its stack, its TLS and its signal mask, and so on: it has only become a thread. */
static __thread int kept = 3;

static void init_and_compare(void *arg)
{
	int *where = &kept;
	pthread_t self = pthread_self();
	char on_stack[64];

	(void)arg;
	snprintf(on_stack, sizeof(on_stack), "still here");
	kept = 5;
	errno = EXDEV;
	CHECK_EQ(ell_init(), 0);
	for (unsigned i = 0; i < 100; i++) {
		CHECK(&kept == where);
		CHECK_EQ(kept, 5);
		CHECK(pthread_equal(pthread_self(), self));
		errno = (int)i;
		sleep_for(10 * ELL_USEC);
		CHECK_EQ(local_errno(), i);
	}
	CHECK_STR(on_stack, "still here");
}

static void main_keeps_what_it_has(void)
{
	CHECK_EXIT(child_run(init_and_compare, NULL), 0);
}

static void *exit_here(void *arg)
{
	exit((int)(intptr_t)arg);
}

static void exit_from_another(void *arg)
{
	CHECK_EQ(ell_init(), 0);
	atexit(say_goodbye);
	start(park_for_ever, NULL);
	start_on(atoi(arg), exit_here, (void *)23);
	ell_park();
}

static void exit_works_from_any_thread(void)
{
	setenv("ELLULA_VCPUS", "2", 1);
	CHECK_EXIT(child_run(exit_from_another, (void *)"0"), 23);
	CHECK_STR(child_said, "goodbye from a thread\n");
	CHECK_EXIT(child_run(exit_from_another, (void *)"1"), 23);
	CHECK_STR(child_said, "goodbye from a thread\n");
}

static void exit_from_foreign(void *arg)
{
	struct foreign foreign;

	(void)arg;
	CHECK_EQ(ell_init(), 0);
	atexit(say_goodbye);
	foreign_start(&foreign, exit_here, (void *)24);
	ell_park();
}

static void exit_works_from_a_foreign_thread(void)
{
	CHECK_EXIT(child_run(exit_from_foreign, NULL), 24);
	CHECK_STR(child_said, "goodbye from outside\n");
}

static void main_must_not_ell_exit(void)
{
	CHECK_EQ(ell_init(), 0);
	ell_exit(NULL);
}

static void *exit_as_foreign(void *arg)
{
	ell_exit(arg);
}

static void a_foreign_thread_must_not_ell_exit(void)
{
	struct foreign foreign;

	foreign_start(&foreign, exit_as_foreign, NULL);
	foreign_join(&foreign);
}

/*
 * How many vCPUs
 */
static void init_in_vain(void *arg)
{
	setenv("ELLULA_VCPUS", arg, 1);
	CHECK_EQ(ell_init(), -EINVAL);
	CHECK_EQ(ell_vcpus(), 0);
	CHECK_EQ(ell_create(NULL, NULL, park_for_ever, NULL), ENXIO);
	/* It may be tried again. */
	setenv("ELLULA_VCPUS", "1", 1);
	CHECK_EQ(ell_init(), 0);
}

static void nonsense_in_the_environment_is_refused(void)
{
	static const char *const nonsense[] = {
		"0", "-1", "x", "1x", "257", "99999999999999999999999", " ", "1.5", "-18446744073709551615",
	};

	for (size_t i = 0; i < ARRAY_SIZE(nonsense); i++) {
		char line[100];

		snprintf(line, sizeof(line), "ELLULA_VCPUS=%s: a number from 1 to 256 is wanted\n", nonsense[i]);
		CHECK_EXIT(child_run(init_in_vain, (void *)(uintptr_t)nonsense[i]), 0);
		CHECK(strstr(child_said, line) != NULL);
	}
}

static void *where(void *arg)
{
	CHECK_EQ(ell_vcpu(), (int)(intptr_t)arg);
	return arg;
}

static void init_with(void *arg)
{
	setenv("ELLULA_VCPUS", arg, 1);
	CHECK_EQ(ell_init(), 0);
	CHECK_EQ(ell_vcpus(), atoi(arg));
	for (int i = 0; i < ell_vcpus(); i++)
		join(start_on(i, where, (void *)(intptr_t)i));
}

static void the_environment_says_how_many_vcpus(void)
{
	static const char *const numbers[] = {"1", "2", "3", "17", "256"};

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		CHECK_EXIT(child_run(init_with, (void *)(uintptr_t)numbers[i]), 0);
}

static void bind_and_init(void *arg)
{
	cpu_set_t set, one;
	int cpu = 0;

	(void)arg;
	unsetenv("ELLULA_VCPUS");
	CHECK_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
	while (!CPU_ISSET(cpu, &set))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	CHECK_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
	CHECK_EQ(ell_init(), 0);
	CHECK_EQ(ell_vcpus(), 1);
}

static void there_are_no_more_vcpus_than_cpus(void)
{
	CHECK_EXIT(child_run(bind_and_init, NULL), 0);
}

/* As under a limit on processes: the flags decide, fork() must go on. */
static void init_without_threads(void *arg)
{
	struct ell_stats stats;

	(void)arg;
	setenv("ELLULA_VCPUS", "2", 1);
	refuse(SYS_clone3, REFUSE_ANY, 0, EAGAIN);
	CHECK_EQ(ell_init(), -EAGAIN);
	CHECK_EQ(ell_vcpus(), 0);
	CHECK_EQ(ell_vcpu(), -1);
	CHECK_EQ(ell_create(NULL, NULL, park_for_ever, NULL), ENXIO);
	ell_stats_get(&stats);
	CHECK_EQ(stats.vcpus, 0);
	CHECK_EQ(stats.lwps, 0);
}

static void without_kernel_threads_it_does_not_start(void)
{
	CHECK_EXIT(child_run(init_without_threads, NULL), 0);
	CHECK_STR(child_said, "libellula: cannot start: Resource temporarily unavailable\n");
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(run_returns_what_main_returned),
		HARNESS_CASE(without_a_function_it_does_not_start),
		HARNESS_CASE(the_end_of_main_abandons_the_others),
		HARNESS_CASE(init_makes_main_a_thread_that_may_return),
		HARNESS_CASE(main_keeps_what_it_has),
		HARNESS_CASE(exit_works_from_any_thread),
		HARNESS_CASE(exit_works_from_a_foreign_thread),
		HARNESS_CASE(main_must_not_ell_exit, HARNESS_DIES("ell_exit: thread \"main\" is main")),
		HARNESS_CASE(a_foreign_thread_must_not_ell_exit, HARNESS_IN_RUN,
			     HARNESS_DIES("is a foreign kernel thread")),
		HARNESS_CASE(nonsense_in_the_environment_is_refused),
		HARNESS_CASE(the_environment_says_how_many_vcpus),
		HARNESS_CASE(there_are_no_more_vcpus_than_cpus),
		HARNESS_CASE(without_kernel_threads_it_does_not_start),
	};

	return harness_run("start", cases, ARRAY_SIZE(cases), argc, argv);
}
