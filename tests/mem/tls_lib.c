/* SPDX-License-Identifier: BSD-2-Clause */
/* tls_lib.c - a shared library with a variable of each thread's own */
#include "mem/tls_lib.h"

static __thread struct {
	int count;
	char text[100];
	int zero[200];
} own = {.count = TLS_LIB_FIRST, .text = "libellula"};

int tls_lib_count(void)
{
	return own.count;
}

int tls_lib_bump(void)
{
	own.zero[own.count % 200]++;
	return ++own.count;
}

const void *tls_lib_address(void)
{
	return &own;
}

bool tls_lib_is_new(void)
{
	for (int i = 0; i < 200; i++)
		if (own.zero[i])
			return false;
	return own.count == TLS_LIB_FIRST && own.text[0] == 'l' && own.text[8] == 'a' && own.text[99] == '\0';
}
