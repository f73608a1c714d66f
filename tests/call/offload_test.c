/* SPDX-License-Identifier: BSD-2-Clause */
/* offload_test.c - functions that block run elsewhere, and their callers wait for as long as they like */
#include <arpa/inet.h>
#include <ellula/ellula.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/atomic.h"
#include "harness/harness.h"

static int fds[2];
static uint32_t begun, ended, dropped;

struct sum {
	int a, b, result;
	bool foreign;
};

static void add(void *arg)
{
	struct sum *sum = arg;

	sum->result = sum->a + sum->b;
	sum->foreign = ell_vcpu() < 0;
}

static void read_a_byte(void *unused)
{
	char byte;

	(void)unused;
	fetch_add_acq_rel(&begun, 1);
	CHECK_EQ(read(fds[0], &byte, 1), 1);
	fetch_add_acq_rel(&ended, 1);
}

static void drop(void *arg)
{
	free(arg);
	fetch_add_acq_rel(&dropped, 1);
}

static void wait_for(const uint32_t *word, uint32_t value)
{
	while (load_acquire(word) < value)
		ell_sleep_until(ell_after(ELL_MSEC));
}

static void the_caller_gets_what_the_function_did(void)
{
	for (int i = 0; i < 100; i++) {
		struct sum sum = {.a = i, .b = 1};

		CHECK_EQ(i % 2 ? ell_offload(add, &sum) : ell_offload_until(add, &sum, NULL, ELL_FOREVER), 0);
		CHECK_EQ(sum.result, i + 1);
		CHECK(sum.foreign);
	}
}

static void *offload_the_read(void *unused)
{
	CHECK_EQ(ell_offload(read_a_byte, NULL), 0);
	return unused;
}

enum { READERS = 40 };

/* More than helpers run at a time that end soon; and on one vCPU. */
static void it_blocks_nobody(void)
{
	ell_thread readers[READERS];
	static const char bytes[READERS];

	CHECK_EQ(pipe(fds), 0);
	for (unsigned i = 0; i < READERS; i++)
		CHECK_EQ(ell_create(&readers[i], NULL, offload_the_read, NULL), 0);
	wait_for(&begun, READERS);
	CHECK_EQ(load_acquire(&ended), 0);
	CHECK_EQ(write(fds[1], bytes, READERS), READERS);
	for (unsigned i = 0; i < READERS; i++)
		CHECK_EQ(ell_join(readers[i], NULL), 0);
	CHECK_EQ(ended, READERS);
	close(fds[0]);
	close(fds[1]);
}

/* Whether a helper has come to it or not. */
static void leave_behind(ell_time until, uint32_t nth)
{
	int unread;
	char byte;

	CHECK_EQ(ell_offload_until(read_a_byte, malloc(100), drop, until), ETIMEDOUT);
	CHECK_EQ(write(fds[1], "x", 1), 1);
	wait_for(&dropped, nth);
	CHECK_EQ(ioctl(fds[0], FIONREAD, &unread), 0);
	CHECK_EQ(unread + (int)load_acquire(&ended), (int)nth);
	if (unread)
		CHECK_EQ(read(fds[0], &byte, 1), 1);
	store_release(&ended, nth);
}

static void who_waits_no_longer_leaves_the_argument_behind(void)
{
	CHECK_EQ(pipe(fds), 0);
	leave_behind(ell_after(20 * ELL_MSEC), 1);
	leave_behind(0, 2);
	leave_behind(ell_after(ELL_MSEC), 3);
	close(fds[0]);
	close(fds[1]);
}

static void count_begun(void *arg)
{
	(void)arg;
	fetch_add_acq_rel(&begun, 1);
}

enum { TRIES = 3000 };

static uint32_t in_time, too_late;

static void *race_with_the_deadline(void *arg)
{
	uint64_t random = (uintptr_t)arg;

	for (unsigned i = 0; i < TRIES; i++) {
		void *memory = malloc(64);
		int error;

		random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
		error = ell_offload_until(count_begun, memory, drop, ell_after((int64_t)(random >> 40) % 60000));
		if (error == 0) {
			free(memory);
			fetch_add_acq_rel(&in_time, 1);
		} else {
			CHECK_EQ(error, ETIMEDOUT);
			fetch_add_acq_rel(&too_late, 1);
		}
	}
	return NULL;
}

/* Each argument is freed once, by one or the other: the address sanitizer sees to that, too. */
static void deadlines_race_with_ends(void)
{
	ell_thread racers[4];

	for (uintptr_t i = 0; i < ARRAY_SIZE(racers); i++)
		CHECK_EQ(ell_create(&racers[i], NULL, race_with_the_deadline, (void *)(i + 1)), 0);
	for (size_t i = 0; i < ARRAY_SIZE(racers); i++)
		CHECK_EQ(ell_join(racers[i], NULL), 0);
	wait_for(&dropped, too_late);
	CHECK_EQ(load_acquire(&dropped), too_late);
	CHECK(load_acquire(&begun) >= in_time);
	NOTE("%u in time, %u too late", in_time, too_late);
	CHECK_CAME(in_time > 0 && too_late > 0);
}

static int64_t twice(void *arg)
{
	return 2 * (intptr_t)arg;
}

static void a_message_carries_the_result(void)
{
	struct ell_msg m;

	ell_msg_init(&m, NULL, NULL);
	ell_msg_call(&m, twice, (void *)21);
	CHECK_EQ(ell_msg_do(&m), 42);
	ell_msg_call(&m, NULL, NULL);
	CHECK_EQ(ell_msg_do(&m), -EFAULT);
	CHECK_EQ(ell_offload(NULL, NULL), EFAULT);
	CHECK_EQ(ell_offload_until(NULL, NULL, NULL, ELL_FOREVER), EFAULT);
}

static int64_t read_for_message(void *arg)
{
	read_a_byte(arg);
	return 7;
}

/* Its read would end with EINTR if it were. */
static void what_has_begun_is_not_interrupted(void)
{
	struct ell_msg m;

	CHECK_EQ(pipe(fds), 0);
	ell_msg_init(&m, NULL, NULL);
	ell_msg_call(&m, read_for_message, NULL);
	CHECK_EQ(ell_msg_send(&m), 0);
	wait_for(&begun, 1);
	CHECK_EQ(ell_msg_revoke(&m), 0);
	ell_sleep_until(ell_after(5 * ELL_MSEC));
	CHECK_EQ(write(fds[1], "x", 1), 1);
	CHECK_EQ(ell_msg_wait(&m, ELL_FOREVER), 0);
	CHECK_EQ(m.ms_result, 7);
	close(fds[0]);
	close(fds[1]);
}

static void *offload_as_foreign(void *unused)
{
	struct sum sum = {.a = 2, .b = 3};

	CHECK_EQ(ell_offload(add, &sum), 0);
	CHECK_EQ(sum.result, 5);
	CHECK_EQ(ell_offload_until(add, &sum, NULL, ell_after(3600 * ELL_SEC)), 0);
	return unused;
}

static void foreign_threads_may_do_it_too(void)
{
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, offload_as_foreign, NULL), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void without_a_runtime_there_is_nobody(void)
{
	struct sum sum = {0};

	CHECK_EQ(ell_offload(add, &sum), ENXIO);
	CHECK_EQ(ell_offload_until(add, &sum, NULL, ELL_FOREVER), ENXIO);
}

static void names_are_found(void)
{
	const struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
	struct addrinfo *found = NULL;
	struct sockaddr_in addr;
	char host[NI_MAXHOST], service[NI_MAXSERV], tiny[4];

	CHECK_EQ(ell_getaddrinfo("127.0.0.1", "80", &hints, &found), 0);
	CHECK(found && found->ai_addrlen == sizeof(addr));
	memcpy(&addr, found->ai_addr, sizeof(addr));
	CHECK_EQ(addr.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	CHECK_EQ(addr.sin_port, htons(80));
	freeaddrinfo(found);
	CHECK_EQ(ell_getaddrinfo("no number", NULL, &hints, &found), EAI_NONAME);
	CHECK_EQ(ell_getaddrinfo(NULL, NULL, NULL, &found), EAI_NONAME);
	CHECK_EQ(ell_getnameinfo((struct sockaddr *)&addr, sizeof(addr), host, sizeof(host), service, sizeof(service),
				 NI_NUMERICHOST | NI_NUMERICSERV),
		 0);
	CHECK_STR(host, "127.0.0.1");
	CHECK_STR(service, "80");
	CHECK_EQ(ell_getnameinfo((struct sockaddr *)&addr, sizeof(addr), tiny, sizeof(tiny), NULL, 0, NI_NUMERICHOST),
		 EAI_OVERFLOW);
	CHECK_EQ(ell_getnameinfo(NULL, 0, host, sizeof(host), NULL, 0, 0), EAI_FAMILY);
}

/* In time or not, there is an answer, and nothing is left: the leak checker looks. */
static void a_name_has_a_deadline(void)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST};
	struct addrinfo *found;

	for (int i = 0; i < 200; i++) {
		int error = ell_getaddrinfo_until("::1", NULL, &hints, &found, ell_after(i * ELL_USEC));

		if (error == 0)
			freeaddrinfo(found);
		else
			CHECK(error == EAI_SYSTEM && errno == ETIMEDOUT);
	}
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE_ON_1_AND_2(the_caller_gets_what_the_function_did),
		HARNESS_CASE_ON_1_AND_2(it_blocks_nobody),
		HARNESS_CASE_ON_1_AND_2(who_waits_no_longer_leaves_the_argument_behind),
		HARNESS_CASE_ON_1_AND_2(deadlines_race_with_ends),
		HARNESS_CASE(a_message_carries_the_result, HARNESS_IN_RUN),
		HARNESS_CASE(what_has_begun_is_not_interrupted, HARNESS_IN_RUN),
		HARNESS_CASE(foreign_threads_may_do_it_too, HARNESS_IN_RUN),
		HARNESS_CASE(without_a_runtime_there_is_nobody),
		HARNESS_CASE(names_are_found, HARNESS_IN_RUN),
		HARNESS_CASE(a_name_has_a_deadline, HARNESS_IN_RUN),
	};

	return harness_run("offload", cases, ARRAY_SIZE(cases), argc, argv);
}
