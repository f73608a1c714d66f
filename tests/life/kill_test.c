/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kill_test.c - SIGKILL at any moment: the process ends, and what was written is written
 *
 * KILLS=1000 in the environment makes it that many.
 */
#include <ellula/ellula.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/harness.h"
#include "thread/threads.h"

enum { WRITERS = 16, BLOCK = 4096, BLOCKS = 64 };

/* How many times each block of each writer has been written, as far as the writer knows. */
static uint32_t (*written)[BLOCKS];
static int fd;

/* Writes its blocks again and again; each is full of the number of the time. */
static void *write_blocks(void *arg)
{
	uintptr_t me = (uintptr_t)arg;
	uint32_t block[BLOCK / sizeof(uint32_t)];

	for (uint32_t n = 0;; n++) {
		uint32_t at = n % BLOCKS, time = n / BLOCKS + 1;

		for (size_t i = 0; i < ARRAY_SIZE(block); i++)
			block[i] = time;
		if (ell_pwrite(fd, block, BLOCK, (off_t)(me * BLOCKS + at) * BLOCK) != BLOCK)
			_exit(1);
		store_release(&written[me][at], time);
		if (n % 16 == me && ell_fdatasync(fd) != 0)
			_exit(1);
	}
	return NULL;
}

static int write_for_ever(void *unused)
{
	(void)unused;
	for (uintptr_t i = 0; i < WRITERS; i++)
		start(write_blocks, (void *)i);
	for (;;)
		ell_park();
	return 0;
}

/* A block may be of the time after the one that its writer knows of, or a mixture of both: never older. */
static void check_file(void)
{
	uint32_t block[BLOCK / sizeof(uint32_t)];

	for (off_t i = 0; i < WRITERS * BLOCKS; i++) {
		uint32_t known = load_acquire(&written[i / BLOCKS][i % BLOCKS]);

		if (known == 0)
			continue;
		CHECK_EQ(pread(fd, block, BLOCK, i * BLOCK), BLOCK);
		for (size_t k = 0; k < ARRAY_SIZE(block); k++)
			CHECK(block[k] == known || block[k] == known + 1);
	}
}

static void what_was_written_before_a_kill_is_in_the_file(void)
{
	const char *given = getenv("KILLS");
	int kills = given ? atoi(given) : MANY(100, 20);
	uint64_t seed = harness_seed() | 1;
	char path[] = "/tmp/ellula-kill-XXXXXX";
	unsigned wrote = 0;

	fd = mkstemp(path);
	CHECK(fd >= 0);
	unlink(path);
	written = mmap(NULL, WRITERS * sizeof(*written), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(written != MAP_FAILED);
	for (int i = 0; i < kills; i++) {
		int status;
		pid_t pid;

		memset(written, 0, WRITERS * sizeof(*written));
		CHECK_EQ(ftruncate(fd, 0), 0);
		pid = fork();
		CHECK(pid >= 0);
		if (pid == 0)
			_exit(ell_run(write_for_ever, NULL));
		usleep(random_below(&seed, 30000));
		CHECK_EQ(kill(pid, SIGKILL), 0);
		/* One that is stuck in the kernel never comes back from here. */
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		for (int k = 0; k < WRITERS; k++)
			wrote += written[k][0] > 0;
		check_file();
	}
	/* Most were killed at work. */
	NOTE("%u of %d", wrote, kills * WRITERS);
	CHECK_CAME(wrote > 0);
	close(fd);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(what_was_written_before_a_kill_is_in_the_file, HARNESS_SECONDS(300)),
	};

	return harness_run("kill", cases, ARRAY_SIZE(cases), argc, argv);
}
