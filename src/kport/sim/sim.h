/* SPDX-License-Identifier: BSD-2-Clause */
/* sim.h - the simulated kernel: what its parts know of each other, and how it begins */
#ifndef KPORT_SIM_SIM_H
#define KPORT_SIM_SIM_H

#include <ellula/message.h>
#include <stdbool.h>
#include <stdint.h>

#include "kport/kport.h"
#include "kport/sim/world.h"

/*
 * Before the runtime starts: the calling kernel thread is the first of the world of SEED and SALT, all system calls go
 * to the simulated kernel (calls.c), and the runtime will use its kernel ports (port.c).
 */
void sim_begin(uint64_t seed, const char *salt);

/* Aborts if the kernel still has messages or open descriptors of the program's. */
void sim_end(void);

/*
 * The kernel's part of fork(2): the seed chooses whether the run goes on as the parent, which notices nothing, or as
 * the child (true): the caller is its only kernel thread, and the kernel works on none of its messages. What
 * descriptors name is the parent's, too, which does nothing more with it.
 */
bool sim_fork(void);

/* The process is dying: the caller is the last of its kernel threads, and the kernel gives up all messages. */
void sim_exit(void);

/* A kernel thread of the program's own, FN(ARG). Context: T F. */
void sim_foreign(const char *name, void (*fn)(void *arg), void *arg);

/*
 * A child process with PID, which ends at the time END with STATUS. A file with BYTES; NULL: a directory. A file whose
 * disk does not answer: who reads it waits for ever, whatever is asked of it.
 */
void sim_process(int pid, ell_time end, int status);
void sim_file_make(const char *path, const void *bytes, size_t size);
void sim_file_hang(const char *path);

/* port.c: the message that the kernel works on, in an actor of its own. */
struct job;

/* Of the calling actor: NULL if it is none of the kernel's. */
struct job *job_self(void);

/* Its sender wants an end to it. */
bool job_is_cancelled(const struct job *job);

/*
 * The calling actor is about to read or write memory of the program's. If it works on a message that has been replied
 * to, that is the end of the world.
 */
void job_touches(void);

/* As world_wait(), and a cancel ends it too, or a signal to a helper: 0, -EINTR, or -ETIMEDOUT. */
int job_wait(const void *on, ell_time until);

/* files.c and calls.c: hooks the entries of the table of system calls. */
void files_begin(void);
unsigned files_open(void);
void calls_begin(void);
void calls_forked(void);

/* A watch holds the file of a descriptor that is closed. */
struct sim_file;
struct sim_file *files_hold(int fd);
void files_release(struct sim_file *file);
uint64_t files_edges_of(const struct sim_file *file);
int files_events_of(const struct sim_file *file);

#endif
