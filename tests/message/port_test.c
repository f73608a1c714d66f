/* SPDX-License-Identifier: BSD-2-Clause */
/* port_test.c - what <ellula/port.h> promises: order, one receiver, requests and their replies, upcalls */
#include <ellula/ops.h>
#include <ellula/port.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "message/others.h"

enum { MANY = 1000 };

static struct ell_port port, replies;
static struct ell_msg messages[MANY];

/* A request to PORT with code CODE; the reply goes to REPLY_TO, or stays with the message. */
static void request(struct ell_port *to, struct ell_msg *m, struct ell_port *reply_to, uint32_t code)
{
	ell_msg_init(m, reply_to, NULL);
	ell_msg_user(m, code, NULL);
	CHECK_EQ(ell_port_put(to, m), 0);
}

static struct ell_msg *get(struct ell_port *from)
{
	struct ell_msg *m = ell_port_wait(from, ELL_FOREVER);

	CHECK(m);
	return m;
}

/*
 * Order, waiting
 */

static void messages_leave_a_port_in_the_order_in_which_they_came(void)
{
	ell_port_init(&port, "requests");
	ell_port_init(&replies, "replies");
	/* Some are collected while others come. */
	for (uint32_t i = 0; i < MANY; i++) {
		request(&port, &messages[i], &replies, i);
		if (i % 3 == 2)
			CHECK_EQ(get(&port)->ms_opflags, i / 3);
	}
	for (uint32_t i = MANY / 3; i < MANY; i++)
		CHECK_EQ(get(&port)->ms_opflags, i);
	CHECK(!ell_port_get(&port));
	for (uint32_t i = 0; i < MANY; i++)
		ell_msg_reply(&messages[MANY - 1 - i], i);
	for (uint32_t i = 0; i < MANY; i++) {
		struct ell_msg *m = get(&replies);

		CHECK(m == &messages[MANY - 1 - i]);
		CHECK_EQ(m->ms_result, i);
	}
	CHECK_EQ(ell_port_finish(&port), 0);
	CHECK_EQ(ell_port_finish(&replies), 0);
}

static void an_empty_port_keeps_the_receivers_deadline(void)
{
	ell_time until = ell_after(3 * ELL_MSEC);
	struct ell_port *const both[] = {&port, &replies};

	ell_port_init(&port, "empty");
	ell_port_init(&replies, "empty, too");
	CHECK(!ell_port_get(&port));
	CHECK(!ell_port_wait(&port, 0));
	CHECK(!ell_port_wait(&port, -1));
	CHECK(!ell_port_wait(&port, ell_now()));
	CHECK(!ell_port_wait(&port, until));
	CHECK(ell_now() >= until);
	CHECK(!ell_port_wait_any(both, 2, 0, NULL));
	until = ell_after(3 * ELL_MSEC);
	CHECK(!ell_port_wait_any(both, 2, until, NULL));
	CHECK(ell_now() >= until);
	CHECK(!ell_port_wait_any(both, 0, ELL_FOREVER, NULL));
}

static void nop(struct ell_msg *m, struct ell_port *to)
{
	ell_msg_init(m, to, NULL);
	ell_msg_nop(m);
	CHECK_EQ(ell_msg_send(m), 0);
}

/* Takes what is left of M from the port, in whatever order it ended. */
static void take_others(struct ell_msg m[5], int but)
{
	bool taken[5] = {false};

	taken[but] = true;
	for (int left = 4; left > 0; left--) {
		const struct ell_msg *next = ell_port_wait(&port, ELL_FOREVER);

		CHECK(next >= m && next < m + 5 && !taken[next - m]);
		taken[next - m] = true;
	}
}

/* First, middle and last of those that are there, and one that is not there yet. */
static void one_message_can_be_waited_for_among_others(void)
{
	struct ell_msg m[5], sleep;

	ell_port_init(&port, "replies");
	for (int which = 0; which < 5; which++) {
		ell_msg_init(&sleep, &port, NULL);
		ell_msg_nanosleep(&sleep, 2 * ELL_MSEC);
		for (int i = 0; i < 5; i++)
			nop(&m[i], &port);
		CHECK_EQ(ell_msg_send(&sleep), 0);
		while (which % 2 && !ell_msg_poll(&m[4]))
			ell_yield();
		CHECK_EQ(ell_msg_wait(&m[which], ELL_FOREVER), 0);
		CHECK_EQ(ell_msg_wait(&sleep, ELL_FOREVER), 0);
		take_others(m, which);
		CHECK(!ell_port_get(&port));
	}
	CHECK_EQ(ell_port_finish(&port), 0);
}

/* What others put into the port meanwhile wakes the receiver, and changes nothing. */
static void who_waits_for_one_message_sleeps_through_others(void)
{
	struct ell_msg shorter[10], longest;

	ell_port_init(&port, "replies");
	ell_msg_init(&longest, &port, NULL);
	ell_msg_nanosleep(&longest, 12 * ELL_MSEC);
	CHECK_EQ(ell_msg_send(&longest), 0);
	for (int i = 0; i < 10; i++) {
		ell_msg_init(&shorter[i], &port, NULL);
		ell_msg_nanosleep(&shorter[i], (i + 1) * ELL_MSEC);
		CHECK_EQ(ell_msg_send(&shorter[i]), 0);
	}
	CHECK_EQ(ell_msg_wait(&longest, ELL_FOREVER), 0);
	for (int i = 0; i < 10; i++)
		CHECK(ell_port_get(&port) == &shorter[i]);
	CHECK_EQ(ell_port_finish(&port), 0);
}

enum { PORTS = 100 };

static struct ell_port ports[PORTS];
static struct ell_port *all[PORTS];

static void ports_init(void)
{
	for (int i = 0; i < PORTS; i++) {
		ell_port_init(&ports[i], "one of many");
		all[i] = &ports[i];
	}
}

static void of_several_ports_the_first_with_a_message_is_chosen(void)
{
	size_t which;

	ports_init();
	for (uint32_t i = PORTS; i-- > 0;)
		request(&ports[i], &messages[i], NULL, i);
	for (uint32_t i = 0; i < PORTS; i++) {
		CHECK(ell_port_wait_any(all, PORTS, i % 2 ? 0 : ELL_FOREVER, &which) == &messages[i]);
		CHECK_EQ(which, i);
	}
	CHECK(!ell_port_wait_any(all, PORTS, 0, &which));
	for (int i = 0; i < PORTS; i++)
		CHECK_EQ(ell_port_finish(&ports[i]), 0);
}

static void put_one(void *number)
{
	other_pause(ELL_MSEC);
	request(number, &messages[0], NULL, 7);
}

static void any_of_several_ports_wakes(void)
{
	static const size_t some[] = {0, 1, PORTS / 2, PORTS - 1};
	struct other other;
	size_t which;

	ports_init();
	for (size_t i = 0; i < WHERES * ARRAY_SIZE(some); i++) {
		size_t number = some[i / WHERES];

		other_start(&other, i % WHERES, put_one, &ports[number]);
		CHECK(ell_port_wait_any(all, PORTS, ELL_FOREVER, &which) == &messages[0]);
		CHECK_EQ(which, number);
		ell_msg_reply(&messages[0], 1);
		other_join(&other);
		CHECK_EQ(ell_msg_wait(&messages[0], 0), 0);
	}
	for (int i = 0; i < PORTS; i++)
		CHECK_EQ(ell_port_finish(&ports[i]), 0);
}

/* It does not matter, and above all does not spin. */
static void a_port_may_be_named_twice(void)
{
	struct ell_port *const twice[] = {&port, &replies, &port};
	struct other other;
	size_t which = 9;

	ell_port_init(&port, "twice");
	ell_port_init(&replies, "once");
	CHECK(!ell_port_wait_any(twice, 3, ell_after(ELL_MSEC), &which));
	other_start(&other, FOREIGN, put_one, &port);
	CHECK(ell_port_wait_any(twice, 3, ELL_FOREVER, &which) == &messages[0]);
	CHECK_EQ(which, 0);
	other_join(&other);
}

static void receive(void *from)
{
	CHECK_EQ(get(from)->ms_opflags, 7);
}

static void a_busy_port_cannot_be_finished(void)
{
	struct other other;

	ell_port_init(&port, "busy");
	request(&port, &messages[0], NULL, 0);
	CHECK_EQ(ell_port_finish(&port), -EBUSY);
	request(&port, &messages[1], NULL, 1);
	CHECK_EQ(get(&port)->ms_opflags, 0);
	/* The other one is collected. */
	CHECK_EQ(ell_port_finish(&port), -EBUSY);
	CHECK_EQ(get(&port)->ms_opflags, 1);

	for (int where = 0; where < WHERES; where++) {
		other_start(&other, where, receive, &port);
		while (!load_relaxed(&port.pt_receiver) || !load_relaxed(&port.pt_head))
			other_pause(100 * ELL_USEC);
		CHECK_EQ(ell_port_finish(&port), -EBUSY);
		request(&port, &messages[2], NULL, 7);
		other_join(&other);
	}
	CHECK_EQ(ell_port_finish(&port), 0);
}

/*
 * Requests
 */

enum { STOP = 1000000 };

/* Replies to each request with its code and one more; ends with STOP. */
static void serve(void *from)
{
	struct ell_msg *m;
	uint32_t code;

	do {
		m = get(from);
		code = m->ms_opflags;
		CHECK(!ell_msg_revoked(m));
		ell_msg_reply(m, code + 1);
	} while (code != STOP);
}

static void serve_stop(struct other *server)
{
	struct ell_msg m;

	request(&port, &m, NULL, STOP);
	CHECK_EQ(ell_msg_wait(&m, ELL_FOREVER), 0);
	other_join(server);
}

static void a_request_carries_data_and_gets_a_reply(void)
{
	struct other server;
	struct ell_msg m;

	ell_port_init(&port, "requests");
	ell_port_init(&replies, "replies");
	for (int where = 0; where < WHERES; where++) {
		NOTE("server %s", where_names[where]);
		other_start(&server, where, serve, &port);
		for (int i = 0; i < 300; i++) {
			request(&port, &m, i % 2 ? &replies : NULL, (uint32_t)i);
			if (i % 2 && i % 3)
				CHECK(get(&replies) == &m);
			else
				CHECK_EQ(ell_msg_wait(&m, ELL_FOREVER), 0);
			CHECK_EQ(m.ms_result, i + 1);
		}
		serve_stop(&server);
	}
	CHECK_EQ(ell_port_finish(&port), 0);
	CHECK_EQ(ell_port_finish(&replies), 0);
}

static void the_receiver_reads_what_the_sender_wrote(void)
{
	struct ell_msg m, *got;
	int data = 5;

	ell_port_init(&port, "own");
	ell_msg_init(&m, &port, "tag");
	ell_msg_user(&m, 42, &data);
	m.ms_fd = 1;
	m.ms_fd2 = 2;
	m.ms_addr2 = &port;
	m.ms_len = 3;
	m.ms_off = UINT64_MAX;
	CHECK_EQ(ell_port_put(&port, &m), 0);
	got = ell_port_get(&port);
	CHECK(got == &m);
	CHECK_EQ(got->ms_opflags, 42);
	CHECK(got->ms_addr == &data && got->ms_addr2 == &port);
	CHECK(got->ms_fd == 1 && got->ms_fd2 == 2 && got->ms_len == 3 && got->ms_off == UINT64_MAX);
	/* The port is its reply port as well: now it comes as the reply. */
	ell_msg_reply(got, -EIO);
	CHECK(ell_port_get(&port) == &m);
	CHECK_EQ(m.ms_result, -EIO);
	CHECK_STR(m.ms_tag, "tag");
	CHECK_EQ(ell_msg_revoke(&m), -EINVAL);
	CHECK_EQ(ell_port_finish(&port), 0);
}

enum { WRITERS = 9, EACH = 2000, WINDOW = 8 };

struct writer {
	struct other other;
	struct ell_port replies;
	uint32_t number;
	uint32_t expected;
};

static struct writer writers[WRITERS];

static void write_requests(void *arg)
{
	struct writer *w = arg;
	struct ell_msg m[WINDOW];
	uint32_t sent = 0, got = 0;

	ell_port_init(&w->replies, "a writer's replies");
	while (got < EACH) {
		while (sent < EACH && sent < got + WINDOW) {
			ell_msg_init(&m[sent % WINDOW], &w->replies, w);
			ell_msg_user(&m[sent % WINDOW], w->number, w);
			m[sent % WINDOW].ms_len = sent;
			CHECK_EQ(ell_port_put(&port, &m[sent % WINDOW]), 0);
			sent++;
		}
		CHECK(get(&w->replies) == &m[got % WINDOW]);
		CHECK(m[got % WINDOW].ms_tag == w);
		CHECK_EQ(m[got % WINDOW].ms_result, got);
		got++;
	}
	CHECK_EQ(ell_port_finish(&w->replies), 0);
}

/* The requests of each writer arrive in order, whatever the others do. */
static void many_writers_reach_one_receiver(void)
{
	ell_port_init(&port, "requests");
	for (uint32_t i = 0; i < WRITERS; i++) {
		writers[i].number = i;
		other_start(&writers[i].other, i % WHERES, write_requests, &writers[i]);
	}
	for (int i = 0; i < WRITERS * EACH; i++) {
		struct ell_msg *m = get(&port);
		struct writer *w = m->ms_addr;

		CHECK_EQ(m->ms_opflags, w->number);
		CHECK_EQ(m->ms_len, w->expected);
		w->expected++;
		ell_msg_reply(m, (int64_t)m->ms_len);
	}
	for (int i = 0; i < WRITERS; i++)
		other_join(&writers[i].other);
	CHECK(!ell_port_get(&port));
	CHECK_EQ(ell_port_finish(&port), 0);
}

static void a_request_can_be_waited_for_in_vain(void)
{
	struct ell_msg m;

	ell_port_init(&port, "requests");
	ell_port_init(&replies, "replies");
	for (int i = 0; i < 2; i++) {
		request(&port, &m, i ? &replies : NULL, 1);
		CHECK_EQ(ell_msg_wait(&m, 0), -ETIMEDOUT);
		CHECK_EQ(ell_msg_wait(&m, ell_after(ELL_MSEC)), -ETIMEDOUT);
		CHECK(get(&port) == &m);
		CHECK_EQ(ell_msg_wait(&m, ell_after(ELL_MSEC)), -ETIMEDOUT);
		CHECK(!ell_msg_poll(&m));
		ell_msg_reply(&m, 9);
		CHECK(ell_msg_poll(&m));
		CHECK_EQ(ell_msg_wait(&m, 0), 0);
		CHECK_EQ(m.ms_result, 9);
	}
}

static void a_request_revoked_in_the_port_never_reaches_its_receiver(void)
{
	struct ell_msg m[3];

	ell_port_init(&port, "requests");
	ell_port_init(&replies, "replies");
	for (uint32_t i = 0; i < 3; i++)
		request(&port, &m[i], &replies, i);
	CHECK_EQ(ell_msg_revoke(&m[1]), 0);
	CHECK_EQ(ell_msg_revoke(&m[1]), -EALREADY);
	CHECK(ell_port_get(&port) == &m[0]);
	CHECK(ell_port_get(&port) == &m[2]);
	CHECK(!ell_port_get(&port));
	CHECK(ell_port_get(&replies) == &m[1]);
	CHECK_EQ(m[1].ms_result, -ECANCELED);
	CHECK(!ell_port_get(&replies));

	/* A receiver that is left with nothing goes on waiting. */
	request(&port, &m[1], &replies, 1);
	CHECK_EQ(ell_msg_revoke(&m[1]), 0);
	CHECK(!ell_port_wait(&port, ell_after(ELL_MSEC)));
	CHECK(ell_port_get(&replies) == &m[1]);
	CHECK_EQ(m[1].ms_result, -ECANCELED);
	CHECK_EQ(ell_port_finish(&port), 0);
}

static void the_receiver_of_a_revoked_request_decides(void)
{
	struct ell_msg m;

	ell_port_init(&port, "requests");
	for (int i = 0; i < 2; i++) {
		request(&port, &m, NULL, 1);
		CHECK(!ell_msg_revoked(&m));
		CHECK(ell_port_get(&port) == &m);
		CHECK(!ell_msg_revoked(&m));
		CHECK_EQ(ell_msg_revoke(&m), 0);
		CHECK(ell_msg_revoked(&m));
		CHECK_EQ(ell_msg_revoke(&m), -EALREADY);
		CHECK(!ell_msg_poll(&m));
		ell_msg_reply(&m, i ? 5 : -ECANCELED);
		CHECK_EQ(ell_msg_revoke(&m), -EALREADY);
		CHECK_EQ(ell_msg_wait(&m, ELL_FOREVER), 0);
		CHECK_EQ(m.ms_result, i ? 5 : -ECANCELED);
	}
	CHECK_EQ(ell_port_finish(&port), 0);
}

/*
 * Upcalls
 */

static unsigned calls;

static void count_calls(struct ell_port *of, void *arg)
{
	CHECK(of == &port && arg == &calls);
	calls++;
}

static void an_upcall_comes_when_a_port_is_not_empty_any_more(void)
{
	ell_port_init(&port, "upcalls");
	ell_port_upcall(&port, count_calls, &calls);
	for (uint32_t i = 0; i < 3; i++)
		request(&port, &messages[i], NULL, i);
	CHECK_EQ(calls, 1);
	for (int i = 0; i < 3; i++)
		CHECK(ell_port_get(&port) == &messages[i]);
	CHECK_EQ(calls, 1);
	request(&port, &messages[3], NULL, 3);
	CHECK_EQ(calls, 2);
	CHECK(ell_port_get(&port) == &messages[3]);
	ell_port_upcall(&port, NULL, NULL);
	request(&port, &messages[4], NULL, 4);
	CHECK_EQ(calls, 2);
	CHECK(ell_port_get(&port) == &messages[4]);
	CHECK_EQ(ell_port_finish(&port), 0);
}

enum { IN_ALL = 20000, AT_ONCE = 16 };

static struct {
	struct ell_msg nops[AT_ONCE], sleep, request;
	unsigned sent;
	unsigned replied, revoked; /* also read while the upcall runs elsewhere */
	ell_thread parked;
} machine;

/* A program of upcalls alone: each reply sends the next message. */
static void machine_turn(struct ell_port *of, void *unused)
{
	struct ell_msg *m;

	(void)unused;
	while ((m = ell_port_get(of))) {
		if (m == &machine.sleep) {
			CHECK_EQ(m->ms_result, -ECANCELED);
			count_up(&machine.revoked, 1);
			/* The end of the runtime revokes it once more, and takes no more. */
			int error = ell_msg_send(m);

			CHECK(error == 0 || error == -ESHUTDOWN);
		} else if (m == &machine.request) {
			ell_msg_reply(m, machine.replied);
		} else {
			CHECK_EQ(m->ms_result, 0);
			if (machine.sent < IN_ALL) {
				machine.sent++;
				CHECK_EQ(ell_msg_send(m), 0);
			}
			store_release(&machine.replied, machine.replied + 1);
			if (machine.replied == IN_ALL)
				ell_unpark(machine.parked);
			if (machine.replied % 10 == 0)
				CHECK(ell_msg_revoke(&machine.sleep) != -EINVAL);
		}
	}
}

static void an_upcall_may_get_send_revoke_reply_and_unpark(void)
{
	ell_port_init(&port, "machine");
	ell_port_upcall(&port, machine_turn, NULL);
	machine.parked = ell_self();
	ell_msg_init(&machine.sleep, &port, NULL);
	ell_msg_timer(&machine.sleep, ELL_FOREVER);
	CHECK_EQ(ell_msg_send(&machine.sleep), 0);
	machine.sent = AT_ONCE;
	for (int i = 0; i < AT_ONCE; i++)
		nop(&machine.nops[i], &port);
	while (load_acquire(&machine.replied) < IN_ALL)
		ell_park();
	CHECK_EQ(machine.sent, IN_ALL);
	CHECK_CAME(load_relaxed(&machine.revoked) > 0);

	request(&port, &machine.request, NULL, 0);
	CHECK_EQ(ell_msg_wait(&machine.request, ELL_FOREVER), 0);
	CHECK_EQ(machine.request.ms_result, IN_ALL);
}

static uint32_t inside;
static unsigned taken;

static void take_alone(struct ell_port *of, void *unused)
{
	struct ell_msg *m;

	(void)unused;
	CHECK_EQ(fetch_add_acq_rel(&inside, 1), 0);
	while ((m = ell_port_get(of))) {
		taken++;
		ell_msg_reply(m, (int64_t)m->ms_len);
	}
	CHECK_EQ(fetch_sub_acq_rel(&inside, 1), 1);
}

/* Wherever the messages are put, one upcall of a port runs at a time, and none is forgotten. */
static void upcalls_of_one_port_do_not_meet(void)
{
	ell_port_init(&port, "one at a time");
	ell_port_upcall(&port, take_alone, NULL);
	for (uint32_t i = 0; i < WRITERS; i++) {
		writers[i].number = i;
		other_start(&writers[i].other, i % WHERES, write_requests, &writers[i]);
	}
	for (int i = 0; i < WRITERS; i++)
		other_join(&writers[i].other);
	CHECK_EQ(taken, WRITERS * EACH);
	CHECK_EQ(ell_port_finish(&port), 0);
}

/* The reply comes at once, while the upcall runs: it runs again afterwards, not inside itself. */
static void put_once_more(struct ell_port *of, void *unused)
{
	(void)unused;
	CHECK_EQ(fetch_add_acq_rel(&inside, 1), 0);
	if (++taken < MANY) {
		struct ell_msg *m = ell_port_get(of);

		CHECK(m);
		request(of, m == &messages[0] ? &messages[1] : &messages[0], NULL, 0);
		ell_msg_reply(m, 0);
		CHECK_EQ(ell_msg_wait(m, 0), 0);
	}
	CHECK_EQ(fetch_sub_acq_rel(&inside, 1), 1);
}

static void an_upcall_does_not_run_inside_itself(void)
{
	ell_port_init(&port, "again and again");
	ell_port_upcall(&port, put_once_more, NULL);
	request(&port, &messages[0], NULL, 0);
	CHECK_EQ(taken, MANY);
}

static void finish_in_upcall(struct ell_port *of, void *unused)
{
	struct ell_msg *m = ell_port_get(of);

	(void)unused;
	CHECK_EQ(ell_port_finish(of), -EBUSY);
	taken++;
	ell_msg_reply(m, 0);
	CHECK_EQ(ell_port_finish(of), -EBUSY);
}

static void a_port_outlives_its_upcall(void)
{
	ell_port_init(&port, "to be finished");
	ell_port_upcall(&port, finish_in_upcall, NULL);
	request(&port, &messages[0], NULL, 0);
	CHECK_EQ(taken, 1);
	CHECK_EQ(ell_msg_wait(&messages[0], 0), 0);
	CHECK_EQ(ell_port_finish(&port), 0);
}

static void wait_in_upcall(struct ell_port *of, void *unused)
{
	struct ell_msg m;

	(void)of;
	(void)unused;
	ell_msg_init(&m, NULL, NULL);
	ell_msg_nanosleep(&m, ELL_SEC);
	ell_msg_do(&m);
}

static void yield_in_upcall(struct ell_port *of, void *unused)
{
	(void)of;
	(void)unused;
	ell_yield();
}

static void put_seven(void *unused)
{
	(void)unused;
	request(&port, &messages[0], NULL, 7);
}

static void waiting_in_an_upcall_of_the_scheduler_aborts(void)
{
	ell_port_init(&port, "upcalls");
	ell_port_upcall(&port, wait_in_upcall, NULL);
	ell_msg_init(&messages[0], &port, NULL);
	ell_msg_nanosleep(&messages[0], ELL_MSEC);
	CHECK_EQ(ell_msg_send(&messages[0]), 0);
	other_pause(ELL_SEC);
}

static void waiting_in_an_upcall_of_a_thread_aborts(void)
{
	ell_port_init(&port, "upcalls");
	ell_port_upcall(&port, wait_in_upcall, NULL);
	put_seven(NULL);
}

static void waiting_in_an_upcall_of_a_foreign_thread_aborts(void)
{
	struct other other;

	ell_port_init(&port, "upcalls");
	ell_port_upcall(&port, wait_in_upcall, NULL);
	other_start(&other, FOREIGN, put_seven, NULL);
	other_join(&other);
}

static void yielding_in_an_upcall_aborts(void)
{
	struct other other;

	ell_port_init(&port, "upcalls");
	ell_port_upcall(&port, yield_in_upcall, NULL);
	other_start(&other, HERE, put_seven, NULL);
	other_join(&other);
}

/*
 * Bad use
 */

static void two_receivers_at_once_abort(void)
{
	struct other other;

	ell_port_init(&port, "contested");
	other_start(&other, HERE, receive, &port);
	other_pause(ELL_MSEC);
	ell_port_get(&port);
}

static void putting_into_a_finished_port_aborts(void)
{
	ell_port_init(&port, "done with");
	CHECK_EQ(ell_port_finish(&port), 0);
	put_seven(NULL);
}

static void receiving_from_a_finished_port_aborts(void)
{
	ell_port_init(&port, "done with");
	CHECK_EQ(ell_port_finish(&port), 0);
	ell_port_get(&port);
}

static void finishing_twice_aborts(void)
{
	ell_port_init(&port, "done with");
	CHECK_EQ(ell_port_finish(&port), 0);
	ell_port_finish(&port);
}

static void replying_into_a_finished_port_aborts(void)
{
	ell_port_init(&port, "requests");
	ell_port_init(&replies, "done with");
	request(&port, &messages[0], &replies, 1);
	CHECK_EQ(ell_port_finish(&replies), 0);
	ell_msg_reply(get(&port), 0);
}

static void a_port_that_was_never_made_aborts(void)
{
	ell_port_get(&port);
}

static void a_reply_port_that_was_never_made_aborts(void)
{
	nop(&messages[0], &port);
	other_pause(ELL_SEC);
}

static void replying_to_ones_own_message_aborts(void)
{
	ell_msg_init(&messages[0], NULL, NULL);
	ell_msg_user(&messages[0], 1, NULL);
	ell_msg_reply(&messages[0], 0);
}

static void replying_before_receiving_aborts(void)
{
	ell_port_init(&port, "requests");
	put_seven(NULL);
	ell_msg_reply(&messages[0], 0);
}

static void replying_twice_aborts(void)
{
	ell_port_init(&port, "requests");
	put_seven(NULL);
	ell_msg_reply(get(&port), 0);
	ell_msg_reply(&messages[0], 0);
}

static void replying_to_what_the_kernel_has_aborts(void)
{
	ell_msg_init(&messages[0], NULL, NULL);
	ell_msg_timer(&messages[0], ELL_FOREVER);
	CHECK_EQ(ell_msg_send(&messages[0]), 0);
	ell_msg_reply(&messages[0], 0);
}

static void putting_what_is_in_hand_aborts(void)
{
	ell_port_init(&port, "requests");
	put_seven(NULL);
	ell_port_put(&port, get(&port));
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE_ON_1_AND_2(messages_leave_a_port_in_the_order_in_which_they_came),
		HARNESS_CASE_ON_1_AND_2(an_empty_port_keeps_the_receivers_deadline),
		HARNESS_CASE_ON_1_AND_2(one_message_can_be_waited_for_among_others),
		HARNESS_CASE_ON_1_AND_2(who_waits_for_one_message_sleeps_through_others),
		HARNESS_CASE(of_several_ports_the_first_with_a_message_is_chosen, HARNESS_IN_RUN),
		HARNESS_CASE_ON_1_AND_2(any_of_several_ports_wakes),
		HARNESS_CASE_ON_1_AND_2(a_port_may_be_named_twice),
		HARNESS_CASE_ON_1_AND_2(a_busy_port_cannot_be_finished),

		HARNESS_CASE_ON_1_AND_2(a_request_carries_data_and_gets_a_reply),
		HARNESS_CASE(the_receiver_reads_what_the_sender_wrote, HARNESS_IN_RUN),
		HARNESS_CASE_ON_1_AND_2(many_writers_reach_one_receiver),
		HARNESS_CASE_ON_1_AND_2(a_request_can_be_waited_for_in_vain),
		HARNESS_CASE(a_request_revoked_in_the_port_never_reaches_its_receiver, HARNESS_IN_RUN),
		HARNESS_CASE(the_receiver_of_a_revoked_request_decides, HARNESS_IN_RUN),

		HARNESS_CASE(an_upcall_comes_when_a_port_is_not_empty_any_more, HARNESS_IN_RUN),
		HARNESS_CASE_ON_1_AND_2(an_upcall_may_get_send_revoke_reply_and_unpark),
		HARNESS_CASE_ON_1_AND_2(upcalls_of_one_port_do_not_meet),
		HARNESS_CASE(an_upcall_does_not_run_inside_itself, HARNESS_IN_RUN),
		HARNESS_CASE(a_port_outlives_its_upcall, HARNESS_IN_RUN),
		HARNESS_CASE(waiting_in_an_upcall_of_the_scheduler_aborts, HARNESS_IN_RUN,
			     HARNESS_DIES("was called from an upcall")),
		HARNESS_CASE(waiting_in_an_upcall_of_a_thread_aborts, HARNESS_IN_RUN,
			     HARNESS_DIES("was called from an upcall")),
		HARNESS_CASE(waiting_in_an_upcall_of_a_foreign_thread_aborts, HARNESS_IN_RUN,
			     HARNESS_DIES("was called from an upcall")),
		HARNESS_CASE(yielding_in_an_upcall_aborts, HARNESS_IN_RUN, HARNESS_DIES("was called from an upcall")),

		HARNESS_CASE(two_receivers_at_once_abort, HARNESS_IN_RUN, HARNESS_DIES("\"contested\": threads")),
		HARNESS_CASE(putting_into_a_finished_port_aborts, HARNESS_IN_RUN,
			     HARNESS_DIES("\"done with\" is used after it was finished")),
		HARNESS_CASE(receiving_from_a_finished_port_aborts, HARNESS_IN_RUN,
			     HARNESS_DIES("\"done with\" is used after it was finished")),
		HARNESS_CASE(finishing_twice_aborts, HARNESS_DIES("\"done with\" is used after it was finished")),
		HARNESS_CASE(replying_into_a_finished_port_aborts, HARNESS_IN_RUN,
			     HARNESS_DIES("\"done with\" is used after it was finished")),
		HARNESS_CASE(a_port_that_was_never_made_aborts, HARNESS_IN_RUN, HARNESS_DIES("is not a port")),
		HARNESS_CASE(a_reply_port_that_was_never_made_aborts, HARNESS_IN_RUN, HARNESS_DIES("is not a port")),
		HARNESS_CASE(replying_to_ones_own_message_aborts, HARNESS_DIES("is idle")),
		HARNESS_CASE(replying_before_receiving_aborts, HARNESS_IN_RUN,
			     HARNESS_DIES("replying to what is no request in hand")),
		HARNESS_CASE(replying_twice_aborts, HARNESS_IN_RUN,
			     HARNESS_DIES("is replied, and its reply not taken")),
		HARNESS_CASE(replying_to_what_the_kernel_has_aborts, HARNESS_IN_RUN, HARNESS_DIES("is sent")),
		HARNESS_CASE(putting_what_is_in_hand_aborts, HARNESS_IN_RUN,
			     HARNESS_DIES("is in its receiver's hands")),
	};

	return harness_run("port", cases, ARRAY_SIZE(cases), argc, argv);
}
