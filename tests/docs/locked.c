/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * locked.c - the table of docs/scheduling.md says how many locked instructions each operation has
 *
 * A child does each operation a few times, between two breakpoints that name it. Its parent follows the first LWP
 * instruction by instruction from the one to the other, and counts those with a lock prefix, and exchanges with memory.
 * The median of the repetitions counts, for the first one may be different, and a round of the scheduler may fall into
 * another.
 *
 * With two vCPUs a thread that spins occupies the second one: so nobody steals, and nobody is idle and woken.
 *
 *	locked			prints the rows of the table
 *	locked FILE		checks that each of them stands in FILE
 */
#include <ellula/ellula.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REPEAT = 5, ROWS_MAX = 64, SKIPPED = 77 };

/*
 * The child: what is measured
 */

#define BREAKPOINT(text) __asm__ volatile("int3" ::"D"(text) : "memory")
/* WHAT is one operation; with BY 2 it is two, and half of the count is meant. */
#define MEASURE(text, by, what)                                                                                        \
	do {                                                                                                           \
		BREAKPOINT(#by text);                                                                                  \
		what;                                                                                                  \
		BREAKPOINT(NULL);                                                                                      \
	} while (0)

static struct {
	struct ell_mutex mutex;
	struct ell_cond cond;
	struct ell_sem sem, back;
	struct ell_rwlock rwlock;
	struct ell_once_control once;
	struct ell_chan chan;
	struct ell_port requests, replies;
	ell_thread main;
	int turn;
	bool stop;
} use;

static void nothing(void)
{
}

static void *come_and_go(void *arg)
{
	return arg;
}

static void *yields(void *arg)
{
	while (!use.stop)
		ell_yield();
	return arg;
}

static void *parks(void *arg)
{
	while (ell_park(), !use.stop)
		ell_unpark(use.main);
	return arg;
}

static void *takes_turns(void *arg)
{
	ell_mutex_lock(&use.mutex);
	while (!use.stop) {
		while (use.turn != 1)
			ell_cond_wait(&use.cond, &use.mutex);
		use.turn = 0;
		ell_cond_signal(&use.cond);
	}
	ell_mutex_unlock(&use.mutex);
	return arg;
}

static void *posts_back(void *arg)
{
	while (ell_sem_wait(&use.sem), !use.stop)
		ell_sem_post(&use.back);
	return arg;
}

static void *replies(void *arg)
{
	while (!use.stop)
		ell_msg_reply(ell_port_wait(&use.requests, ELL_FOREVER), 0);
	return arg;
}

static void *spins(void *arg)
{
	while (!__atomic_load_n((bool *)arg, __ATOMIC_RELAXED))
		;
	return NULL;
}

static void wait_for_turn(void)
{
	use.turn = 1;
	ell_cond_signal(&use.cond);
	while (use.turn != 0)
		ell_cond_wait(&use.cond, &use.mutex);
}

/* FN runs, and then LAST makes it notice that it is to stop. */
#define WITH(fn, last, what)                                                                                           \
	do {                                                                                                           \
		ell_thread partner;                                                                                    \
		use.stop = false;                                                                                      \
		if (ell_create(&partner, NULL, fn, NULL) != 0)                                                         \
			_exit(1);                                                                                      \
		ell_yield();                                                                                           \
		for (int i = 0; i < REPEAT; i++)                                                                       \
			what;                                                                                          \
		use.stop = true;                                                                                       \
		last;                                                                                                  \
		ell_join(partner, NULL);                                                                               \
	} while (0)

static void threads(void)
{
	ell_thread t;

	use.main = ell_self();
	for (int i = 0; i < REPEAT; i++) {
		MEASURE("`ell_yield()`, nobody else is ready", 1, ell_yield());
		MEASURE("`ell_create()`, the stack is warm", 1, ell_create(&t, NULL, come_and_go, NULL));
		ell_yield();
		MEASURE("`ell_join()`, the thread has ended", 1, ell_join(t, NULL));
		MEASURE("`ell_create()` and `ell_join()`, which waits", 1,
			(ell_create(&t, NULL, come_and_go, NULL), ell_join(t, NULL)));
		MEASURE("`ell_unpark()` of a thread that is not parked", 1, ell_unpark(use.main));
		MEASURE("`ell_park()`, the permit is there", 1, ell_park());
	}
	WITH(yields, (void)0, MEASURE("`ell_yield()`, another thread runs", 2, ell_yield()));
	WITH(parks, ell_unpark(partner),
	     MEASURE("a hand-off by `ell_unpark()` and `ell_park()`", 2, (ell_unpark(partner), ell_park())));
}

static void locks(void)
{
	for (int i = 0; i < REPEAT; i++) {
		MEASURE("`ell_mutex_lock()`", 1, ell_mutex_lock(&use.mutex));
		MEASURE("`ell_mutex_unlock()`", 1, ell_mutex_unlock(&use.mutex));
		MEASURE("`ell_cond_signal()`, nobody waits", 1, ell_cond_signal(&use.cond));
		MEASURE("`ell_sem_post()`, nobody waits", 1, ell_sem_post(&use.sem));
		MEASURE("`ell_sem_wait()`, there is a unit", 1, ell_sem_wait(&use.sem));
		MEASURE("`ell_rwlock_rdlock()` and `_unlock()`", 1,
			(ell_rwlock_rdlock(&use.rwlock), ell_rwlock_unlock(&use.rwlock)));
		MEASURE("`ell_rwlock_wrlock()` and `_unlock()`", 1,
			(ell_rwlock_wrlock(&use.rwlock), ell_rwlock_unlock(&use.rwlock)));
		MEASURE("`ell_once()`, done", 1, ell_once(&use.once, nothing));
	}
	ell_mutex_lock(&use.mutex);
	use.turn = 0;
	WITH(takes_turns, (use.turn = 1, ell_cond_signal(&use.cond), ell_mutex_unlock(&use.mutex)),
	     MEASURE("a hand-off by condition variable", 2, wait_for_turn()));
	WITH(posts_back, ell_sem_post(&use.sem),
	     MEASURE("a hand-off by semaphore", 2, (ell_sem_post(&use.sem), ell_sem_wait(&use.back))));
}

static void messages(void)
{
	static char space[ELL_CHAN_SPACE(4, sizeof(int))] __attribute__((aligned(16)));
	const char bytes[REPEAT] = {0};
	struct ell_msg m;
	int pipes[2], value = 1;

	if (pipe(pipes) != 0 || write(pipes[1], bytes, sizeof(bytes)) != sizeof(bytes))
		_exit(1);

	ell_chan_init(&use.chan, space, 4, sizeof(int));
	ell_port_init(&use.requests, "requests");
	ell_port_init(&use.replies, "replies");
	for (int i = 0; i < REPEAT; i++) {
		MEASURE("`ell_chan_send()`, there is room", 1, ell_chan_send(&use.chan, &value));
		MEASURE("`ell_chan_recv()`, there is a value", 1, ell_chan_recv(&use.chan, &value));
		ell_msg_init(&m, &use.replies, NULL);
		ell_msg_nop(&m);
		MEASURE("a message to the kernel: `ell_msg_send()`", 1, ell_msg_send(&m));
		MEASURE("its reply, of the short class, taken from a port", 1,
			ell_port_wait(&use.replies, ELL_FOREVER));
		ell_msg_read(&m, pipes[0], &value, 1, -1);
		ell_msg_send(&m);
		MEASURE("its reply, of the long class, taken from a port", 1, ell_port_wait(&use.replies, ELL_FOREVER));
		ell_msg_timer(&m, ell_after(1000 * ELL_SEC));
		MEASURE("a timer: `ell_msg_send()`", 1, ell_msg_send(&m));
		MEASURE("a timer: `ell_msg_revoke()`, and its reply taken from a port", 1,
			(ell_msg_revoke(&m), ell_port_get(&use.replies)));
		ell_msg_user(&m, 0, NULL);
		MEASURE("a request: `ell_port_put()`, nobody waits", 1, ell_port_put(&use.requests, &m));
		MEASURE("a request: taken, and replied to at a port", 1, ell_msg_reply(ell_port_get(&use.requests), 0));
		ell_port_get(&use.replies);
	}
	ell_msg_user(&m, 0, NULL);
	WITH(replies, (ell_port_put(&use.requests, &m), ell_port_wait(&use.replies, ELL_FOREVER)),
	     MEASURE("a hand-off by port", 2,
		     (ell_port_put(&use.requests, &m), ell_port_wait(&use.replies, ELL_FOREVER))));
}

static int child(void)
{
	static bool stop;
	struct ell_attr attr;

	if (ell_init() != 0)
		return SKIPPED;
	if (ell_vcpus() > 1) {
		ell_attr_init(&attr);
		attr.vcpu = 1;
		attr.detached = true;
		if (ell_create(NULL, &attr, spins, &stop) != 0)
			return 1;
		usleep(50000);
	}
	threads();
	locks();
	messages();
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	return 0;
}

/*
 * The parent: how it is measured
 */

static struct row {
	char text[96];
	unsigned counts[2][REPEAT]; /* with one vCPU, and with two */
	unsigned repeated[2];
} rows[ROWS_MAX];

static bool is_locked(const unsigned char *code)
{
	bool lock = false;

	for (;; code++) {
		if (*code == 0xf0)
			lock = true;
		else if (*code != 0x66 && *code != 0xf2 && *code != 0xf3 && *code != 0x64 && *code != 0x65 &&
			 (*code & 0xf0) != 0x40)
			break;
	}
	return lock || ((code[0] == 0x86 || code[0] == 0x87) && code[1] >> 6 != 3);
}

static void peek(pid_t pid, uint64_t address, void *to, size_t size)
{
	for (size_t i = 0; i < size; i += sizeof(long)) {
		long word = ptrace(PTRACE_PEEKTEXT, pid, address + i, NULL);

		memcpy((char *)to + i, &word, sizeof(word));
	}
}

static void note(const char *text, unsigned which, unsigned count)
{
	struct row *row = rows;

	while (row < rows + ROWS_MAX - 1 && row->text[0] && strcmp(row->text, text) != 0)
		row++;
	strcpy(row->text, text);
	if (row->repeated[which] < REPEAT)
		row->counts[which][row->repeated[which]++] = count;
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static unsigned median(struct row *row, unsigned which)
{
	qsort(row->counts[which], row->repeated[which], sizeof(unsigned), compare);
	return row->counts[which][row->repeated[which] / 2];
}

/* Follows the child to its end: its exit status. */
static int follow(pid_t pid, unsigned which)
{
	enum __ptrace_request how = PTRACE_CONT;
	unsigned char code[16];
	struct user_regs_struct regs;
	char text[sizeof(rows->text)];
	unsigned count = 0;
	siginfo_t info;
	int status;

	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		int signal = WSTOPSIG(status);

		if (signal == SIGTRAP) {
			signal = 0;
			ptrace(PTRACE_GETSIGINFO, pid, NULL, &info);
			ptrace(PTRACE_GETREGS, pid, NULL, &regs);
			if (info.si_code == SI_KERNEL && how == PTRACE_CONT) {
				peek(pid, regs.rdi, text, sizeof(text));
				count = 0;
				how = PTRACE_SINGLESTEP;
			} else if (info.si_code == SI_KERNEL) {
				note(text, which, count);
				how = PTRACE_CONT;
			} else if (how == PTRACE_SINGLESTEP) {
				peek(pid, regs.rip, code, sizeof(code));
				count += is_locked(code);
			}
		}
		ptrace(how, pid, NULL, (long)signal);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int measure(char **argv, unsigned which)
{
	pid_t pid = fork();

	if (pid == 0) {
		setenv("ELLULA_VCPUS", which ? "2" : "1", 1);
		/* A CPU followed instruction by instruction is one that does not get on. */
		setenv("ELLULA_MONITOR", "off", 1);
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
			_exit(SKIPPED);
		execl("/proc/self/exe", argv[0], "--child", NULL);
		_exit(1);
	}
	return pid < 0 ? 1 : follow(pid, which);
}

/* The row as it stands in the table: its text begins with how many operations it was. */
static void row_format(struct row *row, char *line, size_t size)
{
	unsigned by = (unsigned)(row->text[0] - '0');

	snprintf(line, size, "| %s | %g | %g |\n", row->text + 1, (double)median(row, 0) / by,
		 (double)median(row, 1) / by);
}

static char *read_all(const char *path)
{
	enum { MOST = 1 << 20 };
	char *text = calloc(1, MOST);
	FILE *file = fopen(path, "r");

	if (!text || !file || fread(text, 1, MOST - 1, file) == 0) {
		perror(path);
		exit(1);
	}
	fclose(file);
	return text;
}

int main(int argc, char **argv)
{
	unsigned passed = 0, failed = 0;
	const char *page;
	int status;

	if (argc > 1 && strcmp(argv[1], "--child") == 0)
		return child();
	for (unsigned which = 0; which < 2; which++) {
		status = measure(argv, which);
		if (status != 0) {
			printf("cannot be followed instruction by instruction: status %d\n", status);
			return status;
		}
	}
	page = argc > 1 ? read_all(argv[1]) : NULL;
	for (struct row *row = rows; row->text[0]; row++) {
		char line[sizeof(row->text) + 32];

		row_format(row, line, sizeof(line));
		if (!page) {
			fputs(line, stdout);
		} else if (strstr(page, line)) {
			passed++;
		} else {
			printf("FAIL locked: %s has no row %s", argv[1], line);
			failed++;
		}
	}
	if (page)
		printf("locked: %u passed, %u failed, 0 skipped\n", passed, failed);
	return failed ? 1 : 0;
}
