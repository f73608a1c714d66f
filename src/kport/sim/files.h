/* SPDX-License-Identifier: BSD-2-Clause */
/* files.h - what a simulated descriptor names */
#ifndef KPORT_SIM_FILES_H
#define KPORT_SIM_FILES_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

enum file_type { FILE_REGULAR, FILE_DIRECTORY, FILE_PIPE, FILE_SOCKET, FILE_LISTENER, FILE_PROCESS };

/* One direction of a pipe or a connection: what was written and not yet read. */
struct stream {
	struct sim_file *sm_reader; /* NULL: gone */
	struct sim_file *sm_writer;
	bool sm_ended; /* no more will be written */
	bool sm_reset;
	size_t sm_room; /* bytes that fit */
	size_t sm_first;
	size_t sm_count;
	char *sm_bytes;
};

/* A file with a name. */
struct node {
	struct node *no_next;
	char no_path[64];
	bool no_directory;
	bool no_unlinked;
	bool no_hangs; /* who reads it does not come back */
	unsigned no_refs;
	size_t no_size;
	char *no_bytes;
};

struct sim_file {
	enum file_type fl_type;
	unsigned fl_refs; /* descriptors, watches, calls that wait */
	bool fl_nonblocking;
	uint64_t fl_edges;    /* how often something arrived */
	struct node *fl_node; /* regular */
	off_t fl_off;	      /* regular: where it stands */
	struct stream *fl_in; /* pipe, socket */
	struct stream *fl_out;
	unsigned fl_port;	   /* listener: its address */
	bool fl_shut;		   /* listener: takes no more */
	struct sim_file *fl_queue; /* listener: connections that nobody has accepted, by fl_next */
	struct sim_file *fl_next;
};

enum { SIM_FD_FIRST = 1000, SIM_FDS = 512 };

static inline int sim_fail(int error)
{
	errno = error;
	return -1;
}

/* Zeroed memory; aborts if there is none. */
void *sim_allocate(size_t size);

static inline bool file_is_ours(int fd)
{
	return fd >= SIM_FD_FIRST && fd < SIM_FD_FIRST + SIM_FDS;
}

/* The file of FD: NULL, and errno is EBADF. */
struct sim_file *file_of(int fd);

/* A new file, and the lowest descriptor that is free for it: -1 and errno. */
struct sim_file *file_create(enum file_type type);
int file_install(struct sim_file *file);

/* Something has happened to FILE: who waits looks again. EDGE: something arrived. */
void file_changed(struct sim_file *file, bool edge);

size_t iov_length(const struct iovec *iov, int count);

/* Between the program's vectors, from byte SKIP on, and N bytes at FLAT. */
void iov_copy(const struct iovec *iov, int count, size_t skip, char *flat, size_t n, bool to_flat);

/* N, or less if the seed wants so. */
size_t sim_shorten(size_t n);

/* streams.c: with room for LEAST bytes or more. */
struct stream *stream_create(struct sim_file *reader, struct sim_file *writer, size_t least);

/*
 * Moves bytes between a stream and the program's vectors: the count, or -1 and errno. WAITS: until there is something,
 * or room for all.
 */
ssize_t stream_read(struct sim_file *file, const struct iovec *iov, int count, bool waits, bool peek);
ssize_t stream_write(struct sim_file *file, const struct iovec *iov, int count, bool waits);

/* FILE is an end of SM, which may be NULL, no more. */
void stream_leave(struct stream *sm, const struct sim_file *file);

/* nodes.c: the same for files, at OFF; and a file is not held any more. */
ssize_t node_read(const struct node *node, const struct iovec *iov, int count, off_t off);
ssize_t node_write(struct node *node, const struct iovec *iov, int count, off_t off);
void node_put(struct node *node);

/* rw.c: from a file to a stream, until COUNT bytes have gone. */
ssize_t sim_sendfile(int to, int from, int64_t *off, size_t count);

/* Each file's entries in the table of system calls. */
void streams_begin(void);
void nodes_begin(void);
void rw_begin(void);
void processes_begin(void);
void numbers_begin(void);

/* net.c: entries for sockets, and what a socket leaves behind. */
void net_begin(void);
void net_close(struct sim_file *file);

#endif
