/* SPDX-License-Identifier: BSD-2-Clause */
/* rw.c - read(2), write(2) and their kin: from the program's vectors to a file or a stream, and back */
#include <errno.h>

#include "kport/sim/files.h"
#include "kport/sim/sim.h"
#include "sys/sys.h"

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
		return sim_fail(EISDIR);
	if (!file->fl_node) {
		if (off >= 0)
			return sim_fail(ESPIPE);
		if (writes ? !file->fl_out : !file->fl_in)
			return sim_fail(EBADF);
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

	return file_is_ours(fd) ? transfer(false, fd, &iov, 1, -1, true) : sys_real.read(fd, buf, len);
}

static ssize_t sim_write(int fd, const void *buf, size_t len)
{
	struct iovec iov = {(void *)(uintptr_t)buf, len};

	return file_is_ours(fd) ? transfer(true, fd, &iov, 1, -1, true) : sys_real.write(fd, buf, len);
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

ssize_t sim_sendfile(int to, int from, int64_t *off, size_t count)
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
		return sim_fail(EINVAL);
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
		return sim_fail(ESPIPE);
	if (whence == SEEK_CUR)
		off += file->fl_off;
	else if (whence == SEEK_END)
		off += (off_t)file->fl_node->no_size;
	return file->fl_off = off;
}

void rw_begin(void)
{
	sys.read = sim_read;
	sys.write = sim_write;
	sys.readv = sim_readv;
	sys.writev = sim_writev;
	sys.preadv = sim_preadv;
	sys.pwritev = sim_pwritev;
	sys.preadv2 = sim_preadv2;
	sys.pwritev2 = sim_pwritev2;
	sys.lseek = sim_lseek;
}
