/* SPDX-License-Identifier: BSD-2-Clause */
/* port.h - where messages queue: requests to a thread, replies to a sender */
#ifndef ELLULA_PORT_H
#define ELLULA_PORT_H

#include <stddef.h>
#include <stdint.h>

#include <ellula/message.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A port: any number of threads put messages in, one thread at a time takes them out (its receiver). What is in
 * it keeps the order in which it was put there. The caller owns the memory.
 */
struct ell_port {
	uint64_t pt_head;	  /* see src/message/port.c */
	struct ell_msg *pt_first; /* collected, oldest first: the receiver's */
	struct ell_msg *pt_last;
	uint64_t pt_receiver; /* the thread inside a receiving call: two at once are an error */
	void (*pt_upcall)(struct ell_port *port, void *arg);
	void *pt_arg;
	const char *pt_name;
	uint32_t pt_magic;
	uint32_t pt_calls; /* the upcall: see src/message/port.c */
};

/*
 * Makes PORT an empty port. NAME (may be NULL) appears in error messages and must outlive it.
 * Never switches threads; safe in a signal handler.
 */
void ell_port_init(struct ell_port *port, const char *name);

/*
 * Instead of a waiter: FN(PORT, ARG) is called each time PORT changes from empty to not empty, on the LWP that put the
 * message there, in scheduler context or on the putting thread. It may get messages, send others and unpark threads; it
 * must not wait or yield: that aborts. There is one call at a time: what changes meanwhile brings one more afterwards.
 * FN NULL takes the function away. Set it while nothing is sent to the port.
 */
void ell_port_upcall(struct ell_port *port, void (*fn)(struct ell_port *port, void *arg), void *arg);

/*
 * Ends PORT: 0; -EBUSY if a message is in it, a thread waits on it or its upcall runs. Whatever is put into it later
 * aborts and names it. Never switches threads; not for signal handlers.
 */
int ell_port_finish(struct ell_port *port);

/*
 * The oldest message of PORT, or NULL. A reply is over with this: the message may be prepared and sent again. A request
 * (a message that another thread put here) is in the caller's hands until ell_msg_reply(). Submits and collects what is
 * there first when the port looks empty. Never switches threads; not for signal handlers.
 */
struct ell_msg *ell_port_get(struct ell_port *port);

/*
 * The same, and waits for a message until UNTIL: NULL when that has passed. May switch threads; not for signal
 * handlers.
 */
struct ell_msg *ell_port_wait(struct ell_port *port, ell_time until);

/*
 * Waits on COUNT ports: the oldest message of the first one that has any, or NULL when UNTIL has passed or COUNT is 0.
 * When WHICH is not NULL it gets the index of the port. May switch threads; not for signal handlers.
 */
struct ell_msg *ell_port_wait_any(struct ell_port *const *ports, size_t count, ell_time until, size_t *which);

/*
 * Puts M, made by ell_msg_user(), into PORT as a request: 0, or -EINVAL if it was not so made. Its reply comes to its
 * own ms_port, or to who waits for it. The receiver may be on any vCPU or on a kernel thread of the program's own.
 * Never switches threads; not for signal handlers.
 */
int ell_port_put(struct ell_port *port, struct ell_msg *m);

#ifdef __cplusplus
}
#endif
#endif
