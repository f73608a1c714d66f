/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * httpd_calls.h - before each source of examples/httpd: what it asks the kernel for goes to the simulated one
 *
 * A program that is simulated has no kernel but that one. The sources are those of the example, as they stand.
 */
#ifndef TESTS_SIM_HTTPD_CALLS_H
#define TESTS_SIM_HTTPD_CALLS_H

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "sys/sys.h"

#define clock_gettime(clock, now) sys.clock_gettime(clock, now)
#define close(fd) sys.close(fd)
#define fcntl(fd, command, arg) sys.fcntl(fd, command, arg)
#define fstat(fd, st) sys.fstat(fd, st)
#define fstatat(dir, path, st, flags) sys.fstatat(dir, path, st, flags)
#define open(path, flags) sys.openat(AT_FDCWD, path, flags, 0)
#define send(fd, buf, len, flags) sys.send(fd, buf, len, flags)
#define shutdown(fd, how) sys.shutdown(fd, how)
/* openat2(2) is the only one. */
#define syscall(number, dir, path, how, size) sys.openat(dir, path, (int)(how)->flags, 0)

#endif
