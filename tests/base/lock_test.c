/* SPDX-License-Identifier: BSD-2-Clause */
/* lock_test.c - one at a time, also when the holder has lost its CPU */
#include "base/lock.h"

#include <pthread.h>
#include <sched.h>

#include "harness/harness.h"

enum { THREADS = 4, ROUNDS = 20000 };

static uint32_t lock;
static uint64_t sum; /* guarded by lock */

static void *add(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		lock_acquire(&lock);
		/* Two steps, which another holder would come between. */
		uint64_t seen = *(volatile uint64_t *)&sum;

		if (i % 1000 == 0)
			sched_yield();
		sum = seen + 1;
		lock_release(&lock);
	}
	return NULL;
}

static void no_two_hold_it(void)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, add, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
	CHECK_EQ(sum, THREADS * ROUNDS);
	CHECK_EQ(lock, 0);
}

static void *acquire(void *arg)
{
	lock_acquire(&lock);
	lock_release(&lock);
	return arg;
}

static void who_has_spun_in_vain_gives_its_cpu_away(void)
{
	uint64_t before = load_relaxed(&lock_gave_up);
	pthread_t thread;

	lock_acquire(&lock);
	CHECK_EQ(pthread_create(&thread, NULL, acquire, NULL), 0);
	while (load_relaxed(&lock_gave_up) == before)
		sched_yield();
	lock_release(&lock);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(load_relaxed(&lock_gave_up), before + 1);
}

static void try_fails_while_it_is_held(void)
{
	CHECK(lock_try(&lock));
	CHECK(!lock_try(&lock));
	lock_release(&lock);
	CHECK(lock_try(&lock));
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(no_two_hold_it),
		HARNESS_CASE(who_has_spun_in_vain_gives_its_cpu_away),
		HARNESS_CASE(try_fails_while_it_is_held),
	};

	return harness_run("lock", cases, ARRAY_SIZE(cases), argc, argv);
}
