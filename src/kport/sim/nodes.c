/* SPDX-License-Identifier: BSD-2-Clause */
/* nodes.c - the simulated file system: regular files in memory, and directories, which are names */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kport/sim/files.h"
#include "kport/sim/sim.h"
#include "sys/sys.h"

enum { FILE_SIZE_MAX = 1 << 20 };

static struct node *nodes;

void node_put(struct node *node)
{
	if (--node->no_refs > 0 || !node->no_unlinked)
		return;
	free(node->no_bytes);
	free(node);
}

ssize_t node_read(const struct node *node, const struct iovec *iov, int count, off_t off)
{
	size_t n = iov_length(iov, count);

	if (off < 0)
		return sim_fail(EINVAL);
	if (n == 0)
		return 0;
	while (node->no_hangs)
		world_wait(node, ELL_FOREVER);
	if (world_fault(again))
		return sim_fail(EINTR);
	if ((size_t)off >= node->no_size)
		return 0;
	n = sim_shorten(n < node->no_size - (size_t)off ? n : node->no_size - (size_t)off);
	iov_copy(iov, count, 0, node->no_bytes + off, n, false);
	return (ssize_t)n;
}

static int node_resize(struct node *node, size_t size)
{
	char *bytes;

	if (size > FILE_SIZE_MAX)
		return sim_fail(ENOSPC);
	bytes = realloc(node->no_bytes, size ? size : 1);
	if (!bytes)
		return sim_fail(ENOMEM);
	if (size > node->no_size)
		memset(bytes + node->no_size, 0, size - node->no_size);
	node->no_bytes = bytes;
	node->no_size = size;
	return 0;
}

ssize_t node_write(struct node *node, const struct iovec *iov, int count, off_t off)
{
	size_t n = iov_length(iov, count);

	if (off < 0)
		return sim_fail(EINVAL);
	if (n == 0)
		return 0;
	if (world_fault(full))
		return sim_fail(ENOSPC);
	if (world_fault(again))
		return sim_fail(EINTR);
	n = sim_shorten(n);
	if ((size_t)off + n > node->no_size && node_resize(node, (size_t)off + n) < 0)
		return -1;
	iov_copy(iov, count, 0, node->no_bytes + off, n, true);
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
	struct node *node = sim_allocate(sizeof(*node));

	snprintf(node->no_path, sizeof(node->no_path), "%s", path);
	node->no_next = nodes;
	nodes = node;
	return node;
}

/* What a path means from the descriptor DIR on; there is no working directory. */
static const char *full_path(int dir, const char *path, char *buf, size_t size)
{
	const struct sim_file *at = path[0] != '/' && file_is_ours(dir) ? file_of(dir) : NULL;

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
		return sim_fail(ENOMEM);
	path = full_path(dir, path, buf, sizeof(buf));
	node = node_find(path);
	if (node && (flags & O_CREAT) && (flags & O_EXCL))
		return sim_fail(EEXIST);
	if (!node && !(flags & O_CREAT))
		return sim_fail(ENOENT);
	if (!node)
		node = node_make(path);
	if ((flags & O_DIRECTORY) && !node->no_directory)
		return sim_fail(ENOTDIR);
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
	return sim_fail(ENOENT);
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

	if (!file_is_ours(fd))
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
		return sim_fail(ENOENT);
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
		return sim_fail(ENOENT);
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

static int sim_ftruncate(int fd, off_t len)
{
	const struct sim_file *file = file_of(fd);

	world_enter();
	if (!file)
		return -1;
	return file->fl_node ? node_resize(file->fl_node, (size_t)len) : sim_fail(EINVAL);
}

static int sim_fsync(int fd)
{
	world_enter();
	return file_of(fd) ? 0 : -1;
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

void nodes_begin(void)
{
	sys.openat = sim_openat;
	sys.unlinkat = sim_unlinkat;
	sys.fstat = sim_fstat;
	sys.fstatat = sim_fstatat;
	sys.statx = sim_statx;
	sys.ftruncate = sim_ftruncate;
	sys.fsync = sim_fsync;
	sys.fdatasync = sim_fsync;
}
