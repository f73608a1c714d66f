/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * clib.c - in what the program's C library differs from others
 *
 * Purpose: the personality is one object for any C library that makes system calls by `syscall` (names.c). What it
 * knows about glibc stands where it is used. This is what it knows about others, of which musl is the one that is
 * tested.
 *
 * Locks of the C library's own (malloc's, the list of threads) are shared between the program and kernel threads of
 * ours. Of glibc all calls for these are seen (rewrite_early()); where compilers have put the system call into each
 * function they are not. So threads wait in the kernel for such words, like everybody: they are held for microseconds,
 * and a thread that is kept longer, because a handler has interrupted the owner, loses its vCPU as one that computes
 * does. Standard streams are not among them: no kernel thread of ours uses one, and they are held while a pipe is full.
 *
 * The list of threads is locked by a thread that ends until the kernel has seen its end: the word that becomes 0 then
 * is the lock itself, and one for all (clone.c).
 *
 * A detached thread unmaps its own stack, and ends behind that without one. Here it ends with the first call, and who
 * comes next unmaps the stack. The call site must not be rewritten: kernel threads of ours end there, too
 * (stacks_unmaps_self()).
 *
 * Cancellation: musl's handler looks whether it has interrupted the one place at which calls can be cancelled. If not,
 * which is so whenever we are in between, it sends the signal again, and blocks it; and the library asks, after a call
 * of that place that ended with EINTR, whether it was cancelled. So there the signal ends a call even if it is blocked,
 * and nothing begins again after its handler.
 *
 * Credentials: the C library makes all its threads take part, one after the other, and LWPs cannot: a thread may be on
 * top. So it is made to believe that there is one thread, as it does when the kernel's number for the caller is not its
 * own; and to change what it then changes for the caller alone is refused.
 *
 * Thread-local storage: only pthread_create() makes it. What the runtime needs belongs to kernel threads that sleep for
 * good. They are made before the LWPs, for one of these may find the list of threads locked by who waits for it.
 */
#include "personality/clib.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "arch/arch.h"
#include "base/atomic.h"
#include "mem/tls.h"
#include "personality/futex.h"
#include "personality/guest.h"
#include "personality/hidden.h"
#include "personality/masks.h"
#include "personality/stats.h"
#include "personality/table.h"

/* A FILE has so many bytes at most. */
enum { STREAMS = 3, STREAM_SIZE = 256, LENDERS = 1024, LENDER_STACK = 16384 };

struct clib clib;

static uint64_t streams[STREAMS];

/* Of threads whose storage is lent. */
static struct {
	uint32_t made;
	uint32_t taken;
	uint64_t tls[LENDERS];
} lent;

static int64_t number_at;

/* The segments of the object that holds ARG. */
static int find_segments(struct dl_phdr_info *info, size_t size, void *arg)
{
	uint64_t inside = (uint64_t)(uintptr_t)arg;
	const ElfW(Phdr) *text = NULL, *data = NULL;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];

		if (segment->p_type != PT_LOAD)
			continue;
		if ((segment->p_flags & PF_X) && inside - info->dlpi_addr - segment->p_vaddr < segment->p_memsz)
			text = segment;
		if (segment->p_flags & PF_W)
			data = segment;
	}
	if (!text)
		return 0;
	clib.text = (uint8_t *)info->dlpi_addr + text->p_vaddr;
	clib.text_size = text->p_memsz;
	if (data) {
		clib.words = info->dlpi_addr + data->p_vaddr;
		clib.words_size = data->p_memsz;
	}
	return 1;
}

/* musl's __syscall_cp_asm(), from its last three instructions on; see FIX_NONE in rewrite.c. */
static uint64_t find_cancel_rip(void)
{
	static const char code[] = "\x4c\x8b\x4c\x24\x10\x4c\x89\x5c\x24\x08\x0f\x05\xc3";
	size_t size = sizeof(code) - 1;
	const uint8_t *found = memmem(clib.text, clib.text_size, code, size);

	return found ? (uint64_t)(uintptr_t)(found + size - 1) : 0;
}

static void begin_other(void)
{
	static const char *const names[STREAMS] = {"stdin", "stdout", "stderr"};

	clib.internal = UINT64_C(7) << 31;
	clib.credentials = 34;
	clib.cancel = MASKS_BIT(33);
	clib.cancel_rip = find_cancel_rip();
	for (int i = 0; i < STREAMS; i++) {
		void **stream = dlsym(RTLD_DEFAULT, names[i]);

		streams[i] = stream ? (uint64_t)(uintptr_t)*stream : 0;
	}
	table_ask_about_credentials();
}

void clib_begin(void)
{
	dl_iterate_phdr(find_segments, dlsym(RTLD_DEFAULT, "pthread_create"));
	clib.is_glibc = dlsym(RTLD_DEFAULT, "gnu_get_libc_version") != NULL;
	if (!clib.is_glibc) {
		begin_other();
		return;
	}
	clib.internal = UINT64_C(3) << 31;
	clib.credentials = 33;
	clib.words_size = 0;
}

bool clib_keeps_lock(uint64_t address)
{
	if (!clib_has_word(address))
		return false;
	for (int i = 0; i < STREAMS; i++) {
		if (address - streams[i] < STREAM_SIZE)
			return false;
	}
	return true;
}

void clib_note_number(int64_t at)
{
	number_at = at;
}

void clib_end_last(const struct guest *gu)
{
	uint32_t *lock = gu->gu_clear_tid;

	if (clib.is_glibc || !lock)
		return;
	/* It has forgotten its number, and holds the list of threads. */
	*(int32_t *)(arch_tls() + (uintptr_t)number_at) = gu->gu_tid;
	store_seq_cst(lock, 0);
	RAW(SYS_futex, lock, FUTEX_WAKE, 1);
}

static void *lend(void *unused)
{
	lent.tls[lent.made] = arch_tls();
	store_seq_cst(&lent.made, lent.made + 1);
	RAW(SYS_futex, &lent.made, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1);
	for (;;)
		RAW(SYS_pause);
	return unused;
}

/* Another one, that is there when this returns. */
static bool make_lender(void)
{
	uint32_t made = lent.made;

	if (made == LENDERS || hidden_thread(lend, NULL, LENDER_STACK, 0) != 0)
		return false;
	while (load_seq_cst(&lent.made) == made)
		RAW(SYS_futex, &lent.made, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, made, NULL);
	return true;
}

static bool reserve(unsigned count)
{
	while (lent.made - lent.taken < count) {
		if (!make_lender())
			return false;
	}
	return true;
}

static uintptr_t take(void)
{
	uint32_t n = __atomic_fetch_add(&lent.taken, 1, __ATOMIC_RELAXED);

	if (n >= lent.made)
		return 0;
	arch_tls_adopt(lent.tls[n]);
	return lent.tls[n];
}

void clib_lend_tls(void)
{
	static const struct tls_lender lender = {reserve, take};

	/* In a child of fork() those of the parent are gone. */
	lent.made = lent.taken = 0;
	if (!clib.is_glibc)
		tls_lender = &lender;
}

int64_t clib_credentials(struct entry_regs *g)
{
	if (!guest_self->gu_thread)
		return RAW((long)g->rax, g->rdi, g->rsi, g->rdx, g->r10, g->r8, g->r9);
	return refuse("a change of credentials where the C library is not glibc and there have been threads");
}
