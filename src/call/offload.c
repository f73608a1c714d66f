/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * offload.c - a function runs on a helper LWP, and its caller waits, for as long as it likes
 *
 * Without a deadline the message lies on the caller's stack, for it stays until the reply.
 *
 * With one the caller may be gone first. So the job has memory of its own, and its word says who waits, and who frees:
 *
 *	0 -> ticket, ticket -> ticket	the caller, before each sleep
 *	0, ticket -> ENDED		the reply: the caller, whose sleep it ends, frees
 *	ticket -> LEFT			the caller, whose deadline has passed
 *	LEFT -> ENDED			the reply: who gets it drops the argument, and frees
 *
 * All these jobs reply to one port with an upcall, and not to one in the job: an upcall must not free its own port. The
 * reply is out of the port, and the message idle, when the upcall has it; then the job may go.
 */
#include <ellula/blocking.h>
#include <ellula/ops.h>
#include <ellula/port.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "call/do.h"
#include "message/port.h"
#include "sched/park.h"

/* No tickets. */
#define JOB_ENDED UINT64_MAX
#define JOB_LEFT (UINT64_MAX - 1)

struct job {
	struct ell_msg jo_msg;
	uint64_t jo_word;
	int jo_error; /* of the message, when it has ended */
	void (*jo_fn)(void *arg);
	void (*jo_drop)(void *arg);
	void *jo_arg;
};

static int64_t job_run(void *arg)
{
	const struct job *job = arg;

	job->jo_fn(job->jo_arg);
	return 0;
}

EXPORT int ell_offload(void (*fn)(void *arg), void *arg)
{
	struct job job = {.jo_fn = fn, .jo_arg = arg};

	if (UNLIKELY(!fn))
		return EFAULT;
	ell_msg_init(&job.jo_msg, NULL, NULL);
	ell_msg_call(&job.jo_msg, job_run, &job);
	return (int)-ell_msg_do(&job.jo_msg);
}

static void job_free(struct job *job)
{
	if (job->jo_drop)
		job->jo_drop(job->jo_arg);
	free(job);
}

static void on_reply(struct ell_port *port, void *unused)
{
	struct ell_msg *m;

	(void)unused;
	while ((m = ell_port_get(port)) != NULL) {
		struct job *job = m->ms_tag;
		uint64_t word;

		job->jo_error = (int)-m->ms_result;
		/* ORD job-1: pairs with ORD job-2. After this the job is the caller's, unless that has left. */
		word = xchg_acq_rel(&job->jo_word, JOB_ENDED);
		if (word == JOB_LEFT)
			job_free(job);
		else if (word)
			park_unpark(word);
	}
}

static struct ell_port replies = {.pt_name = "offload", .pt_magic = PORT_MAGIC, .pt_upcall = on_reply};

/* Waits for the end of JOB. *LATE: UNTIL passed first; and false, JOB is left behind. */
static bool job_wait(struct job *job, ell_time until, bool *late)
{
	uint64_t word = load_acquire(&job->jo_word); /* ORD job-2: pairs with ORD job-1 */

	while (word != JOB_ENDED) {
		park_ticket ticket = park_prepare();
		bool in_time = true;

		if (cas_acq_rel(&job->jo_word, &word, ticket) || !park_cancel(ticket))
			in_time = park_commit(ticket, PARK_MESSAGE, until);
		word = load_acquire(&job->jo_word); /* ORD job-2: pairs with ORD job-1 */
		if (in_time)
			continue;
		/* As long as it is ours. What has not begun ends at once, and never will begin. */
		*late = true;
		ell_msg_revoke(&job->jo_msg);
		while (word != JOB_ENDED) {
			if (cas_acq_rel(&job->jo_word, &word, JOB_LEFT))
				return false;
		}
	}
	return true;
}

EXPORT int ell_offload_until(void (*fn)(void *arg), void *arg, void (*drop)(void *arg), ell_time until)
{
	struct job *job;
	bool late = false;
	int error;

	if (UNLIKELY(!fn))
		return EFAULT;
	job = malloc(sizeof(*job));
	if (UNLIKELY(!job))
		return ENOMEM;
	*job = (struct job){.jo_fn = fn, .jo_drop = drop, .jo_arg = arg};
	ell_msg_init(&job->jo_msg, &replies, job);
	ell_msg_call(&job->jo_msg, job_run, job);
	error = -ell_msg_send(&job->jo_msg);
	if (error) {
		free(job);
		return error;
	}
	if (!job_wait(job, until, &late))
		return ETIMEDOUT;
	error = job->jo_error;
	if (late && error == ECANCELED) {
		job_free(job);
		return ETIMEDOUT;
	}
	free(job);
	return error;
}
