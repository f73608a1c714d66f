/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * world.c - a machine made of a seed: its kernel threads take turns on one real thread, and its time is counted
 *
 * Purpose: to run the library's own code, as it stands, in every order that a machine with several CPUs could choose,
 * and to be able to run exactly that order again.
 *
 * Words: an actor is a kernel thread of the simulated machine: an LWP, a foreign thread, or the kernel at work on a
 * message. One runs at a time. A step is an access to shared memory (base/step.h); before each the seed may let another
 * actor go on, so whatever can happen between two such accesses does, sooner or later. A turn is such a change.
 *
 * How turns are chosen. Each seed has a temper, for no one way finds everything:
 *
 *	restless	turns come after 2 to 512 steps, whoever is ready goes on: finds what needs many changes
 *	ranked		each actor has a rank, and the highest that is ready runs; at a few steps, chosen in advance,
 *			the running one loses its rank. An error that needs few changes at the right steps is found with
 *			a known chance, however long the run is (Burckhardt and others, "A randomized scheduler with
 *			probabilistic guarantees of finding bugs", 2010)
 *
 * Time is a counter: each step costs a little, and when all sleep it jumps to the first deadline. If there is none, and
 * somebody should still wake up, that is a dead end, found at once.
 *
 * What makes a run repeatable: all choices come from one generator; addresses do not matter to any of them; nothing
 * of the real machine is looked at.
 *
 * An actor that waits or is interrupted keeps its LWP register, its thread pointer and its store buffer, as a kernel
 * keeps them.
 *
 * Rejected: real threads that are let go one at a time (a turn would cost two wake-ups of the kernel, 20 us, instead of
 * a switch, and what the threads see of the machine is not repeatable); all orders, one after the other (a run of this
 * library has tens of thousands of steps).
 */
#include "kport/sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/atomic.h"
#include "base/panic.h"
#include "kport/sim/stores.h"
#include "mem/tls.h"
#include "sys/sys.h"

enum { ACTORS_MAX = 4096, STACK = 256 << 10, KERNEL_STACK = 64 << 10, TAIL = 80, NOTE = 100 };
enum { FRAMES = 1024, SCRIPTS_MAX = 16, JUMPS_MAX = 20, CHANGES_MAX = 8, OBSTINATE = 20000 };

#define STEPS_MAX UINT64_C(10000000)
#define RANKS (1 << 20)
#define START_NS (1000 * ELL_SEC)

enum state { READY, WAITS, GONE };

struct actor {
	struct arch_context ac_ctx; /* while it does not run */
	struct lwp *ac_lwp;
	uintptr_t ac_tls;
	struct stores ac_stores;
	enum actor_kind ac_kind;
	enum state ac_state;
	bool ac_woken;
	const void *ac_on;	 /* WAITS: for what */
	ell_time ac_until;	 /* WAITS: or until when */
	uint64_t ac_order;	 /* WAITS: who came first */
	const uint32_t *ac_stop; /* not 0: it is not to wait any more */
	int64_t ac_rank;	 /* the higher, the sooner */
	uint64_t ac_away;	 /* frozen until this step */
	uint64_t ac_since;	 /* READY: since this step */
	void (*ac_fn)(void *);	 /* what it does */
	void *ac_arg;
	void *ac_stack; /* of its own */
	const char *ac_file;
	int ac_line; /* where it was interrupted */
	unsigned ac_number;
	char ac_name[24];
};

/* A line of the trace. */
struct mark {
	uint64_t step;
	const struct actor *actor;
	unsigned number;
	const char *file; /* NULL: text */
	int line;
	char text[NOTE];
};

static struct {
	bool runs;
	bool ranked;
	uint64_t seed;
	uint64_t random;
	ell_time now;
	ell_time due; /* the first deadline of those that wait */
	unsigned tick;
	unsigned mean; /* restless: steps between two turns */
	uint64_t steps;
	uint64_t budget;     /* steps until the next turn */
	uint64_t since_turn; /* steps of the running one in a row */
	uint64_t changes[CHANGES_MAX];
	unsigned change_count;
	int64_t lowest; /* rank */
	int64_t highest;
	uint64_t waits;
	unsigned jumps;
	struct actor *current;
	struct actor *list[ACTORS_MAX];
	unsigned count;
	unsigned numbers;
	uintptr_t kernel_tls;
	void *free_stacks[2];
	struct actor *ended; /* its stack is to be given back */
	struct mark tail[TAIL];
	unsigned marks;
} world;

struct world_faults world_faults;
bool world_traces;
void (*world_report_more)(void);
void (*world_at_step)(void);

bool world_runs(void)
{
	return world.runs;
}

/* splitmix64 */
static uint64_t next_random(void)
{
	uint64_t z = (world.random += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint64_t world_random(uint64_t limit)
{
	return next_random() % limit;
}

bool world_chance(unsigned n)
{
	return n && world_random(n) == 0;
}

/* The occasions of a fault that a script is about. */
static struct script {
	const char *name;
	uint64_t nth;
	uint64_t seen;
} scripts[SCRIPTS_MAX];
static unsigned script_count;

bool world_script(const char *name, uint64_t nth)
{
	if (script_count == SCRIPTS_MAX)
		return false;
	scripts[script_count++] = (struct script){.name = name, .nth = nth};
	return true;
}

bool world_fault_of(const char *name, unsigned n)
{
	bool wanted = false;

	for (unsigned i = 0; i < script_count; i++) {
		if (strcmp(scripts[i].name, name) == 0 && ++scripts[i].seen == scripts[i].nth) {
			world_note("fault %s, as the script says", name);
			wanted = true;
		}
	}
	return world_chance(n) || wanted;
}

ell_time world_now(void)
{
	return world.now;
}

uint64_t world_steps(void)
{
	return world.steps;
}

struct actor *world_self(void)
{
	return world.current;
}

enum actor_kind world_kind(void)
{
	return world.current->ac_kind;
}

/* The trace. */

static struct mark *mark(void)
{
	struct mark *mk = &world.tail[world.marks++ % TAIL];

	mk->step = world.steps;
	mk->actor = world.current;
	mk->number = world.current->ac_number;
	mk->file = NULL;
	return mk;
}

static void print_mark(const struct mark *mk)
{
	const char *name = mk->actor->ac_number == mk->number ? mk->actor->ac_name : "gone";

	if (mk->file)
		fprintf(stderr, "sim: %8llu  %-12s %s:%d\n", (unsigned long long)mk->step, name, mk->file, mk->line);
	else
		fprintf(stderr, "sim: %8llu  %-12s -- %s\n", (unsigned long long)mk->step, name, mk->text);
}

static void note_step(const char *file, int line)
{
	struct mark *mk = mark();

	mk->file = file;
	mk->line = line;
	if (UNLIKELY(world_traces))
		print_mark(mk);
}

void world_note(const char *fmt, ...)
{
	struct mark *mk;
	va_list args;

	if (!world.runs)
		return;
	mk = mark();
	va_start(args, fmt);
	vsnprintf(mk->text, sizeof(mk->text), fmt, args);
	va_end(args);
	if (UNLIKELY(world_traces))
		print_mark(mk);
}

void world_report(void)
{
	static const char *const states[] = {[READY] = "ready", [WAITS] = "asleep", [GONE] = "gone"};
	unsigned first = world.marks > TAIL ? world.marks - TAIL : 0;

	if (!world.current)
		return;
	fprintf(stderr, "sim: the last steps:\n");
	for (unsigned i = first; i < world.marks; i++)
		print_mark(&world.tail[i % TAIL]);
	fprintf(stderr, "sim: step %llu, time %lld ns, %s\n", (unsigned long long)world.steps,
		(long long)(world.now - START_NS), world.ranked ? "ranked" : "restless");
	for (unsigned i = 0; i < world.count; i++) {
		const struct actor *ac = world.list[i];

		fprintf(stderr, "sim: %-12s %s%s, last at %s:%d", ac->ac_name,
			ac == world.current ? "runs" : states[ac->ac_state],
			ac->ac_away > world.steps ? ", frozen" : "", ac->ac_file ? ac->ac_file : "its beginning",
			ac->ac_line);
		if (ac != world.current && ac->ac_state == WAITS && ac->ac_until != ELL_FOREVER)
			fprintf(stderr, ", until %lld ns", (long long)(ac->ac_until - START_NS));
		fprintf(stderr, "\n");
	}
	if (world_report_more)
		world_report_more();
	fflush(stderr);
}

void world_fail(const char *fmt, ...)
{
	va_list args;

	/* What the report looks at is not to be interrupted. */
	world.runs = false;
	fflush(stdout);
	fprintf(stderr, "sim: seed %llu: ", (unsigned long long)world.seed);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "\n");
	world_report();
	_exit(3);
}

/* Turns. */

static void store_all(struct actor *ac)
{
	stores_commit(&ac->ac_stores, ac->ac_stores.st_count, ac == world.current);
}

static void free_stack(struct actor *ac)
{
	void **head = &world.free_stacks[ac->ac_kind == ACTOR_KERNEL];

	*(void **)ac->ac_stack = *head;
	*head = ac->ac_stack;
	free(ac);
}

/* What the one that goes on does about the one before. */
static void arrive(void)
{
	struct actor *ac = world.ended;

	world.ended = NULL;
	if (ac)
		free_stack(ac);
}

/*
 * A function that has returned may have left a store in the buffer to what was its frame, and what is our own by now:
 * we must not undo that under our feet. It and the stores before it are seen by all.
 */
static void commit_dead_frames(struct stores *ss)
{
	const char *here = __builtin_frame_address(0);
	unsigned dead = 0;

	for (unsigned i = 0; i < ss->st_count; i++) {
		const char *at = ss->st_list[i].so_at;

		if (at < here + FRAMES && at > here - STACK)
			dead = i + 1;
	}
	stores_commit(ss, dead, true);
}

static void go(struct actor *to)
{
	struct actor *from = world.current;

	world.since_turn = 0;
	from->ac_since = world.steps;
	if (to == from)
		return;
	commit_dead_frames(&from->ac_stores);
	stores_out(&from->ac_stores);
	from->ac_lwp = arch_lwp_or_null();
	from->ac_tls = arch_tls();
	world.current = to;
	if (to->ac_tls != from->ac_tls)
		arch_tls_set(to->ac_tls);
	if (to->ac_lwp != from->ac_lwp)
		arch_lwp_set(to->ac_lwp);
	stores_in(&to->ac_stores);
	arch_switch(&from->ac_ctx, &to->ac_ctx, NULL);
	arrive();
}

static void plan_turn(void)
{
	world.budget = OBSTINATE;
	if (!world.ranked) {
		/* Geometric would be fairer to long stretches than this is; it makes no difference that was seen. */
		world.budget = 1 + world_random(2 * world.mean);
		return;
	}
	while (world.change_count && world.changes[world.change_count - 1] <= world.steps)
		world.change_count--;
	if (world.change_count && world.changes[world.change_count - 1] - world.steps < world.budget)
		world.budget = world.changes[world.change_count - 1] - world.steps;
}

static void make_ready(struct actor *ac, bool woken)
{
	ac->ac_state = READY;
	ac->ac_since = world.steps;
	ac->ac_woken = woken;
	ac->ac_on = NULL;
	/* The next step is a turn. */
	if (world.ranked && world.current && ac->ac_rank > world.current->ac_rank)
		world.budget = 1;
}

/* Those whose deadline has passed are ready. */
static void wake_due(void)
{
	world.due = ELL_FOREVER;
	for (unsigned i = 0; i < world.count; i++) {
		struct actor *ac = world.list[i];

		if (ac->ac_state != WAITS)
			continue;
		if (ac->ac_until <= world.now)
			make_ready(ac, false);
		else if (ac->ac_until < world.due)
			world.due = ac->ac_until;
	}
}

static bool may_run(const struct actor *ac, bool frozen_too)
{
	return ac->ac_state == READY && (frozen_too || ac->ac_away <= world.steps);
}

/* Somebody who is ready, but not NOT: NULL if there is nobody. */
static struct actor *choose(const struct actor * not, bool frozen_too)
{
	struct actor *best = NULL;
	unsigned seen = 0;

	for (unsigned i = 0; i < world.count; i++) {
		struct actor *ac = world.list[i];

		if (ac == not || !may_run(ac, frozen_too))
			continue;
		seen++;
		/* No kernel lets anybody wait for ever. */
		if (world.steps - ac->ac_since > OBSTINATE && ac != world.current) {
			ac->ac_rank = ++world.highest;
			return ac;
		}
		if (world.ranked ? !best || ac->ac_rank > best->ac_rank : world_random(seen) == 0)
			best = ac;
	}
	return best;
}

/* Stores leave the buffers of those that do not run, by and by. */
static void drain_stores(void)
{
	for (unsigned i = 0; i < world.count; i++) {
		struct actor *ac = world.list[i];

		if (ac != world.current && ac->ac_stores.st_count && world_random(4) == 0)
			stores_commit(&ac->ac_stores, 1 + (unsigned)world_random(ac->ac_stores.st_count), false);
	}
}

/* Somebody goes on: perhaps the caller, if SELF_TOO. */
static void turn(bool self_too)
{
	struct actor *to;

	/* Not for ever: who waits in vain again and again, each time for a time that is over, lets nobody else run. */
	if (world.jumps < JUMPS_MAX && world_fault(jump)) {
		world.jumps++;
		world.now += (ell_time)world_random(5 * ELL_SEC);
	}
	drain_stores();
	for (;;) {
		wake_due();
		to = choose(self_too ? NULL : world.current, false);
		if (!to)
			to = choose(NULL, true);
		if (to)
			break;
		if (world.due == ELL_FOREVER)
			world_fail("a dead end: all sleep, and nothing is due");
		world.now = world.due;
	}
	plan_turn();
	go(to);
}

/* A step of the running actor is over: is it somebody else's turn? */
static inline void step(const char *file, int line)
{
	struct actor *ac = world.current;

	if (!world.runs || ac->ac_kind == ACTOR_KERNEL)
		return;
	world.steps++;
	world.since_turn++;
	world.now += world.tick;
	ac->ac_file = file;
	ac->ac_line = line;
	note_step(file, line);
	if (world_at_step)
		world_at_step();
	if (LIKELY(--world.budget > 0 && world.now < world.due))
		return;
	if (UNLIKELY(world.steps > STEPS_MAX))
		world_fail("no end after %llu steps", (unsigned long long)STEPS_MAX);
	if (world.ranked && world.change_count && world.changes[world.change_count - 1] <= world.steps) {
		ac->ac_rank = --world.lowest;
		if (ac->ac_kind == ACTOR_THREAD && world_fault(freeze))
			ac->ac_away = world.steps + (UINT64_C(1) << world_random(13));
	} else if (world.since_turn >= OBSTINATE) {
		ac->ac_rank = --world.lowest;
	} else if (!world.ranked && ac->ac_kind == ACTOR_THREAD && world_fault(freeze)) {
		ac->ac_away = world.steps + (UINT64_C(1) << world_random(13));
	}
	turn(true);
}

void step_load(const char *file, int line)
{
	step(file, line);
}

void step_sync(const char *file, int line)
{
	step(file, line);
	if (world.runs)
		store_all(world.current);
}

void step_store(void *p, size_t size, const char *file, int line)
{
	struct actor *ac = world.current;

	step(file, line);
	/* Once one is held, those that follow are, too: they leave in order. */
	if (world.runs && ac->ac_kind != ACTOR_KERNEL && (ac->ac_stores.st_count || world_fault(hold)))
		stores_hold(&ac->ac_stores, p, size);
}

void world_enter(void)
{
	if (world.runs) {
		step("kernel", 0);
		store_all(world.current);
	}
}

void world_yield(void)
{
	struct actor *ac = world.current;

	if (!world.runs)
		return;
	store_all(ac);
	ac->ac_rank = --world.lowest;
	/* Who spins is waiting for time to pass. */
	world.now += 1000;
	world.steps++;
	turn(false);
}

bool world_wait(const void *on, ell_time until)
{
	struct actor *ac = world.current;

	store_all(ac);
	ac->ac_state = WAITS;
	ac->ac_on = on;
	ac->ac_until = until;
	ac->ac_order = world.waits++;
	turn(true);
	return ac->ac_woken;
}

unsigned world_wake(const void *on, unsigned max)
{
	unsigned n = 0;

	for (; n < max; n++) {
		struct actor *first = NULL;

		for (unsigned i = 0; i < world.count; i++) {
			struct actor *ac = world.list[i];

			if (ac->ac_state == WAITS && ac->ac_on == on && (!first || ac->ac_order < first->ac_order))
				first = ac;
		}
		if (!first)
			break;
		make_ready(first, true);
	}
	return n;
}

void world_interrupt(struct actor *ac)
{
	if (ac->ac_state == WAITS)
		make_ready(ac, true);
}

void world_stop_by(const uint32_t *word)
{
	world.current->ac_stop = word;
}

bool world_is_stopped(void)
{
	return world.current->ac_stop && *world.current->ac_stop;
}

unsigned world_number(void)
{
	return world.current->ac_number;
}

void world_signal(unsigned number)
{
	for (unsigned i = 0; i < world.count; i++) {
		if (world.list[i]->ac_number == number)
			world_interrupt(world.list[i]);
	}
}

void world_settle(void)
{
	ell_time end = world.now + 1000 * ELL_SEC;

	world_faults.wf_jump = 0;
	while (world.count > 1) {
		if (world.now > end)
			world_fail("somebody has not come to an end");
		world_wait(NULL, world.now + ELL_MSEC);
	}
}

/* Actors. */

static void actor_add(struct actor *ac)
{
	ASSERT(world.count < ACTORS_MAX);
	ac->ac_number = world.numbers++;
	ac->ac_rank = (int64_t)world_random(RANKS);
	world.list[world.count++] = ac;
}

/* The memory of AC stays: its stack may have what others look at. */
void world_forget(struct actor *ac)
{
	ac->ac_state = GONE;
	for (unsigned i = 0; i < world.count; i++) {
		if (world.list[i] == ac) {
			memmove(&world.list[i], &world.list[i + 1], (world.count - i - 1) * sizeof(ac));
			world.count--;
			return;
		}
	}
}

void world_forget_threads(void)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < world.count; i++) {
		struct actor *ac = world.list[i];

		if (ac == world.current || ac->ac_kind == ACTOR_KERNEL)
			world.list[kept++] = ac;
	}
	world.count = kept;
}

static void actor_main(void *unused)
{
	struct actor *ac = world.current;

	(void)unused;
	arrive();
	ac->ac_fn(ac->ac_arg);
	store_all(ac);
	world_forget(ac);
	/* Its memory is in use until somebody else runs. */
	world.ended = ac;
	turn(true);
	__builtin_unreachable();
}

static void *new_stack(enum actor_kind kind, size_t *size)
{
	void **head = &world.free_stacks[kind == ACTOR_KERNEL];
	void *stack = *head;

	*size = kind == ACTOR_KERNEL ? KERNEL_STACK : STACK;
	if (stack) {
		*head = *(void **)stack;
		return stack;
	}
	stack = sys.mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return stack == MAP_FAILED ? NULL : stack;
}

/* Each kernel thread has TLS of its own, but for the kernel itself, which keeps nothing there while it waits. */
static uintptr_t new_tls(enum actor_kind kind)
{
	uintptr_t tls, before = arch_tls();
	struct lwp *lw = arch_lwp_or_null();

	if (kind == ACTOR_KERNEL && world.kernel_tls)
		return world.kernel_tls;
	tls = tls_create();
	if (!tls)
		panic("the simulator is out of memory");
	/* It is no LWP yet. */
	arch_tls_set(tls);
	arch_lwp_set(NULL);
	tls_enter(false);
	arch_tls_set(before);
	arch_lwp_set(lw);
	if (kind == ACTOR_KERNEL)
		world.kernel_tls = tls;
	return tls;
}

struct actor *world_spawn(const char *name, enum actor_kind kind, ell_time when, void (*fn)(void *arg), void *arg)
{
	struct actor *ac = calloc(1, sizeof(*ac));
	size_t size;

	if (!ac || !(ac->ac_stack = new_stack(kind, &size)))
		panic("the simulator is out of memory");
	ac->ac_kind = kind;
	ac->ac_fn = fn;
	ac->ac_arg = arg;
	ac->ac_tls = new_tls(kind);
	snprintf(ac->ac_name, sizeof(ac->ac_name), "%s", name);
	arch_context_make(&ac->ac_ctx, (char *)ac->ac_stack + size, actor_main);
	actor_add(ac);
	if (when > world.now) {
		ac->ac_state = WAITS;
		ac->ac_until = when;
		ac->ac_order = world.waits++;
		if (when < world.due)
			world.due = when;
	} else {
		make_ready(ac, true);
	}
	return ac;
}

/* The length of a run is not known in advance: any step of the first 2^7 to 2^15 may be one of the few. */
static void plan_changes(void)
{
	uint64_t range = UINT64_C(1) << (7 + world_random(9));

	world.change_count = 1 + (unsigned)world_random(CHANGES_MAX);
	for (unsigned i = 0; i < world.change_count; i++) {
		uint64_t at = 1 + world_random(range);
		unsigned place = i;

		/* The last comes first. */
		for (; place > 0 && world.changes[place - 1] < at; place--)
			world.changes[place] = world.changes[place - 1];
		world.changes[place] = at;
	}
}

void world_begin(uint64_t seed, const char *salt)
{
	struct actor *ac = calloc(1, sizeof(*ac));

	if (!ac || world.runs)
		panic("a world begins once, and with memory");
	world.seed = seed;
	world.random = seed * UINT64_C(0xd1342543de82ef95) + 1;
	for (; *salt; salt++)
		world.random = (world.random ^ (unsigned char)*salt) * UINT64_C(0x100000001b3);
	world.now = START_NS;
	world.due = ELL_FOREVER;
	world.highest = RANKS;
	world.ranked = world_random(2);
	world.mean = 1U << world_random(9);
	world.tick = 1U << world_random(9);
	ac->ac_kind = ACTOR_THREAD;
	snprintf(ac->ac_name, sizeof(ac->ac_name), "lwp 0");
	plan_changes();
	actor_add(ac);
	world.current = ac;
	plan_turn();
	world.runs = true;
}
