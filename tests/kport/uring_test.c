/* SPDX-License-Identifier: BSD-2-Clause */
/* uring_test.c - more messages than a ring holds, and interruptions: nothing is lost, stuck or replied to twice */
#include <ellula/ops.h>
#include <ellula/port.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arch/arch.h"
#include "harness/backend.h"
#include "kport/uring/uring.h"
#include "message/others.h"
#include "message/pipes.h"
#include "sched/lwp.h"

static struct ell_port port;

static struct ell_msg *messages_make(unsigned count)
{
	struct ell_msg *m = calloc(count, sizeof(*m));

	CHECK(m);
	return m;
}

static struct uring *ring_self(void)
{
	backend_needs_uring();
	return CONTAINER_OF(arch_lwp()->lw_kport, struct uring, ur_kport);
}

static bool is_overflowing(void)
{
	return load_relaxed(ring_self()->ur_ring.sq.kflags) & IORING_SQ_CQ_OVERFLOW;
}

/*
 * Many
 */

enum { BURST = 50000 };

static struct ell_msg *burst;
static unsigned char *burst_replies;

/* Nops end as soon as they are submitted, so their completions pile up until somebody looks. */
static void burst_send(void)
{
	burst = messages_make(BURST);
	burst_replies = calloc(BURST, 1);
	CHECK(burst_replies);
	ell_port_init(&port, "burst");
	for (unsigned i = 0; i < BURST; i++) {
		ell_msg_init(&burst[i], &port, &burst_replies[i]);
		if (i % 10 == 9)
			ell_msg_nanosleep(&burst[i], (i % 100) * ELL_USEC);
		else
			ell_msg_nop(&burst[i]);
		CHECK_EQ(ell_msg_send(&burst[i]), 0);
	}
}

static void burst_collect(void)
{
	for (unsigned i = 0; i < BURST; i++) {
		struct ell_msg *m = ell_port_wait(&port, ELL_FOREVER);

		CHECK_EQ(m->ms_result, 0);
		CHECK(m->ms_tag == &burst_replies[m - burst]);
		CHECK_EQ(burst_replies[m - burst]++, 0);
	}
	CHECK(!ell_port_get(&port));
	CHECK_EQ(ell_port_finish(&port), 0);
	free(burst);
	free(burst_replies);
}

static void more_completions_than_the_ring_holds_all_arrive(void)
{
	burst_send();
	CHECK(is_overflowing());
	burst_collect();
}

/*
 * A hundred thousand reads; a tenth of that on an emulated machine. Where pipes need workers, each read that finds
 * nothing after all becomes a kernel thread, and a revoke looks through all of them.
 */
static unsigned many, noted;

static struct ell_msg *reads, *notes;
static unsigned char *bytes;

/* Every tenth is a write of its number, which ends at once: so the kernel has seen it between the reads around it. */
static void send_reads(int from, int to, uint32_t *numbers)
{
	for (unsigned i = 0; i < many; i++) {
		ell_msg_init(&reads[i], &port, NULL);
		ell_msg_read(&reads[i], from, &bytes[i], 1, -1);
		CHECK_EQ(ell_msg_send(&reads[i]), 0);
		if (i % (many / noted) == 0) {
			unsigned n = i / (many / noted);

			numbers[n] = n;
			ell_msg_init(&notes[n], NULL, NULL);
			ell_msg_write(&notes[n], to, &numbers[n], sizeof(numbers[n]), -1);
			CHECK_EQ(ell_msg_send(&notes[n]), 0);
		}
	}
}

static void check_order(int from)
{
	const bool ordered = !pipes_need_workers();
	uint64_t sum = 0;

	for (uint32_t i = 0; i < noted; i++) {
		uint32_t number;

		CHECK_EQ(ell_msg_wait(&notes[i], ELL_FOREVER), 0);
		CHECK_EQ(notes[i].ms_result, sizeof(number));
		CHECK_EQ(read(from, &number, sizeof(number)), sizeof(number));
		if (ordered)
			CHECK_EQ(number, i);
		sum += number;
	}
	CHECK_EQ(sum, (uint64_t)noted * (noted - 1) / 2);
}

/* Half of them are satisfied, half revoked. */
static void a_hundred_thousand_messages_are_outstanding_at_once(void)
{
	unsigned done = 0, revoked = 0;
	unsigned char *data;
	uint32_t *numbers;
	int in[2], out[2];

	many = harness_rounds(100000);
	noted = many / 10;
	numbers = calloc(noted, sizeof(*numbers));
	data = malloc(many / 2);
	reads = messages_make(many);
	notes = messages_make(noted);
	bytes = calloc(many, 1);
	CHECK(numbers && data && bytes);
	CHECK_EQ(pipe(in), 0);
	CHECK_EQ(pipe(out), 0);
	CHECK(fcntl(out[1], F_SETPIPE_SZ, noted * sizeof(uint32_t)) > 0);
	CHECK(fcntl(in[1], F_SETPIPE_SZ, many / 2) > 0);
	ell_port_init(&port, "reads");

	send_reads(in[0], out[1], numbers);
	check_order(out[0]);
	CHECK(!ell_port_get(&port));
	CHECK(!ell_msg_poll(&reads[0]) && !ell_msg_poll(&reads[many - 1]));

	memset(data, 'x', many / 2);
	CHECK_EQ(write(in[1], data, many / 2), many / 2);
	for (; done < many / 2; done++) {
		struct ell_msg *m = ell_port_wait(&port, ELL_FOREVER);

		CHECK_EQ(m->ms_result, 1);
		CHECK_EQ(bytes[m - reads], 'x');
		bytes[m - reads] = 'd';
	}
	for (unsigned i = 0; i < many; i++)
		if (bytes[i] != 'd')
			CHECK_EQ(ell_msg_revoke(&reads[i]), 0);
	for (; revoked < many / 2; revoked++) {
		struct ell_msg *m = ell_port_wait(&port, ELL_FOREVER);

		CHECK_EQ(m->ms_result, -ECANCELED);
		CHECK_EQ(bytes[m - reads], 0);
		bytes[m - reads] = 'r';
	}
	CHECK(!ell_port_get(&port));
	CHECK_EQ(ell_port_finish(&port), 0);
	for (int i = 0; i < 2; i++) {
		close(in[i]);
		close(out[i]);
	}
	free(numbers);
	free(data);
	free(bytes);
	free(reads);
	free(notes);
}

/*
 * Interruptions
 */

enum { STORMS_MIN = 100 };

static uint32_t storm_over, storms;

static void note_storm(int signal)
{
	(void)signal;
	fetch_add_relaxed(&storms, 1);
}

static pid_t lwps[2];

/* As fast as the LWPs take them. */
static void storm(void *unused)
{
	(void)unused;
	for (unsigned i = 0; !load_acquire(&storm_over); i++) {
		uint32_t before = load_relaxed(&storms);

		if (lwps[i % 2])
			CHECK_EQ(syscall(SYS_tgkill, getpid(), lwps[i % 2], SIGUSR1), 0);
		for (int spins = 0; spins < 10000 && load_relaxed(&storms) == before; spins++)
			arch_pause();
	}
}

static void note_lwp(void *where)
{
	*(pid_t *)where = gettid();
}

struct pair {
	int in, out;
	unsigned rounds; /* at least */
};

enum { LAST_ROUND = 1 << 30 };

static void ping(void *arg)
{
	struct pair *p = arg;
	struct ell_msg m;
	uint32_t number;

	ell_msg_init(&m, NULL, NULL);
	for (uint32_t i = 0; !(i & LAST_ROUND); i++) {
		if (i >= p->rounds && load_relaxed(&storms) > STORMS_MIN)
			i |= LAST_ROUND;
		number = i;
		ell_msg_write(&m, p->out, &number, sizeof(number), -1);
		CHECK_EQ(ell_msg_do(&m), sizeof(number));
		ell_msg_read(&m, p->in, &number, sizeof(number), -1);
		CHECK_EQ(ell_msg_do(&m), sizeof(number));
		CHECK_EQ(number, i);
		ell_msg_nanosleep(&m, 20 * ELL_USEC);
		CHECK_EQ(ell_msg_do(&m), 0);
		ell_msg_read(&m, p->in, &number, sizeof(number), -1);
		CHECK_EQ(ell_msg_do_until(&m, i % 8 ? 0 : ell_after(50 * ELL_USEC)), -ETIMEDOUT);
	}
}

static void pong(void *arg)
{
	struct pair *p = arg;
	struct ell_msg m;
	uint32_t number = 0;

	ell_msg_init(&m, NULL, NULL);
	while (!(number & LAST_ROUND)) {
		ell_msg_recv(&m, p->in, &number, sizeof(number), 0);
		CHECK_EQ(ell_msg_do(&m), sizeof(number));
		ell_msg_sock_send(&m, p->out, &number, sizeof(number), 0);
		CHECK_EQ(ell_msg_do(&m), sizeof(number));
	}
}

enum { PAIRS = 4 };

/* Without SA_RESTART: whatever the kernel interrupts, no message says EINTR. */
static void a_storm_of_signals_changes_nothing(void)
{
	struct sigaction sa = {.sa_handler = note_storm};
	struct other others[PAIRS][2], storming, note;
	struct pair pairs[PAIRS][2];
	int fds[PAIRS][2];

	sigaction(SIGUSR1, &sa, NULL);
	for (int i = 0; i < 2; i++) {
		other_start(&note, i ? ELSEWHERE : HERE, note_lwp, &lwps[i]);
		other_join(&note);
	}
	other_start(&storming, FOREIGN, storm, NULL);
	for (int i = 0; i < PAIRS; i++) {
		CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds[i]), 0);
		for (int end = 0; end < 2; end++) {
			pairs[i][end] = (struct pair){.in = fds[i][end], .out = fds[i][end], .rounds = 300};
			other_start(&others[i][end], (i + end) % WHERES, end ? pong : ping, &pairs[i][end]);
		}
	}
	for (int i = 0; i < PAIRS; i++) {
		for (int end = 0; end < 2; end++)
			other_join(&others[i][end]);
		close(fds[i][0]);
		close(fds[i][1]);
	}
	store_release(&storm_over, 1);
	other_join(&storming);
	CHECK(load_relaxed(&storms) > STORMS_MIN);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE_ON_1_AND_2(more_completions_than_the_ring_holds_all_arrive),
		HARNESS_CASE_ON_1_AND_2(a_hundred_thousand_messages_are_outstanding_at_once),
		HARNESS_CASE_ON_1_AND_2(a_storm_of_signals_changes_nothing),
	};

	/* These look into one LWP, and have it to themselves. */
	setenv("ELLULA_MONITOR", "off", 1);

	return harness_run("uring", cases, ARRAY_SIZE(cases), argc, argv);
}
