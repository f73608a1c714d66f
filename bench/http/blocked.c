/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * blocked.c - beside the server, threads that block their LWPs: each reads, by read(2) itself, a pipe that is silent
 *
 * Linked with the server's own sources. A kernel thread waits until the server has started the runtime, and makes them.
 */
#include <ellula/ellula.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum { THREADS = 64 };

static void *read_silent_pipe(void *unused)
{
	int ends[2];
	char byte;

	if (pipe(ends) != 0)
		abort();
	/*
	 * The signal that stops the server comes to the first kernel thread of the process, and ends the read there. So
	 * ell_run() can return, which it does on that one.
	 */
	if (read(ends[0], &byte, 1) < 0 && errno != EINTR)
		abort();
	return unused;
}

static void *make_threads(void *unused)
{
	while (ell_vcpus() == 0)
		usleep(1000);
	for (int i = 0; i < THREADS; i++) {
		if (ell_create(NULL, NULL, read_silent_pipe, NULL) != 0)
			abort();
	}
	return unused;
}

__attribute__((constructor)) static void begin(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, make_threads, NULL) != 0)
		abort();
	pthread_detach(thread);
}
