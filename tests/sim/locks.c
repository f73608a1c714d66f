/* SPDX-License-Identifier: BSD-2-Clause */
/* locks.c - scenarios: every lock keeps its promise, and nobody waits for ever */
#include <errno.h>
#include <stdlib.h>

#include "base/atomic.h"
#include "sim.h"

enum { MEMBERS_MAX = 5, ROUNDS_MAX = 8 };

static unsigned members, rounds;

static void pause_a_little(void)
{
	switch (any(0, 5)) {
	case 0:
		ell_yield();
		break;
	case 1:
		ell_sleep_until(ell_after(any(0, 50) * ELL_USEC));
		break;
	default:
		break;
	}
}

static void begin(unsigned least)
{
	members = any(least, MEMBERS_MAX);
	rounds = any(1, ROUNDS_MAX);
}

/* Mutex: one at a time. */

static struct ell_mutex mutex;
static unsigned inside, counted, entered;

static int enter_mutex(void)
{
	switch (any(0, 3)) {
	case 0:
		return ell_mutex_trylock(&mutex);
	case 1:
		return ell_mutex_lock_until(&mutex, ell_after(any(0, 100) * ELL_USEC));
	default:
		return ell_mutex_lock(&mutex);
	}
}

static void *use_mutex(void *unused)
{
	(void)unused;
	for (unsigned i = 0; i < rounds; i++) {
		int error = enter_mutex();

		CHECK(error == 0 || error == EBUSY || error == ETIMEDOUT);
		if (error)
			continue;
		CHECK(load_relaxed(&inside) == 0);
		store_relaxed(&inside, 1);
		counted++;
		pause_a_little();
		store_relaxed(&inside, 0);
		fetch_add_relaxed(&entered, 1);
		CHECK(ell_mutex_unlock(&mutex) == 0);
	}
	return NULL;
}

static int mutex_main(void *unused)
{
	(void)unused;
	begin(2);
	ell_mutex_init(&mutex);
	crew(members, use_mutex);
	CHECK(counted == entered);
	CHECK(ell_mutex_finish(&mutex) == 0);
	return 0;
}

/* Condition: a buffer of one between producers and consumers, nothing lost, nothing twice. */

static struct ell_cond filled, emptied;
static unsigned full, value, taken_sum, given_sum, to_take;

static void *produce(void *arg)
{
	for (unsigned i = 0; i < rounds; i++) {
		CHECK(ell_mutex_lock(&mutex) == 0);
		while (full)
			ell_cond_wait(&emptied, &mutex);
		full = 1;
		value = (unsigned)(uintptr_t)arg * 100 + i;
		given_sum += value;
		if (any(0, 1))
			ell_cond_signal(&filled);
		else
			ell_cond_broadcast(&filled);
		ell_mutex_unlock(&mutex);
		pause_a_little();
	}
	return NULL;
}

static void *consume(void *unused)
{
	(void)unused;
	CHECK(ell_mutex_lock(&mutex) == 0);
	while (to_take > 0) {
		if (!full) {
			int error = any(0, 2) ? ell_cond_wait(&filled, &mutex)
					      : ell_cond_wait_until(&filled, &mutex, ell_after(20 * ELL_USEC));

			CHECK(error == 0 || error == ETIMEDOUT);
			continue;
		}
		full = 0;
		taken_sum += value;
		if (--to_take == 0)
			ell_cond_broadcast(&filled);
		ell_cond_signal(&emptied);
		ell_mutex_unlock(&mutex);
		pause_a_little();
		ell_mutex_lock(&mutex);
	}
	ell_mutex_unlock(&mutex);
	return NULL;
}

static void *produce_or_consume(void *arg)
{
	return (uintptr_t)arg % 2 ? consume(arg) : produce(arg);
}

static int cond_main(void *unused)
{
	(void)unused;
	begin(2);
	to_take = (members + 1) / 2 * rounds;
	ell_mutex_init(&mutex);
	ell_cond_init(&filled);
	ell_cond_init(&emptied);
	crew(members, produce_or_consume);
	CHECK(taken_sum == given_sum);
	CHECK(ell_cond_finish(&filled) == 0 && ell_cond_finish(&emptied) == 0);
	return 0;
}

/* Semaphore: as many units come out as went in, never more. */

static struct ell_sem sem;
static unsigned units;

static void *use_sem(void *unused)
{
	(void)unused;
	for (unsigned i = 0; i < rounds; i++) {
		int error = any(0, 3) ? ell_sem_wait(&sem) : ell_sem_wait_until(&sem, ell_after(any(0, 60) * ELL_USEC));

		CHECK(error == 0 || error == ETIMEDOUT);
		if (error)
			continue;
		CHECK(fetch_sub_acq_rel(&units, 1) > 0);
		pause_a_little();
		fetch_add_acq_rel(&units, 1);
		CHECK(ell_sem_post(&sem) == 0);
	}
	return NULL;
}

static int sem_main(void *unused)
{
	unsigned count = any(1, 2);

	(void)unused;
	begin(3);
	units = count;
	CHECK(ell_sem_init(&sem, count) == 0);
	crew(members, use_sem);
	for (unsigned i = 0; i < count; i++)
		CHECK(ell_sem_trywait(&sem) == 0);
	CHECK(ell_sem_trywait(&sem) == EAGAIN);
	CHECK(ell_sem_finish(&sem) == 0);
	return 0;
}

/* Readers and writers. */

static struct ell_rwlock rwlock;
static int readers, writers;

static void *use_rwlock(void *unused)
{
	(void)unused;
	for (unsigned i = 0; i < rounds; i++) {
		bool writes = any(0, 2) == 0;
		ell_time until = any(0, 2) ? ELL_FOREVER : ell_after(any(0, 60) * ELL_USEC);
		int error = writes ? ell_rwlock_wrlock_until(&rwlock, until) : ell_rwlock_rdlock_until(&rwlock, until);

		CHECK(error == 0 || error == ETIMEDOUT);
		if (error)
			continue;
		fetch_add_acq_rel(writes ? &writers : &readers, 1);
		CHECK(load_acquire(&writers) == (writes ? 1 : 0));
		if (writes)
			CHECK(load_acquire(&readers) == 0);
		pause_a_little();
		fetch_sub_acq_rel(writes ? &writers : &readers, 1);
		CHECK(ell_rwlock_unlock(&rwlock) == 0);
	}
	return NULL;
}

static int rwlock_main(void *unused)
{
	(void)unused;
	begin(3);
	ell_rwlock_init(&rwlock);
	crew(members, use_rwlock);
	CHECK(ell_rwlock_finish(&rwlock) == 0);
	return 0;
}

/* Barrier: nobody leaves a round before all have come. */

static struct ell_barrier barrier;
static unsigned arrived, serials;

static void *use_barrier(void *unused)
{
	(void)unused;
	for (unsigned i = 0; i < rounds; i++) {
		pause_a_little();
		fetch_add_acq_rel(&arrived, 1);
		if (ell_barrier_wait(&barrier) == ELL_BARRIER_SERIAL)
			fetch_add_acq_rel(&serials, 1);
		CHECK(load_acquire(&arrived) >= (i + 1) * members);
	}
	return NULL;
}

static int barrier_main(void *unused)
{
	(void)unused;
	begin(2);
	CHECK(ell_barrier_init(&barrier, members) == 0);
	crew(members, use_barrier);
	CHECK(serials == rounds);
	CHECK(ell_barrier_finish(&barrier) == 0);
	return 0;
}

/* Once. */

static struct ell_once_control once = ELL_ONCE_INIT;
static unsigned made;

static void make(void)
{
	pause_a_little();
	pause_a_little();
	store_relaxed(&made, load_relaxed(&made) + 1);
}

static void *use_once(void *unused)
{
	(void)unused;
	CHECK(ell_once(&once, make) == 0);
	CHECK(load_relaxed(&made) == 1);
	return NULL;
}

static int once_main(void *unused)
{
	(void)unused;
	begin(2);
	crew(members, use_once);
	CHECK(made == 1);
	return 0;
}

/* Channel: each value comes out once; per sender, in order. */

static struct ell_chan chan;
static unsigned sending, received, seen[MEMBERS_MAX];

static void *use_chan(void *arg)
{
	unsigned self = (unsigned)(uintptr_t)arg, last[MEMBERS_MAX] = {0};
	unsigned pair[2];
	int error;

	if (self % 2 == 0) {
		for (unsigned i = 0; i < rounds; i++) {
			pair[0] = self;
			pair[1] = i + 1;
			CHECK(ell_chan_send(&chan, pair) == 0);
			pause_a_little();
		}
		if (fetch_sub_acq_rel(&sending, 1) == 1)
			CHECK(ell_chan_close(&chan) == 0);
		return NULL;
	}
	for (;;) {
		error = any(0, 2) ? ell_chan_recv(&chan, pair)
				  : ell_chan_recv_until(&chan, pair, ell_after(any(0, 50) * ELL_USEC));
		if (error == ETIMEDOUT) {
			ell_yield();
			continue;
		}
		if (error)
			break;
		CHECK(pair[0] < members && pair[1] > last[pair[0]]);
		last[pair[0]] = pair[1];
		fetch_add_acq_rel(&seen[pair[0]], 1);
		fetch_add_acq_rel(&received, 1);
	}
	CHECK(error == EPIPE);
	return NULL;
}

static int chan_main(void *unused)
{
	unsigned room = any(1, 3);
	void *space;

	(void)unused;
	begin(2);
	sending = (members + 1) / 2;
	space = malloc(ELL_CHAN_SPACE(room, 2 * sizeof(unsigned)));
	CHECK(space && ell_chan_init(&chan, space, room, 2 * sizeof(unsigned)) == 0);
	crew(members, use_chan);
	CHECK(received == (members + 1) / 2 * rounds);
	CHECK(ell_chan_finish(&chan) == 0);
	free(space);
	return 0;
}

const struct scenario locks[] = {
	{.name = "mutex", .main_fn = mutex_main},     {.name = "cond", .main_fn = cond_main},
	{.name = "sem", .main_fn = sem_main},	      {.name = "rwlock", .main_fn = rwlock_main},
	{.name = "barrier", .main_fn = barrier_main}, {.name = "once", .main_fn = once_main},
	{.name = "chan", .main_fn = chan_main},	      {.name = NULL},
};
