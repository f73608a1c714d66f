/* SPDX-License-Identifier: BSD-2-Clause */
/* nop_liburing.c - the peer of nop.c: 32 no-ops at a time through a ring, by hand */
#include <liburing.h>

#include "bench.h"

#define BATCH 32

static struct io_uring ring;

static int64_t nop_round(uint64_t n)
{
	int64_t start = bench_now();

	for (uint64_t i = 0; i < n; i++) {
		struct io_uring_cqe *cqe;
		unsigned head, seen = 0;

		for (uintptr_t k = 1; k <= BATCH; k++) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

			io_uring_prep_nop(sqe);
			io_uring_sqe_set_data(sqe, (void *)k);
		}
		while (seen < BATCH) {
			unsigned got = 0;
			int ret = io_uring_submit_and_wait(&ring, BATCH - seen);

			if (ret < 0)
				bench_fail("io_uring_submit_and_wait", ret);
			io_uring_for_each_cqe(&ring, head, cqe)
			{
				if (cqe->res != 0 || io_uring_cqe_get_data(cqe) == NULL)
					bench_fail("nop", cqe->res);
				got++;
			}
			io_uring_cq_advance(&ring, got);
			seen += got;
		}
	}
	return bench_now() - start;
}

int main(int argc, char **argv)
{
	struct io_uring_params p = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
	int ret;

	bench_options(argc, argv);
	ret = io_uring_queue_init_params(2 * BATCH, &ring, &p);
	if (ret < 0) {
		fprintf(stderr, "io_uring: %s\n", strerror(-ret));
		return BENCH_SKIP;
	}
	if (io_uring_register_ring_fd(&ring) != 1) {
		fprintf(stderr, "io_uring: cannot register the ring descriptor\n");
		return BENCH_SKIP;
	}
	bench_row("per message", bench_each(nop_round) / BATCH, "ns");
	return 0;
}
