/* SPDX-License-Identifier: BSD-2-Clause */
/* signal_test.c - signals reach the right thread, wherever it is, and do to its calls what POSIX says */
#include <arpa/inet.h>
#include <ellula/ellula.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"
#include "harness/harness.h"
#include "thread/threads.h"

/* It must see each switch between functions. */
static void skip_with_tsan(void)
{
#ifdef WITH_TSAN
	SKIP("the thread sanitizer lets nobody be interrupted in the middle");
#endif
}

static uint64_t runs, ready, done;
static ell_thread ran_on;
static siginfo_t last;

static void note(int number, siginfo_t *info, void *context)
{
	CHECK_EQ(info->si_signo, number);
	CHECK(context != NULL);
	last = *info;
	store_relaxed(&ran_on, ell_self());
	fetch_add_acq_rel(&runs, 1);
}

static void handle(int number, void (*fn)(int number, siginfo_t *info, void *context), int flags)
{
	struct sigaction action = {.sa_sigaction = fn, .sa_flags = SA_SIGINFO | flags};

	CHECK_EQ(ell_sigaction(number, &action, NULL), 0);
}

static sigset_t set_of(int a, int b)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, a);
	if (b)
		sigaddset(&set, b);
	return set;
}

static void mask(int how, int a, int b)
{
	sigset_t set = set_of(a, b);

	CHECK_EQ(ell_sigmask(how, &set, NULL), 0);
}

static bool is_pending(int number)
{
	sigset_t set;

	CHECK_EQ(ell_sigpending(&set), 0);
	return sigismember(&set, number) == 1;
}

/* The first one may come too early; the last one may find nobody. */
static void signal_until_done(ell_thread other)
{
	while (!load_acquire(&done)) {
		int error = ell_kill(other, SIGUSR1);

		CHECK(error == 0 || (error == ESRCH && load_acquire(&done)));
		sleep_for(ELL_MSEC);
	}
}

static void *compute(void *arg)
{
	store_release(&ready, 1);
	while (!load_acquire(&done))
		;
	return arg;
}

static void a_thread_that_computes_handles_it_there(void)
{
	ell_thread other;

	skip_with_tsan();
	handle(SIGUSR1, note, 0);
	other = start_on((ell_vcpu() + 1) % ell_vcpus(), compute, NULL);
	WAIT_FOR(load_acquire(&ready));
	for (uint64_t i = 1; i <= 100; i++) {
		CHECK_EQ(ell_kill(other, SIGUSR1), 0);
		WAIT_FOR(load_acquire(&runs) == i);
		CHECK_EQ(load_relaxed(&ran_on), other);
		CHECK_EQ(last.si_code, SI_TKILL);
		CHECK_EQ(last.si_pid, getpid());
	}
	store_release(&done, 1);
	join(other);
	CHECK_EQ(ell_kill(other, SIGUSR1), ESRCH);
}

/* If the vCPU was handed over meanwhile, it has begun too early. */
static void *was_interrupted(void *arg)
{
	CHECK_CAME(load_acquire(&runs) == 1);
	return arg;
}

static void a_thread_that_is_ready_handles_it_before_it_goes_on(void)
{
	ell_thread other;

	handle(SIGUSR1, note, 0);
	other = start_on(ell_vcpu(), was_interrupted, NULL);
	CHECK_EQ(ell_kill(other, SIGUSR1), 0);
	CHECK_CAME(load_acquire(&runs) == 0);
	join(other);
	CHECK_EQ(load_relaxed(&ran_on), other);
}

static int fds[2];

static void *read_once(void *arg)
{
	char byte;
	ssize_t n;

	store_release(&ready, 1);
	n = ell_read(fds[0], &byte, 1);
	if (n < 0)
		n = -errno;
	store_release(&done, 1);
	(void)arg;
	return (void *)n;
}

/* SIGUSR1 comes to a thread that reads: until the read is over, or five times, if it goes on after each. */
static intptr_t read_and_signal(int flags)
{
	ell_thread reader;
	uint64_t before = load_acquire(&runs);

	handle(SIGUSR1, note, flags);
	store_release(&ready, 0);
	store_release(&done, 0);
	reader = start(read_once, NULL);
	WAIT_FOR(load_acquire(&ready));
	if (!(flags & SA_RESTART)) {
		signal_until_done(reader);
		return (intptr_t)join(reader);
	}
	for (unsigned i = 0; i < 5; i++) {
		sleep_for(2 * ELL_MSEC);
		CHECK_EQ(ell_kill(reader, SIGUSR1), 0);
		WAIT_FOR(load_acquire(&runs) > before);
		before = load_acquire(&runs);
	}
	CHECK_EQ(ell_write(fds[1], "x", 1), 1);
	return (intptr_t)join(reader);
}

static void a_parked_read_returns_eintr_or_restarts(void)
{
	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(read_and_signal(SA_RESTART), 1);
	CHECK_EQ(read_and_signal(0), -EINTR);
	close(fds[0]);
	close(fds[1]);
}

static void a_parked_receive_returns_eintr_or_restarts(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(at);

	fds[0] = ell_socket(AF_INET, SOCK_DGRAM, 0);
	fds[1] = ell_socket(AF_INET, SOCK_DGRAM, 0);
	CHECK_EQ(bind(fds[0], (struct sockaddr *)&at, len), 0);
	CHECK_EQ(getsockname(fds[0], (struct sockaddr *)&at, &len), 0);
	CHECK_EQ(connect(fds[1], (struct sockaddr *)&at, len), 0);
	CHECK_EQ(read_and_signal(SA_RESTART), 1);
	CHECK_EQ(read_and_signal(0), -EINTR);
	ell_close(fds[0]);
	ell_close(fds[1]);
}

static void *poll_for_long(void *arg)
{
	struct pollfd fd = {.fd = fds[0], .events = POLLIN};

	store_release(&ready, 1);
	CHECK_EQ(ell_poll(&fd, 1, 1000000), -1);
	CHECK_EQ(errno, EINTR);
	store_release(&done, 1);
	return arg;
}

/* With SA_RESTART, too. */
static void a_parked_poll_returns_eintr(void)
{
	struct pollfd fd;
	ell_thread other;

	CHECK_EQ(pipe(fds), 0);
	handle(SIGUSR1, note, SA_RESTART);
	other = start(poll_for_long, NULL);
	WAIT_FOR(load_acquire(&ready));
	signal_until_done(other);
	join(other);
	/* Nothing is left behind: what there is is found. */
	CHECK_EQ(ell_write(fds[1], "x", 1), 1);
	fd = (struct pollfd){.fd = fds[0], .events = POLLIN};
	CHECK_EQ(ell_poll(&fd, 1, 1000), 1);
	CHECK_EQ(fd.revents, POLLIN);
	close(fds[0]);
	close(fds[1]);
}

static void *sleep_long(void *arg)
{
	struct timespec duration = {.tv_sec = 1000}, left;

	(void)arg;
	store_release(&ready, 1);
	CHECK_EQ(ell_nanosleep(&duration, &left), -1);
	CHECK_EQ(errno, EINTR);
	CHECK(left.tv_sec > 0 && left.tv_sec <= 1000);
	store_release(&done, 1);
	return NULL;
}

static void a_sleep_ends_and_says_what_is_left(void)
{
	ell_thread other;

	handle(SIGUSR1, note, SA_RESTART);
	other = start(sleep_long, NULL);
	WAIT_FOR(load_acquire(&ready));
	signal_until_done(other);
	join(other);
}

static void *lock_it(void *arg)
{
	store_release(&ready, 1);
	CHECK_EQ(ell_mutex_lock(arg), 0);
	CHECK_EQ(load_acquire(&runs), 1);
	CHECK_EQ(ell_mutex_unlock(arg), 0);
	return NULL;
}

static void a_lock_is_waited_for_all_the_same(void)
{
	struct ell_mutex mutex = ELL_MUTEX_INIT;
	ell_thread other;

	handle(SIGUSR1, note, 0);
	CHECK_EQ(ell_mutex_lock(&mutex), 0);
	other = start(lock_it, &mutex);
	WAIT_FOR(load_acquire(&ready));
	CHECK_EQ(ell_kill(other, SIGUSR1), 0);
	WAIT_FOR(load_acquire(&runs) == 1);
	CHECK_EQ(load_relaxed(&ran_on), other);
	CHECK_EQ(ell_mutex_unlock(&mutex), 0);
	join(other);
}

static void what_is_blocked_is_pending_and_standard_ones_merge(void)
{
	ell_thread self = ell_self();

	handle(SIGUSR1, note, 0);
	mask(SIG_BLOCK, SIGUSR1, 0);
	CHECK(!is_pending(SIGUSR1));
	for (int i = 0; i < 3; i++)
		CHECK_EQ(ell_kill(self, SIGUSR1), 0);
	CHECK(is_pending(SIGUSR1));
	CHECK_EQ(runs, 0);
	mask(SIG_UNBLOCK, SIGUSR1, 0);
	CHECK_EQ(runs, 1);
	CHECK(!is_pending(SIGUSR1));
	CHECK_EQ(ell_kill(self, SIGUSR1), 0);
	CHECK_EQ(runs, 2);
	CHECK_EQ(raise(SIGUSR1), 0);
	WAIT_FOR(load_acquire(&runs) == 3);
	CHECK_EQ(load_relaxed(&ran_on), self);
	CHECK_EQ(ell_kill(self, 0), 0);
	CHECK_EQ(ell_kill(self, -1), EINVAL);
	CHECK_EQ(ell_kill(self, SIGKILL), EINVAL);
	CHECK_EQ(ell_sigaction(SIGSTOP, NULL, NULL), -1);
	CHECK_EQ(errno, EINVAL);
}

enum { VALUES = 100 };
static int values[VALUES], value_count;

static void add_value(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	CHECK_EQ(info->si_code, SI_QUEUE);
	if (value_count < VALUES)
		values[value_count++] = info->si_value.sival_int;
}

static void real_time_signals_queue_in_order_with_their_values(void)
{
	ell_thread self = ell_self();

	handle(SIGRTMIN, add_value, 0);
	handle(SIGRTMIN + 1, add_value, 0);
	mask(SIG_BLOCK, SIGRTMIN, SIGRTMIN + 1);
	for (int i = 0; i < VALUES; i++)
		CHECK_EQ(ell_sigqueue(i % 3 ? self : ELL_THREAD_ANY, SIGRTMIN + (i < VALUES / 2),
				      (union sigval){.sival_int = i}),
			 0);
	mask(SIG_UNBLOCK, SIGRTMIN, SIGRTMIN + 1);
	CHECK_EQ(value_count, VALUES);
	/* The lower number first; of each the thread's before those of the process. */
	for (int i = 0; i < VALUES; i++) {
		bool second = i >= VALUES / 2;

		CHECK_EQ(values[i] < VALUES / 2, second);
		if (i % (VALUES / 2) && (values[i] % 3 == 0) == (values[i - 1] % 3 == 0))
			CHECK(values[i] > values[i - 1]);
	}
}

static void *wait_for_one(void *arg)
{
	sigset_t set = set_of(SIGUSR1, SIGUSR2);
	siginfo_t info;

	store_release(&ready, 1);
	CHECK_EQ(ell_sigwaitinfo(&set, &info), SIGUSR2);
	CHECK_EQ(info.si_pid, getpid());
	(void)arg;
	return NULL;
}

static void who_waits_for_a_signal_gets_it(void)
{
	sigset_t set = set_of(SIGUSR1, SIGUSR2);
	const struct timespec no_time = {0};
	ell_thread other;
	int number;

	/* The default would end the process. */
	CHECK_EQ(ell_sigmask(SIG_BLOCK, &set, NULL), 0);
	other = start(wait_for_one, NULL);
	WAIT_FOR(load_acquire(&ready));
	CHECK_EQ(kill(getpid(), SIGUSR2), 0);
	join(other);
	CHECK_EQ(kill(getpid(), SIGUSR1), 0);
	CHECK_EQ(ell_sigwait(&set, &number), 0);
	CHECK_EQ(number, SIGUSR1);
	CHECK_EQ(ell_sigtimedwait(&set, NULL, &no_time), -1);
	CHECK_EQ(errno, EAGAIN);
	CHECK_EQ(ell_sigwait_until(&set, NULL, ell_after(ELL_MSEC)), -1);
	CHECK_EQ(errno, EAGAIN);
	CHECK_EQ(ell_kill(ell_self(), SIGUSR2), 0);
	CHECK_EQ(ell_sigtimedwait(&set, NULL, &no_time), SIGUSR2);
}

static void *suspend(void *arg)
{
	sigset_t none;

	sigemptyset(&none);
	CHECK_EQ(ell_kill(ell_self(), SIGUSR1), 0);
	CHECK_EQ(runs, 0);
	CHECK_EQ(ell_sigsuspend(&none), -1);
	CHECK_EQ(errno, EINTR);
	CHECK_EQ(runs, 1);
	store_release(&ready, 1);
	CHECK_EQ(ell_sigsuspend(&none), -1);
	CHECK_EQ(runs, 2);
	CHECK_EQ(ell_kill(ell_self(), SIGUSR1), 0);
	CHECK_EQ(runs, 2);
	return arg;
}

static void sigsuspend_changes_the_mask_and_back(void)
{
	ell_thread other;

	handle(SIGUSR1, note, SA_RESTART);
	mask(SIG_BLOCK, SIGUSR1, 0);
	/* It begins with the mask of the one that makes it. */
	other = start(suspend, NULL);
	WAIT_FOR(load_acquire(&ready));
	CHECK_EQ(ell_kill(other, SIGUSR1), 0);
	join(other);
}

static void *take_it(void *arg)
{
	mask(SIG_UNBLOCK, SIGUSR1, SIGCHLD);
	store_release(&ready, 1);
	while (!load_acquire(&done))
		ell_sleep_until(ell_after(ELL_MSEC));
	return arg;
}

static void what_comes_for_the_process_goes_to_one_that_does_not_block_it(void)
{
	ell_thread other;
	pid_t child;

	handle(SIGUSR1, note, 0);
	handle(SIGCHLD, note, 0);
	mask(SIG_BLOCK, SIGUSR1, SIGCHLD);
	CHECK_EQ(kill(getpid(), SIGUSR1), 0);
	WAIT_FOR(is_pending(SIGUSR1));
	other = start(take_it, NULL);
	WAIT_FOR(load_acquire(&ready));
	WAIT_FOR(load_acquire(&runs) == 1);
	CHECK_EQ(load_relaxed(&ran_on), other);
	for (uint64_t i = 2; i <= 20; i++) {
		CHECK_EQ(kill(getpid(), SIGUSR1), 0);
		WAIT_FOR(load_acquire(&runs) == i);
		CHECK_EQ(load_relaxed(&ran_on), other);
	}
	child = fork();
	CHECK(child >= 0);
	if (child == 0)
		_exit(3);
	WAIT_FOR(load_acquire(&runs) == 21);
	CHECK_EQ(last.si_signo, SIGCHLD);
	CHECK_EQ(last.si_pid, child);
	CHECK_EQ(ell_waitpid(child, NULL, 0), child);
	store_release(&done, 1);
	join(other);
}

static char depth_seen[8];
static size_t depth_at;

static void nest(int number, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	depth_seen[depth_at++] = '(';
	if (depth_at == 1)
		CHECK_EQ(ell_kill(ell_self(), number), 0);
	depth_seen[depth_at++] = ')';
}

static void a_handler_is_not_interrupted_by_its_own_signal_unless_it_says_so(void)
{
	handle(SIGUSR1, nest, 0);
	CHECK_EQ(ell_kill(ell_self(), SIGUSR1), 0);
	CHECK_STR(depth_seen, "()()");
	memset(depth_seen, 0, sizeof(depth_seen));
	depth_at = 0;
	handle(SIGUSR1, nest, SA_NODEFER);
	CHECK_EQ(ell_kill(ell_self(), SIGUSR1), 0);
	CHECK_STR(depth_seen, "(())");
}

static void a_handler_for_once_is_called_once(void)
{
	struct sigaction now;

	handle(SIGCHLD, note, SA_RESETHAND);
	CHECK_EQ(ell_kill(ell_self(), SIGCHLD), 0);
	CHECK_EQ(ell_kill(ell_self(), SIGCHLD), 0);
	CHECK_EQ(runs, 1);
	CHECK_EQ(ell_sigaction(SIGCHLD, NULL, &now), 0);
	CHECK(now.sa_handler == SIG_DFL);
}

static sigjmp_buf back;

static void leave(int number, siginfo_t *info, void *context)
{
	note(number, info, context);
	siglongjmp(back, 1);
}

static void a_handler_may_be_left_by_siglongjmp(void)
{
	handle(SIGUSR1, leave, 0);
	for (volatile uint64_t i = 1; i <= 100; i++) {
		if (sigsetjmp(back, 1) == 0) {
			CHECK_EQ(ell_kill(ell_self(), SIGUSR1), 0);
			FAIL("the handler came back");
		}
		CHECK_EQ(runs, i);
	}
	CHECK(!is_pending(SIGUSR1));
}

static void *compute_and_leave(void *arg)
{
	volatile unsigned i = 0;

	for (; i < 50; i++) {
		if (sigsetjmp(back, 1) == 0) {
			store_release(&ready, i + 1);
			for (;;)
				__asm__ volatile("");
		}
	}
	store_release(&done, 1);
	return arg;
}

static void a_computation_may_be_left_by_siglongjmp(void)
{
	ell_thread other;

	skip_with_tsan();
	handle(SIGUSR1, leave, 0);
	other = start_on((ell_vcpu() + 1) % ell_vcpus(), compute_and_leave, NULL);
	for (uint64_t i = 1; i <= 50; i++) {
		WAIT_FOR(load_acquire(&ready) == i);
		CHECK_EQ(ell_kill(other, SIGUSR1), 0);
		WAIT_FOR(load_acquire(&runs) == i);
	}
	join(other);
}

static char other_stack[65536];

static void look_where(int number, siginfo_t *info, void *context)
{
	const char *here = __builtin_frame_address(0);

	note(number, info, context);
	CHECK(here >= other_stack && here < other_stack + sizeof(other_stack));
	CHECK_EQ(ell_sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL), -1);
	CHECK_EQ(errno, EPERM);
	ell_yield();
}

static void a_handler_may_have_a_stack_of_its_own(void)
{
	stack_t stack = {.ss_sp = other_stack, .ss_size = sizeof(other_stack)}, old;

	CHECK_EQ(ell_sigaltstack(&stack, &old), 0);
	CHECK(old.ss_flags & SS_DISABLE);
	handle(SIGUSR1, look_where, SA_ONSTACK);
	for (int i = 0; i < 10; i++)
		CHECK_EQ(ell_kill(ell_self(), SIGUSR1), 0);
	CHECK_EQ(runs, 10);
	CHECK_EQ(ell_sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, &old), 0);
	CHECK(old.ss_sp == other_stack);
}

static volatile int *volatile nowhere = (int *)8;

static void *fault(void *arg)
{
	if (sigsetjmp(back, 1) == 0) {
		*nowhere = 1;
		FAIL("no fault");
	}
	CHECK_EQ(load_relaxed(&ran_on), ell_self());
	CHECK(last.si_addr == (void *)8);
	return arg;
}

static void a_fault_is_the_threads_own(void)
{
	skip_with_tsan();
	handle(SIGSEGV, leave, 0);
	for (int i = 0; i < 20; i++)
		join(start(fault, NULL));
	CHECK_EQ(runs, 20);
}

/* An illegal instruction, or a trap, as the CPU has it. */
static void a_trap_is_the_threads_own(void)
{
	skip_with_tsan();
	handle(SIGILL, leave, 0);
	handle(SIGTRAP, leave, 0);
	for (volatile uint64_t i = 1; i <= 20; i++) {
		if (sigsetjmp(back, 1) == 0)
			__builtin_trap();
		CHECK_EQ(runs, i);
		CHECK_EQ(load_relaxed(&ran_on), ell_self());
	}
}

__attribute__((no_sanitize("address"))) static int overflow(volatile int depth)
{
	volatile char space[512];

	space[0] = (char)depth;
	return depth ? overflow(depth + 1) + space[0] : 0;
}

static void a_stack_overflow_keeps_its_message(void)
{
	handle(SIGSEGV, leave, 0);
	overflow(1);
}

static void the_default_ends_the_process(void)
{
	int status;
	pid_t child = fork();

	CHECK(child >= 0);
	if (child == 0) {
		mask(SIG_BLOCK, SIGTERM, 0);
		CHECK_EQ(ell_kill(ell_self(), SIGTERM), 0);
		CHECK(is_pending(SIGTERM));
		mask(SIG_UNBLOCK, SIGTERM, 0);
		_exit(1);
	}
	CHECK_EQ(ell_waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status));
	CHECK_EQ(WTERMSIG(status), SIGTERM);
}

static void what_is_to_be_ignored_is_pending_no_more(void)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	handle(SIGUSR1, note, 0);
	mask(SIG_BLOCK, SIGUSR1, SIGRTMIN);
	CHECK_EQ(ell_kill(ell_self(), SIGUSR1), 0);
	CHECK_EQ(ell_sigqueue(ELL_THREAD_ANY, SIGUSR1, (union sigval){.sival_int = 1}), 0);
	handle(SIGRTMIN, note, 0);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(ell_sigqueue(ell_self(), SIGRTMIN, (union sigval){.sival_int = i}), 0);
	CHECK(is_pending(SIGUSR1) && is_pending(SIGRTMIN));
	CHECK_EQ(ell_sigaction(SIGUSR1, &ignore, NULL), 0);
	CHECK(!is_pending(SIGUSR1) && is_pending(SIGRTMIN));
	CHECK_EQ(ell_sigaction(SIGRTMIN, &ignore, NULL), 0);
	CHECK(!is_pending(SIGRTMIN));
	handle(SIGUSR1, note, 0);
	handle(SIGRTMIN, note, 0);
	mask(SIG_UNBLOCK, SIGUSR1, SIGRTMIN);
	CHECK_EQ(runs, 0);
}

static struct ell_sem may_end;

static void *say_who(void *id)
{
	*(ell_thread *)id = ell_self();
	store_release(&ready, 1);
	CHECK_EQ(ell_sem_wait(&may_end), 0);
	return NULL;
}

static void none_is_queued_to_a_foreign_thread(void)
{
	struct foreign foreign;
	ell_thread id;

	foreign_start(&foreign, say_who, &id);
	WAIT_FOR(load_acquire(&ready));
	CHECK_EQ(ell_sigqueue(id, SIGUSR1, (union sigval){.sival_int = 1}), ESRCH);
	CHECK_EQ(ell_kill(id, 0), 0);
	CHECK_EQ(ell_sem_post(&may_end), 0);
	foreign_join(&foreign);
}

static void count(void *arg)
{
	(void)arg;
	store_relaxed(&ran_on, ell_self());
	fetch_add_acq_rel(&runs, 1);
}

static void a_signal_may_be_an_upcall(void)
{
	ell_upcall up = ell_upcall_register(count, NULL, 0);

	CHECK_EQ(ell_upcall_on_signal(up, ell_self(), SIGUSR1), 0);
	for (uint64_t i = 1; i <= 10; i++) {
		CHECK_EQ(kill(getpid(), SIGUSR1), 0);
		WAIT_FOR(load_acquire(&runs) == i);
		CHECK_EQ(load_relaxed(&ran_on), ell_self());
	}
	CHECK_EQ(ell_upcall_on_signal(up, ell_self(), SIGKILL), EINVAL);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(a_thread_that_computes_handles_it_there, HARNESS_IN_RUN, HARNESS_VCPUS(2)),
		HARNESS_CASE(a_thread_that_is_ready_handles_it_before_it_goes_on, HARNESS_IN_RUN, HARNESS_VCPUS(1)),
		HARNESS_CASE_ON_1_AND_2(a_parked_read_returns_eintr_or_restarts),
		HARNESS_CASE_ON_1_AND_2(a_parked_receive_returns_eintr_or_restarts),
		HARNESS_CASE_ON_1_AND_2(a_parked_poll_returns_eintr),
		HARNESS_CASE_ON_1_AND_2(a_sleep_ends_and_says_what_is_left),
		HARNESS_CASE_ON_1_AND_2(a_lock_is_waited_for_all_the_same),
		HARNESS_CASE(what_is_blocked_is_pending_and_standard_ones_merge, HARNESS_IN_RUN),
		HARNESS_CASE(real_time_signals_queue_in_order_with_their_values, HARNESS_IN_RUN),
		HARNESS_CASE_ON_1_AND_2(who_waits_for_a_signal_gets_it),
		HARNESS_CASE_ON_1_AND_2(sigsuspend_changes_the_mask_and_back),
		HARNESS_CASE_ON_1_AND_2(what_comes_for_the_process_goes_to_one_that_does_not_block_it),
		HARNESS_CASE(a_handler_is_not_interrupted_by_its_own_signal_unless_it_says_so, HARNESS_IN_RUN),
		HARNESS_CASE(a_handler_for_once_is_called_once, HARNESS_IN_RUN),
		HARNESS_CASE(a_handler_may_be_left_by_siglongjmp, HARNESS_IN_RUN),
		HARNESS_CASE(a_computation_may_be_left_by_siglongjmp, HARNESS_IN_RUN, HARNESS_VCPUS(2)),
		HARNESS_CASE(a_handler_may_have_a_stack_of_its_own, HARNESS_IN_RUN),
		HARNESS_CASE(a_fault_is_the_threads_own, HARNESS_IN_RUN),
		HARNESS_CASE(a_trap_is_the_threads_own, HARNESS_IN_RUN),
		HARNESS_CASE(a_stack_overflow_keeps_its_message, HARNESS_IN_RUN, HARNESS_DIES("overflowed its")),
		HARNESS_CASE(what_is_to_be_ignored_is_pending_no_more, HARNESS_IN_RUN),
		HARNESS_CASE(none_is_queued_to_a_foreign_thread, HARNESS_IN_RUN),
		HARNESS_CASE(the_default_ends_the_process, HARNESS_IN_RUN),
		HARNESS_CASE_ON_1_AND_2(a_signal_may_be_an_upcall),
	};

	return harness_run("signal", cases, ARRAY_SIZE(cases), argc, argv);
}
