/* SPDX-License-Identifier: BSD-2-Clause */
/* op_xattr_test.c - extended attributes, by path and by descriptor */
#include <linux/limits.h>
#include <sys/xattr.h>

#include "kport/ways.h"

static const char *name;

/* Some file systems have no user attributes; those of root have others. */
static int new_file(void)
{
	static const char *const names[] = {"user.ellula", "trusted.ellula"};
	int fd = open("file", O_RDWR | O_CREAT, 0600);

	CHECK(fd >= 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		name = names[i];
		if (setxattr("file", name, "x", 1, 0) == 0) {
			CHECK_EQ(removexattr("file", name), 0);
			return fd;
		}
	}
	SKIP("the file system of /tmp has no attributes for us");
}

/* By path, or by descriptor if PATH is NULL. */
static int64_t do_get(int fd, const char *path, const char *key, void *value, size_t size)
{
	struct ell_msg m = {0};

	if (path)
		ell_msg_getxattr(&m, path, key, value, size);
	else
		ell_msg_fgetxattr(&m, fd, key, value, size);
	return way_do(&m);
}

static int64_t do_set(int fd, const char *path, const char *key, const void *value, size_t size, int flags)
{
	struct ell_msg m = {0};

	if (path)
		ell_msg_setxattr(&m, path, key, value, size, flags);
	else
		ell_msg_fsetxattr(&m, fd, key, value, size, flags);
	return way_do(&m);
}

static void check_values(int fd, const char *path)
{
	char buf[16] = {0};

	CHECK_EQ(do_get(fd, path, name, buf, sizeof(buf)), -ENODATA);
	CHECK_EQ(do_set(fd, path, name, "old", 3, XATTR_REPLACE), -ENODATA);
	CHECK_EQ(do_set(fd, path, name, "old", 3, XATTR_CREATE), 0);
	CHECK_EQ(do_set(fd, path, name, "new", 3, XATTR_CREATE), -EEXIST);
	CHECK_EQ(do_get(fd, path, name, buf, sizeof(buf)), 3);
	CHECK_STR(buf, "old");
	CHECK_EQ(do_set(fd, path, name, "newer", 5, 0), 0);
	CHECK_EQ(do_get(fd, path, name, NULL, 0), 5);
	CHECK_EQ(do_get(fd, path, name, buf, 4), -ERANGE);
	/* Valgrind takes the size at its word. */
	if (!harness_emulated_by("valgrind"))
		CHECK_EQ(do_get(fd, path, name, buf, (size_t)UINT32_MAX + 2), 5);
	CHECK_EQ(do_get(fd, path, name, buf, sizeof(buf)), 5);
	CHECK_STR(buf, "newer");
	CHECK_EQ(do_set(fd, path, name, NULL, 0, 0), 0);
	CHECK_EQ(do_get(fd, path, name, buf, sizeof(buf)), 0);
	CHECK_EQ(removexattr("file", name), 0);
}

WAYS(values_are_set_and_got)
{
	int fd = new_file();

	NEED_KERNEL();
	check_values(-1, "file");
	check_values(fd, NULL);
	close(fd);
}

static void check_refusals(int fd, const char *path)
{
	char *large = calloc(1, XATTR_SIZE_MAX + 1);
	char buf[4];

	CHECK_EQ(do_set(fd, path, name, large, XATTR_SIZE_MAX + 1, 0),
		 PLAIN(setxattr("file", name, large, XATTR_SIZE_MAX + 1, 0)));
	CHECK_EQ(do_set(fd, path, name, large, (size_t)UINT32_MAX + 2, 0), -E2BIG);
	CHECK_EQ(do_set(fd, path, name, "x", 1, 16), PLAIN(setxattr("file", name, "x", 1, 16)));
	CHECK_EQ(do_set(fd, path, "", "x", 1, 0), PLAIN(setxattr("file", "", "x", 1, 0)));
	CHECK_EQ(do_get(fd, path, "nonsense.x", buf, 4), PLAIN(getxattr("file", "nonsense.x", buf, 4)));
	CHECK_EQ(do_set(fd, path, NULL, "x", 1, 0), -EFAULT);
	CHECK_EQ(do_set(fd, path, name, NULL, 1, 0), -EFAULT);
	CHECK_EQ(do_get(fd, path, NULL, buf, 4), -EFAULT);
	CHECK_EQ(do_get(fd, path, name, NULL, 4), -EFAULT);
	free(large);
}

WAYS(what_the_system_calls_refuse_is_refused)
{
	int fd = new_file();
	struct ell_msg m = {0};
	char buf[4];

	check_refusals(-1, "file");
	check_refusals(fd, NULL);
	CHECK_EQ(do_get(-1, "none", name, buf, 4), -ENOENT);
	CHECK_EQ(do_set(-1, "none", name, "x", 1, 0), -ENOENT);
	CHECK_EQ(do_get(-1, NULL, name, buf, 4), -EBADF);
	CHECK_EQ(do_set(-1, NULL, name, "x", 1, 0), -EBADF);
	CHECK_EQ(do_get(12345, NULL, name, buf, 4), -EBADF);
	ell_msg_getxattr(&m, NULL, name, buf, 4);
	CHECK_EQ(way_do(&m), -EFAULT);
	ell_msg_setxattr(&m, NULL, name, "x", 1, 0);
	CHECK_EQ(way_do(&m), -EFAULT);
	close(fd);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		WAYS_CASES(values_are_set_and_got),
		WAYS_CASES(what_the_system_calls_refuse_is_refused),
	};

	return harness_run("op_xattr", cases, ARRAY_SIZE(cases), argc, argv);
}
