/* SPDX-License-Identifier: BSD-2-Clause */
/* join_test.c - who may join or detach a thread, and what an id is worth afterwards */
#include <stdlib.h>

#include "thread/threads.h"

static void *same(void *arg)
{
	return arg;
}

static void *wait_for_permit(void *arg)
{
	ell_park();
	return arg;
}

static bool is_gone(ell_thread thread)
{
	char name[ELL_NAME_MAX];

	return ell_name(thread, name, sizeof(name)) == ESRCH;
}

static void join_gives_what_the_thread_returned(void)
{
	int mark;

	CHECK(join(start(same, &mark)) == &mark);
	CHECK(join(start(same, NULL)) == NULL);
	CHECK_EQ(ell_join(start(same, &mark), NULL), 0);
}

static int exit_from(const void *result, const void *element)
{
	(void)element;
	ell_exit((void *)(uintptr_t)result);
}

static void *exit_from_below(void *arg)
{
	static const char array[3];

	bsearch(arg, array, ARRAY_SIZE(array), sizeof(array[0]), exit_from);
	return NULL;
}

static void join_gives_what_ell_exit_got(void)
{
	int mark;

	CHECK(join(start(exit_from_below, &mark)) == &mark);
}

static unsigned ended;

static void *count_me(void *arg)
{
	fetch_add_relaxed(&ended, 1);
	return arg;
}

static void an_ended_thread_waits_for_its_joiner(void)
{
	ell_thread threads[100];

	for (uintptr_t i = 0; i < ARRAY_SIZE(threads); i++)
		threads[i] = start(count_me, (void *)i);
	WAIT_FOR(load_relaxed(&ended) == ARRAY_SIZE(threads));
	sleep_for(ELL_MSEC);
	for (uintptr_t i = ARRAY_SIZE(threads); i-- > 0;)
		CHECK(join(threads[i]) == (void *)i);
}

static void after_join_the_thread_is_no_more(void)
{
	ell_thread thread = start(same, NULL);
	void *result = &thread;
	char name[ELL_NAME_MAX];

	join(thread);
	CHECK_EQ(ell_join(thread, &result), ESRCH);
	CHECK(result == &thread);
	CHECK_EQ(ell_join_until(thread, NULL, 0), ESRCH);
	CHECK_EQ(ell_detach(thread), ESRCH);
	CHECK_EQ(ell_unpark(thread), ESRCH);
	CHECK_EQ(ell_name(thread, name, sizeof(name)), ESRCH);
}

static void what_never_was_a_thread_is_none(void)
{
	static const ell_thread nobody[] = {0, 1, UINT32_MAX, (UINT64_C(1) << 63) - 1, UINT64_MAX};

	for (size_t i = 0; i < ARRAY_SIZE(nobody); i++) {
		CHECK_EQ(ell_join(nobody[i], NULL), ESRCH);
		CHECK_EQ(ell_detach(nobody[i]), ESRCH);
		CHECK_EQ(ell_unpark(nobody[i]), ESRCH);
		CHECK(is_gone(nobody[i]));
	}
}

static int by_number(const void *a, const void *b)
{
	const ell_thread *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void ids_are_never_used_twice(void)
{
	enum { BATCH = 50, N = MANY(50000, 2000) };
	static ell_thread ids[N];

	for (unsigned i = 0; i < N; i += BATCH) {
		for (unsigned k = 0; k < BATCH; k++)
			ids[i + k] = start(same, NULL);
		/* The descriptors of the last batch are used again, and its ids are still nobody's. */
		for (unsigned k = 0; i > 0 && k < BATCH; k++)
			CHECK_EQ(ell_join(ids[i - BATCH + k], NULL), ESRCH);
		for (unsigned k = 0; k < BATCH; k++)
			join(ids[i + k]);
	}
	qsort(ids, N, sizeof(ids[0]), by_number);
	for (unsigned i = 1; i < N; i++)
		CHECK(!ell_equal(ids[i], ids[i - 1]));
}

static void a_detached_thread_cannot_be_joined(void)
{
	ell_thread thread = start(wait_for_permit, NULL);

	CHECK_EQ(ell_detach(thread), 0);
	CHECK_EQ(ell_join(thread, NULL), EINVAL);
	CHECK_EQ(ell_join_until(thread, NULL, 0), EINVAL);
	CHECK_EQ(ell_detach(thread), EINVAL);
	CHECK_EQ(ell_unpark(thread), 0);
	WAIT_FOR(ell_join(thread, NULL) == ESRCH);
	CHECK(is_gone(thread));
}

static void a_thread_can_be_made_detached(void)
{
	struct ell_attr attr;
	ell_thread thread;

	ell_attr_init(&attr);
	attr.detached = true;
	thread = start_with(&attr, wait_for_permit, NULL);
	CHECK_EQ(ell_join(thread, NULL), EINVAL);
	CHECK_EQ(ell_unpark(thread), 0);
	WAIT_FOR(is_gone(thread));
}

static void a_thread_may_detach_itself(void)
{
	ell_thread self = ell_self();

	CHECK_EQ(ell_detach(self), EINVAL); /* what ell_run() starts is detached */
	CHECK_EQ(ell_join(self, NULL), EDEADLK);
}

static void *detach_self(void *arg)
{
	CHECK_EQ(ell_detach(ell_self()), 0);
	CHECK_EQ(ell_detach(ell_self()), EINVAL);
	return arg;
}

static void a_thread_that_detached_itself_leaves_nothing(void)
{
	ell_thread thread = start(detach_self, NULL);

	WAIT_FOR(is_gone(thread));
}

static void detaching_an_ended_thread_ends_it_for_good(void)
{
	ell_thread thread = start(count_me, NULL);

	WAIT_FOR(load_relaxed(&ended) == 1);
	sleep_for(ELL_MSEC);
	CHECK(!is_gone(thread));
	CHECK_EQ(ell_detach(thread), 0);
	CHECK(is_gone(thread));
	CHECK_EQ(ell_join(thread, NULL), ESRCH);
}

static void *join_self(void *arg)
{
	CHECK_EQ(ell_join(ell_self(), NULL), EDEADLK);
	CHECK_EQ(ell_join_until(ell_self(), NULL, 0), EDEADLK);
	return arg;
}

static void nobody_joins_itself(void)
{
	join(start(join_self, NULL));
}

static unsigned joining;

static void *join_it(void *arg)
{
	store_release(&joining, 1);
	return (void *)(intptr_t)ell_join(*(ell_thread *)arg, NULL);
}

static void a_second_joiner_is_refused(void)
{
	ell_thread thread = start(wait_for_permit, NULL);
	ell_thread joiner = start(join_it, &thread);

	WAIT_FOR(load_acquire(&joining));
	WAIT_FOR(ell_join_until(thread, NULL, 0) == EINVAL);
	CHECK_EQ(ell_join(thread, NULL), EINVAL);
	CHECK_EQ(ell_detach(thread), EINVAL);
	CHECK_EQ(ell_unpark(thread), 0);
	CHECK(join(joiner) == NULL);
}

static void a_joiner_may_give_up_and_come_again(void)
{
	int mark;
	ell_thread thread = start(wait_for_permit, &mark);
	ell_time until = ell_after(3 * ELL_MSEC);
	void *result = NULL;

	CHECK_EQ(ell_join_until(thread, &result, -1), ETIMEDOUT);
	CHECK_EQ(ell_join_until(thread, &result, 0), ETIMEDOUT);
	CHECK_EQ(ell_join_until(thread, &result, until), ETIMEDOUT);
	CHECK(ell_now() >= until);
	CHECK(result == NULL);
	CHECK_EQ(ell_unpark(thread), 0);
	CHECK_EQ(ell_join_until(thread, &result, ELL_FOREVER), 0);
	CHECK(result == &mark);
}

static void a_past_deadline_still_joins_what_has_ended(void)
{
	ell_thread thread = start(count_me, NULL);

	WAIT_FOR(load_relaxed(&ended) == 1);
	sleep_for(ELL_MSEC);
	CHECK_EQ(ell_join_until(thread, NULL, 0), 0);
}

/*
 * Races
 */

static void *sleep_then_end(void *arg)
{
	ell_sleep_until(ell_after((int64_t)(uintptr_t)arg));
	return arg;
}

static void deadlines_race_with_the_end(void)
{
	uint64_t seed = harness_seed();
	unsigned late = 0, tries = harness_rounds(MANY(3000, 500));

	for (unsigned i = 0; i < tries; i++) {
		uintptr_t ns = random_below(&seed, 200000);
		ell_thread thread = start(sleep_then_end, (void *)ns);
		void *result = NULL;
		int error;

		while ((error = ell_join_until(thread, &result, ell_after(random_below(&seed, 200000)))) == ETIMEDOUT)
			late++;
		CHECK_EQ(error, 0);
		CHECK(result == (void *)ns);
		CHECK_EQ(ell_join(thread, NULL), ESRCH);
	}
	CHECK_CAME(late > 0);
}

/* One of several contenders for the end of a thread; each must be told what really happened. */
static ell_thread contested;
static unsigned round_number, arrivals, winners;

static void contend(bool detaches)
{
	int error = detaches ? ell_detach(contested) : ell_join(contested, NULL);

	if (error == 0)
		fetch_add_relaxed(&winners, 1);
	else
		CHECK(error == EINVAL || error == ESRCH);
}

enum { CONTENDERS = 3, ROUNDS = MANY(4000, 500) };

static void *contender(void *arg)
{
	for (unsigned i = 1; i <= ROUNDS; i++) {
		WAIT_FOR(load_acquire(&round_number) == i);
		contend((i + (uintptr_t)arg) % 2);
		fetch_add_acq_rel(&arrivals, 1);
	}
	return NULL;
}

static void *end_soon(void *arg)
{
	/* One of its contenders may see it alive, another not. */
	for (uintptr_t i = 0; i < (uintptr_t)arg; i++)
		ell_yield();
	return arg;
}

static void exactly_one_joins_or_detaches(void)
{
	ell_thread contenders[CONTENDERS];

	for (uintptr_t i = 0; i < CONTENDERS; i++)
		contenders[i] = start(contender, (void *)i);
	for (unsigned i = 1; i <= ROUNDS; i++) {
		store_relaxed(&arrivals, 0);
		store_relaxed(&winners, 0);
		contested = start(end_soon, (void *)(uintptr_t)(i % 4));
		store_release(&round_number, i);
		WAIT_FOR(load_acquire(&arrivals) == CONTENDERS);
		CHECK_EQ(winners, 1);
		WAIT_FOR(is_gone(contested));
	}
	for (unsigned i = 0; i < CONTENDERS; i++)
		join(contenders[i]);
}

/* Contenders who come late must not meet the next user of the descriptor. */
static void *detach_what_may_be_gone(void *arg)
{
	ell_thread seen = 0;

	while ((seen = load_acquire((ell_thread *)arg)) != UINT64_MAX) {
		int error = ell_detach(seen);

		CHECK(error == EINVAL || error == ESRCH);
		error = ell_join_until(seen, NULL, 0);
		CHECK(error == EINVAL || error == ESRCH);
		breathe((unsigned)seen);
	}
	return NULL;
}

static void late_contenders_meet_no_other_thread(void)
{
	static ell_thread shown;
	ell_thread late = start(detach_what_may_be_gone, &shown);
	struct ell_attr detached;

	ell_attr_init(&detached);
	detached.detached = true;
	for (unsigned i = 0; i < ROUNDS; i++) {
		/* The second thread takes the descriptor of the first, and nobody else may detach it. */
		store_release(&shown, start_with(&detached, end_soon, (void *)(uintptr_t)(i % 4)));
		WAIT_FOR(is_gone(shown));
		CHECK(join(start(end_soon, (void *)1)) == (void *)1);
	}
	store_release(&shown, UINT64_MAX);
	join(late);
}

/*
 * With foreign kernel threads
 */

static unsigned foreign_done;

static void *join_from_outside(void *arg)
{
	void *result = NULL;

	CHECK_EQ(ell_join_until(*(ell_thread *)arg, NULL, ell_after(ELL_MSEC)), ETIMEDOUT);
	store_release(&foreign_done, 1);
	CHECK_EQ(ell_join(*(ell_thread *)arg, &result), 0);
	CHECK(result == arg);
	CHECK_EQ(ell_join(*(ell_thread *)arg, NULL), ESRCH);
	CHECK_EQ(ell_join(ell_self(), NULL), EDEADLK);
	return NULL;
}

static void a_foreign_thread_may_join(void)
{
	static ell_thread thread;
	struct foreign foreign;

	thread = start(wait_for_permit, &thread);
	foreign_start(&foreign, join_from_outside, &thread);
	WAIT_FOR(load_acquire(&foreign_done));
	sleep_for(2 * ELL_MSEC);
	CHECK_EQ(ell_unpark(thread), 0);
	foreign_join(&foreign);
}

static void *tell_self(void *arg)
{
	store_release((ell_thread *)arg, ell_self());
	WAIT_FOR(load_acquire(&foreign_done));
	return NULL;
}

static void a_foreign_thread_is_not_joined(void)
{
	static ell_thread self;
	struct foreign foreign;

	foreign_start(&foreign, tell_self, &self);
	WAIT_FOR(load_acquire(&self));
	CHECK_EQ(ell_join(self, NULL), EINVAL);
	CHECK_EQ(ell_detach(self), EINVAL);
	store_release(&foreign_done, 1);
	foreign_join(&foreign);
	CHECK_EQ(ell_join(self, NULL), ESRCH);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE_ON_1_AND_2(join_gives_what_the_thread_returned),
		HARNESS_CASE_ON_1_AND_2(join_gives_what_ell_exit_got),
		HARNESS_CASE_ON_1_AND_2(an_ended_thread_waits_for_its_joiner),
		HARNESS_CASE_ON_1_AND_2(after_join_the_thread_is_no_more),
		HARNESS_CASE(what_never_was_a_thread_is_none, HARNESS_IN_RUN),
		HARNESS_CASE_ON_1_AND_2(ids_are_never_used_twice),
		HARNESS_CASE_ON_1_AND_2(a_detached_thread_cannot_be_joined),
		HARNESS_CASE_ON_1_AND_2(a_thread_can_be_made_detached),
		HARNESS_CASE(a_thread_may_detach_itself, HARNESS_IN_RUN),
		HARNESS_CASE_ON_1_AND_2(a_thread_that_detached_itself_leaves_nothing),
		HARNESS_CASE_ON_1_AND_2(detaching_an_ended_thread_ends_it_for_good),
		HARNESS_CASE_ON_1_AND_2(nobody_joins_itself),
		HARNESS_CASE_ON_1_AND_2(a_second_joiner_is_refused),
		HARNESS_CASE_ON_1_AND_2(a_joiner_may_give_up_and_come_again),
		HARNESS_CASE_ON_1_AND_2(a_past_deadline_still_joins_what_has_ended),
		HARNESS_CASE_ON_1_AND_2(deadlines_race_with_the_end),
		HARNESS_CASE_ON_1_AND_2(exactly_one_joins_or_detaches),
		HARNESS_CASE_ON_1_AND_2(late_contenders_meet_no_other_thread),
		HARNESS_CASE_ON_1_AND_2(a_foreign_thread_may_join),
		HARNESS_CASE_ON_1_AND_2(a_foreign_thread_is_not_joined),
	};

	return harness_run("join", cases, ARRAY_SIZE(cases), argc, argv);
}
