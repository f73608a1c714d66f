/* SPDX-License-Identifier: BSD-2-Clause */
/* rwlock_test.c - what <ellula/sync.h> promises of a reader-writer lock */
#include <errno.h>
#include <string.h>

#include "sync/crew.h"

static struct ell_rwlock rwlock;
static struct crew crew;
static unsigned order[CREW_MAX];
static unsigned arrived;
static unsigned inside; /* readers */
static unsigned may_leave;

/*
 * Errors
 */

static void all_zero_is_a_free_lock(void)
{
	static const struct ell_rwlock zero;
	struct ell_rwlock made;

	memset(&made, 0x55, sizeof(made));
	ell_rwlock_init(&made);
	CHECK_EQ(memcmp(&made, &zero, sizeof(zero)), 0);
	CHECK_EQ(ell_rwlock_rdlock(&made), 0);
	CHECK_EQ(ell_rwlock_unlock(&made), 0);
	CHECK_EQ(ell_rwlock_wrlock(&made), 0);
	CHECK_EQ(ell_rwlock_unlock(&made), 0);
	CHECK_EQ(memcmp(&made, &zero, sizeof(zero)), 0);
}

static void a_writer_that_comes_again_gets_EDEADLK(void)
{
	CHECK_EQ(ell_rwlock_wrlock(&rwlock), 0);
	CHECK_EQ(ell_rwlock_wrlock(&rwlock), EDEADLK);
	CHECK_EQ(ell_rwlock_rdlock(&rwlock), EDEADLK);
	CHECK_EQ(ell_rwlock_wrlock_until(&rwlock, 0), EDEADLK);
	CHECK_EQ(ell_rwlock_rdlock_until(&rwlock, 0), EDEADLK);
	CHECK_EQ(ell_rwlock_unlock(&rwlock), 0);
}

static void meddle_with_a_writer(struct hand *hand)
{
	(void)hand;
	CHECK_EQ(ell_rwlock_unlock(&rwlock), EPERM);
	CHECK_EQ(ell_rwlock_tryrdlock(&rwlock), EBUSY);
	CHECK_EQ(ell_rwlock_trywrlock(&rwlock), EBUSY);
	CHECK_EQ(ell_rwlock_rdlock_until(&rwlock, 0), ETIMEDOUT);
	CHECK_EQ(ell_rwlock_wrlock_until(&rwlock, 0), ETIMEDOUT);
}

static void a_writer_is_alone(void)
{
	CHECK_EQ(ell_rwlock_unlock(&rwlock), EPERM);
	CHECK_EQ(ell_rwlock_trywrlock(&rwlock), 0);
	CHECK_EQ(ell_rwlock_trywrlock(&rwlock), EBUSY);
	CHECK_EQ(ell_rwlock_tryrdlock(&rwlock), EBUSY);
	crew_start(&crew, 1, 1, meddle_with_a_writer);
	crew_join(&crew);
	CHECK_EQ(ell_rwlock_unlock(&rwlock), 0);
	CHECK_EQ(ell_rwlock_unlock(&rwlock), EPERM);
}

static void meddle_with_a_reader(struct hand *hand)
{
	(void)hand;
	CHECK_EQ(ell_rwlock_trywrlock(&rwlock), EBUSY);
	CHECK_EQ(ell_rwlock_wrlock_until(&rwlock, 0), ETIMEDOUT);
	CHECK_EQ(ell_rwlock_tryrdlock(&rwlock), 0);
	CHECK_EQ(ell_rwlock_unlock(&rwlock), 0);
}

static void readers_are_together(void)
{
	CHECK_EQ(ell_rwlock_tryrdlock(&rwlock), 0);
	CHECK_EQ(ell_rwlock_rdlock_until(&rwlock, 0), 0);
	crew_start(&crew, 1, 1, meddle_with_a_reader);
	crew_join(&crew);
	CHECK_EQ(ell_rwlock_unlock(&rwlock), 0);
	CHECK_EQ(ell_rwlock_unlock(&rwlock), 0);
	CHECK_EQ(ell_rwlock_unlock(&rwlock), EPERM);
}

static void finishing_a_held_lock_gives_EBUSY(void)
{
	CHECK_EQ(ell_rwlock_rdlock(&rwlock), 0);
	CHECK_EQ(ell_rwlock_finish(&rwlock), EBUSY);
	CHECK_EQ(ell_rwlock_unlock(&rwlock), 0);
	CHECK_EQ(ell_rwlock_wrlock(&rwlock), 0);
	CHECK_EQ(ell_rwlock_finish(&rwlock), EBUSY);
	CHECK_EQ(ell_rwlock_unlock(&rwlock), 0);
	CHECK_EQ(ell_rwlock_finish(&rwlock), 0);
}

/*
 * Order. The hands come one after the other and queue; which of them write, a string tells: "rwrr".
 */

static const char *kinds;

static int lock_until(struct hand *hand, ell_time until)
{
	return kinds[hand->index] == 'w' ? ell_rwlock_wrlock_until(&rwlock, until)
					 : ell_rwlock_rdlock_until(&rwlock, until);
}

static void lock_and_note(struct hand *hand)
{
	WAIT_FOR(WAITERS(rwlock.rw_waiters) == hand->index);
	CHECK_EQ(lock_until(hand, ELL_FOREVER), 0);
	order[fetch_add_acq_rel(&arrived, 1)] = hand->index;
	if (kinds[hand->index] == 'r') {
		fetch_add_acq_rel(&inside, 1);
		WAIT_FOR(load_acquire(&may_leave));
		fetch_sub_acq_rel(&inside, 1);
	}
	CHECK_EQ(ell_rwlock_unlock(&rwlock), 0);
}

static void start_queue(const char *who)
{
	kinds = who;
	crew_start(&crew, 3, (unsigned)strlen(who) - 3, lock_and_note);
	WAIT_FOR(WAITERS(rwlock.rw_waiters) == crew.size);
}

static void a_writer_lets_in_the_readers_up_to_the_next_writer(void)
{
	CHECK_EQ(ell_rwlock_wrlock(&rwlock), 0);
	start_queue("rrrwrr");
	CHECK_EQ(ell_rwlock_unlock(&rwlock), 0);
	WAIT_FOR(load_acquire(&inside) == 3);
	CHECK_EQ(WAITERS(rwlock.rw_waiters), 3);
	CHECK_EQ(ell_rwlock_tryrdlock(&rwlock), EBUSY); /* behind the writer */
	store_release(&may_leave, 1u);
	crew_join(&crew);
	CHECK_EQ(order[3], 3);
	CHECK_EQ(rwlock.rw_state, 0);
}

static void writers_follow_each_other_in_order(void)
{
	CHECK_EQ(ell_rwlock_rdlock(&rwlock), 0);
	start_queue("wwwrww");
	store_release(&may_leave, 1u);
	CHECK_EQ(ell_rwlock_unlock(&rwlock), 0);
	crew_join(&crew);
	for (unsigned i = 0; i < crew.size; i++)
		CHECK_EQ(order[i], i);
	CHECK_EQ(rwlock.rw_state, 0);
}

static void the_last_of_several_readers_lets_the_writer_in(void)
{
	CHECK_EQ(ell_rwlock_rdlock(&rwlock), 0);
	CHECK_EQ(ell_rwlock_rdlock(&rwlock), 0);
	start_queue("wrr");
	store_release(&may_leave, 1u);
	CHECK_EQ(ell_rwlock_unlock(&rwlock), 0);
	for (int i = 0; i < 10; i++)
		ell_yield();
	CHECK_EQ(load_acquire(&arrived), 0);
	CHECK_EQ(ell_rwlock_unlock(&rwlock), 0);
	crew_join(&crew);
	CHECK_EQ(order[0], 0);
}

static void unlock_makes_the_waiting_writer_the_owner_at_once(void)
{
	CHECK_EQ(ell_rwlock_wrlock(&rwlock), 0);
	start_queue("www");
	CHECK_EQ(ell_rwlock_unlock(&rwlock), 0);
	CHECK_EQ(ell_rwlock_wrlock(&rwlock), 0);
	CHECK_EQ(arrived, 3);
	CHECK_EQ(ell_rwlock_unlock(&rwlock), 0);
	crew_join(&crew);
}

/*
 * Deadlines
 */

static void lock_late(struct hand *hand)
{
	ell_time until = ell_after((1 + hand->index) * ELL_MSEC);

	CHECK_EQ(lock_until(hand, until), ETIMEDOUT);
	CHECK(ell_now() >= until);
}

static void who_gives_up_leaves_no_trace(void)
{
	kinds = "rwrwrw";
	CHECK_EQ(ell_rwlock_wrlock(&rwlock), 0);
	crew_start(&crew, 3, 3, lock_late);
	crew_join(&crew);
	CHECK_EQ(WAITERS(rwlock.rw_waiters), 0);
	CHECK_EQ(ell_rwlock_unlock(&rwlock), 0);
	CHECK_EQ(rwlock.rw_state, 0);
}

static uint32_t queued;

static void only_the_writers_give_up(struct hand *hand)
{
	WAIT_FOR(WAITERS(rwlock.rw_waiters) == hand->index);
	fetch_add_acq_rel(&queued, 1);
	if (kinds[hand->index] == 'w') {
		CHECK_EQ(lock_until(hand, ell_after(50 * ELL_MSEC)), ETIMEDOUT);
		/* Else the rest waits for the queue to be as long as it was. */
		CHECK_CAME(load_acquire(&queued) == 5);
		return;
	}
	CHECK_EQ(lock_until(hand, ELL_FOREVER), 0);
	fetch_add_acq_rel(&inside, 1);
	WAIT_FOR(load_acquire(&may_leave));
	CHECK_EQ(ell_rwlock_unlock(&rwlock), 0);
}

/* A reader is in; the readers of the queue were kept out by the writer at its head alone. */
static void a_writer_that_gives_up_lets_in_the_readers_behind_it(void)
{
	kinds = "wrrwr";
	CHECK_EQ(ell_rwlock_rdlock(&rwlock), 0);
	crew_start(&crew, 3, 2, only_the_writers_give_up);
	WAIT_FOR(load_acquire(&inside) == 3);
	CHECK_EQ(ell_rwlock_tryrdlock(&rwlock), 0);
	CHECK_EQ(ell_rwlock_unlock(&rwlock), 0);
	store_release(&may_leave, 1u);
	crew_join(&crew);
	CHECK_EQ(rwlock.rw_state, 1);
	CHECK_EQ(ell_rwlock_unlock(&rwlock), 0);
}

/*
 * Many at once: each writer changes both numbers, and each reader finds them equal.
 */
enum { ROUNDS = 120000, HANDS = 8 };

static uint64_t left, right;
static uint64_t read_it, wrote_it, gave_up;

static void check_read(struct hand *hand)
{
	uint64_t seen = left;

	if (crew_random(hand, 8) == 0)
		ell_yield();
	CHECK_EQ(right, seen);
}

static void do_write(struct hand *hand)
{
	left++;
	if (crew_random(hand, 8) == 0)
		ell_yield();
	right++;
}

static void read_or_write(struct hand *hand)
{
	uint64_t reads = 0;
	uint64_t writes = 0;
	uint64_t late = 0;

	for (unsigned i = 0; i < ROUNDS / HANDS; i++) {
		bool writer = crew_random(hand, 4) == 0;
		ell_time until = crew_random(hand, 2) ? ELL_FOREVER : ell_after(crew_random(hand, 80) * ELL_USEC);
		int rc = writer ? ell_rwlock_wrlock_until(&rwlock, until) : ell_rwlock_rdlock_until(&rwlock, until);

		if (rc) {
			CHECK_EQ(rc, ETIMEDOUT);
			CHECK(until != ELL_FOREVER);
			late++;
			continue;
		}
		if (writer)
			do_write(hand), writes++;
		else
			check_read(hand), reads++;
		CHECK_EQ(ell_rwlock_unlock(&rwlock), 0);
	}
	fetch_add_relaxed(&read_it, reads);
	fetch_add_relaxed(&wrote_it, writes);
	fetch_add_relaxed(&gave_up, late);
}

static void race(void)
{
	crew_start(&crew, HANDS / 2, HANDS / 2, read_or_write);
	crew_join(&crew);
	NOTE("%llu read, %llu wrote, %llu gave up", (unsigned long long)read_it, (unsigned long long)wrote_it,
	     (unsigned long long)gave_up);
	CHECK_EQ(left, wrote_it);
	CHECK_EQ(right, wrote_it);
	CHECK_EQ(read_it + wrote_it + gave_up, ROUNDS);
	CHECK_CAME(read_it > 0 && wrote_it > 0 && gave_up > 0);
	CHECK_EQ(rwlock.rw_state, 0);
	CHECK_EQ(WAITERS(rwlock.rw_waiters), 0);
}

static void readers_never_see_half_of_a_write_on_one_vcpu(void)
{
	crew_run(1, race);
}

static void readers_never_see_half_of_a_write_on_two_vcpus(void)
{
	crew_run(2, race);
}

/*
 * More readers than are let in at once: each batch brings the next one.
 */
enum { READERS = 60 };

static void crowds_of_readers_come_in_together(void)
{
	static const char sixty[] = "rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr";

	CHECK_EQ(sizeof(sixty) - 1, READERS);
	kinds = sixty;
	CHECK_EQ(ell_rwlock_wrlock(&rwlock), 0);
	crew_start(&crew, READERS - 4, 4, lock_and_note);
	WAIT_FOR(WAITERS(rwlock.rw_waiters) == READERS);
	CHECK_EQ(ell_rwlock_unlock(&rwlock), 0);
	WAIT_FOR(load_acquire(&inside) == READERS);
	store_release(&may_leave, 1u);
	crew_join(&crew);
	CHECK_EQ(rwlock.rw_state, 0);
}

/*
 * Lifetime: freed by who unlocks it last, reader or writer. The memory is overwritten then, and must stay so. One of
 * the members reads; so whoever finds that all have come is the last to have it.
 */
enum { GROUPS = 2, MEMBERS = 3, OBJECTS = 15000, POISON = 0xa5 };

static struct object {
	struct ell_rwlock rwlock;
	unsigned users;
} objects[GROUPS][OBJECTS];

static unsigned begun[GROUPS][OBJECTS];

static void use_and_free(struct hand *hand)
{
	unsigned group = hand->index % GROUPS;

	for (unsigned i = 0; i < OBJECTS; i++) {
		bool reader = hand->index / GROUPS == i % MEMBERS;
		struct object *o = &objects[group][i];
		ell_time until;
		bool last;
		int rc;

		fetch_add_acq_rel(&begun[group][i], 1);
		WAIT_FOR(load_acquire(&begun[group][i]) == MEMBERS);
		do {
			until = ell_after(crew_random(hand, 20) * ELL_USEC);
			rc = reader ? ell_rwlock_rdlock_until(&o->rwlock, until)
				    : ell_rwlock_wrlock_until(&o->rwlock, until);
		} while (rc == ETIMEDOUT);
		CHECK_EQ(rc, 0);
		until = ell_after(crew_random(hand, 10) * ELL_USEC);
		WAIT_FOR(ell_now() >= until);
		last = ++o->users == MEMBERS;
		CHECK_EQ(ell_rwlock_unlock(&o->rwlock), 0);
		if (last)
			memset(o, POISON, sizeof(*o));
	}
}

static void free_by_the_last(void)
{
	crew_start(&crew, MEMBERS, MEMBERS, use_and_free);
	crew_join(&crew);
	for (size_t i = 0; i < sizeof(objects); i++)
		CHECK_EQ(((unsigned char *)objects)[i], POISON);
}

static void a_lock_may_be_freed_by_who_unlocks_it_last(void)
{
	crew_run(2, free_by_the_last);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(all_zero_is_a_free_lock, HARNESS_IN_RUN),
		HARNESS_CASE(a_writer_that_comes_again_gets_EDEADLK, HARNESS_IN_RUN),
		HARNESS_CASE(a_writer_is_alone, HARNESS_IN_RUN),
		HARNESS_CASE(readers_are_together, HARNESS_IN_RUN),
		HARNESS_CASE(finishing_a_held_lock_gives_EBUSY, HARNESS_IN_RUN),
		HARNESS_CASE(a_writer_lets_in_the_readers_up_to_the_next_writer, HARNESS_IN_RUN),
		HARNESS_CASE(writers_follow_each_other_in_order, HARNESS_IN_RUN),
		HARNESS_CASE(the_last_of_several_readers_lets_the_writer_in, HARNESS_IN_RUN),
		HARNESS_CASE(unlock_makes_the_waiting_writer_the_owner_at_once, HARNESS_IN_RUN),
		HARNESS_CASE(who_gives_up_leaves_no_trace, HARNESS_IN_RUN),
		HARNESS_CASE(a_writer_that_gives_up_lets_in_the_readers_behind_it, HARNESS_IN_RUN),
		HARNESS_CASE(crowds_of_readers_come_in_together, HARNESS_IN_RUN),
		HARNESS_CASE(readers_never_see_half_of_a_write_on_one_vcpu),
		HARNESS_CASE(readers_never_see_half_of_a_write_on_two_vcpus),
		HARNESS_CASE(a_lock_may_be_freed_by_who_unlocks_it_last),
	};

	return harness_run("rwlock", cases, ARRAY_SIZE(cases), argc, argv);
}
