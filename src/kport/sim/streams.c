/* SPDX-License-Identifier: BSD-2-Clause */
/* streams.c - pipes, and the two directions of a connection: bytes between two simulated files */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "kport/sim/files.h"
#include "kport/sim/sim.h"
#include "sys/sys.h"

enum { PIPE_ROOM_MAX = 4096 };

struct stream *stream_create(struct sim_file *reader, struct sim_file *writer, size_t least)
{
	struct stream *sm = sim_allocate(sizeof(*sm));

	sm->sm_reader = reader;
	sm->sm_writer = writer;
	sm->sm_room = world_faults.wf_short ? least + world_random(PIPE_ROOM_MAX) : PIPE_ROOM_MAX;
	sm->sm_bytes = sim_allocate(sm->sm_room);
	return sm;
}

void stream_leave(struct stream *sm, const struct sim_file *file)
{
	if (!sm)
		return;
	if (sm->sm_writer == file) {
		sm->sm_writer = NULL;
		sm->sm_ended = true;
		file_changed(sm->sm_reader, true);
	}
	if (sm->sm_reader == file) {
		sm->sm_reader = NULL;
		file_changed(sm->sm_writer, true);
	}
	if (!sm->sm_reader && !sm->sm_writer) {
		free(sm->sm_bytes);
		free(sm);
	}
}

size_t iov_length(const struct iovec *iov, int count)
{
	size_t sum = 0;

	for (int i = 0; i < count; i++)
		sum += iov[i].iov_len;
	return sum;
}

void iov_copy(const struct iovec *iov, int count, size_t skip, char *flat, size_t n, bool to_flat)
{
	job_touches();
	for (int i = 0; i < count && n > 0; i++) {
		size_t len = iov[i].iov_len, part;

		if (skip >= len) {
			skip -= len;
			continue;
		}
		part = len - skip < n ? len - skip : n;
		if (to_flat)
			memcpy(flat, (char *)iov[i].iov_base + skip, part);
		else
			memcpy((char *)iov[i].iov_base + skip, flat, part);
		flat += part;
		n -= part;
		skip = 0;
	}
}

size_t sim_shorten(size_t n)
{
	return n > 1 && world_fault(short) ? 1 + world_random(n - 1) : n;
}

/* Waits for a change of FILE: 0, or an errno. */
static int wait_for(struct sim_file *file)
{
	int error;

	file->fl_refs++;
	error = job_wait(file, ELL_FOREVER);
	files_release(file);
	return -error;
}

ssize_t stream_read(struct sim_file *file, const struct iovec *iov, int count, bool waits, bool peek)
{
	struct stream *sm = file->fl_in;
	size_t n = iov_length(iov, count);
	int error;

	if (n == 0)
		return 0;
	if (world_fault(again))
		return sim_fail(EINTR);
	if (world_fault(no_memory))
		return sim_fail(ENOMEM);
	while (!sm->sm_reset && !sm->sm_count && !sm->sm_ended) {
		if (!waits)
			return sim_fail(EAGAIN);
		error = wait_for(file);
		if (error)
			return sim_fail(error);
	}
	if (sm->sm_reset) {
		sm->sm_reset = false;
		sm->sm_count = 0;
		sm->sm_ended = true;
		file_changed(sm->sm_writer, true);
		return sim_fail(ECONNRESET);
	}
	n = sim_shorten(n < sm->sm_count ? n : sm->sm_count);
	for (size_t i = 0; i < n; i++)
		iov_copy(iov, count, i, &sm->sm_bytes[(sm->sm_first + i) % sm->sm_room], 1, false);
	if (!peek) {
		sm->sm_first = (sm->sm_first + n) % sm->sm_room;
		sm->sm_count -= n;
	}
	file_changed(sm->sm_writer, true);
	return (ssize_t)n;
}

ssize_t stream_write(struct sim_file *file, const struct iovec *iov, int count, bool waits)
{
	struct stream *sm = file->fl_out;
	size_t total = iov_length(iov, count), done = 0;
	int error;

	if (world_fault(again))
		return sim_fail(EINTR);
	if (world_fault(no_memory))
		return sim_fail(ENOBUFS);
	while (done < total) {
		size_t n = sm->sm_room - sm->sm_count;

		if (!sm->sm_reader || sm->sm_ended || sm->sm_reset)
			return done ? (ssize_t)done : sim_fail(EPIPE);
		n = sim_shorten(n < total - done ? n : total - done);
		if (n == 0) {
			if (!waits)
				return done ? (ssize_t)done : sim_fail(EAGAIN);
			error = wait_for(file);
			if (error)
				return done ? (ssize_t)done : sim_fail(error);
			continue;
		}
		for (size_t i = 0; i < n; i++)
			iov_copy(iov, count, done + i, &sm->sm_bytes[(sm->sm_first + sm->sm_count + i) % sm->sm_room],
				 1, true);
		sm->sm_count += n;
		done += n;
		file_changed(sm->sm_reader, true);
		if (!waits)
			break;
	}
	return (ssize_t)done;
}

static int sim_pipe2(int fds[2], int flags)
{
	struct sim_file *in, *out;

	world_enter();
	if (world_fault(no_memory))
		return sim_fail(ENFILE);
	in = file_create(FILE_PIPE);
	out = file_create(FILE_PIPE);
	in->fl_in = out->fl_out = stream_create(in, out, 1);
	in->fl_nonblocking = out->fl_nonblocking = flags & O_NONBLOCK;
	fds[0] = file_install(in);
	fds[1] = file_install(out);
	return 0;
}

void streams_begin(void)
{
	sys.pipe2 = sim_pipe2;
}
