/* SPDX-License-Identifier: BSD-2-Clause */
/* names.c - the resolver of the C library, which only knows how to block, on a helper LWP */
#include <ellula/blocking.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"

/* A question and its answer, with the strings of the question behind them: the caller may not stay for it. */
struct lookup {
	struct addrinfo hints, *result;
	const char *node, *service;
	bool has_hints;
	int error, system_error;
	char text[];
};

static void lookup_run(void *arg)
{
	struct lookup *l = arg;

	l->error = getaddrinfo(l->node, l->service, l->has_hints ? &l->hints : NULL, &l->result);
	l->system_error = errno;
}

static void lookup_drop(void *arg)
{
	struct lookup *l = arg;

	if (l->result)
		freeaddrinfo(l->result);
	free(l);
}

/* What an error of ell_offload_until() is to the resolver's callers. */
static int eai_of(int error)
{
	if (error == ENOMEM || error == EAGAIN)
		return EAI_MEMORY;
	errno = error;
	return EAI_SYSTEM;
}

static size_t size_of(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

static struct lookup *lookup_make(const char *node, const char *service, const struct addrinfo *hints)
{
	size_t node_size = size_of(node), service_size = size_of(service);
	struct lookup *l = calloc(1, sizeof(*l) + node_size + service_size);

	if (!l)
		return NULL;
	if (node)
		l->node = memcpy(l->text, node, node_size);
	if (service)
		l->service = memcpy(l->text + node_size, service, service_size);
	if (hints)
		l->hints = *hints;
	l->has_hints = hints != NULL;
	return l;
}

EXPORT int ell_getaddrinfo_until(const char *node, const char *service, const struct addrinfo *hints,
				 struct addrinfo **result, ell_time until)
{
	struct lookup *l = lookup_make(node, service, hints);
	int error;

	if (!l)
		return EAI_MEMORY;
	error = ell_offload_until(lookup_run, l, lookup_drop, until);
	if (error) {
		if (error != ETIMEDOUT)
			lookup_drop(l);
		return eai_of(error);
	}
	error = l->error;
	if (error == EAI_SYSTEM)
		errno = l->system_error;
	if (!error)
		*result = l->result;
	l->result = NULL;
	lookup_drop(l);
	return error;
}

EXPORT int ell_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
			   struct addrinfo **result)
{
	return ell_getaddrinfo_until(node, service, hints, result, ELL_FOREVER);
}

struct reverse {
	struct sockaddr_storage addr;
	socklen_t len;
	int flags;
	int error, system_error;
	bool wants_host, wants_service;
	char host[NI_MAXHOST];
	char service[NI_MAXSERV];
};

static void reverse_run(void *arg)
{
	struct reverse *r = arg;

	r->error = getnameinfo((const struct sockaddr *)&r->addr, r->len, r->wants_host ? r->host : NULL,
			       r->wants_host ? sizeof(r->host) : 0, r->wants_service ? r->service : NULL,
			       r->wants_service ? sizeof(r->service) : 0, r->flags);
	r->system_error = errno;
}

/* FROM into TO, which has SIZE bytes: false if it does not fit. */
static bool copy_out(char *to, socklen_t size, const char *from)
{
	size_t needed = strlen(from) + 1;

	if (needed > size)
		return false;
	memcpy(to, from, needed);
	return true;
}

EXPORT int ell_getnameinfo_until(const struct sockaddr *addr, socklen_t len, char *host, socklen_t host_size,
				 char *service, socklen_t service_size, int flags, ell_time until)
{
	struct reverse *r;
	int error;

	if (!addr || len > sizeof(r->addr))
		return EAI_FAMILY;
	r = calloc(1, sizeof(*r));
	if (!r)
		return EAI_MEMORY;
	memcpy(&r->addr, addr, len);
	r->len = len;
	r->flags = flags;
	r->wants_host = host && host_size;
	r->wants_service = service && service_size;
	error = ell_offload_until(reverse_run, r, free, until);
	if (error) {
		if (error != ETIMEDOUT)
			free(r);
		return eai_of(error);
	}
	error = r->error;
	if (error == EAI_SYSTEM)
		errno = r->system_error;
	if (!error && ((r->wants_host && !copy_out(host, host_size, r->host)) ||
		       (r->wants_service && !copy_out(service, service_size, r->service))))
		error = EAI_OVERFLOW;
	free(r);
	return error;
}

EXPORT int ell_getnameinfo(const struct sockaddr *addr, socklen_t len, char *host, socklen_t host_size, char *service,
			   socklen_t service_size, int flags)
{
	return ell_getnameinfo_until(addr, len, host, host_size, service, service_size, flags, ELL_FOREVER);
}
