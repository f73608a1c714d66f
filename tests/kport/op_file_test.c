/* SPDX-License-Identifier: BSD-2-Clause */
/* op_file_test.c - what is done to files and memory as a whole or to ranges */
#include <sys/mman.h>
#include <sys/stat.h>

#include "kport/ways.h"

#define GIB (INT64_C(1) << 30)

static int64_t size_of(int fd)
{
	struct stat st;

	CHECK_EQ(fstat(fd, &st), 0);
	return st.st_size;
}

static int64_t blocks_of(int fd)
{
	struct stat st;

	CHECK_EQ(fstat(fd, &st), 0);
	return st.st_blocks;
}

static int new_file(void)
{
	int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "0123456789", 10), 10);
	return fd;
}

static int64_t do_fsync(int fd)
{
	struct ell_msg m = {0};

	ell_msg_fsync(&m, fd);
	return way_do(&m);
}

static int64_t do_fdatasync(int fd)
{
	struct ell_msg m = {0};

	ell_msg_fdatasync(&m, fd);
	return way_do(&m);
}

static int64_t do_sync_file_range(int fd, int64_t off, int64_t len, unsigned flags)
{
	struct ell_msg m = {0};

	ell_msg_sync_file_range(&m, fd, off, len, flags);
	return way_do(&m);
}

static int64_t do_fallocate(int fd, int mode, int64_t off, int64_t len)
{
	struct ell_msg m = {0};

	ell_msg_fallocate(&m, fd, mode, off, len);
	return way_do(&m);
}

static int64_t do_ftruncate(int fd, int64_t len)
{
	struct ell_msg m = {0};

	ell_msg_ftruncate(&m, fd, len);
	return way_do(&m);
}

static int64_t do_fadvise(int fd, int64_t off, int64_t len, int advice)
{
	struct ell_msg m = {0};

	ell_msg_fadvise(&m, fd, off, len, advice);
	return way_do(&m);
}

static int64_t do_madvise(void *addr, size_t len, int advice)
{
	struct ell_msg m = {0};

	ell_msg_madvise(&m, addr, len, advice);
	return way_do(&m);
}

WAYS(syncing_takes_what_can_be_synced)
{
	int fd = new_file();
	int fds[2];

	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(do_fsync(fd), 0);
	CHECK_EQ(do_fdatasync(fd), 0);
	CHECK_EQ(do_fsync(fds[0]), PLAIN(fsync(fds[0])));
	CHECK_EQ(do_fdatasync(fds[0]), PLAIN(fdatasync(fds[0])));
	CHECK_EQ(do_fsync(-1), -EBADF);
	CHECK_EQ(do_fdatasync(12345), -EBADF);
	close(fd);
	close(fds[0]);
	close(fds[1]);
}

WAYS(ranges_are_synced_at_any_length)
{
	const unsigned all = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
	int fd = new_file();
	int fds[2];

	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(do_sync_file_range(fd, 0, 0, all), 0);
	CHECK_EQ(do_sync_file_range(fd, 3, 5, SYNC_FILE_RANGE_WRITE), 0);
	CHECK_EQ(do_sync_file_range(fd, 1, 5 * GIB + 1, all), 0);
	CHECK_EQ(do_sync_file_range(fd, 0, INT64_MAX, all), 0);
	CHECK_EQ(do_sync_file_range(fd, 0, 5, 0x100), PLAIN(sync_file_range(fd, 0, 5, 0x100)));
	CHECK_EQ(do_sync_file_range(fd, -1, 5, all), PLAIN(sync_file_range(fd, -1, 5, all)));
	CHECK_EQ(do_sync_file_range(fd, 0, -1, all), PLAIN(sync_file_range(fd, 0, -1, all)));
	CHECK_EQ(do_sync_file_range(fd, 9, INT64_MAX, all), PLAIN(sync_file_range(fd, 9, INT64_MAX, all)));
	CHECK_EQ(do_sync_file_range(fds[0], 0, 5, all), PLAIN(sync_file_range(fds[0], 0, 5, all)));
	CHECK_EQ(do_sync_file_range(-1, 0, 5, all), -EBADF);
	close(fd);
	close(fds[0]);
	close(fds[1]);
}

WAYS(fallocate_makes_room_and_holes)
{
	int fd = new_file();
	int64_t blocks;

	CHECK_EQ(do_fallocate(fd, 0, 0, 65536), 0);
	CHECK_EQ(size_of(fd), 65536);
	CHECK_EQ(do_fallocate(fd, FALLOC_FL_KEEP_SIZE, 65536, 65536), 0);
	CHECK_EQ(size_of(fd), 65536);
	blocks = blocks_of(fd);
	CHECK(blocks >= 256);
	CHECK_EQ(do_fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 16384, 32768), 0);
	CHECK(blocks_of(fd) < blocks);
	CHECK_EQ(do_fallocate(fd, FALLOC_FL_KEEP_SIZE, 6 * GIB, 4096), 0);
	CHECK_EQ(do_fallocate(fd, 0, -1, 10), PLAIN(fallocate(fd, 0, -1, 10)));
	CHECK_EQ(do_fallocate(fd, 0, 0, 0), PLAIN(fallocate(fd, 0, 0, 0)));
	CHECK_EQ(do_fallocate(fd, 0, 0, -10), PLAIN(fallocate(fd, 0, 0, -10)));
	CHECK_EQ(do_fallocate(fd, 0, INT64_MAX, 10), PLAIN(fallocate(fd, 0, INT64_MAX, 10)));
	CHECK_EQ(do_fallocate(fd, 1 << 30, 0, 10), PLAIN(fallocate(fd, 1 << 30, 0, 10)));
	CHECK_EQ(do_fallocate(-1, 0, 0, 10), -EBADF);
	CHECK_EQ(size_of(fd), 65536);
	close(fd);
}

WAYS(ftruncate_cuts_and_extends)
{
	int fd = new_file();
	int only_read = open("file", O_RDONLY);

	CHECK_EQ(do_ftruncate(fd, 3), 0);
	CHECK_EQ(size_of(fd), 3);
	CHECK_EQ(do_ftruncate(fd, 5 * GIB), 0);
	CHECK_EQ(size_of(fd), 5 * GIB);
	CHECK_EQ(do_ftruncate(fd, 0), 0);
	CHECK_EQ(size_of(fd), 0);
	CHECK_EQ(do_ftruncate(fd, -1), PLAIN(ftruncate(fd, -1)));
	CHECK_EQ(do_ftruncate(only_read, 3), PLAIN(ftruncate(only_read, 3)));
	CHECK_EQ(do_ftruncate(-1, 3), -EBADF);
	CHECK_EQ(do_ftruncate(12345, 3), -EBADF);
	close(fd);
	close(only_read);
}

WAYS(advice_about_files_is_taken_at_any_length)
{
	static const int advices[] = {POSIX_FADV_NORMAL,   POSIX_FADV_RANDOM,  POSIX_FADV_SEQUENTIAL,
				      POSIX_FADV_WILLNEED, POSIX_FADV_NOREUSE, POSIX_FADV_DONTNEED};
	int fd = new_file();
	int fds[2];

	CHECK_EQ(pipe(fds), 0);
	for (size_t i = 0; i < ARRAY_SIZE(advices); i++) {
		CHECK_EQ(do_fadvise(fd, 0, 0, advices[i]), 0);
		CHECK_EQ(do_fadvise(fd, 2, 5, advices[i]), 0);
		CHECK_EQ(do_fadvise(fd, 1, 5 * GIB, advices[i]), 0);
		CHECK_EQ(do_fadvise(fd, 4096, INT64_MAX, advices[i]), 0);
	}
	CHECK_EQ(do_fadvise(fd, 0, 5, 77), -posix_fadvise(fd, 0, 5, 77));
	CHECK_EQ(do_fadvise(fd, 0, -5, 0), -posix_fadvise(fd, 0, -5, 0));
	CHECK_EQ(do_fadvise(fds[0], 0, 5, 0), -posix_fadvise(fds[0], 0, 5, 0));
	CHECK_EQ(do_fadvise(-1, 0, 5, 0), -EBADF);
	CHECK_EQ(do_fadvise(12345, 0, 5, 0), -EBADF);
	close(fd);
	close(fds[0]);
	close(fds[1]);
}

static char *map(size_t size)
{
	char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	CHECK(at != MAP_FAILED);
	return at;
}

WAYS(advice_about_memory_is_taken)
{
	char *at = map(16384);

	memset(at, 1, 16384);
	CHECK_EQ(do_madvise(at + 4096, 8192, MADV_DONTNEED), 0);
	CHECK_EQ(at[4095], 1);
	CHECK_EQ(at[4096], 0);
	CHECK_EQ(at[12287], 0);
	CHECK_EQ(at[12288], 1);
	CHECK_EQ(do_madvise(at, 0, MADV_DONTNEED), 0);
	CHECK_EQ(at[0], 1);
	CHECK_EQ(do_madvise(at + 1, 4096, MADV_DONTNEED), PLAIN(madvise(at + 1, 4096, MADV_DONTNEED)));
	CHECK_EQ(do_madvise(at, 4096, 7777), PLAIN(madvise(at, 4096, 7777)));
	CHECK_EQ(do_madvise(at, SIZE_MAX - 4095, MADV_NORMAL), PLAIN(madvise(at, SIZE_MAX - 4095, MADV_NORMAL)));
	munmap(at + 4096, 4096);
	CHECK_EQ(do_madvise(at, 16384, MADV_DONTNEED), PLAIN(madvise(at, 16384, MADV_DONTNEED)));
	munmap(at, 16384);
}

WAYS(advice_about_much_memory_reaches_all_of_it)
{
	const size_t size = 9 * GIB + 4096;
	const size_t hole = 3 * GIB;
	char *at = map(size);

	NEED_KERNEL();
	at[0] = at[5 * GIB] = at[size - 1] = 1;
	CHECK_EQ(do_madvise(at, size, MADV_DONTNEED), 0);
	CHECK_EQ(at[0] + at[5 * GIB] + at[size - 1], 0);

	/* As the system call: what lies behind a hole is advised, too, and then it is reported. */
	at[0] = at[5 * GIB] = at[size - 1] = 1;
	munmap(at + hole, 4096);
	CHECK_EQ(do_madvise(at, size, MADV_DONTNEED), -ENOMEM);
	CHECK_EQ(at[0] + at[5 * GIB] + at[size - 1], 0);
	munmap(at, size);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		WAYS_CASES(syncing_takes_what_can_be_synced),
		WAYS_CASES(ranges_are_synced_at_any_length),
		WAYS_CASES(fallocate_makes_room_and_holes),
		WAYS_CASES(ftruncate_cuts_and_extends),
		WAYS_CASES(advice_about_files_is_taken_at_any_length),
		WAYS_CASES(advice_about_memory_is_taken),
		WAYS_CASES(advice_about_much_memory_reaches_all_of_it),
	};

	return harness_run("op_file", cases, ARRAY_SIZE(cases), argc, argv);
}
