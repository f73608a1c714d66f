/* SPDX-License-Identifier: BSD-2-Clause */
/* hidden.c - kernel threads of ours, which the program never sees */
#include "personality/hidden.h"

#include <pthread.h>
#include <signal.h>

#include "sys/sys.h"

int hidden_thread(void *(*main)(void *), void *arg, size_t size, int open)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t thread;
	int error;

	sigfillset(&all);
	if (open)
		sigdelset(&all, open);
	sys.pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, size);
	error = sys.pthread_create(&thread, &attr, main, arg);
	pthread_attr_destroy(&attr);
	sys.pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}
