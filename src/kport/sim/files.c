/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * files.c - the simulated kernel's descriptors, and what poll(2) says of them
 *
 * Descriptors begin at SIM_FD_FIRST, and the lowest that is free comes first, as everywhere; what is below belongs to
 * the real kernel. A call that has to wait does so as an actor (world_wait()), on its file. A file lives as long as a
 * descriptor, a watch or a waiting call needs it.
 *
 * What the seed may do: give short counts, interrupt (EINTR), find no room on the disk (ENOSPC), no memory (ENOMEM).
 */
#include "kport/sim/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>

#include "base/panic.h"
#include "kport/sim/sim.h"
#include "sys/sys.h"

static struct sim_file *table[SIM_FDS];

void *sim_allocate(size_t size)
{
	void *p = calloc(1, size);

	if (!p)
		panic("the simulator is out of memory");
	return p;
}

struct sim_file *file_of(int fd)
{
	struct sim_file *file = file_is_ours(fd) ? table[fd - SIM_FD_FIRST] : NULL;

	if (!file)
		errno = EBADF;
	return file;
}

struct sim_file *file_create(enum file_type type)
{
	struct sim_file *file = sim_allocate(sizeof(*file));

	file->fl_type = type;
	return file;
}

int file_install(struct sim_file *file)
{
	for (int i = 0; i < SIM_FDS; i++) {
		if (!table[i]) {
			table[i] = file;
			file->fl_refs++;
			return SIM_FD_FIRST + i;
		}
	}
	return sim_fail(EMFILE);
}

void file_changed(struct sim_file *file, bool edge)
{
	if (!file)
		return;
	file->fl_edges += edge;
	world_wake(file, UINT_MAX);
	/* Whoever polls looks at all its files again. */
	world_wake(table, UINT_MAX);
}

unsigned files_open(void)
{
	unsigned n = 0;

	for (int i = 0; i < SIM_FDS; i++)
		n += table[i] != NULL;
	return n;
}

void files_release(struct sim_file *file)
{
	if (--file->fl_refs > 0)
		return;
	/* The other side learns of the end when nobody holds the file: a watch that was not revoked keeps it. */
	net_close(file);
	stream_leave(file->fl_in, file);
	stream_leave(file->fl_out, file);
	if (file->fl_node)
		node_put(file->fl_node);
	free(file);
}

struct sim_file *files_hold(int fd)
{
	struct sim_file *file = file_of(fd);

	if (file)
		file->fl_refs++;
	return file;
}

uint64_t files_edges_of(const struct sim_file *file)
{
	return file->fl_edges;
}

int files_events_of(const struct sim_file *file)
{
	const struct stream *in = file->fl_in, *out = file->fl_out;
	int events = 0;

	if (file->fl_type == FILE_REGULAR || file->fl_type == FILE_DIRECTORY)
		return POLLIN | POLLOUT;
	if (file->fl_queue)
		events |= POLLIN;
	if (in && (in->sm_count || in->sm_ended || in->sm_reset))
		events |= POLLIN;
	if (in && in->sm_ended)
		events |= file->fl_type == FILE_PIPE ? POLLHUP : POLLRDHUP;
	if (in && in->sm_reset)
		events |= POLLERR | POLLHUP;
	if (out && (!out->sm_reader || out->sm_count < out->sm_room))
		events |= POLLOUT;
	if (out && !out->sm_reader)
		events |= POLLERR;
	return events;
}

static int sim_close(int fd)
{
	struct sim_file *file;

	if (!file_is_ours(fd))
		return sys_real.close(fd);
	world_enter();
	file = file_of(fd);
	if (!file)
		return -1;
	table[fd - SIM_FD_FIRST] = NULL;
	files_release(file);
	return 0;
}

static int sim_fcntl(int fd, int command, long arg)
{
	struct sim_file *file;

	if (!file_is_ours(fd))
		return sys_real.fcntl(fd, command, arg);
	file = file_of(fd);
	if (!file)
		return -1;
	if (command == F_GETFL)
		return O_RDWR | (file->fl_nonblocking ? O_NONBLOCK : 0);
	if (command == F_SETFL)
		file->fl_nonblocking = arg & O_NONBLOCK;
	return 0;
}

static int look(struct pollfd *fds, nfds_t count)
{
	int n = 0;

	for (nfds_t i = 0; i < count; i++) {
		const struct sim_file *file = file_is_ours(fds[i].fd) ? file_of(fds[i].fd) : NULL;
		int events = file ? files_events_of(file) : POLLNVAL;

		if (fds[i].fd < 0)
			events = 0;
		fds[i].revents = (short)(events & (fds[i].events | POLLERR | POLLHUP | POLLNVAL));
		n += fds[i].revents != 0;
	}
	return n;
}

static int sim_poll(struct pollfd *fds, nfds_t count, int timeout)
{
	ell_time until = timeout < 0 ? ELL_FOREVER : world_now() + timeout * ELL_MSEC;
	int n;

	world_enter();
	while ((n = look(fds, count)) == 0 && timeout != 0) {
		int error = job_wait(table, until);

		/* Who waits for a descriptor on behalf of a message that is cancelled looks at that, and not at us. */
		if (error)
			return error == -EINTR ? sim_fail(EINTR) : 0;
	}
	return n;
}

void files_begin(void)
{
	sys.close = sim_close;
	sys.fcntl = sim_fcntl;
	sys.poll = sim_poll;
	streams_begin();
	nodes_begin();
	rw_begin();
	processes_begin();
	numbers_begin();
	net_begin();
}
