/* SPDX-License-Identifier: BSD-2-Clause */
/* op_table_test.c - each operation has its row, and the row what the kernel ports need */
#include <ellula/ops.h>
#include <ellula/port.h>
#include <string.h>

#include "harness/harness.h"
#include "kport/op.h"

static void every_operation_has_a_name_of_its_own(void)
{
	for (int op = 0; op < ELL_OP_COUNT; op++) {
		NOTE("operation %d", op);
		CHECK(op_table[op].name);
		CHECK(op_table[op].name[0]);
		for (int other = 0; other < op; other++)
			CHECK(strcmp(op_table[op].name, op_table[other].name) != 0);
	}
}

/* The library's own watches exist only where the kernel port has them. */
static void what_can_be_submitted_can_be_run(void)
{
	for (int op = 0; op < ELL_OP_COUNT; op++) {
		const struct op *row = &op_table[op];
		bool is_work = row->class == OP_LONG || row->class == OP_SHORT;

		NOTE("%s", row->name);
		CHECK_EQ(row->prep != NULL, row->uring >= 0);
		CHECK_EQ(row->run != NULL, is_work && op != ELL_OP_WATCH);
		CHECK(!row->step || row->prep);
		/* No kernel runs a program's function. */
		CHECK_EQ(is_work && op != ELL_OP_CALL, row->uring >= 0);
	}
}

static void what_cannot_be_sent_has_no_way_to_be_executed(void)
{
	CHECK(!op_table[ELL_OP_NONE].prep && !op_table[ELL_OP_NONE].run);
	CHECK(!op_table[ELL_OP_USER].prep && !op_table[ELL_OP_USER].run);
	CHECK_EQ(op_table[ELL_OP_USER].class, OP_PORT);
	CHECK_EQ(op_table[ELL_OP_TIMER].class, OP_TIME);
}

/* Each function of <ellula/ops.h>, with arguments that are as good as any: nothing is sent. */
static void every_function_prepares_its_operation(void)
{
	struct ell_msg m;
	struct ell_port port;
	int tag;

	ell_msg_init(&m, &port, &tag);
#define PREPARES(name, op, ...)                                                                                        \
	do {                                                                                                           \
		NOTE("ell_msg_" #name);                                                                                \
		ell_msg_##name(&m, ##__VA_ARGS__);                                                                     \
		CHECK_EQ(m.ms_op, op);                                                                                 \
		CHECK(m.ms_port == &port && m.ms_tag == &tag);                                                         \
	} while (0)
	PREPARES(nop, ELL_OP_NOP);
	PREPARES(call, ELL_OP_CALL, NULL, NULL);
	PREPARES(user, ELL_OP_USER, 1, NULL);
	PREPARES(read, ELL_OP_READ, 0, NULL, 0, -1);
	PREPARES(write, ELL_OP_WRITE, 0, NULL, 0, -1);
	PREPARES(readv, ELL_OP_READV, 0, NULL, 0, -1, 0);
	PREPARES(writev, ELL_OP_WRITEV, 0, NULL, 0, -1, 0);
	PREPARES(pread, ELL_OP_READ, 0, NULL, 0, 0);
	PREPARES(pwrite, ELL_OP_WRITE, 0, NULL, 0, 0);
	PREPARES(preadv, ELL_OP_READV, 0, NULL, 0, 0);
	PREPARES(pwritev, ELL_OP_WRITEV, 0, NULL, 0, 0);
	PREPARES(fsync, ELL_OP_FSYNC, 0);
	PREPARES(fdatasync, ELL_OP_FSYNC, 0);
	PREPARES(sync_file_range, ELL_OP_SYNC_FILE_RANGE, 0, 0, 0, 0);
	PREPARES(fallocate, ELL_OP_FALLOCATE, 0, 0, 0, 0);
	PREPARES(ftruncate, ELL_OP_FTRUNCATE, 0, 0);
	PREPARES(fadvise, ELL_OP_FADVISE, 0, 0, 0, 0);
	PREPARES(madvise, ELL_OP_MADVISE, NULL, 0, 0);
	PREPARES(splice, ELL_OP_SPLICE, 0, -1, 0, -1, 0, 0);
	PREPARES(tee, ELL_OP_TEE, 0, 0, 0, 0);
	PREPARES(sendfile, ELL_OP_SENDFILE, 0, 0, NULL, 0);
	PREPARES(openat, ELL_OP_OPENAT, 0, "", 0, 0);
	PREPARES(open, ELL_OP_OPENAT, "", 0, 0);
	PREPARES(close, ELL_OP_CLOSE, 0);
	PREPARES(statx, ELL_OP_STATX, 0, "", 0, 0, NULL);
	PREPARES(unlinkat, ELL_OP_UNLINKAT, 0, "", 0);
	PREPARES(renameat, ELL_OP_RENAMEAT, 0, "", 0, "", 0);
	PREPARES(mkdirat, ELL_OP_MKDIRAT, 0, "", 0);
	PREPARES(linkat, ELL_OP_LINKAT, 0, "", 0, "", 0);
	PREPARES(symlinkat, ELL_OP_SYMLINKAT, "", 0, "");
	PREPARES(getxattr, ELL_OP_GETXATTR, "", "", NULL, 0);
	PREPARES(setxattr, ELL_OP_SETXATTR, "", "", NULL, 0, 0);
	PREPARES(fgetxattr, ELL_OP_FGETXATTR, 0, "", NULL, 0);
	PREPARES(fsetxattr, ELL_OP_FSETXATTR, 0, "", NULL, 0, 0);
	PREPARES(socket, ELL_OP_SOCKET, 0, 0, 0);
	PREPARES(bind, ELL_OP_BIND, 0, NULL, 0);
	PREPARES(listen, ELL_OP_LISTEN, 0, 0);
	PREPARES(accept, ELL_OP_ACCEPT, 0, NULL, NULL, 0);
	PREPARES(connect, ELL_OP_CONNECT, 0, NULL, 0);
	PREPARES(shutdown, ELL_OP_SHUTDOWN, 0, 0);
	PREPARES(sock_send, ELL_OP_SEND, 0, NULL, 0, 0);
	PREPARES(sendto, ELL_OP_SENDTO, 0, NULL, 0, 0, NULL, 0);
	PREPARES(sendmsg, ELL_OP_SENDMSG, 0, NULL, 0);
	PREPARES(recv, ELL_OP_RECV, 0, NULL, 0, 0);
	PREPARES(recvfrom, ELL_OP_RECVFROM, 0, NULL, 0, 0, NULL);
	PREPARES(recvmsg, ELL_OP_RECVMSG, 0, NULL, 0);
	PREPARES(poll_fd, ELL_OP_POLL, 0, 0);
	PREPARES(nanosleep, ELL_OP_TIMER, 0);
	PREPARES(timer, ELL_OP_TIMER, 0);
	PREPARES(waitid, ELL_OP_WAITID, P_ALL, 0, NULL, 0);
#undef PREPARES
}

static void preparing_clears_what_was_prepared_before(void)
{
	struct ell_msg m = {0};
	char buf[8] = {0};

	ell_msg_write(&m, 7, buf, sizeof(buf), 9);
	ell_msg_nop(&m);
	CHECK(!m.ms_addr && !m.ms_addr2);
	CHECK_EQ(m.ms_len, 0);
	CHECK_EQ(m.ms_off, 0);
	CHECK_EQ(m.ms_fd, -1);
	CHECK_EQ(m.ms_opflags, 0);
}

static void preparing_a_sent_message_aborts(void)
{
	struct ell_msg m = {0};

	ell_msg_nanosleep(&m, ELL_SEC);
	CHECK_EQ(ell_msg_send(&m), 0);
	ell_msg_nop(&m);
}

int main(int argc, char **argv)
{
	static const struct harness_case cases[] = {
		HARNESS_CASE(every_operation_has_a_name_of_its_own),
		HARNESS_CASE(what_can_be_submitted_can_be_run),
		HARNESS_CASE(what_cannot_be_sent_has_no_way_to_be_executed),
		HARNESS_CASE(every_function_prepares_its_operation),
		HARNESS_CASE(preparing_clears_what_was_prepared_before),
		HARNESS_CASE(preparing_a_sent_message_aborts, HARNESS_IN_RUN, HARNESS_DIES("preparing a message")),
	};

	return harness_run("op_table", cases, ARRAY_SIZE(cases), argc, argv);
}
