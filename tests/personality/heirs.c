/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * heirs.c - an ordinary program: futexes that inherit priority, by the system call itself: what each command says to
 * whom, and who gets the lock of a thread that ends without a word
 */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif

enum { ROUNDS = 300, MOVED = 6 };

static uint32_t word, condition;
static int turns;

/* Of one lock, in the form that set_robust_list(2) takes. */
static struct {
	struct robust_list_head head;
	struct robust_list link;
	uint32_t word;
} robust;

static int futex(uint32_t *at, int op, const struct timespec *timeout)
{
	return syscall(SYS_futex, at, op | FUTEX_PRIVATE_FLAG, 0, timeout, NULL, 0) == 0 ? 0 : errno;
}

static void say(const char *what, int error)
{
	uint32_t now = __atomic_load_n(&word, __ATOMIC_SEQ_CST);

	printf("%s: %s, %s%s\n", what, error ? strerror(error) : "got it", now & FUTEX_TID_MASK ? "owned" : "free",
	       now & FUTEX_OWNER_DIED ? ", died" : "");
}

static int is_mine(uint32_t at)
{
	return (at & FUTEX_TID_MASK) == (uint32_t)gettid();
}

static void *somebody_else(void *arg)
{
	say("unlock by another one", futex(&word, FUTEX_UNLOCK_PI, NULL));
	say("trylock by another one", futex(&word, FUTEX_TRYLOCK_PI, NULL));
	return arg;
}

/* By either clock that is over long ago. */
static void *somebody_in_a_hurry(void *arg)
{
	const struct timespec past = {.tv_sec = 1};
	int error = futex(&word, FUTEX_LOCK_PI2, &past);

	say("lock until", futex(&word, FUTEX_LOCK_PI, &past));
	say("lock2 until", error == ENOSYS ? ETIMEDOUT : error);
	error = futex(&word, FUTEX_LOCK_PI2 | FUTEX_CLOCK_REALTIME, &past);
	say("lock2 until by the other clock", error == ENOSYS ? ETIMEDOUT : error);
	return arg;
}

static void run(void *function(void *))
{
	pthread_t thread;

	pthread_create(&thread, NULL, function, &word);
	pthread_join(thread, NULL);
}

static void answers(void)
{
	say("lock", futex(&word, FUTEX_LOCK_PI, NULL));
	say("lock again", futex(&word, FUTEX_LOCK_PI, NULL));
	say("trylock again", futex(&word, FUTEX_TRYLOCK_PI, NULL));
	run(somebody_else);
	run(somebody_in_a_hurry);
	say("unlock", futex(&word, FUTEX_UNLOCK_PI, NULL));
	say("unlock again", futex(&word, FUTEX_UNLOCK_PI, NULL));
}

/* Takes the lock, and leaves when somebody waits for it. */
static void *take_and_end(void *arg)
{
	uint32_t *at = arg;

	futex(at, FUTEX_LOCK_PI, NULL);
	while (!(__atomic_load_n(at, __ATOMIC_SEQ_CST) & FUTEX_WAITERS))
		sched_yield();
	return NULL;
}

static void *take_and_end_robustly(void *arg)
{
	robust.head.list.next = (struct robust_list *)((uintptr_t)&robust.link | 1);
	robust.link.next = &robust.head.list;
	robust.head.futex_offset = (char *)&robust.word - (char *)&robust.link;
	syscall(SYS_set_robust_list, &robust.head, sizeof(robust.head));
	return take_and_end(arg);
}

static void *take_and_end_at_once(void *arg)
{
	futex(arg, FUTEX_LOCK_PI, NULL);
	return NULL;
}

static void wait_for_owner_of(uint32_t *at)
{
	while (!__atomic_load_n(at, __ATOMIC_SEQ_CST))
		sched_yield();
}

static void *inherit(void *arg)
{
	uint32_t *at = arg;
	int error;

	wait_for_owner_of(at);
	error = futex(at, FUTEX_LOCK_PI, NULL);
	printf("inherited: %s, mine %d, died %d\n", error ? strerror(error) : "got it", is_mine(*at),
	       (*at & FUTEX_OWNER_DIED) != 0);
	error = futex(at, FUTEX_UNLOCK_PI, NULL);
	printf("unlocked: %d, free %d\n", error, *at == 0);
	return NULL;
}

static void inherited(uint32_t *at, void *owner(void *))
{
	pthread_t threads[2];

	*at = 0;
	pthread_create(&threads[0], NULL, owner, at);
	pthread_create(&threads[1], NULL, inherit, at);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

static void *come_late(void *arg)
{
	say("too late", futex(arg, FUTEX_LOCK_PI, NULL));
	say("trylock too late", futex(arg, FUTEX_TRYLOCK_PI, NULL));
	return NULL;
}

/* Whoever comes while the owner ends gets the lock, or learns that nobody will give it. */
static void *come_at_any_time(void *arg)
{
	int error;

	wait_for_owner_of(arg);
	error = futex(arg, FUTEX_LOCK_PI, NULL);
	if (error != ESRCH && (error || !is_mine(*(uint32_t *)arg)))
		printf("at any time: %s, %x\n", strerror(error), *(uint32_t *)arg);
	return NULL;
}

static int wait_and_move(uint32_t value, const struct timespec *until)
{
	int op = FUTEX_WAIT_REQUEUE_PI | FUTEX_PRIVATE_FLAG;

	return syscall(SYS_futex, &condition, op, value, until, &word, 0) == 0 ? 0 : errno;
}

/* How many, or -errno. */
static int move(int wake, long most, uint32_t value)
{
	int op = FUTEX_CMP_REQUEUE_PI | FUTEX_PRIVATE_FLAG;
	long n = syscall(SYS_futex, &condition, op, wake, most, &word, value);

	return n < 0 ? -errno : (int)n;
}

static void *wait_for_turn(void *arg)
{
	int error = wait_and_move(0, NULL), before = turns;

	if (error || !is_mine(word))
		printf("moved: %s, %x\n", strerror(error), word);
	/* The lock is held over a switch. */
	sched_yield();
	turns = before + 1;
	futex(&word, FUTEX_UNLOCK_PI, NULL);
	return arg;
}

/* Some are moved while the lock is held, and the others when it may be free. */
static void moved(void)
{
	const struct timespec past = {.tv_sec = 1};
	pthread_t threads[MOVED];
	int n = 0;

	word = 0;
	printf("condition: %s, ", strerror(wait_and_move(1, NULL)));
	printf("%s, ", strerror(wait_and_move(0, &past)));
	for (int i = 0; i < MOVED; i++)
		pthread_create(&threads[i], NULL, wait_for_turn, NULL);
	printf("%s, %s, %d\n", strerror(-move(1, 1, 1)), strerror(-move(2, 1, 0)), move(1, 1, 7) == -EAGAIN);
	futex(&word, FUTEX_LOCK_PI, NULL);
	while (n < 2)
		n += move(1, 0, 0);
	printf("moved %d, turns %d\n", n, turns);
	futex(&word, FUTEX_UNLOCK_PI, NULL);
	while (n < MOVED)
		n += move(1, 1, 0);
	for (int i = 0; i < MOVED; i++)
		pthread_join(threads[i], NULL);
	printf("moved %d, turns %d, free %d\n", n, turns, word == 0);
}

int main(void)
{
	answers();
	inherited(&word, take_and_end);
	inherited(&robust.word, take_and_end_robustly);
	word = 0;
	run(take_and_end_at_once);
	run(come_late);
	for (int i = 0; i < ROUNDS; i++) {
		pthread_t threads[2];

		word = 0;
		pthread_create(&threads[0], NULL, take_and_end_at_once, &word);
		pthread_create(&threads[1], NULL, come_at_any_time, &word);
		for (int j = 0; j < 2; j++)
			pthread_join(threads[j], NULL);
	}
	moved();
	return 0;
}
