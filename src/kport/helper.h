/* SPDX-License-Identifier: BSD-2-Clause */
/* helper.h - LWPs that run what no kernel port can, by plain blocking calls */
#ifndef KPORT_HELPER_H
#define KPORT_HELPER_H

#include <ellula/message.h>

/* M, which is SENT, is to run on a helper. Context: T V F. */
void helper_send(struct ell_msg *m);

/* M is REVOKING: takes it back if it has not begun. Context: T V F. */
void helper_revoke(struct ell_msg *m);

#endif
