/* SPDX-License-Identifier: BSD-2-Clause */
/* options.h - what the command line says */
#ifndef HTTPD_OPTIONS_H
#define HTTPD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct options {
	const char *program;
	const char *address;
	const char *root;
	uint16_t port;	/* 0: any that is free */
	unsigned vcpus; /* 0: as many as the machine has */
	int backlog;
	int64_t header_ns; /* from the first byte of a request to the end of its header */
	int64_t idle_ns;   /* from a response to the next request */
	int64_t write_ns;  /* without the client taking a byte */
	int64_t grace_ns;  /* for responses under way, when the server is told to stop */
	bool quiet;
};

/* Fills O; ends the program if the options make no sense or ask for help. */
void options_parse(struct options *o, int argc, char **argv);

#endif
