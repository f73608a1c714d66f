/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * offload.c - blocking calls that no message can be made of
 *
 * A helper is a kernel thread that takes the oldest call from one queue, makes it, and wakes who asked for it. One that
 * has found nothing for IDLE_SECONDS ends. A call here may wait for another one, so there is no bound on their number.
 * Helpers take no signals. One to the thread that asked ends the call, as a revoke ends that of a helper of the kernel
 * port (kport/helper.c), and by the same signal: gu_stop is the word that sys.interruptible() looks at.
 *
 * SIGPIPE and SIGXFSZ, which the call itself may raise, are found pending afterwards, and are those of who asked.
 *
 * A thread may wait for signals itself (rt_sigtimedwait(2)). Its helper waits for those to the process, and is stopped
 * by one to the thread.
 *
 * (Messages that the kernel port cannot execute have helpers like these: kport/helper.c. A message has an operation of
 * a fixed table, and this is for what has none.)
 *
 * Locks: jobs.lock, a kernel mutex, for it is kernel threads that wait. Nothing is taken under it.
 */
#include "personality/offload.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "kport/helper.h"
#include "personality/guest.h"
#include "personality/hidden.h"
#include "personality/signals.h"
#include "personality/stats.h"
#include "sched/park.h"
#include "sys/sys.h"

enum { IDLE_SECONDS = 5, HELPER_STACK = 262144 };

int offload_signal;

struct job {
	struct job *next;
	const struct entry_regs *regs;
	struct guest *guest;
	int64_t result;
	int raised; /* a signal, by the call itself; or 0 */
	park_ticket ticket;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct job *first;
	struct job **last;
	unsigned queued;
	unsigned idle;
} jobs = {.lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER, .last = &jobs.first};

/* Waits for a call: NULL if none has come for a while. */
static struct job *take_locked(void)
{
	struct timespec until;
	struct job *job;
	int error = 0;

	sys.clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += IDLE_SECONDS;
	jobs.idle++;
	while (!jobs.first && error != ETIMEDOUT)
		error = sys.pthread_cond_timedwait(&jobs.work, &jobs.lock, &until);
	jobs.idle--;
	job = jobs.first;
	if (!job)
		return NULL;
	jobs.first = job->next;
	if (!jobs.first)
		jobs.last = &jobs.first;
	jobs.queued--;
	return job;
}

/* Makes the call, and may be stopped meanwhile. */
static void make(struct job *job)
{
	const struct entry_regs *g = job->regs;
	struct guest *gu = job->guest;

	guest_helped(gu, sys.gettid());
	job->result = sys.interruptible(&gu->gu_stop, (long)g->rax, (long)g->rdi, (long)g->rsi, (long)g->rdx,
					(long)g->r10, (long)g->r8, (long)g->r9);
	job->raised = signals_take_of_write(job->result);
	guest_helped_no_more(gu);
}

static void *help(void *unused)
{
	struct job *job;

	(void)unused;
	sys.pthread_mutex_lock(&jobs.lock);
	while ((job = take_locked()) != NULL) {
		sys.pthread_mutex_unlock(&jobs.lock);
		make(job);
		/* With this the job, which is on a stack, may be gone. */
		park_unpark(job->ticket);
		sys.pthread_mutex_lock(&jobs.lock);
	}
	sys.pthread_mutex_unlock(&jobs.lock);
	return NULL;
}

void offload_forked(void)
{
	memset(&jobs, 0, sizeof(jobs));
	jobs.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	jobs.work = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
	jobs.last = &jobs.first;
}

int64_t offload(struct entry_regs *g)
{
	struct job job = {.regs = g, .guest = guest_self};
	bool more;

	count_up(&stats.helped, 1);
	if (UNLIKELY(!load_relaxed(&offload_signal)))
		store_relaxed(&offload_signal, helper_signal());
	sys.pthread_mutex_lock(&jobs.lock);
	more = jobs.idle <= jobs.queued;
	sys.pthread_mutex_unlock(&jobs.lock);
	/* Before the call is queued: afterwards nothing else may be waited for. */
	if (more && hidden_thread(help, NULL, HELPER_STACK, offload_signal) != 0)
		return -EAGAIN;
	job.ticket = park_prepare();
	sys.pthread_mutex_lock(&jobs.lock);
	*jobs.last = &job;
	jobs.last = &job.next;
	jobs.queued++;
	sys.pthread_cond_signal(&jobs.work);
	sys.pthread_mutex_unlock(&jobs.lock);
	park_commit(job.ticket, PARK_HELPER, ELL_FOREVER);
	if (UNLIKELY(job.raised))
		signals_raised(job.raised);
	return job.result;
}
