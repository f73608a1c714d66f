/* SPDX-License-Identifier: BSD-2-Clause */
/* message_test.c - what <ellula/message.h> promises of a message: one request, exactly one reply */
#include <ellula/ops.h>
#include <ellula/port.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/backend.h"
#include "message/others.h"
#include "message/pipes.h"

static struct ell_msg message;
static struct ell_port port;
static int ends[2];

static void pipe_open(void)
{
	CHECK_EQ(pipe(ends), 0);
}

static void pipe_close(void)
{
	close(ends[0]);
	close(ends[1]);
}

static void pipe_put(char byte)
{
	CHECK_EQ(write(ends[1], &byte, 1), 1);
}

/* What is in the pipe, -1 if nothing is. */
static int pipe_get(void)
{
	struct pollfd pfd = {.fd = ends[0], .events = POLLIN};
	unsigned char byte;

	if (poll(&pfd, 1, 0) == 0)
		return -1;
	CHECK_EQ(read(ends[0], &byte, 1), 1);
	return byte;
}

static int64_t result_of(struct ell_msg *m)
{
	CHECK_EQ(ell_msg_wait(m, ELL_FOREVER), 0);
	return m->ms_result;
}

/*
 * Tags
 */

static int64_t cpu_time(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * ELL_SEC +
	       (used.ru_utime.tv_usec + used.ru_stime.tv_usec) * ELL_USEC;
}

/* The library's idle vCPUs sleep, too: the whole process does nothing meanwhile. */
static void two_nanosleeps_are_told_apart_by_their_tags_without_polling(void)
{
	char long_one, short_one;
	struct ell_msg a, b, *m;
	ell_time start = ell_now();
	int64_t used = cpu_time();

	ell_port_init(&port, "sleeps");
	ell_msg_init(&a, &port, &long_one);
	ell_msg_nanosleep(&a, 400 * ELL_MSEC);
	ell_msg_init(&b, &port, &short_one);
	ell_msg_nanosleep(&b, 200 * ELL_MSEC);
	CHECK_EQ(ell_msg_send(&a), 0);
	CHECK_EQ(ell_msg_send(&b), 0);
	CHECK(!ell_msg_poll(&a) && !ell_msg_poll(&b));

	m = ell_port_wait(&port, ELL_FOREVER);
	CHECK(m == &b && m->ms_tag == &short_one);
	CHECK_EQ(m->ms_result, 0);
	CHECK(ell_now() - start >= 200 * ELL_MSEC);
	m = ell_port_wait(&port, ELL_FOREVER);
	CHECK(m == &a && m->ms_tag == &long_one);
	CHECK_EQ(m->ms_result, 0);
	CHECK(ell_now() - start >= 400 * ELL_MSEC);

	CHECK(!ell_port_get(&port));
	CHECK(cpu_time() - used < 100 * ELL_MSEC);
}

static void tag_and_port_are_handed_back_untouched(void)
{
	ell_port_init(&port, "replies");
	ell_msg_init(&message, &port, &ends);
	for (int i = 0; i < 3; i++) {
		ell_msg_nop(&message);
		CHECK_EQ(ell_msg_send(&message), 0);
		CHECK(ell_port_wait(&port, ELL_FOREVER) == &message);
		CHECK(message.ms_tag == &ends && message.ms_port == &port);
		CHECK_EQ(ell_msg_do(&message), 0);
		CHECK(message.ms_tag == &ends && message.ms_port == &port);
	}
	CHECK_EQ(ell_port_finish(&port), 0);
}

/*
 * Sending
 */

static void all_zero_is_a_message_that_is_not_sent(void)
{
	struct ell_msg zero = {0};

	CHECK_EQ(ell_msg_send(&zero), -EINVAL);
	ell_msg_nop(&zero);
	CHECK_EQ(ell_msg_do(&zero), 0);
}

static void what_was_not_prepared_cannot_be_sent(void)
{
	ell_port_init(&port, "replies");
	ell_msg_init(&message, &port, NULL);
	CHECK_EQ(ell_msg_send(&message), -EINVAL);
	CHECK_EQ(ell_msg_do(&message), -EINVAL);
	CHECK(message.ms_port == &port);
	CHECK_EQ(ell_port_put(&port, &message), -EINVAL);
	ell_msg_user(&message, 1, NULL);
	CHECK_EQ(ell_msg_send(&message), -EINVAL);
	CHECK_EQ(ell_msg_do(&message), -EINVAL);
	message.ms_op = ELL_OP_COUNT;
	CHECK_EQ(ell_msg_send(&message), -EINVAL);
	message.ms_op = UINT8_MAX;
	CHECK_EQ(ell_msg_send(&message), -EINVAL);
	ell_msg_nop(&message);
	CHECK_EQ(ell_port_put(&port, &message), -EINVAL);
	/* All that did nothing. */
	CHECK(!ell_port_get(&port));
	CHECK_EQ(ell_msg_do(&message), 0);
}

static void without_a_runtime_nothing_is_sent(void)
{
	ell_port_init(&port, "early");
	ell_msg_init(&message, NULL, NULL);
	ell_msg_nop(&message);
	CHECK_EQ(ell_msg_send(&message), -ENXIO);
	CHECK_EQ(ell_msg_do(&message), -ENXIO);
	CHECK_EQ(ell_msg_revoke(&message), -EINVAL);
	CHECK_EQ(ell_msg_wait(&message, 0), -EINVAL);
	ell_msg_user(&message, 1, NULL);
	CHECK_EQ(ell_port_put(&port, &message), -ENXIO);
	CHECK_EQ(ell_port_finish(&port), 0);
}

static void a_message_is_prepared_once_and_sent_often(void)
{
	char byte;

	pipe_open();
	ell_msg_init(&message, NULL, NULL);
	ell_msg_read(&message, ends[0], &byte, 1, -1);
	for (int i = 0; i < 1000; i++) {
		pipe_put((char)i);
		if (i % 2) {
			CHECK_EQ(ell_msg_do(&message), 1);
		} else {
			CHECK_EQ(ell_msg_send(&message), 0);
			CHECK_EQ(result_of(&message), 1);
		}
		CHECK_EQ(byte, (char)i);
	}
	pipe_close();
}

static void a_nanosleep_counts_from_each_time_it_is_sent(void)
{
	ell_msg_init(&message, NULL, NULL);
	ell_msg_nanosleep(&message, 10 * ELL_MSEC);
	for (int i = 0; i < 5; i++) {
		ell_time start = ell_now();

		CHECK_EQ(ell_msg_do(&message), 0);
		CHECK(ell_now() - start >= 10 * ELL_MSEC);
	}
}

static void errors_of_the_arguments_come_with_the_reply(void)
{
	struct ell_msg late, *m;
	char byte = 0;

	NEED_KERNEL();
	ell_port_init(&port, "errors");
	ell_msg_init(&message, &port, NULL);
	ell_msg_init(&late, &port, NULL);
#define REPLIES(error, ...)                                                                                            \
	do {                                                                                                           \
		__VA_ARGS__;                                                                                           \
		CHECK_EQ(ell_msg_send(&message), 0);                                                                   \
		CHECK((m = ell_port_wait(&port, ELL_FOREVER)) == &message);                                            \
		CHECK_EQ(m->ms_result, error);                                                                         \
		CHECK_EQ(ell_msg_do(&message), error);                                                                 \
	} while (0)
	REPLIES(-EBADF, ell_msg_read(&message, -1, &byte, 1, -1));
	REPLIES(-EBADF, ell_msg_read(&message, 19999, &byte, 1, -1));
	REPLIES(-EBADF, ell_msg_close(&message, -1));
	REPLIES(-EBADF, ell_msg_poll_fd(&message, 19999, POLLIN));
	REPLIES(-EINVAL, ell_msg_nanosleep(&message, -1));
	pipe_open();
	pipe_put('x');
	REPLIES(-EFAULT, ell_msg_read(&message, ends[0], NULL, 1, -1));
	REPLIES(-EFAULT, ell_msg_write(&message, ends[1], NULL, 1, -1));
	REPLIES(-EINVAL, ell_msg_read(&message, ends[0], &byte, ELL_MAX_COUNT + 1, -1));
	REPLIES(-EINVAL, ell_msg_write(&message, ends[1], &byte, SIZE_MAX, -1));
	REPLIES(-EINVAL, ell_msg_read(&message, ends[0], &byte, 1, -2));
	REPLIES(-ESPIPE, ell_msg_pread(&message, ends[0], &byte, 1, 0));
	REPLIES(-EINVAL, ell_msg_readv(&message, ends[0], NULL, -1, -1, 0));
	CHECK_EQ(pipe_get(), 'x');
	CHECK_EQ(pipe_get(), -1);
	pipe_close();
}

enum { LINE = 5, WRITES = 10000 };

static struct ell_msg writes[WRITES];
static char lines[WRITES][LINE + 1];

static uint64_t handoffs(void)
{
	struct ell_stats stats;

	ell_stats_get(&stats);
	return stats.handoffs;
}

/* All fit into the pipe. */
static void messages_start_in_the_order_in_which_they_were_sent(void)
{
	uint64_t before = handoffs();
	char line[LINE];

	need_pipes_without_workers();
	pipe_open();
	CHECK(fcntl(ends[1], F_SETPIPE_SZ, 65536) >= WRITES * LINE);
	for (int i = 0; i < WRITES; i++) {
		snprintf(lines[i], sizeof(lines[i]), "%05d", i);
		ell_msg_init(&writes[i], NULL, NULL);
		ell_msg_write(&writes[i], ends[1], lines[i], LINE, -1);
		CHECK_EQ(ell_msg_send(&writes[i]), 0);
	}
	/* On a busy machine that may have taken for so long that the thread was handed over. */
	CHECK_CAME(handoffs() == before);
	for (int i = 0; i < WRITES; i++)
		CHECK_EQ(result_of(&writes[i]), LINE);
	for (int i = 0; i < WRITES; i++) {
		CHECK_EQ(read(ends[0], line, LINE), LINE);
		CHECK_EQ(memcmp(line, lines[i], LINE), 0);
	}
	pipe_close();
}

/*
 * Waiting and polling
 */

static void what_is_not_sent_cannot_be_waited_for(void)
{
	ell_port_init(&port, "replies");
	ell_msg_init(&message, NULL, NULL);
	CHECK_EQ(ell_msg_wait(&message, ELL_FOREVER), -EINVAL);
	ell_msg_nop(&message);
	CHECK_EQ(ell_msg_wait(&message, ELL_FOREVER), -EINVAL);
	CHECK_EQ(ell_msg_do(&message), 0);
	CHECK_EQ(ell_msg_wait(&message, ELL_FOREVER), -EINVAL);
	message.ms_port = &port;
	CHECK_EQ(ell_msg_send(&message), 0);
	CHECK_EQ(ell_msg_wait(&message, ELL_FOREVER), 0);
	CHECK_EQ(ell_msg_wait(&message, ELL_FOREVER), -EINVAL);
	CHECK(!ell_msg_poll(&message));
}

static void a_wait_that_ends_too_early_leaves_the_message_sent(void)
{
	ell_time until;
	char byte;

	pipe_open();
	ell_port_init(&port, "replies");
	for (int i = 0; i < 2; i++) {
		ell_msg_init(&message, i ? &port : NULL, NULL);
		ell_msg_read(&message, ends[0], &byte, 1, -1);
		CHECK_EQ(ell_msg_send(&message), 0);
		CHECK_EQ(ell_msg_wait(&message, 0), -ETIMEDOUT);
		until = ell_after(3 * ELL_MSEC);
		CHECK_EQ(ell_msg_wait(&message, until), -ETIMEDOUT);
		CHECK(ell_now() >= until);
		CHECK_EQ(ell_msg_wait(&message, until), -ETIMEDOUT);
		CHECK(!ell_msg_poll(&message));
		pipe_put('x');
		CHECK_EQ(result_of(&message), 1);
		CHECK_EQ(byte, 'x');
	}
	pipe_close();
}

static uint32_t stop;

static void be_busy(void *unused)
{
	(void)unused;
	while (!load_acquire(&stop))
		ell_yield();
}

/* While others are ready nobody is alone on the vCPU, and the reply is found nevertheless. */
static void a_deadline_in_the_past_still_gets_what_is_there(void)
{
	struct other other;
	char byte;

	NEED_KERNEL();
	/* No pipe: a kernel's worker would be too late. */
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	other_start(&other, HERE, be_busy, NULL);
	ell_port_init(&port, "replies");
	for (int i = 0; i < 100; i++) {
		ell_msg_init(&message, NULL, NULL);
		ell_msg_read(&message, ends[0], &byte, 1, -1);
		pipe_put('a');
		CHECK_EQ(ell_msg_do_until(&message, 0), 1);
		pipe_put('b');
		CHECK_EQ(ell_msg_do_until(&message, ell_now()), 1);
		pipe_put('c');
		CHECK_EQ(ell_msg_send(&message), 0);
		CHECK_EQ(ell_msg_wait(&message, 0), 0);
		CHECK_EQ(byte, 'c');

		message.ms_port = &port;
		pipe_put('d');
		CHECK_EQ(ell_msg_send(&message), 0);
		CHECK_EQ(ell_msg_wait(&message, ell_now() - 1), 0);
		pipe_put('e');
		CHECK_EQ(ell_msg_send(&message), 0);
		CHECK(ell_port_wait(&port, 0) == &message);
		CHECK_EQ(byte, 'e');
	}
	store_release(&stop, 1);
	other_join(&other);
	pipe_close();
}

static void polling_collects_without_switching(void)
{
	struct other other;
	char byte;

	pipe_open();
	ell_msg_init(&message, NULL, NULL);
	ell_msg_read(&message, ends[0], &byte, 1, -1);
	CHECK_EQ(ell_msg_send(&message), 0);
	CHECK(!ell_msg_poll(&message));
	CHECK(!ell_msg_poll(&message));
	/* It would begin to run if this thread left. */
	other_start(&other, HERE, be_busy, NULL);
	pipe_put('x');
	while (!ell_msg_poll(&message))
		;
	CHECK(ell_msg_poll(&message));
	CHECK_EQ(result_of(&message), 1);
	ell_msg_nanosleep(&message, ELL_MSEC);
	CHECK_EQ(ell_msg_send(&message), 0);
	while (!ell_msg_poll(&message))
		;
	CHECK_EQ(result_of(&message), 0);
	store_release(&stop, 1);
	other_join(&other);
	pipe_close();
}

/* Nobody else would expire a timer while its thread asks again and again. */
static void asking_a_port_finds_sleeps_that_are_over(void)
{
	ell_port_init(&port, "sleeps");
	ell_msg_init(&message, &port, NULL);
	ell_msg_nanosleep(&message, 2 * ELL_MSEC);
	CHECK_EQ(ell_msg_send(&message), 0);
	while (!ell_port_get(&port))
		;
	CHECK_EQ(message.ms_result, 0);
}

/*
 * Revoking
 */

static void only_what_is_under_way_can_be_revoked(void)
{
	char byte;

	pipe_open();
	ell_msg_init(&message, NULL, NULL);
	CHECK_EQ(ell_msg_revoke(&message), -EINVAL);
	ell_msg_read(&message, ends[0], &byte, 1, -1);
	CHECK_EQ(ell_msg_revoke(&message), -EINVAL);
	CHECK_EQ(ell_msg_send(&message), 0);
	CHECK_EQ(ell_msg_revoke(&message), 0);
	CHECK_EQ(ell_msg_revoke(&message), -EALREADY);
	CHECK_EQ(result_of(&message), -ECANCELED);
	CHECK_EQ(ell_msg_revoke(&message), -EINVAL);

	CHECK_EQ(ell_msg_send(&message), 0);
	pipe_put('x');
	while (!ell_msg_poll(&message))
		;
	CHECK_EQ(ell_msg_revoke(&message), -EALREADY);
	CHECK_EQ(result_of(&message), 1);
	pipe_close();
}

static void a_revoked_read_takes_nothing(void)
{
	char byte = '-';

	pipe_open();
	ell_port_init(&port, "replies");
	for (int i = 0; i < 4; i++) {
		ell_msg_init(&message, i % 2 ? &port : NULL, NULL);
		ell_msg_read(&message, ends[0], &byte, 1, -1);
		CHECK_EQ(ell_msg_send(&message), 0);
		if (i >= 2)
			CHECK_EQ(ell_msg_wait(&message, ell_after(ELL_MSEC)), -ETIMEDOUT);
		CHECK_EQ(ell_msg_revoke(&message), 0);
		CHECK_EQ(result_of(&message), -ECANCELED);
		pipe_put('x');
		CHECK_EQ(byte, '-');
		CHECK_EQ(pipe_get(), 'x');
	}
	pipe_close();
}

static void a_sleep_without_end_can_be_revoked(void)
{
	ell_msg_init(&message, NULL, NULL);
	ell_msg_timer(&message, ELL_FOREVER);
	for (int i = 0; i < 10; i++) {
		CHECK_EQ(ell_msg_send(&message), 0);
		CHECK_EQ(ell_msg_revoke(&message), 0);
		CHECK_EQ(result_of(&message), -ECANCELED);
		CHECK_EQ(ell_msg_do_until(&message, ell_after(ELL_MSEC)), -ETIMEDOUT);
	}
}

static void a_late_revoke_leaves_the_next_use_alone(void)
{
	char byte;

	pipe_open();
	ell_msg_init(&message, NULL, NULL);
	ell_msg_read(&message, ends[0], &byte, 1, -1);
	for (int i = 0; i < 1000; i++) {
		pipe_put('x');
		CHECK_EQ(ell_msg_send(&message), 0);
		CHECK_EQ(ell_msg_revoke(&message), 0);
		if (result_of(&message) != 1)
			CHECK_EQ(pipe_get(), 'x');
		/* The cancel of before is on its way, or not: this read ends by a byte alone. */
		CHECK_EQ(ell_msg_send(&message), 0);
		CHECK(!ell_msg_poll(&message));
		CHECK(!ell_msg_poll(&message));
		pipe_put('y');
		CHECK_EQ(result_of(&message), 1);
		CHECK_EQ(byte, 'y');
	}
	pipe_close();
}

static void revoke_it(void *m)
{
	CHECK_EQ(ell_msg_revoke(m), 0);
}

static void anybody_may_revoke(void)
{
	struct ell_msg sleep;
	struct other other;
	char byte;

	pipe_open();
	ell_msg_init(&message, NULL, NULL);
	ell_msg_read(&message, ends[0], &byte, 1, -1);
	ell_msg_init(&sleep, NULL, NULL);
	ell_msg_timer(&sleep, ELL_FOREVER);
	for (int i = 0; i < WHERES * 20; i++) {
		NOTE("%s", where_names[i % WHERES]);
		CHECK_EQ(ell_msg_send(&message), 0);
		other_start(&other, i % WHERES, revoke_it, &message);
		CHECK_EQ(result_of(&message), -ECANCELED);
		other_join(&other);

		CHECK_EQ(ell_msg_send(&sleep), 0);
		other_start(&other, i % WHERES, revoke_it, &sleep);
		CHECK_EQ(result_of(&sleep), -ECANCELED);
		other_join(&other);
	}
	pipe_close();
}

static void do_until_revokes_at_its_deadline(void)
{
	ell_time until = ell_after(3 * ELL_MSEC);
	char byte = '-';

	pipe_open();
	ell_port_init(&port, "replies");
	ell_msg_init(&message, &port, &byte);
	ell_msg_read(&message, ends[0], &byte, 1, -1);
	CHECK_EQ(ell_msg_do_until(&message, until), -ETIMEDOUT);
	CHECK(ell_now() >= until);
	CHECK_EQ(ell_msg_do_until(&message, 0), -ETIMEDOUT);
	CHECK_EQ(ell_msg_do_until(&message, -ELL_SEC), -ETIMEDOUT);
	pipe_put('x');
	CHECK_EQ(byte, '-');
	CHECK_EQ(ell_msg_do_until(&message, ell_after(ELL_SEC)), 1);
	CHECK_EQ(byte, 'x');
	CHECK(message.ms_port == &port && message.ms_tag == &byte);
	/* The reply was not for the port. */
	CHECK(!ell_port_get(&port));
	pipe_close();
}

static void put_soon(void *unused)
{
	(void)unused;
	other_pause(3 * ELL_MSEC);
	pipe_put('x');
}

static void do_until_keeps_what_comes_in_time(void)
{
	struct other other;
	char byte;

	pipe_open();
	ell_msg_init(&message, NULL, NULL);
	ell_msg_read(&message, ends[0], &byte, 1, -1);
	for (int i = 0; i < WHERES; i++) {
		other_start(&other, i, put_soon, NULL);
		CHECK_EQ(ell_msg_do_until(&message, ell_after(50 * ELL_SEC)), 1);
		other_join(&other);
	}
	pipe_close();
}

/*
 * Foreign kernel threads
 */

static void use_messages(void *unused)
{
	struct ell_port mine;
	struct ell_msg a, b, *m;
	char byte;

	(void)unused;
	ell_port_init(&mine, "a foreigner's");
	ell_msg_init(&a, NULL, NULL);
	ell_msg_nop(&a);
	CHECK_EQ(ell_msg_do(&a), 0);
	ell_msg_close(&a, -1);
	CHECK_EQ(ell_msg_do(&a), -EBADF);

	ell_msg_init(&a, &mine, &a);
	ell_msg_init(&b, &mine, &b);
	ell_msg_read(&a, ends[0], &byte, 1, -1);
	ell_msg_nanosleep(&b, ELL_MSEC);
	for (int i = 0; i < 20; i++) {
		ell_time start = ell_now();

		CHECK_EQ(ell_msg_send(&a), 0);
		CHECK_EQ(ell_msg_send(&b), 0);
		m = ell_port_wait(&mine, ELL_FOREVER);
		CHECK(m == &b && m->ms_tag == &b);
		CHECK(ell_now() - start >= ELL_MSEC);
		CHECK(!ell_msg_poll(&a));
		CHECK(!ell_port_wait(&mine, ell_after(ELL_MSEC)));
		CHECK_EQ(ell_msg_revoke(&a), 0);
		CHECK_EQ(ell_msg_wait(&a, ELL_FOREVER), 0);
		CHECK_EQ(a.ms_result, -ECANCELED);

		CHECK_EQ(ell_msg_do_until(&a, 0), -ETIMEDOUT);
		CHECK_EQ(ell_msg_do_until(&a, ell_after(ELL_MSEC)), -ETIMEDOUT);
		pipe_put('x');
		CHECK_EQ(ell_msg_do(&a), 1);
	}
	CHECK_EQ(ell_port_finish(&mine), 0);
}

static void a_foreign_thread_uses_messages_as_any_other(void)
{
	struct other other;

	pipe_open();
	other_start(&other, FOREIGN, use_messages, NULL);
	other_join(&other);
	pipe_close();
}

/* It is in no ring yet when its revoke comes: the vCPU that owns the ring has this thread to run. */
static struct ell_msg given;
static uint32_t is_given;

static void give_away(void *unused)
{
	(void)unused;
	CHECK_EQ(ell_msg_send(&given), 0);
	store_release(&is_given, 1);
}

static void what_a_foreign_thread_sends_may_be_revoked_at_once(void)
{
	struct other other;
	char byte;

	pipe_open();
	ell_msg_init(&given, NULL, NULL);
	ell_msg_read(&given, ends[0], &byte, 1, -1);
	for (int i = 0; i < 200; i++) {
		store_relaxed(&is_given, 0);
		other_start(&other, FOREIGN, give_away, NULL);
		while (!load_acquire(&is_given))
			;
		/* Every third is left alone, whatever was meant for the one before. */
		if (i % 3 < 2)
			CHECK_EQ(ell_msg_revoke(&given), 0);
		else
			pipe_put('z');
		CHECK_EQ(result_of(&given), i % 3 < 2 ? -ECANCELED : 1);
		other_join(&other);
	}
	/* None of them reads on in secret. */
	pipe_put('x');
	CHECK_EQ(ell_msg_do(&given), 1);
	CHECK_EQ(byte, 'x');
	pipe_put('y');
	other_pause(ELL_MSEC);
	CHECK_EQ(pipe_get(), 'y');
	pipe_close();
}

/*
 * Bad use
 */

static void send_a_read(void)
{
	static char byte;

	pipe_open();
	ell_msg_init(&message, NULL, NULL);
	ell_msg_read(&message, ends[0], &byte, 1, -1);
	CHECK_EQ(ell_msg_send(&message), 0);
}

static void leave_a_reply(void)
{
	ell_port_init(&port, "replies");
	ell_msg_init(&message, &port, NULL);
	ell_msg_nop(&message);
	CHECK_EQ(ell_msg_send(&message), 0);
	while (!ell_msg_poll(&message))
		;
}

static void sending_twice_aborts(void)
{
	send_a_read();
	ell_msg_send(&message);
}

static void doing_what_is_sent_aborts(void)
{
	send_a_read();
	ell_msg_do(&message);
}

static void sending_what_is_being_revoked_aborts(void)
{
	if (getenv("ELLULA_UNPROBE") || !backend_is("uring"))
		SKIP("a revoke ends too soon");
	send_a_read();
	ell_msg_revoke(&message);
	ell_msg_send(&message);
}

static void sending_before_the_reply_is_taken_aborts(void)
{
	leave_a_reply();
	ell_msg_send(&message);
}

static void preparing_what_is_sent_aborts(void)
{
	send_a_read();
	ell_msg_nop(&message);
}

static void preparing_before_the_reply_is_taken_aborts(void)
{
	leave_a_reply();
	ell_msg_nanosleep(&message, 1);
}

static void putting_what_is_sent_aborts(void)
{
	ell_port_init(&port, "requests");
	ell_msg_init(&message, NULL, NULL);
	ell_msg_user(&message, 1, NULL);
	CHECK_EQ(ell_port_put(&port, &message), 0);
	ell_port_put(&port, &message);
}

static void sending_garbage_aborts(void)
{
	memset(&message, 0x58, sizeof(message));
	message.ms_port = NULL;
	message.ms_op = ELL_OP_NOP;
	ell_msg_send(&message);
}

static void wait_forever(void *m)
{
	ell_msg_wait(m, ELL_FOREVER);
}

static void two_who_wait_for_one_message_abort(void)
{
	struct other others[2];

	send_a_read();
	other_start(&others[0], HERE, wait_forever, &message);
	other_start(&others[1], HERE, wait_forever, &message);
	other_join(&others[0]);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE_ON_1_AND_2(two_nanosleeps_are_told_apart_by_their_tags_without_polling),
		HARNESS_CASE_ON_1_AND_2(tag_and_port_are_handed_back_untouched),
		HARNESS_CASE(all_zero_is_a_message_that_is_not_sent, HARNESS_IN_RUN),
		HARNESS_CASE(what_was_not_prepared_cannot_be_sent, HARNESS_IN_RUN),
		HARNESS_CASE(without_a_runtime_nothing_is_sent),
		HARNESS_CASE_ON_1_AND_2(a_message_is_prepared_once_and_sent_often),
		HARNESS_CASE_ON_1_AND_2(a_nanosleep_counts_from_each_time_it_is_sent),
		HARNESS_CASE(errors_of_the_arguments_come_with_the_reply, HARNESS_IN_RUN),
		HARNESS_CASE(what_is_not_sent_cannot_be_waited_for, HARNESS_IN_RUN),
		HARNESS_CASE_ON_1_AND_2(a_wait_that_ends_too_early_leaves_the_message_sent),
		HARNESS_CASE_ON_1_AND_2(polling_collects_without_switching),
		HARNESS_CASE_ON_1_AND_2(asking_a_port_finds_sleeps_that_are_over),
		HARNESS_CASE_ON_1_AND_2(a_sleep_without_end_can_be_revoked),
		HARNESS_CASE_ON_1_AND_2(do_until_keeps_what_comes_in_time),
		HARNESS_CASE(sending_twice_aborts, HARNESS_IN_RUN, HARNESS_DIES("sending a message that is not idle")),
		HARNESS_CASE(doing_what_is_sent_aborts, HARNESS_IN_RUN, HARNESS_DIES("is sent")),
		HARNESS_CASE(sending_before_the_reply_is_taken_aborts, HARNESS_IN_RUN,
			     HARNESS_DIES("port \"replies\") is replied, and its reply not taken")),
		HARNESS_CASE(preparing_what_is_sent_aborts, HARNESS_IN_RUN,
			     HARNESS_DIES("preparing a message that is not idle")),
		HARNESS_CASE(preparing_before_the_reply_is_taken_aborts, HARNESS_IN_RUN,
			     HARNESS_DIES("port \"replies\") is replied, and its reply not taken")),
		HARNESS_CASE(putting_what_is_sent_aborts, HARNESS_IN_RUN,
			     HARNESS_DIES("sending a message that is not idle")),
		HARNESS_CASE(sending_garbage_aborts, HARNESS_IN_RUN, HARNESS_DIES("is damaged")),
		HARNESS_CASE(two_who_wait_for_one_message_abort, HARNESS_IN_RUN,
			     HARNESS_DIES("two threads wait for one message")),

		HARNESS_CASE_ON_1_AND_2(only_what_is_under_way_can_be_revoked),
		HARNESS_CASE_ON_1_AND_2(a_revoked_read_takes_nothing),
		HARNESS_CASE_ON_1_AND_2(anybody_may_revoke),
		HARNESS_CASE_ON_1_AND_2(do_until_revokes_at_its_deadline),
		HARNESS_CASE_ON_1_AND_2(a_foreign_thread_uses_messages_as_any_other),
		HARNESS_CASE_ON_1_AND_2(what_a_foreign_thread_sends_may_be_revoked_at_once),
		HARNESS_CASE(sending_what_is_being_revoked_aborts, HARNESS_IN_RUN, HARNESS_DIES("is being revoked")),
		/* From here on the kernel port must take the messages: helpers have a pace of their own. */
		HARNESS_CASE_ON_1_AND_2(messages_start_in_the_order_in_which_they_were_sent),
		HARNESS_CASE_ON_1_AND_2(a_deadline_in_the_past_still_gets_what_is_there),
		HARNESS_CASE_ON_1_AND_2(a_late_revoke_leaves_the_next_use_alone),
	};
	/* It is run a second time on helpers: tests/meson.build. */
	void (*end)(void) = getenv("ELLULA_UNPROBE") ? messages_start_in_the_order_in_which_they_were_sent : NULL;
	size_t count = 0;

	while (count < ARRAY_SIZE(cases) && cases[count].body != end)
		count++;
	return harness_run("message", cases, count, argc, argv);
}
