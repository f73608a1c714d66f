/* SPDX-License-Identifier: BSD-2-Clause */
/* op_path_test.c - what names files by path does what the system calls do */
#include <limits.h>
#include <sys/stat.h>

#include "kport/ways.h"

static int64_t do_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	struct ell_msg m = {0};

	ell_msg_openat(&m, dirfd, path, flags, mode);
	return way_do(&m);
}

static int64_t do_open(const char *path, int flags, mode_t mode)
{
	struct ell_msg m = {0};

	ell_msg_open(&m, path, flags, mode);
	return way_do(&m);
}

static int64_t do_close(int fd)
{
	struct ell_msg m = {0};

	ell_msg_close(&m, fd);
	return way_do(&m);
}

static int64_t do_statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *buf)
{
	struct ell_msg m = {0};

	ell_msg_statx(&m, dirfd, path, flags, mask, buf);
	return way_do(&m);
}

static int64_t do_unlinkat(int dirfd, const char *path, int flags)
{
	struct ell_msg m = {0};

	ell_msg_unlinkat(&m, dirfd, path, flags);
	return way_do(&m);
}

static int64_t do_renameat(int olddirfd, const char *oldpath, int newdirfd, const char *newpath, unsigned flags)
{
	struct ell_msg m = {0};

	ell_msg_renameat(&m, olddirfd, oldpath, newdirfd, newpath, flags);
	return way_do(&m);
}

static int64_t do_mkdirat(int dirfd, const char *path, mode_t mode)
{
	struct ell_msg m = {0};

	ell_msg_mkdirat(&m, dirfd, path, mode);
	return way_do(&m);
}

static int64_t do_linkat(int olddirfd, const char *oldpath, int newdirfd, const char *newpath, int flags)
{
	struct ell_msg m = {0};

	ell_msg_linkat(&m, olddirfd, oldpath, newdirfd, newpath, flags);
	return way_do(&m);
}

static int64_t do_symlinkat(const char *target, int newdirfd, const char *linkpath)
{
	struct ell_msg m = {0};

	ell_msg_symlinkat(&m, target, newdirfd, linkpath);
	return way_do(&m);
}

static void make(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0644);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, name, strlen(name)), strlen(name));
	close(fd);
}

static bool exists(const char *name)
{
	return faccessat(AT_FDCWD, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static mode_t mode_of(const char *name)
{
	struct stat st;

	CHECK_EQ(lstat(name, &st), 0);
	return st.st_mode;
}

static ino_t inode_of(const char *name)
{
	struct stat st;

	CHECK_EQ(lstat(name, &st), 0);
	return st.st_ino;
}

WAYS(open_gives_a_descriptor)
{
	int dir, fd;

	umask(022);
	fd = (int)do_open("new", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
	CHECK_EQ(mode_of("new"), S_IFREG | 0644);
	CHECK_EQ(do_close(fd), 0);
	CHECK_EQ(fcntl(fd, F_GETFD), -1);
	CHECK_EQ(do_close(fd), -EBADF);

	CHECK_EQ(mkdir("dir", 0700), 0);
	make("dir/file");
	dir = open("dir", O_RDONLY | O_DIRECTORY);
	fd = (int)do_openat(dir, "file", O_RDONLY | O_NONBLOCK, 0);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD), 0);
	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	close(fd);
	close(dir);
}

WAYS(open_refuses_what_the_system_call_refuses)
{
	char absolute[PATH_MAX];
	char *too_long = malloc(PATH_MAX + 10);
	int file, fd;

	make("file");
	CHECK(realpath("file", absolute));
	memset(too_long, 'x', PATH_MAX + 9);
	too_long[PATH_MAX + 9] = '\0';
	file = open("file", O_RDONLY);
	CHECK_EQ(do_open("file", O_RDONLY | O_CREAT | O_EXCL, 0600),
		 PLAIN(open("file", O_RDONLY | O_CREAT | O_EXCL, 0600)));
	CHECK_EQ(do_open("none", O_RDONLY, 0), PLAIN(open("none", O_RDONLY)));
	CHECK_EQ(do_open("", O_RDONLY, 0), PLAIN(open("", O_RDONLY)));
	CHECK_EQ(do_open(".", O_WRONLY, 0), PLAIN(open(".", O_WRONLY)));
	CHECK_EQ(do_open("file", O_RDONLY | O_DIRECTORY, 0), PLAIN(open("file", O_RDONLY | O_DIRECTORY)));
	CHECK_EQ(do_open("file/x", O_RDONLY, 0), PLAIN(open("file/x", O_RDONLY)));
	CHECK_EQ(do_open(too_long, O_RDONLY, 0), PLAIN(open(too_long, O_RDONLY)));
	CHECK_EQ(do_open(NULL, O_RDONLY, 0), -EFAULT);
	if (!harness_emulated_by("valgrind"))
		CHECK_EQ(do_open((const char *)8, O_RDONLY, 0), -EFAULT);
	CHECK_EQ(do_openat(-1, "file", O_RDONLY, 0), PLAIN(openat(-1, "file", O_RDONLY)));
	CHECK_EQ(do_openat(12345, "file", O_RDONLY, 0), PLAIN(openat(12345, "file", O_RDONLY)));
	CHECK_EQ(do_openat(file, "file", O_RDONLY, 0), PLAIN(openat(file, "file", O_RDONLY)));
	/* The path is absolute, so the directory does not matter. */
	fd = (int)do_openat(-1, absolute, O_RDONLY, 0);
	CHECK(fd >= 0);
	close(fd);
	close(file);
	CHECK_EQ(do_close(-1), -EBADF);
	CHECK_EQ(do_close(12345), -EBADF);
	free(too_long);
}

WAYS(open_waits_for_the_other_end_of_a_fifo)
{
	static const int modes[] = {O_RDONLY, O_WRONLY};
	struct ell_msg m = {0};

	CHECK_EQ(mkfifo("fifo", 0600), 0);
	for (int i = 0; i < 2; i++) {
		int ours, theirs;

		ell_msg_open(&m, "fifo", modes[i], 0);
		way_start(&m);
		usleep(20000);
		CHECK(!way_is_over(&m));
		theirs = open("fifo", modes[!i]);
		CHECK(theirs >= 0);
		ours = (int)way_wait(&m);
		CHECK(ours >= 0);
		CHECK(!(fcntl(ours, F_GETFL) & O_NONBLOCK));
		close(ours);
		close(theirs);
	}
	CHECK_EQ(do_open("fifo", O_WRONLY | O_NONBLOCK, 0), PLAIN(open("fifo", O_WRONLY | O_NONBLOCK)));
}

WAYS(statx_says_what_the_system_call_says)
{
	struct statx a, b;
	int fd;

	make("file");
	CHECK_EQ(symlink("file", "link"), 0);
	fd = open("file", O_RDONLY);
	memset(&a, 1, sizeof(a));
	memset(&b, 1, sizeof(b));
	CHECK_EQ(do_statx(AT_FDCWD, "file", 0, STATX_BASIC_STATS | STATX_BTIME, &a), 0);
	CHECK_EQ(statx(AT_FDCWD, "file", 0, STATX_BASIC_STATS | STATX_BTIME, &b), 0);
	CHECK_EQ(memcmp(&a, &b, sizeof(a)), 0);
	CHECK_EQ(a.stx_size, 4);
	CHECK_EQ(do_statx(AT_FDCWD, "link", AT_SYMLINK_NOFOLLOW, STATX_TYPE, &a), 0);
	CHECK(S_ISLNK(a.stx_mode));
	CHECK_EQ(do_statx(fd, "", AT_EMPTY_PATH, STATX_INO, &a), 0);
	CHECK_EQ(a.stx_ino, b.stx_ino);

	CHECK_EQ(do_statx(AT_FDCWD, "none", 0, 0, &a), PLAIN(statx(AT_FDCWD, "none", 0, 0, &b)));
	CHECK_EQ(do_statx(fd, "", 0, 0, &a), PLAIN(statx(fd, "", 0, 0, &b)));
	CHECK_EQ(do_statx(-1, "file", 0, 0, &a), PLAIN(statx(-1, "file", 0, 0, &b)));
	CHECK_EQ(do_statx(AT_FDCWD, "file", 1 << 30, 0, &a), PLAIN(statx(AT_FDCWD, "file", 1 << 30, 0, &b)));
	CHECK_EQ(do_statx(AT_FDCWD, "file", 0, 1u << 31, &a), PLAIN(statx(AT_FDCWD, "file", 0, 1u << 31, &b)));
	CHECK_EQ(do_statx(AT_FDCWD, NULL, 0, 0, &a), -EFAULT);
	CHECK_EQ(do_statx(AT_FDCWD, "file", 0, 0, NULL), -EFAULT);
	close(fd);
}

WAYS(unlink_and_mkdir)
{
	umask(022);
	make("file");
	CHECK_EQ(do_mkdirat(AT_FDCWD, "dir", 0777), 0);
	CHECK_EQ(mode_of("dir"), S_IFDIR | 0755);
	CHECK_EQ(do_mkdirat(AT_FDCWD, "dir", 0777), PLAIN(mkdirat(AT_FDCWD, "dir", 0777)));
	CHECK_EQ(do_mkdirat(AT_FDCWD, "none/dir", 0777), PLAIN(mkdirat(AT_FDCWD, "none/dir", 0777)));
	CHECK_EQ(do_mkdirat(-1, "other", 0777), PLAIN(mkdirat(-1, "other", 0777)));
	CHECK_EQ(do_mkdirat(AT_FDCWD, NULL, 0777), -EFAULT);
	make("dir/file");
	CHECK_EQ(do_unlinkat(AT_FDCWD, "dir", 0), PLAIN(unlinkat(AT_FDCWD, "dir", 0)));
	CHECK_EQ(do_unlinkat(AT_FDCWD, "dir", AT_REMOVEDIR), PLAIN(unlinkat(AT_FDCWD, "dir", AT_REMOVEDIR)));
	CHECK_EQ(do_unlinkat(AT_FDCWD, "file", AT_REMOVEDIR), PLAIN(unlinkat(AT_FDCWD, "file", AT_REMOVEDIR)));
	CHECK_EQ(do_unlinkat(AT_FDCWD, "file", 1), PLAIN(unlinkat(AT_FDCWD, "file", 1)));
	CHECK_EQ(do_unlinkat(AT_FDCWD, "dir/file", 0), 0);
	CHECK_EQ(do_unlinkat(AT_FDCWD, "dir", AT_REMOVEDIR), 0);
	CHECK(!exists("dir"));
	CHECK_EQ(do_unlinkat(AT_FDCWD, "file", 0), 0);
	CHECK(!exists("file"));
	CHECK_EQ(do_unlinkat(AT_FDCWD, "file", 0), -ENOENT);
	CHECK_EQ(do_unlinkat(AT_FDCWD, NULL, 0), -EFAULT);
}

WAYS(rename_moves_and_exchanges)
{
	ino_t a, b;
	int dir;

	make("a");
	make("b");
	CHECK_EQ(mkdir("dir", 0700), 0);
	dir = open("dir", O_RDONLY);
	a = inode_of("a");
	b = inode_of("b");
	CHECK_EQ(do_renameat(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE),
		 PLAIN(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE)));
	CHECK_EQ(do_renameat(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE), 0);
	CHECK_EQ(inode_of("a"), b);
	CHECK_EQ(inode_of("b"), a);
	CHECK_EQ(do_renameat(AT_FDCWD, "a", dir, "c", 0), 0);
	CHECK_EQ(inode_of("dir/c"), b);
	CHECK_EQ(do_renameat(dir, "c", AT_FDCWD, "b", 0), 0);
	CHECK_EQ(inode_of("b"), b);
	CHECK_EQ(do_renameat(AT_FDCWD, "none", AT_FDCWD, "x", 0), -ENOENT);
	CHECK_EQ(do_renameat(AT_FDCWD, "b", AT_FDCWD, "dir", 0), PLAIN(renameat2(AT_FDCWD, "b", AT_FDCWD, "dir", 0)));
	CHECK_EQ(do_renameat(AT_FDCWD, "b", -1, "x", 0), -EBADF);
	CHECK_EQ(do_renameat(AT_FDCWD, "b", AT_FDCWD, "x", 1u << 30), -EINVAL);
	CHECK_EQ(do_renameat(AT_FDCWD, NULL, AT_FDCWD, "x", 0), -EFAULT);
	CHECK_EQ(do_renameat(AT_FDCWD, "b", AT_FDCWD, NULL, 0), -EFAULT);
	close(dir);
}

WAYS(links_are_made)
{
	char target[16] = {0};
	int dir;

	make("file");
	CHECK_EQ(mkdir("dir", 0700), 0);
	dir = open("dir", O_RDONLY);
	CHECK_EQ(do_symlinkat("../file", dir, "soft"), 0);
	CHECK_EQ(readlinkat(dir, "soft", target, sizeof(target)), 7);
	CHECK_STR(target, "../file");
	CHECK_EQ(do_symlinkat("x", dir, "soft"), -EEXIST);
	CHECK_EQ(do_symlinkat("", dir, "empty"), PLAIN(symlinkat("", dir, "empty")));
	CHECK_EQ(do_symlinkat("x", -1, "x"), -EBADF);
	CHECK_EQ(do_symlinkat(NULL, dir, "x"), -EFAULT);
	CHECK_EQ(do_symlinkat("x", dir, NULL), -EFAULT);

	CHECK_EQ(do_linkat(AT_FDCWD, "file", dir, "hard", 0), 0);
	CHECK_EQ(inode_of("dir/hard"), inode_of("file"));
	CHECK_EQ(do_linkat(dir, "soft", AT_FDCWD, "to_link", 0), 0);
	CHECK(S_ISLNK(mode_of("to_link")));
	CHECK_EQ(do_linkat(dir, "soft", AT_FDCWD, "to_file", AT_SYMLINK_FOLLOW), 0);
	CHECK_EQ(inode_of("to_file"), inode_of("file"));
	CHECK_EQ(do_linkat(AT_FDCWD, "file", dir, "hard", 0), -EEXIST);
	CHECK_EQ(do_linkat(AT_FDCWD, "none", dir, "x", 0), -ENOENT);
	CHECK_EQ(do_linkat(AT_FDCWD, "dir", AT_FDCWD, "x", 0), PLAIN(linkat(AT_FDCWD, "dir", AT_FDCWD, "x", 0)));
	CHECK_EQ(do_linkat(AT_FDCWD, "file", AT_FDCWD, "x", 1), PLAIN(linkat(AT_FDCWD, "file", AT_FDCWD, "x", 1)));
	CHECK_EQ(do_linkat(AT_FDCWD, NULL, AT_FDCWD, "x", 0), -EFAULT);
	close(dir);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		WAYS_CASES(open_gives_a_descriptor),
		WAYS_CASES(open_refuses_what_the_system_call_refuses),
		WAYS_CASES(open_waits_for_the_other_end_of_a_fifo),
		WAYS_CASES(statx_says_what_the_system_call_says),
		WAYS_CASES(unlink_and_mkdir),
		WAYS_CASES(rename_moves_and_exchanges),
		WAYS_CASES(links_are_made),
	};

	return harness_run("op_path", cases, ARRAY_SIZE(cases), argc, argv);
}
