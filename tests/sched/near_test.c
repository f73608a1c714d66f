/* SPDX-License-Identifier: BSD-2-Clause */
/* near_test.c - where not all memory is equally near, threads are taken from near vCPUs first: on machines made up */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/harness.h"
#include "sched/limit.h"
#include "sched/runq.h"
#include "sched/sched.h"
#include "sys/nodes.h"
#include "sys/sys.h"

enum { VCPUS = 6 };

static char root[] = "/tmp/ellula-nodes-XXXXXX";

static void add_node(unsigned id, const char *distances)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/node%u", root, id);
	CHECK_EQ(mkdir(path, 0700), 0);
	strcat(path, "/distance");
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, distances, strlen(distances)), (ssize_t)strlen(distances));
	close(fd);
}

static void begin(void)
{
	CHECK(mkdtemp(root) != NULL);
}

static void end(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", root);
	CHECK_EQ(system(command), 0);
}

static void near_ones_come_first(void)
{
	begin();
	/* Ids need not be dense. */
	add_node(0, "10 20 40 30\n");
	add_node(1, "20 10 30 30\n");
	add_node(4, "40 30 10 20\n");
	add_node(5, "30 30 20 10\n");
	nodes_read(root);
	end();
	CHECK_EQ(nodes_count(), 4);
	static const unsigned expected[4][4] = {{0, 1, 3, 2}, {1, 0, 2, 3}, {2, 3, 1, 0}, {3, 2, 0, 1}};
	for (unsigned node = 0; node < 4; node++)
		for (unsigned rank = 0; rank < 4; rank++)
			CHECK_EQ(nodes_near(node, rank), expected[node][rank]);
}

static void what_makes_no_sense_is_one_node(void)
{
	begin();
	nodes_read(root);
	CHECK_EQ(nodes_count(), 1);
	CHECK_EQ(nodes_current(), 0);
	add_node(0, "10 20\n");
	add_node(1, "20\n");
	nodes_read(root);
	CHECK_EQ(nodes_count(), 1);
	CHECK_EQ(nodes_near(0, 0), 0);
	end();
	nodes_read("/nowhere");
	CHECK_EQ(nodes_count(), 1);
}

static unsigned here;

static int getcpu_here(unsigned *cpu, unsigned *node)
{
	*cpu = 0;
	*node = here;
	return 0;
}

static void the_kernel_says_where_we_are(void)
{
	begin();
	add_node(0, "10 20\n");
	add_node(3, "20 10\n");
	nodes_read(root);
	end();
	sys.getcpu = getcpu_here;
	CHECK_EQ(nodes_current(), 0);
	here = 3;
	CHECK_EQ(nodes_current(), 1);
	here = 2;
	CHECK_EQ(nodes_current(), 0);
}

static struct vcpu vcpus[VCPUS];
static struct thread threads[VCPUS];

/* A thread each, on three nodes; the thief is the first. */
static void thieves_go_to_near_vcpus_first(void)
{
	static const unsigned nodes[VCPUS] = {0, 2, 1, 0, 2, 1};
	static const unsigned order[VCPUS - 1] = {0, 2, 2, 1, 1};

	begin();
	add_node(0, "10 30 20\n");
	add_node(1, "30 10 20\n");
	add_node(2, "20 20 10\n");
	nodes_read(root);
	end();
	runtime.rt_vcpus = vcpus;
	runtime.rt_count = VCPUS;
	limit_begin(VCPUS, false);
	for (uint64_t round = 0; round < VCPUS; round++) {
		vcpus[0].vc_rounds = round;
		for (int i = 0; i < VCPUS; i++) {
			vcpus[i].vc_number = i;
			vcpus[i].vc_node = nodes[i];
			if (i > 0)
				runq_push(&vcpus[i], &threads[i]);
		}
		for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
			const struct thread *th = sched_steal(&vcpus[0]);

			CHECK(th != NULL);
			CHECK_EQ(nodes[th - threads], order[i]);
		}
		CHECK(!sched_steal(&vcpus[0]));
	}
	/* For what runs at the end of the process. */
	runtime.rt_count = 0;
	runtime.rt_vcpus = NULL;
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(near_ones_come_first),
		HARNESS_CASE(what_makes_no_sense_is_one_node),
		HARNESS_CASE(the_kernel_says_where_we_are),
		HARNESS_CASE(thieves_go_to_near_vcpus_first),
	};

	return harness_run("near", cases, ARRAY_SIZE(cases), argc, argv);
}
