/* SPDX-License-Identifier: BSD-2-Clause */
/* port.c - one thread asks another by message, and waits for the answer: two hand-offs a question */
#include "threads.h"

static struct ell_port questions;
static uint64_t asked;

static void *port_server(void *arg)
{
	for (uint64_t i = 0; i < asked; i++) {
		struct ell_msg *m = ell_port_wait(&questions, ELL_FOREVER);

		ell_msg_reply(m, 1 + *(int64_t *)m->ms_addr);
	}
	return arg;
}

static void *port_client(void *arg)
{
	struct ell_port answers;
	struct ell_msg m;
	int64_t number;

	ell_port_init(&answers, "answers");
	ell_msg_init(&m, &answers, NULL);
	for (number = 0; number < (int64_t)asked; number++) {
		ell_msg_user(&m, 0, &number);
		BENCH_OK(ell_port_put(&questions, &m));
		if (ell_port_wait(&answers, ELL_FOREVER) != &m || m.ms_result != number + 1)
			bench_fail("answer", (int)m.ms_result);
	}
	BENCH_OK(ell_port_finish(&answers));
	return arg;
}

static int64_t port_round(uint64_t n)
{
	int64_t start = bench_now();
	threads_t server, client;

	asked = n;
	BENCH_OK(threads_create(&server, port_server, NULL));
	BENCH_OK(threads_create(&client, port_client, NULL));
	BENCH_OK(threads_join(client));
	BENCH_OK(threads_join(server));
	return bench_now() - start;
}

static void *port_bench(void *arg)
{
	(void)arg;
	ell_port_init(&questions, "questions");
	bench_row("per hand-off", bench_each(port_round) / 2, "ns");
	BENCH_OK(ell_port_finish(&questions));
	return NULL;
}

int main(int argc, char **argv)
{
	return threads_main(argc, argv, port_bench);
}
