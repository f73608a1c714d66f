/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * helper.c - LWPs that run what no kernel port can, by plain blocking calls
 *
 * Purpose: the same result where the running kernel lacks an operation. It is not fast; it is for what is rare.
 *
 * A helper is a kernel thread that takes the oldest message from one queue, calls its row's run(), and replies. One
 * that has found nothing for IDLE_SECONDS ends.
 *
 * HELPERS_MAX at a time run messages that end soon. Those in a long one do not count, for it may wait for a message
 * that is still in the queue: any bound on them would be a deadlock for some program. So who takes a long message, or
 * puts one into the queue, makes another helper when there is none for what is queued.
 *
 * A message in the queue can be taken back. One that runs cannot, and its reply comes with its own result: a revoke is
 * a request.
 *
 * Locks: the queue's, a kernel mutex, for that is what waits here: kernel threads. Nothing else is taken under it.
 */
#include "kport/helper.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/atomic.h"
#include "base/panic.h"
#include "kport/kport.h"
#include "kport/op.h"
#include "message/message.h"
#include "sys/sys.h"

enum { HELPERS_MAX = 32, IDLE_SECONDS = 5, RETRIES = 5, NAP_NS = 1000000 };

static struct {
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct ell_msg *first;
	struct ell_msg *last;
	unsigned queued;
	unsigned idle;
	unsigned count;
	unsigned in_long;	 /* of these: run a message of the long class */
	unsigned finishing;	 /* have just been run, and are being replied to */
	uint32_t shorts;	 /* messages of the short class that are queued or run */
	struct ell_msg *running; /* what helpers run, by ms_next and ms_prev */
	uint32_t left;		 /* messages that are queued or run */
	uint32_t must;		 /* of these: that the end of the process waits for */
} helpers = {.lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER};

/* Does the end of the process wait for M? */
static bool is_must(const struct ell_msg *m)
{
	return m->ms_drain || op_table[m->ms_op].class != OP_LONG;
}

static bool is_short(const struct ell_msg *m)
{
	return op_table[m->ms_op].class == OP_SHORT;
}

static void run_begins_locked(struct ell_msg *m)
{
	m->ms_prev = NULL;
	m->ms_next = helpers.running;
	if (helpers.running)
		helpers.running->ms_prev = m;
	helpers.running = m;
}

static void run_ends_locked(struct ell_msg *m)
{
	if (m->ms_prev)
		m->ms_prev->ms_next = m->ms_next;
	else
		helpers.running = m->ms_next;
	if (m->ms_next)
		m->ms_next->ms_prev = m->ms_prev;
	m->ms_next = NULL;
	m->ms_prev = NULL;
	helpers.finishing++;
}

static void gone_locked(bool must)
{
	helpers.left--;
	helpers.must -= must;
}

static struct ell_msg *queue_pop_locked(void)
{
	struct ell_msg *m = helpers.first;

	if (!m)
		return NULL;
	helpers.first = m->ms_next;
	if (helpers.first)
		helpers.first->ms_prev = NULL;
	else
		helpers.last = NULL;
	m->ms_next = NULL;
	m->ms_home = NULL;
	helpers.queued--;
	return m;
}

static void queue_push_locked(struct ell_msg *m)
{
	m->ms_next = NULL;
	m->ms_prev = helpers.last;
	if (helpers.last)
		helpers.last->ms_next = m;
	else
		helpers.first = m;
	helpers.last = m;
	helpers.queued++;
	helpers.left++;
	helpers.must += is_must(m);
	helpers.shorts += is_short(m);
}

static void queue_remove_locked(struct ell_msg *m)
{
	if (m->ms_prev)
		m->ms_prev->ms_next = m->ms_next;
	else
		helpers.first = m->ms_next;
	if (m->ms_next)
		m->ms_next->ms_prev = m->ms_prev;
	else
		helpers.last = m->ms_prev;
	m->ms_next = NULL;
	m->ms_prev = NULL;
	m->ms_home = NULL;
	helpers.queued--;
}

/* Waits for a message: NULL if none has come for a while. */
static struct ell_msg *wait_locked(void)
{
	struct timespec until;
	struct ell_msg *m;
	int error = 0;

	sys.clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += IDLE_SECONDS;
	helpers.idle++;
	while (!(m = queue_pop_locked()) && error != ETIMEDOUT)
		error = sys.pthread_cond_timedwait(&helpers.work, &helpers.lock, &until);
	helpers.idle--;
	return m;
}

static void helper_create(void);

/* Is one more needed? Then it is counted already. */
static bool grow_locked(void)
{
	bool grow = helpers.idle < helpers.queued && helpers.count - helpers.in_long < HELPERS_MAX;

	helpers.count += grow;
	return grow;
}

static void *helper_main(void *unused)
{
	struct ell_msg *m;

	(void)unused;
	sys.pthread_mutex_lock(&helpers.lock);
	while ((m = wait_locked()) != NULL) {
		const struct op *row = &op_table[m->ms_op];
		bool is_long = row->class == OP_LONG;
		bool must = is_must(m);
		bool shorts = is_short(m);
		int64_t result;
		bool grow;

		helpers.in_long += is_long;
		run_begins_locked(m);
		grow = grow_locked();
		sys.pthread_mutex_unlock(&helpers.lock);
		if (grow)
			helper_create();
		result = row->run(m);
		/* While the process is forked nothing finishes: this waits. */
		sys.pthread_mutex_lock(&helpers.lock);
		run_ends_locked(m);
		sys.pthread_mutex_unlock(&helpers.lock);
		message_finish(m, result);
		sys.pthread_mutex_lock(&helpers.lock);
		helpers.finishing--;
		helpers.in_long -= is_long;
		helpers.shorts -= shorts;
		gone_locked(must);
	}
	helpers.count--;
	sys.pthread_mutex_unlock(&helpers.lock);
	return NULL;
}

/* The helpers that exist will come to what is queued, sooner or later; if there is none, nobody ever will. */
static void fail_if_alone(void)
{
	struct ell_msg *m;

	sys.pthread_mutex_lock(&helpers.lock);
	helpers.count--;
	while (helpers.count == 0 && (m = queue_pop_locked()) != NULL) {
		helpers.shorts -= is_short(m);
		gone_locked(is_must(m));
		sys.pthread_mutex_unlock(&helpers.lock);
		message_finish(m, -EAGAIN);
		sys.pthread_mutex_lock(&helpers.lock);
	}
	sys.pthread_mutex_unlock(&helpers.lock);
}

/*
 * Is every helper, but for the one to be made, in a long message? That may wait for one in the queue, and nobody else
 * might ever come to make another helper. So a shortage that is over soon must not be taken for an answer.
 */
static bool is_nobody_free(void)
{
	bool nobody;

	sys.pthread_mutex_lock(&helpers.lock);
	nobody = helpers.count - 1 == helpers.in_long;
	sys.pthread_mutex_unlock(&helpers.lock);
	return nobody;
}

/* One more helper, which is counted already, and takes no signals. */
static void helper_create(void)
{
	const struct timespec nap = {.tv_nsec = NAP_NS};
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t thread;
	int error;

	sigfillset(&all);
	sys.pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	error = sys.pthread_create(&thread, &attr, helper_main, NULL);
	for (unsigned tries = 0; error && tries < RETRIES && is_nobody_free(); tries++) {
		sys.nanosleep(&nap, NULL);
		error = sys.pthread_create(&thread, &attr, helper_main, NULL);
	}
	pthread_attr_destroy(&attr);
	sys.pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error)
		fail_if_alone();
}

void helper_send(struct ell_msg *m, enum message_state state)
{
	bool grow;

	sys.pthread_mutex_lock(&helpers.lock);
	message_to_sent(m, state, &helpers);
	queue_push_locked(m);
	grow = grow_locked();
	sys.pthread_cond_signal(&helpers.work);
	sys.pthread_mutex_unlock(&helpers.lock);
	if (grow)
		helper_create();
}

void helper_revoke(struct ell_msg *m)
{
	bool queued;

	sys.pthread_mutex_lock(&helpers.lock);
	queued = m->ms_home == &helpers;
	if (queued) {
		queue_remove_locked(m);
		gone_locked(is_must(m));
	}
	sys.pthread_mutex_unlock(&helpers.lock);
	if (queued)
		message_reply(m, -ECANCELED);
	else
		message_revoke_seen(m);
}

void helper_close(void)
{
	struct ell_msg *m, *next, *taken = NULL;

	sys.pthread_mutex_lock(&helpers.lock);
	for (m = helpers.first; m; m = next) {
		next = m->ms_next;
		if (is_must(m))
			continue;
		queue_remove_locked(m);
		gone_locked(false);
		m->ms_next = taken;
		taken = m;
	}
	sys.pthread_mutex_unlock(&helpers.lock);
	for (m = taken; m; m = next) {
		next = m->ms_next;
		m->ms_next = NULL;
		/* As if it had ended so: whoever revokes it meanwhile finds that. */
		message_finish(m, -ECANCELED);
	}
}

void helper_count(uint32_t *left, uint32_t *must)
{
	sys.pthread_mutex_lock(&helpers.lock);
	*left += helpers.left;
	*must += helpers.must;
	sys.pthread_mutex_unlock(&helpers.lock);
}

void helper_hold(void)
{
	const struct timespec nap = {.tv_nsec = NAP_NS / 20};

	sys.pthread_mutex_lock(&helpers.lock);
	while (helpers.finishing || helpers.shorts) {
		sys.pthread_mutex_unlock(&helpers.lock);
		sys.nanosleep(&nap, NULL);
		sys.pthread_mutex_lock(&helpers.lock);
	}
}

void helper_release(void)
{
	sys.pthread_mutex_unlock(&helpers.lock);
}

void helper_forked(struct ell_msg **orphans)
{
	kport_orphans(orphans, helpers.first);
	kport_orphans(orphans, helpers.running);
	memset(&helpers, 0, sizeof(helpers));
	helpers.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	helpers.work = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
}

uint32_t helper_glance(void)
{
	return load_relaxed(&helpers.left);
}
