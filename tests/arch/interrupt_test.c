/* SPDX-License-Identifier: BSD-2-Clause */
/* interrupt_test.c - a function is called in the middle of another one, and nobody notices */
#include <execinfo.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>

#include "arch/arch.h"
#include "base/guard.h"
#include "harness/harness.h"

/* It must see each switch between functions, and brings signals late. */
static void skip_with_tsan(void)
{
#ifdef WITH_TSAN
	SKIP("the thread sanitizer lets nobody be interrupted in the middle");
#endif
}

static volatile unsigned long calls, agains;
static sigjmp_buf away;

static void restore(void *frame)
{
	ucontext_t *uc = arch_frame_context(frame);
	sigset_t mask;

	sigprocmask(SIG_SETMASK, NULL, &mask);
	memcpy(&uc->uc_sigmask, &mask, 8);
	sigaltstack(NULL, &uc->uc_stack);
}

static void on_signal(int number, siginfo_t *info, void *context)
{
	(void)number;
	if (arch_interrupt_again(context)) {
		agains++;
		ell_critical_self.cr_due = 1;
	} else if (ell_critical_self.cr_depth) {
		ell_critical_self.cr_due = 1;
	} else {
		ell_critical_self.cr_depth = 1;
		arch_interrupt(context, info, NULL);
	}
}

static void handle(int number)
{
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	static char stack[65536];

	CHECK_EQ(sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof(stack)}, NULL), 0);
	sigfillset(&action.sa_mask);
	CHECK_EQ(sigaction(number, &action, NULL), 0);
}

/* Dirties all that a function may. */
static void spoil(void *frame)
{
	volatile double x = (double)calls;

	ell_critical_self.cr_due = 0;
	for (int i = 0; i < 20; i++)
		x = x * 1.5 + 0.25;
	memset(__builtin_alloca(512), (int)x, 512);
	calls++;
	restore(frame);
}

static void a_computation_goes_on_as_if_nothing_had_been(void)
{
	skip_with_tsan();
	struct itimerval often = {{0, 100}, {0, 100}};
	unsigned long sum = 0, n = 0;
	double half = 0;

	arch_interrupted = spoil;
	handle(SIGALRM);
	CHECK_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
	while (calls < 2000) {
		unsigned long was = sum;
		double was_half = half;

		for (unsigned long i = 0; i < 1000; i++) {
			sum += i ^ n;
			half += 0.5;
		}
		for (unsigned long i = 1000; i-- > 0;) {
			was += i ^ n;
			was_half += 0.5;
		}
		CHECK_EQ(sum, was);
		CHECK(half == was_half);
		n++;
	}
	often = (struct itimerval){{0, 0}, {0, 0}};
	CHECK_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
	CHECK_EQ(ell_critical_self.cr_depth, 0);
}

/* Something becomes due while the function runs: it is called again before the end. */
static void due_once_more(void *frame)
{
	ell_critical_self.cr_due = calls++ < 3;
	restore(frame);
}

static void what_is_due_meanwhile_runs_before_the_return(void)
{
	skip_with_tsan();
	arch_interrupted = due_once_more;
	handle(SIGUSR1);
	raise(SIGUSR1);
	CHECK_EQ(calls, 4);
	CHECK_EQ(ell_critical_self.cr_depth, 0);
}

static void leave(void *frame)
{
	(void)frame;
	ell_critical_self.cr_depth = 0;
	siglongjmp(away, 1);
}

static void it_may_be_left_by_a_jump(void)
{
	skip_with_tsan();
	volatile int times = 0;

	arch_interrupted = leave;
	handle(SIGUSR1);
	if (sigsetjmp(away, 1) == 0 || times < 100) {
		times++;
		raise(SIGUSR1);
		FAIL("the handler came back");
	}
	CHECK_EQ(times, 100);
}

/* The function gets the siginfo, and may change where the interrupted one goes on. */
static volatile int skipped;

static void skip(void *frame)
{
	const siginfo_t *info = arch_frame_info(frame);

	CHECK_EQ(info->si_signo, SIGSEGV);
	CHECK(mprotect((void *)((uintptr_t)info->si_addr & ~(uintptr_t)4095), 4096, PROT_READ | PROT_WRITE) == 0);
	skipped++;
	restore(frame);
}

static void a_fault_is_repaired_and_repeated(void)
{
	skip_with_tsan();
	char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	arch_interrupted = skip;
	handle(SIGSEGV);
	*(volatile char *)(page + 77) = 5;
	CHECK_EQ(page[77], 5);
	CHECK_EQ(skipped, 1);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(a_computation_goes_on_as_if_nothing_had_been),
		HARNESS_CASE(what_is_due_meanwhile_runs_before_the_return),
		HARNESS_CASE(it_may_be_left_by_a_jump),
		HARNESS_CASE(a_fault_is_repaired_and_repeated),
	};

	return harness_run("interrupt", cases, ARRAY_SIZE(cases), argc, argv);
}
