/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * registers.c - an ordinary program: a system call changes rax, rcx and r11, and nothing else
 *
 * Four threads, each with values of its own in all registers that there are, in the flags, in the modes of the
 * floating-point units and in the red zone, make calls that are just passed, that are answered, and that wait while
 * another thread runs. Each from two sites: one of the shape that a compiler makes, which is rewritten, and one with a
 * nop before the `syscall`, which goes on trapping. Both are copied to new memory, near enough to the libraries for
 * that. With an argument it says how many sites have been rewritten.
 */
#include <cpuid.h>
#include <fenv.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 4, ROUNDS = 60, AREA = 4096, OURS = 464, LEGACY = 512, FLAGS = 0x8d5, STATES = 0xe7 };
enum { RDI, RSI, RDX, R10, R8, R9, RBX, RBP, R12, R13, R14, R15, REGISTERS };

/* Known to site(). */
struct state {
	uint64_t registers[REGISTERS];
	uint64_t flags;
	uint64_t result;
	uint64_t red_zone[16];
	/* As xsave leaves it; the bytes at 464 are ours: which states there are, or 0 without xsave. */
	uint8_t vector[AREA] __attribute__((aligned(64)));
};

_Static_assert(sizeof(struct state) == 256 + AREA, "the layout that site() knows");

typedef long site(const struct state *before, struct state *after);

/* A site NAME of the system call NUMBER, with GAP before it. */
#define SITE(name, number, gap)                                                                                        \
	site name;                                                                                                     \
	__asm__(".pushsection sites, \"ax\"; .p2align 4; .type " #name ", @function\n" #name ": endbr64\n" SAVE        \
		"mov $" number ", %eax\n" gap "syscall\n" RESTORE "ret; .size " #name ", . - " #name "; .popsection")

#define SAVE                                                                                                           \
	"push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %rsi\n"                                \
	"mov %rdi, %rbx; lea 112(%rbx), %rsi; lea -128(%rsp), %rdi; mov $16, %ecx; rep movsq\n"                        \
	"mov 720(%rbx), %eax; xor %edx, %edx; test %eax, %eax; jz 1f; xrstor64 256(%rbx); jmp 2f\n"                    \
	"1: fxrstor64 256(%rbx)\n"                                                                                     \
	"2: mov (%rbx), %rdi; mov 8(%rbx), %rsi; mov 16(%rbx), %rdx; mov 24(%rbx), %r10; mov 32(%rbx), %r8\n"          \
	"mov 40(%rbx), %r9; mov 56(%rbx), %rbp; mov 64(%rbx), %r12; mov 72(%rbx), %r13; mov 80(%rbx), %r14\n"          \
	"mov 88(%rbx), %r15; lea -128(%rsp), %rsp; push 96(%rbx); mov 48(%rbx), %rbx; popf; lea 128(%rsp), %rsp\n"
#define RESTORE                                                                                                        \
	"lea -128(%rsp), %rsp; pushf; mov 136(%rsp), %rcx; pop 96(%rcx); lea 128(%rsp), %rsp\n"                        \
	"mov %rdi, (%rcx); mov %rsi, 8(%rcx); mov %rdx, 16(%rcx); mov %r10, 24(%rcx); mov %r8, 32(%rcx)\n"             \
	"mov %r9, 40(%rcx); mov %rbx, 48(%rcx); mov %rbp, 56(%rcx); mov %r12, 64(%rcx); mov %r13, 72(%rcx)\n"          \
	"mov %r14, 80(%rcx); mov %r15, 88(%rcx); mov %rax, 104(%rcx); mov %rcx, %rbx\n"                                \
	"lea -128(%rsp), %rsi; lea 112(%rbx), %rdi; mov $16, %ecx; rep movsq\n"                                        \
	"mov 720(%rbx), %eax; xor %edx, %edx; test %eax, %eax; jz 1f; xsave64 256(%rbx); jmp 2f\n"                     \
	"1: fxsave64 256(%rbx)\n"                                                                                      \
	"2: fninit; mov 104(%rbx), %rax\n"                                                                             \
	"pop %rsi; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"

#define SITES(name, number)                                                                                            \
	SITE(name##_rewritten, number, "");                                                                            \
	SITE(name##_trapped, number, "nop\n")

SITES(reading, "0");
SITES(yielding, "24");
SITES(sleeping, "35");
SITES(asking_parent, "110");
SITES(asking_self, "186");

/* Of that section, as the linker knows it, and the copy. */
extern const uint8_t __start_sites[], __stop_sites[];
static uint8_t *copy;

static pthread_barrier_t barrier;
static uint32_t states;
static int pipes[THREADS][2];

/* Where the vector registers' states lie, and what of them is data. */
static size_t state_offset[8], state_size[8];

static void look_at_processor(void)
{
	unsigned a, b, c, d;
	uint32_t low, high;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
		return;
	__asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	states = low & STATES;
	for (unsigned i = 2; i < 8; i++) {
		if ((states & 1U << i) && __get_cpuid_count(13, i, &a, &b, &c, &d)) {
			state_offset[i] = b;
			state_size[i] = a;
		}
	}
}

static uint64_t next(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return *seed ^ *seed >> 29;
}

static void fill(uint8_t *to, size_t size, uint64_t *seed)
{
	for (size_t i = 0; i < size; i++)
		to[i] = (uint8_t)(next(seed) >> 13);
}

/* Everything but the arguments of the call. */
static void invent(struct state *s, uint64_t *seed)
{
	uint16_t control = 0x037f | (next(seed) >> 20 & 3) << 10;
	uint32_t mxcsr = 0x1f80 | (next(seed) >> 20 & 3) << 13;

	fill((uint8_t *)s, 256, seed);
	s->flags = 0x202 | (next(seed) >> 20 & FLAGS);
	memset(s->vector, 0, sizeof(s->vector));
	memcpy(s->vector, &control, sizeof(control));
	s->vector[4] = 0xff;
	memcpy(s->vector + 24, &mxcsr, sizeof(mxcsr));
	for (int i = 0; i < 8; i++)
		fill(s->vector + 32 + i * 16, 10, seed);
	fill(s->vector + 160, 256, seed);
	memcpy(s->vector + OURS, &states, sizeof(states));
	memcpy(s->vector + LEGACY, &states, sizeof(states));
	for (int i = 2; i < 8; i++)
		fill(s->vector + state_offset[i], state_size[i], seed);
}

static const char *difference(const struct state *a, const struct state *b)
{
	if (memcmp(a->registers, b->registers, sizeof(a->registers)) != 0)
		return "a general register";
	if ((a->flags ^ b->flags) & FLAGS)
		return "a flag";
	if (memcmp(a->red_zone, b->red_zone, sizeof(a->red_zone)) != 0)
		return "the red zone";
	if (memcmp(a->vector, b->vector, 2) != 0 || a->vector[4] != b->vector[4])
		return "the x87 control word";
	if (memcmp(a->vector + 24, b->vector + 24, 4) != 0)
		return "mxcsr";
	if (memcmp(a->vector + 32, b->vector + 32, 128) != 0)
		return "an x87 register";
	if (memcmp(a->vector + 160, b->vector + 160, 256) != 0)
		return "an xmm register";
	for (int i = 2; i < 8; i++) {
		if (state_size[i] &&
		    memcmp(a->vector + state_offset[i], b->vector + state_offset[i], state_size[i]) != 0)
			return "a vector register's upper part";
	}
	return NULL;
}

static const char *try(site *original, uint64_t *seed, long a, long b, long c, uint64_t result)
{
	site *call = (site *)(copy + ((const uint8_t *)original - __start_sites));
	struct state before, after = {.result = 0};

	invent(&before, seed);
	memcpy(after.vector + OURS, &states, sizeof(states));
	before.registers[RDI] = (uint64_t)a;
	before.registers[RSI] = (uint64_t)b;
	before.registers[RDX] = (uint64_t)c;
	call(&before, &after);
	return after.result == result ? difference(&before, &after) : "the result";
}

static const char *round_of_calls(long me, uint64_t *seed)
{
	const struct timespec moment = {.tv_nsec = 1000};
	long ts = (long)&moment, in = pipes[me][0], out = pipes[me ^ 1][1];
	uint64_t parent = (uint64_t)getppid(), self = (uint64_t)gettid();
	const char *what = NULL;
	char byte;

#define TRY(...) what = what ? what : try(__VA_ARGS__)
	TRY(asking_parent_rewritten, seed, 1, 2, 3, parent);
	TRY(asking_parent_trapped, seed, 1, 2, 3, parent);
	TRY(asking_self_rewritten, seed, 1, 2, 3, self);
	TRY(asking_self_trapped, seed, 1, 2, 3, self);
	TRY(yielding_rewritten, seed, 1, 2, 3, 0);
	TRY(yielding_trapped, seed, 1, 2, 3, 0);
	TRY(sleeping_rewritten, seed, ts, 0, 3, 0);
	TRY(sleeping_trapped, seed, ts, 0, 3, 0);
	/* Each waits for its partner. */
	write(out, "", 1);
	TRY(reading_rewritten, seed, in, (long)&byte, 1, 1);
	write(out, "", 1);
	TRY(reading_trapped, seed, in, (long)&byte, 1, 1);
	return what;
}

static void *work(void *arg)
{
	uint64_t seed = (uint64_t)(uintptr_t)arg * 12345 + 1;
	const char *what = NULL;

	pthread_barrier_wait(&barrier);
	for (int i = 0; i < ROUNDS && !what; i++)
		what = round_of_calls((long)arg, &seed);
	if (what) {
		/* The others might wait for us. */
		printf("a call changes %s\n", what);
		fflush(NULL);
		_exit(1);
	}
	return NULL;
}

static volatile double one = 1, three = 3;
static volatile long double one_long = 1, three_long = 3, zero_long;

/*
 * A new thread begins with its parent's modes, and what it changes is its own; so are the exceptions that it has
 * raised.
 */
static void *child(void *arg)
{
	volatile long double infinite;
	int inherited = fegetround() == FE_UPWARD && fetestexcept(FE_ALL_EXCEPT) == FE_INEXACT;

	fesetround(FE_TOWARDZERO);
	feclearexcept(FE_ALL_EXCEPT);
	infinite = one_long / zero_long;
	(void)infinite;
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	*(int *)arg = fegetround() == FE_TOWARDZERO && fetestexcept(FE_ALL_EXCEPT) == FE_DIVBYZERO;
	return inherited ? arg : NULL;
}

static void modes(void)
{
	pthread_t thread;
	void *inherited;
	int kept = 0, same;
	double third;
	long double third_long;

	fesetround(FE_UPWARD);
	feclearexcept(FE_ALL_EXCEPT);
	third = one / three;
	third_long = one_long / three_long;
	pthread_barrier_init(&barrier, NULL, 2);
	pthread_create(&thread, NULL, child, &kept);
	pthread_barrier_wait(&barrier);
	same = fegetround() == FE_UPWARD && fetestexcept(FE_ALL_EXCEPT) == FE_INEXACT;
	same &= third == one / three && third_long == one_long / three_long;
	pthread_barrier_wait(&barrier);
	pthread_join(thread, &inherited);
	printf("parent %d, child %d %d\n", same, inherited != NULL, kept);
	fesetround(FE_TONEAREST);
}

static void *raise_all_the_time(void *arg)
{
	while (!__atomic_load_n((int *)arg, __ATOMIC_RELAXED)) {
		volatile long double infinite = one_long / zero_long;

		(void)infinite;
		usleep(1);
	}
	return NULL;
}

/* What the x87 unit has seen is not what another thread has done meanwhile, whichever of the two has seen something. */
static void exceptions(void)
{
	volatile long double third;
	int stop = 0, others = 0, lost = 0;
	pthread_t thread;

	pthread_create(&thread, NULL, raise_all_the_time, &stop);
	for (int i = 0; i < 100; i++) {
		feclearexcept(FE_ALL_EXCEPT);
		usleep(1);
		others += fetestexcept(FE_ALL_EXCEPT) != 0;
		third = one_long / three_long;
		(void)third;
		usleep(1);
		lost += fetestexcept(FE_ALL_EXCEPT) != FE_INEXACT;
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	printf("exceptions: %d of others, %d lost\n", others, lost);
}

static int copy_sites(void)
{
	size_t size = (size_t)(__stop_sites - __start_sites);

	copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (copy == MAP_FAILED)
		return -1;
	memcpy(copy, __start_sites, size);
	return mprotect(copy, size, PROT_READ | PROT_EXEC);
}

/* What was `mov $nr, %eax` before a `syscall` has become a jump. */
static int count_rewritten(void)
{
	int n = 0;

	for (const uint8_t *at = __start_sites, *now = copy; at + 6 < __stop_sites; at++, now++)
		n += at[0] == 0xb8 && at[5] == 0x0f && at[6] == 0x05 && now[0] == 0xe9;
	return n;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];

	(void)argv;
	if (copy_sites() != 0)
		return 2;

	look_at_processor();
	modes();
	pthread_barrier_init(&barrier, NULL, THREADS);
	for (long i = 0; i < THREADS; i++)
		pipe(pipes[i]);
	for (long i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, work, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	puts("kept");
	modes();
	exceptions();
	if (argc > 1)
		printf("%d sites rewritten\n", count_rewritten());
	return 0;
}
