/* SPDX-License-Identifier: BSD-2-Clause */
/* robust.h - what a thread that has ended held of robust locks */
#ifndef PERSONALITY_ROBUST_H
#define PERSONALITY_ROBUST_H

#include <linux/futex.h>
#include <stdint.h>

/*
 * The locks in the list HEAD, or NULL, that the thread with number TID holds: their owner has died. Context: any but S.
 */
void robust_bury(const struct robust_list_head *head, int32_t tid);

#endif
