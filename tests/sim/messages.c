/* SPDX-License-Identifier: BSD-2-Clause */
/* messages.c - scenarios: every message gets exactly one reply, whoever revokes it */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "sim.h"
#include "sys/sys.h"

enum { MESSAGES_MAX = 8 };

/* Replies to one port, of all kinds, some revoked by another thread. */

static struct ell_msg flock[MESSAGES_MAX];
static unsigned flock_size, asked[MESSAGES_MAX];
static unsigned revoking_done, flock_over;
static int pipe_fds[2];
static char bytes[MESSAGES_MAX];

static void prepare(struct ell_msg *m, unsigned i)
{
	switch (any(0, 3)) {
	case 0:
		ell_msg_nop(m);
		break;
	case 1:
		ell_msg_nanosleep(m, any(0, 200) * ELL_USEC);
		break;
	case 2:
		ell_msg_read(m, pipe_fds[0], &bytes[i], 1, -1);
		break;
	default:
		ell_msg_poll_fd(m, pipe_fds[1], POLLOUT);
		break;
	}
}

static void *revoke_some(void *unused)
{
	(void)unused;
	while (!load_acquire(&flock_over)) {
		unsigned i = any(0, flock_size - 1);
		int error;

		store_release(&asked[i], 1);
		error = ell_msg_revoke(&flock[i]);
		CHECK(error == 0 || error == -EALREADY || error == -EINVAL);
		if (any(0, 1))
			ell_sleep_until(ell_after(any(0, 50) * ELL_USEC));
		else
			ell_yield();
	}
	store_release(&revoking_done, 1);
	return NULL;
}

static int revoke_main(void *unused)
{
	unsigned replies[MESSAGES_MAX] = {0}, rounds = any(1, 6);
	struct ell_port port;
	ell_thread helper;
	char byte = 'x';

	(void)unused;
	flock_size = any(1, MESSAGES_MAX);
	ell_port_init(&port, "replies");
	CHECK(sys.pipe2(pipe_fds, 0) == 0);
	for (unsigned i = 0; i < flock_size; i++)
		ell_msg_init(&flock[i], &port, &replies[i]);
	helper = start(revoke_some, NULL);
	for (unsigned round = 0; round < rounds; round++) {
		unsigned out = 0;

		for (unsigned i = 0; i < flock_size; i++) {
			prepare(&flock[i], i);
			CHECK(ell_msg_send(&flock[i]) == 0);
			out++;
		}
		while (out > 0) {
			struct ell_msg *m = ell_port_wait(&port, ell_after(300 * ELL_USEC));

			if (!m) {
				/* Readers may wait for what nobody writes; or there are none, and the pipe is full. */
				ell_write_until(pipe_fds[1], &byte, 1, ell_after(100 * ELL_USEC));
				continue;
			}
			out--;
			++*(unsigned *)m->ms_tag;
			CHECK(m->ms_result >= 0 || m->ms_result == -EINTR ||
			      (m->ms_result == -ECANCELED && load_acquire(&asked[m - flock])));
		}
		for (unsigned i = 0; i < flock_size; i++)
			CHECK(replies[i] == round + 1);
		CHECK(ell_port_get(&port) == NULL);
	}
	store_release(&flock_over, 1);
	CHECK(ell_join(helper, NULL) == 0);
	CHECK(ell_port_finish(&port) == 0);
	CHECK(ell_close(pipe_fds[0]) == 0 && ell_close(pipe_fds[1]) == 0);
	return 0;
}

/* A message used again and again, each time given up at a deadline: no cancel hits a later use. */

static void *give_up(void *unused)
{
	struct ell_msg m;

	(void)unused;
	ell_msg_init(&m, NULL, NULL);
	for (unsigned i = 0; i < 8; i++) {
		int64_t result;

		if (i % 2 == 0) {
			ell_msg_poll_fd(&m, pipe_fds[0], POLLIN);
			result = ell_msg_do_until(&m, ell_after(any(0, 30) * ELL_USEC));
			CHECK(result == -ETIMEDOUT);
		} else {
			/* Nobody revokes this one. */
			ell_msg_poll_fd(&m, pipe_fds[1], POLLOUT);
			CHECK(ell_msg_do(&m) > 0);
		}
	}
	return NULL;
}

static int again_main(void *unused)
{
	(void)unused;
	CHECK(sys.pipe2(pipe_fds, 0) == 0);
	crew(any(1, 3), give_up);
	CHECK(ell_close(pipe_fds[0]) == 0 && ell_close(pipe_fds[1]) == 0);
	return 0;
}

/* Who sends may be on another LWP when it looks for the reply: whoever sees that it is there sees the result. */

static void *send_and_move(void *unused)
{
	struct ell_msg m[2];

	(void)unused;
	for (unsigned i = 0; i < 6; i++) {
		for (unsigned k = 0; k < 2; k++) {
			ell_msg_init(&m[k], NULL, NULL);
			ell_msg_poll_fd(&m[k], pipe_fds[1], POLLOUT);
			CHECK(ell_msg_send(&m[k]) == 0);
		}
		ell_yield();
		for (unsigned k = 0; k < 2; k++) {
			while (any(0, 3) && !ell_msg_poll(&m[k]))
				ell_yield();
			CHECK(ell_msg_wait(&m[k], ELL_FOREVER) == 0);
			CHECK(m[k].ms_result > 0);
		}
	}
	return NULL;
}

static int moved_main(void *unused)
{
	(void)unused;
	CHECK(sys.pipe2(pipe_fds, 0) == 0);
	crew(any(2, 4), send_and_move);
	CHECK(ell_close(pipe_fds[0]) == 0 && ell_close(pipe_fds[1]) == 0);
	return 0;
}

/* Requests from thread to thread, some revoked; the server answers each once. */

static struct ell_port requests;
static unsigned served, clients;

static void *serve(void *unused)
{
	(void)unused;
	while (load_acquire(&clients) > 0) {
		struct ell_msg *m = ell_port_wait(&requests, ell_after(100 * ELL_USEC));

		if (!m) {
			ell_yield();
			continue;
		}
		if (any(0, 3) == 0)
			ell_yield();
		served++;
		ell_msg_reply(m, 7);
	}
	CHECK(ell_port_get(&requests) == NULL);
	return NULL;
}

static void *ask(void *unused)
{
	struct ell_port replies;
	struct ell_msg m[2];

	(void)unused;
	ell_port_init(&replies, "client");
	for (unsigned i = 0; i < 6; i++) {
		for (unsigned k = 0; k < 2; k++) {
			ell_msg_init(&m[k], &replies, &m[k]);
			ell_msg_user(&m[k], 0, NULL);
			CHECK(ell_port_put(&requests, &m[k]) == 0);
		}
		if (any(0, 2) == 0)
			ell_msg_revoke(&m[any(0, 1)]);
		for (unsigned k = 0; k < 2; k++) {
			struct ell_msg *reply = ell_port_wait(&replies, ELL_FOREVER);

			CHECK(reply && reply->ms_tag == reply);
			CHECK(reply->ms_result == 7 || reply->ms_result == -ECANCELED);
		}
	}
	CHECK(ell_port_finish(&replies) == 0);
	fetch_sub_acq_rel(&clients, 1);
	return NULL;
}

static void *ask_or_serve(void *arg)
{
	return arg ? ask(arg) : serve(arg);
}

static int ports_main(void *unused)
{
	(void)unused;
	clients = any(1, 4);
	ell_port_init(&requests, "server");
	crew(clients + 1, ask_or_serve);
	CHECK(ell_port_finish(&requests) == 0);
	return 0;
}

/* The upcall of a port: on one LWP at a time, and all messages get through it. */

static struct ell_port upcalled;
static unsigned in_upcall, upcall_got;

static void on_reply(struct ell_port *port, void *unused)
{
	struct ell_msg *m;

	(void)unused;
	CHECK(fetch_add_acq_rel(&in_upcall, 1) == 0);
	while ((m = ell_port_get(port)) != NULL) {
		*(unsigned *)m->ms_tag += 1;
		fetch_add_acq_rel(&upcall_got, 1);
	}
	CHECK(fetch_sub_acq_rel(&in_upcall, 1) == 1);
}

static void *send_to_upcall(void *unused)
{
	unsigned got[3] = {0};
	struct ell_msg m[3];

	(void)unused;
	for (unsigned i = 0; i < 3; i++) {
		ell_msg_init(&m[i], &upcalled, &got[i]);
		if (any(0, 1))
			ell_msg_nop(&m[i]);
		else
			ell_msg_nanosleep(&m[i], any(0, 50) * ELL_USEC);
		CHECK(ell_msg_send(&m[i]) == 0);
	}
	for (unsigned i = 0; i < 3; i++) {
		while (load_acquire(&got[i]) == 0)
			nap(20);
	}
	return NULL;
}

static int upcall_main(void *unused)
{
	unsigned count = any(1, 4);

	(void)unused;
	ell_port_init(&upcalled, "upcalled");
	ell_port_upcall(&upcalled, on_reply, NULL);
	crew(count, send_to_upcall);
	while (load_acquire(&upcall_got) != 3 * count)
		ell_yield();
	while (ell_port_finish(&upcalled) == EBUSY || load_relaxed(&upcalled.pt_calls))
		ell_yield();
	return 0;
}

/* Several ports at once, from threads and from a foreign kernel thread. */

static struct ell_port many[3];
static unsigned senders;

static void put_some(void *unused)
{
	struct ell_port replies;
	struct ell_msg m;

	(void)unused;
	ell_port_init(&replies, "sender");
	for (unsigned i = 0; i < 5; i++) {
		ell_msg_init(&m, &replies, NULL);
		ell_msg_user(&m, 0, NULL);
		CHECK(ell_port_put(&many[any(0, 2)], &m) == 0);
		CHECK(ell_port_wait(&replies, ELL_FOREVER) == &m && m.ms_result == 3);
	}
	fetch_sub_acq_rel(&senders, 1);
}

static void *put_some_thread(void *arg)
{
	put_some(arg);
	return NULL;
}

static int any_port_main(void *unused)
{
	struct ell_port *const ports[3] = {&many[0], &many[1], &many[2]};
	ell_thread others[3];
	unsigned count = any(1, 3);

	(void)unused;
	senders = count + 1;
	for (unsigned i = 0; i < 3; i++)
		ell_port_init(&many[i], "one of many");
	sim_foreign("foreign", put_some, NULL);
	for (unsigned i = 0; i < count; i++)
		others[i] = start(put_some_thread, NULL);
	while (load_acquire(&senders) > 0) {
		size_t which = 9;
		struct ell_msg *m = ell_port_wait_any(ports, 3, ell_after(200 * ELL_USEC), &which);

		if (!m) {
			ell_yield();
			continue;
		}
		CHECK(which < 3);
		ell_msg_reply(m, 3);
		/* A second sender may still have the ticket of the sleep that the first one ended. */
		if (any(0, 1)) {
			ell_time until = ell_after(any(1, 20) * ELL_USEC);

			ell_sleep_until(until);
			CHECK(ell_now() >= until);
		}
	}
	for (unsigned i = 0; i < count; i++)
		CHECK(ell_join(others[i], NULL) == 0);
	for (unsigned i = 0; i < 3; i++)
		CHECK(ell_port_finish(&many[i]) == 0);
	return 0;
}

/* Timers of a foreign kernel thread are on the first vCPU's wheel, which may be about to sleep. */

static ell_thread waits_for_timers;

static void use_timers(void *unused)
{
	struct ell_msg m;

	(void)unused;
	ell_msg_init(&m, NULL, NULL);
	for (unsigned i = 0; i < 4; i++) {
		ell_msg_nanosleep(&m, any(1, 100) * ELL_USEC);
		CHECK(ell_msg_do(&m) == 0);
	}
	CHECK(ell_unpark(waits_for_timers) == 0);
}

static int foreign_timer_main(void *unused)
{
	(void)unused;
	waits_for_timers = ell_self();
	sim_foreign("foreign", use_timers, NULL);
	ell_park();
	return 0;
}

const struct scenario messages[] = {
	{.name = "revoke", .main_fn = revoke_main, .faults = FAULTS_CALLS},
	{.name = "again", .main_fn = again_main},
	{.name = "moved", .main_fn = moved_main, .vcpus = 2},
	{.name = "ports", .main_fn = ports_main},
	{.name = "upcall", .main_fn = upcall_main},
	{.name = "wait_any", .main_fn = any_port_main},
	{.name = "foreign_timer", .main_fn = foreign_timer_main},
	{.name = NULL},
};
