/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * life.c - scenarios: a process becomes two, ends, or becomes another program, with messages of every kind outstanding
 *
 * Several threads, one of them a foreign one, send messages; some are revoked. In the middle of that, one of the
 * threads forks, exits, or executes. All replies go to one port with an upcall, which counts them.
 *
 * A fork is what the library registers with pthread_atfork(), and between it the kernel's part, sim_fork(): the seed
 * chooses which of the two processes the run goes on as.
 */
#include <ellula/life.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "kport/kport.h"
#include "message/message.h"
#include "sched/fork.h"
#include "sched/vcpu.h"
#include "sim.h"
#include "sys/sys.h"

enum { SENDERS_MAX = 3, EACH = 5, SENT_MAX = (SENDERS_MAX + 1) * EACH, WIDTH = 4 };

/* A tenth of it is more than the latest wake-up and the latest reply together. */
#define BOUND (1000 * ELL_MSEC)

/* What is late, or was interrupted for long, is no error of who waits for it. */
#define SLACK (60 * ELL_MSEC)

enum kind {
	ENDS,	/* soon, by itself */
	READS,	/* what nobody writes */
	POLLS,	/* the same */
	SLEEPS, /* for long */
	WRITES, /* a file; some are marked to be completed */
	HANGS,	/* is with a disk that does not answer */
	KINDS
};

struct sent {
	struct ell_msg m;
	enum kind kind;
	bool drains;
	uint32_t is_sent; /* 1: its sending has come back; 2: and had, when the process began to end or to become two */
	uint32_t asked;	  /* for an early reply */
	uint32_t replies;
	char bytes[WIDTH];
};

static struct sent all[SENT_MAX];
static struct ell_port replies;
static unsigned count, through; /* messages; senders that have sent theirs */
static bool may_hang;
static int pipe_fds[2], file, hung;

static void on_reply(struct ell_port *port, void *unused)
{
	struct ell_msg *m;

	(void)unused;
	while ((m = ell_port_get(port)) != NULL)
		fetch_add_acq_rel(&((struct sent *)m->ms_tag)->replies, 1);
}

static void prepare(struct sent *s)
{
	switch (s->kind) {
	case ENDS:
		ell_msg_nop(&s->m);
		break;
	case READS:
		ell_msg_read(&s->m, pipe_fds[0], s->bytes, 1, -1);
		break;
	case POLLS:
		ell_msg_poll_fd(&s->m, pipe_fds[0], POLLIN);
		break;
	case SLEEPS:
		ell_msg_nanosleep(&s->m, 1000 * ELL_SEC);
		break;
	case WRITES:
		memset(s->bytes, 'w', WIDTH);
		ell_msg_write(&s->m, file, s->bytes, WIDTH, (s - all) * WIDTH);
		break;
	default:
		ell_msg_read(&s->m, hung, s->bytes, WIDTH, 0);
		break;
	}
}

static void ask_back(struct sent *s)
{
	int error;

	store_release(&s->asked, 1);
	error = ell_msg_revoke(&s->m);
	CHECK(error == 0 || error == -EALREADY || error == -EINVAL);
}

/*
 * A foreign thread revokes nothing: its revoke may run the upcall, and a port whose upcall it is in has none in the
 * child (docs/process-life.md).
 */
static void send_all(struct sent *first, bool revokes)
{
	for (struct sent *s = first; s < first + EACH; s++) {
		s->kind = (enum kind)any(0, may_hang ? HANGS : WRITES);
		s->drains = (s->kind == WRITES || s->kind == HANGS) && any(0, 1);
		ell_msg_init(&s->m, &replies, s);
		ell_msg_drain(&s->m, s->drains);
		prepare(s);
		/* The process may be ending. */
		if (ell_msg_send(&s->m) != 0)
			break;
		store_release(&s->is_sent, 1);
		if (revokes && !s->drains && any(0, 3) == 0)
			ask_back(s);
		if (any(0, 2) == 0)
			ell_yield();
	}
	fetch_add_acq_rel(&through, 1);
}

static void *send_some(void *first)
{
	send_all(first, true);
	return NULL;
}

static void send_some_foreign(void *first)
{
	send_all(first, false);
}

/* Somebody sends, and goes on doing so. */
static void begin(bool hangs)
{
	unsigned senders = any(1, SENDERS_MAX);

	/* The bounds in time are of another order than a jump of the clock. */
	world_faults.wf_jump = 0;
	may_hang = hangs;
	count = senders * EACH;
	ell_port_init(&replies, "replies");
	ell_port_upcall(&replies, on_reply, NULL);
	CHECK(sys.pipe2(pipe_fds, 0) == 0);
	file = ell_open("/log", O_RDWR | O_CREAT, 0600);
	CHECK(file >= 0);
	if (hangs) {
		sim_file_hang("/hung");
		hung = ell_open("/hung", O_RDONLY, 0);
		CHECK(hung >= 0);
	}
	for (unsigned i = 0; i < senders; i++) {
		if (any(0, 3) == 0)
			sim_foreign("sender", send_some_foreign, &all[i * EACH]);
		else
			ell_detach(start(send_some, &all[i * EACH]));
	}
}

/*
 * The caller sends some, too, right before it does what the scenario is about. What others send at the same time is
 * nobody's promise.
 */
static void send_last(void)
{
	struct sent *first = &all[count];

	count += EACH;
	send_all(first, false);
	for (struct sent *s = all; s < all + count; s++) {
		uint32_t sent = 1;

		cas_acq_rel(&s->is_sent, &sent, 2);
	}
}

/* It has its reply, but another kernel thread is in the upcall, and has not come to count it. */
static bool is_in_upcall(const struct sent *s)
{
	enum message_state state = message_state(&s->m);

	return load_acquire(&s->replies) == 0 && (state == MESSAGE_REPLIED || state == MESSAGE_IDLE);
}

/* What a reply may say. ASKED: it may have been ended early. */
static void check_result(const struct sent *s, bool asked)
{
	static const int64_t results[KINDS] = {
		[ENDS] = 0, [READS] = 1, [POLLS] = POLLIN, [SLEEPS] = 0, [WRITES] = WIDTH};

	world_note("message %p, of kind %d: %u replies, the last is %lld", (const void *)&s->m, s->kind, s->replies,
		   (long long)s->m.ms_result);
	CHECK(load_acquire(&s->replies) == 1 || is_in_upcall(s));
	CHECK(s->m.ms_result == results[s->kind] || (asked && s->m.ms_result == -ECANCELED));
	CHECK(s->kind != ENDS || s->is_sent == 1 || s->m.ms_result == 0);
}

static void close_all(void)
{
	CHECK(ell_close(pipe_fds[0]) == 0 && ell_close(pipe_fds[1]) == 0 && ell_close(file) == 0);
}

/* Who does it: one of the three that FN is called in. Where it comes back, FN sets DONE. */
static uint32_t done;

static void do_it_foreign(void *fn)
{
	((void (*)(bool is_foreign))fn)(true);
	store_release(&done, 1);
}

static void *do_it_here(void *fn)
{
	((void (*)(bool is_foreign))fn)(false);
	store_release(&done, 1);
	return NULL;
}

static void somebody_does(void (*fn)(bool is_foreign))
{
	if (any(0, 1))
		nap(any(0, 200));
	switch (any(0, 3)) {
	case 0:
		sim_foreign("foreign", do_it_foreign, (void *)fn);
		break;
	case 1:
		ell_detach(start(do_it_here, (void *)fn));
		break;
	default:
		do_it_here((void *)fn);
		break;
	}
	while (!load_acquire(&done))
		nap(100);
}

/* All messages have their ends, as if nothing had happened. */
static int go_on(void)
{
	for (;;) {
		unsigned left = 0;

		for (struct sent *s = all; s < all + count; s++) {
			if (!load_acquire(&s->is_sent) || !load_acquire(&s->replies)) {
				left++;
				if (load_acquire(&s->is_sent) && s->kind != WRITES)
					ask_back(s);
			}
		}
		if (!left)
			break;
		nap(100);
	}
	for (const struct sent *s = all; s < all + count; s++)
		check_result(s, s->asked);
	while (ell_port_finish(&replies) == EBUSY || load_relaxed(&replies.pt_calls))
		nap(20);
	close_all();
	return 0;
}

/* Fork: the parent notices nothing; in the child what was out is revoked, once, and never touched. */

static struct ell_mutex mutex;

static void *live(void *unused)
{
	char byte = 'x';
	struct ell_msg m;
	int fds[2];

	(void)unused;
	CHECK(sys.pipe2(fds, 0) == 0);
	ell_msg_init(&m, NULL, NULL);
	ell_msg_nop(&m);
	CHECK(ell_msg_do(&m) == 0);
	CHECK(ell_mutex_lock(&mutex) == 0);
	ell_sleep_until(ell_after(50 * ELL_USEC));
	CHECK(ell_mutex_unlock(&mutex) == 0);
	CHECK(ell_write(fds[1], &byte, 1) == 1 && ell_read(fds[0], &byte, 1) == 1);
	CHECK(ell_close(fds[0]) == 0 && ell_close(fds[1]) == 0);
	return NULL;
}

static int live_on(void *unused)
{
	(void)unused;
	ell_mutex_init(&mutex);
	crew(any(1, 3), live);
	close_all();
	return 0;
}

static void be_child(bool is_foreign)
{
	static char bytes[SENT_MAX][WIDTH];

	for (unsigned i = 0; i < count; i++) {
		if (all[i].is_sent)
			check_result(&all[i], true);
		memcpy(bytes[i], all[i].bytes, WIDTH);
	}
	/* With a kernel thread that was no LWP the runtime is as before its start. */
	CHECK((is_foreign ? ell_run(live_on, NULL) : live_on(NULL)) == 0);
	for (unsigned i = 0; i < count; i++) {
		CHECK(!all[i].is_sent || all[i].replies == 1);
		CHECK(memcmp(bytes[i], all[i].bytes, WIDTH) == 0);
	}
	exit(0);
}

static void fork_here(bool is_foreign)
{
	send_last();
	sched_fork_prepare();
	if (sim_fork()) {
		sched_fork_child();
		be_child(is_foreign);
	}
	sched_fork_parent();
}

static int fork_main(void *unused)
{
	(void)unused;
	begin(false);
	somebody_does(fork_here);
	return go_on();
}

/*
 * Exit: what is short or marked is completed, the rest is revoked, and what cannot be stopped keeps the process for a
 * bounded time only. New messages are refused.
 */

static ell_time exited;
static int64_t bound;

static void exit_here(bool is_foreign)
{
	(void)is_foreign;
	send_last();
	exited = ell_now();
	exit(0);
}

static int exit_main(void *unused)
{
	(void)unused;
	bound = any(0, 7) ? BOUND : 0;
	ell_exit_bound(bound);
	begin(any(0, 3) == 0);
	somebody_does(exit_here);
	return 0;
}

static void exit_after(void)
{
	ell_time took = ell_now() - exited;
	bool waits = false;
	struct ell_msg m;

	for (const struct sent *s = all; s < all + count; s++) {
		waits |= s->kind == HANGS && s->drains;
		if (s->is_sent != 2 || s->kind == HANGS || !bound)
			continue;
		check_result(s, !s->drains);
		CHECK(s->kind == ENDS || s->kind == WRITES || s->m.ms_result == -ECANCELED);
	}
	CHECK(took <= (waits ? bound : bound / 10) + SLACK);
	ell_msg_init(&m, NULL, NULL);
	ell_msg_nop(&m);
	CHECK(ell_msg_send(&m) == -ESHUTDOWN);
}

/*
 * Exec: all that was sent is with the kernel, and what is short or marked is completed; nothing is revoked, for if
 * there is no such program everything goes on.
 */

static int sim_execve(const char *path, char *const argv[], char *const envp[])
{
	(void)path;
	(void)argv;
	(void)envp;
	world_enter();
	for (unsigned i = 0; i < runtime.rt_lwp_count; i++) {
		const struct kport *kp = runtime.rt_lwps[i].lw_kport;

		CHECK(!kport_is_posted(kp) && !kp->kp_ops->is_behind(kp));
	}
	for (const struct sent *s = all; s < all + count; s++) {
		if (s->kind == ENDS || s->drains)
			check_result(s, s->asked);
		CHECK(s->asked || s->replies == 0 || s->m.ms_result >= 0);
	}
	if (any(0, 1))
		run_over();
	errno = ENOENT;
	return -1;
}

static void exec_here(bool is_foreign)
{
	static char *const none[] = {NULL};

	(void)is_foreign;
	while (load_acquire(&through) < count / EACH)
		nap(50);
	send_last();
	CHECK(ell_execve("/no such program", none, none) == -1 && errno == ENOENT);
}

static int exec_main(void *unused)
{
	(void)unused;
	sys.execve = sim_execve;
	begin(false);
	somebody_does(exec_here);
	return go_on();
}

const struct scenario life[] = {
	{.name = "fork", .main_fn = fork_main},
	{.name = "exit", .main_fn = exit_main, .after = exit_after, .exits = true},
	{.name = "exec", .main_fn = exec_main},
	{.name = NULL},
};
