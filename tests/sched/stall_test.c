/* SPDX-License-Identifier: BSD-2-Clause */
/* stall_test.c - a thread that does not schedule is named, with what it does and where */
#include <ellula/ellula.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "harness/harness.h"
#include "sched/need_handoff.h"
#include "sched/stall.h"

static uint32_t *stop; /* shared with the child */
static int wake[2];

static void *compute(void *unused)
{
	while (!load_acquire(stop))
		;
	return unused;
}

static void *read_a_byte(void *unused)
{
	char byte;

	CHECK_EQ(read(wake[0], &byte, 1), 1);
	return unused;
}

static void *(*culprit)(void *);

static int run_culprit(void *tls)
{
	struct ell_attr attr;
	ell_thread thread;

	ell_attr_init(&attr);
	attr.name = "culprit";
	attr.tls = *(enum ell_tls *)tls;
	CHECK_EQ(ell_create(&thread, &attr, culprit, NULL), 0);
	CHECK_EQ(ell_join(thread, NULL), 0);
	return 0;
}

/* What the child and we have in common. */
static void share(void)
{
#ifdef WITH_TSAN
	SKIP("the thread sanitizer holds signals back while a thread computes");
#endif
	stop = mmap(NULL, sizeof(*stop), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(stop != MAP_FAILED);
	CHECK_EQ(pipe(wake), 0);
}

/* A child that runs FN(ARG), with reports, which it writes to ERR[1]. */
static pid_t start_child(const int err[2], int (*fn)(void *arg), void *arg)
{
	pid_t child = fork();

	CHECK(child >= 0);
	if (child > 0)
		return child;
	dup2(err[1], STDERR_FILENO);
	close(err[1]);
	close(err[0]);
	setenv("ELLULA_STALL", "20ms", 1);
	exit(ell_run(fn, arg));
}

/* Runs the culprit in a child until that has said each of TEXTS; what it says later goes to TEXT, too. */
static void run_until_said(enum ell_tls tls, const char *const *texts, char *text, size_t size)
{
	int err[2], status;
	size_t len = 0;
	bool all = false;
	pid_t child;

	share();
	CHECK_EQ(pipe(err), 0);
	child = start_child(err, run_culprit, &tls);
	close(err[1]);
	while (!all) {
		ssize_t n = read(err[0], text + len, size - 1 - len);

		CHECK(n > 0);
		len += (size_t)n;
		text[len] = '\0';
		NOTE("%.200s", text);
		all = true;
		for (size_t i = 0; texts[i]; i++)
			all = all && strstr(text, texts[i]);
	}
	store_release(stop, 1);
	CHECK_EQ(write(wake[1], "x", 1), 1);
	for (ssize_t n; len < size - 1 && (n = read(err[0], text + len, size - 1 - len)) > 0;)
		len += (size_t)n;
	text[len] = '\0';
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	close(err[0]);
	close(wake[0]);
	close(wake[1]);
}

/* Others may be reported as well, on a machine that is busy. */
#define CULPRIT "thread \"culprit\" has not scheduled for "

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what))
		n++;
	return n;
}

static void a_thread_that_computes_is_named(void)
{
	static const char *const texts[] = {CULPRIT, " ms, computing\n", "(+0x", NULL};
	static char text[65536];

	culprit = compute;
	run_until_said(ELL_TLS_PRIVATE, texts, text, sizeof(text));
	CHECK_EQ(count(text, CULPRIT), 1);
}

/* Its vCPU stays with it. */
static void so_is_one_that_keeps_its_vcpu(void)
{
	static const char *const texts[] = {CULPRIT, " ms, computing\n", "(+0x", NULL};
	static char text[65536];

	culprit = compute;
	run_until_said(ELL_TLS_SHARED, texts, text, sizeof(text));
	CHECK_EQ(count(text, CULPRIT), 1);
}

static void one_that_blocks_is_named_with_its_system_call(void)
{
	static const char *const texts[] = {CULPRIT, "(read)\n", "(+0x", NULL};
	static char text[65536];

	NEED_KERNEL();
	culprit = read_a_byte;
	run_until_said(ELL_TLS_PRIVATE, texts, text, sizeof(text));
	CHECK_EQ(count(text, CULPRIT), 1);
}

/* Has somebody begun to answer, and hangs in that? */
static bool is_being_reported(void)
{
	for (unsigned i = 0; i < load_acquire(&runtime.rt_lwp_count); i++) {
		if (load_acquire(&runtime.rt_lwps[i].lw_report) == STALL_RUNS)
			return true;
	}
	return false;
}

static int through[2];

/* Its report waits for somebody to read it. The monitor must not: another thread blocks, and its vCPU goes on. */
static int be_reported_in_vain(void *unused)
{
	ell_thread threads[2];

	(void)unused;
	need_handoff();
	CHECK_EQ(ell_create(&threads[0], NULL, compute, NULL), 0);
	while (!is_being_reported())
		ell_yield();
	CHECK_EQ(ell_create(&threads[1], NULL, read_a_byte, NULL), 0);
	for (int i = 0; i < 100; i++)
		ell_yield();
	CHECK_EQ(write(wake[1], "x", 1), 1);
	CHECK_EQ(ell_join(threads[1], NULL), 0);
	store_release(stop, 1);
	CHECK_EQ(write(through[1], "x", 1), 1);
	return 0;
}

static void a_report_that_nobody_reads_keeps_nobody(void)
{
	static const char nonsense[4096];
	struct pollfd said = {.events = POLLIN};
	int err[2], status;
	bool came;
	pid_t child;

	share();
	CHECK_EQ(pipe2(err, O_NONBLOCK), 0);
	CHECK_EQ(pipe(through), 0);
	while (write(err[1], nonsense, sizeof(nonsense)) > 0)
		;
	CHECK_EQ(fcntl(err[1], F_SETFL, 0), 0);
	setenv("ELLULA_VCPUS", "1", 1);
	child = start_child(err, be_reported_in_vain, NULL);
	close(through[1]);
	said.fd = through[0];
	/* On a busy machine the thread that looks is reported itself, and then waits for a reader, too. */
	came = poll(&said, 1, 3000) == 1;
	harness_skip_if_skipped();
	if (!came)
		kill(child, SIGKILL);
	/* What it has to say is not said. */
	close(err[0]);
	close(err[1]);
	CHECK_EQ(waitpid(child, &status, 0), child);
	close(through[0]);
	close(wake[0]);
	close(wake[1]);
	CHECK_CAME(came && (said.revents & POLLIN));
}

static uint32_t told;

static void tell(void *unused)
{
	(void)unused;
	fetch_add_acq_rel(&told, 1);
}

static void *compute_until(void *until)
{
	while (ell_now() < *(ell_time *)until)
		;
	return NULL;
}

/* Runs a thread of that NAME for NS on another vCPU; on this one others may run meanwhile. */
static ell_thread run_for(const char *name, int64_t ns)
{
	ell_time until = ell_after(ns);
	struct ell_attr attr;
	ell_thread thread;

	ell_attr_init(&attr);
	attr.name = name;
	attr.vcpu = (ell_vcpu() + 1) % ell_vcpus();
	CHECK_EQ(ell_create(&thread, &attr, compute_until, &until), 0);
	while (ell_now() < until)
		ell_yield();
	CHECK_EQ(ell_join(thread, NULL), 0);
	return thread;
}

static void an_upcall_is_told(void)
{
	ell_upcall up = ell_upcall_register(tell, NULL, 0);
	struct ell_stall stall;
	ell_thread culprit_id;
	uint32_t before;

	ell_stall_get(&stall);
	CHECK_EQ(stall.ns, 0);
	CHECK_EQ(ell_upcall_on_stall(up, ELL_THREAD_ANY, -1), EINVAL);
	CHECK_EQ(ell_upcall_on_stall(up, ELL_THREAD_ANY, 20 * ELL_MSEC), 0);
	do {
		before = load_acquire(&told);
		culprit_id = run_for("culprit", 100 * ELL_MSEC);
		ell_stall_get(&stall);
		/* The machine may have run somebody else all the time. */
	} while (load_acquire(&told) == before || stall.thread != culprit_id);
	CHECK_STR(stall.name, "culprit");
	CHECK(stall.ns >= 20 * ELL_MSEC);
	CHECK(stall.vcpu >= 0 && stall.vcpu < ell_vcpus());
	CHECK_EQ(ell_upcall_on_stall(up, ELL_THREAD_ANY, 0), 0);
	run_for("nobody's", 50 * ELL_MSEC);
	before = load_acquire(&told);
	run_for("nobody's", 100 * ELL_MSEC);
	CHECK_EQ(load_acquire(&told), before);
	CHECK_EQ(ell_upcall_delete(up), 0);
}

static uint32_t told_of_who_announces;
static int silent[2];

static void tell_by_name(void *unused)
{
	struct ell_stall stall;

	(void)unused;
	ell_stall_get(&stall);
	if (strcmp(stall.name, "announces") == 0)
		fetch_add_acq_rel(&told_of_who_announces, 1);
}

static void *read_silence(void *announce)
{
	char byte;

	if (announce)
		ell_blocking_enter();
	CHECK_EQ(read(silent[0], &byte, 1), 1);
	if (announce)
		ell_blocking_leave();
	return NULL;
}

/* A thread of that NAME blocks its LWP, until that is away and NS more have passed. */
static void block_for(const char *name, void *announce, int64_t ns)
{
	struct ell_stats stats;
	struct ell_attr attr;
	ell_thread thread;
	ell_time until;

	ell_attr_init(&attr);
	attr.name = name;
	CHECK_EQ(ell_create(&thread, &attr, read_silence, announce), 0);
	do {
		ell_yield();
		ell_stats_get(&stats);
	} while (stats.lwps_away == 0);
	for (until = ell_after(ns); ell_now() < until;)
		ell_yield();
	CHECK_EQ(write(silent[1], "x", 1), 1);
	CHECK_EQ(ell_join(thread, NULL), 0);
}

/* Whatever its LWP did before: each of the two has lost its vCPU to the monitor once. */
static void who_says_that_it_blocks_does_not_stall(void)
{
	ell_upcall up = ell_upcall_register(tell_by_name, NULL, 0);

	need_handoff();
	CHECK_EQ(pipe(silent), 0);
	CHECK_EQ(ell_upcall_on_stall(up, ELL_THREAD_ANY, 20 * ELL_MSEC), 0);
	for (int i = 0; i < 3; i++)
		block_for("does not", NULL, 0);
	for (int i = 0; i < 3; i++)
		block_for("announces", silent, 40 * ELL_MSEC);
	CHECK_EQ(load_acquire(&told_of_who_announces), 0);
	CHECK_EQ(ell_upcall_on_stall(up, ELL_THREAD_ANY, 0), 0);
	close(silent[0]);
	close(silent[1]);
}

/* Does LINE count a slice of more than MS milliseconds? */
static bool has_slice(const char *line, double ms)
{
	for (const char *at = line; (at = strstr(at, "  <")) != NULL; at++) {
		char *unit;
		double most = strtod(at + 3, &unit);

		if (strncmp(unit, "ms", 2) == 0 && most > ms)
			return true;
	}
	return strstr(line, "  >=") != NULL;
}

static void the_slices_are_counted(void)
{
	static const char *const texts[] = {CULPRIT, NULL};
	static char text[65536];
	const char *line;

	culprit = compute;
	run_until_said(ELL_TLS_PRIVATE, texts, text, sizeof(text));
	line = strstr(text, "slices of threads");
	CHECK(line != NULL);
	CHECK(has_slice(line, 20));
}

static void a_time_that_is_none_is_an_error(void)
{
	static const char *const bad[] = {"0", "5 ms", "-1", "10m", "ms", "1000001s"};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		NOTE("%s", bad[i]);
		setenv("ELLULA_STALL", bad[i], 1);
		CHECK_EQ(ell_init(), -EINVAL);
	}
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(a_thread_that_computes_is_named),
		HARNESS_CASE(so_is_one_that_keeps_its_vcpu),
		HARNESS_CASE(one_that_blocks_is_named_with_its_system_call),
		HARNESS_CASE(a_report_that_nobody_reads_keeps_nobody),
		HARNESS_CASE(the_slices_are_counted),
		HARNESS_CASE(who_says_that_it_blocks_does_not_stall, HARNESS_IN_RUN, HARNESS_VCPUS(1)),
		HARNESS_CASE(an_upcall_is_told, HARNESS_IN_RUN, HARNESS_VCPUS(2)),
		HARNESS_CASE(a_time_that_is_none_is_an_error),
	};

	return harness_run("stall", cases, ARRAY_SIZE(cases), argc, argv);
}
