/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rewrite.c - call sites become jumps
 *
 * Purpose: a trap costs 2 us. So it only finds the sites, and at its second use a site is rewritten.
 *
 * What is written: a jump of five bytes to a stub (x86_64/entry.S), in the place of an instruction of five bytes before
 * the `syscall`, nearly always `mov $nr, %eax`. The `syscall` stays: who jumps straight to it traps, as before. Between
 * the two may stand one instruction, which then is done by entry_fast(), too. `xor %eax, %eax` has two bytes: it
 * becomes a short jump to the padding behind the `ret` that follows, and there lies the jump to the stub. What looks
 * otherwise, or lies farther than 2 GiB from the stubs, keeps trapping.
 *
 * That the bytes are instructions is known: the `syscall` has just trapped, with the number that the `mov` before it
 * loads, and what could make the same bytes the tail of a longer instruction (a REX prefix, or an operation with an
 * address and a number) is refused.
 *
 * In the middle of a function the last instruction of five bytes may be any `mov $number, %register`, with a few others
 * behind it, which tail.c does when the call comes by the jump. That these are what they seem to be is known from the
 * registers at the trap: done once more, the same instructions must leave each of them as it is.
 *
 * How it is written, while other LWPs execute it: never. The page is copied, the copy is changed and made executable,
 * and mremap() puts it in the place of the page. Who executes there meanwhile finds either page, or faults and waits
 * until one is there, so nobody ever sees half of an instruction; the TLB shootdown that comes with the change makes
 * other processors begin anew. Nothing is ever writable and executable, and where a policy forbids to make written
 * memory executable, all sites keep trapping. A thread that was stopped between the two old instructions goes on with
 * the second one, which is still there.
 *
 * One form takes more than one instruction: read()'s `mov N(%rsp), %edi; xor %eax, %eax`. A thread may have been
 * stopped in the middle, hence rewrite_early(), when there is no other one.
 *
 * Rejected: writing in place, by mprotect(): executable and writable for a moment, and processors do not promise what
 * they execute while bytes change; int3 first: SIGTRAP belongs to debuggers. Writing through /proc/self/mem: not
 * atomic.
 *
 * Vector registers: the code at a site may have something in all that the processor has, but in the C library only in
 * those for which it was compiled. Nobody who calls one of its functions expects any to be kept. See slow_sse in
 * entry.S.
 *
 * Locks: sites.lock, for a while, and the kernel is entered under it. Nothing is taken under it.
 */
#include "personality/rewrite.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/lock.h"
#include "personality/clib.h"
#include "personality/entry.h"
#include "personality/futex.h"
#include "personality/stats.h"
#include "personality/tail.h"

enum { SEEN = 4096, REWRITE_AT = 2, PAGE = 4096, MOV = 5, SAMPLE = 2048, TAIL_MOST = 24 };

/* A site that has trapped. */
struct seen {
	uint64_t rip;
	uint32_t count; /* REWRITE_AT: it has been tried */
};

static struct {
	uint32_t lock;
	uint32_t used; /* of entry_sites; lock */
	bool forbidden;
	bool library_is_sse;
	struct seen seen[SEEN]; /* lock */
} sites;

/* What is to be written, and what the stub has to know. */
struct change {
	struct entry_site site;
	uint8_t *jump; /* where the jump to the stub goes */
	unsigned size; /* of what it replaces */
	uint8_t *hop;  /* a short jump there, or NULL */
};

/* Is OPCODE that of an operation with a number behind the address of its operand? */
static bool takes_number(uint8_t opcode)
{
	static const uint8_t all[] = {0x69, 0x6b, 0x80, 0x81, 0x83, 0xc0, 0xc1, 0xc6, 0xc7, 0xf6, 0xf7};

	return memchr(all, opcode, sizeof(all)) != NULL;
}

/* Can MOV be such an address and number, as in movb $0, 0xb8(%r14)? ModRM, and perhaps SIB, stand before them. */
static bool is_operand(const uint8_t *mov)
{
	return (mov[-1] < 0xc0 && takes_number(mov[-2])) ||
	       (mov[-2] < 0xc0 && (mov[-2] & 7) == 4 && takes_number(mov[-3]));
}

static bool has_number(const uint8_t *mov, uint64_t nr)
{
	uint32_t immediate;

	memcpy(&immediate, mov + 1, sizeof(immediate));
	/* 0x40 to 0x4f before it: a REX prefix. */
	return mov[0] == 0xb8 && immediate == nr && (mov[-1] & 0xf0) != 0x40 && !is_operand(mov);
}

/* The instruction between `mov` and `syscall`, which ends at END: its length, or 0. */
static unsigned between(const uint8_t *end, struct entry_site *site)
{
	if (end[-2] == 0x31 && end[-1] == 0xd2) {
		site->es_fix = FIX_EDX_ZERO;
		return 2;
	}
	if (end[-3] == 0x80 && end[-2] == 0xf2) {
		site->es_fix = FIX_XOR_DL;
		site->es_byte = end[-1];
		return 3;
	}
	if (end[-4] == 0x40 && end[-3] == 0x80 && end[-2] == 0xf6) {
		site->es_fix = FIX_XOR_SIL;
		site->es_byte = end[-1];
		return 4;
	}
	if (memcmp(end - 7, "\x48\x8d\x35", 3) == 0) {
		site->es_fix = FIX_RSI_RIP;
		return 7;
	}
	if (memcmp(end - 7, "\x48\x8d\xb3", 3) == 0) {
		site->es_fix = FIX_RSI_RBX;
		return 7;
	}
	if (memcmp(end - 6, "\x81\xe6\x80\0\0\0", 6) == 0) {
		site->es_fix = FIX_AND_ESI;
		return 6;
	}
	return 0;
}

/*
 * The end of a thread: mov $nr, %edx; perhaps a nop; xor %edi, %edi; mov %edx, %eax; and the `syscall` at END, from
 * which nobody comes back. Where the first of these is, or NULL.
 */
static uint8_t *end_of_thread(uint8_t *end, uint64_t nr)
{
	uint8_t *mov = end - 4 - MOV;
	uint32_t immediate;

	if (memcmp(end - 4, "\x31\xff\x89\xd0", 4) != 0)
		return NULL;
	if (memcmp(end - 6, "\x66\x90", 2) == 0)
		mov -= 2;
	memcpy(&immediate, mov + 1, sizeof(immediate));
	return mov[0] == 0xba && immediate == nr && (mov[-1] & 0xf0) != 0x40 ? mov : NULL;
}

/* cmp $-4096, %rax; ja; ret, and padding of ten bytes: behind the `syscall` at END. */
static bool has_hole(const uint8_t *end)
{
	return memcmp(end + 2, "\x48\x3d\0\xf0\xff\xff\x77", 7) == 0 && end[10] == 0xc3 &&
	       memcmp(end + 11, "\x66\x2e\x0f\x1f\x84\0\0\0\0\0", 10) == 0;
}

/* What makes the same bytes a part of another instruction, if it stands before them. */
static bool is_part(const uint8_t *mov)
{
	return (mov[-1] & 0xf0) == 0x40 || takes_number(mov[-1]) || is_operand(mov);
}

/* Do the SIZE bytes of instructions before the call at END leave G, which has just come from there, as it is? */
static bool leaves_as_is(const uint8_t *end, unsigned size, const struct entry_regs *g)
{
	/* With each answer that a comparison before may have had. */
	for (uint64_t flags = 0; flags <= UINT64_C(1) << 14; flags += UINT64_C(1) << 14) {
		struct entry_regs again = *g;

		again.flags = flags;
		if (!tail_run(end - size, size, &again))
			return false;
		again.flags = g->flags;
		if (memcmp(&again, g, sizeof(again)) == 0)
			return true;
	}
	return false;
}

/*
 * The last mov $number, %register before the call at END from which G has come, if what follows it is known to tail.c,
 * and if the registers are as all this leaves them. On the page of the call.
 */
static bool find_tail(uint8_t *end, const struct entry_regs *g, struct change *c)
{
	unsigned most = (unsigned)((uintptr_t)end % PAGE), size;

	for (size = 0; size <= TAIL_MOST && size + MOV + 4 <= most; size++) {
		uint8_t *mov = end - size - MOV;
		unsigned number = (unsigned)(*mov - 0xb8) & 7, wide = mov[-1] == 0x41;
		struct entry_regs now = *g;
		const uint64_t *reg;
		uint32_t value;

		if ((*mov & 0xf8) != 0xb8 || number == 4 || is_part(mov - wide))
			continue;
		reg = tail_register(&now, number + 8 * wide);
		memcpy(&value, mov + 1, sizeof(value));
		if (!reg || *reg != value || !leaves_as_is(end, size, g))
			continue;
		c->site.es_fix = FIX_TAIL;
		c->site.es_number = (int32_t)value;
		c->site.es_byte = (uint8_t)(number + 8 * wide);
		c->site.es_tail = (uint8_t)size;
		c->jump = mov - wide;
		c->size = MOV + wide;
		return true;
	}
	return false;
}

/* Can the call NR before RIP be rewritten, and how? G: the registers, if it has trapped; else NULL. */
static bool analyse(uint64_t rip, uint64_t nr, bool alone, const struct entry_regs *g, struct change *c)
{
	uint8_t *end = (uint8_t *)rip - 2;
	unsigned n;

	*c = (struct change){.site = {.es_rip = rip, .es_number = (int32_t)nr}, .size = MOV};
	if (end[0] != 0x0f || end[1] != 0x05)
		return false;
	if (has_number(end - MOV, nr)) {
		c->jump = end - MOV;
		return true;
	}
	if (memcmp(end - MOV, "\x4c\x8b\x4c\x24\x08", MOV) == 0) {
		c->site.es_number = -1;
		c->site.es_fix = FIX_R9_STACK;
		c->jump = end - MOV;
		return true;
	}
	/* Of musl's, where calls can be cancelled: mov %r11, 8(%rsp), and nobody reads what that has written. */
	if (rip == clib.cancel_rip) {
		c->site.es_number = -1;
		c->jump = end - MOV;
		return true;
	}
	n = between(end, &c->site);
	if (n && has_number(end - n - MOV, nr)) {
		c->jump = end - n - MOV;
		return true;
	}
	c->jump = nr == SYS_exit ? end_of_thread(end, nr) : NULL;
	if (c->jump) {
		c->site.es_fix = FIX_EDI_ZERO;
		return true;
	}
	if (nr != SYS_read || end[-2] != 0x31 || end[-1] != 0xc0)
		return g && find_tail(end, g, c);
	if (has_hole(end)) {
		c->hop = end - 2;
		c->jump = end + 11;
		return true;
	}
	if (alone && end[-6] == 0x8b && end[-5] == 0x7c && end[-4] == 0x24) {
		c->site.es_fix = FIX_EDI_STACK;
		c->site.es_byte = end[-3];
		c->jump = end - 6;
		c->size = 6;
		return true;
	}
	return false;
}

/* Puts a changed copy of its pages in the place of C's. */
static bool replace(const struct change *c, int32_t distance)
{
	const uint8_t *first = c->hop ? c->hop : c->jump;
	uint8_t *from = (uint8_t *)((uintptr_t)first & ~(uintptr_t)(PAGE - 1));
	size_t size = (size_t)(c->jump + c->size - from + PAGE - 1) & ~(size_t)(PAGE - 1);
	long map = RAW(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *copy = (uint8_t *)map;
	uint8_t *jump;

	if (map < 0)
		return false;
	memcpy(copy, from, size);
	jump = copy + (c->jump - from);
	jump[0] = 0xe9;
	memcpy(jump + 1, &distance, sizeof(distance));
	if (c->size > MOV)
		jump[MOV] = 0x90;
	if (c->hop) {
		copy[c->hop - from] = 0xeb;
		copy[c->hop - from + 1] = (uint8_t)(c->jump - c->hop - 2);
	}
	if (RAW(SYS_mprotect, copy, size, PROT_READ | PROT_EXEC) != 0) {
		sites.forbidden = true;
	} else {
		map = RAW(SYS_mremap, copy, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, from);
		if (map >= 0)
			return true;
	}
	RAW(SYS_munmap, copy, size);
	return false;
}

static void rewrite_locked(uint64_t rip, uint64_t nr, bool alone, const struct entry_regs *g)
{
	const char *stub = entry_stubs + (size_t)sites.used * STUB_SIZE;
	struct change c;
	intptr_t distance;

	if (sites.forbidden || sites.used == ENTRY_SITES || !analyse(rip, nr, alone, g, &c))
		return;
	distance = (intptr_t)stub - (intptr_t)(c.jump + MOV);
	if (distance != (int32_t)distance)
		return;
	c.site.es_sse = sites.library_is_sse && rip - (uint64_t)clib.text < clib.text_size;
	entry_sites[sites.used] = c.site;
	if (replace(&c, (int32_t)distance)) {
		sites.used++;
		count_up(&stats.sites, 1);
	}
}

static struct seen *find_locked(uint64_t rip)
{
	uint64_t at = rip * UINT64_C(0x9e3779b97f4a7c15) >> 52;

	for (unsigned i = 0; i < SEEN; i++) {
		struct seen *s = &sites.seen[(at + i) % SEEN];

		if (s->rip == rip || !s->rip) {
			s->rip = rip;
			return s;
		}
	}
	return NULL;
}

void rewrite_hold(void)
{
	lock_acquire(&sites.lock);
}

void rewrite_release(void)
{
	lock_release(&sites.lock);
}

void rewrite_seen(const struct entry_regs *g)
{
	struct seen *s;

	lock_acquire(&sites.lock);
	s = find_locked(g->rip);
	if (s && s->count < REWRITE_AT && ++s->count == REWRITE_AT)
		rewrite_locked(g->rip, g->rax, false, g);
	lock_release(&sites.lock);
}

/*
 * Was this code compiled for SSE2 alone? Then it stores pairs of words by movups and movaps, where a compiler that may
 * use AVX writes nothing but the new encodings.
 */
static bool stores_by_sse(const uint8_t *code, size_t size)
{
	unsigned stores = 0;

	for (size_t i = 0; i + 2 < size; i++) {
		bool has_displacement = code[i + 2] >> 6 == 1 || code[i + 2] >> 6 == 2;

		stores += code[i] == 0x0f && (code[i + 1] == 0x11 || code[i + 1] == 0x29) && has_displacement;
	}
	return stores > 1;
}

void rewrite_begin(void)
{
	int (*describe)(const void *, Dl_info *, void **, int) =
		(int (*)(const void *, Dl_info *, void **, int))dlsym(RTLD_DEFAULT, "dladdr1");
	uint8_t *function = dlsym(RTLD_DEFAULT, "pthread_create");
	const ElfW(Sym) *symbol = NULL;
	size_t size = SAMPLE;
	Dl_info info;

	if (describe && describe(function, &info, (void **)&symbol, RTLD_DL_SYMENT) && symbol)
		size = symbol->st_size;
	if (function + size <= clib.text + clib.text_size)
		sites.library_is_sse = stores_by_sse(function, size);
}

static void rewrite_early_locked(uint8_t *at)
{
	struct change c;
	uint64_t rip = (uint64_t)(at + 2);
	struct seen *s;
	uint32_t before = sites.used;

	if (at[0] != 0x0f || at[1] != 0x05)
		return;
	if (analyse(rip, SYS_futex, true, NULL, &c) ? c.site.es_number != SYS_futex
						    : !analyse(rip, SYS_read, true, NULL, &c))
		return;
	s = find_locked(rip);
	if (!s || s->count == REWRITE_AT)
		return;
	s->count = REWRITE_AT;
	rewrite_locked(rip, (uint64_t)c.site.es_number, true, NULL);
	/* Who waits by it is seen by nobody. */
	if (sites.used == before)
		futex_is_blind = 1;
}

void rewrite_early(void)
{
	/* Elsewhere they are in every function: see clib.c. */
	if (!clib.is_glibc)
		return;
	lock_acquire(&sites.lock);
	for (size_t i = 16; i + 2 < clib.text_size; i++)
		rewrite_early_locked(clib.text + i);
	if (sites.forbidden || sites.used == 0)
		futex_is_blind = 1;
	lock_release(&sites.lock);
}
