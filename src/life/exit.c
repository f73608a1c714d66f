/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * exit.c - the end of a process does not leave its messages to chance
 *
 * The runtime's start registers a function with atexit(3). So what the program registers later runs before it, and may
 * do all that threads may; what it registered earlier runs after it, and finds that messages are refused.
 *
 * The function asks all LWPs to revoke and to say what is out (sched/end.c), again and again, until nothing is: or
 * until the bound has passed; or until a tenth of it has passed and nothing is left that should be completed, for what
 * then is out has been told to stop and cannot, and the kernel will deal with it.
 *
 * The caller does not park meanwhile: a thread that computes might never let it go on. Its LWP collects, but runs no
 * thread; the other LWPs go on as if nothing were.
 *
 * Rejected: to ask the kernel to cancel everything in the rings of other LWPs (IORING_REGISTER_SYNC_CANCEL); with
 * SINGLE_ISSUER it takes that from the LWP alone.
 */
#include <ellula/life.h>
#include <errno.h>
#include <stdlib.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/panic.h"
#include "life/life.h"
#include "sched/end.h"
#include "sched/sched.h"
#include "sched/slices.h"

#define BOUND_DEFAULT (2 * ELL_SEC)
#define REST_FIRST (20 * ELL_USEC)
#define REST_MOST (1 * ELL_MSEC)

enum { GRACE_SHARE = 10 };

static int64_t bound = BOUND_DEFAULT;
static uint32_t closed;

EXPORT int64_t ell_exit_bound(int64_t ns)
{
	return xchg_acq_rel(&bound, ns < 0 ? 0 : ns);
}

/* Is anything out that should still be waited for? */
static bool is_settled(const struct end_sum *sum, bool close)
{
	return sum->must + sum->silent == 0 && (!close || sum->left == 0);
}

void life_settle(bool close)
{
	int64_t most = load_relaxed(&bound);
	ell_time begin = ell_now();
	int64_t rest = REST_FIRST;

	for (;;) {
		uint64_t question = end_ask(close);
		struct end_sum sum;
		int64_t passed;

		end_rest(rest);
		sum = end_answers(question);
		passed = ell_now() - begin;
		if (is_settled(&sum, close) || passed >= most || (sum.must == 0 && passed >= most / GRACE_SHARE))
			return;
		if (rest < REST_MOST)
			rest *= 2;
	}
}

static void close_once(void)
{
	if (xchg_acq_rel(&closed, 1) == 0) {
		slices_say();
		life_settle(true);
	}
}

/* ELLULA_EXIT_BOUND, in milliseconds. */
static void read_bound(void)
{
	const char *text = getenv("ELLULA_EXIT_BOUND");
	unsigned long ms;
	char *end;

	if (!text || !*text)
		return;
	errno = 0;
	ms = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || ms > INT32_MAX)
		complain("ELLULA_EXIT_BOUND=%s: a number of milliseconds is wanted", text);
	else
		store_relaxed(&bound, (int64_t)ms * ELL_MSEC);
}

static void begun(void)
{
	read_bound();
	crash_watch();
	if (atexit(close_once) != 0)
		complain("no memory to register what is to be done at exit");
}

__attribute__((constructor)) static void set_vectors(void)
{
	sched_begun = begun;
	sched_ending = close_once;
}
