/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * harness.c - run each case in a child, and say what became of it
 *
 * The child writes its verdict into a page that it shares with the parent, because an exit code is too small for it and
 * belongs to the sanitizers, which report at exit. A case has passed if it says so AND its process ended well.
 * cmocka runs the list in the parent and reports; its own assertions are not for the child, where a longjmp would have
 * to find its way off a user thread's stack.
 */
#include "harness/harness.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/atomic.h"
#include "harness/descriptors.h"

/* A library that has no runtime yet can be tested, too. */
extern int ell_run(int (*main_fn)(void *arg), void *arg) __attribute__((weak));

enum verdict { UNDECIDED, PASSED, FAILED, SKIPPED };

struct report {
	enum verdict verdict;
	bool again; /* it failed only because what it waits for did not come about */
	char why[512];
	char note[512];
};

/* Shared by the parent, the running case and what that forks. */
static struct report *report;

static bool debugging;

/* In the order of the cases: what harness_run() lists in the end. */
struct result {
	const struct harness_case *test;
	enum verdict verdict;
	char why[512];
};

/* The signal actions of before cmocka came, which the child gets back. */
static const int crash_signals[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGSYS};
static struct sigaction crash_actions[ARRAY_SIZE(crash_signals)];

#if defined(WITH_ASAN) || defined(WITH_TSAN)
enum { BUILD_PATIENCE = 4 };
#else
enum { BUILD_PATIENCE = 1 };
#endif

#ifdef WITH_TSAN
const char *__tsan_default_options(void);

/* Else each process would sleep for a second before it ends. */
const char *__tsan_default_options(void)
{
	return "second_deadlock_stack=1:atexit_sleep_ms=50";
}
#endif

/*
 * Inside a case
 */

static void decide(enum verdict verdict, const char *fmt, va_list args)
{
	/* The first failure is the one to know about; it undoes a success. */
	if (report->verdict == FAILED)
		return;
	vsnprintf(report->why, sizeof(report->why), fmt, args);
	report->verdict = verdict;
}

void harness_fail(const char *file, int line, const char *fmt, ...)
{
	char what[400];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	if (report->verdict != FAILED && file)
		snprintf(report->why, sizeof(report->why), "%s:%d: %s", file, line, what);
	else if (report->verdict != FAILED)
		snprintf(report->why, sizeof(report->why), "%s", what);
	report->verdict = FAILED;
	if (debugging) {
		fprintf(stderr, "%s\n", report->why);
		abort();
	}
	_exit(1);
}

void harness_missed(const char *file, int line, const char *what)
{
	if (report->verdict != FAILED)
		report->again = true;
	harness_fail(file, line, "%s, %d times", what, HARNESS_TRIES);
}

void harness_skip(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	decide(SKIPPED, fmt, args);
	va_end(args);
	_exit(0);
}

void harness_skip_if_skipped(void)
{
	if (report->verdict == SKIPPED)
		_exit(0);
}

void harness_note(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(report->note, sizeof(report->note), fmt, args);
	va_end(args);
}

uint64_t harness_seed(void)
{
	const char *given = getenv("HARNESS_SEED");
	uint64_t seed;

	if (given)
		seed = strtoull(given, NULL, 0);
	else if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		FAIL("getrandom: %s", strerror(errno));
	harness_note("HARNESS_SEED=%" PRIu64, seed);
	return seed;
}

bool harness_emulated(void)
{
	return getenv("HARNESS_EMULATED") != NULL;
}

bool harness_emulated_by(const char *what)
{
	const char *by = getenv("HARNESS_EMULATED");

	return by && strcmp(by, what) == 0;
}

unsigned harness_rounds(unsigned n)
{
	return harness_emulated() ? (n + 9) / 10 : n;
}

void harness_equal(const char *file, int line, const char *a, int64_t va, const char *b, int64_t vb)
{
	if (va != vb)
		harness_fail(file, line, "%s == %s: %" PRId64 " (0x%" PRIx64 ") != %" PRId64 " (0x%" PRIx64 ")", a, b,
			     va, (uint64_t)va, vb, (uint64_t)vb);
}

void harness_equal_str(const char *file, int line, const char *a, const char *va, const char *b, const char *vb)
{
	if (!va || !vb || strcmp(va, vb) != 0)
		harness_fail(file, line, "%s == %s: \"%s\" != \"%s\"", a, b, va ? va : "(null)", vb ? vb : "(null)");
}

static void run_body(const struct harness_case *test)
{
	enum verdict undecided = UNDECIDED;
	char leaks[300];

	descriptors_remember();
	test->body();
	if (descriptors_leaked(leaks, sizeof(leaks), test->in_run))
		harness_fail(NULL, 0, "left open: %s", leaks);
	/* Unless a process that the body forked has failed. */
	cas_acq_rel(&report->verdict, &undecided, PASSED);
}

static int run_body_as_thread(void *arg)
{
	run_body(arg);
	return 0;
}

static void run_here(const struct harness_case *test)
{
	if (!test->in_run) {
		run_body(test);
		return;
	}
	if (!ell_run)
		harness_fail(NULL, 0, "the library has no ell_run()");
	if (test->vcpus) {
		char number[12];

		snprintf(number, sizeof(number), "%u", test->vcpus);
		setenv("ELLULA_VCPUS", number, 1);
	}

	int err = ell_run(run_body_as_thread, (void *)test);

	if (err)
		harness_fail(NULL, 0, "ell_run: %s", strerror(-err));
}

/*
 * Around it
 */

static void child(const struct harness_case *test, int err_fd, const sigset_t *mask)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	/* A shell's background jobs ignore them. */
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	for (size_t i = 0; i < ARRAY_SIZE(crash_signals); i++)
		sigaction(crash_signals[i], &crash_actions[i], NULL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	if (err_fd >= 0) {
		const struct rlimit none = {0, 0};

		dup2(err_fd, STDERR_FILENO);
		close(err_fd);
		setrlimit(RLIMIT_CORE, &none);
	}
	run_here(test);
	/* Not _exit(): atexit functions and the leak checker are part of the proof. */
	exit(0);
}

static unsigned patience(const struct harness_case *test)
{
	const char *factor = getenv("HARNESS_PATIENCE");
	unsigned seconds = test->seconds ? test->seconds : HARNESS_SECONDS_DEFAULT;

	return seconds * BUILD_PATIENCE * (factor ? (unsigned)atoi(factor) : 1);
}

/* Where everybody is who did not come to an end. */
static void print_stacks(pid_t pid)
{
	char command[200];

	fflush(stdout);
	snprintf(command, sizeof(command),
		 "command -v gdb >/dev/null && timeout 30 gdb -p %d -batch -ex 'thread apply all backtrace 30' 2>&1",
		 pid);
	if (system(command) != 0)
		fprintf(stderr, "(no gdb here to print the stacks)\n");
}

/* The wait status of PID, which is killed when it takes too long: then *LATE. Its whole process group ends with it. */
static int wait_for(pid_t pid, unsigned seconds, bool *late)
{
	struct timespec now, end;
	sigset_t chld;
	int status;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += seconds;
	*late = false;
	while (waitpid(pid, &status, WNOHANG) != pid) {
		clock_gettime(CLOCK_MONOTONIC, &now);

		const struct timespec left = {.tv_sec = end.tv_sec - now.tv_sec};

		if (left.tv_sec <= 0) {
			*late = true;
			print_stacks(pid);
			kill(-pid, SIGKILL);
			waitpid(pid, &status, 0);
			break;
		}
		sigtimedwait(&chld, NULL, &left);
	}
	kill(-pid, SIGKILL);
	return status;
}

static void read_back(int fd, char *text, size_t size)
{
	ssize_t n = pread(fd, text, size - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	fputs(text, stderr);
}

static enum verdict judge_death(const struct harness_case *test, int status, const char *text, char *why, size_t size)
{
	if (report->verdict == SKIPPED)
		return SKIPPED;
	if (report->verdict == FAILED)
		return FAILED;
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
		snprintf(why, size, "did not abort (wait status 0x%x)", (unsigned)status);
	else if (!strstr(text, test->dies))
		snprintf(why, size, "aborted, but did not say \"%s\"", test->dies);
	else
		return PASSED;
	return FAILED;
}

static enum verdict judge_life(int status, char *why, size_t size)
{
	if (report->verdict == FAILED)
		return FAILED;
	if (WIFSIGNALED(status))
		snprintf(why, size, "killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) != 0)
		snprintf(why, size, "exit code %d%s", WEXITSTATUS(status),
			 report->verdict == PASSED ? ", after it had passed" : "");
	else if (report->verdict == UNDECIDED)
		snprintf(why, size, "exited before its end");
	else
		return report->verdict;
	return FAILED;
}

static void run_case(struct result *r)
{
	const struct harness_case *test = r->test;
	int err_fd = test->dies ? memfd_create("stderr", MFD_CLOEXEC) : -1;
	unsigned seconds = patience(test);
	sigset_t chld, before;
	bool late;
	int status;
	pid_t pid;

	memset(report, 0, sizeof(*report));
	fflush(NULL);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	/* Pending until sigtimedwait() looks: a child that ends early is not missed. */
	sigprocmask(SIG_BLOCK, &chld, &before);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(1);
	}
	if (pid == 0)
		child(test, err_fd, &before);
	setpgid(pid, pid);
	status = wait_for(pid, seconds, &late);
	sigprocmask(SIG_SETMASK, &before, NULL);

	if (late) {
		snprintf(report->why, sizeof(report->why), "no end after %u s", seconds);
		r->verdict = FAILED;
	} else if (test->dies) {
		char text[8192];

		read_back(err_fd, text, sizeof(text));
		r->verdict = judge_death(test, status, text, report->why, sizeof(report->why));
	} else {
		r->verdict = judge_life(status, report->why, sizeof(report->why));
	}
	if (err_fd >= 0)
		close(err_fd);
	if (r->verdict == FAILED && report->note[0])
		snprintf(r->why, sizeof(r->why), "%.300s [%.200s]", report->why, report->note);
	else
		snprintf(r->why, sizeof(r->why), "%s", report->why);
}

static void cmocka_case(void **state)
{
	struct result *r = *state;

	for (int tries = 0; tries < HARNESS_TRIES; tries++) {
		run_case(r);
		if (r->verdict != FAILED || !report->again)
			break;
	}
	if (r->verdict == SKIPPED)
		skip();
	if (r->verdict == FAILED)
		fail_msg("%s", r->why);
}

static bool chosen(const struct harness_case *test, int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		if (fnmatch(argv[i], test->name, 0) == 0)
			return true;
	return argc == 0;
}

/* What scripts/run-tests reads. */
static bool sum_up(const char *name, const struct result *results, size_t count)
{
	unsigned tally[] = {[PASSED] = 0, [FAILED] = 0, [SKIPPED] = 0};

	fflush(stderr);
	for (size_t i = 0; i < count; i++) {
		tally[results[i].verdict]++;
		if (results[i].verdict != PASSED)
			printf("%s %s.%s: %s\n", results[i].verdict == FAILED ? "FAIL" : "SKIP", name,
			       results[i].test->name, results[i].why);
	}
	printf("%s: %u passed, %u failed, %u skipped\n", name, tally[PASSED], tally[FAILED], tally[SKIPPED]);
	return tally[FAILED] == 0;
}

int harness_run(const char *name, const struct harness_case *cases, size_t count, int argc, char **argv)
{
	struct result *results = calloc(count, sizeof(*results));
	struct CMUnitTest *tests = calloc(count, sizeof(*tests));
	bool good = true;
	size_t n = 0;

	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!results || !tests || report == MAP_FAILED) {
		perror(name);
		exit(1);
	}
	for (size_t i = 0; i < ARRAY_SIZE(crash_signals); i++)
		sigaction(crash_signals[i], NULL, &crash_actions[i]);
	debugging = argc > 1 && strcmp(argv[1], "-d") == 0;

	for (size_t i = 0; i < count; i++) {
		if (!chosen(&cases[i], argc - 1 - debugging, argv + 1 + debugging))
			continue;
		results[n].test = &cases[i];
		tests[n] = (struct CMUnitTest){cases[i].name, cmocka_case, NULL, NULL, &results[n]};
		n++;
	}
	if (n == 0) {
		fprintf(stderr, "%s: no such case\n", name);
		good = false;
	} else if (debugging) {
		for (size_t i = 0; i < n; i++)
			run_here(results[i].test);
	} else {
		_cmocka_run_group_tests(name, tests, n, NULL, NULL);
		good = sum_up(name, results, n);
	}
	free(results);
	free(tests);
	return good ? 0 : 1;
}
