/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * two_sleeps.c - two sleeps at once in one thread, told apart by their tags
 *
 * nanosleep(2) is a question and its answer in one, so a thread that asks can do nothing else until it knows. Here they
 * are two: a message asks, and its reply comes to a port. What the reply is about, its tag says.
 */
#include <ellula/ellula.h>
#include <stdio.h>

int main(void)
{
	struct ell_port kitchen;
	struct ell_msg tea, egg;
	ell_time start;

	if (ell_init() != 0)
		return 1;

	/* The messages are our own memory, and so is what the tags point to: here, what will be ready. */
	ell_port_init(&kitchen, "kitchen");
	ell_msg_init(&tea, &kitchen, "tea");
	ell_msg_init(&egg, &kitchen, "egg");
	ell_msg_nanosleep(&tea, 300 * ELL_MSEC);
	ell_msg_nanosleep(&egg, 200 * ELL_MSEC);

	/* Both are on their way, and neither has kept us waiting. */
	start = ell_now();
	ell_msg_send(&tea);
	ell_msg_send(&egg);

	/* Now we sleep, once, for whichever ends first: nobody polls. The egg, though it was asked for later. */
	for (int i = 0; i < 2; i++) {
		struct ell_msg *done = ell_port_wait(&kitchen, ELL_FOREVER);

		printf("%3d ms: the %s is ready\n", (int)((ell_now() - start) / ELL_MSEC), (const char *)done->ms_tag);
	}
	return ell_port_finish(&kitchen) == 0 ? 0 : 1;
}
