/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tls_layout.c - what lies at the thread pointer in glibc
 *
 * On x86-64 the thread descriptor (struct pthread) begins at the thread pointer with the header that the ABI describes;
 * on aarch64 it ends there, and at the thread pointer itself lies the pointer to the dynamic thread vector (dtv). The
 * rest is found by its content. The dtv is an array of pairs: entry 0 is a generation, entry i of module i holds the
 * address of its variables and what to free; entry -1 is the number of entries.
 */
#include "mem/tls_layout.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/compiler.h"
#include "sys/sys.h"

enum { DESCRIPTOR = 0x900, FIRST_KEYS = 32 };

struct key_value {
	uintptr_t sequence;
	void *data;
};

union dtv {
	size_t counter;
	struct {
		void *variables;
		void *to_free;
	} module;
};

struct links {
	struct links *next;
	struct links *prev;
};

#define DTV_UNALLOCATED ((void *)-1L)

/* glibc 2.35: where the rseq area is, from the thread pointer. */
extern const ptrdiff_t __rseq_offset __attribute__((weak));

#ifdef __x86_64__
enum { LOW = 0, HIGH = DESCRIPTOR };
enum { HEADER_DTV = 8, HEADER_SELF = 16, HEADER_THREADS = 24, HEADER_STACK_GUARD = 40, HEADER_POINTER_GUARD = 48 };
#else
/* There may be nothing below the descriptor. How large it is glibc tells libthread_db by this name. */
static ptrdiff_t descriptor_size(void)
{
	const uint32_t *size = dlsym(RTLD_DEFAULT, "_thread_db_sizeof_pthread");

	return size ? (ptrdiff_t)*size : 0;
}

#define LOW (-descriptor_size())
enum { HIGH = 0 };
enum { HEADER_DTV = 0 };
#endif

static void *at(uintptr_t tp, ptrdiff_t offset)
{
	return (char *)tp + offset;
}

/* A list head that points to itself, just behind the tid. */
static ptrdiff_t find_robust_list(uintptr_t tp, ptrdiff_t tid)
{
	for (ptrdiff_t offset = (tid + 7) & ~(ptrdiff_t)7; offset < tid + 64; offset += 8) {
		if (*(void **)at(tp, offset) == at(tp, offset))
			return offset;
	}
	return 0;
}

/* The links of a list of all threads, right before the tid. */
static ptrdiff_t find_list(uintptr_t tp, ptrdiff_t tid)
{
	ptrdiff_t offset = tid - (ptrdiff_t)sizeof(struct links);
	const struct links *own = at(tp, offset);

	if (offset & 7 || !own->next || !own->prev || (uintptr_t)own->next & 7 || (uintptr_t)own->prev & 7)
		return 0;
	return own->next->prev == own && own->prev->next == own ? offset : 0;
}

/*
 * Half of a pointer may look like the tid, or any count that happens to be 1 in a process that is number 1. The tid is
 * what stands at the beginning of a word, with the links before it and the list behind it.
 */
static ptrdiff_t find_tid(uintptr_t tp)
{
	int tid = sys.gettid();
	int value;

	for (ptrdiff_t offset = LOW; offset < HIGH; offset += (ptrdiff_t)sizeof(int)) {
		memcpy(&value, at(tp, offset), sizeof(value));
		if (value == tid && find_list(tp, offset) && find_robust_list(tp, offset))
			return offset;
	}
	return 0;
}

/* A key of our own gets a value that stands nowhere else. */
static void find_keys(struct tls_layout *layout, uintptr_t tp)
{
	static const char mark;
	pthread_key_t key;

	if (pthread_key_create(&key, NULL) != 0)
		return;
	if (key < FIRST_KEYS && pthread_setspecific(key, &mark) == 0) {
		for (ptrdiff_t offset = LOW; offset + 8 <= HIGH; offset += 8) {
			ptrdiff_t keys = offset - (ptrdiff_t)(key * sizeof(struct key_value)) -
					 (ptrdiff_t)offsetof(struct key_value, data);
			ptrdiff_t blocks = keys + FIRST_KEYS * (ptrdiff_t)sizeof(struct key_value);
			ptrdiff_t used = blocks + 32 * (ptrdiff_t)sizeof(void *);

			if (*(const void **)at(tp, offset) != &mark || keys < LOW || used >= HIGH)
				continue;
			/* Behind the values stands the table of all blocks of values, of which this is the first. */
			if (*(void **)at(tp, blocks) == at(tp, keys) && *(unsigned char *)at(tp, used) == 1) {
				layout->keys = keys;
				layout->keys_used = used;
			}
			break;
		}
		pthread_setspecific(key, NULL);
	}
	pthread_key_delete(key);
}

bool tls_layout_find(struct tls_layout *layout)
{
	uintptr_t tp = arch_tls();

#ifdef __x86_64__
	if (*(uintptr_t *)at(tp, 0) != tp || *(uintptr_t *)at(tp, HEADER_SELF) != tp)
		return false;
#endif
	*layout = (struct tls_layout){.tid = find_tid(tp)};
	if (layout->tid) {
		layout->robust_list = find_robust_list(tp, layout->tid);
		layout->list = find_list(tp, layout->tid);
	}
	find_keys(layout, tp);
	if (&__rseq_offset)
		layout->rseq_cpu = __rseq_offset + 4;
	return true;
}

void tls_layout_fill(const struct tls_layout *layout, uintptr_t tp, int tid)
{
#ifdef __x86_64__
	uintptr_t own = arch_tls();

	*(uintptr_t *)at(tp, 0) = tp;
	*(uintptr_t *)at(tp, HEADER_SELF) = tp;
	arch_tls_adopt(tp);
	/* glibc leaves out locked instructions while this is 0; there may be other LWPs at any time. */
	*(int *)at(tp, HEADER_THREADS) = 1;
	memcpy(at(tp, HEADER_STACK_GUARD), at(own, HEADER_STACK_GUARD), sizeof(uintptr_t));
	memcpy(at(tp, HEADER_POINTER_GUARD), at(own, HEADER_POINTER_GUARD), sizeof(uintptr_t));
#endif
	if (layout->tid)
		*(int *)at(tp, layout->tid) = tid;
	/* fork() takes the calling thread out of the list in the child, and puts it in again. */
	if (layout->list)
		*(struct links *)at(tp, layout->list) = (struct links){at(tp, layout->list), at(tp, layout->list)};
	if (layout->robust_list) {
		*(void **)at(tp, layout->robust_list) = at(tp, layout->robust_list);
		*(void **)at(tp, layout->robust_list - 8) = at(tp, layout->robust_list);
	}
	if (layout->keys)
		*(void **)at(tp, layout->keys + FIRST_KEYS * (ptrdiff_t)sizeof(struct key_value)) =
			at(tp, layout->keys);
	/* RSEQ_CPU_ID_UNINITIALIZED */
	if (layout->rseq_cpu)
		*(int32_t *)at(tp, layout->rseq_cpu) = -1;
}

bool tls_layout_has_dynamic(uintptr_t tp)
{
	const union dtv *dtv = *(const union dtv **)at(tp, HEADER_DTV);
	size_t count = dtv[-1].counter;

	for (size_t i = 1; i <= count; i++) {
		if (dtv[i].module.to_free && dtv[i].module.variables != DTV_UNALLOCATED)
			return true;
	}
	return false;
}

bool tls_layout_is_static(uintptr_t tp, size_t module)
{
	const union dtv *dtv = *(const union dtv **)at(tp, HEADER_DTV);

	return module <= dtv[-1].counter && !dtv[module].module.to_free &&
	       dtv[module].module.variables != DTV_UNALLOCATED;
}

bool tls_layout_has_keys(const struct tls_layout *layout, uintptr_t tp)
{
	return !layout->keys || *(unsigned char *)at(tp, layout->keys_used) != 0;
}
