/* SPDX-License-Identifier: BSD-2-Clause */
/* lwp_test.c - an LWP knows that it is one, on whatever TLS it runs, and nobody else believes to be it */
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

#include "base/atomic.h"
#include "harness/harness.h"
#include "mem/tls.h"
#include "sched/lwp.h"

/* An LWP without a runtime; what it runs is only an address. */
static struct lwp lwp;
static char running;

static void become_lwp(void)
{
	arch_probe();
	lwp.lw_self = &lwp;
	lwp.lw_current = (struct thread *)&running;
	arch_lwp_set(&lwp);
}

static uintptr_t make_block(void)
{
	uintptr_t block;

	if (!tls_probe())
		SKIP("thread-local storage is %s", tls_describe());
	block = tls_create();
	CHECK(block);
	return block;
}

static void check_lwp(void)
{
	CHECK(arch_lwp_or_null() == &lwp);
	CHECK(arch_lwp() == &lwp);
	CHECK(arch_thread() == lwp.lw_current);
}

static void a_kernel_thread_is_an_lwp_from_set_to_unset(void)
{
	CHECK(!arch_lwp_or_null());
	become_lwp();
	check_lwp();
	lwp.lw_current = NULL;
	CHECK(!arch_thread());
	arch_lwp_set(NULL);
	CHECK(!arch_lwp_or_null());
}

static void *look_who_i_am(void *unused)
{
	(void)unused;
	CHECK(!arch_lwp_or_null());
	return NULL;
}

static void a_pthread_that_an_lwp_makes_is_none(void)
{
	pthread_t thread;

	become_lwp();
	CHECK_EQ(pthread_create(&thread, NULL, look_who_i_am, NULL), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	check_lwp();
	arch_lwp_set(NULL);
}

static void an_lwp_goes_along_to_other_tls(void)
{
	uintptr_t own = arch_tls();
	uintptr_t block;

	become_lwp();
	block = make_block();
	for (int i = 0; i < 1000; i++) {
		arch_tls_set(block);
		CHECK_EQ(arch_tls(), block);
		check_lwp();
		arch_tls_set(own);
		CHECK_EQ(arch_tls(), own);
		check_lwp();
	}
	arch_lwp_set(NULL);
	tls_destroy(block);
}

/* A block that another LWP has used before does not remember it. */
static void a_block_belongs_to_the_lwp_that_runs_on_it(void)
{
	uintptr_t own = arch_tls();
	uintptr_t block;
	struct lwp another = {.lw_self = &another};

	become_lwp();
	block = make_block();
	arch_tls_set(block);
	arch_tls_set(own);
	arch_lwp_set(&another);
	arch_tls_set(block);
	CHECK(arch_lwp_or_null() == &another);
	arch_tls_set(own);
	arch_lwp_set(NULL);
	tls_destroy(block);
}

/* What a signal handler is to find, but for the moments in which it changes: then NULL. */
static struct lwp *expected;
static uint64_t signals, misled;

static void look_from_a_handler(int signal)
{
	struct lwp *lw = load_relaxed(&expected);

	(void)signal;
	count_up(&signals, 1);
	if (lw && (arch_lwp_or_null() != lw || arch_thread() != lw->lw_current))
		count_up(&misled, 1);
}

/*
 * LWPs take turns with a block; for each it still holds what the other one left. An emulator takes signals between
 * blocks of instructions only, unless QEMU_SINGLESTEP is set.
 */
static void look_while_tls_changes(bool renew)
{
	struct sigaction action = {.sa_handler = look_from_a_handler};
	struct itimerval often = {.it_interval = {.tv_usec = 50}, .it_value = {.tv_usec = 50}};
	struct lwp another = {.lw_self = &another};
	uintptr_t own = arch_tls();
	uintptr_t block;

	become_lwp();
	block = make_block();
	CHECK_EQ(sigaction(SIGALRM, &action, NULL), 0);
	CHECK_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
	for (unsigned i = 0; load_relaxed(&signals) < 2000; i++) {
		struct lwp *lw = i & 1 ? &lwp : &another;

		store_seq_cst(&expected, NULL);
		arch_lwp_set(lw);
		store_seq_cst(&expected, lw);
		arch_tls_set(block);
		if (renew)
			tls_enter(true);
		arch_tls_set(own);
	}
	CHECK_EQ(setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL), 0);
	CHECK_EQ(misled, 0);
	arch_lwp_set(NULL);
	tls_destroy(block);
}

static void a_signal_handler_finds_the_lwp_while_tls_is_changed(void)
{
	look_while_tls_changes(false);
}

static void a_signal_handler_finds_the_lwp_while_tls_gets_first_values(void)
{
	look_while_tls_changes(true);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(a_kernel_thread_is_an_lwp_from_set_to_unset),
		HARNESS_CASE(a_pthread_that_an_lwp_makes_is_none),
		HARNESS_CASE(an_lwp_goes_along_to_other_tls),
		HARNESS_CASE(a_block_belongs_to_the_lwp_that_runs_on_it),
		HARNESS_CASE(a_signal_handler_finds_the_lwp_while_tls_is_changed),
		HARNESS_CASE(a_signal_handler_finds_the_lwp_while_tls_gets_first_values),
	};

	return harness_run("lwp", cases, ARRAY_SIZE(cases), argc, argv);
}
