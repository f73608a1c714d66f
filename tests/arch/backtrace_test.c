/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backtrace_test.c - who called whom ends where a thread begins, also in the middle of a switch
 *
 * As seen by the C library here, and by a debugger in stepping_test.py. That has the same three plays repeated until it
 * has seen enough: with the play's name as its argument this program does not end.
 */
#include <ellula/ellula.h>
#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <ucontext.h>
#include <unwind.h>

#include "arch/players.h"
#include "harness/child.h"

enum { FRAMES = 64, TURNS = 8, DEBUGGER_SECONDS = 300 };

/* See switch.S of the CPU; the second follows the first. */
extern const char arch_switch_body[], arch_thread_start[];

static bool is_thread_start(uintptr_t pc)
{
	return pc > (uintptr_t)arch_thread_start && pc <= (uintptr_t)arch_thread_start + 16;
}

/* What backtrace() finds. */
static NOINLINE void check_calls(void)
{
	void *frames[FRAMES];
	int n = backtrace(frames, FRAMES);

	CHECK(n > 3 && n < FRAMES);
	CHECK(is_thread_start((uintptr_t)frames[n - 1]));
}

/* What those find who follow the frame pointers, perf for one. */
static NOINLINE void check_frame_pointers(void)
{
	struct record {
		const struct record *next;
		uintptr_t back_to;
	} const *at = __builtin_frame_address(0);
	unsigned n;

	for (n = 1; at->next; n++) {
		CHECK(at->next > at);
		at = at->next;
	}
	CHECK(n > 1 && n < FRAMES);
	CHECK(is_thread_start(at->back_to));
}

/*
 * The plays
 */

static void look_and_pass(struct player *self)
{
	for (unsigned i = 0; i < TURNS; i++) {
		check_calls();
		check_frame_pointers();
		player_pass(self);
	}
}

/* How often a play is repeated; 0: until the debugger ends it. */
static unsigned repeats = 1;

static int play_contexts(void)
{
	void *frame;

	/* Its first use loads the unwinder, which takes more stack than a context may have. */
	backtrace(&frame, 1);
	for (unsigned i = 0; i < repeats || !repeats; i++)
		players_run(look_and_pass);
	return 0;
}

static void *look_and_yield(void *arg)
{
	for (unsigned i = 0; i < TURNS; i++) {
		check_calls();
		check_frame_pointers();
		ell_yield();
	}
	return arg;
}

/* Two on each vCPU, so that each passes on to another thread as well as to its LWP. */
static void start_and_join(void)
{
	struct ell_attr attr;
	ell_thread threads[4];

	ell_attr_init(&attr);
	for (int i = 0; i < 4; i++) {
		attr.vcpu = i % 2;
		CHECK_EQ(ell_create(&threads[i], &attr, look_and_yield, NULL), 0);
	}
	for (int i = 0; i < 4; i++)
		CHECK_EQ(ell_join(threads[i], NULL), 0);
}

static int be_main(void *unused)
{
	(void)unused;
	for (unsigned i = 0; i < repeats || !repeats; i++)
		start_and_join();
	return 0;
}

static int play_threads(void)
{
	setenv("ELLULA_VCPUS", "2", 1);
	return ell_run(be_main, NULL);
}

static int play_main(void)
{
	int error;

	setenv("ELLULA_VCPUS", "2", 1);
	error = ell_init();
	return error ? error : be_main(NULL);
}

static void in_child(void *play)
{
	exit(-(*(int (**)(void))play)());
}

static void play_in_child(int (*play)(void))
{
	int status = child_run(in_child, &play);

	if (WIFEXITED(status) && WEXITSTATUS(status) == ENOSYS)
		SKIP("the runtime cannot start here: %s", child_said);
	CHECK_EXIT(status, 0);
}

static void a_backtrace_ends_where_a_context_begins(void)
{
	CHECK_EQ(play_contexts(), 0);
}

static void a_backtrace_ends_where_a_thread_begins(void)
{
	play_in_child(play_threads);
}

static void a_backtrace_ends_where_a_thread_begins_beside_main(void)
{
	play_in_child(play_main);
}

/*
 * Instruction by instruction
 */

#ifdef __x86_64__
enum { TRAP_FLAG = 0x100 };

static const struct player *from, *to;
static unsigned steps_from, steps_to;

struct walk {
	const struct player *on; /* the stack of all frames after that of the switch */
	uintptr_t pc;
	unsigned frames;
};

static bool is_in_switch(uintptr_t pc)
{
	return pc >= (uintptr_t)arch_switch_body && pc < (uintptr_t)arch_thread_start;
}

static _Unwind_Reason_Code walk_step(struct _Unwind_Context *context, void *arg)
{
	struct walk *walk = arg;
	/* On x86-64 that is where the frame's own stack pointer is. */
	uintptr_t sp = _Unwind_GetCFA(context);

	/* Behind the last frame comes one without an address. */
	if (!_Unwind_GetIP(context))
		return _URC_NO_REASON;
	walk->pc = _Unwind_GetIP(context);
	if (is_in_switch(walk->pc)) {
		walk->frames = 1;
	} else if (walk->frames) {
		const struct player *on = sp - (uintptr_t)from->stack <= PLAYER_STACK ? from : to;

		CHECK(sp - (uintptr_t)on->stack <= PLAYER_STACK);
		CHECK(walk->frames == 1 || on == walk->on);
		walk->on = on;
		walk->frames++;
		CHECK(walk->frames < FRAMES);
	}
	return _URC_NO_REASON;
}

static void on_step(int signal, siginfo_t *info, void *context)
{
	greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
	struct walk walk = {0};

	(void)signal;
	(void)info;
	if (!is_in_switch((uintptr_t)registers[REG_RIP])) {
		if (steps_to)
			registers[REG_EFL] &= ~TRAP_FLAG;
		return;
	}
	NOTE("at arch_switch_body+%#lx", (unsigned long)registers[REG_RIP] - (unsigned long)arch_switch_body);
	_Unwind_Backtrace(walk_step, &walk);
	CHECK(walk.frames > 1);
	CHECK(is_thread_start(walk.pc));
	/* First one, then the other. */
	CHECK(walk.on == to || steps_to == 0);
	if (walk.on == to)
		steps_to++;
	else
		steps_from++;
}

static NOINLINE void pass_step_by_step(struct player *self)
{
	from = self;
	to = self->next;
	steps_from = steps_to = 0;
	__asm__ volatile("leaq -128(%%rsp), %%rsp\n\t"
			 "pushfq\n\t"
			 "orq %0, (%%rsp)\n\t"
			 "popfq\n\t"
			 "leaq 128(%%rsp), %%rsp"
			 :
			 : "i"(TRAP_FLAG)
			 : "memory", "cc");
	player_pass(self);
	CHECK(steps_from > 10 && steps_to > 10);
}

/* The first pass enters a new context, those after the first round go to where another pass came from. */
static void pass_some_step_by_step(struct player *self)
{
	for (unsigned i = 0; i < TURNS; i++)
		pass_step_by_step(self);
}

static void each_instruction_of_a_switch_shows_one_side_or_the_other(void)
{
	struct sigaction action = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};

	NO_VALGRIND("valgrind has no single steps");
	CHECK_EQ(sigaction(SIGTRAP, &action, NULL), 0);
	players_run(pass_some_step_by_step);
	CHECK(steps_to > 0);
}
#endif

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*play)(void);
	} plays[] = {{"contexts", play_contexts}, {"threads", play_threads}, {"main", play_main}};
	static const struct harness_case cases[] = {
		HARNESS_CASE(a_backtrace_ends_where_a_context_begins),
		HARNESS_CASE(a_backtrace_ends_where_a_thread_begins),
		HARNESS_CASE(a_backtrace_ends_where_a_thread_begins_beside_main),
#ifdef __x86_64__
		HARNESS_CASE(each_instruction_of_a_switch_shows_one_side_or_the_other),
#endif
	};

	for (size_t i = 0; argc == 2 && i < ARRAY_SIZE(plays); i++) {
		if (strcmp(argv[1], plays[i].name) == 0) {
			repeats = 0;
			/* If the debugger is gone. */
			alarm(DEBUGGER_SECONDS);
			return -plays[i].play();
		}
	}
	return harness_run("backtrace", cases, ARRAY_SIZE(cases), argc, argv);
}
