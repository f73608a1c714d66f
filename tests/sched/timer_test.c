/* SPDX-License-Identifier: BSD-2-Clause */
/* timer_test.c - the timer wheel, against a model, on a clock of the test's own */
#include "sched/timer.h"

#include <string.h>

#include "thread/threads.h"

/* As timer.c has it: a deadline is rounded up to ticks of 2^14 ns. */
enum { TICK_SHIFT = 14 };

static uint64_t tick_of(ell_time when)
{
	return when <= 0 ? 0 : ((uint64_t)when + (1 << TICK_SHIFT) - 1) >> TICK_SHIFT;
}

static struct wheel wheel;
static ell_time now;

/* What the model knows of a timer. */
struct model {
	struct timer timer;
	ell_time when;
	uint64_t due; /* the tick at which it must be called at the latest, if the wheel is run then */
	bool armed;
	unsigned calls;
};

enum { TIMERS = 400 };

static struct model models[TIMERS];
static unsigned armed;
static uint64_t seed;

static void model_start(struct model *m, ell_time when)
{
	uint64_t tick = tick_of(when), next = ((uint64_t)now >> TICK_SHIFT) + 1;

	CHECK(!m->armed);
	m->when = when;
	m->due = tick > next ? tick : next;
	m->armed = true;
	armed++;
	timer_start(&wheel, &m->timer, when, (uint64_t)(m - models));
}

static void model_stop(struct model *m)
{
	CHECK_EQ(timer_stop(&wheel, &m->timer), m->armed);
	armed -= m->armed;
	m->armed = false;
}

/* Deadlines of all sizes: past ones, of this tick, of any level of the wheel, at its borders, and for ever. */
static ell_time random_deadline(void)
{
	ell_time base = now, span;

	switch (random_below(&seed, 8)) {
	case 0:
		return now - (ell_time)random_below(&seed, 1000000);
	case 1:
		return random_below(&seed, 3) ? ELL_FOREVER - (ell_time)random_below(&seed, 3) : INT64_MIN;
	case 2:
		/* Just around a border of a level. */
		span = (ell_time)1 << (TICK_SHIFT + 6 * random_below(&seed, 8));
		base = (now / span + 1) * span;
		return base - 1 + (ell_time)random_below(&seed, 3);
	default:
		span = (ell_time)1 << (10 + random_below(&seed, 48));
		return base > ELL_FOREVER - span ? ELL_FOREVER
						 : base + (ell_time)(((uint64_t)seed >> 1) % (uint64_t)span);
	}
}

static void random_start(void)
{
	struct model *m = &models[random_below(&seed, TIMERS)];

	if (!m->armed)
		model_start(m, random_deadline());
}

static void on_expiry(uint64_t what)
{
	struct model *m = &models[what];

	CHECK(what < TIMERS);
	CHECK(m->armed);
	CHECK(now >= m->when);
	m->armed = false;
	m->calls++;
	armed--;
	/* The function may do as it likes with this and with other timers; but those that are due are on their way. */
	if (random_below(&seed, 4) == 0)
		random_start();
	if (random_below(&seed, 8) == 0) {
		struct model *other = &models[random_below(&seed, TIMERS)];

		if (other->armed && tick_of(other->when) > (uint64_t)now >> TICK_SHIFT)
			model_stop(other);
	}
}

static void check_all(void)
{
	uint64_t earliest = UINT64_MAX;
	ell_time next = timer_next(&wheel);

	CHECK_EQ(wheel.wh_count, armed);
	for (unsigned i = 0; i < TIMERS; i++) {
		if (!models[i].armed)
			continue;
		/* It has not been missed. */
		CHECK(models[i].due > (uint64_t)now >> TICK_SHIFT ||
		      models[i].due >= (uint64_t)INT64_MAX >> TICK_SHIFT);
		if (models[i].due < earliest)
			earliest = models[i].due;
	}
	/* The vCPU may wake too early, never too late. */
	if (earliest < (uint64_t)INT64_MAX >> TICK_SHIFT)
		CHECK(next <= (ell_time)(earliest << TICK_SHIFT));
}

static void pass_time(void)
{
	ell_time step = (ell_time)random_below(&seed, 1000) << random_below(&seed, 3) * 13;

	/* Often to the very moment at which the wheel wants to be looked at; sometimes very far. */
	if (random_below(&seed, 3) == 0 && timer_next(&wheel) != ELL_FOREVER)
		now = timer_next(&wheel) > now ? timer_next(&wheel) : now;
	else if (random_below(&seed, 50) == 0)
		now += (ell_time)1 << random_below(&seed, 55);
	else
		now += step;
	timer_run(&wheel, now, on_expiry);
}

static void a_random_life_agrees_with_the_model(void)
{
	seed = harness_seed() | 1;
	for (unsigned life = 0; life < harness_rounds(MANY(60, 6)); life++) {
		memset(models, 0, sizeof(models));
		armed = 0;
		now = (ell_time)((seed * 3) >> (2 + random_below(&seed, 40)));
		wheel_init(&wheel, now);
		for (unsigned step = 0; step < 5000 && now < ELL_FOREVER / 2; step++) {
			unsigned what = random_below(&seed, 10);

			if (what < 6)
				random_start();
			else if (what < 8)
				model_stop(&models[random_below(&seed, TIMERS)]);
			else
				pass_time();
			if (step % 16 == 0) {
				timer_run(&wheel, now, on_expiry);
				check_all();
			}
		}
		for (unsigned i = 0; i < TIMERS; i++)
			if (models[i].armed)
				model_stop(&models[i]);
		CHECK_EQ(wheel.wh_count, 0);
	}
}

static void count_call(uint64_t what)
{
	models[what].calls++;
}

static void an_empty_wheel_never_wants_to_be_looked_at(void)
{
	wheel_init(&wheel, 12345);
	CHECK_EQ(timer_next(&wheel), ELL_FOREVER);
	CHECK_EQ(timer_run(&wheel, ELL_FOREVER / 2, count_call), ELL_FOREVER);
}

static void a_timer_is_called_once_and_not_early(void)
{
	wheel_init(&wheel, 0);
	timer_start(&wheel, &models[3].timer, 1000000, 3);
	timer_run(&wheel, 999999, count_call);
	CHECK_EQ(models[3].calls, 0);
	timer_run(&wheel, 1000000 + (1 << TICK_SHIFT), count_call);
	CHECK_EQ(models[3].calls, 1);
	timer_run(&wheel, 2000000000, count_call);
	CHECK_EQ(models[3].calls, 1);
	CHECK(!timer_stop(&wheel, &models[3].timer));
}

static void a_stopped_timer_is_not_called(void)
{
	wheel_init(&wheel, 0);
	CHECK(!timer_stop(&wheel, &models[0].timer));
	timer_start(&wheel, &models[0].timer, 1000000, 0);
	CHECK(timer_stop(&wheel, &models[0].timer));
	CHECK(!timer_stop(&wheel, &models[0].timer));
	timer_run(&wheel, 2000000, count_call);
	CHECK_EQ(models[0].calls, 0);
}

static void for_ever_is_never(void)
{
	wheel_init(&wheel, 0);
	timer_start(&wheel, &models[0].timer, ELL_FOREVER, 0);
	/* It may be looked at once a century. */
	CHECK(timer_next(&wheel) >= ELL_FOREVER / 2);
	for (now = 0; now < ELL_FOREVER / 8 * 7; now += ELL_FOREVER / 100)
		timer_run(&wheel, now, count_call);
	CHECK_EQ(models[0].calls, 0);
	CHECK(timer_stop(&wheel, &models[0].timer));
}

static void each_of_a_centurys_deadlines_is_met(void)
{
	wheel_init(&wheel, 1);
	/* From one tick to a century, each alone: it goes down all levels. */
	for (unsigned i = 0; i < 62 - TICK_SHIFT; i++) {
		ell_time when = ((ell_time)3 << (TICK_SHIFT + i)) / 2;
		unsigned looks = 0;

		now = 1;
		wheel_init(&wheel, now);
		models[i].calls = 0;
		timer_start(&wheel, &models[i].timer, when, i);
		while (models[i].calls == 0) {
			ell_time next = timer_next(&wheel);

			CHECK(next > now && next < when + (1 << TICK_SHIFT));
			now = next;
			timer_run(&wheel, now, count_call);
			CHECK(++looks <= WHEEL_LEVELS + 1);
		}
		CHECK(now >= when);
	}
}

enum { HERD = 100000 };

static struct timer herd[HERD];
static unsigned char called[HERD];
static unsigned restarts;

static void call_herd(uint64_t what)
{
	called[what]++;
	/* A few start again, for the past: in the same run or in the next, but never without end. */
	if (what % 1000 == 0 && restarts < 500) {
		restarts++;
		timer_start(&wheel, &herd[what], 0, what);
	}
}

static void a_herd_of_one_moment_is_called_completely(void)
{
	const ell_time when = 40 * ELL_MSEC;
	unsigned sum = 0;

	wheel_init(&wheel, 0);
	for (unsigned i = 0; i < HERD; i++)
		timer_start(&wheel, &herd[i], when, i);
	for (unsigned i = 0; i < HERD; i += 10)
		CHECK(timer_stop(&wheel, &herd[i + 1]));
	CHECK(timer_run(&wheel, when - 1, call_herd) > when - 1);
	for (now = when; wheel.wh_count > 0; now += 1 << TICK_SHIFT)
		timer_run(&wheel, now, call_herd);
	CHECK(now < when + 1000 * (1 << TICK_SHIFT));
	for (unsigned i = 0; i < HERD; i++) {
		CHECK(i % 1000 == 0 || called[i] == (i % 10 != 1));
		sum += called[i];
	}
	CHECK_EQ(sum, HERD - HERD / 10 + restarts);
	CHECK_EQ(restarts, 500);
}

/*
 * Others start and stop while the owner runs: each start ends in exactly one stop that said true, or one call.
 */
enum { STARTERS = 3, STARTS = MANY(100000, 10000), EACH = 8 };

static struct racer {
	struct timer timer;
	unsigned calls;
} racers[STARTERS][EACH];
static unsigned starters_done;

static void call_racer(uint64_t what)
{
	fetch_add_acq_rel(&racers[what / EACH][what % EACH].calls, 1);
}

static void *start_and_stop(void *arg)
{
	uintptr_t me = (uintptr_t)arg;
	uint64_t own = seed + me + 1;

	for (unsigned i = 0; i < STARTS; i++) {
		struct racer *r = &racers[me][i % EACH];
		unsigned before = load_acquire(&r->calls);

		/* Now and then one that is stopped for sure, and one that is called. */
		timer_start(&wheel, &r->timer, ell_after(i % 16 == 1 ? 3600 * ELL_SEC : random_below(&own, 100000)),
			    me * EACH + i % EACH);
		for (unsigned spin = random_below(&own, 2000); spin > 0; spin--)
			__asm__ volatile("");
		if (i % 16 != 0 && timer_stop(&wheel, &r->timer)) {
			CHECK_EQ(load_acquire(&r->calls), before);
			continue;
		}
		while (load_acquire(&r->calls) == before)
			sched_yield();
		CHECK_EQ(load_acquire(&r->calls), before + 1);
	}
	fetch_add_acq_rel(&starters_done, 1);
	return NULL;
}

static void who_stops_in_time_is_not_called_and_who_does_not_is(void)
{
	pthread_t starters[STARTERS];
	uint64_t calls = 0;

	seed = harness_seed();
	wheel_init(&wheel, ell_now());
	for (uintptr_t i = 0; i < STARTERS; i++)
		CHECK_EQ(pthread_create(&starters[i], NULL, start_and_stop, (void *)i), 0);
	while (load_acquire(&starters_done) < STARTERS)
		timer_run(&wheel, ell_now(), call_racer);
	for (unsigned i = 0; i < STARTERS; i++) {
		CHECK_EQ(pthread_join(starters[i], NULL), 0);
		for (unsigned k = 0; k < EACH; k++)
			calls += racers[i][k].calls;
	}
	CHECK_EQ(wheel.wh_count, 0);
	CHECK(calls > 0 && calls < (uint64_t)STARTERS * STARTS);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(an_empty_wheel_never_wants_to_be_looked_at),
		HARNESS_CASE(a_timer_is_called_once_and_not_early),
		HARNESS_CASE(a_stopped_timer_is_not_called),
		HARNESS_CASE(for_ever_is_never),
		HARNESS_CASE(each_of_a_centurys_deadlines_is_met),
		HARNESS_CASE(a_herd_of_one_moment_is_called_completely),
		HARNESS_CASE(a_random_life_agrees_with_the_model),
		HARNESS_CASE(who_stops_in_time_is_not_called_and_who_does_not_is),
	};

	return harness_run("timer", cases, ARRAY_SIZE(cases), argc, argv);
}
