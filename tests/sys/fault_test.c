/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fault_test.c - whatever call of the kernel's fails, once: who asked gets that error, or nobody notices
 *
 * A scenario runs again and again, each time in a process of its own: with the first call of a kind failing, with the
 * second, ... until it has passed without reaching that call, and so for each kind of call that it makes and for each
 * error that such a call may give. Never may it hang, crash, leave a message without reply, or leave a descriptor open;
 * and an error that it sees must be the one that was made.
 *
 * FAULT=recv,3,104 in the environment, with -d and a case, runs that scenario with that one fault in the process
 * itself.
 */
#include <ellula/ellula.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "harness/descriptors.h"
#include "kport/kport.h"
#include "kport/pipes.h"
#include "sys/faults.h"

enum { BIG = 300000, RUN_SECONDS = 20 };

/*
 * So many calls of a kind fail, the first of them with each error. With the sanitizers a run takes many times as long.
 */
#if defined(WITH_ASAN) || defined(WITH_TSAN)
enum { NTH_EACH = 0, NTH_MOST = 20 };
#else
enum { NTH_EACH = 4, NTH_MOST = 100 };
#endif

/* Did it work? If not, the error must be ours. ell_* calls say -1 and errno, messages -errno, threads errno. */
static bool worked_as(int64_t result, int error, const char *what)
{
	if (result >= 0)
		return true;
	if (!load_relaxed(&faults->is_hit))
		FAIL("%s: %s, and nothing had failed", what, strerror(error));
	if (error != faults->fault.error)
		FAIL("%s: %s, where %s had failed with %s", what, strerror(error), call_names[faults->fault.call],
		     strerror(faults->fault.error));
	return false;
}

#define CALLED(call)                                                                                                   \
	({                                                                                                             \
		int64_t result_ = (call);                                                                              \
		worked_as(result_, errno, #call);                                                                      \
	})
#define DONE(call)                                                                                                     \
	({                                                                                                             \
		int64_t result_ = (call);                                                                              \
		worked_as(result_, (int)-result_, #call);                                                              \
	})

/* A thread, or none: there may be no stack, which has errors of its own. */
static bool thread_begin(ell_thread *thread, const struct ell_attr *attr, void *(*fn)(void *), void *arg)
{
	int error = ell_create(thread, attr, fn, arg);

	if (error) {
		CHECK(load_relaxed(&faults->is_hit));
		CHECK(error == EAGAIN || error == ENOMEM);
	}
	return !error;
}

/* A message of any kind, sent and collected. */
static void message_does(struct ell_msg *m, int64_t want)
{
	int64_t result = ell_msg_do(m);

	if (DONE(result))
		CHECK_EQ(result, want);
}

/*
 * Scenarios: in a user thread, but for the first
 */

static int nothing(void *unused)
{
	(void)unused;
	return 42;
}

static void start_and_end(void)
{
	bool without_stack;
	char leaks[300];
	int result;

	descriptors_remember();
	store_relaxed(&faults_on, 1);
	result = ell_run(nothing, NULL);
	if (result == 42)
		return;
	CHECK(load_relaxed(&faults->is_hit));
	CHECK(result == -faults->fault.error || result == -ENOMEM || result == -EAGAIN);
	/* When the runtime is there and has no stack for the first thread, it has been started all the same. */
	without_stack = faults->fault.call == CALL_mmap || faults->fault.call == CALL_madvise;
	if (descriptors_leaked(leaks, sizeof(leaks), without_stack))
		FAIL("a failed start left open: %s", leaks);
	result = ell_run(nothing, NULL);
	if (!without_stack || result != -EALREADY)
		CHECK_EQ(result, 42);
}

static void *returns_its_argument(void *arg)
{
	ell_yield();
	return arg;
}

static void *uses_a_message(void *arg)
{
	struct ell_msg m;

	ell_msg_init(&m, NULL, NULL);
	ell_msg_nop(&m);
	message_does(&m, 0);
	ell_msg_nanosleep(&m, ELL_USEC);
	message_does(&m, 0);
	return arg;
}

static void threads(void)
{
	struct ell_attr attr;
	pthread_t foreign;

	for (int i = 0; i < 4; i++) {
		ell_thread thread;
		void *result;

		ell_attr_init(&attr);
		attr.stack_size = i < 2 ? 0x10000 : 0x20000;
		attr.tls = i % 2 ? ELL_TLS_SHARED : ELL_TLS_PRIVATE;
		if (!thread_begin(&thread, &attr, returns_its_argument, &attr))
			continue;
		CHECK_EQ(ell_join(thread, &result), 0);
		CHECK(result == &attr);
	}
	CHECK(ell_stack_high_water() < BIG);
	CHECK_EQ(pthread_create(&foreign, NULL, uses_a_message, NULL), 0);
	/* It may wait for our vCPU. */
	while (pthread_tryjoin_np(foreign, NULL) != 0)
		ell_sleep_until(ell_after(ELL_MSEC));
}

static void attributes(int fd, const char *path)
{
	struct ell_msg m;
	char value[8];

	/* Not every file system has them. */
	if (setxattr(path, "user.a", "abc", 3, 0) != 0)
		return;
	ell_msg_init(&m, NULL, NULL);
	ell_msg_getxattr(&m, path, "user.a", value, sizeof(value));
	message_does(&m, 3);
	ell_msg_setxattr(&m, path, "user.a", "abc", 3, 0);
	message_does(&m, 0);
	ell_msg_fgetxattr(&m, fd, "user.a", value, sizeof(value));
	message_does(&m, 3);
	ell_msg_fsetxattr(&m, fd, "user.a", "abc", 3, 0);
	message_does(&m, 0);
}

static void one_file(int fd, const char *path, int pipe_in, int pipe_out)
{
	char out[64] = "what is written", in[64];
	struct iovec iov[2] = {{out, 10}, {out + 10, 54}};
	struct ell_msg m;
	struct stat st;
	off_t off = 0;
	int64_t n;

	if (CALLED(n = ell_pwritev(fd, iov, 2, 0)))
		CHECK_EQ(n, sizeof(out));
	if (CALLED(n = ell_write(fd, out, sizeof(out))))
		CHECK_EQ(n, sizeof(out));
	CHECK_EQ(pwrite(fd, out, sizeof(out), 0), sizeof(out));
	if (CALLED(n = ell_pread(fd, in, sizeof(in), 0))) {
		CHECK_EQ(n, sizeof(in));
		CHECK_EQ(memcmp(in, out, sizeof(in)), 0);
	}
	CALLED(ell_fsync(fd));
	CALLED(ell_fdatasync(fd));
	CALLED(ell_fallocate(fd, 0, 0, 4096));
	CALLED(ell_ftruncate(fd, sizeof(out)));
	CHECK_EQ(ftruncate(fd, sizeof(out)), 0);
	if (CALLED(ell_fstat(fd, &st)))
		CHECK_EQ(st.st_size, sizeof(out));
	if (CALLED(n = ell_sendfile(pipe_out, fd, &off, sizeof(out)))) {
		CHECK_EQ(n, sizeof(out));
		CHECK_EQ(off, sizeof(out));
	}
	if (off > 0)
		CHECK_EQ(read(pipe_in, in, sizeof(in)), off);
	off = 0;
	if (CALLED(n = ell_splice(fd, &off, pipe_out, NULL, sizeof(out), 0)))
		CHECK_EQ(read(pipe_in, in, sizeof(in)), n);
	ell_msg_init(&m, NULL, NULL);
	ell_msg_sync_file_range(&m, fd, 0, 64, SYNC_FILE_RANGE_WRITE);
	message_does(&m, 0);
	ell_msg_fadvise(&m, fd, 0, 64, POSIX_FADV_WILLNEED);
	message_does(&m, 0);
	attributes(fd, path);
}

static void files(void)
{
	char dir[] = "/tmp/ellula-fault-XXXXXX", path[64], other[64];
	int ends[2], fd;

	CHECK(mkdtemp(dir) != NULL);
	CHECK_EQ(pipe(ends), 0);
	snprintf(path, sizeof(path), "%s/one", dir);
	snprintf(other, sizeof(other), "%s/two", dir);
	fd = ell_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (CALLED(fd)) {
		one_file(fd, path, ends[0], ends[1]);
		CALLED(ell_close(fd));
		if (!CALLED(ell_rename(path, other)))
			CHECK_EQ(rename(path, other), 0);
		CALLED(ell_unlink(other));
		unlink(other);
		CALLED(ell_mkdir(other, 0700));
	}
	unlink(path);
	unlink(other);
	rmdir(other);
	CHECK_EQ(rmdir(dir), 0);
	close(ends[0]);
	close(ends[1]);
}

/* Both ends of a transfer, which knows how far it came. */
struct transfer {
	int out, in;
	bool is_socket;
	int64_t sent;
};

static char much[BIG];

static void *sends_much(void *arg)
{
	struct transfer *t = arg;

	/* What was written is the result, whatever came then; an error says that nothing was. */
	t->sent = t->is_socket ? ell_send(t->out, much, BIG, MSG_NOSIGNAL) : ell_write(t->out, much, BIG);
	if (!CALLED(t->sent))
		t->sent = 0;
	CHECK(t->sent == BIG || load_relaxed(&faults->is_hit));
	CALLED(t->is_socket ? ell_shutdown(t->out, SHUT_WR) : 0);
	if (t->is_socket)
		shutdown(t->out, SHUT_WR);
	else
		close(t->out);
	return NULL;
}

static void move_much(struct transfer *t)
{
	static char in[BIG];
	ell_thread thread;
	int64_t got = 0;
	bool failed = false;

	for (int i = 0; i < BIG; i++)
		much[i] = (char)(i * 7 + i / 251);
	if (!thread_begin(&thread, NULL, sends_much, t)) {
		if (!t->is_socket)
			close(t->out);
		return;
	}
	while (got < BIG) {
		int64_t n = t->is_socket ? ell_recv(t->in, in + got, BIG - (size_t)got, 0)
					 : ell_read(t->in, in + got, BIG - (size_t)got);

		if (!CALLED(n)) {
			/* Once. */
			CHECK(!failed);
			failed = true;
			continue;
		}
		if (n == 0)
			break;
		got += n;
	}
	CHECK_EQ(ell_join(thread, NULL), 0);
	CHECK_EQ(got, t->sent);
	CHECK_EQ(memcmp(in, much, (size_t)got), 0);
}

static void pipes(void)
{
	struct transfer t = {0};
	int ends[2];

	CHECK_EQ(pipe(ends), 0);
	t.in = ends[0];
	t.out = ends[1];
	move_much(&t);
	close(ends[0]);
}

static struct ell_msg reads[8];
static char read_bytes[8];

/* One reply: each message has one, with its tag, and a byte if and only if it says so. */
static void note_reply(const struct ell_msg *m, unsigned *seen)
{
	size_t i = (size_t)(m - reads);

	CHECK(!(*seen & 1u << i));
	*seen |= 1u << i;
	CHECK(m->ms_tag == &read_bytes[i]);
	if (m->ms_result != -ECANCELED && DONE(m->ms_result))
		CHECK(m->ms_result <= 1);
	CHECK((m->ms_result == 1) == (read_bytes[i] != 0));
}

static void revoked(void)
{
	struct ell_port port;
	struct ell_msg *m;
	unsigned seen = 0;
	int ends[2];

	CHECK_EQ(pipe(ends), 0);
	ell_port_init(&port, "revoked");
	for (int i = 0; i < 8; i++) {
		ell_msg_init(&reads[i], &port, &read_bytes[i]);
		ell_msg_read(&reads[i], ends[0], &read_bytes[i], 1, -1);
		CHECK_EQ(ell_msg_send(&reads[i]), 0);
	}
	/* Nothing is there to be read: what comes now has failed. */
	while ((m = ell_port_wait(&port, ell_after(ELL_MSEC))) != NULL)
		note_reply(m, &seen);
	CHECK_EQ(write(ends[1], "abcdefgh", 4), 4);
	for (int i = 0; i < 8; i += 2)
		ell_msg_revoke(&reads[i]);
	/* Those that are left end by what is written, or by the end of the pipe. */
	close(ends[1]);
	while (seen != 255)
		note_reply(ell_port_wait(&port, ELL_FOREVER), &seen);
	CHECK(!ell_port_get(&port));
	CHECK_EQ(ell_port_finish(&port), 0);
	close(ends[0]);
}

/* The client may have met the fault, and closed with something unread. */
static bool is_peer_gone(void)
{
	return load_relaxed(&faults->is_hit) && (errno == ECONNRESET || errno == EPIPE);
}

struct server {
	int listener;
	uint32_t ended;
};

static void *serves(void *arg)
{
	struct server *server = arg;
	int fd = ell_accept(server->listener, NULL, NULL);

	if (CALLED(fd)) {
		char buf[16];
		int64_t n;

		do {
			n = ell_recv(fd, buf, sizeof(buf), 0);
			if (n > 0)
				n = ell_send(fd, buf, (size_t)n, MSG_NOSIGNAL);
		} while (n > 0);
		CHECK(n == 0 || is_peer_gone() || !CALLED(n));
		CALLED(ell_close(fd));
	}
	store_release(&server->ended, 1);
	/* The client waits for nobody. */
	CALLED(ell_close(server->listener));
	return NULL;
}

static void talk(int fd)
{
	char buf[16];
	struct iovec iov = {buf, sizeof(buf)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	int64_t n;

	for (int i = 0; i < 3; i++) {
		n = ell_send(fd, "hello", 5, MSG_NOSIGNAL);
		if (n < 0 && load_relaxed(&faults->is_hit))
			return;
		CHECK_EQ(n, 5);
		if (i == 1 && CALLED(n = ell_poll(&pfd, 1, 5000)))
			CHECK(n == 1);
		n = i == 2 ? ell_recvmsg(fd, &msg, 0) : ell_recv(fd, buf, sizeof(buf), 0);
		/* The other side may have met the fault, and gone. */
		if (n <= 0 && load_relaxed(&faults->is_hit))
			return;
		CHECK_EQ(n, 5);
		CHECK_EQ(memcmp(buf, "hello", 5), 0);
	}
}

static void sockets(void)
{
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(here);
	struct server server = {0};
	ell_thread thread;
	int fd;

	server.listener = ell_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!CALLED(server.listener))
		return;
	if (!CALLED(ell_bind(server.listener, (struct sockaddr *)&here, len)) ||
	    !CALLED(getsockname(server.listener, (struct sockaddr *)&here, &len)) ||
	    !CALLED(ell_listen(server.listener, 5)) || !thread_begin(&thread, NULL, serves, &server)) {
		CALLED(ell_close(server.listener));
		return;
	}
	fd = ell_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!CALLED(fd))
		fd = ell_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* The server may have met the fault, and be gone. */
	if (ell_connect(fd, (struct sockaddr *)&here, len) == 0 ||
	    (!load_acquire(&server.ended) && !CALLED(-1) && ell_connect(fd, (struct sockaddr *)&here, len) == 0) ||
	    (!load_acquire(&server.ended) && errno == EISCONN))
		talk(fd);
	else
		CHECK(load_relaxed(&faults->is_hit));
	CALLED(ell_close(fd));
	CHECK_EQ(ell_join(thread, NULL), 0);
}

static void streams(void)
{
	struct transfer t = {.is_socket = true};
	int ends[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	t.in = ends[0];
	t.out = ends[1];
	move_much(&t);
	close(ends[0]);
	close(ends[1]);
}

static void timers(void)
{
	ell_time begin = ell_now();
	struct ell_msg m;
	int ends[2];
	char byte;
	int64_t n;

	ell_sleep_until(ell_after(2 * ELL_MSEC));
	CHECK(ell_now() - begin >= 2 * ELL_MSEC);
	ell_msg_init(&m, NULL, NULL);
	ell_msg_nanosleep(&m, 1000 * ELL_SEC);
	CHECK_EQ(ell_msg_send(&m), 0);
	CHECK_EQ(ell_msg_wait(&m, ell_after(ELL_MSEC)), -ETIMEDOUT);
	CHECK_EQ(ell_msg_revoke(&m), 0);
	CHECK_EQ(ell_msg_wait(&m, ELL_FOREVER), 0);
	CHECK_EQ(m.ms_result, -ECANCELED);
	CHECK_EQ(pipe(ends), 0);
	/* What a helper runs has no deadline. */
	if (kport_can(ELL_OP_READV)) {
		n = ell_read_until(ends[0], &byte, 1, ell_after(ELL_MSEC));
		if (n >= 0 || errno != ETIMEDOUT)
			CHECK(!CALLED(n));
	}
	close(ends[0]);
	close(ends[1]);
}

static void children(void)
{
	siginfo_t info = {0};
	int ends[2];
	pid_t pid;

	CHECK_EQ(pipe(ends), 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		char byte;

		close(ends[1]);
		_exit(read(ends[0], &byte, 1) == 0 ? 7 : 1);
	}
	close(ends[0]);
	close(ends[1]);
	if (CALLED(ell_waitid(P_PID, (id_t)pid, &info, WEXITED))) {
		CHECK_EQ(info.si_status, 7);
		CHECK_EQ(waitpid(pid, NULL, 0), -1);
	} else {
		CHECK_EQ(waitpid(pid, NULL, 0), pid);
	}
}

enum { TALKERS = 4, WORDS = 5 };

static struct ell_sem turn;

static void *takes_turns(void *arg)
{
	for (int i = 0; i < WORDS; i++) {
		ell_sem_wait(&turn);
		ell_sleep_until(ell_after(100 * ELL_USEC));
		ell_sem_post(&turn);
	}
	return arg;
}

static void crowd(void)
{
	ell_thread crew[TALKERS];
	bool begun[TALKERS];
	pthread_t foreign;

	ell_sem_init(&turn, 2);
	for (int i = 0; i < TALKERS; i++) {
		struct ell_attr attr;

		ell_attr_init(&attr);
		attr.vcpu = i % ell_vcpus();
		begun[i] = thread_begin(&crew[i], &attr, takes_turns, NULL);
	}
	CHECK_EQ(pthread_create(&foreign, NULL, takes_turns, NULL), 0);
	for (int i = 0; i < TALKERS; i++) {
		if (begun[i])
			CHECK_EQ(ell_join(crew[i], NULL), 0);
	}
	while (pthread_tryjoin_np(foreign, NULL) != 0)
		ell_sleep_until(ell_after(ELL_MSEC));
	ell_sem_finish(&turn);
}

/* The end comes while a message is out, which ends with the process. */
static void left_behind(void)
{
	static struct ell_msg m;
	static char byte;
	int ends[2];

	CHECK_EQ(pipe(ends), 0);
	ell_msg_init(&m, NULL, NULL);
	ell_msg_read(&m, ends[0], &byte, 1, -1);
	CHECK_EQ(ell_msg_send(&m), 0);
	ell_sleep_until(ell_after(ELL_MSEC));
}

/*
 * The loop
 */

struct scenario {
	const char *name;
	void (*body)(void);
	bool bare; /* it starts the runtime itself */
	bool leaves;
};

static int run_in_thread(void *arg)
{
	const struct scenario *scenario = arg;
	char leaks[300];

	descriptors_remember();
	store_relaxed(&faults_on, 1);
	scenario->body();
	/* Those that are kept for the next sendfile. */
	pipes_forget();
	if (!scenario->leaves && descriptors_leaked(leaks, sizeof(leaks), true))
		FAIL("left open: %s", leaks);
	return 0;
}

static void run_once(const struct scenario *scenario)
{
	faults_install();
	if (scenario->bare)
		scenario->body();
	else
		CHECK_EQ(ell_run(run_in_thread, (void *)(uintptr_t)scenario), 0);
}

/* An abort that the manual allows: there is nobody whom the error could be told. */
static bool may_abort(int status, const char *text)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT &&
	       strstr(text, "no memory for the descriptor of a foreign thread");
}

/* One run in a process of its own. What the library complains of then is expected. */
static void run_apart(const struct scenario *scenario)
{
	int err = memfd_create("stderr", MFD_CLOEXEC);
	char text[4096] = "";
	int status;
	pid_t pid;

	memset(faults->counts, 0, sizeof(faults->counts));
	faults->is_hit = 0;
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		dup2(err, STDERR_FILENO);
		alarm(RUN_SECONDS * (NTH_EACH ? 1 : 3));
		run_once(scenario);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (status != 0)
		CHECK(pread(err, text, sizeof(text) - 1, 0) >= 0);
	close(err);
	if (status == 0 || may_abort(status, text))
		return;
	fputs(text, stderr);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		FAIL("%s: no end", scenario->name);
	FAIL("%s: wait status 0x%x", scenario->name, (unsigned)status);
}

/* True if the call was reached, and failed. */
static bool fail_one(const struct scenario *scenario, enum call call, uint32_t nth, int error)
{
	faults->is_planned = true;
	faults->fault = (struct fault){.call = call, .nth = nth, .error = error};
	NOTE("FAULT=%s,%u,%d (%s)", call_names[call], nth, error, strerror(error));
	run_apart(scenario);
	return faults->is_hit;
}

/* The first few calls with each error, those after them with one of them. */
static void fail_each(const struct scenario *scenario, enum call call)
{
	const int *errors = faults_of[call];
	unsigned count = 0;

	while (count < FAULTS_EACH && errors[count] > 0)
		count++;
	for (uint32_t nth = 0; count && nth < NTH_MOST; nth++) {
		unsigned hits = 0, tries = (int)nth < NTH_EACH ? count : 1;

		for (unsigned i = 0; i < tries; i++)
			hits += fail_one(scenario, call, nth, errors[(nth + i) % count]);
		if (!hits)
			return;
	}
}

static void loop(const char *name, void (*body)(void), bool bare)
{
	const struct scenario scenario = {name, body, bare, body == left_behind};
	uint32_t counts[CALLS];
	const char *plan = getenv("FAULT");

	faults = mmap(NULL, sizeof(*faults), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(faults != MAP_FAILED);
	if (plan) {
		size_t len = strcspn(plan, ",");

		faults->is_planned = true;
		for (unsigned call = 0; call < CALLS; call++) {
			if (strlen(call_names[call]) == len && strncmp(call_names[call], plan, len) == 0)
				faults->fault.call = (enum call)call;
		}
		CHECK_EQ(sscanf(plan + len, ",%u,%d", &faults->fault.nth, &faults->fault.error), 2);
		run_once(&scenario);
		return;
	}
	NOTE("no fault");
	run_apart(&scenario);
	memcpy(counts, faults->counts, sizeof(counts));
	for (unsigned call = 0; call < CALLS; call++) {
		if (counts[call] && !faults_of[call][0])
			FAIL("%s is called, and tests/sys/faults.h does not say how it fails", call_names[call]);
		if (counts[call])
			fail_each(&scenario, (enum call)call);
	}
	munmap(faults, sizeof(*faults));
}

/* Names as the promise has them: a fault in ... is an error or is not noticed. */
#define SCENARIO(name, bare, vcpus)                                                                                    \
	static void faults_in_##name##_on_##vcpus(void)                                                                \
	{                                                                                                              \
		setenv("ELLULA_VCPUS", #vcpus, 1);                                                                     \
		loop(#name, name, bare);                                                                               \
	}
SCENARIO(start_and_end, true, 1)
SCENARIO(start_and_end, true, 2)
SCENARIO(threads, false, 1)
SCENARIO(files, false, 1)
SCENARIO(pipes, false, 1)
SCENARIO(revoked, false, 1)
SCENARIO(sockets, false, 1)
SCENARIO(sockets, false, 2)
SCENARIO(streams, false, 1)
SCENARIO(timers, false, 1)
SCENARIO(children, false, 1)
SCENARIO(crowd, false, 2)
SCENARIO(left_behind, false, 2)

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(faults_in_start_and_end_on_1), HARNESS_CASE(faults_in_start_and_end_on_2),
		HARNESS_CASE(faults_in_threads_on_1),	    HARNESS_CASE(faults_in_files_on_1),
		HARNESS_CASE(faults_in_pipes_on_1),	    HARNESS_CASE(faults_in_revoked_on_1),
		HARNESS_CASE(faults_in_sockets_on_1),	    HARNESS_CASE(faults_in_sockets_on_2),
		HARNESS_CASE(faults_in_streams_on_1),	    HARNESS_CASE(faults_in_timers_on_1),
		HARNESS_CASE(faults_in_children_on_1),	    HARNESS_CASE(faults_in_crowd_on_2),
		HARNESS_CASE(faults_in_left_behind_on_2),
	};

	return harness_run("fault", cases, ARRAY_SIZE(cases), argc, argv);
}
