/* SPDX-License-Identifier: BSD-2-Clause */
/* threads.c - scenarios: threads begin, sleep, wake, move and end */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include "base/atomic.h"
#include "sched/vcpu.h"
#include "sim.h"

enum { MEMBERS_MAX = 6 };

/* Permits: each unpark that comes while one is asleep wakes it. Each hands the turn to the next. */

static ell_thread ring[MEMBERS_MAX];
static unsigned members, turns, whose;

static void *pass_on(void *arg)
{
	unsigned self = (unsigned)(uintptr_t)arg;

	while (!load_acquire(&ring[self]))
		ell_yield();
	for (unsigned i = 0; i < turns; i++) {
		int error;

		/* A permit may be old: the turn is what counts. */
		while (load_acquire(&whose) != self) {
			if (any(0, 3))
				ell_park();
			else if (!ell_park_until(ell_after(any(0, 40) * ELL_USEC)))
				ell_yield();
		}
		store_release(&whose, (self + 1) % members);
		/* It may have noticed by itself, and ended. */
		error = ell_unpark(ring[(self + 1) % members]);
		CHECK(error == 0 || error == ESRCH);
	}
	return NULL;
}

static int permit_main(void *unused)
{
	ell_thread all[MEMBERS_MAX];

	(void)unused;
	members = any(2, MEMBERS_MAX);
	turns = any(2, 12);
	store_relaxed(&whose, MEMBERS_MAX);
	for (unsigned i = 0; i < members; i++)
		store_release(&ring[i], all[i] = start(pass_on, (void *)(uintptr_t)i));
	store_release(&whose, 0);
	ell_unpark(all[0]);
	for (unsigned i = 0; i < members; i++)
		CHECK(ell_join(all[i], NULL) == 0);
	return 0;
}

/* The same between a foreign kernel thread and a thread. */

static ell_thread outside, inside;
static unsigned passes, outside_done;

static void foreign_side(void *unused)
{
	(void)unused;
	store_release(&outside, ell_self());
	while (!load_acquire(&inside))
		ell_yield();
	for (unsigned i = 0; i < passes; i++) {
		CHECK(ell_unpark(load_acquire(&inside)) == 0);
		ell_park();
	}
	store_release(&outside_done, 1);
}

static int foreign_main(void *unused)
{
	(void)unused;
	passes = any(1, 10);
	sim_foreign("foreign", foreign_side, NULL);
	while (!load_acquire(&outside))
		nap(10);
	store_release(&inside, ell_self());
	for (unsigned i = 0; i < passes; i++) {
		ell_park();
		CHECK(ell_unpark(load_acquire(&outside)) == 0);
	}
	while (!load_acquire(&outside_done))
		nap(10);
	return 0;
}

/* Ends: every thread is joined or detached once, by whoever comes, and gives its result. */

static unsigned ended;

static void *end_soon(void *arg)
{
	if (any(0, 2) == 0)
		ell_yield();
	fetch_add_acq_rel(&ended, 1);
	return arg;
}

static void *join_some(void *unused)
{
	(void)unused;
	for (unsigned i = 0; i < 4; i++) {
		void *result = NULL, *arg = (void *)(uintptr_t)(i + 1);
		ell_thread thread = start(end_soon, arg);
		int error;

		switch (any(0, 3)) {
		case 0:
			CHECK(ell_detach(thread) == 0);
			continue;
		case 1:
			while ((error = ell_join_until(thread, &result, ell_after(any(0, 30) * ELL_USEC))) == ETIMEDOUT)
				ell_yield();
			break;
		default:
			error = ell_join(thread, &result);
			break;
		}
		CHECK(error == 0 && result == arg);
		/* Others begin meanwhile, and may get its descriptor. */
		if (any(0, 1))
			ell_yield();
		CHECK(ell_join(thread, NULL) == ESRCH);
	}
	return NULL;
}

static int join_main(void *unused)
{
	unsigned count = any(1, 3);

	(void)unused;
	crew(count, join_some);
	while (load_acquire(&ended) < count * 4)
		nap(50);
	return 0;
}

/* Two want to join, a third to detach: exactly one succeeds. */

static ell_thread wanted;
static unsigned winners;

static void *want(void *arg)
{
	int error = arg ? ell_join(wanted, NULL) : ell_detach(wanted);

	CHECK(error == 0 || error == ESRCH || error == EINVAL);
	if (!error)
		fetch_add_acq_rel(&winners, 1);
	return NULL;
}

static int wanted_main(void *unused)
{
	(void)unused;
	wanted = start(end_soon, NULL);
	crew(3, want);
	CHECK(winners == 1);
	return 0;
}

/* Time: nobody wakes early, and nobody long after. */

static void *sleep_some(void *unused)
{
	(void)unused;
	for (unsigned i = 0; i < 5; i++) {
		ell_time until = ell_after(any(0, 3000) * ELL_USEC);

		CHECK(ell_sleep_until(until) == 0);
		CHECK(ell_now() >= until);
	}
	return NULL;
}

static int sleep_main(void *unused)
{
	(void)unused;
	crew(any(1, MEMBERS_MAX), sleep_some);
	return 0;
}

/* Yield: whoever is ready gets its turn, whatever the others do. */

static unsigned rounds_done[MEMBERS_MAX];
static unsigned left;

enum { ROUNDS = 100, AHEAD = 800 };

static void *yield_often(void *arg)
{
	unsigned self = (unsigned)(uintptr_t)arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		count_up(&rounds_done[self], 1);
		ell_yield();
	}
	fetch_sub_acq_rel(&left, 1);
	return NULL;
}

/* Two that always wake each other must not keep a third from running. */
static void *talk(void *arg)
{
	unsigned self = (unsigned)(uintptr_t)arg, said = 0;

	while (load_acquire(&left)) {
		if (load_acquire(&ring[!self]))
			ell_unpark(load_acquire(&ring[!self]));
		if (!ell_park_until(ell_after(100 * ELL_USEC)))
			ell_yield();
		CHECK(said++ < AHEAD * ROUNDS);
	}
	return NULL;
}

static int yield_main(void *unused)
{
	ell_thread talkers[2], yielders[3];
	unsigned count = any(1, 3);

	(void)unused;
	left = count;
	for (unsigned i = 0; i < 2; i++)
		store_release(&ring[i], talkers[i] = start(talk, (void *)(uintptr_t)i));
	for (unsigned i = 0; i < count; i++)
		yielders[i] = start(yield_often, (void *)(uintptr_t)i);
	for (unsigned i = 0; i < count; i++)
		CHECK(ell_join(yielders[i], NULL) == 0 && rounds_done[i] == ROUNDS);
	for (unsigned i = 0; i < 2; i++)
		CHECK(ell_join(talkers[i], NULL) == 0);
	return 0;
}

/* Two that hand a mutex to and fro run before the queue each time: those in it have their turns all the same. */

static struct ell_mutex handed;
static struct ell_cond called[2];

static void *hand_over(void *arg)
{
	unsigned self = (unsigned)(uintptr_t)arg;

	CHECK(ell_mutex_lock(&handed) == 0);
	for (unsigned i = 0; i < 2 * ROUNDS; i++) {
		while (whose != self)
			CHECK(ell_cond_wait(&called[self], &handed) == 0);
		whose = !self;
		CHECK(ell_cond_signal(&called[!self]) == 0);
	}
	CHECK(ell_mutex_unlock(&handed) == 0);
	return NULL;
}

static void *hand_over_or_yield(void *arg)
{
	return (uintptr_t)arg < 2 ? hand_over(arg) : yield_often(arg);
}

static int front_main(void *unused)
{
	(void)unused;
	ell_mutex_init(&handed);
	ell_cond_init(&called[0]);
	ell_cond_init(&called[1]);
	left = any(1, 2);
	crew(2 + left, hand_over_or_yield);
	return 0;
}

/* Stealing: many threads from one, each runs exactly once, on whichever vCPU. */

static uint32_t ran[64];

static void *run_once(void *arg)
{
	if (any(0, 3) == 0)
		ell_yield();
	CHECK(fetch_add_acq_rel(&ran[(uintptr_t)arg], 1) == 0);
	return NULL;
}

static int steal_main(void *unused)
{
	unsigned count = any(8, 64);

	(void)unused;
	crew(count, run_once);
	for (unsigned i = 0; i < count; i++)
		CHECK(ran[i] == 1);
	return 0;
}

/* A queue longer than its ring: the rest keeps its place, and thieves take of that, too. */

static unsigned crowd_ran;

static void *be_counted(void *unused)
{
	(void)unused;
	/* To the end of the queue, which is in the list or, when thieves have been here, in the ring. */
	if (any(0, 1))
		ell_yield();
	fetch_add_acq_rel(&crowd_ran, 1);
	return NULL;
}

static int crowd_main(void *unused)
{
	unsigned count = any(RUNQ_SIZE, RUNQ_SIZE + 40);
	struct ell_attr attr;

	(void)unused;
	ell_attr_init(&attr);
	attr.detached = true;
	attr.tls = ELL_TLS_PRIVATE;
	for (unsigned i = 0; i < count; i++)
		CHECK(ell_create(NULL, &attr, be_counted, NULL) == 0);
	while (load_acquire(&crowd_ran) < count)
		nap(100);
	return 0;
}

/* The runtime ends while others are in the middle of something. */

static void *never_end(void *arg)
{
	for (;;) {
		if (arg)
			ell_sleep_until(ell_after(any(0, 20) * ELL_USEC));
		else
			ell_yield();
	}
	return NULL;
}

static int end_main(void *unused)
{
	unsigned count = any(0, 3);

	(void)unused;
	for (unsigned i = 0; i < count; i++)
		start(never_end, (void *)(uintptr_t)any(0, 1));
	for (unsigned i = any(0, 3); i > 0; i--)
		ell_yield();
	return 0;
}

const struct scenario threads[] = {
	{.name = "permit", .main_fn = permit_main},
	{.name = "foreign", .main_fn = foreign_main},
	{.name = "join", .main_fn = join_main},
	{.name = "wanted", .main_fn = wanted_main},
	{.name = "sleep", .main_fn = sleep_main},
	{.name = "yield", .main_fn = yield_main},
	{.name = "front", .main_fn = front_main},
	{.name = "steal", .main_fn = steal_main, .vcpus = 2},
	{.name = "crowd", .main_fn = crowd_main, .vcpus = 2},
	{.name = "end", .main_fn = end_main},
	{.name = NULL},
};
