/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * port.c - the simulated kernel port: a ring whose other side is in this process, too
 *
 * Each message that is submitted becomes a job: an actor of the kernel's, which begins when the seed says so, runs the
 * function that a helper LWP would run (struct op), with the simulated system calls under it, and puts its result into
 * the completion queue of the ring it came from. So replies are late, and in any order.
 *
 * A cancel is a submission of its own, as in io_uring, and comes before what is sent later. It names a message by
 * address and generation; when it is submitted it ends the job that waits, or finds one that will not wait any more, or
 * none of that name.
 *
 * The completion queue is bounded, if the seed says so: what does not fit waits in the kernel, and comes when the LWP
 * enters it again. The submission queue may be refused for a while.
 *
 * What is checked: a job has one message and one completion; its message is on its way, in the same generation, as long
 * as the job lives and whenever it touches memory; an LWP counts right what it has with the kernel; nothing is left at
 * the end.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/panic.h"
#include "kport/backend.h"
#include "kport/op.h"
#include "kport/sim/files.h"
#include "kport/sim/sim.h"
#include "message/message.h"

struct ring;

struct job {
	struct ell_msg *jb_message;
	uint32_t jb_gen;
	uint16_t jb_op;
	struct ring *jb_ring;
	struct actor *jb_actor;
	bool jb_cancelled;
	bool jb_done;
	struct job *jb_next; /* of all jobs */
};

struct completion {
	struct completion *next;
	struct job *job; /* NULL: nothing but a reason to wake up */
	int64_t result;
	bool more;
};

struct queue {
	struct completion *first;
	struct completion **last;
	unsigned count;
};

struct ring {
	struct kport rg_kport;
	struct ell_msg *rg_first; /* sent, not submitted: by ms_next and ms_prev */
	struct ell_msg *rg_last;
	struct cancel *rg_cancels;
	struct queue rg_cq;
	struct queue rg_overflow;
	uint64_t rg_refuses; /* until this step */
	bool rg_reaping;
	bool rg_woken;
};

/* A cancel that is to be submitted. */
struct cancel {
	struct cancel *next;
	const struct ell_msg *message;
	uint32_t gen;
};

static struct job *jobs;

static struct ring *ring_of(struct kport *kp)
{
	return CONTAINER_OF(kp, struct ring, rg_kport);
}

/* Mostly some microseconds, now and then much more. */
static ell_time latency(void)
{
	if (world_fault(late))
		return (ell_time)world_random(20 * ELL_MSEC);
	return (ell_time)world_random(20000);
}

/* Jobs. */

struct job *job_self(void)
{
	for (struct job *job = jobs; job; job = job->jb_next) {
		if (job->jb_actor == world_self())
			return job;
	}
	return NULL;
}

bool job_is_cancelled(const struct job *job)
{
	return job && job->jb_cancelled;
}

static void check_alive(const struct job *job, const char *what)
{
	enum message_state state = message_state(job->jb_message);

	if (job->jb_message->ms_gen != job->jb_gen || job->jb_message->ms_op != job->jb_op ||
	    (state != MESSAGE_SENT && state != MESSAGE_SHORT && state != MESSAGE_REVOKING))
		world_fail("the kernel %s of message %p (%s), which has been replied to", what, (void *)job->jb_message,
			   op_table[job->jb_op].name);
}

void job_touches(void)
{
	const struct job *job = job_self();

	if (job)
		check_alive(job, "touches a buffer");
}

int job_wait(const void *on, ell_time until)
{
	const struct job *job = job_self();

	if (job_is_cancelled(job) || world_is_stopped())
		return -EINTR;
	if (!world_wait(on, until))
		return -ETIMEDOUT;
	return job_is_cancelled(job) || world_is_stopped() ? -EINTR : 0;
}

static void queue_add(struct queue *q, struct completion *c)
{
	if (!q->first)
		q->last = &q->first;
	c->next = NULL;
	*q->last = c;
	q->last = &c->next;
	q->count++;
}

static struct completion *queue_take(struct queue *q)
{
	struct completion *c = q->first;

	if (c) {
		q->first = c->next;
		q->count--;
	}
	return c;
}

static void complete(struct job *job, int64_t result, bool more)
{
	struct ring *rg = job->jb_ring;
	struct completion *c = sim_allocate(sizeof(*c));
	bool is_full;

	check_alive(job, "finishes a job");
	world_note("kernel: %s %p gives %lld%s", op_table[job->jb_op].name, (void *)job->jb_message, (long long)result,
		   more ? ", and more will come" : "");
	*c = (struct completion){.job = job, .result = result, .more = more};
	job->jb_done = !more;
	/* As in the kernel, what comes after an overflow waits behind it. */
	is_full = world_faults.wf_cq && rg->rg_cq.count >= world_faults.wf_cq;
	queue_add(is_full || rg->rg_overflow.first ? &rg->rg_overflow : &rg->rg_cq, c);
	world_wake(rg, 1);
}

/* Edge by edge, until it is cancelled. */
static int64_t watch(struct job *job)
{
	struct sim_file *file = files_hold(job->jb_message->ms_fd);
	int wanted = (int)(job->jb_message->ms_opflags & UINT16_MAX);
	uint64_t seen = UINT64_MAX;

	if (!file)
		return -EBADF;
	for (;;) {
		uint64_t edges = files_edges_of(file);
		int events = files_events_of(file) & (wanted | POLLHUP | POLLERR);

		if (edges != seen && events)
			complete(job, events, true);
		seen = edges;
		if (job_wait(file, ELL_FOREVER) != 0)
			break;
	}
	files_release(file);
	return -ECANCELED;
}

static void job_main(void *arg)
{
	struct job *job = arg;
	const struct op *row = &op_table[job->jb_op];
	int64_t result = -ECANCELED;

	check_alive(job, "begins a job");
	if (!job->jb_cancelled) {
		result = row->run ? row->run(job->jb_message) : watch(job);
		/* The calls were interrupted, and the sender has asked for that. */
		if (job->jb_cancelled &&
		    (result == -EINTR || result == -EAGAIN || (!result && job->jb_op == ELL_OP_POLL)))
			result = -ECANCELED;
	}
	complete(job, result, false);
}

static void submit(struct ring *rg, struct ell_msg *m)
{
	struct job *job = sim_allocate(sizeof(*job));

	*job = (struct job){.jb_message = m, .jb_gen = m->ms_gen, .jb_op = m->ms_op, .jb_ring = rg, .jb_next = jobs};
	for (const struct job *other = jobs; other; other = other->jb_next) {
		if (other->jb_message == m)
			world_fail("message %p is submitted twice", (void *)m);
	}
	jobs = job;
	kport_has(&rg->rg_kport, m, op_table[m->ms_op].class);
	job->jb_actor = world_spawn(op_table[m->ms_op].name, ACTOR_KERNEL, world_now() + latency(), job_main, job);
}

static void job_free(struct job *job)
{
	for (struct job **at = &jobs; *at; at = &(*at)->jb_next) {
		if (*at == job) {
			*at = job->jb_next;
			free(job);
			return;
		}
	}
	panic("the simulator has lost a job");
}

/* The submission queue. */

static void list_append_sent(struct ring *rg, struct ell_msg *m)
{
	m->ms_next = NULL;
	m->ms_prev = rg->rg_last;
	if (rg->rg_last)
		rg->rg_last->ms_next = m;
	else
		rg->rg_first = m;
	rg->rg_last = m;
}

static void list_remove_sent(struct ring *rg, struct ell_msg *m)
{
	if (m->ms_prev)
		m->ms_prev->ms_next = m->ms_next;
	else
		rg->rg_first = m->ms_next;
	if (m->ms_next)
		m->ms_next->ms_prev = m->ms_prev;
	else
		rg->rg_last = m->ms_prev;
	m->ms_next = NULL;
	m->ms_prev = NULL;
}

static void check_owner(const struct ring *rg)
{
	if (kport_above.self() != &rg->rg_kport)
		world_fail("a kernel port is used by an LWP that does not own it");
}

static void sim_send(struct kport *kp, struct ell_msg *m)
{
	check_owner(ring_of(kp));
	world_note("send %s %p", op_table[m->ms_op].name, (void *)m);
	list_append_sent(ring_of(kp), m);
}

static void cancel(const struct cancel *c)
{
	for (struct job *job = jobs; job; job = job->jb_next) {
		if (job->jb_message == c->message && job->jb_gen == c->gen && !job->jb_done) {
			world_note("kernel: cancels %s %p", op_table[job->jb_op].name, (void *)job->jb_message);
			job->jb_cancelled = true;
			world_interrupt(job->jb_actor);
		}
	}
}

static bool submit_all(struct ring *rg)
{
	world_enter();
	if (world_fault(refuse))
		rg->rg_refuses = world_steps() + world_random(200);
	if ((rg->rg_first || rg->rg_cancels) && rg->rg_refuses > world_steps()) {
		world_note("the ring takes nothing");
		return false;
	}
	while (rg->rg_cancels) {
		struct cancel *c = rg->rg_cancels;

		rg->rg_cancels = c->next;
		cancel(c);
		free(c);
	}
	while (rg->rg_first) {
		struct ell_msg *m = rg->rg_first;

		list_remove_sent(rg, m);
		submit(rg, m);
	}
	return true;
}

static void sim_cancel(struct kport *kp, struct ell_msg *m)
{
	struct ring *rg = ring_of(kp);
	struct cancel *c;

	check_owner(rg);
	world_note("revoke %s %p", op_table[m->ms_op].name, (void *)m);
	if (!(m->ms_mark & MARK_IN_KERNEL)) {
		list_remove_sent(rg, m);
		message_reply(m, -ECANCELED);
		return;
	}
	c = sim_allocate(sizeof(*c));
	*c = (struct cancel){rg->rg_cancels, m, m->ms_gen};
	rg->rg_cancels = c;
}

/* The completion queue. */

static void act(struct ring *rg, struct completion *c)
{
	struct ell_msg *m = c->job->jb_message;
	bool is_watch = c->job->jb_op == ELL_OP_WATCH;
	int64_t result = c->result;
	bool more = c->more;

	check_alive(c->job, "has a completion");
	if (!more) {
		kport_has_not(&rg->rg_kport, m, op_table[m->ms_op].class);
		job_free(c->job);
	}
	free(c);
	if (!more)
		message_finish(m, result);
	/* The memory of a watch is never freed. */
	if (is_watch)
		kport_above.event(m, (int32_t)result);
}

static bool reap(struct ring *rg)
{
	struct completion *c;
	bool any = false;

	while ((c = queue_take(&rg->rg_cq)) != NULL) {
		act(rg, c);
		any = true;
	}
	return any;
}

/* What had no room comes now. */
static void take_overflow(struct ring *rg)
{
	struct completion *c;

	while ((!world_faults.wf_cq || rg->rg_cq.count < world_faults.wf_cq) &&
	       (c = queue_take(&rg->rg_overflow)) != NULL)
		queue_add(&rg->rg_cq, c);
}

/* What the LWP believes that the kernel has is what it has. */
static void check_counts(const struct ring *rg)
{
	const struct kport *kp = &rg->rg_kport;
	uint32_t have = 0, longs = 0;

	for (const struct job *job = jobs; job; job = job->jb_next)
		have += job->jb_ring == rg;
	for (const struct ell_msg *m = kp->kp_long; m; m = m->ms_next)
		longs++;
	if (have != kp->kp_outstanding || longs != kp->kp_long_count)
		world_fail("kernel port %u has %u messages, counted %u, of them %u long ones, counted %u",
			   kp->kp_number, have, kp->kp_outstanding, longs, kp->kp_long_count);
}

static void sim_flush(struct kport *kp)
{
	struct ring *rg = ring_of(kp);

	check_owner(rg);
	if (rg->rg_reaping)
		return;
	rg->rg_reaping = true;
	kport_collect(kp);
	do {
		submit_all(rg);
		take_overflow(rg);
	} while (reap(rg));
	rg->rg_reaping = false;
	check_counts(rg);
}

static void sim_sleep(struct kport *kp, ell_time until)
{
	struct ring *rg = ring_of(kp);

	check_owner(rg);
	if (submit_all(rg) && !rg->rg_cq.first && !rg->rg_overflow.first && !rg->rg_woken && !world_fault(again))
		world_wait(rg, until);
	rg->rg_woken = false;
	take_overflow(rg);
	rg->rg_reaping = true;
	reap(rg);
	rg->rg_reaping = false;
}

static void wake_now(void *arg)
{
	struct ring *rg = arg;

	rg->rg_woken = true;
	world_wake(rg, 1);
}

/* It takes a while to reach another CPU, and the order of two is not kept. */
static void sim_wake(struct kport *target, struct kport *from)
{
	(void)from;
	world_enter();
	if (world_random(4) == 0)
		world_spawn("wake", ACTOR_KERNEL, world_now() + latency(), wake_now, ring_of(target));
	else
		wake_now(ring_of(target));
}

static struct ell_msg *sim_next(struct kport *kp, struct ell_msg *after)
{
	if (!after && kp->kp_long)
		return kp->kp_long;
	if (after && after->ms_next)
		return after->ms_next;
	return !after || (after->ms_mark & MARK_IN_KERNEL) ? ring_of(kp)->rg_first : NULL;
}

static bool sim_is_behind(const struct kport *kp)
{
	const struct ring *rg = CONTAINER_OF(kp, struct ring, rg_kport);

	return rg->rg_first || rg->rg_cancels;
}

static void queue_drop(struct queue *q)
{
	struct completion *c;

	while ((c = queue_take(q)) != NULL)
		free(c);
}

/* The kernel works for the parent, and the child's memory is not the parent's. */
static void sim_forked(struct kport *kp, struct ell_msg **orphans)
{
	struct ring *rg = ring_of(kp);

	kport_orphans(orphans, kp->kp_long);
	kport_orphans(orphans, rg->rg_first);
	while (rg->rg_cancels) {
		struct cancel *c = rg->rg_cancels;

		rg->rg_cancels = c->next;
		free(c);
	}
	queue_drop(&rg->rg_cq);
	queue_drop(&rg->rg_overflow);
	*rg = (struct ring){.rg_kport = rg->rg_kport};
}

static void sim_destroy(struct kport *kp)
{
	free(ring_of(kp));
}

static const struct kport_ops sim_ops = {
	.name = "sim",
	.send = sim_send,
	.cancel = sim_cancel,
	.flush = sim_flush,
	.sleep = sim_sleep,
	.wake = sim_wake,
	.next = sim_next,
	.is_behind = sim_is_behind,
	.forked = sim_forked,
	.destroy = sim_destroy,
};

static struct kport *create(int *error)
{
	struct ring *rg = aligned_alloc(CACHE_LINE, (sizeof(*rg) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);

	if (!rg) {
		*error = -ENOMEM;
		return NULL;
	}
	*rg = (struct ring){.rg_kport.kp_ops = &sim_ops};
	for (unsigned op = 0; op < ELL_OP_COUNT; op++)
		kport_able[op] = (op_table[op].run && !kport_unprobed((enum ell_op)op)) || op == ELL_OP_WATCH;
	return &rg->rg_kport;
}

static const char *describe(void)
{
	return "a simulation";
}

static const struct kport_backend sim_backend = {.name = "sim", .create = create, .describe = describe};

void sim_begin(uint64_t seed, const char *salt)
{
	world_begin(seed, salt);
	calls_begin();
	files_begin();
	kport_brought = &sim_backend;
}

static void forget_jobs(void)
{
	while (jobs) {
		world_forget(jobs->jb_actor);
		job_free(jobs);
	}
}

bool sim_fork(void)
{
	bool is_child;

	world_enter();
	is_child = world_random(2);
	world_note("this is the %s from now on", is_child ? "child" : "parent");
	if (is_child) {
		calls_forked();
		forget_jobs();
		world_forget_threads();
	}
	return is_child;
}

void sim_exit(void)
{
	forget_jobs();
	world_forget_threads();
}

void sim_end(void)
{
	for (const struct job *job = jobs; job; job = job->jb_next)
		world_note("left over: %s %p", op_table[job->jb_op].name, (void *)job->jb_message);
	if (jobs)
		world_fail("the kernel has messages that nobody waits for");
	if (files_open())
		world_fail("%u descriptors are left open", files_open());
}
