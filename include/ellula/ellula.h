/* SPDX-License-Identifier: BSD-2-Clause */
/* ellula.h - all of the library */
#ifndef ELLULA_ELLULA_H
#define ELLULA_ELLULA_H

#include <ellula/blocking.h>
#include <ellula/call.h>
#include <ellula/life.h>
#include <ellula/message.h>
#include <ellula/ops.h>
#include <ellula/port.h>
#include <ellula/signal.h>
#include <ellula/stats.h>
#include <ellula/sync.h>
#include <ellula/thread.h>
#include <ellula/time.h>
#include <ellula/upcall.h>

#endif
