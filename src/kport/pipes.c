/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pipes.c - a few empty pipes at hand, for what moves data through one
 *
 * A pipe costs three system calls and two inodes. Those that come back empty are kept, up to PIPES_KEPT; one with
 * data in it is closed, for the next user would send them.
 *
 * Each place of the table is one word, both descriptors or 0, and is taken and filled by one atomic instruction: no
 * lock that a fork could leave locked. Whoever takes a pipe must see it empty; it is the kernel that keeps what is in
 * a pipe, so no order of ours is involved.
 */
#include "kport/pipes.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "sys/sys.h"

enum { PIPES_KEPT = 16, LARGE = 256 * 1024 };

static uint64_t kept[PIPES_KEPT];
static uint32_t count; /* that exist */
static uint8_t generation;

/* Two descriptors are never equal, so this is never 0. */
static uint64_t pack(int in, int out)
{
	return (uint64_t)(uint32_t)in << 32 | (uint32_t)out;
}

int pipes_get(struct pipe_pair *pipe)
{
	int fds[2];

	pipe->pp_generation = generation;
	for (size_t i = 0; i < PIPES_KEPT; i++) {
		uint64_t word = load_relaxed(&kept[i]) ? xchg_acq_rel(&kept[i], 0) : 0;

		if (word) {
			pipe->pp_in = (int)(word >> 32);
			pipe->pp_out = (int)(uint32_t)word;
			return 0;
		}
	}
	if (sys.pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	/* If it may not be large, it does as it is. */
	if (fetch_add_relaxed(&count, 1) < PIPES_KEPT)
		sys.fcntl(fds[0], F_SETPIPE_SZ, LARGE);
	pipe->pp_in = fds[0];
	pipe->pp_out = fds[1];
	return 0;
}

bool pipes_put(const struct pipe_pair *pipe, bool empty)
{
	bool ours = pipe->pp_generation == generation;

	for (size_t i = 0; empty && ours && i < PIPES_KEPT; i++) {
		uint64_t none = 0;

		if (cas_acq_rel(&kept[i], &none, pack(pipe->pp_in, pipe->pp_out)))
			return true;
	}
	sys.close(pipe->pp_in);
	sys.close(pipe->pp_out);
	if (ours)
		fetch_add_relaxed(&count, -1u);
	return ours;
}

void pipes_forget(void)
{
	generation++;
	count = 0;
	for (size_t i = 0; i < PIPES_KEPT; i++) {
		uint64_t word = xchg_acq_rel(&kept[i], 0);

		if (word) {
			sys.close((int)(word >> 32));
			sys.close((int)(uint32_t)word);
		}
	}
}
