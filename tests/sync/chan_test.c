/* SPDX-License-Identifier: BSD-2-Clause */
/* chan_test.c - what <ellula/sync.h> promises of a channel */
#include <errno.h>
#include <string.h>

#include "sync/crew.h"

enum { ROOM = 64 };

static struct ell_chan chan;
static _Alignas(max_align_t) char space[ELL_CHAN_SPACE(ROOM, 64)];
static struct crew crew;

static int send(uint64_t value, ell_time until)
{
	return ell_chan_send_until(&chan, &value, until);
}

static uint64_t receive(void)
{
	uint64_t value = 0;

	CHECK_EQ(ell_chan_recv(&chan, &value), 0);
	return value;
}

static int try_receive(void)
{
	uint64_t value;

	return ell_chan_recv_until(&chan, &value, 0);
}

static void init(size_t room)
{
	CHECK_EQ(ell_chan_init(&chan, space, room, sizeof(uint64_t)), 0);
}

static void no_room_and_no_size_are_errors(void)
{
	CHECK_EQ(ell_chan_init(&chan, space, 0, 8), EINVAL);
	CHECK_EQ(ell_chan_init(&chan, space, 8, 0), EINVAL);
}

static void without_a_runtime_there_is_no_channel(void)
{
	CHECK_EQ(ell_chan_init(&chan, space, 1, 8), ENXIO);
}

static void values_come_in_the_order_in_which_they_were_sent(void)
{
	init(ROOM);
	for (uint64_t round = 0; round < 10; round++) {
		for (uint64_t i = 0; i < ROOM; i++)
			CHECK_EQ(send(round << 32 | i, ELL_FOREVER), 0);
		for (uint64_t i = 0; i < ROOM; i++)
			CHECK_EQ(receive(), round << 32 | i);
	}
	CHECK_EQ(ell_chan_finish(&chan), 0);
}

static void values_of_any_size_arrive_whole(void)
{
	for (size_t size = 1; size <= 64; size++) {
		char in[64], out[65];

		CHECK_EQ(ell_chan_init(&chan, space, ROOM, size), 0);
		for (int round = 0; round < 3; round++) {
			memset(in, 'a' + round, sizeof(in));
			CHECK_EQ(ell_chan_send(&chan, in), 0);
			memset(out, 0, sizeof(out));
			CHECK_EQ(ell_chan_recv(&chan, out), 0);
			CHECK_EQ(memcmp(in, out, size), 0);
			CHECK_EQ(out[size], 0);
		}
		CHECK_EQ(ell_chan_finish(&chan), 0);
	}
}

/*
 * Deadlines
 */

static void a_full_channel_keeps_the_senders_deadline(void)
{
	ell_time until = ell_after(2 * ELL_MSEC);

	init(2);
	CHECK_EQ(send(1, 0), 0); /* in the past, and still there was room */
	CHECK_EQ(send(2, 0), 0);
	CHECK_EQ(send(3, 0), ETIMEDOUT);
	CHECK_EQ(send(3, until), ETIMEDOUT);
	CHECK(ell_now() >= until);
	CHECK_EQ(receive(), 1);
	CHECK_EQ(send(4, 0), 0);
	CHECK_EQ(receive(), 2);
	CHECK_EQ(receive(), 4);
}

static void an_empty_channel_keeps_the_receivers_deadline(void)
{
	ell_time until = ell_after(2 * ELL_MSEC);
	uint64_t value;

	init(2);
	CHECK_EQ(try_receive(), ETIMEDOUT);
	CHECK_EQ(ell_chan_recv_until(&chan, &value, until), ETIMEDOUT);
	CHECK(ell_now() >= until);
	CHECK_EQ(send(7, 0), 0);
	CHECK_EQ(ell_chan_recv_until(&chan, &value, 0), 0);
	CHECK_EQ(value, 7);
}

static void receive_late(struct hand *hand)
{
	uint64_t value;
	ell_time until = ell_after((hand->index + 1) * ELL_MSEC);

	CHECK_EQ(ell_chan_recv_until(&chan, &value, until), ETIMEDOUT);
	CHECK(ell_now() >= until);
}

static void each_of_many_receivers_has_its_own_deadline(void)
{
	init(1);
	crew_start(&crew, 3, 3, receive_late);
	crew_join(&crew);
	CHECK_EQ(send(1, 0), 0);
	CHECK_EQ(receive(), 1);
	CHECK_EQ(ell_chan_finish(&chan), 0);
}

/*
 * Waiting
 */

static unsigned taken;

static void receive_one(struct hand *hand)
{
	/* The first one waits at the port, with the mutex locked; the others queue for that. */
	if (hand->index > 0)
		WAIT_FOR(load_relaxed(&chan.ch_recv.mx_owner) && WAITERS(chan.ch_recv.mx_waiters) == hand->index - 1);
	CHECK_EQ(receive(), hand->index);
	fetch_add_acq_rel(&taken, 1);
}

static void receivers_are_served_in_the_order_in_which_they_came(void)
{
	init(1);
	crew_start(&crew, 3, 3, receive_one);
	WAIT_FOR(WAITERS(chan.ch_recv.mx_waiters) == crew.size - 1);
	CHECK_EQ(ell_chan_finish(&chan), EBUSY);
	for (unsigned i = 0; i < crew.size; i++)
		CHECK_EQ(send(i, ELL_FOREVER), 0);
	crew_join(&crew);
	CHECK_EQ(ell_chan_finish(&chan), 0);
}

static void send_one(struct hand *hand)
{
	if (hand->index > 0)
		WAIT_FOR(load_relaxed(&chan.ch_send.mx_owner) && WAITERS(chan.ch_send.mx_waiters) == hand->index - 1);
	CHECK_EQ(send(hand->index, ELL_FOREVER), 0);
	fetch_add_acq_rel(&taken, 1);
}

static void senders_are_served_in_the_order_in_which_they_came(void)
{
	init(1);
	CHECK_EQ(send(99, 0), 0);
	crew_start(&crew, 3, 3, send_one);
	WAIT_FOR(WAITERS(chan.ch_send.mx_waiters) == crew.size - 1);
	CHECK_EQ(ell_chan_finish(&chan), EBUSY);
	CHECK_EQ(load_acquire(&taken), 0);
	CHECK_EQ(receive(), 99);
	for (unsigned i = 0; i < crew.size; i++)
		CHECK_EQ(receive(), i);
	crew_join(&crew);
	CHECK_EQ(ell_chan_finish(&chan), 0);
}

/*
 * Close
 */

static void a_closed_channel_gives_what_is_left_and_then_EPIPE(void)
{
	init(4);
	CHECK_EQ(send(1, 0), 0);
	CHECK_EQ(send(2, 0), 0);
	CHECK_EQ(ell_chan_close(&chan), 0);
	CHECK_EQ(ell_chan_close(&chan), EPIPE);
	CHECK_EQ(send(3, ELL_FOREVER), EPIPE);
	CHECK_EQ(receive(), 1);
	CHECK_EQ(receive(), 2);
	CHECK_EQ(try_receive(), EPIPE);
	CHECK_EQ(try_receive(), EPIPE);
	CHECK_EQ(ell_chan_finish(&chan), 0);
}

static void finish_drops_what_nobody_has_received(void)
{
	init(4);
	CHECK_EQ(send(1, 0), 0);
	CHECK_EQ(ell_chan_finish(&chan), 0);
	init(4);
	CHECK_EQ(send(1, 0), 0);
	CHECK_EQ(ell_chan_close(&chan), 0);
	CHECK_EQ(ell_chan_finish(&chan), 0);
}

static void receive_the_end(struct hand *hand)
{
	uint64_t value;

	(void)hand;
	CHECK_EQ(ell_chan_recv(&chan, &value), EPIPE);
}

static void close_wakes_all_receivers(void)
{
	init(4);
	crew_start(&crew, 3, 3, receive_the_end);
	WAIT_FOR(WAITERS(chan.ch_recv.mx_waiters) == crew.size - 1);
	CHECK_EQ(ell_chan_close(&chan), 0);
	crew_join(&crew);
	CHECK_EQ(ell_chan_finish(&chan), 0);
}

static void send_to_the_end(struct hand *hand)
{
	CHECK_EQ(send(hand->index, ELL_FOREVER), EPIPE);
}

static void close_wakes_all_senders(void)
{
	init(1);
	CHECK_EQ(send(99, 0), 0);
	crew_start(&crew, 3, 3, send_to_the_end);
	WAIT_FOR(WAITERS(chan.ch_send.mx_waiters) == crew.size - 1);
	CHECK_EQ(ell_chan_close(&chan), 0);
	crew_join(&crew);
	CHECK_EQ(receive(), 99);
	CHECK_EQ(try_receive(), EPIPE);
	CHECK_EQ(ell_chan_finish(&chan), 0);
}

/*
 * Many at once
 */

enum { VALUES = 100000, HANDS = 8 };

static uint64_t sum_sent, sum_received, count_sent, count_received;
static unsigned senders_left;

/* A deadline in the past, a short one, or none. */
static ell_time some_deadline(struct hand *hand)
{
	switch (crew_random(hand, 4)) {
	case 0:
		return 0;
	case 1:
		return ell_after(crew_random(hand, 50) * ELL_USEC);
	default:
		return ELL_FOREVER;
	}
}

static void send_some(struct hand *hand)
{
	uint64_t last = 0, sent = 0;

	for (uint64_t i = 1; i <= VALUES / (HANDS / 2); i++) {
		int rc;

		while ((rc = send((uint64_t)hand->index << 32 | i, some_deadline(hand))) == ETIMEDOUT)
			ell_yield();
		CHECK_EQ(rc, 0);
		last += i;
		sent++;
	}
	fetch_add_relaxed(&sum_sent, last);
	fetch_add_relaxed(&count_sent, sent);
	if (fetch_sub_acq_rel(&senders_left, 1) == 1)
		CHECK_EQ(ell_chan_close(&chan), 0);
}

static void receive_all(struct hand *hand)
{
	uint64_t newest[HANDS] = {0};
	uint64_t sum = 0, received = 0;

	for (;;) {
		uint64_t value;
		int rc = ell_chan_recv_until(&chan, &value, some_deadline(hand));

		if (rc == ETIMEDOUT) {
			ell_yield();
			continue;
		}
		if (rc == EPIPE)
			break;
		CHECK_EQ(rc, 0);
		/* The values of one sender come to one receiver in their order. */
		CHECK(value >> 32 < HANDS && (uint32_t)value > newest[value >> 32]);
		newest[value >> 32] = (uint32_t)value;
		sum += (uint32_t)value;
		received++;
	}
	fetch_add_relaxed(&sum_received, sum);
	fetch_add_relaxed(&count_received, received);
}

static void send_or_receive(struct hand *hand)
{
	if (hand->index % 2)
		receive_all(hand);
	else
		send_some(hand);
}

static void all_to_all(size_t room)
{
	init(room);
	senders_left = HANDS / 2;
	crew_start(&crew, HANDS / 2, HANDS / 2, send_or_receive);
	crew_join(&crew);
	CHECK_EQ(count_sent, VALUES);
	CHECK_EQ(count_received, VALUES);
	CHECK_EQ(sum_sent, sum_received);
	CHECK_EQ(ell_chan_finish(&chan), 0);
}

static void all_to_all_room_for_one(void)
{
	all_to_all(1);
}

static void all_to_all_room_for_many(void)
{
	all_to_all(ROOM);
}

static void each_value_arrives_once_with_room_for_one(void)
{
	crew_run(2, all_to_all_room_for_one);
}

static void each_value_arrives_once_with_room_for_many(void)
{
	crew_run(2, all_to_all_room_for_many);
}

/* What send() said yes to arrives, and nothing else, whenever close comes. */
enum { CLOSES = 3000 };

static struct ell_barrier meeting;
static unsigned accepted, delivered;

static void use_until_closed(struct hand *hand)
{
	for (unsigned i = 0; i < CLOSES; i++) {
		uint64_t value = 0;

		if (hand->index == 0)
			init(1 + i % 3);
		ell_barrier_wait(&meeting);
		if (hand->index == 0) {
			ell_time until = ell_after(crew_random(hand, 40) * ELL_USEC);

			WAIT_FOR(ell_now() >= until);
			CHECK_EQ(ell_chan_close(&chan), 0);
		} else if (hand->index % 2) {
			while (ell_chan_send(&chan, &value) == 0)
				fetch_add_relaxed(&accepted, 1);
		} else {
			while (ell_chan_recv(&chan, &value) == 0)
				fetch_add_relaxed(&delivered, 1);
		}
		ell_barrier_wait(&meeting);
		if (hand->index == 0) {
			CHECK_EQ(load_relaxed(&accepted), load_relaxed(&delivered));
			CHECK_EQ(ell_chan_finish(&chan), 0);
		}
	}
}

static void close_at_any_time(void)
{
	CHECK_EQ(ell_barrier_init(&meeting, 5), 0);
	crew_start(&crew, 3, 2, use_until_closed);
	crew_join(&crew);
	CHECK_CAME(accepted > 0);
}

static void close_loses_no_value_that_was_sent(void)
{
	crew_run(2, close_at_any_time);
}

/*
 * A deadline in the past gets what is there, also while another receiver is busy: there is always a value for each of
 * those who ask, so none may hear that there is none.
 */
static void take_what_is_there(struct hand *hand)
{
	(void)hand;
	for (unsigned i = 0; i < VALUES / HANDS; i++) {
		uint64_t value = 1;

		CHECK_EQ(ell_chan_recv_until(&chan, &value, 0), 0);
		CHECK_EQ(ell_chan_send_until(&chan, &value, 0), 0);
	}
}

static void take_in_turn(void)
{
	init(2 * HANDS);
	for (unsigned i = 0; i < HANDS; i++)
		CHECK_EQ(send(i, 0), 0);
	crew_start(&crew, HANDS / 2, HANDS / 2, take_what_is_there);
	crew_join(&crew);
	for (unsigned i = 0; i < HANDS; i++)
		CHECK_EQ(try_receive(), 0);
	CHECK_EQ(try_receive(), ETIMEDOUT);
}

static void a_deadline_in_the_past_gets_what_is_there(void)
{
	crew_run(2, take_in_turn);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(no_room_and_no_size_are_errors, HARNESS_IN_RUN),
		HARNESS_CASE(without_a_runtime_there_is_no_channel),
		HARNESS_CASE(values_come_in_the_order_in_which_they_were_sent, HARNESS_IN_RUN),
		HARNESS_CASE(values_of_any_size_arrive_whole, HARNESS_IN_RUN),
		HARNESS_CASE(a_full_channel_keeps_the_senders_deadline, HARNESS_IN_RUN),
		HARNESS_CASE(an_empty_channel_keeps_the_receivers_deadline, HARNESS_IN_RUN),
		HARNESS_CASE(each_of_many_receivers_has_its_own_deadline, HARNESS_IN_RUN),
		HARNESS_CASE(receivers_are_served_in_the_order_in_which_they_came, HARNESS_IN_RUN),
		HARNESS_CASE(senders_are_served_in_the_order_in_which_they_came, HARNESS_IN_RUN),
		HARNESS_CASE(a_closed_channel_gives_what_is_left_and_then_EPIPE, HARNESS_IN_RUN),
		HARNESS_CASE(finish_drops_what_nobody_has_received, HARNESS_IN_RUN),
		HARNESS_CASE(close_wakes_all_receivers, HARNESS_IN_RUN),
		HARNESS_CASE(close_wakes_all_senders, HARNESS_IN_RUN),
		HARNESS_CASE(each_value_arrives_once_with_room_for_one),
		HARNESS_CASE(each_value_arrives_once_with_room_for_many),
		HARNESS_CASE(close_loses_no_value_that_was_sent),
		HARNESS_CASE(a_deadline_in_the_past_gets_what_is_there),
	};

	return harness_run("chan", cases, ARRAY_SIZE(cases), argc, argv);
}
