/* SPDX-License-Identifier: BSD-2-Clause */
/* interrupt_test.c - threads do something else for a while, wherever they are; and all others stop */
#include <ellula/ellula.h>
#include <ellula/upcall.h>

#include "harness/harness.h"
#include "sched/current.h"
#include "sched/interrupt.h"
#include "thread/threads.h"

/* It must see each switch between functions, and brings signals late. */
static void skip_with_tsan(void)
{
#ifdef WITH_TSAN
	SKIP("the thread sanitizer lets nobody be interrupted in the middle");
#endif
}

static uint64_t worked;
static bool sleeps_in_work;

/* What is wanted: to be counted, after a sleep perhaps. */
static void work(struct thread *th, void *frame)
{
	(void)th;
	(void)frame;
	ell_critical_self.cr_depth--;
	if (sleeps_in_work)
		ell_sleep_until(ell_after(ELL_MSEC / 10));
	fetch_add_relaxed(&worked, 1);
	ell_critical_self.cr_depth++;
}

static void interrupt_and_wait(ell_thread id, uint64_t times)
{
	for (uint64_t i = 0; i < times; i++) {
		uint64_t before = load_relaxed(&worked);

		interrupt_thread(thread_find(id));
		while (load_acquire(&worked) == before)
			ell_yield();
	}
}

static bool done;

static void *compute(void *arg)
{
	volatile unsigned long n = 0;

	while (!load_acquire(&done))
		n++;
	return arg;
}

static void a_thread_that_computes_is_interrupted(void)
{
	skip_with_tsan();
	ell_thread other = start_on((ell_vcpu() + 1) % ell_vcpus(), compute, NULL);

	interrupt_work = work;
	interrupt_and_wait(other, 1000);
	store_release(&done, true);
	join(other);
	CHECK_CAME(interrupt_counts.at_once > 0);
}

static struct ell_sem units;

static void *wait_for_unit(void *arg)
{
	CHECK_EQ(ell_sem_wait(&units), 0);
	return arg;
}

static void a_sleep_goes_on_after_it(void)
{
	ell_thread others[10];

	sleeps_in_work = true;
	interrupt_work = work;
	for (int i = 0; i < 10; i++)
		others[i] = start(wait_for_unit, NULL);
	for (int i = 0; i < 500; i++)
		interrupt_and_wait(others[i % 10], 1);
	for (int i = 0; i < 10; i++)
		ell_sem_post(&units);
	for (int i = 0; i < 10; i++)
		join(others[i]);
}

/* Wakes and interrupts come at the same time: no wake is lost. */
static struct ell_sem there, back;

static void *ping(void *arg)
{
	for (int i = 0; i < 20000; i++) {
		CHECK_EQ(ell_sem_wait(&there), 0);
		ell_sem_post(&back);
	}
	return arg;
}

static void *pester(void *arg)
{
	while (!load_acquire(&done)) {
		interrupt_thread(thread_find((ell_thread)(uintptr_t)arg));
		ell_yield();
	}
	return NULL;
}

static void no_wake_is_lost_to_it(void)
{
	ell_thread other = start(ping, NULL), third;

	interrupt_work = work;
	third = start(pester, (void *)(uintptr_t)other);
	for (int i = 0; i < 20000; i++) {
		ell_sem_post(&there);
		CHECK_EQ(ell_sem_wait(&back), 0);
	}
	store_release(&done, true);
	join(third);
	join(other);
	CHECK_CAME(worked > 0);
}

static void in_a_critical_section_it_waits(void)
{
	interrupt_work = work;
	for (int i = 0; i < 1000; i++) {
		uint64_t before = worked;

		ell_critical_enter();
		ell_critical_enter();
		interrupt_thread(thread_current());
		ell_yield();
		ell_critical_leave();
		CHECK_EQ(worked, before);
		ell_critical_leave();
		CHECK_EQ(worked, before + 1);
	}
}

/*
 * Stopping
 */
static uint64_t steps[8];

static void *step(void *arg)
{
	uint64_t *mine = arg;

	while (!load_acquire(&done)) {
		fetch_add_relaxed(mine, 1);
		if (*mine % 3 == 0)
			ell_yield();
		else if (*mine % 1000 == 0)
			ell_sleep_until(ell_after(ELL_MSEC));
	}
	return NULL;
}

static void others_stand_still(int rounds)
{
	const struct timespec nap = {.tv_nsec = 200000};

	for (int i = 0; i < rounds; i++) {
		uint64_t sum = 0;

		CHECK_EQ(sched_stop_others(ell_after(5 * ELL_SEC)), 0);
		for (int n = 0; n < 8; n++)
			sum += load_acquire(&steps[n]);
		nanosleep(&nap, NULL);
		for (int n = 0; n < 8; n++)
			sum -= load_acquire(&steps[n]);
		sched_resume_others();
		CHECK_EQ(sum, 0);
		ell_sleep_until(ell_after(ELL_MSEC / 2));
	}
}

static void the_others_stop_and_go_on(void)
{
	skip_with_tsan();
	ell_thread others[8];
	uint64_t before;

	for (int i = 0; i < 8; i++)
		others[i] = start(step, &steps[i]);
	others_stand_still(200);
	before = load_relaxed(&steps[0]);
	while (load_relaxed(&steps[0]) == before)
		ell_yield();
	store_release(&done, true);
	for (int i = 0; i < 8; i++)
		join(others[i]);
}

static void *stand_still(void *arg)
{
	others_stand_still(100);
	return arg;
}

static void two_that_stop_the_others_take_turns(void)
{
	skip_with_tsan();
	ell_thread one = start(stand_still, NULL), two = start(stand_still, NULL);

	join(one);
	join(two);
}

static void *use_locks(void *arg)
{
	static struct ell_mutex mx;

	while (!load_acquire(&done)) {
		ell_mutex_lock(&mx);
		fetch_add_relaxed((uint64_t *)arg, 1);
		ell_mutex_unlock(&mx);
		ell_sem_post(&units);
		ell_sem_wait(&units);
	}
	return NULL;
}

static void foreign_threads_stop_too(void)
{
	skip_with_tsan();
	pthread_t one, two;

	CHECK_EQ(pthread_create(&one, NULL, use_locks, &steps[0]), 0);
	CHECK_EQ(pthread_create(&two, NULL, use_locks, &steps[1]), 0);
	while (load_relaxed(&steps[0]) < 100 || load_relaxed(&steps[1]) < 100)
		ell_sleep_until(ell_after(ELL_MSEC));
	others_stand_still(100);
	store_release(&done, true);
	pthread_join(one, NULL);
	pthread_join(two, NULL);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(a_thread_that_computes_is_interrupted, HARNESS_IN_RUN, HARNESS_VCPUS(2)),
		HARNESS_CASE_ON_1_AND_2(a_sleep_goes_on_after_it),
		HARNESS_CASE_ON_1_AND_2(no_wake_is_lost_to_it),
		HARNESS_CASE_ON_1_AND_2(in_a_critical_section_it_waits),
		HARNESS_CASE(the_others_stop_and_go_on, HARNESS_IN_RUN, HARNESS_VCPUS(4)),
		HARNESS_CASE(two_that_stop_the_others_take_turns, HARNESS_IN_RUN, HARNESS_VCPUS(2)),
		HARNESS_CASE(foreign_threads_stop_too, HARNESS_IN_RUN, HARNESS_VCPUS(2)),
	};

	return harness_run("interrupt", cases, ARRAY_SIZE(cases), argc, argv);
}
