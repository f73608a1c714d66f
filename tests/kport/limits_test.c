/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * limits_test.c - a kernel that takes nothing now, takes less than all, or is interrupted: nothing is lost or stuck
 *
 * A real kernel says EBUSY, EAGAIN and ENOMEM when it is short of memory, which no test can arrange; and it takes only
 * part of what is submitted then. So this program puts its own functions in front of liburing's.
 */
#include <ellula/ops.h>
#include <ellula/port.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "arch/arch.h"
#include "kport/uring/uring.h"
#include "message/others.h"
#include "message/pipes.h"
#include "sched/lwp.h"
#include "sys/sys.h"

/*
 * The kernel
 */

enum mood {
	WILLING,  /* as it is */
	FULL,	  /* takes nothing, but hands out what is finished */
	CAPRICES, /* this or that, by chance */
};

static uint32_t mood;
static uint32_t refused, shortened;
static uint32_t deaf_to_rings; /* messages from ring to ring fail */
static uint32_t blind;	       /* so many cancels find nothing */
static uint64_t seed, drawn;

static uint32_t draw(uint32_t n)
{
	uint64_t x = load_relaxed(&seed) + fetch_add_relaxed(&drawn, 1) * UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)(x >> 33) % n;
}

static void spoil_wakes(struct io_uring *ring)
{
	for (unsigned i = ring->sq.sqe_head; i != ring->sq.sqe_tail; i++) {
		struct io_uring_sqe *sqe = &ring->sq.sqes[i & *ring->sq.kring_mask];

		if (sqe->opcode == IORING_OP_MSG_RING)
			sqe->fd = -1;
	}
}

static void spoil_cancels(struct io_uring *ring)
{
	for (unsigned i = ring->sq.sqe_head; i != ring->sq.sqe_tail; i++) {
		struct io_uring_sqe *sqe = &ring->sq.sqes[i & *ring->sq.kring_mask];

		if (sqe->opcode == IORING_OP_ASYNC_CANCEL && load_relaxed(&blind)) {
			sqe->addr = 0;
			fetch_add_relaxed(&blind, (uint32_t)-1);
		}
	}
}

/* 0: go on; or the error that the kernel would give. *HIDDEN submissions are kept from it. */
static int in_front_of(struct io_uring *ring, unsigned *hidden)
{
	static const int errors[] = {-EBUSY, -EAGAIN, -ENOMEM, -EINTR};
	unsigned ready = ring->sq.sqe_tail - ring->sq.sqe_head;

	*hidden = 0;
	if (load_relaxed(&deaf_to_rings))
		spoil_wakes(ring);
	spoil_cancels(ring);
	switch (load_relaxed(&mood)) {
	case FULL:
		io_uring_get_events(ring);
		return -EBUSY;
	case CAPRICES:
		if (draw(100) < 30) {
			fetch_add_relaxed(&refused, 1);
			return errors[draw(ARRAY_SIZE(errors))];
		}
		if (ready > 0 && draw(100) < 30) {
			fetch_add_relaxed(&shortened, 1);
			*hidden = draw(ready) + 1;
			ring->sq.sqe_tail -= *hidden;
		}
		return 0;
	default:
		return 0;
	}
}

#define IN_FRONT(ring, call, waits)                                                                                    \
	do {                                                                                                           \
		unsigned hidden_;                                                                                      \
		int n_ = in_front_of(ring, &hidden_);                                                                  \
		if (n_ < 0)                                                                                            \
			return n_;                                                                                     \
		/* A kernel that took less than all does not wait. */                                                  \
		n_ = hidden_ && (waits) ? sys_real.io_uring_submit_and_get_events(ring) : (call);                      \
		(ring)->sq.sqe_tail += hidden_;                                                                        \
		return n_;                                                                                             \
	} while (0)

static int submit(struct io_uring *ring)
{
	IN_FRONT(ring, sys_real.io_uring_submit(ring), false);
}

static int submit_and_get_events(struct io_uring *ring)
{
	IN_FRONT(ring, sys_real.io_uring_submit_and_get_events(ring), false);
}

static int submit_and_wait(struct io_uring *ring, unsigned count)
{
	IN_FRONT(ring, sys_real.io_uring_submit_and_wait(ring, count), true);
}

static int submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned count,
				   struct __kernel_timespec *ts, sigset_t *mask)
{
	IN_FRONT(ring, sys_real.io_uring_submit_and_wait_timeout(ring, cqe, count, ts, mask), true);
}

/*
 * The program
 */

static struct ell_port port;

enum { ROOM = 512, SENT = 2000 };

static struct ell_msg reads[SENT];
static char bytes[SENT];

static void reads_send(int fd, struct ell_port *to)
{
	for (int i = 0; i < SENT; i++) {
		ell_msg_init(&reads[i], to, &reads[i]);
		ell_msg_read(&reads[i], fd, &bytes[i], 1, -1);
		CHECK_EQ(ell_msg_send(&reads[i]), 0);
	}
}

/* The first ROOM of them stand in the ring, where the kernel will see them, the others behind it. */
static void what_waits_for_room_can_be_waited_for_and_revoked(void)
{
	static char data[SENT];
	int ends[2];

	CHECK_EQ(pipe(ends), 0);
	ell_port_init(&port, "reads");
	ell_msg_init(&reads[0], NULL, NULL);
	ell_msg_nop(&reads[0]);
	CHECK_EQ(ell_msg_do(&reads[0]), 0);

	store_relaxed(&mood, FULL);
	reads_send(ends[0], &port);
	CHECK_EQ(ell_msg_wait(&reads[SENT - 1], 0), -ETIMEDOUT);
	CHECK_EQ(ell_msg_wait(&reads[SENT - 2], ell_after(ELL_MSEC)), -ETIMEDOUT);
	CHECK_EQ(ell_msg_wait(&reads[0], 0), -ETIMEDOUT);
	CHECK(!ell_port_get(&port));
	/* First, middle and last of those behind; they end without the kernel. */
	for (int i = SENT - 1; i > ROOM; i -= 99) {
		CHECK_EQ(ell_msg_revoke(&reads[i]), 0);
		/* The waits above may have taken us to another LWP than theirs. */
		CHECK_EQ(ell_msg_wait(&reads[i], ell_after(10 * ELL_SEC)), 0);
		CHECK_EQ(reads[i].ms_result, -ECANCELED);
	}
	/* These do not, and their cancels wait for room, too. */
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(ell_msg_revoke(&reads[i]), 0);
		CHECK_EQ(ell_msg_wait(&reads[i], 0), -ETIMEDOUT);
	}
	store_relaxed(&mood, WILLING);
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(ell_msg_wait(&reads[i], ELL_FOREVER), 0);
		CHECK_EQ(reads[i].ms_result, -ECANCELED);
	}
	CHECK_EQ(write(ends[1], data, SENT), SENT);
	for (int i = 20; i < SENT; i++) {
		if (i > ROOM && (SENT - 1 - i) % 99 == 0)
			continue;
		CHECK_EQ(ell_msg_wait(&reads[i], ELL_FOREVER), 0);
		CHECK_EQ(reads[i].ms_result, 1);
		CHECK(reads[i].ms_tag == &reads[i]);
	}
	CHECK_EQ(ell_port_finish(&port), 0);
	close(ends[0]);
	close(ends[1]);
}

/* A message that ends while its cancel waits needs none any more, and can be used again. */
static void a_cancel_that_waits_for_room_ends_with_its_message(void)
{
	struct ell_msg m;
	int ends[2], in[2];
	char byte;

	CHECK_EQ(pipe(ends), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, in), 0);
	ell_msg_init(&m, NULL, NULL);
	ell_msg_read(&m, in[0], &byte, 1, -1);
	CHECK_EQ(ell_msg_send(&m), 0);
	CHECK(!ell_msg_poll(&m));

	store_relaxed(&mood, FULL);
	reads_send(ends[0], NULL);
	CHECK_EQ(ell_msg_revoke(&m), 0);
	CHECK_EQ(write(in[1], "x", 1), 1);
	CHECK(ell_msg_poll(&m));
	CHECK_EQ(ell_msg_wait(&m, ELL_FOREVER), 0);
	CHECK_EQ(m.ms_result, 1);

	/* Not prepared again. */
	for (int i = 0; i < 3; i++) {
		store_relaxed(&mood, WILLING);
		CHECK_EQ(ell_msg_send(&m), 0);
		CHECK(!ell_msg_poll(&m));
		store_relaxed(&mood, FULL);
		for (int n = 0; n < SENT; n++) {
			if (ell_msg_revoke(&reads[n]) != 0)
				CHECK_EQ(ell_msg_revoke(&reads[n]), -EALREADY);
		}
		CHECK_EQ(ell_msg_revoke(&m), 0);
		store_relaxed(&mood, WILLING);
		CHECK_EQ(ell_msg_wait(&m, ELL_FOREVER), 0);
		CHECK_EQ(m.ms_result, -ECANCELED);
		for (int n = 0; n < SENT; n++) {
			CHECK_EQ(ell_msg_wait(&reads[n], ELL_FOREVER), 0);
			CHECK_EQ(reads[n].ms_result, -ECANCELED);
			CHECK_EQ(ell_msg_send(&reads[n]), 0);
		}
	}
	for (int n = 0; n < SENT; n++) {
		CHECK_EQ(ell_msg_revoke(&reads[n]), 0);
		CHECK_EQ(ell_msg_wait(&reads[n], ELL_FOREVER), 0);
	}
	close(ends[0]);
	close(ends[1]);
	close(in[0]);
	close(in[1]);
}

/* Before 6.4, a message can be between two of the kernel's lists just then. */
static void a_cancel_that_finds_nothing_is_sent_again(void)
{
	struct ell_msg m;
	int ends[2];
	char byte;

	CHECK_EQ(pipe(ends), 0);
	ell_msg_init(&m, NULL, NULL);
	ell_msg_read(&m, ends[0], &byte, 1, -1);
	for (uint32_t n = 0; n < 5; n++) {
		CHECK_EQ(ell_msg_send(&m), 0);
		CHECK(!ell_msg_poll(&m));
		store_relaxed(&blind, n);
		CHECK_EQ(ell_msg_revoke(&m), 0);
		CHECK_EQ(ell_msg_wait(&m, ELL_FOREVER), 0);
		CHECK_EQ(m.ms_result, -ECANCELED);
		CHECK_EQ(load_relaxed(&blind), 0);
	}
	/* What finishes in between needs none. */
	CHECK_EQ(ell_msg_send(&m), 0);
	CHECK(!ell_msg_poll(&m));
	store_relaxed(&blind, 1);
	CHECK_EQ(ell_msg_revoke(&m), 0);
	CHECK_EQ(write(ends[1], "x", 1), 1);
	CHECK_EQ(ell_msg_wait(&m, ELL_FOREVER), 0);
	CHECK(m.ms_result == 1 || m.ms_result == -ECANCELED);
	close(ends[0]);
	close(ends[1]);
}

static void be_capricious(void)
{
	store_relaxed(&seed, harness_seed());
	store_relaxed(&mood, CAPRICES);
}

enum { LINE = 5, LINES = 10000 };

static struct ell_msg writes[LINES];
static char lines[LINES][LINE + 1];

static void messages_start_in_order_all_the_same(void)
{
	char line[LINE];
	int ends[2];

	need_pipes_without_workers();
	CHECK_EQ(pipe(ends), 0);
	CHECK(fcntl(ends[1], F_SETPIPE_SZ, 65536) >= LINES * LINE);
	be_capricious();
	for (int i = 0; i < LINES; i++) {
		snprintf(lines[i], sizeof(lines[i]), "%05d", i);
		ell_msg_init(&writes[i], NULL, NULL);
		ell_msg_write(&writes[i], ends[1], lines[i], LINE, -1);
		CHECK_EQ(ell_msg_send(&writes[i]), 0);
	}
	for (int i = 0; i < LINES; i++) {
		CHECK_EQ(ell_msg_wait(&writes[i], ELL_FOREVER), 0);
		CHECK_EQ(writes[i].ms_result, LINE);
	}
	for (int i = 0; i < LINES; i++) {
		CHECK_EQ(read(ends[0], line, LINE), LINE);
		CHECK_EQ(memcmp(line, lines[i], LINE), 0);
	}
	close(ends[0]);
	close(ends[1]);
}

/* The same seen from the other end, which each kernel can read without a worker. */
static void reads_start_in_order_all_the_same(void)
{
	static char all[LINES * LINE], got[LINES][LINE];
	size_t sent = 0, begun = 0;
	int ends[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (char)(i * 7 + i / 251);
	/* As much as fits into the socket each time. */
	be_capricious();
	while (sent < sizeof(all)) {
		ssize_t n = send(ends[1], all + sent, sizeof(all) - sent, MSG_DONTWAIT);

		CHECK(n > 0 && (sent + (size_t)n) % LINE == 0);
		sent += (size_t)n;
		for (size_t i = begun; i < sent / LINE; i++) {
			ell_msg_init(&writes[i], NULL, NULL);
			ell_msg_read(&writes[i], ends[0], got[i], LINE, -1);
			CHECK_EQ(ell_msg_send(&writes[i]), 0);
		}
		for (; begun < sent / LINE; begun++) {
			CHECK_EQ(ell_msg_wait(&writes[begun], ELL_FOREVER), 0);
			CHECK_EQ(writes[begun].ms_result, LINE);
		}
	}
	CHECK_EQ(memcmp(got, all, sizeof(all)), 0);
	close(ends[0]);
	close(ends[1]);
}

enum { ROUNDS = 60, NOPS = 700, SLEEPS = 20, BIG = 300000 };

/* What one worker does at a time. */
struct work {
	struct other other;
	struct ell_port port;
	struct ell_msg nops[NOPS], sleeps[SLEEPS], write, read;
	bool nop_seen[NOPS], sleep_seen[SLEEPS];
	int ends[2];
	char *out, *in;
};

static void collect(struct work *w)
{
	memset(w->nop_seen, 0, sizeof(w->nop_seen));
	memset(w->sleep_seen, 0, sizeof(w->sleep_seen));
	for (int i = 0; i < NOPS + SLEEPS; i++) {
		struct ell_msg *m = ell_port_wait(&w->port, ELL_FOREVER);
		bool *seen = m->ms_tag;

		CHECK(m->ms_result == 0 || (m->ms_result == -ECANCELED && m >= w->sleeps && m < w->sleeps + SLEEPS));
		CHECK(!*seen);
		*seen = true;
	}
	CHECK(!ell_port_get(&w->port));
}

static void send_all(struct work *w)
{
	for (int i = 0; i < NOPS; i++) {
		ell_msg_init(&w->nops[i], &w->port, &w->nop_seen[i]);
		ell_msg_nop(&w->nops[i]);
		CHECK_EQ(ell_msg_send(&w->nops[i]), 0);
	}
	for (int i = 0; i < SLEEPS; i++) {
		ell_msg_init(&w->sleeps[i], &w->port, &w->sleep_seen[i]);
		ell_msg_nanosleep(&w->sleeps[i], i * 10 * ELL_USEC);
		CHECK_EQ(ell_msg_send(&w->sleeps[i]), 0);
	}
	for (int i = 0; i < SLEEPS; i += 2)
		ell_msg_revoke(&w->sleeps[i]);
}

/* One write of several steps, for a pipe holds less, and reads until all is there. */
static void move_much(struct work *w)
{
	size_t got = 0;

	ell_msg_init(&w->write, NULL, NULL);
	ell_msg_write(&w->write, w->ends[1], w->out, BIG, -1);
	CHECK_EQ(ell_msg_send(&w->write), 0);
	ell_msg_init(&w->read, NULL, NULL);
	while (got < BIG) {
		int64_t n;

		ell_msg_read(&w->read, w->ends[0], w->in + got, BIG - got, -1);
		n = ell_msg_do(&w->read);
		CHECK(n > 0);
		got += (size_t)n;
	}
	CHECK_EQ(ell_msg_wait(&w->write, ELL_FOREVER), 0);
	CHECK_EQ(w->write.ms_result, BIG);
	CHECK_EQ(memcmp(w->in, w->out, BIG), 0);
}

/* A write that cannot end, revoked: its result is what is in the pipe. */
static void stop_halfway(struct work *w)
{
	int64_t left;

	CHECK_EQ(ell_msg_send(&w->write), 0);
	CHECK_EQ(ell_msg_wait(&w->write, ell_after(50 * ELL_USEC)), -ETIMEDOUT);
	CHECK_EQ(ell_msg_revoke(&w->write), 0);
	CHECK_EQ(ell_msg_wait(&w->write, ELL_FOREVER), 0);
	left = w->write.ms_result == -ECANCELED ? 0 : w->write.ms_result;
	CHECK(left >= 0 && left < BIG);
	while (left > 0) {
		ssize_t n = read(w->ends[0], w->in, BIG);

		CHECK(n > 0);
		left -= n;
	}
	CHECK_EQ(left, 0);
	ell_msg_read(&w->read, w->ends[0], w->in, 1, -1);
	CHECK_EQ(ell_msg_do_until(&w->read, ell_after(20 * ELL_USEC)), -ETIMEDOUT);
}

static void do_work(void *arg)
{
	struct work *w = arg;

	ell_port_init(&w->port, "a worker's");
	for (int round = 0; round < ROUNDS; round++) {
		send_all(w);
		if (round % 3 == 0)
			move_much(w);
		if (round % 3 == 1)
			stop_halfway(w);
		collect(w);
	}
	CHECK_EQ(ell_port_finish(&w->port), 0);
}

static void whatever_the_kernel_takes_each_message_has_one_reply(void)
{
	static struct work works[WHERES];

	be_capricious();
	for (int where = 0; where < WHERES; where++) {
		struct work *w = &works[where];

		CHECK_EQ(pipe(w->ends), 0);
		w->out = malloc(BIG);
		w->in = malloc(BIG);
		CHECK(w->out && w->in);
		for (int i = 0; i < BIG; i++)
			w->out[i] = (char)(i * 7 + i / 251);
		other_start(&w->other, where, do_work, w);
	}
	for (int where = 0; where < WHERES; where++) {
		struct work *w = &works[where];

		other_join(&w->other);
		close(w->ends[0]);
		close(w->ends[1]);
		free(w->out);
		free(w->in);
	}
	CHECK(load_relaxed(&refused) > 100 && load_relaxed(&shortened) > 20);
}

static const struct kport *sleeper;

static void wake_thrice(void *unused)
{
	struct ell_msg m;

	(void)unused;
	ell_msg_init(&m, NULL, NULL);
	ell_msg_nop(&m);
	for (int i = 0; i < 3; i++) {
		while (load_seq_cst(&sleeper->kp_sleep) != KPORT_ASLEEP)
			usleep(100);
		CHECK_EQ(ell_msg_do(&m), 0);
	}
}

/* The kernel may end the poll that foreign threads wake an LWP by, and then have no room for another one. */
static void foreign_threads_are_heard_again_when_there_is_room(void)
{
	struct uring *ur = CONTAINER_OF(arch_lwp()->lw_kport, struct uring, ur_kport);
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ur->ur_ring);
	struct other other;
	int ends[2];

	sleeper = &ur->ur_kport;
	CHECK_EQ(pipe(ends), 0);
	io_uring_prep_cancel64(sqe, KIND_WAKE, 0);
	/* Its success looks like a wake-up from another ring. */
	sqe->user_data = KIND_WAKE;
	CHECK(sys_real.io_uring_submit(&ur->ur_ring) > 0);

	store_relaxed(&mood, FULL);
	reads_send(ends[0], NULL);
	CHECK(!ell_msg_poll(&reads[0]));
	store_relaxed(&mood, WILLING);
	other_start(&other, FOREIGN, wake_thrice, NULL);
	other_join(&other);
	for (int i = 0; i < SENT; i++) {
		CHECK_EQ(ell_msg_revoke(&reads[i]), 0);
		CHECK_EQ(ell_msg_wait(&reads[i], ELL_FOREVER), 0);
		CHECK_EQ(reads[i].ms_result, -ECANCELED);
	}
	close(ends[0]);
	close(ends[1]);
}

static struct ell_port there, back;

static void echo(void *unused)
{
	(void)unused;
	for (int i = 0; i < 300; i++)
		ell_msg_reply(ell_port_wait(&there, ELL_FOREVER), i);
}

/* One vCPU sleeps whenever the other one works. */
static void a_wake_up_that_a_ring_refuses_takes_another_way(void)
{
	struct other other;
	struct ell_msg m;

	store_relaxed(&deaf_to_rings, 1);
	ell_port_init(&there, "there");
	ell_port_init(&back, "back");
	other_start(&other, ELSEWHERE, echo, NULL);
	for (int i = 0; i < 300; i++) {
		ell_msg_init(&m, &back, NULL);
		ell_msg_user(&m, 1, NULL);
		CHECK_EQ(ell_port_put(&there, &m), 0);
		CHECK(ell_port_wait(&back, ELL_FOREVER) == &m);
		CHECK_EQ(m.ms_result, i);
	}
	other_join(&other);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE_ON_1_AND_2(what_waits_for_room_can_be_waited_for_and_revoked),
		HARNESS_CASE_ON_1_AND_2(a_cancel_that_waits_for_room_ends_with_its_message),
		HARNESS_CASE_ON_1_AND_2(a_cancel_that_finds_nothing_is_sent_again, HARNESS_SECONDS(20)),
		HARNESS_CASE_ON_1_AND_2(messages_start_in_order_all_the_same),
		HARNESS_CASE_ON_1_AND_2(reads_start_in_order_all_the_same),
		HARNESS_CASE_ON_1_AND_2(whatever_the_kernel_takes_each_message_has_one_reply),
		HARNESS_CASE(foreign_threads_are_heard_again_when_there_is_room, HARNESS_IN_RUN, HARNESS_VCPUS(1)),
		HARNESS_CASE(a_wake_up_that_a_ring_refuses_takes_another_way, HARNESS_IN_RUN, HARNESS_VCPUS(2)),
	};

	/* These look into one LWP, and have it to themselves. */
	setenv("ELLULA_MONITOR", "off", 1);

	sys.io_uring_submit = submit;
	sys.io_uring_submit_and_get_events = submit_and_get_events;
	sys.io_uring_submit_and_wait = submit_and_wait;
	sys.io_uring_submit_and_wait_timeout = submit_and_wait_timeout;
	return harness_run("limits", cases, ARRAY_SIZE(cases), argc, argv);
}
