/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * file.c - read and write, on descriptors of any kind
 *
 * What is in the page cache, or in a pipe, is read by a plain call with RWF_NOWAIT; where that would have to wait, or
 * the file cannot say, a message does it.
 */
#include <ellula/call.h>
#include <ellula/ops.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "base/compiler.h"
#include "call/do.h"
#include "call/fd.h"
#include "sys/sys.h"

static size_t length_of(const struct iovec *iov, int count)
{
	size_t sum = 0;

	for (int i = 0; i < count; i++)
		sum += iov[i].iov_len;
	return sum;
}

/* Was that the kernel's way to say that it would have to wait? */
static bool would_wait(int error)
{
	return error == EAGAIN || error == EOPNOTSUPP || error == ENOSYS || error == EINVAL;
}

static bool is_regular(int fd)
{
	struct stat st;

	return sys.fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/*
 * IOV without its first SKIP bytes, in REST, which has room for COUNT: how many vectors.
 */
static int iov_after(struct iovec *rest, const struct iovec *iov, int count, size_t skip)
{
	int n = 0;

	for (int i = 0; i < count; i++) {
		if (skip >= iov[i].iov_len) {
			skip -= iov[i].iov_len;
			continue;
		}
		rest[n].iov_base = (void *)((uintptr_t)iov[i].iov_base + skip);
		rest[n++].iov_len = iov[i].iov_len - skip;
		skip = 0;
	}
	return n;
}

enum { IOV_HERE = 16 };

/* Where the rest of a transfer stands. NULL: too many vectors, and no memory. */
static struct iovec *rest_of(struct iovec here[IOV_HERE], const struct iovec *iov, int *count, size_t skip)
{
	struct iovec *rest = *count <= IOV_HERE ? here : malloc((size_t)*count * sizeof(*rest));

	if (rest)
		*count = iov_after(rest, iov, *count, skip);
	return rest;
}

static void rest_done(const struct iovec here[IOV_HERE], struct iovec *rest)
{
	if (rest != here)
		free(rest);
}

static int64_t transfer(bool writes, int fd, const struct iovec *iov, int count, off_t off, ell_time until)
{
	struct ell_msg m;

	ell_msg_init(&m, NULL, NULL);
	if (writes)
		ell_msg_writev(&m, fd, iov, count, off, 0);
	else
		ell_msg_readv(&m, fd, iov, count, off, 0);
	return call_do(&m, until);
}

/* The same for what is left after DONE bytes: how much in all. */
static int64_t transfer_rest(bool writes, int fd, const struct iovec *iov, int count, off_t off, size_t done,
			     ell_time until)
{
	struct iovec here[IOV_HERE] = {0};
	struct iovec *rest = rest_of(here, iov, &count, done);
	int64_t n;

	if (!rest)
		return (int64_t)done;
	n = transfer(writes, fd, rest, count, off < 0 ? off : off + (off_t)done, until);
	rest_done(here, rest);
	return n < 0 ? (int64_t)done : (int64_t)done + n;
}

/* On an O_NONBLOCK descriptor, which a message would wait for: the call itself does not. */
static int64_t plain(bool writes, int fd, const struct iovec *iov, int count, off_t off)
{
	ssize_t n;

	if (off < 0)
		n = writes ? sys.writev(fd, iov, count) : sys.readv(fd, iov, count);
	else
		n = writes ? sys.pwritev(fd, iov, count, off) : sys.preadv(fd, iov, count, off);
	return n < 0 ? -errno : n;
}

/*
 * A short count of a regular file is its end, or where the page cache ended; of a pipe it is all that there is.
 */
static int64_t read_any(int fd, const struct iovec *iov, int count, off_t off, ell_time until)
{
	ssize_t n;

	do
		n = sys.preadv2(fd, iov, count, off, RWF_NOWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && !would_wait(errno))
		return -errno;
	if (n < 0)
		return fd_is_nonblocking(fd) ? plain(false, fd, iov, count, off)
					     : transfer(false, fd, iov, count, off, until);
	if (n == 0 || (size_t)n == length_of(iov, count) || !is_regular(fd))
		return n;
	return transfer_rest(false, fd, iov, count, off, (size_t)n, until);
}

static int64_t write_any(int fd, const struct iovec *iov, int count, off_t off, ell_time until)
{
	size_t len = length_of(iov, count), done = 0;
	ssize_t n;

	do
		n = sys.pwritev2(fd, iov, count, off, RWF_NOWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && !would_wait(errno))
		return -errno;
	if (n < (ssize_t)len && fd_is_nonblocking(fd))
		return n < 0 ? plain(true, fd, iov, count, off) : n;
	if (n < 0) {
		int64_t first = transfer(true, fd, iov, count, off, until);

		if (first < 0)
			return first;
		n = (ssize_t)first;
	}
	for (done = (size_t)n; n > 0 && done < len; done += (size_t)n)
		n = (ssize_t)(transfer_rest(true, fd, iov, count, off, done, until) - (int64_t)done);
	return (int64_t)done;
}

EXPORT ssize_t ell_readv_until(int fd, const struct iovec *iov, int count, ell_time until)
{
	struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)count};

	if (fd_tracked(fd) && count >= 0)
		return ell_recvmsg_until(fd, &msg, 0, until);
	return call_result(read_any(fd, iov, count, -1, until));
}

EXPORT ssize_t ell_readv(int fd, const struct iovec *iov, int count)
{
	return ell_readv_until(fd, iov, count, ELL_FOREVER);
}

EXPORT ssize_t ell_read_until(int fd, void *buf, size_t len, ell_time until)
{
	struct iovec iov = {.iov_base = buf, .iov_len = len};

	if (fd_tracked(fd))
		return ell_recv_until(fd, buf, len, 0, until);
	return call_result(read_any(fd, &iov, 1, -1, until));
}

EXPORT ssize_t ell_read(int fd, void *buf, size_t len)
{
	return ell_read_until(fd, buf, len, ELL_FOREVER);
}

EXPORT ssize_t ell_writev_until(int fd, const struct iovec *iov, int count, ell_time until)
{
	struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)count};

	if (fd_tracked(fd) && count >= 0)
		return ell_sendmsg_until(fd, &msg, 0, until);
	return call_result(write_any(fd, iov, count, -1, until));
}

EXPORT ssize_t ell_writev(int fd, const struct iovec *iov, int count)
{
	return ell_writev_until(fd, iov, count, ELL_FOREVER);
}

EXPORT ssize_t ell_write_until(int fd, const void *buf, size_t len, ell_time until)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = len};

	if (fd_tracked(fd))
		return ell_send_until(fd, buf, len, 0, until);
	return call_result(write_any(fd, &iov, 1, -1, until));
}

EXPORT ssize_t ell_write(int fd, const void *buf, size_t len)
{
	return ell_write_until(fd, buf, len, ELL_FOREVER);
}

/* An offset below 0 means the file's position to the functions above: pread(2) does not allow it. */
static bool bad_offset(off_t off)
{
	if (off >= 0)
		return false;
	errno = EINVAL;
	return true;
}

EXPORT ssize_t ell_preadv_until(int fd, const struct iovec *iov, int count, off_t off, ell_time until)
{
	return bad_offset(off) ? -1 : call_result(read_any(fd, iov, count, off, until));
}

EXPORT ssize_t ell_preadv(int fd, const struct iovec *iov, int count, off_t off)
{
	return ell_preadv_until(fd, iov, count, off, ELL_FOREVER);
}

EXPORT ssize_t ell_pread_until(int fd, void *buf, size_t len, off_t off, ell_time until)
{
	struct iovec iov = {.iov_base = buf, .iov_len = len};

	return ell_preadv_until(fd, &iov, 1, off, until);
}

EXPORT ssize_t ell_pread(int fd, void *buf, size_t len, off_t off)
{
	return ell_pread_until(fd, buf, len, off, ELL_FOREVER);
}

EXPORT ssize_t ell_pwritev_until(int fd, const struct iovec *iov, int count, off_t off, ell_time until)
{
	return bad_offset(off) ? -1 : call_result(write_any(fd, iov, count, off, until));
}

EXPORT ssize_t ell_pwritev(int fd, const struct iovec *iov, int count, off_t off)
{
	return ell_pwritev_until(fd, iov, count, off, ELL_FOREVER);
}

EXPORT ssize_t ell_pwrite_until(int fd, const void *buf, size_t len, off_t off, ell_time until)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = len};

	return ell_pwritev_until(fd, &iov, 1, off, until);
}

EXPORT ssize_t ell_pwrite(int fd, const void *buf, size_t len, off_t off)
{
	return ell_pwrite_until(fd, buf, len, off, ELL_FOREVER);
}

EXPORT ssize_t ell_sendfile_until(int out, int in, off_t *off, size_t count, ell_time until)
{
	int64_t at = off ? *off : 0;
	struct ell_msg m;
	int64_t n;

	ell_msg_init(&m, NULL, NULL);
	ell_msg_sendfile(&m, out, in, off ? &at : NULL, count);
	n = call_do(&m, until);
	if (off)
		*off = (off_t)at;
	return call_result(n);
}

EXPORT ssize_t ell_sendfile(int out, int in, off_t *off, size_t count)
{
	return ell_sendfile_until(out, in, off, count, ELL_FOREVER);
}

EXPORT ssize_t ell_splice_until(int in, off_t *off_in, int out, off_t *off_out, size_t len, unsigned flags,
				ell_time until)
{
	struct ell_msg m;
	int64_t n;

	ell_msg_init(&m, NULL, NULL);
	ell_msg_splice(&m, in, off_in ? *off_in : -1, out, off_out ? *off_out : -1, len, flags);
	n = call_do(&m, until);
	if (n > 0 && off_in)
		*off_in += (off_t)n;
	if (n > 0 && off_out)
		*off_out += (off_t)n;
	return call_result(n);
}

EXPORT ssize_t ell_splice(int in, off_t *off_in, int out, off_t *off_out, size_t len, unsigned flags)
{
	return ell_splice_until(in, off_in, out, off_out, len, flags, ELL_FOREVER);
}
