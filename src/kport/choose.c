/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * choose.c - which back end executes the messages
 *
 * The choice is made once, when the first LWP gets its kernel port; the others get one of the same kind. ELLULA_KPORT
 * names it. Without that each back end of `by_itself` is tried in turn, and one that the kernel refuses to make gives
 * way to the next: ENOSYS, a kernel without io_uring; EPERM and EACCES, a filter, a security module or
 * kernel.io_uring_disabled; EINVAL, none of our sets of flags. ENOMEM is no refusal but a shortage, which another back
 * end would hide until it is worse: that error is the caller's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/panic.h"
#include "kport/backend.h"
#include "kport/kport.h"
#include "kport/op.h"

/* All that are built, by name; and those that are chosen without being named, best first. */
static const struct kport_backend *const backends[] = {&uring_backend, &poll_backend};
static const struct kport_backend *const by_itself[] = {&uring_backend, &poll_backend};

const struct kport_backend *kport_brought;

/* Written before any other LWP exists. */
static const struct kport_backend *chosen;
static char reason[128];

int kport_choose(void)
{
	const char *name = getenv("ELLULA_KPORT");
	char known[64] = "";

	chosen = kport_brought;
	if (chosen) {
		snprintf(reason, sizeof(reason), "the program has brought it");
		return 0;
	}
	if (!name || !*name)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(backends); i++) {
		if (strcmp(backends[i]->name, name) == 0) {
			chosen = backends[i];
			snprintf(reason, sizeof(reason), "ELLULA_KPORT says so");
			return 0;
		}
		snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s", i ? ", " : "",
			 backends[i]->name);
	}
	if (strcmp(name, "sim") == 0)
		complain("ELLULA_KPORT=sim: the simulator is a build of its own, \"make sim\" (there are: %s)", known);
	else
		complain("ELLULA_KPORT=%s: no such kernel port (there are: %s)", name, known);
	return -EINVAL;
}

static bool is_refusal(int error)
{
	return error == -ENOSYS || error == -EPERM || error == -EACCES || error == -EINVAL;
}

static struct kport *create_first(int *error)
{
	struct kport *kp = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(by_itself); i++) {
		if (i > 0 && !is_refusal(*error))
			break;
		if (i > 0)
			snprintf(reason, sizeof(reason), "%s is refused: %s", by_itself[i - 1]->name,
				 strerror(-*error));
		kp = by_itself[i]->create(error);
		if (kp) {
			chosen = by_itself[i];
			break;
		}
	}
	return kp;
}

struct kport *kport_create(unsigned number, int *error)
{
	struct kport *kp = chosen ? chosen->create(error) : create_first(error);

	if (kp)
		kp->kp_number = number;
	return kp;
}

const char *kport_describe(void)
{
	return chosen->describe();
}

const char *kport_reason(void)
{
	return *reason ? reason : NULL;
}

static bool is_in_list(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = list; at && *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
		if (strncmp(at, name, len) == 0 && (at[len] == ',' || at[len] == '\0'))
			return true;
	}
	return false;
}

bool kport_unprobed(enum ell_op op)
{
	const char *list = getenv("ELLULA_UNPROBE");

	return list && op_table[op].run && (strcmp(list, "all") == 0 || is_in_list(list, op_table[op].name));
}
