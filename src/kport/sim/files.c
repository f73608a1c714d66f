/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * files.c - the simulated kernel's descriptors: regular files in memory, pipes, and what poll(2) says of them
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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/compiler.h"
#include "base/panic.h"
#include "kport/sim/sim.h"
#include "sys/sys.h"

enum { PIPE_ROOM_MAX = 4096, FILE_SIZE_MAX = 1 << 20 };

static struct sim_file *table[SIM_FDS];
static struct node *nodes;

static void *allocate(size_t size)
{
	void *p = calloc(1, size);

	if (!p)
		panic("the simulator is out of memory");
	return p;
}

static int fail(int error)
{
	errno = error;
	return -1;
}

static bool is_ours(int fd)
{
	return fd >= SIM_FD_FIRST && fd < SIM_FD_FIRST + SIM_FDS;
}

struct sim_file *file_of(int fd)
{
	struct sim_file *file = is_ours(fd) ? table[fd - SIM_FD_FIRST] : NULL;

	if (!file)
		errno = EBADF;
	return file;
}

struct sim_file *file_create(enum file_type type)
{
	struct sim_file *file = allocate(sizeof(*file));

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
	return fail(EMFILE);
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

static void stream_leave(struct stream *sm, const struct sim_file *file)
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

static void node_put(struct node *node)
{
	if (--node->no_refs > 0 || !node->no_unlinked)
		return;
	free(node->no_bytes);
	free(node);
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

/* Streams. */

struct stream *stream_create(struct sim_file *reader, struct sim_file *writer, size_t least)
{
	struct stream *sm = allocate(sizeof(*sm));

	sm->sm_reader = reader;
	sm->sm_writer = writer;
	sm->sm_room = world_faults.wf_short ? least + world_random(PIPE_ROOM_MAX) : PIPE_ROOM_MAX;
	sm->sm_bytes = allocate(sm->sm_room);
	return sm;
}

static size_t length_of(const struct iovec *iov, int count)
{
	size_t sum = 0;

	for (int i = 0; i < count; i++)
		sum += iov[i].iov_len;
	return sum;
}

/* Between the vectors, from byte SKIP on, and N bytes at FLAT. */
static void copy(const struct iovec *iov, int count, size_t skip, char *flat, size_t n, bool to_flat)
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

static size_t shorten(size_t n)
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
	size_t n = length_of(iov, count);
	int error;

	if (n == 0)
		return 0;
	if (world_fault(again))
		return fail(EINTR);
	if (world_fault(no_memory))
		return fail(ENOMEM);
	while (!sm->sm_reset && !sm->sm_count && !sm->sm_ended) {
		if (!waits)
			return fail(EAGAIN);
		error = wait_for(file);
		if (error)
			return fail(error);
	}
	if (sm->sm_reset) {
		sm->sm_reset = false;
		sm->sm_count = 0;
		sm->sm_ended = true;
		file_changed(sm->sm_writer, true);
		return fail(ECONNRESET);
	}
	n = shorten(n < sm->sm_count ? n : sm->sm_count);
	for (size_t i = 0; i < n; i++)
		copy(iov, count, i, &sm->sm_bytes[(sm->sm_first + i) % sm->sm_room], 1, false);
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
	size_t total = length_of(iov, count), done = 0;
	int error;

	if (world_fault(again))
		return fail(EINTR);
	if (world_fault(no_memory))
		return fail(ENOBUFS);
	while (done < total) {
		size_t n = sm->sm_room - sm->sm_count;

		if (!sm->sm_reader || sm->sm_ended || sm->sm_reset)
			return done ? (ssize_t)done : fail(EPIPE);
		n = shorten(n < total - done ? n : total - done);
		if (n == 0) {
			if (!waits)
				return done ? (ssize_t)done : fail(EAGAIN);
			error = wait_for(file);
			if (error)
				return done ? (ssize_t)done : fail(error);
			continue;
		}
		for (size_t i = 0; i < n; i++)
			copy(iov, count, done + i, &sm->sm_bytes[(sm->sm_first + sm->sm_count + i) % sm->sm_room], 1,
			     true);
		sm->sm_count += n;
		done += n;
		file_changed(sm->sm_reader, true);
		if (!waits)
			break;
	}
	return (ssize_t)done;
}

/* Regular files. */

static ssize_t node_read(const struct node *node, const struct iovec *iov, int count, off_t off)
{
	size_t n = length_of(iov, count);

	if (off < 0)
		return fail(EINVAL);
	if (n == 0)
		return 0;
	while (node->no_hangs)
		world_wait(node, ELL_FOREVER);
	if (world_fault(again))
		return fail(EINTR);
	if ((size_t)off >= node->no_size)
		return 0;
	n = shorten(n < node->no_size - (size_t)off ? n : node->no_size - (size_t)off);
	copy(iov, count, 0, node->no_bytes + off, n, false);
	return (ssize_t)n;
}

static int node_resize(struct node *node, size_t size)
{
	char *bytes;

	if (size > FILE_SIZE_MAX)
		return fail(ENOSPC);
	bytes = realloc(node->no_bytes, size ? size : 1);
	if (!bytes)
		return fail(ENOMEM);
	if (size > node->no_size)
		memset(bytes + node->no_size, 0, size - node->no_size);
	node->no_bytes = bytes;
	node->no_size = size;
	return 0;
}

static ssize_t node_write(struct node *node, const struct iovec *iov, int count, off_t off)
{
	size_t n = length_of(iov, count);

	if (off < 0)
		return fail(EINVAL);
	if (n == 0)
		return 0;
	if (world_fault(full))
		return fail(ENOSPC);
	if (world_fault(again))
		return fail(EINTR);
	n = shorten(n);
	if ((size_t)off + n > node->no_size && node_resize(node, (size_t)off + n) < 0)
		return -1;
	copy(iov, count, 0, node->no_bytes + off, n, true);
	return (ssize_t)n;
}

static struct node *node_find(const char *path)
{
	for (struct node *node = nodes; node; node = node->no_next) {
		if (strcmp(node->no_path, path) == 0)
			return node;
	}
	return NULL;
}

static struct node *node_make(const char *path)
{
	struct node *node = allocate(sizeof(*node));

	snprintf(node->no_path, sizeof(node->no_path), "%s", path);
	node->no_next = nodes;
	nodes = node;
	return node;
}

/* What a path means from the descriptor DIR on; there is no working directory. */
static const char *full_path(int dir, const char *path, char *buf, size_t size)
{
	const struct sim_file *at = path[0] != '/' && is_ours(dir) ? file_of(dir) : NULL;

	while (path[0] == '.' && path[1] == '/')
		path += 2;
	if (!at || !at->fl_node)
		return path;
	if (!*path || strcmp(path, ".") == 0)
		return at->fl_node->no_path;
	snprintf(buf, size, "%s/%s", at->fl_node->no_path, path);
	return buf;
}

static int sim_openat(int dir, const char *path, int flags, mode_t mode)
{
	char buf[PATH_MAX];
	struct sim_file *file;
	struct node *node;

	(void)mode;
	world_enter();
	job_touches();
	if (world_fault(no_memory))
		return fail(ENOMEM);
	path = full_path(dir, path, buf, sizeof(buf));
	node = node_find(path);
	if (node && (flags & O_CREAT) && (flags & O_EXCL))
		return fail(EEXIST);
	if (!node && !(flags & O_CREAT))
		return fail(ENOENT);
	if (!node)
		node = node_make(path);
	if ((flags & O_DIRECTORY) && !node->no_directory)
		return fail(ENOTDIR);
	if (flags & O_TRUNC)
		node_resize(node, 0);
	file = file_create(node->no_directory ? FILE_DIRECTORY : FILE_REGULAR);
	file->fl_node = node;
	node->no_refs++;
	return file_install(file);
}

static int sim_unlinkat(int dir, const char *path, int flags)
{
	char buf[PATH_MAX];

	(void)flags;
	world_enter();
	path = full_path(dir, path, buf, sizeof(buf));
	for (struct node **at = &nodes; *at; at = &(*at)->no_next) {
		struct node *node = *at;

		if (strcmp(node->no_path, path) == 0) {
			*at = node->no_next;
			node->no_unlinked = true;
			node->no_refs++;
			node_put(node);
			return 0;
		}
	}
	return fail(ENOENT);
}

static void describe_node(const struct node *node, struct stat *st)
{
	st->st_mode = node->no_directory ? S_IFDIR | 0755 : S_IFREG | 0644;
	st->st_size = (off_t)node->no_size;
	st->st_nlink = 1;
	st->st_ino = 1;
	st->st_mtim.tv_sec = 1700000000;
}

static int sim_fstat(int fd, struct stat *st)
{
	const struct sim_file *file;

	if (!is_ours(fd))
		return sys_real.fstat(fd, st);
	world_enter();
	file = file_of(fd);
	if (!file)
		return -1;
	*st = (struct stat){0};
	if (file->fl_node)
		describe_node(file->fl_node, st);
	else
		st->st_mode = file->fl_type == FILE_PIPE ? S_IFIFO | 0600 : S_IFSOCK | 0600;
	return 0;
}

static int sim_fstatat(int dir, const char *path, struct stat *st, int flags)
{
	char buf[PATH_MAX];
	const struct node *node;

	(void)flags;
	world_enter();
	node = node_find(full_path(dir, path, buf, sizeof(buf)));
	if (!node)
		return fail(ENOENT);
	*st = (struct stat){0};
	describe_node(node, st);
	return 0;
}

static int sim_statx(int dir, const char *path, int flags, unsigned mask, struct statx *st)
{
	char buf[PATH_MAX];
	const struct node *node;
	struct stat plain = {0};

	(void)flags;
	(void)mask;
	world_enter();
	node = node_find(full_path(dir, path, buf, sizeof(buf)));
	if (!node)
		return fail(ENOENT);
	job_touches();
	describe_node(node, &plain);
	*st = (struct statx){.stx_mask = STATX_BASIC_STATS,
			     .stx_mode = (uint16_t)plain.st_mode,
			     .stx_size = (uint64_t)plain.st_size,
			     .stx_nlink = 1,
			     .stx_ino = 1,
			     .stx_mtime.tv_sec = plain.st_mtim.tv_sec};
	return 0;
}

/* Reading and writing. */

static ssize_t transfer(bool writes, int fd, const struct iovec *iov, int count, off_t off, bool waits)
{
	struct sim_file *file;
	ssize_t n;

	world_enter();
	file = file_of(fd);
	if (!file)
		return -1;
	waits = waits && !file->fl_nonblocking;
	if (file->fl_type == FILE_DIRECTORY)
		return fail(EISDIR);
	if (!file->fl_node) {
		if (off >= 0)
			return fail(ESPIPE);
		if (writes ? !file->fl_out : !file->fl_in)
			return fail(EBADF);
		return writes ? stream_write(file, iov, count, waits) : stream_read(file, iov, count, waits, false);
	}
	n = writes ? node_write(file->fl_node, iov, count, off < 0 ? file->fl_off : off)
		   : node_read(file->fl_node, iov, count, off < 0 ? file->fl_off : off);
	if (n > 0 && off < 0)
		file->fl_off += n;
	return n;
}

static ssize_t sim_read(int fd, void *buf, size_t len)
{
	struct iovec iov = {buf, len};

	return is_ours(fd) ? transfer(false, fd, &iov, 1, -1, true) : sys_real.read(fd, buf, len);
}

static ssize_t sim_write(int fd, const void *buf, size_t len)
{
	struct iovec iov = {(void *)(uintptr_t)buf, len};

	return is_ours(fd) ? transfer(true, fd, &iov, 1, -1, true) : sys_real.write(fd, buf, len);
}

static ssize_t sim_readv(int fd, const struct iovec *iov, int count)
{
	return transfer(false, fd, iov, count, -1, true);
}

static ssize_t sim_writev(int fd, const struct iovec *iov, int count)
{
	return transfer(true, fd, iov, count, -1, true);
}

static ssize_t sim_preadv(int fd, const struct iovec *iov, int count, off_t off)
{
	return transfer(false, fd, iov, count, off, true);
}

static ssize_t sim_pwritev(int fd, const struct iovec *iov, int count, off_t off)
{
	return transfer(true, fd, iov, count, off, true);
}

static ssize_t sim_preadv2(int fd, const struct iovec *iov, int count, off_t off, int flags)
{
	return transfer(false, fd, iov, count, off, !(flags & RWF_NOWAIT));
}

static ssize_t sim_pwritev2(int fd, const struct iovec *iov, int count, off_t off, int flags)
{
	return transfer(true, fd, iov, count, off, !(flags & RWF_NOWAIT));
}

/* From a file to a stream, until COUNT bytes have gone. */
static ssize_t sim_sendfile(int to, int from, int64_t *off, size_t count)
{
	struct sim_file *out, *in;
	size_t done = 0;
	char buf[1024];

	world_enter();
	out = file_of(to);
	in = file_of(from);
	if (!out || !in)
		return -1;
	if (!out->fl_out || !in->fl_node || !off)
		return fail(EINVAL);
	while (done < count) {
		struct iovec iov = {buf, count - done < sizeof(buf) ? count - done : sizeof(buf)};
		ssize_t got = node_read(in->fl_node, &iov, 1, *off), put;

		iov.iov_len = got > 0 ? (size_t)got : 0;
		put = got > 0 ? stream_write(out, &iov, 1, !out->fl_nonblocking) : got;
		if (put < 0 && !done)
			return -1;
		if (put <= 0)
			break;
		job_touches();
		*off += put;
		done += (size_t)put;
		if (put < got)
			break;
	}
	return (ssize_t)done;
}

static off_t sim_lseek(int fd, off_t off, int whence)
{
	struct sim_file *file = file_of(fd);

	if (!file)
		return -1;
	if (!file->fl_node)
		return fail(ESPIPE);
	if (whence == SEEK_CUR)
		off += file->fl_off;
	else if (whence == SEEK_END)
		off += (off_t)file->fl_node->no_size;
	return file->fl_off = off;
}

static int sim_ftruncate(int fd, off_t len)
{
	const struct sim_file *file = file_of(fd);

	world_enter();
	if (!file)
		return -1;
	return file->fl_node ? node_resize(file->fl_node, (size_t)len) : fail(EINVAL);
}

static int sim_fsync(int fd)
{
	world_enter();
	return file_of(fd) ? 0 : -1;
}

static int sim_pipe2(int fds[2], int flags)
{
	struct sim_file *in, *out;

	world_enter();
	if (world_fault(no_memory))
		return fail(ENFILE);
	in = file_create(FILE_PIPE);
	out = file_create(FILE_PIPE);
	in->fl_in = out->fl_out = stream_create(in, out, 1);
	in->fl_nonblocking = out->fl_nonblocking = flags & O_NONBLOCK;
	fds[0] = file_install(in);
	fds[1] = file_install(out);
	return 0;
}

static int sim_close(int fd)
{
	struct sim_file *file;

	if (!is_ours(fd))
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

	if (!is_ours(fd))
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
		const struct sim_file *file = is_ours(fds[i].fd) ? file_of(fds[i].fd) : NULL;
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
			return error == -EINTR ? fail(EINTR) : 0;
	}
	return n;
}

/* Processes: each ends at its time, with its status. */

struct process {
	struct process *next;
	id_t pid;
	ell_time end;
	int status;
};

static struct process *processes;

void sim_process(int pid, ell_time end, int status)
{
	struct process *pr = allocate(sizeof(*pr));

	*pr = (struct process){processes, (id_t)pid, end, status};
	processes = pr;
}

static struct process **process_ended(idtype_t type, id_t id, bool *any, ell_time *next)
{
	*any = false;
	*next = ELL_FOREVER;
	for (struct process **at = &processes; *at; at = &(*at)->next) {
		if (type == P_PID && (*at)->pid != id)
			continue;
		*any = true;
		if ((*at)->end <= world_now())
			return at;
		if ((*at)->end < *next)
			*next = (*at)->end;
	}
	return NULL;
}

static int sim_waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
	struct process **at, *pr;
	ell_time next;
	bool any;

	world_enter();
	while (!(at = process_ended(type, id, &any, &next))) {
		if (!any)
			return fail(ECHILD);
		if (info)
			*info = (siginfo_t){0};
		if (options & WNOHANG)
			return 0;
		if (job_wait(&processes, next) == -EINTR)
			return fail(EINTR);
	}
	pr = *at;
	if (info) {
		job_touches();
		*info = (siginfo_t){.si_signo = SIGCHLD, .si_code = CLD_EXITED};
		info->si_pid = (pid_t)pr->pid;
		info->si_status = pr->status;
	}
	if (!(options & WNOWAIT)) {
		*at = pr->next;
		free(pr);
		world_wake(&processes, UINT_MAX);
	}
	return 0;
}

void sim_file_make(const char *path, const void *bytes, size_t size)
{
	struct node *node = node_make(path);

	node->no_directory = !bytes;
	if (!bytes)
		return;
	node_resize(node, size);
	memcpy(node->no_bytes, bytes, size);
}

void sim_file_hang(const char *path)
{
	sim_file_make(path, "", 0);
	node_find(path)->no_hangs = true;
}

#define P(x) ((void *)(x))

static int64_t call_by_number(long nr, long a, long b, long c, long d)
{
	struct iovec iov = {P(b), (size_t)c};

	switch (nr) {
	case SYS_accept4:
		return sys.accept4((int)a, P(b), P(c), (int)d);
	case SYS_connect:
		return sys.connect((int)a, P(b), (socklen_t)c);
	case SYS_openat:
		return sim_openat((int)a, P(b), (int)c, (mode_t)d);
	case SYS_ppoll:
		return sim_poll(P(a), (nfds_t)b, -1);
	case SYS_pread64:
		return transfer(false, (int)a, &iov, 1, d, true);
	case SYS_pwrite64:
		return transfer(true, (int)a, &iov, 1, d, true);
	case SYS_preadv:
	case SYS_preadv2:
		return transfer(false, (int)a, P(b), (int)c, d, true);
	case SYS_pwritev:
	case SYS_pwritev2:
		return transfer(true, (int)a, P(b), (int)c, d, true);
	case SYS_readv:
		return transfer(false, (int)a, P(b), (int)c, -1, true);
	case SYS_writev:
		return transfer(true, (int)a, P(b), (int)c, -1, true);
	case SYS_read:
		return sim_read((int)a, P(b), (size_t)c);
	case SYS_write:
		return sim_write((int)a, P(b), (size_t)c);
	case SYS_recvfrom:
		return sys.recv((int)a, P(b), (size_t)c, (int)d);
	case SYS_sendto:
		return sys.send((int)a, P(b), (size_t)c, (int)d);
	case SYS_recvmsg:
		return sys.recvmsg((int)a, P(b), (int)c);
	case SYS_sendfile:
		return sim_sendfile((int)a, (int)b, P(c), (size_t)d);
	case SYS_sendmsg:
		return sys.sendmsg((int)a, P(b), (int)c);
	case SYS_waitid:
		return sim_waitid((idtype_t)a, (id_t)b, P(c), (int)d);
	default:
		return fail(ENOSYS);
	}
}

static int64_t sim_interruptible(const uint32_t *ended, long nr, long a, long b, long c, long d, long e, long f)
{
	int64_t result;

	(void)e;
	(void)f;
	world_stop_by(ended);
	result = call_by_number(nr, a, b, c, d);
	world_stop_by(NULL);
	if (result >= 0)
		return result;
	return errno == EINTR && job_is_cancelled(job_self()) ? -ECANCELED : -errno;
}

void files_begin(void)
{
	sys.openat = sim_openat;
	sys.unlinkat = sim_unlinkat;
	sys.fstat = sim_fstat;
	sys.fstatat = sim_fstatat;
	sys.statx = sim_statx;
	sys.read = sim_read;
	sys.write = sim_write;
	sys.readv = sim_readv;
	sys.writev = sim_writev;
	sys.preadv = sim_preadv;
	sys.pwritev = sim_pwritev;
	sys.preadv2 = sim_preadv2;
	sys.pwritev2 = sim_pwritev2;
	sys.lseek = sim_lseek;
	sys.ftruncate = sim_ftruncate;
	sys.fsync = sim_fsync;
	sys.fdatasync = sim_fsync;
	sys.pipe2 = sim_pipe2;
	sys.close = sim_close;
	sys.fcntl = sim_fcntl;
	sys.poll = sim_poll;
	sys.interruptible = sim_interruptible;
	sys.waitid = sim_waitid;
	net_begin();
}
