/* SPDX-License-Identifier: BSD-2-Clause */
/* upcall_test.c - functions run because of an event: where, when, and in which order */
#include <ellula/ellula.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>

#include "base/atomic.h"
#include "harness/harness.h"
#include "thread/threads.h"

/* It must see each switch between functions, and brings signals late. */
static void skip_with_tsan(void)
{
#ifdef WITH_TSAN
	SKIP("the thread sanitizer lets nobody be interrupted in the middle");
#endif
}

static uint64_t runs;
static ell_thread ran_on;
static char order[8];

static void count(void *arg)
{
	(void)arg;
	ran_on = ell_self();
	fetch_add_relaxed(&runs, 1);
}

static void wait_for_runs(uint64_t n)
{
	while (load_acquire(&runs) < n)
		ell_sleep_until(ell_after(ELL_MSEC / 10));
}

static uint64_t done;

static void *compute(void *arg)
{
	while (!load_acquire(&done))
		;
	return arg;
}

static void a_thread_that_computes_runs_it_itself(void)
{
	skip_with_tsan();
	ell_upcall up = ell_upcall_register(count, NULL, 0);
	ell_thread other = start_on((ell_vcpu() + 1) % ell_vcpus(), compute, NULL);

	for (uint64_t i = 1; i <= 100; i++) {
		CHECK_EQ(ell_upcall_dispatch(up, other), 0);
		/* Not by a sleep: who computes keeps its vCPU's timers from expiring. */
		while (load_acquire(&runs) < i)
			ell_yield();
		CHECK_EQ(ran_on, other);
	}
	store_release(&done, 1);
	join(other);
	CHECK_EQ(ell_upcall_dispatch(up, other), ESRCH);
	CHECK_EQ(ell_upcall_delete(up), 0);
	CHECK_EQ(ell_upcall_delete(up), EINVAL);
	CHECK_EQ(ell_upcall_dispatch(up, ell_self()), EINVAL);
}

static void count_slowly(void *arg)
{
	ell_sleep_until(ell_after(ELL_MSEC));
	count(arg);
}

static void *sleep_until_done(void *arg)
{
	ell_time begin = ell_now();

	CHECK_EQ(ell_sleep_until(begin + 300 * ELL_MSEC), 0);
	CHECK(ell_now() - begin >= 300 * ELL_MSEC);
	return arg;
}

static void a_sleeping_thread_runs_it_and_sleeps_on(void)
{
	ell_upcall up = ell_upcall_register(count_slowly, NULL, 0);
	ell_thread other = start(sleep_until_done, NULL);

	for (uint64_t i = 1; i <= 20; i++) {
		CHECK_EQ(ell_upcall_dispatch(up, other), 0);
		wait_for_runs(i);
	}
	join(other);
}

static void add_to_order(void *arg)
{
	order[runs++] = *(const char *)arg;
}

static void the_higher_priority_comes_first_and_not_in_a_critical_section(void)
{
	ell_upcall low = ell_upcall_register(add_to_order, "l", -5);
	ell_upcall high = ell_upcall_register(add_to_order, "h", 7);
	ell_upcall middle = ell_upcall_register(add_to_order, "m", 0);

	ell_critical_enter();
	CHECK_EQ(ell_upcall_dispatch(low, ell_self()), 0);
	CHECK_EQ(ell_upcall_dispatch(middle, ell_self()), 0);
	CHECK_EQ(ell_upcall_dispatch(high, ell_self()), 0);
	CHECK_EQ(ell_upcall_dispatch(high, ell_self()), 0);
	ell_critical_enter();
	ell_yield();
	ell_critical_leave();
	CHECK(!ell_upcall_poll());
	CHECK(ell_upcall_pending(low));
	CHECK_STR(order, "");
	ell_critical_leave();
	CHECK_STR(order, "hml");
	CHECK(!ell_upcall_pending(low));
}

static void wake(void *arg)
{
	count(NULL);
	ell_sem_post(arg);
}

static struct ell_sem sem;

static void *wait_for_it(void *arg)
{
	for (int i = 0; i < 1000; i++)
		CHECK_EQ(ell_sem_wait(&sem), 0);
	return arg;
}

static void count_and_wake(void *arg)
{
	fetch_add_relaxed(&runs, 1);
	ell_sem_post(arg);
}

static void an_idle_or_busy_vcpu_runs_it(void)
{
	skip_with_tsan();
	ell_upcall up = ell_upcall_register(count_and_wake, &sem, 0);
	ell_thread other = start(wait_for_it, NULL);

	for (uint64_t i = 0; i < 1000; i++) {
		CHECK_EQ(ell_upcall_dispatch(up, ELL_THREAD_ANY), 0);
		if (i % 2)
			wait_for_runs(i + 1);
		while (load_acquire(&runs) <= i)
			;
	}
	join(other);
}

static void wait_in_it(void *arg)
{
	ell_sem_wait(arg);
}

static void a_wait_on_a_vcpu_aborts(void)
{
	ell_upcall up = ell_upcall_register(wait_in_it, &sem, 0);

	CHECK_EQ(ell_upcall_dispatch(up, ELL_THREAD_ANY), 0);
	ell_sleep_until(ell_after(10 * ELL_SEC));
}

static ell_upcall from_signal;

static void on_alarm(int number)
{
	(void)number;
	ell_upcall_dispatch(from_signal, ELL_THREAD_ANY);
}

static void ports_times_and_signals_bring_it(void)
{
	skip_with_tsan();
	struct itimerval soon = {{0, 0}, {0, 1000}};
	struct ell_port port;
	struct ell_msg m = {0};
	ell_upcall up = ell_upcall_register(wake, &sem, 0);

	from_signal = ell_upcall_register(count_and_wake, &sem, 0);
	signal(SIGALRM, on_alarm);
	ell_port_init(&port, "test");
	CHECK_EQ(ell_upcall_on_port(up, ell_self(), &port), 0);
	for (int i = 0; i < 100; i++) {
		ell_msg_init(&m, &port, NULL);
		ell_msg_nanosleep(&m, ELL_MSEC / 10);
		CHECK_EQ(ell_msg_send(&m), 0);
		CHECK_EQ(ell_sem_wait(&sem), 0);
		CHECK(ell_port_get(&port) == &m);
		CHECK_EQ(ell_upcall_on_time(up, ell_self(), ell_after(ELL_MSEC / 10)), 0);
		CHECK_EQ(ell_sem_wait(&sem), 0);
		CHECK_EQ(setitimer(ITIMER_REAL, &soon, NULL), 0);
		CHECK_EQ(ell_sem_wait(&sem), 0);
	}
	CHECK_EQ(runs, 300);
}

static sigjmp_buf away;

static void jump(void *arg)
{
	(void)arg;
	siglongjmp(away, 1);
}

/* Everybody dispatches to everybody. */
static ell_thread crew[20];
static uint32_t crew_there;
static ell_upcall crew_call;

static void *dispatch_a_lot(void *arg)
{
	/* To nobody would be to anybody, who must not sleep in it. */
	while (!load_acquire(&crew_there))
		ell_yield();
	for (int i = 0; i < 500; i++) {
		ell_upcall_dispatch(crew_call, crew[(i * 7 + (int)(intptr_t)arg) % 20]);
		if (i % 10 == 0)
			ell_sleep_until(ell_after(ELL_MSEC / 10));
	}
	while (!load_acquire(&done))
		ell_sleep_until(ell_after(ELL_MSEC));
	return NULL;
}

static void none_is_lost_in_a_crowd(void)
{
	skip_with_tsan();
	crew_call = ell_upcall_register(count_slowly, NULL, 0);
	for (int i = 0; i < 20; i++)
		crew[i] = start(dispatch_a_lot, (void *)(intptr_t)i);
	store_release(&crew_there, 1);
	ell_sleep_until(ell_after(200 * ELL_MSEC));
	/* What was dispatched long ago has run: one more to each comes through. */
	for (int i = 0; i < 20; i++) {
		uint64_t before = load_relaxed(&runs);

		CHECK_EQ(ell_upcall_dispatch(crew_call, crew[i]), 0);
		wait_for_runs(before + 1);
	}
	store_release(&done, 1);
	for (int i = 0; i < 20; i++)
		join(crew[i]);
}

static void it_may_leave_by_a_jump(void)
{
	skip_with_tsan();
	volatile int times = 0;
	ell_upcall up = ell_upcall_register(jump, NULL, 0);

	if (sigsetjmp(away, 0) == 0 || times < 100) {
		times++;
		ell_upcall_dispatch(up, ell_self());
		FAIL("it came back");
	}
	CHECK_EQ(times, 100);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(a_thread_that_computes_runs_it_itself, HARNESS_IN_RUN, HARNESS_VCPUS(2)),
		HARNESS_CASE_ON_1_AND_2(a_sleeping_thread_runs_it_and_sleeps_on),
		HARNESS_CASE_ON_1_AND_2(the_higher_priority_comes_first_and_not_in_a_critical_section),
		HARNESS_CASE_ON_1_AND_2(an_idle_or_busy_vcpu_runs_it),
		HARNESS_CASE(a_wait_on_a_vcpu_aborts, HARNESS_IN_RUN, HARNESS_DIES("from an upcall")),
		HARNESS_CASE_ON_1_AND_2(ports_times_and_signals_bring_it),
		HARNESS_CASE_ON_1_AND_2(none_is_lost_in_a_crowd),
		HARNESS_CASE_ON_1_AND_2(it_may_leave_by_a_jump),
	};

	return harness_run("upcall", cases, ARRAY_SIZE(cases), argc, argv);
}
