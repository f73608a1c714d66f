/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sim.c - runs scenarios under seeds, each in a child of its own
 *
 *	scenarios [--seeds COUNT] [--first SEED] [--jobs COUNT] [--quiet] [SCENARIO...]
 *	scenarios --seed SEED [--trace] SCENARIO
 *
 * --fault NAME:NTH, as often as wanted, beside what the seed does: the fault of that name (struct world_faults, without
 * wf_) comes at its NTH occasion. --faults none takes those of the seed away.
 *
 * A seed that fails is printed with the command that runs exactly that again. Addresses are the same in each run, for
 * what a scenario does wrong may depend on them, if nothing of ours does.
 */
#include "sim.h"

#include <ellula/life.h>
#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sched/vcpu.h"

enum { JOBS_MAX = 64, SECONDS_MAX = 120, SECONDS_QUIET = 10, VCPUS_MOST = 4 };

static const struct scenario *const lists[] = {
	locks, messages, threads, calls, life,
#ifdef WITH_HTTPD
	httpd,
#endif
};

/* What the children tell: in memory that all share. */
static struct {
	uint64_t steps;
} * shared;

static struct {
	uint64_t first;
	uint64_t count;
	unsigned jobs;
	bool quiet;
	bool no_faults;
	const char *self;
} options = {.first = 1, .count = 100, .jobs = 1};

unsigned any(unsigned low, unsigned high)
{
	return low + (unsigned)world_random(high - low + 1);
}

void nap(unsigned us)
{
	ell_sleep_until(ell_after(us * ELL_USEC));
	ell_yield();
}

ell_thread start(void *(*fn)(void *arg), void *arg)
{
	struct ell_attr attr;
	ell_thread thread;

	ell_attr_init(&attr);
	if (world_chance(4))
		attr.tls = ELL_TLS_SHARED;
	if (world_chance(8))
		attr.vcpu = (int)any(0, (unsigned)ell_vcpus() - 1);
	CHECK(ell_create(&thread, &attr, fn, arg) == 0);
	return thread;
}

void crew(unsigned count, void *(*fn)(void *arg))
{
	ell_thread members[64];

	CHECK(count <= 64);
	for (unsigned i = 0; i < count; i++)
		members[i] = start(fn, (void *)(uintptr_t)i);
	for (unsigned i = 0; i < count; i++)
		CHECK(ell_join(members[i], NULL) == 0);
}

static bool report_thread(struct thread *th, void *unused)
{
	static const char *const why[PARK_WHY_COUNT] = {
		"not parked", "a message", "a port",	"a thread's end", "a mutex", "a condition", "a semaphore",
		"a rwlock",   "once",	   "a barrier", "a descriptor",	  "time",    "a permit"};

	(void)unused;
	fprintf(stderr, "sim: thread %s %llx: %s\n", th->th_name, (unsigned long long)th->th_id,
		th->th_why < PARK_WHY_COUNT && why[th->th_why] ? why[th->th_why] : "something");
	return true;
}

static void report_threads(void)
{
	thread_each(report_thread, NULL);
	for (unsigned i = 0; i < runtime.rt_count; i++) {
		const struct vcpu *vc = &runtime.rt_vcpus[i];

		fprintf(stderr, "sim: vcpu %u: queue %u to %u, next %p, inbox %p, idle %d\n", i, vc->vc_head,
			vc->vc_tail, (void *)vc->vc_next, (void *)vc->vc_inbox, (int)(runtime.rt_idle[0] >> i & 1));
	}
}

static void on_signal(int number)
{
	void *frames[32];

	fprintf(stderr, "sim: signal %d\n", number);
	backtrace_symbols_fd(frames, backtrace(frames, ARRAY_SIZE(frames)), STDERR_FILENO);
	world_report();
	_exit(3);
}

static void choose_faults(const struct scenario *sc)
{
	struct world_faults *wf = &world_faults;

	if (world_random(2))
		wf->wf_hold = 1 + (unsigned)world_random(8);
	if (world_random(4) == 0)
		wf->wf_freeze = 1 + (unsigned)world_random(16);
	if (world_random(4) == 0)
		wf->wf_late = 1 + (unsigned)world_random(8);
	if (world_random(4) == 0)
		wf->wf_jump = 1 + (unsigned)world_random(500);
	if (world_random(4) == 0)
		wf->wf_cq = 1 + (unsigned)world_random(8);
	if (world_random(4) == 0)
		wf->wf_refuse = 2 + (unsigned)world_random(16);
	if (sc->faults >= FAULTS_CALLS && world_random(2))
		wf->wf_short = 1 + (unsigned)world_random(8);
	if (sc->faults >= FAULTS_CALLS && world_random(2))
		wf->wf_again = 2 + (unsigned)world_random(16);
	if (sc->faults >= FAULTS_HARD && world_random(2))
		wf->wf_no_memory = 8 + (unsigned)world_random(64);
	if (sc->faults >= FAULTS_HARD && world_random(2))
		wf->wf_reset = 16 + (unsigned)world_random(64);
	if (sc->faults >= FAULTS_HARD && world_random(2))
		wf->wf_full = 8 + (unsigned)world_random(64);
}

static const struct scenario *scenario;

void run_over(void)
{
	__atomic_fetch_add(&shared->steps, world_steps(), __ATOMIC_RELAXED);
	_exit(0);
}

/* The library's own function has run before this one, which was registered before the runtime started. */
static void at_exit(void)
{
	if (scenario->exits)
		sim_exit();
	if (scenario->after)
		scenario->after();
	if (!scenario->exits) {
		world_settle();
		sim_end();
	}
	run_over();
}

static void run_here(const struct scenario *sc, uint64_t seed)
{
	char text[16];

	alarm(options.quiet ? SECONDS_QUIET : SECONDS_MAX);
	signal(SIGABRT, on_signal);
	signal(SIGSEGV, on_signal);
	if (!options.quiet)
		signal(SIGALRM, on_signal);
	sim_begin(seed, sc->name);
	choose_faults(sc);
	if (options.no_faults)
		world_faults = (struct world_faults){.wf_hold = world_faults.wf_hold};
	snprintf(text, sizeof(text), "%u", any(sc->vcpus ? sc->vcpus : 1, VCPUS_MOST));
	setenv("ELLULA_VCPUS", text, 1);
	if (world_random(8) == 0)
		setenv("ELLULA_MIGRATE", "1", 1);
	if (world_random(8) == 0)
		setenv("ELLULA_UNPROBE", "all", 1);
	world_report_more = report_threads;
	scenario = sc;
	checks_begin();
	CHECK(atexit(at_exit) == 0);
	/* However far the clock jumps: what is out at the end is waited for. */
	ell_exit_bound(2000 * ELL_SEC);
	CHECK(ell_run(sc->main_fn, NULL) == 0);
	exit(0);
}

static bool is_failure(int status)
{
	return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

/* Runs the seeds of SC: the first one that fails, or 0. */
static uint64_t run_all(const struct scenario *sc)
{
	struct {
		pid_t pid;
		uint64_t seed;
	} jobs[JOBS_MAX];
	uint64_t next = options.first, end = options.first + options.count, failed = 0;
	unsigned running = 0;

	while (running > 0 || next < end) {
		int status;
		pid_t pid;

		if (next < end && !failed && running < options.jobs) {
			fflush(stdout);
			pid = fork();
			if (pid == 0) {
				if (options.quiet)
					freopen("/dev/null", "w", stderr);
				run_here(sc, next);
			}
			if (pid < 0) {
				perror("fork");
				exit(2);
			}
			jobs[running].pid = pid;
			jobs[running++].seed = next++;
			continue;
		}
		if (failed)
			next = end;
		if (!running)
			break;
		pid = wait(&status);
		for (unsigned i = 0; i < running; i++) {
			if (jobs[i].pid != pid)
				continue;
			if (is_failure(status)) {
				fprintf(stderr, "sim: %s %d; again: %s --seed %llu --trace %s\n",
					WIFSIGNALED(status) ? "signal" : "status",
					WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), options.self,
					(unsigned long long)jobs[i].seed, sc->name);
				if (!failed || jobs[i].seed < failed)
					failed = jobs[i].seed;
			}
			jobs[i] = jobs[--running];
			break;
		}
	}
	return failed;
}

static const struct scenario *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		for (const struct scenario *sc = lists[i]; sc->name; sc++) {
			if (strcmp(sc->name, name) == 0)
				return sc;
		}
	}
	fprintf(stderr, "no scenario is called %s\n", name);
	exit(2);
}

static unsigned passed, failures;

static void report_run(const struct scenario *sc)
{
	uint64_t failed;

	shared->steps = 0;
	failed = run_all(sc);
	if (failed)
		printf("FAIL %-16s seed %llu\n", sc->name, (unsigned long long)failed);
	else
		printf("ok   %-16s %llu seeds, %llu steps\n", sc->name, (unsigned long long)options.count,
		       (unsigned long long)shared->steps);
	failures += failed != 0;
	passed += failed == 0;
}

/* The same addresses in each run. */
static void fix_addresses(char **argv)
{
	int now = personality(0xffffffff);

	if (now >= 0 && !(now & ADDR_NO_RANDOMIZE) && personality((unsigned long)now | ADDR_NO_RANDOMIZE) >= 0)
		execv("/proc/self/exe", argv);
}

static void add_fault(char *text)
{
	static const char *const names[] = {"short", "again",  "no_memory", "reset", "full",
					    "late",  "refuse", "freeze",    "jump",  "hold"};
	char *colon = strchr(text, ':');
	unsigned long long nth = colon ? strtoull(colon + 1, NULL, 10) : 0;
	bool known = false;

	if (colon)
		*colon = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		known = known || strcmp(names[i], text) == 0;
	if (known && nth > 0 && world_script(text, nth))
		return;
	fprintf(stderr, "--fault %s: NAME:NTH is wanted, at most 16 times\n", text);
	exit(2);
}

int main(int argc, char **argv)
{
	uint64_t seed = 0;
	int i = 1;

	fix_addresses(argv);
	options.self = argv[0];
	for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
		if (strcmp(argv[i], "--trace") == 0)
			world_traces = true;
		else if (strcmp(argv[i], "--fault") == 0 && i + 1 < argc)
			add_fault(argv[++i]);
		else if (strcmp(argv[i], "--faults") == 0 && i + 1 < argc)
			options.no_faults = strcmp(argv[++i], "none") == 0;
		else if (strcmp(argv[i], "--quiet") == 0)
			options.quiet = true;
		else if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc)
			options.count = strtoull(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--first") == 0 && i + 1 < argc)
			options.first = strtoull(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
			seed = strtoull(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--jobs") == 0 && i + 1 < argc)
			options.jobs = (unsigned)strtoul(argv[++i], NULL, 10);
	}
	if (options.jobs < 1 || options.jobs > JOBS_MAX)
		options.jobs = 1;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 2;
	if (seed) {
		options.first = seed;
		options.count = 1;
	}
	if (i < argc) {
		for (; i < argc; i++)
			report_run(find(argv[i]));
	} else {
		for (size_t n = 0; n < ARRAY_SIZE(lists); n++) {
			for (const struct scenario *sc = lists[n]; sc->name; sc++)
				report_run(sc);
		}
	}
	printf("%u passed, %u failed, 0 skipped\n", passed, failures);
	return failures != 0;
}
