/* SPDX-License-Identifier: BSD-2-Clause */
/* listener.h - the socket that clients connect to, and its end by a signal */
#ifndef HTTPD_LISTENER_H
#define HTTPD_LISTENER_H

#include <stdbool.h>

#include "options.h"

/*
 * A listening socket as O says; -1 with a line on stderr. TCP_NODELAY is set on it, which the accepted ones inherit. As
 * many descriptors as the system allows become the limit. Unless O is quiet, it prints where it listens.
 *
 * From now on SIGTERM and SIGINT make every accept on the socket fail, the one that waits and those to come, and
 * listener_stopped() true. It must stay open as long as signals can come. SIGPIPE is ignored.
 */
int listener_open(const struct options *o);

bool listener_stopped(void);

#endif
