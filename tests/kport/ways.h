/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ways.h - the same operation in every way in which it can be executed
 *
 * An operation must do what the system call of its name does, whichever way it takes. A case is written once and runs
 * four times, each time in an empty directory of its own: in ell_run() with a message that is waited for, and with one
 * that comes back to a port; and without the library's runtime by each half of its row, as submissions to a ring and as
 * system calls. WAYS(name) { ... } defines the case; WAYS_CASES(name) lists it.
 *
 * The plain system calls that a case makes to compare results, or as the other end, block their LWP. What must go on
 * meanwhile is therefore a kernel thread: struct drain reads from a descriptor.
 */
#ifndef KPORT_WAYS_H
#define KPORT_WAYS_H

#include <ellula/ops.h>
#include <ellula/port.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <liburing.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/atomic.h"
#include "harness/backend.h"
#include "harness/harness.h"
#include "kport/op.h"
#include "kport/pipes.h"

enum way { WAY_WAIT, WAY_PORT, WAY_RING, WAY_CALL, WAY_COUNT };

static const char *const way_names[WAY_COUNT] = {"message", "message to a port", "submission", "system call"};
static enum way way;

/* What the system call CALL gives, as a message would. */
#define PLAIN(call)                                                                                                    \
	({                                                                                                             \
		int64_t returned_ = (int64_t)(call);                                                                   \
		returned_ < 0 ? -errno : returned_;                                                                    \
	})

static struct ell_port way_port;
static struct io_uring way_ring;

/* One call of run() on a kernel thread. */
struct way_call {
	pthread_t thread;
	struct ell_msg *m;
	bool under_way;
	bool over;
};

static struct way_call way_calls[8];

static void *way_call_main(void *arg)
{
	struct way_call *call = arg;

	call->m->ms_result = op_table[call->m->ms_op].run(call->m);
	store_release(&call->over, true);
	return NULL;
}

static void way_call_start(struct ell_msg *m)
{
	struct way_call *call = way_calls;

	while (call->under_way)
		call++;
	*call = (struct way_call){.m = m, .under_way = true};
	CHECK_EQ(pthread_create(&call->thread, NULL, way_call_main, call), 0);
}

static struct way_call *way_call_of(const struct ell_msg *m)
{
	for (size_t i = 0; i < ARRAY_SIZE(way_calls); i++)
		if (way_calls[i].under_way && way_calls[i].m == m)
			return &way_calls[i];
	return NULL;
}

static bool way_ring_can(int opcode)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(&way_ring);
	bool can = opcode >= 0 && probe && io_uring_opcode_supported(probe, opcode);

	io_uring_free_probe(probe);
	return can;
}

static void way_submit(struct ell_msg *m)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&way_ring);

	memset(sqe, 0, sizeof(*sqe));
	op_table[m->ms_op].prep(sqe, m);
	io_uring_sqe_set_data(sqe, m);
	CHECK_EQ(io_uring_submit(&way_ring), 1);
}

/* ms_mark is the kernel port's, so it is ours here: 1, the ring has it; 2, it is finished. */
static void way_reap(void)
{
	struct io_uring_cqe *cqe;
	struct ell_msg *m;
	int64_t result;

	CHECK_EQ(io_uring_wait_cqe(&way_ring, &cqe), 0);
	m = io_uring_cqe_get_data(cqe);
	result = cqe->res;
	io_uring_cqe_seen(&way_ring, cqe);
	if (op_table[m->ms_op].step && op_table[m->ms_op].step(m, &result, false)) {
		way_submit(m);
		return;
	}
	m->ms_result = result;
	m->ms_mark = 2;
}

/* Sends M, and sees to it that the kernel has it. */
static inline void way_start(struct ell_msg *m)
{
	const struct op *row = &op_table[m->ms_op];

	if (way <= WAY_PORT) {
		m->ms_port = way == WAY_PORT ? &way_port : NULL;
		CHECK_EQ(ell_msg_send(m), 0);
		ell_msg_poll(m);
		return;
	}
	m->ms_mark = 2;
	m->ms_result = row->check ? row->check(m) : 0;
	if (m->ms_result < 0)
		return;
	m->ms_mark = 1;
	if (way == WAY_RING && way_ring_can(row->uring))
		way_submit(m);
	else
		way_call_start(m);
}

/* Its result. */
static inline int64_t way_wait(struct ell_msg *m)
{
	struct way_call *call = way_call_of(m);

	if (way == WAY_PORT) {
		CHECK(ell_port_wait(&way_port, ELL_FOREVER) == m);
	} else if (way == WAY_WAIT) {
		CHECK_EQ(ell_msg_wait(m, ELL_FOREVER), 0);
	} else if (call) {
		CHECK_EQ(pthread_join(call->thread, NULL), 0);
		call->under_way = false;
	} else {
		while (m->ms_mark == 1)
			way_reap();
	}
	return m->ms_result;
}

/* Has M ended? */
static inline bool way_is_over(struct ell_msg *m)
{
	struct way_call *call = way_call_of(m);
	struct io_uring_cqe *cqe;

	if (way <= WAY_PORT)
		return ell_msg_poll(m);
	if (call)
		return load_acquire(&call->over);
	return m->ms_mark == 2 || io_uring_peek_cqe(&way_ring, &cqe) == 0;
}

static inline int64_t way_do(struct ell_msg *m)
{
	if (way == WAY_WAIT)
		return ell_msg_do(m);
	way_start(m);
	return way_wait(m);
}

/* Does this way go through a ring, if the kernel has the operation? */
static inline bool way_is_submitted(void)
{
	return way == WAY_RING || (way <= WAY_PORT && !getenv("ELLULA_UNPROBE") && backend_is("uring"));
}

static int way_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void way_run(enum way the_way, void (*body)(void))
{
	char dir[] = "/tmp/ellula-ways-XXXXXX";

	way = the_way;
	NOTE("as a %s", way_names[way]);
	ell_port_init(&way_port, "ways");
	if (way == WAY_RING) {
		int error = io_uring_queue_init(8, &way_ring, 0);

		/* A container may forbid it, and an emulator not know it. */
		if (error == -ENOSYS || error == -EPERM)
			SKIP("no io_uring (%s); all but that was checked", strerror(-error));
		CHECK_EQ(error, 0);
	}
	CHECK(mkdtemp(dir));
	CHECK_EQ(chdir(dir), 0);
	body();
	CHECK_EQ(chdir("/"), 0);
	CHECK_EQ(nftw(dir, way_remove, 8, FTW_DEPTH | FTW_PHYS), 0);
	if (way == WAY_RING)
		io_uring_queue_exit(&way_ring);
	/* They are kept for the next sendfile, and look like a leak. */
	pipes_forget();
}

#define WAYS(name)                                                                                                     \
	static void name##_body(void);                                                                                 \
	static void name(void)                                                                                         \
	{                                                                                                              \
		way_run(WAY_WAIT, name##_body);                                                                        \
		way_run(WAY_PORT, name##_body);                                                                        \
	}                                                                                                              \
	static void name##_directly(void)                                                                              \
	{                                                                                                              \
		way_run(WAY_CALL, name##_body);                                                                        \
		way_run(WAY_RING, name##_body);                                                                        \
	}                                                                                                              \
	static void name##_body(void)

#define WAYS_CASES(name) HARNESS_CASE(name, HARNESS_IN_RUN), HARNESS_CASE(name##_directly)

/* Byte AT of all large data here. */
static inline unsigned char pattern(size_t at)
{
	return (unsigned char)(at * 7 ^ at >> 8 ^ at >> 16);
}

static inline unsigned char *pattern_make(size_t size)
{
	unsigned char *bytes = malloc(size);

	CHECK(bytes);
	for (size_t i = 0; i < size; i++)
		bytes[i] = pattern(i);
	return bytes;
}

/* Reads MOST bytes of the pattern from FD, or all there is, on a kernel thread; may then take no more. */
struct drain {
	int fd;
	size_t most;
	bool then_shut;
	size_t got;
	bool wrong;
	pthread_t thread;
};

static void *drain_main(void *arg)
{
	struct drain *drain = arg;
	unsigned char bytes[10007];
	ssize_t n = 1;

	while (n > 0 && drain->got < drain->most) {
		size_t left = drain->most - drain->got;

		n = read(drain->fd, bytes, left < sizeof(bytes) ? left : sizeof(bytes));
		for (ssize_t i = 0; i < n; i++)
			if (bytes[i] != pattern(drain->got++))
				drain->wrong = true;
	}
	if (drain->then_shut)
		shutdown(drain->fd, SHUT_RDWR);
	return NULL;
}

static inline void drain_start_then_shut(struct drain *drain, int fd, size_t most, bool then_shut)
{
	*drain = (struct drain){.fd = fd, .most = most, .then_shut = then_shut};
	CHECK_EQ(pthread_create(&drain->thread, NULL, drain_main, drain), 0);
}

static inline void drain_start(struct drain *drain, int fd, size_t most)
{
	drain_start_then_shut(drain, fd, most, false);
}

static inline size_t drain_end(struct drain *drain)
{
	CHECK_EQ(pthread_join(drain->thread, NULL), 0);
	CHECK(!drain->wrong);
	return drain->got;
}

#endif
