/* SPDX-License-Identifier: BSD-2-Clause */
/* nodes.c - which memory is near, as the kernel says in /sys */
#include "sys/nodes.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "sys/sys.h"

enum { NODES_MAX = 64 };

static struct {
	unsigned count; /* 0: nobody has looked */
	uint8_t id[NODES_MAX];
	uint8_t near[NODES_MAX][NODES_MAX]; /* by node and rank */
} nodes;

/* The file "node<ID>/distance": a number per node, in the order of their ids. How many. */
static unsigned read_distances(const char *root, unsigned id, unsigned long *distances)
{
	char path[256], text[NODES_MAX * 8];
	unsigned count = 0;
	char *at = text, *end;
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "%s/node%u/distance", root, id);
	fd = sys.openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd >= 0) {
		n = sys.read(fd, text, sizeof(text) - 1);
		sys.close(fd);
	}
	text[n > 0 ? n : 0] = '\0';
	while (count < NODES_MAX) {
		distances[count] = strtoul(at, &end, 10);
		if (end == at)
			break;
		at = end;
		count++;
	}
	return count;
}

/* Insertion by distance; of equal ones the lower first, and a node itself before all. */
static void rank(unsigned node, const unsigned long *distances, unsigned count)
{
	uint8_t *near = nodes.near[node];

	near[0] = (uint8_t)node;
	for (unsigned i = 0, used = 1; i < count; i++) {
		unsigned at = used;

		if (i == node)
			continue;
		for (; at > 1 && distances[near[at - 1]] > distances[i]; at--)
			near[at] = near[at - 1];
		near[at] = (uint8_t)i;
		used++;
	}
}

void nodes_read(const char *root)
{
	static unsigned long distances[NODES_MAX][NODES_MAX];
	unsigned count = 0;
	bool sound = true;

	for (unsigned id = 0, said = 0; id < NODES_MAX; id++) {
		unsigned n = read_distances(root, id, distances[count]);

		if (n == 0)
			continue;
		said = said ? said : n;
		sound = sound && n == said;
		nodes.id[count++] = (uint8_t)id;
		if (count == said)
			break;
	}
	for (unsigned i = 0; i < count; i++)
		rank(i, distances[i], count);
	nodes.count = sound && count ? count : 1;
	if (nodes.count == 1)
		nodes.near[0][0] = 0;
}

unsigned nodes_count(void)
{
	return nodes.count ? nodes.count : 1;
}

unsigned nodes_current(void)
{
	unsigned cpu, id;

	if (nodes.count < 2 || sys.getcpu(&cpu, &id) != 0)
		return 0;
	for (unsigned i = 0; i < nodes.count; i++) {
		if (nodes.id[i] == id)
			return i;
	}
	return 0;
}

unsigned nodes_near(unsigned node, unsigned rank_of)
{
	return nodes.near[node][rank_of];
}
