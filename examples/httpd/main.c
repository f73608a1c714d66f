/* SPDX-License-Identifier: BSD-2-Clause */
/* main.c - httpd: serves the files below a directory */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "listener.h"
#include "options.h"
#include "server.h"
#include "site.h"
#include "threads.h"

static int main_thread(void *arg)
{
	const struct options *o = arg;
	struct server_totals totals;
	struct site *site;
	int listener;

	site = site_open(o->root);
	if (!site) {
		fprintf(stderr, "%s: %s: %s\n", o->program, o->root, strerror(errno));
		return 1;
	}
	listener = listener_open(o);
	if (listener < 0)
		return 1;
	totals = server_run(o, site, listener);
	if (!o->quiet)
		printf("%s: %" PRIu64 " requests on %" PRIu64 " connections, at most %" PRIu64 " at once, %" PRIu64
		       " cut off\n",
		       o->program, totals.requests, totals.connections, totals.most, totals.cut);
	if (!totals.cut)
		site_close(site);
	return listener_stopped() ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct options o;
	int result;

	options_parse(&o, argc, argv);
	result = threads_main(main_thread, &o, o.vcpus);
	if (result < 0)
		fprintf(stderr, "%s: %s\n", o.program, strerror(-result));
	return result < 0 ? 1 : result;
}
