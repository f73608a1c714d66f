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
 * A message in the queue can be taken back. The system call of one that runs is interrupted:
 *
 *	who revokes, under the lock		the helper
 *	1. finds it with the message		1. looks at h_revoked, and enters the kernel: one step to
 *	2. h_revoked = 1			   the handler of the signal (arch/cancel.c)
 *	3. sends it a signal			2. has the call's result
 *						3. takes the lock: has no message any more, h_revoked = 0
 *
 * Whatever the signal finds, the helper looks after 2 or is in the kernel at 3: the call ends. Its result counts if it
 * has one, else the message was revoked; and the reply comes after the call, so nobody touches a buffer after it. A
 * signal that comes late, when the helper has another message already, finds h_revoked to be 0: the call begins again.
 * A message of a kernel port that was handed on (helper_take) may return there, when what is left of it would only wait
 * for its descriptor: a helper would be occupied by that. Under the lock it is marked as RETURNED, and then posted. Its
 * revoke, which still looks for it here, finds the mark, and leaves it to the kernel port.
 *
 * What cannot be interrupted (a disk, a file system that hangs) ends as it would have: a revoke is a request. So does a
 * function of the program's (ELL_OP_CALL), which is never interrupted.
 *
 * Helpers block all signals but that one, which is the highest real-time signal that nobody had a handler for when the
 * first helper was made. If there is none, revokes wait.
 *
 * ms_scratch[HELPER] says where a message is: QUEUED, or the helper that has it, or RETURNED to its kernel port; 0
 * before and after. Under the lock.
 *
 * Rejected: pthread_cancel(), which unwinds the stack of the helper and acts on calls of the C library only; a signal
 * that is sent again and again until the call has ended, which would do without knowing instructions, but wakes up for
 * every revoke, and has no bound.
 *
 * Locks: the queue's, a kernel mutex, for that is what waits here: kernel threads. Nothing else is taken under it.
 */
#include "kport/helper.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "arch/arch.h"
#include "base/atomic.h"
#include "base/compiler.h"
#include "base/panic.h"
#include "kport/kport.h"
#include "kport/op.h"
#include "kport/op_run.h"
#include "message/message.h"
#include "sys/signals.h"
#include "sys/sys.h"

enum { HELPERS_MAX = 32, IDLE_SECONDS = 5, RETRIES = 5, NAP_NS = 1000000 };

/* The word of ms_scratch that no step of an operation uses on a helper, and what it holds beside a helper's address. */
enum { HELPER = 3, QUEUED = 1, RETURNED = 2 };

/* On its own stack; all but h_tid under the lock. */
struct helper {
	struct helper *h_next;
	pid_t h_tid;
	uint32_t h_revoked; /* its message is: read without the lock, too */
	bool h_may_end;	    /* has one that the end of the process does not wait for */
	bool h_deaf;	    /* runs a function of the program's, which knows nothing of such an interruption */
};

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
	bool prepared;
	bool closed;	    /* the process ends: what may be revoked does not begin, and does not return */
	struct helper *all; /* by h_next */
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
	helpers.queued--;
	return m;
}

static void queue_push_locked(struct ell_msg *m)
{
	m->ms_scratch[HELPER] = QUEUED;
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
	m->ms_scratch[HELPER] = 0;
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

/*
 * Runs M to its end, or until it can do nothing but wait for its descriptor: then it is to return. What has come to
 * nothing waits here, for the kernel port may not be able to.
 */
static int64_t run(struct ell_msg *m)
{
	const struct op *row = &op_table[m->ms_op];
	uint64_t done = m->ms_scratch[0];
	int64_t result;

	if (!row->proceed || m->ms_home == &helpers || m->ms_drain)
		return row->run(m);
	while (!op_is_result(result = row->proceed(m)) && m->ms_scratch[0] == done)
		op_wait(m->ms_fd, (short)result);
	return result;
}

/* What SELF has done with M, whose RESULT that is: true if it returns to its kernel port. */
static bool settle_locked(struct helper *self, struct ell_msg *m, int64_t *result)
{
	bool revoked = load_relaxed(&self->h_revoked);
	bool over = op_is_result(*result);

	store_relaxed(&self->h_revoked, 0);
	self->h_may_end = false;
	m->ms_scratch[HELPER] = 0;
	run_ends_locked(m);
	if (!over && !revoked && !helpers.closed) {
		m->ms_scratch[HELPER] = RETURNED;
		return true;
	}
	if (!over)
		*result = op_stopped(m);
	else if (revoked)
		*result = op_outcome(*result, true);
	return false;
}

/* Runs M, which SELF has taken from the queue, with the lock held before and after, and replies. */
static void run_locked(struct helper *self, struct ell_msg *m)
{
	const struct op *row = &op_table[m->ms_op];
	bool is_long = row->class == OP_LONG;
	bool must = is_must(m);
	bool shorts = is_short(m);
	int64_t result;
	bool grow, returns;

	m->ms_scratch[HELPER] = (uintptr_t)self;
	self->h_may_end = !must;
	self->h_deaf = m->ms_op == ELL_OP_CALL;
	helpers.in_long += is_long;
	run_begins_locked(m);
	grow = grow_locked();
	sys.pthread_mutex_unlock(&helpers.lock);
	if (grow)
		helper_create();
	result = run(m);
	/* While the process is forked nothing finishes: this waits. */
	sys.pthread_mutex_lock(&helpers.lock);
	returns = settle_locked(self, m, &result);
	sys.pthread_mutex_unlock(&helpers.lock);
	if (returns)
		kport_send(m->ms_home, m);
	else
		message_finish(m, result);
	sys.pthread_mutex_lock(&helpers.lock);
	helpers.finishing--;
	helpers.in_long -= is_long;
	helpers.shorts -= shorts;
	gone_locked(must);
}

static void *helper_main(void *unused)
{
	struct helper self = {.h_tid = sys.gettid()};
	struct helper **at;
	struct ell_msg *m;

	(void)unused;
	op_syscalls_end_by(&self.h_revoked);
	sys.pthread_mutex_lock(&helpers.lock);
	self.h_next = helpers.all;
	helpers.all = &self;
	while ((m = wait_locked()) != NULL)
		run_locked(&self, m);
	for (at = &helpers.all; *at != &self; at = &(*at)->h_next)
		;
	*at = self.h_next;
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
		m->ms_scratch[HELPER] = 0;
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

/* The signal that interrupts helpers: 0 if there is none. */
static int interrupt_signal;

static void interrupt_choose(void)
{
	struct sigaction now;

	for (int number = last_signal(); number >= SIGRTMIN && !interrupt_signal; number--) {
		if (sys.sigaction(number, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) &&
		    now.sa_handler == SIG_DFL && arch_cancel_install(number) == 0)
			interrupt_signal = number;
	}
}

static void prepare_locked(void)
{
	if (UNLIKELY(!helpers.prepared)) {
		helpers.prepared = true;
		interrupt_choose();
	}
}

int helper_signal(void)
{
	sys.pthread_mutex_lock(&helpers.lock);
	prepare_locked();
	sys.pthread_mutex_unlock(&helpers.lock);
	return interrupt_signal;
}

/* One more helper, which is counted already, and takes no signals but ours. */
static void helper_create(void)
{
	const struct timespec nap = {.tv_nsec = NAP_NS};
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t thread;
	int error;

	sigfillset(&all);
	if (interrupt_signal)
		sigdelset(&all, interrupt_signal);
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

/* Queues M; with the lock held before, but not after. Nobody would come to end it when the process ends already. */
static void queue_locked(struct ell_msg *m)
{
	bool grow;

	if (UNLIKELY(helpers.closed && !is_must(m))) {
		sys.pthread_mutex_unlock(&helpers.lock);
		message_finish(m, op_stopped(m));
		return;
	}
	prepare_locked();
	queue_push_locked(m);
	grow = grow_locked();
	sys.pthread_cond_signal(&helpers.work);
	sys.pthread_mutex_unlock(&helpers.lock);
	if (grow)
		helper_create();
}

void helper_send(struct ell_msg *m, enum message_state state)
{
	sys.pthread_mutex_lock(&helpers.lock);
	message_to_sent(m, state, &helpers);
	queue_locked(m);
}

void helper_take(struct ell_msg *m)
{
	sys.pthread_mutex_lock(&helpers.lock);
	queue_locked(m);
}

/* Ends the system call of H. */
static void interrupt_locked(struct helper *h)
{
	if (h->h_deaf)
		return;
	store_relaxed(&h->h_revoked, 1);
	if (interrupt_signal)
		sys.tgkill(sys.getpid(), h->h_tid, interrupt_signal);
}

bool helper_revoke(struct ell_msg *m)
{
	bool queued, returned;

	sys.pthread_mutex_lock(&helpers.lock);
	queued = m->ms_scratch[HELPER] == QUEUED;
	returned = m->ms_scratch[HELPER] == RETURNED;
	if (queued) {
		queue_remove_locked(m);
		gone_locked(is_must(m));
	} else if (m->ms_scratch[HELPER] && !returned) {
		interrupt_locked((struct helper *)(uintptr_t)m->ms_scratch[HELPER]);
	}
	sys.pthread_mutex_unlock(&helpers.lock);
	if (queued)
		message_reply(m, op_stopped(m));
	else if (!returned)
		message_revoke_seen(m);
	return !returned;
}

void helper_close(void)
{
	struct ell_msg *m, *next, *taken = NULL;

	sys.pthread_mutex_lock(&helpers.lock);
	helpers.closed = true;
	for (m = helpers.first; m; m = next) {
		next = m->ms_next;
		if (is_must(m))
			continue;
		queue_remove_locked(m);
		gone_locked(false);
		m->ms_next = taken;
		taken = m;
	}
	for (struct helper *h = helpers.all; h; h = h->h_next) {
		if (h->h_may_end)
			interrupt_locked(h);
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
	for (struct ell_msg *m = helpers.first; m; m = m->ms_next)
		m->ms_scratch[HELPER] = 0;
	for (struct ell_msg *m = helpers.running; m; m = m->ms_next)
		m->ms_scratch[HELPER] = 0;
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
