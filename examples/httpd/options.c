/* SPDX-License-Identifier: BSD-2-Clause */
/* options.c - what the command line says */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char options_help[] = "usage: %s [options] [DIRECTORY]\n"
				   "Serves the files below DIRECTORY (default: the current one) over HTTP/1.1.\n"
				   "  -a, --address ADDRESS       listen there [127.0.0.1]\n"
				   "  -p, --port PORT             0 is any free one [8080]\n"
				   "  -n, --vcpus COUNT           LWPs that run threads [what the machine has]\n"
				   "  -b, --backlog COUNT         connections not yet accepted [4096]\n"
				   "      --header-timeout SEC    for the header of a request to come in [10]\n"
				   "      --idle-timeout SEC      for the next request to begin [60]\n"
				   "      --write-timeout SEC     for the client to take anything [30]\n"
				   "      --grace SEC             for responses under way after SIGTERM [5]\n"
				   "  -q, --quiet                 print errors only\n"
				   "  -h, --help\n";

enum { HEADER_TIMEOUT = 256, IDLE_TIMEOUT, WRITE_TIMEOUT, GRACE };

static const struct option options_long[] = {
	{"address", required_argument, NULL, 'a'},
	{"port", required_argument, NULL, 'p'},
	{"vcpus", required_argument, NULL, 'n'},
	{"backlog", required_argument, NULL, 'b'},
	{"header-timeout", required_argument, NULL, HEADER_TIMEOUT},
	{"idle-timeout", required_argument, NULL, IDLE_TIMEOUT},
	{"write-timeout", required_argument, NULL, WRITE_TIMEOUT},
	{"grace", required_argument, NULL, GRACE},
	{"quiet", no_argument, NULL, 'q'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static void __attribute__((noreturn)) options_bad(const struct options *o)
{
	fprintf(stderr, options_help, o->program);
	exit(2);
}

static long options_number(const struct options *o, long most)
{
	char *end;
	long n = strtol(optarg, &end, 10);

	if (end == optarg || *end || n < 0 || n > most) {
		fprintf(stderr, "%s: not a number from 0 to %ld: %s\n", o->program, most, optarg);
		options_bad(o);
	}
	return n;
}

static int64_t options_seconds(const struct options *o)
{
	char *end;
	double seconds = strtod(optarg, &end);

	if (end == optarg || *end || !(seconds >= 0.01 && seconds <= 1e6)) {
		fprintf(stderr, "%s: not a number of seconds: %s\n", o->program, optarg);
		options_bad(o);
	}
	return (int64_t)(seconds * 1e9);
}

void options_parse(struct options *o, int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	int c;

	*o = (struct options){
		.program = slash ? slash + 1 : argv[0],
		.address = "127.0.0.1",
		.root = ".",
		.port = 8080,
		.backlog = 4096,
		.header_ns = INT64_C(10000000000),
		.idle_ns = INT64_C(60000000000),
		.write_ns = INT64_C(30000000000),
		.grace_ns = INT64_C(5000000000),
	};
	while ((c = getopt_long(argc, argv, "a:p:n:b:qh", options_long, NULL)) != -1)
		switch (c) {
		case 'a':
			o->address = optarg;
			break;
		case 'p':
			o->port = (uint16_t)options_number(o, UINT16_MAX);
			break;
		case 'n':
			o->vcpus = (unsigned)options_number(o, 1024);
			break;
		case 'b':
			o->backlog = (int)options_number(o, 65535);
			break;
		case HEADER_TIMEOUT:
			o->header_ns = options_seconds(o);
			break;
		case IDLE_TIMEOUT:
			o->idle_ns = options_seconds(o);
			break;
		case WRITE_TIMEOUT:
			o->write_ns = options_seconds(o);
			break;
		case GRACE:
			o->grace_ns = options_seconds(o);
			break;
		case 'q':
			o->quiet = true;
			break;
		case 'h':
			printf(options_help, o->program);
			exit(0);
		default:
			options_bad(o);
		}
	if (argc - optind > 1)
		options_bad(o);
	if (optind < argc)
		o->root = argv[optind];
}
