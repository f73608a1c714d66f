/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * herd.c - thousands of threads wait on one object, and all of them go on
 *
 * In each round every sheep waits for the round to begin, some with a deadline that passes at about that time; the
 * shepherd begins it with one broadcast and waits until all have noticed. Then they go through a semaphore by ones, are
 * let into a reader-writer lock together, and fight for one mutex.
 */
#include <errno.h>

#include "sync/crew.h"

#ifdef WITH_TSAN
enum { SHEEP = 400 }; /* every pair of them costs it memory and time */
#else
enum { SHEEP = 4000 };
#endif
enum { ROUNDS = 25 };

static struct ell_mutex mutex;
static struct ell_cond begun;
static struct ell_cond noticed;
static struct ell_sem gate;
static struct ell_rwlock meadow;
static unsigned current; /* round; under the mutex */
static unsigned count;
static uint64_t eaten;
static uint64_t too_late;
static ell_thread sheep[SHEEP];

static void wait_for_round(struct hand *random, unsigned i)
{
	CHECK_EQ(ell_mutex_lock(&mutex), 0);
	while (current < i) {
		ell_time until =
			crew_random(random, 4) ? ELL_FOREVER : ell_after(crew_random(random, 20000) * ELL_USEC);

		if (ell_cond_wait_until(&begun, &mutex, until))
			too_late++;
	}
	if (++count == SHEEP)
		CHECK_EQ(ell_cond_signal(&noticed), 0);
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
}

static void *be_sheep(void *arg)
{
	struct hand random = {.random = (uint64_t)(uintptr_t)arg * UINT64_C(0x9e3779b97f4a7c15) + 1};

	for (unsigned i = 1; i <= ROUNDS; i++) {
		wait_for_round(&random, i);
		CHECK_EQ(ell_sem_wait(&gate), 0);
		CHECK_EQ(ell_sem_post(&gate), 0);
		CHECK_EQ(ell_rwlock_rdlock(&meadow), 0);
		CHECK_EQ(ell_rwlock_unlock(&meadow), 0);
		CHECK_EQ(ell_mutex_lock(&mutex), 0);
		if (++eaten % SHEEP == 0)
			CHECK_EQ(ell_cond_signal(&noticed), 0);
		CHECK_EQ(ell_mutex_unlock(&mutex), 0);
	}
	return NULL;
}

static void begin_round(unsigned i)
{
	CHECK_EQ(ell_mutex_lock(&mutex), 0);
	while (eaten < (i - 1) * SHEEP)
		CHECK_EQ(ell_cond_wait(&noticed, &mutex), 0);
	CHECK_EQ(ell_rwlock_trywrlock(&meadow), 0);
	current = i;
	count = 0;
	CHECK_EQ(ell_cond_broadcast(&begun), 0);
	while (count < SHEEP)
		CHECK_EQ(ell_cond_wait(&noticed, &mutex), 0);
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
	/* Those who are through the gate by now are let in together. */
	CHECK_EQ(ell_rwlock_unlock(&meadow), 0);
}

static void herd(void)
{
	CHECK_EQ(ell_sem_init(&gate, 1), 0);
	for (uintptr_t i = 0; i < SHEEP; i++)
		CHECK_EQ(ell_create(&sheep[i], NULL, be_sheep, (void *)i), 0);
	for (unsigned i = 1; i <= ROUNDS; i++)
		begin_round(i);
	for (unsigned i = 0; i < SHEEP; i++)
		CHECK_EQ(ell_join(sheep[i], NULL), 0);
	NOTE("%llu were too late", (unsigned long long)too_late);
	CHECK_EQ(eaten, (uint64_t)SHEEP * ROUNDS);
	CHECK_CAME(too_late > 0);
	CHECK_EQ(ell_cond_finish(&begun), 0);
	CHECK_EQ(ell_cond_finish(&noticed), 0);
	CHECK_EQ(ell_mutex_finish(&mutex), 0);
	CHECK_EQ(ell_rwlock_finish(&meadow), 0);
	CHECK_EQ(gate.sm_units, 1);
}

static void all_of_a_herd_go_on_on_one_vcpu(void)
{
	crew_run(1, herd);
}

static void all_of_a_herd_go_on_on_two_vcpus(void)
{
	crew_run(2, herd);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(all_of_a_herd_go_on_on_one_vcpu, HARNESS_SECONDS(120)),
		HARNESS_CASE(all_of_a_herd_go_on_on_two_vcpus, HARNESS_SECONDS(120)),
	};

	return harness_run("herd", cases, ARRAY_SIZE(cases), argc, argv);
}
