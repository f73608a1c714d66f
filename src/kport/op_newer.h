/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * op_newer.h - submissions that are newer than the headers which the build may find
 *
 * The numbers and the places of the arguments are those of the kernel's uapi, which never change. The names are ours,
 * because newer headers have theirs as enumerators, which no #ifdef sees.
 */
#ifndef KPORT_OP_NEWER_H
#define KPORT_OP_NEWER_H

enum {
	OP_URING_WAITID = 50,	 /* Linux 6.7; fd: id, len: idtype, addr2: siginfo, file_index: options */
	OP_URING_FTRUNCATE = 55, /* Linux 6.9; fd, off: length */
	OP_URING_BIND = 56,	 /* Linux 6.11; fd, addr, addr2: length of the address */
	OP_URING_LISTEN = 57,	 /* Linux 6.11; fd, len: backlog */
};

#endif
