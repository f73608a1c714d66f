/* SPDX-License-Identifier: BSD-2-Clause */
/* exec_test.c - another program is executed: nothing that was sent is lost, and nothing of ours is left */
#include <dirent.h>
#include <ellula/ellula.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "harness/child.h"
#include "thread/threads.h"

enum { NEW_PROGRAM = 50, LARGE = 1 << 20 };

/* How many descriptors are open that another program inherits. */
static int count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	int count = 0;

	while (dir && (entry = readdir(dir)) != NULL) {
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] != '.' && fd != dirfd(dir) && !(fcntl(fd, F_GETFD) & FD_CLOEXEC))
			count++;
	}
	closedir(dir);
	return count;
}

/* The new program: this one, with one argument, the number of descriptors that it expects. */
static int new_program(int expected)
{
	int count = count_descriptors();

	fprintf(stderr, "%d descriptors, %d expected\n", count, expected);
	return count == expected ? NEW_PROGRAM : 1;
}

enum how { EXECVE, FEXECVE, PLAIN, HOWS };

static enum how how;
static int before; /* descriptors before the runtime started */

static void execute(void)
{
	char self[] = "/proc/self/exe", number[12];
	char *argv[] = {self, number, NULL};
	int fd;

	snprintf(number, sizeof(number), "%d", before);
	switch (how) {
	case EXECVE:
		ell_execve(self, argv, environ);
		break;
	case FEXECVE:
		fd = open(self, O_RDONLY | O_CLOEXEC);
		ell_fexecve(fd, argv, environ);
		break;
	default:
		execve(self, argv, environ);
	}
	_exit(1);
}

enum who { MAIN, THREAD, OTHER_VCPU, FOREIGN, WHOS };

/* What is done before, by the thread that executes. */
static void (*act)(void);

static void *act_and_execute(void *unused)
{
	act();
	execute();
	return unused;
}

static void child(void *arg)
{
	enum who who = (enum who)(uintptr_t)arg;
	struct foreign foreign;

	before = count_descriptors();
	setenv("ELLULA_VCPUS", "2", 1);
	CHECK_EQ(ell_init(), 0);
	if (who == MAIN)
		act_and_execute(NULL);
	else if (who == FOREIGN)
		foreign_start(&foreign, act_and_execute, NULL);
	else
		start_on(who == OTHER_VCPU, act_and_execute, NULL);
	ell_park();
}

static void execute_as(enum who who)
{
	int status = child_run(child, (void *)(uintptr_t)who);

	CHECK_EXIT(status, NEW_PROGRAM);
}

static void *use_everything(void *unused)
{
	int in[2], out[2], file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct ell_msg m;

	CHECK_EQ(pipe2(in, O_CLOEXEC), 0);
	CHECK_EQ(pipe2(out, O_CLOEXEC), 0);
	/* A pipe of the library's is kept from this. */
	ell_msg_init(&m, NULL, NULL);
	ell_msg_sendfile(&m, out[1], file, 0, 100);
	CHECK_EQ(ell_msg_do(&m), 100);
	ell_read(in[0], &m, 1);
	return unused;
}

static void leave_reads_behind(void)
{
	for (int i = 0; i < 20; i++)
		start(use_everything, NULL);
	sleep_for(2 * ELL_MSEC);
}

static void the_new_program_has_no_descriptor_of_ours(void)
{
	act = leave_reads_behind;
	for (how = 0; how < HOWS; how++)
		for (enum who who = 0; who < WHOS; who++)
			if (who != FOREIGN)
				execute_as(who);
	/* And with helpers. */
	setenv("ELLULA_UNPROBE", "all", 1);
	how = EXECVE;
	execute_as(THREAD);
}

static int ends[2];
static struct ell_msg m[2];
static char byte = 'e';

static void send_and_go(void)
{
	/* An LWP that does not answer is waited for for a tenth of it, and here the machine may be slow. */
	ell_exit_bound(100 * ELL_SEC);
	ell_msg_init(&m[0], NULL, NULL);
	ell_msg_write(&m[0], ends[1], &byte, 1, -1);
	CHECK_EQ(ell_msg_send(&m[0]), 0);
}

static void what_was_sent_is_submitted(void)
{
	act = send_and_go;
	for (how = EXECVE; how <= FEXECVE; how++) {
		for (enum who who = 0; who < WHOS; who++) {
			char got = 0;

			CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
			execute_as(who);
			close(ends[1]);
			CHECK_EQ(read(ends[0], &got, 1), 1);
			CHECK_EQ(got, 'e');
			close(ends[0]);
		}
	}
}

static char large[LARGE];

/* A process, and no thread: the sanitizers' allocators are not made for a fork beside another thread. */
static void read_slowly(size_t *count)
{
	static char sink[65536];
	const struct timespec ts = {.tv_nsec = 20000000};
	ssize_t n;

	close(ends[1]);
	nanosleep(&ts, NULL);
	while (*count < LARGE && (n = read(ends[0], sink, sizeof(sink))) > 0)
		*count += (size_t)n;
	_exit(0);
}

static void send_large(void)
{
	ell_msg_init(&m[0], NULL, NULL);
	ell_msg_write(&m[0], ends[1], large, LARGE, -1);
	ell_msg_drain(&m[0], true);
	CHECK_EQ(ell_msg_send(&m[0]), 0);
}

static void what_is_marked_is_completed(void)
{
	size_t *got = mmap(NULL, sizeof(*got), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(got != MAP_FAILED);
	act = send_large;
	for (enum who who = 0; who < WHOS; who++) {
		pid_t reader;

		*got = 0;
		CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
		reader = fork();
		CHECK(reader >= 0);
		if (reader == 0)
			read_slowly(got);
		execute_as(who);
		close(ends[1]);
		CHECK_EQ(waitpid(reader, NULL, 0), reader);
		CHECK_EQ(*got, LARGE);
		close(ends[0]);
	}
}

static void a_failed_exec_leaves_everything_running(void)
{
	char *none[] = {NULL};
	struct ell_port port;
	char got[2];

	CHECK_EQ(pipe(ends), 0);
	ell_port_init(&port, "running");
	for (int i = 0; i < 2; i++)
		ell_msg_init(&m[i], &port, NULL);
	ell_msg_read(&m[0], ends[0], got, 1, -1);
	ell_msg_nanosleep(&m[1], 20 * ELL_MSEC);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(ell_msg_send(&m[i]), 0);

	errno = 0;
	CHECK_EQ(ell_execve("/nowhere/at/all", none, none), -1);
	CHECK_EQ(errno, ENOENT);
	CHECK_EQ(ell_fexecve(-1, none, none), -1);
	CHECK_EQ(errno, EBADF);

	CHECK(ell_port_wait(&port, ELL_FOREVER) == &m[1]);
	CHECK_EQ(m[1].ms_result, 0);
	CHECK_EQ(ell_write(ends[1], &byte, 1), 1);
	CHECK(ell_port_wait(&port, ELL_FOREVER) == &m[0]);
	CHECK_EQ(m[0].ms_result, 1);
	close(ends[0]);
	close(ends[1]);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(the_new_program_has_no_descriptor_of_ours),
		HARNESS_CASE(what_was_sent_is_submitted),
		HARNESS_CASE(what_is_marked_is_completed),
		HARNESS_CASE_ON_1_AND_2(a_failed_exec_leaves_everything_running),
	};

	if (argc == 2 && argv[1][0] >= '0' && argv[1][0] <= '9')
		return new_program(atoi(argv[1]));
	return harness_run("exec", cases, ARRAY_SIZE(cases), argc, argv);
}
