/* SPDX-License-Identifier: BSD-2-Clause */
/* nodes.h - which memory is near: the NUMA nodes of the machine, as indices from 0 */
#ifndef SYS_NODES_H
#define SYS_NODES_H

#define NODES_ROOT "/sys/devices/system/node"

/* Reads the nodes in the directory ROOT. None, or nonsense: one node. Context: K. */
void nodes_read(const char *root);

/* How many there are; 1: all memory is equally near. Context: any. */
unsigned nodes_count(void);

/* The node of the CPU that runs the caller, or did a moment ago. Context: any. */
unsigned nodes_current(void);

/*
 * Of all nodes, seen from NODE, the one with that RANK: itself has 0, and the farthest nodes_count() - 1. Context: any.
 */
unsigned nodes_near(unsigned node, unsigned rank);

#endif
