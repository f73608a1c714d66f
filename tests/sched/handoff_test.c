/* SPDX-License-Identifier: BSD-2-Clause */
/* handoff_test.c - what blocks an LWP, or computes, keeps nobody waiting */
#include <ellula/ellula.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"
#include "harness/harness.h"
#include "kport/kport.h"
#include "mem/tls.h"
#include "sched/handoff.h"
#include "sched/inside.h"
#include "sched/need_handoff.h"

static ell_thread start(void *(*fn)(void *), void *arg)
{
	ell_thread thread;

	CHECK_EQ(ell_create(&thread, NULL, fn, arg), 0);
	return thread;
}

static uint64_t handoffs(void)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < runtime.rt_count; i++)
		n += load_relaxed(&runtime.rt_vcpus[i].vc_handoffs);
	return n;
}

static uint64_t kicks(void)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < load_acquire(&runtime.rt_lwp_count); i++)
		n += load_relaxed(&runtime.rt_lwps[i].lw_kicks);
	return n;
}

static void *read_one(void *arg)
{
	char byte = 0;
	ssize_t n = read(*(int *)arg, &byte, 1);

	CHECK_EQ(n, 1);
	/* Back in the runtime, and on whatever vCPU. */
	ell_yield();
	return (void *)(intptr_t)byte;
}

static void a_thread_in_a_plain_read_keeps_nobody_waiting(void)
{
	int fds[2];
	void *result;
	ell_thread reader;

	need_handoff();
	CHECK_EQ(pipe(fds), 0);
	reader = start(read_one, &fds[0]);
	ell_yield();
	CHECK_EQ(write(fds[1], "x", 1), 1);
	CHECK_EQ(ell_join(reader, &result), 0);
	CHECK_EQ((intptr_t)result, 'x');
	CHECK_CAME(ell_vcpus() > 1 || handoffs() > 0);
	close(fds[0]);
	close(fds[1]);
}

static uint32_t flag;

static void *spin_until_flag(void *unused)
{
	while (!load_acquire(&flag))
		;
	return unused;
}

static void a_thread_that_computes_keeps_nobody_waiting(void)
{
	ell_thread spinners[4];

	need_handoff();
	for (size_t i = 0; i < ARRAY_SIZE(spinners); i++)
		spinners[i] = start(spin_until_flag, NULL);
	ell_yield();
	ell_sleep_until(ell_after(20 * ELL_MSEC));
	store_release(&flag, 1);
	for (size_t i = 0; i < ARRAY_SIZE(spinners); i++)
		CHECK_EQ(ell_join(spinners[i], NULL), 0);
}

/* The writer runs while main, a thread by ell_init(), is in the kernel on the only LWP. */
static void *write_later(void *arg)
{
	CHECK_EQ(write(*(int *)arg, "m", 1), 1);
	return NULL;
}

static void block_in_main(void)
{
	int fds[2];
	char byte;

	setenv("ELLULA_VCPUS", "1", 1);
	CHECK_EQ(ell_init(), 0);
	if (!vcpu_kport(&runtime.rt_vcpus[0])->kp_ops->ring_bell)
		exit(8);
	CHECK_EQ(pipe(fds), 0);
	start(write_later, &fds[1]);
	CHECK_EQ(read(fds[0], &byte, 1), 1);
	ell_yield();
	CHECK_CAME(handoffs() > 0);
	exit(7);
}

static void main_itself_may_block(void)
{
	int status;
	pid_t child;

	if (!tls_probe() || !handoff_probe())
		SKIP("no hand-off here");
	child = fork();
	if (child == 0)
		block_in_main();
	CHECK_EQ(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 8)
		SKIP("this kernel port does not leave its LWP alone");
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

struct wait {
	int fd;
	ell_time until;
	char got;
	ssize_t result;
	int error;
};

static void *wait_by_message(void *arg)
{
	struct wait *w = arg;

	w->result = ell_read_until(w->fd, &w->got, 1, w->until);
	w->error = errno;
	return NULL;
}

struct writer {
	int fd;
	uint32_t go;
};

static void *write_when_told(void *arg)
{
	struct writer *w = arg;

	while (!load_acquire(&w->go))
		usleep(1000);
	usleep(30000);
	CHECK_EQ(write(w->fd, "y", 1), 1);
	return NULL;
}

/*
 * The messages of others are in the ring of the LWP whose thread blocks: their replies come, and so do their revokes.
 */
static void messages_in_the_ring_of_a_blocked_lwp_are_replied(void)
{
	int silent[2], pipes[2], never[2];
	struct wait w, late;
	struct writer writer;
	ell_thread waiter, loser, blocked;
	pthread_t kernel_thread;

	need_handoff();
	CHECK_EQ(pipe(silent) | pipe(pipes) | pipe(never), 0);
	w = (struct wait){.fd = pipes[0], .until = ELL_FOREVER};
	late = (struct wait){.fd = never[0], .until = ell_after(50 * ELL_MSEC)};
	writer = (struct writer){.fd = pipes[1]};
	CHECK_EQ(pthread_create(&kernel_thread, NULL, write_when_told, &writer), 0);
	waiter = start(wait_by_message, &w);
	loser = start(wait_by_message, &late);
	ell_yield();
	ell_yield();
	blocked = start(read_one, &silent[0]);
	store_release(&writer.go, 1);
	CHECK_EQ(ell_join(waiter, NULL), 0);
	CHECK_EQ(w.result, 1);
	CHECK_EQ(w.got, 'y');
	CHECK_EQ(ell_join(loser, NULL), 0);
	CHECK_EQ(late.result, -1);
	CHECK_EQ(late.error, ETIMEDOUT);
	/* Who need not enter the kernel itself is not disturbed. */
	CHECK_CAME(kicks() > 0 || !vcpu_kport(&runtime.rt_vcpus[0])->kp_ops->enter);
	CHECK_EQ(write(silent[1], "z", 1), 1);
	/* It has noticed nothing. */
	CHECK_EQ(ell_join(blocked, NULL), 0);
	pthread_join(kernel_thread, NULL);
	for (int i = 0; i < 2; i++)
		close(silent[i]), close(pipes[i]), close(never[i]);
}

/* What an away LWP's thread sends itself is sent, and it may wait for that. */
static void *send_while_away(void *arg)
{
	int *fds = arg;
	char byte;
	struct ell_msg m;

	ell_msg_init(&m, NULL, NULL);
	usleep(50000);
	ell_msg_read(&m, fds[0], &byte, 1, -1);
	CHECK_EQ(ell_msg_send(&m), 0);
	CHECK_EQ(write(fds[1], "q", 1), 1);
	while (!ell_msg_poll(&m))
		;
	CHECK_EQ(ell_msg_wait(&m, ELL_FOREVER), 0);
	CHECK_EQ(m.ms_result, 1);
	usleep(50000);
	CHECK_EQ(write(fds[1], "r", 1), 1);
	CHECK_EQ(ell_read(fds[0], &byte, 1), 1);
	return NULL;
}

static void a_thread_without_vcpu_may_use_everything(void)
{
	int fds[2];
	ell_thread t;

	need_handoff();
	CHECK_EQ(pipe(fds), 0);
	t = start(send_while_away, fds);
	ell_yield();
	CHECK_EQ(ell_join(t, NULL), 0);
	close(fds[0]);
	close(fds[1]);
}

enum { CROWD = 64 };

static void many_blocked_threads_have_an_lwp_each(void)
{
	int fds[CROWD][2];
	ell_thread threads[CROWD];
	void *result;

	need_handoff();
	for (int i = 0; i < CROWD; i++) {
		CHECK_EQ(pipe(fds[i]), 0);
		threads[i] = start(read_one, &fds[i][0]);
	}
	for (int i = CROWD - 1; i >= 0; i--) {
		ell_yield();
		CHECK_EQ(write(fds[i][1], "m", 1), 1);
		CHECK_EQ(ell_join(threads[i], &result), 0);
		CHECK_EQ((intptr_t)result, 'm');
		close(fds[i][0]);
		close(fds[i][1]);
	}
	CHECK(handoffs() >= CROWD / 2);
}

static void *keep_errno(void *arg)
{
	int mine = (int)(intptr_t)arg;

	for (int i = 0; i < 200; i++) {
		errno = mine;
		ell_sleep_until(ell_after(ELL_MSEC / 2));
		CHECK_EQ(errno, mine);
	}
	return NULL;
}

static void threads_with_shared_storage_find_it_after_a_hand_off(void)
{
	struct ell_attr attr;
	ell_thread shared[8], blocked;
	int fds[2];

	need_handoff();
	ell_attr_init(&attr);
	attr.tls = ELL_TLS_SHARED;
	CHECK_EQ(pipe(fds), 0);
	for (size_t i = 0; i < ARRAY_SIZE(shared); i++)
		CHECK_EQ(ell_create(&shared[i], &attr, keep_errno, (void *)(intptr_t)(i + 1)), 0);
	ell_yield();
	blocked = start(read_one, &fds[0]);
	for (size_t i = 0; i < ARRAY_SIZE(shared); i++)
		CHECK_EQ(ell_join(shared[i], NULL), 0);
	CHECK_EQ(write(fds[1], "e", 1), 1);
	CHECK_EQ(ell_join(blocked, NULL), 0);
	close(fds[0]);
	close(fds[1]);
}

/* All of it at once: threads that block, compute, wait with deadlines, talk over sockets and lock. */
enum { MIX = 60, MIX_ROUNDS = 25 };

static struct ell_mutex mix_lock;
static int mix_total;

static void *mix(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;
	int sv[2];
	char buf[8];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	for (int i = 0; i < MIX_ROUNDS; i++) {
		switch (rand_r(&seed) % 6) {
		case 0:
			usleep(rand_r(&seed) % 20000);
			break;
		case 1:
			for (ell_time until = ell_after(rand_r(&seed) % 2000000); ell_now() < until;)
				;
			break;
		case 2:
			CHECK_EQ(ell_read_until(sv[0], buf, 1, ell_after(rand_r(&seed) % 3000000)), -1);
			CHECK_EQ(errno, ETIMEDOUT);
			break;
		case 3:
			CHECK_EQ(ell_send(sv[0], "hello", 5, 0), 5);
			CHECK_EQ(ell_read(sv[1], buf, 5), 5);
			break;
		case 4:
			ell_sleep_until(ell_after(rand_r(&seed) % 1000000));
			break;
		default:
			ell_yield();
		}
		ell_mutex_lock(&mix_lock);
		mix_total++;
		ell_mutex_unlock(&mix_lock);
	}
	close(sv[0]);
	close(sv[1]);
	return NULL;
}

static void all_of_it_at_once(void)
{
	ell_thread threads[MIX];
	uintptr_t seed = harness_seed();

	need_handoff();
	ell_mutex_init(&mix_lock);
	for (uintptr_t i = 0; i < MIX; i++)
		threads[i] = start(mix, (void *)(seed + i));
	for (int i = 0; i < MIX; i++)
		CHECK_EQ(ell_join(threads[i], NULL), 0);
	CHECK_EQ(mix_total, MIX * MIX_ROUNDS);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE_ON_1_AND_2(a_thread_in_a_plain_read_keeps_nobody_waiting),
		HARNESS_CASE_ON_1_AND_2(a_thread_that_computes_keeps_nobody_waiting),
		HARNESS_CASE(main_itself_may_block),
		HARNESS_CASE_ON_1_AND_2(messages_in_the_ring_of_a_blocked_lwp_are_replied),
		HARNESS_CASE_ON_1_AND_2(a_thread_without_vcpu_may_use_everything),
		HARNESS_CASE_ON_1_AND_2(many_blocked_threads_have_an_lwp_each),
		HARNESS_CASE_ON_1_AND_2(threads_with_shared_storage_find_it_after_a_hand_off),
		HARNESS_CASE_ON_1_AND_2(all_of_it_at_once),
	};
	return harness_run("handoff", cases, ARRAY_SIZE(cases), argc, argv);
}
