/* SPDX-License-Identifier: BSD-2-Clause */
/* cputime.c - an ordinary program: each thread's time of computing is its own, whoever asks, and by whichever call */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

enum { BURN_MS = 40, LITTLE_MS = 20 };

static sem_t begin, end, seen, over;

#define SAY(what, is) printf("%s: %s\n", what, (is) ? "yes" : "no")

static int64_t ms(const struct timespec *ts)
{
	return ts->tv_sec * 1000 + ts->tv_nsec / 1000000;
}

static int64_t shown(clockid_t clock)
{
	struct timespec ts = {.tv_sec = -1};

	clock_gettime(clock, &ts);
	return ms(&ts);
}

static int64_t usage(void)
{
	struct rusage r;

	getrusage(RUSAGE_THREAD, &r);
	return (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000 + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1000;
}

/* Computes for so long, and lets others run meanwhile. */
static void *burn(void *unused)
{
	int64_t before = shown(CLOCK_THREAD_CPUTIME_ID), used = usage();

	while (shown(CLOCK_THREAD_CPUTIME_ID) - before < BURN_MS) {
		for (volatile int i = 0; i < 100000; i++)
			;
		sched_yield();
	}
	SAY("as much by getrusage()", usage() - used >= BURN_MS / 2);
	sem_post(&end);
	sem_wait(&seen);
	return unused;
}

/* Waits while that one computes. */
static void *idle(void *unused)
{
	int64_t before = shown(CLOCK_THREAD_CPUTIME_ID), used = usage();

	sem_post(&begin);
	sem_wait(&over);
	SAY("who waits does not compute", shown(CLOCK_THREAD_CPUTIME_ID) - before < LITTLE_MS);
	SAY("by getrusage() neither", usage() - used < LITTLE_MS);
	return unused;
}

int main(void)
{
	pthread_t threads[2];
	clockid_t clocks[3];
	int64_t before, others[2], process;
	struct timespec ts;

	sem_init(&begin, 0, 0);
	sem_init(&end, 0, 0);
	sem_init(&seen, 0, 0);
	sem_init(&over, 0, 0);
	pthread_create(&threads[0], NULL, idle, NULL);
	sem_wait(&begin);
	pthread_getcpuclockid(threads[0], &clocks[0]);
	pthread_getcpuclockid(pthread_self(), &clocks[2]);
	before = shown(clocks[2]);
	process = shown(CLOCK_PROCESS_CPUTIME_ID);
	pthread_create(&threads[1], NULL, burn, NULL);
	pthread_getcpuclockid(threads[1], &clocks[1]);
	sem_wait(&end);
	others[0] = shown(clocks[0]);
	others[1] = shown(clocks[1]);
	SAY("another one's clock", others[1] >= BURN_MS / 2);
	SAY("and that of who waits", others[0] >= 0 && others[0] < LITTLE_MS);
	SAY("the first thread has waited", shown(clocks[2]) - before < LITTLE_MS);
	SAY("and has one clock", shown(clocks[2]) - shown(CLOCK_THREAD_CPUTIME_ID) < LITTLE_MS);
	SAY("the process has computed", shown(CLOCK_PROCESS_CPUTIME_ID) - process >= BURN_MS / 2);
	SAY("a resolution", clock_getres(clocks[1], &ts) == 0 && ts.tv_sec == 0);
	sem_post(&seen);
	pthread_join(threads[1], NULL);
	sem_post(&over);
	pthread_join(threads[0], NULL);
	return 0;
}
