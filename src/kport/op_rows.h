/* SPDX-License-Identifier: BSD-2-Clause */
/* op_rows.h - the functions of the families, for the table: see struct op for what each does */
#ifndef KPORT_OP_ROWS_H
#define KPORT_OP_ROWS_H

#include <ellula/message.h>
#include <stdbool.h>
#include <stdint.h>

struct io_uring_sqe;

#define OP_CHECK(name) int op_##name##_check(const struct ell_msg *m)
#define OP_PREP(name) void op_##name##_prep(struct io_uring_sqe *sqe, struct ell_msg *m)
#define OP_RUN(name) int64_t op_##name##_run(struct ell_msg *m)
#define OP_PROCEED(name) int64_t op_##name##_proceed(struct ell_msg *m)
#define OP_ATTEMPT(name) int64_t op_##name##_attempt(struct ell_msg *m, bool again)
#define OP_STEP(name) bool op_##name##_step(struct ell_msg *m, int64_t *result, bool revoked)

/* op_run.c */
OP_STEP(once);

/* op_rw.c */
OP_CHECK(read);
OP_PREP(read);
OP_RUN(read);
OP_ATTEMPT(read);
OP_CHECK(write);
OP_PREP(write);
OP_RUN(write);
OP_ATTEMPT(write);
OP_STEP(write);
OP_CHECK(readv);
OP_PREP(readv);
OP_RUN(readv);
OP_ATTEMPT(readv);
OP_CHECK(writev);
OP_PREP(writev);
OP_RUN(writev);
OP_ATTEMPT(writev);
OP_STEP(writev);

/* op_file.c */
OP_CHECK(fd);
OP_PREP(fsync);
OP_RUN(fsync);
OP_CHECK(sync_file_range);
OP_PREP(sync_file_range);
OP_RUN(sync_file_range);
OP_PREP(fallocate);
OP_RUN(fallocate);
OP_PREP(ftruncate);
OP_RUN(ftruncate);
OP_CHECK(fadvise);
OP_PREP(fadvise);
OP_RUN(fadvise);
OP_CHECK(madvise);
OP_PREP(madvise);
OP_RUN(madvise);
OP_STEP(range);

/* op_splice.c */
OP_CHECK(splice);
OP_PREP(splice);
OP_RUN(splice);
OP_CHECK(tee);
OP_PREP(tee);
OP_RUN(tee);
OP_CHECK(sendfile);
OP_PREP(sendfile);
OP_RUN(sendfile);
OP_PROCEED(sendfile);
OP_ATTEMPT(sendfile);
OP_STEP(sendfile);

/* op_path.c */
OP_CHECK(path);
OP_CHECK(pointers);
OP_PREP(openat);
OP_RUN(openat);
OP_PREP(close);
OP_RUN(close);
OP_PREP(statx);
OP_RUN(statx);
OP_PREP(unlinkat);
OP_RUN(unlinkat);
OP_PREP(renameat);
OP_RUN(renameat);
OP_PREP(mkdirat);
OP_RUN(mkdirat);
OP_PREP(linkat);
OP_RUN(linkat);
OP_PREP(symlinkat);
OP_RUN(symlinkat);

/* op_xattr.c */
OP_CHECK(getxattr);
OP_PREP(getxattr);
OP_RUN(getxattr);
OP_CHECK(setxattr);
OP_PREP(setxattr);
OP_RUN(setxattr);
OP_CHECK(fgetxattr);
OP_PREP(fgetxattr);
OP_RUN(fgetxattr);
OP_CHECK(fsetxattr);
OP_PREP(fsetxattr);
OP_RUN(fsetxattr);

/* op_net.c */
OP_PREP(socket);
OP_RUN(socket);
OP_ATTEMPT(socket);
OP_CHECK(sockaddr);
OP_PREP(bind);
OP_RUN(bind);
OP_ATTEMPT(bind);
OP_PREP(listen);
OP_RUN(listen);
OP_ATTEMPT(listen);
OP_CHECK(accept);
OP_PREP(accept);
OP_RUN(accept);
OP_ATTEMPT(accept);
OP_PREP(connect);
OP_RUN(connect);
OP_ATTEMPT(connect);
OP_PREP(shutdown);
OP_RUN(shutdown);
OP_ATTEMPT(shutdown);

/* op_send.c */
OP_CHECK(send);
OP_PREP(send);
OP_RUN(send);
OP_ATTEMPT(send);
OP_STEP(send);
OP_CHECK(sendto);
OP_PREP(sendto);
OP_RUN(sendto);
OP_ATTEMPT(sendto);
OP_CHECK(msghdr);
OP_PREP(sendmsg);
OP_RUN(sendmsg);
OP_ATTEMPT(sendmsg);
OP_STEP(sendmsg);

/* op_recv.c */
OP_CHECK(recv);
OP_PREP(recv);
OP_RUN(recv);
OP_ATTEMPT(recv);
OP_PREP(recvfrom);
OP_RUN(recvfrom);
OP_ATTEMPT(recvfrom);
OP_PREP(recvmsg);
OP_RUN(recvmsg);
OP_ATTEMPT(recvmsg);

/* op_poll.c */
OP_CHECK(poll);
OP_PREP(poll);
OP_RUN(poll);
OP_ATTEMPT(poll);
OP_PREP(watch);

/* op_time.c */
OP_CHECK(timer);

/* op_proc.c */
OP_PREP(waitid);
OP_RUN(waitid);

/* op_misc.c */
OP_PREP(nop);
OP_RUN(nop);
OP_ATTEMPT(nop);
OP_CHECK(call);
OP_RUN(call);

#endif
