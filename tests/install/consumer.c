/* SPDX-License-Identifier: BSD-2-Clause */
/* consumer.c - a program of somebody else's, with names that the library uses inside, too */
#include <stdio.h>

#include <ellula/thread.h>
#include <ellula/time.h>

static int calls;

/* The library's own park_commit() must not be this one. */
int park_commit(void);

int park_commit(void)
{
	return ++calls;
}

static void *add_one(void *n)
{
	++*(int *)n;
	return n;
}

static int first(void *arg)
{
	ell_thread thread;
	int n = 41;
	void *result;

	(void)arg;
	if (ell_create(&thread, NULL, add_one, &n) != 0 || ell_join(thread, &result) != 0 || result != &n)
		return 2;
	ell_yield();
	return n == 42 && ell_now() > 0 ? 0 : 3;
}

int main(void)
{
	int status = ell_run(first, NULL);

	if (status != 0)
		fprintf(stderr, "consumer: %d\n", status);
	return calls != 0 ? 4 : status;
}
