/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * run.c - ellula run: a program on user threads
 *
 * Looks whether the program can be run so, puts the personality into LD_PRELOAD, and becomes the program: there is no
 * process in between whose exit code, signals or terminal would be another one's.
 */
#include "run.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* As a shell says it. */
enum { EXIT_USAGE = 125, EXIT_CANNOT = 126, EXIT_MISSING = 127, SCRIPTS_MAX = 4 };

static const char usage[] =
	"usage: ellula run [--vcpus N] [--kport uring|poll] [--stacks dense|plain] [--children yes|no]\n"
	"                  [--pass CALL[,CALL...]] [--stats] [--strict] PROGRAM [ARGUMENT...]\n";

static const char library[] = "libellula-personality.so";

static int complain(int status, const char *program, const char *why)
{
	fprintf(stderr, "ellula run: %s: %s\n", program, why);
	return status;
}

/* PROGRAM as execvp() finds it, in PATH: 0 or an exit code. */
static int find(const char *program, char path[PATH_MAX])
{
	const char *dirs = getenv("PATH");
	bool found = false;
	size_t len;

	if (strchr(program, '/')) {
		if (strlen(program) >= PATH_MAX)
			return complain(EXIT_MISSING, program, strerror(ENAMETOOLONG));
		strcpy(path, program);
		if (access(path, X_OK) == 0)
			return 0;
		return complain(errno == ENOENT ? EXIT_MISSING : EXIT_CANNOT, program, strerror(errno));
	}
	for (const char *at = dirs ? dirs : "/usr/local/bin:/usr/bin:/bin"; at; at = at[len] ? at + len + 1 : NULL) {
		struct stat st;

		len = strcspn(at, ":");
		if (snprintf(path, PATH_MAX, "%.*s%s%s", (int)len, at, len ? "/" : "", program) >= PATH_MAX ||
		    stat(path, &st) != 0 || !S_ISREG(st.st_mode))
			continue;
		if (access(path, X_OK) == 0)
			return 0;
		found = true;
	}
	return complain(found ? EXIT_CANNOT : EXIT_MISSING, program, found ? strerror(EACCES) : "not found");
}

/* The loader that the ELF file FD asks for: false if it asks for none. */
static bool read_loader(int fd, const Elf64_Ehdr *elf, char loader[PATH_MAX])
{
	for (unsigned i = 0; i < elf->e_phnum; i++) {
		Elf64_Phdr segment;
		size_t size;

		if (pread(fd, &segment, sizeof(segment), (off_t)(elf->e_phoff + i * elf->e_phentsize)) !=
		    (ssize_t)sizeof(segment))
			return false;
		if (segment.p_type != PT_INTERP)
			continue;
		size = segment.p_filesz < PATH_MAX ? segment.p_filesz : PATH_MAX - 1;
		if (pread(fd, loader, size, (off_t)segment.p_offset) != (ssize_t)size)
			return false;
		loader[size] = '\0';
		return true;
	}
	return false;
}

/* Why the program in FD, which begins with ELF, cannot be run: NULL if it can. */
static const char *refusal(int fd, const Elf64_Ehdr *elf)
{
	char loader[PATH_MAX];
	struct stat st;

	if (fstat(fd, &st) == 0 && (st.st_mode & (S_ISUID | S_ISGID)))
		return "is set-user-ID or set-group-ID, and takes nothing preloaded from here";
	if (fgetxattr(fd, "security.capability", NULL, 0) > 0)
		return "has capabilities, and takes nothing preloaded from here";
	if (elf->e_ident[EI_CLASS] != ELFCLASS64)
		return "is a 32-bit program";
	if (elf->e_machine != EM_X86_64)
		return "is for another processor";
	if (!read_loader(fd, elf, loader))
		return "is statically linked: nothing can be preloaded";
	if (!strstr(loader, "/ld-linux-x86-64.so") && !strstr(loader, "/ld-musl-x86_64.so"))
		return "is linked with another C library than glibc and musl";
	return NULL;
}

/* Can the program at PATH be run? A script is what its interpreter is. 0 or an exit code. */
static int check(const char *path)
{
	char file[PATH_MAX];

	strcpy(file, path);
	for (int depth = 0; depth < SCRIPTS_MAX; depth++) {
		union {
			Elf64_Ehdr elf;
			char text[PATH_MAX];
		} head = {.text = ""};
		int fd = open(file, O_RDONLY | O_CLOEXEC);
		const char *why;
		ssize_t n;

		/* One may execute what one may not read. */
		if (fd < 0)
			return complain(EXIT_CANNOT, file, strerror(errno));
		n = read(fd, &head, sizeof(head) - 1);
		if (n > 2 && memcmp(head.text, "#!", 2) == 0) {
			char *name = head.text + 2 + strspn(head.text + 2, " \t");

			close(fd);
			name[strcspn(name, " \t\n")] = '\0';
			memmove(file, name, strlen(name) + 1);
			continue;
		}
		why = n < (ssize_t)sizeof(head.elf) || memcmp(head.elf.e_ident, ELFMAG, SELFMAG) != 0
			      ? "is no program"
			      : refusal(fd, &head.elf);
		close(fd);
		return why ? complain(EXIT_CANNOT, file, why) : 0;
	}
	return complain(EXIT_CANNOT, path, "is a script of scripts");
}

/* The personality: beside the command, where it was built, or where libraries are installed. */
static bool find_library(char path[PATH_MAX])
{
	static const char *const places[] = {"%.*s/%s", "%.*s/../lib/%s", "%.*s/../lib/x86_64-linux-gnu/%s"};
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0)
		return false;
	self[n] = '\0';
	n = strrchr(self, '/') - self;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (snprintf(path, PATH_MAX, places[i], (int)n, self, library) < PATH_MAX && access(path, R_OK) == 0)
			return true;
	}
	return false;
}

static bool preload(const char *path)
{
	const char *others = getenv("LD_PRELOAD");
	char *list = NULL;
	bool done;

	if (asprintf(&list, "%s%s%s", path, others && *others ? ":" : "", others ? others : "") < 0)
		return false;
	done = setenv("LD_PRELOAD", list, 1) == 0;
	free(list);
	return done;
}

/* Option NAME is one of two words; the second, if it is that, is what VARIABLE gets. 0 or an exit code. */
static int choose(const char *name, const char *first, const char *second, const char *variable, const char *value)
{
	if (strcmp(optarg, second) == 0)
		return setenv(variable, value, 1) ? EXIT_USAGE : 0;
	if (strcmp(optarg, first) == 0)
		return 0;
	fprintf(stderr, "ellula run: --%s %s: %s or %s is wanted\n", name, optarg, first, second);
	return EXIT_USAGE;
}

/* One more call, or several, that the personality is to leave alone. */
static int add_passed(const char *calls)
{
	const char *others = getenv("ELLULA_PASS");
	char *list = NULL;
	int error;

	if (asprintf(&list, "%s%s%s", others ? others : "", others && *others ? "," : "", calls) < 0)
		return EXIT_USAGE;
	error = setenv("ELLULA_PASS", list, 1);
	free(list);
	return error ? EXIT_USAGE : 0;
}

/* The options: 0 or an exit code. */
static int read_options(int argc, char **argv)
{
	static const struct option options[] = {
		{"vcpus", required_argument, NULL, 'v'},
		{"kport", required_argument, NULL, 'k'},
		{"stacks", required_argument, NULL, 't'},
		{"children", required_argument, NULL, 'c'},
		{"pass", required_argument, NULL, 'p'},
		{"stats", no_argument, NULL, 's'},
		{"strict", no_argument, NULL, 'S'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int status = 0;
	char *end;

	for (int option; !status && (option = getopt_long(argc, argv, "+", options, NULL)) != -1;) {
		switch (option) {
		case 'v':
			if (strtol(optarg, &end, 10) < 1 || *end)
				return complain(EXIT_USAGE, optarg, "a number of vCPUs is wanted");
			setenv("ELLULA_VCPUS", optarg, 1);
			break;
		case 'k':
			status = choose("kport", "uring", "poll", "ELLULA_KPORT", "poll");
			if (!status && strcmp(optarg, "uring") == 0)
				setenv("ELLULA_KPORT", "uring", 1);
			break;
		case 't':
			status = choose("stacks", "dense", "plain", "ELLULA_STACKS", "plain");
			break;
		case 'c':
			status = choose("children", "yes", "no", "ELLULA_CHILDREN", "no");
			break;
		case 'p':
			status = add_passed(optarg);
			break;
		case 's':
			setenv("ELLULA_STATS", "1", 1);
			break;
		case 'S':
			setenv("ELLULA_STRICT", "1", 1);
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			fputs(usage, stderr);
			return EXIT_USAGE;
		}
	}
	if (status || optind < argc)
		return status;
	fputs(usage, stderr);
	return EXIT_USAGE;
}

int run_main(int argc, char **argv)
{
	char program[PATH_MAX], personality[PATH_MAX];
	int status = read_options(argc, argv);

	if (!status)
		status = find(argv[optind], program);
	if (!status)
		status = check(program);
	if (status)
		return status;
	if (!find_library(personality))
		return complain(EXIT_USAGE, library, "not found beside this command or where it was installed");
	if (!preload(personality))
		return complain(EXIT_USAGE, library, strerror(ENOMEM));
	/* argv[0] stays what was typed. */
	execv(program, argv + optind);
	return complain(EXIT_CANNOT, program, strerror(errno));
}
