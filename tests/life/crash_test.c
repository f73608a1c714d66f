/* SPDX-License-Identifier: BSD-2-Clause */
/* crash_test.c - a process that a signal ends says where everybody was, and nothing writes to its memory meanwhile */
#include <assert.h>
#include <ellula/ellula.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "arch/arch.h"
#include "base/atomic.h"
#include "base/lock.h"
#include "harness/child.h"
#include "kport/kport.h"
#include "message/message.h"
#include "sched/lwp.h"
#include "sched/sched.h"
#include "sched/thread.h"
#include "thread/threads.h"

enum { READS = 10, SLEEPERS = 7 };

static int ends[2];
static char bytes[READS];
static struct ell_msg m[READS];

static void *sleep_long(void *unused)
{
	ell_park();
	return unused;
}

static unsigned outstanding(void)
{
	unsigned all = 0;

	for (unsigned i = 0; i < load_acquire(&runtime.rt_lwp_count); i++)
		all += load_relaxed(&runtime.rt_lwps[i].lw_kport->kp_outstanding);
	return all;
}

static void send_reads(void)
{
	CHECK_EQ(pipe(ends), 0);
	for (int i = 0; i < READS; i++) {
		bytes[i] = 'u';
		ell_msg_init(&m[i], NULL, NULL);
		ell_msg_read(&m[i], ends[0], &bytes[i], 1, -1);
		CHECK_EQ(ell_msg_send(&m[i]), 0);
	}
	/* To the ring of another LWP, if the monitor has taken our vCPU; and from there to the kernel. */
	do
		sleep_for(ELL_MSEC);
	while (outstanding() < READS);
}

static volatile int zero;
static volatile int *volatile nowhere;

static void *end(void *how)
{
	switch ((int)(intptr_t)how) {
	case SIGFPE:
#ifdef __x86_64__
		zero = 1 / zero;
#endif
		raise(SIGFPE);
		break;
	case SIGSEGV:
		*nowhere = 1;
		break;
	case SIGILL:
#ifdef __aarch64__
		/* The built-in one is a breakpoint there. */
		__asm__ volatile("udf #0");
#endif
		__builtin_trap();
	case SIGABRT:
		abort();
	case 0:
		assert(!"this");
	default:
		raise((int)(intptr_t)how);
	}
	return NULL;
}

static void crash_child(void *how)
{
	struct ell_attr attr;

	CHECK_EQ(ell_init(), 0);
	for (int i = 0; i < SLEEPERS; i++)
		start(sleep_long, NULL);
	sleep_for(2 * ELL_MSEC);
	send_reads();
	ell_attr_init(&attr);
	attr.name = "unlucky";
	start_with(&attr, end, how);
	ell_park();
}

static const int ways[] = {0, SIGSEGV, SIGFPE, SIGILL, SIGABRT, SIGBUS, SIGTRAP, SIGSYS, SIGQUIT, SIGXCPU, SIGXFSZ};

static void the_last_words_say_where_everybody_was(void)
{
#if defined(WITH_ASAN) || defined(WITH_TSAN)
	SKIP("a sanitizer has these signals");
#endif
	for (unsigned vcpus = 1; vcpus <= 2; vcpus++) {
		setenv("ELLULA_VCPUS", vcpus == 1 ? "1" : "2", 1);
		for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
			int status = child_run(crash_child, (void *)(intptr_t)ways[i]);

			CHECK(WIFSIGNALED(status));
			CHECK_EQ(WTERMSIG(status), ways[i] ? ways[i] : SIGABRT);
			CHECK(strstr(child_said, "ends the process, in thread \"unlucky\""));
			CHECK(strstr(child_said, "8 permit") || strstr(child_said, "7 permit"));
			CHECK(strstr(child_said, "10 long, 0 short"));
			CHECK(strstr(child_said, "crash_test"));
		}
	}
}

static void *crash_and_look(void *unused)
{
	uint64_t before = load_relaxed(&lock_gave_up);

	(void)unused;
	send_reads();
	sched_crash(SIGABRT);
	/* Until the monitor, which sees an LWP that computes, has found that it must not look. */
	do {
		for (int i = 0; i < READS; i++)
			CHECK_EQ(message_state(&m[i]), MESSAGE_SENT);
	} while (load_relaxed(&lock_gave_up) == before);
	_exit(0);
}

static void look_child(void *unused)
{
	(void)unused;
	CHECK_EQ(ell_init(), 0);
	start(crash_and_look, NULL);
	ell_park();
}

static void nobody_replies_while_the_report_is_written(void)
{
#if defined(WITH_ASAN) || defined(WITH_TSAN)
	SKIP("a sanitizer has these signals");
#endif
	setenv("ELLULA_VCPUS", "1", 1);
	unsetenv("ELLULA_MONITOR");
	CHECK_EXIT(child_run(look_child, NULL), 0);
}

static void they_can_be_silenced(void)
{
#if defined(WITH_ASAN) || defined(WITH_TSAN)
	SKIP("a sanitizer has these signals");
#endif
	setenv("ELLULA_CRASH", "off", 1);
	for (size_t i = 1; i < ARRAY_SIZE(ways); i++) {
		int status = child_run(crash_child, (void *)(intptr_t)ways[i]);

		CHECK(WIFSIGNALED(status));
		CHECK_EQ(WTERMSIG(status), ways[i]);
		CHECK(!strstr(child_said, "libellula"));
	}
}

static void handle(int number)
{
	_exit(number == SIGQUIT ? 21 : 1);
}

static void handle_and_raise(void *unused)
{
	(void)unused;
	signal(SIGQUIT, handle);
	CHECK_EQ(ell_init(), 0);
	raise(SIGQUIT);
}

static void a_handler_of_the_programs_stays(void)
{
	int status = child_run(handle_and_raise, NULL);

	CHECK_EXIT(status, 21);
}

static void what_is_out_writes_to_memory_no_more(void)
{
	struct kport *kp = arch_lwp()->lw_kport;
	char got[READS];

	if (!kp->kp_ops->crash)
		SKIP("this kernel port has nothing that could write");
	send_reads();
	kp->kp_ops->crash(kp, ELL_SEC);
	/* They would have been read from the pipe by the kernel, without anybody's doing. */
	CHECK_EQ(write(ends[1], "0123456789", READS), READS);
	CHECK_EQ(read(ends[0], got, READS), READS);
	for (int i = 0; i < READS; i++)
		CHECK_EQ(bytes[i], 'u');
	for (int i = 0; i < READS; i++) {
		CHECK_EQ(ell_msg_wait(&m[i], ELL_FOREVER), 0);
		CHECK_EQ(m[i].ms_result, -ECANCELED);
	}
	close(ends[0]);
	close(ends[1]);
}

/* As a tool would that knows nothing but struct thread_map. */
static void the_threads_are_found_in_memory(void)
{
	const struct thread_map *map = &thread_map;
	struct ell_attr attr;
	ell_thread thread;
	bool found = false;

	ell_attr_init(&attr);
	attr.name = "to be found";
	thread = start_with(&attr, sleep_long, NULL);
	CHECK(memcmp(map->tm_magic, "ELLTHRDS", 8) == 0);
	CHECK_EQ(map->tm_version, 1);
	CHECK_EQ(map->tm_size, sizeof(*map));
	for (uint32_t i = 0; i < **map->tm_count; i++) {
		const char *th = (const char *)(*map->tm_table)[i];
		uint64_t id;

		if (!th)
			continue;
		memcpy(&id, th + map->tm_id, sizeof(id));
		if (id != thread)
			continue;
		CHECK_STR(th + map->tm_name, "to be found");
		while (load_relaxed((const uint8_t *)(th + map->tm_why)) != PARK_PERMIT)
			sleep_for(ELL_MSEC);
		found = true;
	}
	CHECK(found);
	CHECK_EQ(ell_unpark(thread), 0);
	join(thread);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(the_last_words_say_where_everybody_was),
		HARNESS_CASE(nobody_replies_while_the_report_is_written),
		HARNESS_CASE(they_can_be_silenced),
		HARNESS_CASE(a_handler_of_the_programs_stays),
		HARNESS_CASE(what_is_out_writes_to_memory_no_more, HARNESS_IN_RUN, HARNESS_VCPUS(1)),
		HARNESS_CASE_ON_1_AND_2(the_threads_are_found_in_memory),
	};

	/* What looks into one LWP has it to itself. */
	setenv("ELLULA_MONITOR", "off", 1);

	return harness_run("crash", cases, ARRAY_SIZE(cases), argc, argv);
}
