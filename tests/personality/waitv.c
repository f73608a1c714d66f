/* SPDX-License-Identifier: BSD-2-Clause */
/* waitv.c - an ordinary program: waits for several futexes at once */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { WORDS = 3, ROUNDS = 300 };

static uint32_t words[WORDS];
static uint32_t waited; /* rounds that are over */

static long waitv(uint32_t flags, uint32_t value, unsigned count, const struct timespec *until)
{
	struct futex_waitv all[WORDS] = {0};

	for (int i = 0; i < WORDS; i++)
		all[i] = (struct futex_waitv){.val = value, .uaddr = (uintptr_t)&words[i], .flags = flags};
	return syscall(SYS_futex_waitv, all, count, 0, until, CLOCK_MONOTONIC);
}

static const char *result_of(long result)
{
	return result >= 0 ? "a number" : strerror(errno);
}

/* Each round somebody adds 1 to all words, but wakes by one only. */
static void *wait_rounds(void *arg)
{
	uint32_t flags = *(uint32_t *)arg;

	for (uint32_t round = 0; round < ROUNDS; round++) {
		while (__atomic_load_n(&words[WORDS - 1], __ATOMIC_ACQUIRE) == round) {
			long n = waitv(flags, round, WORDS, NULL);

			if (n < 0 && errno != EAGAIN)
				return (void *)result_of(n);
			/* The wake of the round before may come late. */
			if (n >= 0 && n != (long)(round % WORDS) && n != (long)((round + WORDS - 1) % WORDS))
				return "another word";
		}
		__atomic_store_n(&waited, round + 1, __ATOMIC_RELEASE);
	}
	return "all rounds";
}

static void rounds(const char *what, uint32_t flags)
{
	const struct timespec nap = {.tv_nsec = 100000};
	pthread_t thread;
	void *said;

	memset(words, 0, sizeof(words));
	waited = 0;
	pthread_create(&thread, NULL, wait_rounds, &flags);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		/* Now and then it sleeps already. */
		if (round % 8 == 0)
			nanosleep(&nap, NULL);
		for (int i = 0; i < WORDS; i++)
			__atomic_store_n(&words[i], round + 1, __ATOMIC_RELEASE);
		while (__atomic_load_n(&waited, __ATOMIC_ACQUIRE) <= round) {
			syscall(SYS_futex, &words[round % WORDS], FUTEX_WAKE | (flags & FUTEX_PRIVATE_FLAG), 1, NULL,
				NULL, 0);
			nanosleep(&nap, NULL);
		}
	}
	pthread_join(thread, &said);
	printf("%s: %s\n", what, (char *)said);
}

static void *refusals(void *arg)
{
	const uint32_t flags = FUTEX_32 | FUTEX_PRIVATE_FLAG;
	struct timespec soon;

	clock_gettime(CLOCK_MONOTONIC, &soon);
	memset(words, 0, sizeof(words));
	printf("another value: %s\n", result_of(waitv(flags, 1, WORDS, NULL)));
	printf("no time: %s\n", result_of(waitv(flags, 0, WORDS, &soon)));
	soon.tv_nsec = 1000000000;
	printf("no time of day: %s\n", result_of(waitv(flags, 0, WORDS, &soon)));
	printf("another size: %s\n", result_of(waitv(FUTEX_PRIVATE_FLAG, 0, WORDS, NULL)));
	printf("none: %s\n", result_of(waitv(flags, 0, 0, NULL)));
	printf("too many: %s\n", result_of(waitv(flags, 0, FUTEX_WAITV_MAX + 1, NULL)));
	return arg;
}

int main(void)
{
	pthread_t thread;

	refusals(NULL);
	pthread_create(&thread, NULL, refusals, NULL);
	pthread_join(thread, NULL);
	rounds("private", FUTEX_32 | FUTEX_PRIVATE_FLAG);
	rounds("shared", FUTEX_32);
	return 0;
}
