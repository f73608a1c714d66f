/* SPDX-License-Identifier: BSD-2-Clause */
/* switch_test.c - a context finds everything as it left it, whoever ran in between */
#include <pthread.h>

#include "arch/hold.h"
#include "arch/players.h"
#include "arch/rounding.h"

enum { ROUNDS = 20000 };

static void count_turns(struct player *self)
{
	/* gcc believes that no assembly changes a static variable whose address nobody takes (-fipa-reference). */
	static volatile unsigned turn;

	for (unsigned i = 0; i < ROUNDS; i++) {
		CHECK_EQ(turn, i * PLAYERS + self->number);
		turn++;
		player_pass(self);
	}
}

static void contexts_take_turns_and_end(void)
{
	players_run(count_turns);
}

static void answer_with_the_next_number(void *carry)
{
	struct player *self = carry;
	uintptr_t value = 0;

	for (;;)
		value = (uintptr_t)arch_switch(&self->ctx, &players_home, (void *)(value + 1));
}

static void the_carried_value_goes_both_ways(void)
{
	struct player p = {0};
	uintptr_t value;

	player_make(&p, NULL);
	arch_context_make(&p.ctx, p.stack + PLAYER_STACK, answer_with_the_next_number);
	/* The entry function gets the first one. */
	value = (uintptr_t)arch_switch(&players_home, &p.ctx, &p);
	for (uintptr_t i = 0; i < 1000; i++) {
		CHECK_EQ(value, 2 * i + 1);
		value = (uintptr_t)arch_switch(&players_home, &p.ctx, (void *)(value + 1));
	}
	free(p.stack);
}

static void check_stack(struct player *self)
{
	char *frame = __builtin_frame_address(0);

	CHECK(frame > self->stack && frame <= self->stack + PLAYER_STACK);
	/* Both ABIs want that where a frame pointer points. */
	CHECK_EQ((uintptr_t)frame % 16, 0);
	player_pass(self);
}

static void an_entry_function_gets_an_aligned_stack(void)
{
	players_run(check_stack);
}

static void a_misaligned_stack_is_refused(void)
{
	struct arch_context cx;
	static char stack[1024] __attribute__((aligned(16)));

	arch_context_make(&cx, stack + sizeof(stack) - 8, player_entry);
}

/* Nothing of the last use may show: all contexts run on one stack, one after the other. */
static void a_stack_can_be_used_again(void)
{
	struct player p = {0};

	p.next = &p;
	for (unsigned i = 0; i < 1000; i++) {
		player_make(&p, check_stack);
		while (!p.done)
			arch_switch(&players_home, &p.ctx, &p);
	}
	free(p.stack);
}

static void pass_it(void *self)
{
	player_pass(self);
}

static void hold_patterns(struct player *self)
{
	uint64_t before[HELD], after[HELD];

	for (unsigned i = 0; i < ROUNDS / 10; i++) {
		for (unsigned r = 0; r < HELD; r++)
			before[r] = ((uint64_t)i * PLAYERS + self->number) * 0x9e3779b97f4a7c15 + r;
		hold(before, after, pass_it, self);
		for (unsigned r = 0; r < HELD; r++) {
			NOTE("context %u, round %u, register %u of tests/arch/hold.h", self->number, i, r);
			CHECK_EQ(after[r], before[r]);
		}
	}
}

static void callee_saved_registers_survive(void)
{
	players_run(hold_patterns);
}

typedef float four_floats __attribute__((vector_size(16)));

/* More values of each kind than there are registers that the compiler could keep them in. */
static void hold_values(struct player *self)
{
	volatile unsigned seed = self->number;
	uintptr_t fp = hold_frame_pointer();

	for (unsigned i = 0; i < ROUNDS / 10; i++) {
		uint64_t words[20];
		double doubles[20];
		four_floats vectors[20];

#pragma GCC unroll 20
		for (unsigned k = 0; k < 20; k++) {
			words[k] = (uint64_t)seed * 1000 + i + k;
			doubles[k] = seed * 1000.5 + i + k;
			vectors[k] = (four_floats){(float)seed, (float)k, (float)i, (float)(seed + k)};
		}
		/* Here, and not in player_pass(): this function itself is to hold them meanwhile. */
		arch_switch(&self->ctx, self->next->done ? &players_home : &self->next->ctx, self->next);
		CHECK(hold_frame_pointer() == fp);
#pragma GCC unroll 20
		for (unsigned k = 0; k < 20; k++) {
			CHECK(words[k] == (uint64_t)seed * 1000 + i + k);
			CHECK(doubles[k] == seed * 1000.5 + i + k);
			CHECK(vectors[k][0] == (float)seed && vectors[k][1] == (float)k && vectors[k][2] == (float)i &&
			      vectors[k][3] == (float)(seed + k));
		}
	}
}

static void values_in_the_middle_of_a_function_survive(void)
{
	players_run(hold_values);
}

static struct thirds expected[3];

static void check_rounding(enum rounding mode)
{
	struct thirds now = rounding_show();

	CHECK(now.third == expected[mode].third);
	CHECK(now.third_long == expected[mode].third_long);
}

static void round_in_my_way(struct player *self)
{
	enum rounding mine = self->number & 1 ? ROUND_UP : ROUND_DOWN;

	/* The default, not what the context before this one has set. */
	check_rounding(ROUND_NEAREST);
	rounding_set(mine);
	for (unsigned i = 0; i < ROUNDS; i++) {
		check_rounding(mine);
		player_pass(self);
	}
}

/* Afterwards this context rounds down. */
static void look_at_all_modes(void)
{
	static const enum rounding modes[] = {ROUND_NEAREST, ROUND_UP, ROUND_DOWN};

	NO_VALGRIND("valgrind computes long doubles in 64 bits, rounded to nearest");
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		rounding_set(modes[i]);
		expected[modes[i]] = rounding_show();
	}
	CHECK(expected[ROUND_UP].third > expected[ROUND_DOWN].third);
	CHECK(expected[ROUND_UP].third_long > expected[ROUND_DOWN].third_long);
}

static void the_rounding_mode_is_a_contexts_own(void)
{
	look_at_all_modes();
	players_run(round_in_my_way);
	check_rounding(ROUND_DOWN);
}

static void expect_what_was_inherited(struct player *self)
{
	(void)self;
	check_rounding(ROUND_UP);
	rounding_set(ROUND_NEAREST);
}

static void a_context_may_begin_with_its_makers_rounding_mode(void)
{
	struct player p = {.number = 0};

	look_at_all_modes();
	p.next = &p;
	player_make(&p, expect_what_was_inherited);
	rounding_set(ROUND_UP);
	arch_context_inherit(&p.ctx);
	rounding_set(ROUND_DOWN);
	arch_switch(&players_home, &p.ctx, &p);
	CHECK(p.done);
	check_rounding(ROUND_DOWN);
	rounding_set(ROUND_NEAREST);
	free(p.stack);
}

static void *run_a_turn(void *p)
{
	arch_switch(&players_home, &((struct player *)p)->ctx, p);
	return NULL;
}

static void notice_who_runs_me(struct player *self)
{
	for (unsigned i = 0; i < 100; i++) {
		self->number++;
		arch_switch(&self->ctx, &players_home, self);
	}
}

static void a_context_can_go_on_in_another_kernel_thread(void)
{
	struct player p = {0};
	pthread_t thread;

#ifdef WITH_TSAN
	SKIP("ThreadSanitizer has to be told of each switch, which is not done at this level");
#endif
	p.next = &p;
	player_make(&p, notice_who_runs_me);
	for (unsigned i = 0; i < 101; i++) {
		CHECK_EQ(pthread_create(&thread, NULL, run_a_turn, &p), 0);
		CHECK_EQ(pthread_join(thread, NULL), 0);
		CHECK_EQ(p.number, i < 100 ? i + 1 : 100);
	}
	CHECK(p.done);
	free(p.stack);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(contexts_take_turns_and_end),
		HARNESS_CASE(the_carried_value_goes_both_ways),
		HARNESS_CASE(an_entry_function_gets_an_aligned_stack),
		HARNESS_CASE(a_misaligned_stack_is_refused, HARNESS_DIES("broken invariant")),
		HARNESS_CASE(a_stack_can_be_used_again),
		HARNESS_CASE(callee_saved_registers_survive),
		HARNESS_CASE(values_in_the_middle_of_a_function_survive),
		HARNESS_CASE(the_rounding_mode_is_a_contexts_own),
		HARNESS_CASE(a_context_may_begin_with_its_makers_rounding_mode),
		HARNESS_CASE(a_context_can_go_on_in_another_kernel_thread),
	};

	return harness_run("switch", cases, ARRAY_SIZE(cases), argc, argv);
}
