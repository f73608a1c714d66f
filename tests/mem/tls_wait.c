/* SPDX-License-Identifier: BSD-2-Clause */
/* tls_wait.c - waits in many ways, and variables of another file, for tls_test.c */
#include "mem/tls_wait.h"

#include <ellula/ellula.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "thread/threads.h"

__thread unsigned long tls_foreign_count = 1000;
__thread char tls_foreign_text[32] = "anisoptera";

static unsigned long moves;

unsigned long tls_moves(void)
{
	return load_relaxed(&moves);
}

void wait_quietly(unsigned i)
{
	int before = ell_vcpu();

	switch (i % 3) {
	case 0:
		ell_yield();
		break;
	case 1:
		ell_sleep_until(ell_after(1));
		break;
	case 2:
		ell_park_until(ell_after(10 * ELL_USEC));
		break;
	}
	if (ell_vcpu() != before)
		fetch_add_relaxed(&moves, 1);
}

static void *end_at_once(void *arg)
{
	return arg;
}

void wait_somehow(unsigned i)
{
	static struct ell_mutex mutex;
	struct stat st;

	switch (i % 6) {
	case 0:
		CHECK_EQ(ell_stat("/", &st), 0);
		break;
	case 1:
		CHECK_EQ(ell_close(ell_open("/dev/null", O_RDONLY)), 0);
		break;
	case 2:
		join(start(end_at_once, NULL));
		break;
	case 3:
		CHECK_EQ(ell_mutex_lock(&mutex), 0);
		wait_quietly(i / 6);
		CHECK_EQ(ell_mutex_unlock(&mutex), 0);
		break;
	default:
		wait_quietly(i / 6);
	}
}

void tls_count_slowly(unsigned i)
{
	unsigned long before = tls_foreign_count;

	wait_somehow(i);
	tls_foreign_count++;
	CHECK_EQ(tls_foreign_count, before + 1);
}
