/* SPDX-License-Identifier: BSD-2-Clause */
/* overflow_test.c - a stack that is too small says so */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "harness/child.h"
#include "harness/refuse.h"
#include "thread/threads.h"

/* Deeper and deeper; the compiler cannot make a loop of it. */
static NOINLINE unsigned dive(unsigned depth)
{
	volatile char frame[256];

	frame[depth % sizeof(frame)] = (char)depth;
	if (depth == UINT32_MAX)
		return depth;
	return dive(depth + 1) + (unsigned char)frame[depth % sizeof(frame)];
}

static void *overflow(void *arg)
{
	dive(0);
	return arg;
}

/* One thread overflows its stack, among others that do not. */
static void overflow_with(size_t stack, size_t guard, int vcpu)
{
	struct ell_attr attr;

	setenv("ELLULA_VCPUS", "2", 1);
	CHECK_EQ(ell_init(), 0);
	ell_attr_init(&attr);
	attr.name = "deep diver";
	attr.stack_size = stack;
	attr.guard_size = guard;
	attr.vcpu = vcpu;
	join(start_with(&attr, overflow, NULL));
}

/* It died of it, and said so, and there are the frames of dive() in this program. */
static void expect_report(int status, const char *name, unsigned kib)
{
	const char *frame = child_said;
	unsigned frames = 0;
	char line[100];

	snprintf(line, sizeof(line), "libellula: thread \"%s\" overflowed its %u KiB stack\n", name, kib);
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGABRT);
	CHECK(strstr(child_said, line) != NULL);
	while ((frame = strstr(frame, "overflow_test(")) != NULL) {
		frames++;
		frame++;
	}
	CHECK(frames >= 10);
}

static void default_stack(void *arg)
{
	overflow_with(ELL_STACK_DEFAULT, 4096, (int)(intptr_t)arg);
}

static void an_overflow_names_the_thread_and_its_stack(void)
{
	expect_report(child_run(default_stack, (void *)(intptr_t)ELL_VCPU_ANY), "deep diver", 64);
}

static void so_it_does_on_each_lwp(void)
{
	expect_report(child_run(default_stack, (void *)0), "deep diver", 64);
	expect_report(child_run(default_stack, (void *)1), "deep diver", 64);
}

static void other_stack(void *arg)
{
	const size_t *sizes = arg;

	overflow_with(sizes[0], sizes[1], ELL_VCPU_ANY);
}

static void so_it_does_for_all_sizes(void)
{
	expect_report(child_run(other_stack, &(size_t[]){32768, 4096}), "deep diver", 32);
	expect_report(child_run(other_stack, &(size_t[]){1 << 20, 65536}), "deep diver", 1024);
	expect_report(child_run(other_stack, &(size_t[]){65536 + 16384, 65536}), "deep diver", 128);
}

/* The first touch is far below the last one, but still in the guard. */
static NOINLINE void *jump(void *arg)
{
	volatile char *here = (volatile char *)__builtin_frame_address(0);

	here[-(1 << 20) + 32 * 1024] = 1;
	return arg;
}

static void step_over(void *arg)
{
	struct ell_attr attr;

	CHECK_EQ(ell_init(), 0);
	ell_attr_init(&attr);
	attr.name = "jumper";
	attr.guard_size = 64 * 1024;
	attr.stack_size = 1 << 20;
	join(start_with(&attr, jump, arg));
}

static void a_wide_guard_catches_large_frames(void)
{
	int status = child_run(step_over, NULL);

	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGABRT);
	CHECK(strstr(child_said, "thread \"jumper\" overflowed its 1024 KiB stack\n") != NULL);
}

static int overflow_in_main(void *arg)
{
	overflow(arg);
	return 0;
}

static void run_and_overflow(void *arg)
{
	ell_run(overflow_in_main, arg);
}

static void main_in_ell_run_has_a_guard_too(void)
{
	expect_report(child_run(run_and_overflow, NULL), "main", 8192);
}

static void without_guard_advice(void *arg)
{
	refuse(SYS_madvise, 2, 102, EINVAL);
	refuse(SYS_process_madvise, REFUSE_ANY, 0, ENOSYS);
	default_stack(arg);
}

static void so_it_does_on_older_kernels(void)
{
	expect_report(child_run(without_guard_advice, (void *)(intptr_t)ELL_VCPU_ANY), "deep diver", 64);
}

/*
 * Other faults are none of ours
 */
static void *fault_elsewhere(void *arg)
{
	char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*(volatile char *)page = 1;
	return arg;
}

static void fault_with_default(void *arg)
{
	signal(SIGSEGV, SIG_DFL);
	CHECK_EQ(ell_init(), 0);
	join(start(fault_elsewhere, arg));
}

static void another_fault_kills_as_ever(void)
{
	int status = child_run(fault_with_default, NULL);

	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGSEGV);
	CHECK(strstr(child_said, "overflowed") == NULL);
}

static void on_segv(int signal)
{
	(void)signal;
	_exit(9);
}

static void on_segv_with_info(int signal, siginfo_t *info, void *context)
{
	_exit(signal == SIGSEGV && info->si_addr && context ? 10 : 11);
}

static void fault_with_handler(void *arg)
{
	signal(SIGSEGV, on_segv);
	CHECK_EQ(ell_init(), 0);
	join(start(fault_elsewhere, arg));
}

static void fault_with_info(void *arg)
{
	struct sigaction action = {.sa_sigaction = on_segv_with_info, .sa_flags = SA_SIGINFO};

	CHECK_EQ(sigaction(SIGSEGV, &action, NULL), 0);
	CHECK_EQ(ell_init(), 0);
	join(start(fault_elsewhere, arg));
}

static void another_fault_goes_to_the_programs_handler(void)
{
	NEED_BAD_ADDRESSES();
	CHECK_EXIT(child_run(fault_with_handler, NULL), 9);
	CHECK_EXIT(child_run(fault_with_info, NULL), 10);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(an_overflow_names_the_thread_and_its_stack),
		HARNESS_CASE(so_it_does_on_each_lwp),
		HARNESS_CASE(so_it_does_for_all_sizes),
		HARNESS_CASE(a_wide_guard_catches_large_frames),
		HARNESS_CASE(main_in_ell_run_has_a_guard_too),
		HARNESS_CASE(so_it_does_on_older_kernels),
		HARNESS_CASE(another_fault_kills_as_ever),
		HARNESS_CASE(another_fault_goes_to_the_programs_handler),
	};

	return harness_run("overflow", cases, ARRAY_SIZE(cases), argc, argv);
}
