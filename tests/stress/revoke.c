/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * revoke.c - a million revokes race against completions, and each message has one reply
 *
 * Messages wait for a byte in a pipe or in a socket, or for time. They are sent again as soon as their reply is there,
 * while others revoke whatever they find, without asking what it is: also messages that are just being sent, that are
 * replied to, or in their next use. Whatever happens:
 *
 * - as many replies as messages, each with the tag of its sending;
 * - a reply is "revoked" only if somebody's revoke was accepted, at most once per accepted revoke, and then it has
 *   taken nothing: each byte that was written is read by a message that says so, or is still there;
 * - a message that nobody revokes is not disturbed by what was meant for its use before.
 *
 * ELLULA_STRESS=n in the environment asks for n revokes instead of a million.
 */
#include <ellula/ops.h>
#include <ellula/port.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "message/others.h"

enum kind { PIPE, SOCKET, TIMER, KINDS };

/*
 * Who revokes: the sender itself; another thread; two others while the messages move from vCPU to vCPU, or while a
 * foreign thread sends them, so that they and their revokes meet on a third.
 */
enum { MOVING = WHERES, SENT_AFAR, PLACES };

enum { SLOTS = 64, TURNS = 20, UNTOUCHED = 0xee };

struct slot {
	struct ell_msg m;
	int in, out;
	unsigned char buffer;
	unsigned char next_in, next_out; /* the bytes are numbered */
	bool sent;
	bool endless; /* a sleep that only a revoke ends */
	uint64_t serial;
};

static enum kind kind;
static struct slot slots[SLOTS];
static struct ell_port port;
static uint64_t target, random_state;
static uint64_t sent, done, cancelled; /* the sender's */
static uint64_t asked;		       /* by others */
static uint64_t asked_here;
static uint32_t over;
static bool racing;

static uint64_t wanted(void)
{
	const char *text = getenv("ELLULA_STRESS");
	uint64_t n = text ? strtoull(text, NULL, 0) : 1000000;

#if defined(WITH_TSAN) || defined(WITH_ASAN)
	if (!text)
		n /= 10;
#endif
	return n / ((uint64_t)KINDS * PLACES) + 1;
}

static uint32_t draw(uint64_t *state, uint32_t n)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)(*state >> 32) % n;
}

static bool chance(uint32_t percent)
{
	return draw(&random_state, 100) < percent;
}

static void slots_open(void)
{
	for (int i = 0; i < SLOTS; i++) {
		int ends[2] = {-1, -1};

		if (kind == PIPE)
			CHECK_EQ(pipe2(ends, O_NONBLOCK), 0);
		if (kind == SOCKET)
			CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
		slots[i] = (struct slot){.in = ends[0], .out = ends[1]};
		ell_msg_init(&slots[i].m, NULL, NULL);
	}
}

static bool has_byte(const struct slot *s)
{
	return s->next_in != s->next_out;
}

static void put_byte(struct slot *s)
{
	if (kind == TIMER || has_byte(s))
		return;
	CHECK_EQ(write(s->out, &s->next_in, 1), 1);
	s->next_in++;
}

/* By hand: what no message took must be there. */
static void take_byte(struct slot *s)
{
	unsigned char byte;
	ssize_t n;

	if (kind == TIMER)
		return;
	n = read(s->in, &byte, 1);
	if (!has_byte(s)) {
		CHECK(n < 0 && errno == EAGAIN);
		return;
	}
	CHECK_EQ(n, 1);
	CHECK_EQ(byte, s->next_out);
	s->next_out++;
}

static void slots_close(void)
{
	for (int i = 0; i < SLOTS; i++) {
		take_byte(&slots[i]);
		take_byte(&slots[i]);
		if (kind != TIMER) {
			close(slots[i].in);
			close(slots[i].out);
		}
	}
}

static void slot_send(struct slot *s, struct ell_port *to)
{
	uint64_t tag = ++s->serial * SLOTS + (uint64_t)(s - slots);

	s->m.ms_port = to;
	s->m.ms_tag = (void *)(uintptr_t)tag;
	s->buffer = UNTOUCHED;
	s->endless = kind == TIMER && racing && chance(10);
	if (s->endless)
		ell_msg_timer(&s->m, ELL_FOREVER);
	else if (kind == TIMER)
		ell_msg_nanosleep(&s->m, draw(&random_state, 60) * ELL_USEC);
	else if (kind == PIPE)
		ell_msg_read(&s->m, s->in, &s->buffer, 1, -1);
	else
		ell_msg_recv(&s->m, s->in, &s->buffer, 1, 0);
	CHECK(!s->sent);
	s->sent = true;
	sent++;
	CHECK_EQ(ell_msg_send(&s->m), 0);
}

static void slot_replied(struct slot *s)
{
	CHECK(s >= slots && s < slots + SLOTS);
	CHECK(s->sent);
	s->sent = false;
	CHECK_EQ((uintptr_t)s->m.ms_tag, s->serial * SLOTS + (uint64_t)(s - slots));
	if (s->m.ms_result == -ECANCELED) {
		cancelled++;
		CHECK_EQ(s->buffer, UNTOUCHED);
		return;
	}
	done++;
	CHECK(!s->endless);
	if (kind == TIMER) {
		CHECK_EQ(s->m.ms_result, 0);
		return;
	}
	CHECK_EQ(s->m.ms_result, 1);
	CHECK(has_byte(s));
	CHECK_EQ(s->buffer, s->next_out);
	s->next_out++;
}

static void revoke_here(struct slot *s)
{
	int answer = ell_msg_revoke(&s->m);

	CHECK(answer == 0 || answer == -EALREADY || answer == -EINVAL);
	if (answer == 0)
		asked_here++;
}

/* Sends all, in some order lets them end and revokes them, and collects the replies. */
static void round_of_messages(bool revoking)
{
	struct ell_port *to = chance(50) ? &port : NULL;

	for (int i = 0; i < SLOTS; i++) {
		struct slot *s = &slots[i];

		if (chance(30))
			put_byte(s);
		slot_send(s, to);
		if (revoking && chance(20))
			revoke_here(s);
	}
	if (chance(50))
		ell_msg_poll(&slots[0].m);
	for (int n = 0; n < SLOTS; n++) {
		struct slot *s = &slots[draw(&random_state, SLOTS)];

		if (chance(50))
			put_byte(s);
		if (revoking && s->sent)
			revoke_here(s);
	}
	if (chance(50))
		ell_yield();
	for (int i = 0; i < SLOTS; i++) {
		put_byte(&slots[i]);
		if (revoking && slots[i].endless)
			revoke_here(&slots[i]);
	}
	for (int i = 0; i < SLOTS; i++) {
		if (to) {
			slot_replied((struct slot *)(void *)ell_port_wait(&port, ELL_FOREVER));
		} else {
			CHECK_EQ(ell_msg_wait(&slots[i].m, ELL_FOREVER), 0);
			slot_replied(&slots[i]);
		}
	}
	for (int i = 0; i < SLOTS; i++)
		if (chance(70))
			take_byte(&slots[i]);
	CHECK(!ell_port_get(&port));
}

_Static_assert(offsetof(struct slot, m) == 0, "a message is its slot");

static bool enough(void)
{
	return asked_here + load_relaxed(&asked) >= target;
}

static void send_alone(void *revoking)
{
	while (!enough())
		round_of_messages(revoking);
}

static void send_some(void *unused)
{
	(void)unused;
	for (int i = 0; i < TURNS; i++)
		round_of_messages(false);
}

/* Revokes whatever is there. */
static void revoke_all(void *seed)
{
	uint64_t state = *(uint64_t *)seed, accepted = 0;

	for (unsigned n = 1; !load_acquire(&over); n++) {
		int answer = ell_msg_revoke(&slots[draw(&state, SLOTS)].m);

		CHECK(answer == 0 || answer == -EALREADY || answer == -EINVAL);
		if (answer == 0) {
			fetch_add_relaxed(&asked, 1);
			accepted++;
		}
		/* Let some of them go on to the end. */
		if (n % 128 == 0)
			ell_yield();
	}
}

static void race(enum kind which, int place)
{
	struct other sender, revokers[2];
	uint64_t seeds[2];
	int count = place == HERE ? 0 : place >= MOVING ? 2 : 1;

	kind = which;
	racing = true;
	target = wanted();
	random_state = harness_seed() | 1;
	ell_port_init(&port, "replies");
	slots_open();
	for (int i = 0; i < count; i++) {
		seeds[i] = random_state * (uint64_t)(2 * i + 3);
		other_start(&revokers[i], place == FOREIGN || i == 1 ? FOREIGN : ELSEWHERE, revoke_all, &seeds[i]);
	}
	if (place == MOVING) {
		for (int turn = 0; !enough(); turn++) {
			other_start(&sender, turn % 2 ? ELSEWHERE : HERE, send_some, NULL);
			other_join(&sender);
		}
	} else {
		other_start(&sender, place == SENT_AFAR ? FOREIGN : HERE, send_alone, place == HERE ? &sender : NULL);
		other_join(&sender);
	}
	racing = false;
	store_release(&over, 1);
	for (int i = 0; i < count; i++)
		other_join(&revokers[i]);
	/* Now that nobody revokes, nothing is. */
	uint64_t before = cancelled;

	for (int i = 0; i < TURNS; i++)
		round_of_messages(false);
	CHECK_EQ(cancelled, before);

	NOTE("%llu sent, %llu done, %llu revoked, %llu asked", (unsigned long long)sent, (unsigned long long)done,
	     (unsigned long long)cancelled, (unsigned long long)(asked_here + asked));
	if (getenv("ELLULA_STRESS"))
		printf("%llu sent, %llu done, %llu revoked, %llu asked\n", (unsigned long long)sent,
		       (unsigned long long)done, (unsigned long long)cancelled,
		       (unsigned long long)(asked_here + asked));
	CHECK_EQ(sent, done + cancelled);
	CHECK(cancelled <= asked_here + asked);
	CHECK_CAME(done > 0 && cancelled > 0);
	slots_close();
	CHECK_EQ(ell_port_finish(&port), 0);
}

#define RACE(kind_name, KIND, place_name, PLACE)                                                                       \
	static void kind_name##_revoked_##place_name(void)                                                             \
	{                                                                                                              \
		race(KIND, PLACE);                                                                                     \
	}

#define RACES(kind_name, KIND)                                                                                         \
	RACE(kind_name, KIND, by_their_sender, HERE)                                                                   \
	RACE(kind_name, KIND, on_another_vcpu, ELSEWHERE)                                                              \
	RACE(kind_name, KIND, by_a_foreign_thread, FOREIGN)                                                            \
	RACE(kind_name, KIND, while_they_move, MOVING)                                                                 \
	RACE(kind_name, KIND, after_a_foreign_thread_has_sent_them, SENT_AFAR)

RACES(reads_of_pipes, PIPE)
RACES(receives_from_sockets, SOCKET)
RACES(sleeps, TIMER)

#define CASES(kind_name)                                                                                               \
	HARNESS_CASE(kind_name##_revoked_by_their_sender, HARNESS_IN_RUN, HARNESS_VCPUS(1), HARNESS_SECONDS(600)),     \
		HARNESS_CASE(kind_name##_revoked_on_another_vcpu, HARNESS_IN_RUN, HARNESS_VCPUS(2),                    \
			     HARNESS_SECONDS(600)),                                                                    \
		HARNESS_CASE(kind_name##_revoked_by_a_foreign_thread, HARNESS_IN_RUN, HARNESS_VCPUS(1),                \
			     HARNESS_SECONDS(600)),                                                                    \
		HARNESS_CASE(kind_name##_revoked_while_they_move, HARNESS_IN_RUN, HARNESS_VCPUS(2),                    \
			     HARNESS_SECONDS(600)),                                                                    \
		HARNESS_CASE(kind_name##_revoked_after_a_foreign_thread_has_sent_them, HARNESS_IN_RUN,                 \
			     HARNESS_VCPUS(1), HARNESS_SECONDS(600))

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		CASES(reads_of_pipes),
		CASES(receives_from_sockets),
		CASES(sleeps),
	};

	return harness_run("revoke", cases, ARRAY_SIZE(cases), argc, argv);
}
