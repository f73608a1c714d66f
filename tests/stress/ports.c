/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ports.c - threads everywhere send one another requests, hold, reply and revoke them, and wait in every way there is
 *
 * Each node is a thread with two ports, one for the requests of others and one for the replies to its own. Between two
 * requests a message serves as a sleep, so that it is now a kernel port's and now another thread's. Somebody revokes
 * whatever there is. Whatever happens, a message has one reply, with the tag of its sending, and no request is seen
 * twice or lost.
 *
 * ELLULA_STRESS=n in the environment asks for n messages.
 */
#include <ellula/ops.h>
#include <ellula/port.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "message/others.h"

enum { NODES = 6, SLOTS = 16, HOLD = 5 };

struct slot {
	struct ell_msg m;
	bool out;
	bool is_sleep;
	uint64_t serial;
	ell_time due;
	uint32_t received; /* how often a receiver has had it in hand: its */
};

struct node {
	struct other other;
	struct ell_port requests, replies;
	struct slot slots[SLOTS];
	struct ell_msg *held[HOLD];
	unsigned holds;
	unsigned out;
	uint64_t random;
	uint64_t sent, replied, cancelled;
};

static struct node nodes[NODES];
static uint64_t each;
static uint32_t finished, over;
static uint64_t asked;

static uint32_t draw(uint64_t *state, uint32_t n)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)(*state >> 32) % n;
}

static bool chance(struct node *n, uint32_t percent)
{
	return draw(&n->random, 100) < percent;
}

static void ask_back(struct ell_msg *m)
{
	int answer = ell_msg_revoke(m);

	CHECK(answer == 0 || answer == -EALREADY || answer == -EINVAL);
	if (answer == 0)
		fetch_add_relaxed(&asked, 1);
}

static void send_one(struct node *n, struct slot *s)
{
	s->out = true;
	s->serial++;
	s->is_sleep = chance(n, 30);
	n->sent++;
	n->out++;
	s->m.ms_tag = (void *)(uintptr_t)s->serial;
	if (s->is_sleep) {
		int64_t ns = draw(&n->random, 50) * ELL_USEC;

		s->due = ell_after(ns);
		ell_msg_nanosleep(&s->m, ns);
		CHECK_EQ(ell_msg_send(&s->m), 0);
	} else {
		ell_msg_user(&s->m, (uint32_t)s->serial, s);
		CHECK_EQ(ell_port_put(&nodes[draw(&n->random, NODES)].requests, &s->m), 0);
	}
}

static void reply_to(struct node *n, struct ell_msg *m)
{
	bool unwanted = ell_msg_revoked(m);

	ell_msg_reply(m, unwanted && chance(n, 50) ? -ECANCELED : (int64_t)m->ms_opflags * 2 + 1);
}

static void take_request(struct node *n, struct ell_msg *m)
{
	struct slot *s = m->ms_addr;

	CHECK(m == &s->m);
	CHECK_EQ(m->ms_opflags, (uint32_t)s->serial);
	s->received++;
	if (n->holds < HOLD && chance(n, 50))
		n->held[n->holds++] = m;
	else
		reply_to(n, m);
}

static void take_reply(struct node *n, struct ell_msg *m)
{
	struct slot *s = (struct slot *)(void *)m;

	CHECK(s >= n->slots && s < n->slots + SLOTS);
	CHECK(s->out);
	CHECK_EQ((uintptr_t)m->ms_tag, s->serial);
	if (m->ms_result == -ECANCELED) {
		n->cancelled++;
	} else if (s->is_sleep) {
		CHECK_EQ(m->ms_result, 0);
		CHECK(ell_now() >= s->due);
	} else {
		CHECK_EQ(m->ms_result, (int64_t)m->ms_opflags * 2 + 1);
	}
	CHECK(s->received <= 1);
	s->received = 0;
	s->out = false;
	n->replied++;
	n->out--;
}

_Static_assert(offsetof(struct slot, m) == 0, "a message is its slot");

static void wait_for_any(struct node *n)
{
	struct ell_port *const both[] = {&n->requests, &n->replies};
	struct ell_msg *m;
	size_t which;

	m = ell_port_wait_any(both, 2, chance(n, 50) ? 0 : ell_after(draw(&n->random, 100) * ELL_USEC), &which);
	if (m && which == 0)
		take_request(n, m);
	else if (m)
		take_reply(n, m);
}

/* One of one's own, wherever it stands in the port. */
static void wait_for_one(struct node *n)
{
	struct slot *s = &n->slots[draw(&n->random, SLOTS)];

	if (!s->out) {
		CHECK_EQ(ell_msg_wait(&s->m, 0), -EINVAL);
	} else if (ell_msg_poll(&s->m)) {
		CHECK_EQ(ell_msg_wait(&s->m, 0), 0);
		take_reply(n, &s->m);
	} else {
		int error = ell_msg_wait(&s->m, chance(n, 50) ? 0 : ell_after(20 * ELL_USEC));

		if (error)
			CHECK_EQ(error, -ETIMEDOUT);
		else
			take_reply(n, &s->m);
	}
}

static void look(struct node *n)
{
	struct ell_msg *m = ell_port_get(&n->requests);

	if (m)
		take_request(n, m);
	m = ell_port_get(&n->replies);
	if (m)
		take_reply(n, m);
}

static void step(struct node *n)
{
	struct slot *s = &n->slots[draw(&n->random, SLOTS)];

	if (!s->out && n->sent < each)
		send_one(n, s);
	if (chance(n, 20))
		ask_back(&n->slots[draw(&n->random, SLOTS)].m);
	if (chance(n, 10))
		wait_for_any(n);
	else if (chance(n, 30))
		wait_for_one(n);
	else
		look(n);
	if (n->holds > 0 && chance(n, 40))
		reply_to(n, n->held[--n->holds]);
}

static void live(void *arg)
{
	struct node *n = arg;

	while (n->sent < each || n->out > 0)
		step(n);
	fetch_add_acq_rel(&finished, 1);
	/* The others may still ask. */
	while (load_acquire(&finished) < NODES || n->holds > 0) {
		while (n->holds > 0)
			reply_to(n, n->held[--n->holds]);
		wait_for_any(n);
	}
}

static void revoke_others(void *unused)
{
	uint64_t state = harness_seed() | 1;

	(void)unused;
	while (!load_acquire(&over)) {
		for (int i = 0; i < 8; i++)
			ask_back(&nodes[draw(&state, NODES)].slots[draw(&state, SLOTS)].m);
		ell_park_until(ell_after(20 * ELL_USEC));
	}
}

static void every_message_of_everybody_has_one_reply(void)
{
	const char *text = getenv("ELLULA_STRESS");
	uint64_t sent = 0, replied = 0, cancelled = 0;
	uint64_t seed = harness_seed();
	struct other revoker;

	each = (text ? strtoull(text, NULL, 0) : 300000) / NODES;
#if defined(WITH_TSAN) || defined(WITH_ASAN)
	if (!text)
		each /= 10;
#endif
	for (int i = 0; i < NODES; i++) {
		nodes[i].random = (seed + (uint64_t)i * 77) | 1;
		ell_port_init(&nodes[i].requests, "a node's requests");
		ell_port_init(&nodes[i].replies, "a node's replies");
		/* Once, for whoever revokes must be sure that it is a message. */
		for (int s = 0; s < SLOTS; s++)
			ell_msg_init(&nodes[i].slots[s].m, &nodes[i].replies, NULL);
	}
	other_start(&revoker, FOREIGN, revoke_others, NULL);
	for (int i = 0; i < NODES; i++)
		other_start(&nodes[i].other, i % WHERES, live, &nodes[i]);
	for (int i = 0; i < NODES; i++) {
		struct node *n = &nodes[i];

		other_join(&n->other);
		sent += n->sent;
		replied += n->replied;
		cancelled += n->cancelled;
	}
	store_release(&over, 1);
	other_join(&revoker);
	for (int i = 0; i < NODES; i++) {
		CHECK_EQ(ell_port_finish(&nodes[i].requests), 0);
		CHECK_EQ(ell_port_finish(&nodes[i].replies), 0);
	}
	CHECK_EQ(sent, each * NODES);
	CHECK_EQ(sent, replied);
	CHECK(cancelled > 0 && cancelled <= asked);
	if (text)
		printf("%llu messages, %llu revoked, %llu asked\n", (unsigned long long)sent,
		       (unsigned long long)cancelled, (unsigned long long)asked);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE_ON_1_AND_2(every_message_of_everybody_has_one_reply, HARNESS_SECONDS(600)),
	};

	return harness_run("ports", cases, ARRAY_SIZE(cases), argc, argv);
}
