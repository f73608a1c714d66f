/* SPDX-License-Identifier: BSD-2-Clause */
/* path.c - files by name, and what is done to a whole file */
#include <ellula/call.h>
#include <ellula/ops.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/compiler.h"
#include "call/do.h"
#include "call/fd.h"
#include "sys/sys.h"

/* The functions below differ in one call: NAME and its arguments prepare the message. */
#define DO_UNTIL(until, name, ...)                                                                                     \
	({                                                                                                             \
		struct ell_msg m_;                                                                                     \
		ell_msg_init(&m_, NULL, NULL);                                                                         \
		ell_msg_##name(&m_, __VA_ARGS__);                                                                      \
		(int)call_result(call_do(&m_, (until)));                                                               \
	})

static mode_t mode_of(int flags, va_list args)
{
	return flags & (O_CREAT | __O_TMPFILE) ? va_arg(args, mode_t) : 0;
}

EXPORT int ell_openat_until(int dirfd, const char *path, int flags, mode_t mode, ell_time until)
{
	return DO_UNTIL(until, openat, dirfd, path, flags, mode);
}

EXPORT int ell_openat(int dirfd, const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = mode_of(flags, args);
	va_end(args);
	return ell_openat_until(dirfd, path, flags, mode, ELL_FOREVER);
}

EXPORT int ell_open(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = mode_of(flags, args);
	va_end(args);
	return ell_openat_until(AT_FDCWD, path, flags, mode, ELL_FOREVER);
}

EXPORT int ell_close(int fd)
{
	struct ell_msg m;
	int64_t result;

	if (fd_tracked(fd)) {
		bool watched = fd_forget(fd);

		result = sys.close(fd) == 0 ? 0 : -errno;
		/* Else the peer would not know before this thread waits. */
		if (watched)
			fd_flush();
	} else {
		ell_msg_init(&m, NULL, NULL);
		ell_msg_close(&m, fd);
		result = ell_msg_do(&m);
	}
	/* Interrupted or not, it is closed: a second try would close what has the number by then. */
	return (int)call_result(result == -EINTR ? 0 : result);
}

EXPORT int ell_fsync_until(int fd, ell_time until)
{
	return DO_UNTIL(until, fsync, fd);
}

EXPORT int ell_fsync(int fd)
{
	return ell_fsync_until(fd, ELL_FOREVER);
}

EXPORT int ell_fdatasync_until(int fd, ell_time until)
{
	return DO_UNTIL(until, fdatasync, fd);
}

EXPORT int ell_fdatasync(int fd)
{
	return ell_fdatasync_until(fd, ELL_FOREVER);
}

EXPORT int ell_ftruncate(int fd, off_t len)
{
	return DO_UNTIL(ELL_FOREVER, ftruncate, fd, len);
}

EXPORT int ell_fallocate(int fd, int mode, off_t off, off_t len)
{
	return DO_UNTIL(ELL_FOREVER, fallocate, fd, mode, off, len);
}

static struct timespec time_of(struct statx_timestamp t)
{
	return (struct timespec){.tv_sec = t.tv_sec, .tv_nsec = t.tv_nsec};
}

EXPORT int ell_fstatat(int dirfd, const char *path, struct stat *st, int flags)
{
	struct statx stx;

	if (DO_UNTIL(ELL_FOREVER, statx, dirfd, path, flags, STATX_BASIC_STATS, &stx) < 0)
		return -1;
	memset(st, 0, sizeof(*st));
	st->st_dev = makedev(stx.stx_dev_major, stx.stx_dev_minor);
	st->st_ino = stx.stx_ino;
	st->st_mode = stx.stx_mode;
	st->st_nlink = stx.stx_nlink;
	st->st_uid = stx.stx_uid;
	st->st_gid = stx.stx_gid;
	st->st_rdev = makedev(stx.stx_rdev_major, stx.stx_rdev_minor);
	st->st_size = (off_t)stx.stx_size;
	st->st_blksize = (blksize_t)stx.stx_blksize;
	st->st_blocks = (blkcnt_t)stx.stx_blocks;
	st->st_atim = time_of(stx.stx_atime);
	st->st_mtim = time_of(stx.stx_mtime);
	st->st_ctim = time_of(stx.stx_ctime);
	return 0;
}

EXPORT int ell_stat(const char *path, struct stat *st)
{
	return ell_fstatat(AT_FDCWD, path, st, 0);
}

/*
 * The kernel has what fstat(2) asks for in memory, but on network file systems; these are rare, and a message is dear.
 */
EXPORT int ell_fstat(int fd, struct stat *st)
{
	return ell_fstatat(fd, "", st, AT_EMPTY_PATH);
}

EXPORT int ell_unlink(const char *path)
{
	return DO_UNTIL(ELL_FOREVER, unlinkat, AT_FDCWD, path, 0);
}

EXPORT int ell_rename(const char *from, const char *to)
{
	return DO_UNTIL(ELL_FOREVER, renameat, AT_FDCWD, from, AT_FDCWD, to, 0);
}

EXPORT int ell_mkdir(const char *path, mode_t mode)
{
	return DO_UNTIL(ELL_FOREVER, mkdirat, AT_FDCWD, path, mode);
}
