/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tls.c - thread-local storage of a thread's own
 *
 * Purpose: compilers keep addresses of thread-local variables across calls, errno's among them. A thread that comes
 * back from a call on another LWP must find its variables where they were, so each thread has its own TLS block, and
 * the switch changes the thread pointer.
 *
 * The block comes from glibc's loader: _dl_allocate_tls() is what pthread_create uses, exported under GLIBC_PRIVATE.
 * What pthread_create does after it is repeated here: the self pointers, the two guards, and in the thread descriptor
 * that lies at the thread pointer the fields that other parts of glibc rely on. Their offsets are no interface. So each
 * is found at the start by looking for what it must hold in the calling thread's descriptor, and is left alone if that
 * is not found.
 *
 * What is not in such a block: a registration for rseq (it belongs to the LWP; the field says "not registered", which
 * sched_getcpu() understands), a robust list that the kernel knows.
 *
 * Reuse: a block stays with its stack. The next thread gets the first values of all variables but those of the C
 * library itself, whose thread-local data are caches (malloc's, the resolver's) and would be lost: nobody frees them
 * but a kernel thread's exit. Of these only errno, the locale and pthread_setspecific() values are reset. Values of
 * keys 0 to 31, that is: their place is known; if a thread has used a higher key, all keys are asked for. Destructors
 * of keys do not run, for the C library offers no way to run them; destructors of thread_local objects do.
 *
 * Sanitizers keep their own state of a kernel thread in its TLS, and would not find it in a block that they have not
 * made: with them all threads share the LWP's.
 */
#include "mem/tls.h"

#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <locale.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/compiler.h"
#include "base/guard.h"
#include "base/panic.h"
#include "mem/tls_layout.h"

enum { MODULES_MAX = 64, FAKE_TID = 0x40000000, CANARY = 42 };

/* A module with thread-local variables at a fixed distance from the thread pointer. */
struct module {
	ptrdiff_t offset;
	const char *image;
	size_t image_size;
	size_t size;
};

static struct {
	bool works;
	const char *why_not;
	void *(*allocate)(void *memory);
	void (*release)(void *block, bool whole); /* NULL: what is not used any more is only kept */
	void (*init_ctype)(void);
	void (*call_destructors)(void);
	struct tls_layout layout;
	struct module modules[MODULES_MAX];
	unsigned module_count;
	uintptr_t kept;
	uint32_t tids;
} tls;

const struct tls_lender *tls_lender;

static __thread int canary __attribute__((tls_model("initial-exec"))) = CANARY;

static bool is_libc(const char *name)
{
	const char *base = strrchr(name, '/');

	base = base ? base + 1 : name;
	return strncmp(base, "libc.so", 7) == 0 || strncmp(base, "ld-", 3) == 0 || strncmp(base, "libc-", 5) == 0;
}

static const ElfW(Phdr) * tls_segment(const struct dl_phdr_info *info)
{
	for (int i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type == PT_TLS)
			return &info->dlpi_phdr[i];
	}
	return NULL;
}

/* Modules in the static part of TLS are at the same offset in each block. */
static int note_module(struct dl_phdr_info *info, size_t size, void *arg)
{
	const ElfW(Phdr) *segment = tls_segment(info);

	(void)size;
	(void)arg;
	if (!segment || !info->dlpi_tls_data || is_libc(info->dlpi_name) ||
	    !tls_layout_is_static(arch_tls(), info->dlpi_tls_modid))
		return 0;
	if (tls.module_count == MODULES_MAX)
		return 1;
	tls.modules[tls.module_count++] = (struct module){
		.offset = (char *)info->dlpi_tls_data - (char *)arch_tls(),
		.image = (const char *)info->dlpi_addr + segment->p_vaddr,
		.image_size = segment->p_filesz,
		.size = segment->p_memsz,
	};
	return 0;
}

static void renew_part(char *variables, const char *image, size_t image_size, size_t from, size_t to)
{
	size_t images_end = image_size < to ? image_size : to;

	if (from < images_end)
		memcpy(variables + from, image + from, images_end - from);
	else
		images_end = from;
	memset(variables + images_end, 0, to - images_end);
}

/*
 * All variables but two words: whether the calling thread is one of ours, and that it is not to be interrupted now. A
 * signal handler may ask.
 */
static void renew(char *variables, const char *image, size_t image_size, size_t size)
{
	size_t lwp = arch_tls() + arch_lwp_offset() - (uintptr_t)variables;
	size_t guard = (uintptr_t)&ell_critical_self - (uintptr_t)variables;
	size_t kept[] = {lwp < guard ? lwp : guard, lwp < guard ? guard : lwp};
	size_t from = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kept) && kept[i] < size; i++) {
		renew_part(variables, image, image_size, from, kept[i]);
		from = kept[i] + sizeof(uintptr_t);
	}
	renew_part(variables, image, image_size, from, size);
}

_Static_assert(sizeof(ell_critical_self) == sizeof(uintptr_t), "renew() leaves out two words of one size");

void tls_guard(uintptr_t tp)
{
	struct ell_critical *word = (void *)(tp + ((uintptr_t)&ell_critical_self - arch_tls()));

	*word = (struct ell_critical){.cr_depth = 1};
}

static int renew_module(struct dl_phdr_info *info, size_t size, void *arg)
{
	const ElfW(Phdr) *segment = tls_segment(info);

	(void)size;
	(void)arg;
	if (segment && info->dlpi_tls_data && !is_libc(info->dlpi_name))
		renew(info->dlpi_tls_data, (const char *)info->dlpi_addr + segment->p_vaddr, segment->p_filesz,
		      segment->p_memsz);
	return 0;
}

static void clear_keys(void)
{
	for (pthread_key_t key = 0; key < PTHREAD_KEYS_MAX; key++) {
		if (pthread_getspecific(key))
			pthread_setspecific(key, NULL);
	}
}

bool tls_reserve(unsigned count)
{
	return !tls_lender || tls_lender->reserve(count);
}

uintptr_t tls_create(void)
{
	void *block;

	if (tls_lender)
		return tls_lender->take();
	block = tls.allocate(NULL);
	if (!block)
		return 0;
	tls_layout_fill(&tls.layout, (uintptr_t)block,
			(int)(FAKE_TID | __atomic_add_fetch(&tls.tids, 1, __ATOMIC_RELAXED)));
	return (uintptr_t)block;
}

void tls_destroy(uintptr_t tp)
{
	if (tls.release)
		tls.release((void *)tp, true);
	else if (!tls_lender)
		tls.kept = tp;
}

void tls_enter(bool used)
{
	uintptr_t tp = arch_tls();

	if (tls_lender)
		return;
	if (!used) {
		tls.init_ctype();
		return;
	}
	if (LIKELY(!tls_layout_has_dynamic(tp))) {
		for (unsigned i = 0; i < tls.module_count; i++) {
			const struct module *m = &tls.modules[i];

			renew((char *)tp + m->offset, m->image, m->image_size, m->size);
		}
	} else {
		dl_iterate_phdr(renew_module, NULL);
	}
	if (tls_layout_has_keys(&tls.layout, tp))
		clear_keys();
	/* Not __ctype_init(): the last thread's locale may have been freed. This sets the same pointers. */
	uselocale(LC_GLOBAL_LOCALE);
	errno = 0;
}

void tls_leave(void)
{
	tls.call_destructors();
}

/*
 * The two halves of a trial. Not inlined: a compiler may remember the address of a thread-local variable within a
 * function, which is what all this is for.
 */
static NOINLINE void leave_marks(int variable, int error)
{
	__asm__ volatile("" ::: "memory");
	canary = variable;
	errno = error;
}

static NOINLINE bool finds_marks(int variable, int error)
{
	__asm__ volatile("" ::: "memory");
	return canary == variable && errno == error;
}

/*
 * Does a block behave? The calling thread is on it for a moment, during which it calls nothing that could keep state.
 */
static bool try_it(void)
{
	uintptr_t own = arch_tls();
	uintptr_t other = tls_create();
	bool good;

	if (!other)
		return false;
	leave_marks(EXDEV, EXDEV);
	arch_tls_set(other);
	tls.init_ctype();
	good = finds_marks(CANARY, 0) && isalpha('x');
	leave_marks(ENOENT, ENOENT);
	arch_tls_set(own);
	good = good && finds_marks(EXDEV, EXDEV);
	leave_marks(CANARY, 0);
	tls_destroy(other);
	return good;
}

static bool look_for_symbols(void)
{
	tls.allocate = (void *(*)(void *))dlsym(RTLD_DEFAULT, "_dl_allocate_tls");
	tls.release = (void (*)(void *, bool))dlsym(RTLD_DEFAULT, "_dl_deallocate_tls");
	tls.init_ctype = (void (*)(void))dlsym(RTLD_DEFAULT, "__ctype_init");
	tls.call_destructors = (void (*)(void))dlsym(RTLD_DEFAULT, "__call_tls_dtors");
	return tls.allocate && tls.init_ctype && tls.call_destructors;
}

bool tls_probe(void)
{
	if (tls_lender)
		tls.why_not = NULL;
	else if (dlsym(RTLD_DEFAULT, "__tsan_init") || dlsym(RTLD_DEFAULT, "__asan_init"))
		tls.why_not = "shared by all threads of an LWP: a sanitizer keeps its state there";
	else if (!look_for_symbols())
		tls.why_not = "shared by all threads of an LWP: the C library has no _dl_allocate_tls";
	else if (!tls_layout_find(&tls.layout) || (dl_iterate_phdr(note_module, NULL), !try_it()))
		tls.why_not = "shared by all threads of an LWP: the C library's blocks are not as expected";
	tls.works = !tls.why_not;
	return tls.works;
}

bool tls_works(void)
{
	return tls.works;
}

const char *tls_describe(void)
{
	if (tls_lender)
		return "private, blocks of kernel threads that sleep";
	return tls.works ? "private, blocks by _dl_allocate_tls" : tls.why_not ? tls.why_not : "not probed yet";
}
