/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handlers.c - an ordinary program: handlers that wait. Their signal is blocked until they end, their alternate stack
 * is their own, and what comes meanwhile comes afterwards
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { STORM = 200, STACK = 65536 };

static atomic_int begun, ended, deepest, elsewhere, spoilt, stop;
static _Thread_local volatile int depth;
static _Thread_local char *alternate;
static int pipes[2];

static void nap(void)
{
	const struct timespec ts = {.tv_nsec = 200000};

	nanosleep(&ts, NULL);
}

static void set_handler(int number, void (*handler)(int number), int flags)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags};

	sigaction(number, &action, NULL);
}

/* Waits twice, and looks after what is on its stack. */
static void slow(int number)
{
	volatile unsigned char mine[512];
	volatile unsigned char *here = mine;

	begun++;
	if (++depth > deepest)
		deepest = depth;
	if (alternate && ((char *)here < alternate || (char *)here >= alternate + STACK))
		elsewhere++;
	memset((void *)mine, number, sizeof(mine));
	nap();
	nap();
	for (unsigned i = 0; i < sizeof(mine); i++)
		spoilt += mine[i] != number;
	depth--;
	ended++;
}

static void *send(void *to)
{
	while (ended < STORM) {
		pthread_kill(*(pthread_t *)to, SIGUSR1);
		sched_yield();
	}
	return NULL;
}

static void with_alternate(void)
{
	stack_t stack = {.ss_size = STACK};

	stack.ss_sp = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sigaltstack(&stack, NULL);
	/* A signal may have come before. */
	alternate = stack.ss_sp;
}

/* Computes, calls, waits: wherever the signal finds it. */
static void *target(void *on_stack)
{
	char c;

	if (on_stack)
		with_alternate();
	while (!stop) {
		if (write(pipes[1], "x", 1) == 1)
			while (read(pipes[0], &c, 1) != 1)
				;
		sched_yield();
		nap();
	}
	return NULL;
}

static void tell(const char *what)
{
	printf("%s: %s, %s, %s, %d deep\n", what, ended >= STORM ? "all handled" : "lost",
	       elsewhere ? "elsewhere" : "in place", spoilt ? "spoilt" : "whole", (int)deepest);
}

/* Signals faster than the handler to two threads. */
static void storm(const char *what, int flags)
{
	pthread_t targets[2], senders[2];

	begun = ended = deepest = elsewhere = spoilt = stop = 0;
	set_handler(SIGUSR1, slow, flags);
	for (int i = 0; i < 2; i++)
		pthread_create(&targets[i], NULL, target, flags & SA_ONSTACK ? pipes : NULL);
	for (int i = 0; i < 2; i++)
		pthread_create(&senders[i], NULL, send, &targets[i]);
	for (int i = 0; i < 2; i++)
		pthread_join(senders[i], NULL);
	stop = 1;
	for (int i = 0; i < 2; i++)
		pthread_join(targets[i], NULL);
	tell(what);
}

static void count(int number)
{
	(void)number;
	begun++;
}

/* Of a signal that is not sent until the handler runs: it comes right after it. */
static void sends_itself(int number)
{
	depth++;
	if (depth > deepest)
		deepest = depth;
	if (++begun < 5) {
		raise(number);
		nap();
	}
	depth--;
}

static void *in_order(void *unused)
{
	begun = deepest = 0;
	set_handler(SIGUSR2, sends_itself, 0);
	raise(SIGUSR2);
	printf("sent by its handler: %d, %d deep\n", (int)begun, (int)deepest);
	begun = deepest = 0;
	set_handler(SIGUSR2, sends_itself, SA_NODEFER);
	raise(SIGUSR2);
	printf("the same with SA_NODEFER: %d, %d deep\n", (int)begun, (int)deepest);
	return unused;
}

static void *once(void *unused)
{
	struct sigaction now;

	begun = 0;
	set_handler(SIGUSR2, count, SA_RESETHAND | SA_ONSTACK);
	sigaction(SIGUSR2, NULL, &now);
	printf("flags: %d\n",
	       (now.sa_flags & (int)(SA_RESETHAND | SA_ONSTACK | SA_SIGINFO)) == (int)(SA_RESETHAND | SA_ONSTACK));
	raise(SIGUSR2);
	sigaction(SIGUSR2, NULL, &now);
	printf("reset: %d, %s\n", (int)begun, now.sa_handler == SIG_DFL ? "by default" : "still there");
	return unused;
}

static void *pending(void *unused)
{
	const struct timespec no_time = {0};
	sigset_t set, got;
	siginfo_t info;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	sigpending(&got);
	printf("pending: %d %d\n", sigismember(&got, SIGUSR1), sigismember(&got, SIGUSR2));
	pthread_kill(pthread_self(), SIGUSR1);
	kill(getpid(), SIGUSR2);
	sigpending(&got);
	printf("pending: %d %d\n", sigismember(&got, SIGUSR1), sigismember(&got, SIGUSR2));
	printf("taken: %d\n", sigtimedwait(&set, &info, &no_time) == SIGUSR1);
	printf("taken: %d\n", sigtimedwait(&set, &info, &no_time) == SIGUSR2);
	sigpending(&got);
	printf("pending: %d %d\n", sigismember(&got, SIGUSR1), sigismember(&got, SIGUSR2));
	printf("taken: %d\n", sigtimedwait(&set, &info, &no_time));
	return unused;
}

static void values(int number, siginfo_t *info, void *context)
{
	(void)context;
	printf("%d: %d\n", number == SIGRTMIN, info->si_code == SI_QUEUE ? info->si_value.sival_int : -1);
}

/* Signals that bring something along, to one thread. */
/* As pthread_sigqueue() does, which not every C library has. */
static void queue(long thread, int value)
{
	siginfo_t info = {.si_signo = SIGRTMIN, .si_code = SI_QUEUE, .si_value = {.sival_int = value}};

	syscall(SYS_rt_tgsigqueueinfo, getpid(), thread, SIGRTMIN, &info);
}

static void *queued(void *unused)
{
	struct sigaction action = {.sa_sigaction = values, .sa_flags = SA_SIGINFO};
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	for (int i = 1; i <= 3; i++)
		queue(syscall(SYS_gettid), i);
	for (int i = 0; i < 2; i++) {
		sigwaitinfo(&set, &info);
		printf("queued: %d %d\n", info.si_signo == SIGRTMIN, info.si_value.sival_int);
	}
	sigaction(SIGRTMIN, &action, NULL);
	queue(syscall(SYS_gettid), 1);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	signal(SIGRTMIN, SIG_DFL);
	return unused;
}

static _Atomic long waiter;

static void *waits_for_value(void *unused)
{
	siginfo_t info = {0};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	waiter = syscall(SYS_gettid);
	begun = 1;
	sigwaitinfo(&set, &info);
	printf("got: %d %d\n", info.si_signo == SIGRTMIN, info.si_value.sival_int);
	return unused;
}

static void queue_to_another(void)
{
	pthread_t thread;

	begun = 0;
	pthread_create(&thread, NULL, waits_for_value, NULL);
	while (!begun)
		nap();
	queue(waiter, 77);
	pthread_join(thread, NULL);
}

static void on_pipe(int number)
{
	/* Waits, though it interrupts a call. */
	nap();
	begun += number == SIGPIPE;
}

static void *broken(void *arg)
{
	const struct timespec no_time = {0};
	sigset_t set, got;
	int ends[2];

	begun = 0;
	set_handler(SIGPIPE, on_pipe, 0);
	pipe(ends);
	close(ends[0]);
	for (int i = 0; i < 5; i++) {
		ssize_t n = write(ends[1], "x", 1);

		printf("broken pipe: %zd %s, handled %d\n", n, strerror(errno), (int)begun);
	}
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	write(ends[1], "x", 1);
	/* Whoever runs meanwhile: it is this thread's. */
	nap();
	sigpending(&got);
	printf("blocked: %d, pending %d\n", (int)begun, sigismember(&got, SIGPIPE));
	printf("taken: %d\n", sigtimedwait(&set, NULL, &no_time) == SIGPIPE);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	close(ends[1]);
	return arg;
}

static sigjmp_buf back;

static void on_fault(int number)
{
	nap();
	begun += number == SIGSEGV;
	siglongjmp(back, 1);
}

static void *faults(void *arg)
{
	with_alternate();
	begun = 0;
	set_handler(SIGSEGV, on_fault, SA_ONSTACK);
	for (volatile int i = 0; i < 20; i++) {
		if (!sigsetjmp(back, 1))
			*(volatile int *)arg = 1;
		sched_yield();
	}
	printf("faults: %d\n", (int)begun);
	set_handler(SIGSEGV, SIG_DFL, 0);
	return NULL;
}

static void *yields(void *unused)
{
	while (!stop)
		sched_yield();
	return unused;
}

static void in_thread(void *(*fn)(void *arg), void *arg)
{
	pthread_t thread;

	pthread_create(&thread, NULL, fn, arg);
	pthread_join(thread, NULL);
}

int main(void)
{
	void *nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t other;
	sigset_t set;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (pipe(pipes) != 0)
		return 1;
	/* The first thread takes nothing: what is sent to the process is for the others. */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	storm("to threads", 0);
	storm("to threads, on stacks of their own", SA_ONSTACK);
	storm("to threads, again and again", SA_RESTART);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	stop = 0;
	pthread_create(&other, NULL, yields, NULL);
	in_thread(in_order, NULL);
	in_thread(once, NULL);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	in_thread(faults, nowhere);
	in_thread(broken, NULL);
	in_thread(queued, NULL);
	queue_to_another();
	stop = 1;
	pthread_join(other, NULL);
	pending(NULL);
	return 0;
}
