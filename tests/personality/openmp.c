/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * openmp.c - an ordinary program: what an OpenMP runtime makes of threads, as often as its argument says
 */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

enum { N = 20000 };

static double table[N];

static long fibonacci(int n)
{
	long a, b;

	if (n < 2)
		return n;
#pragma omp task shared(a) if (n > 8)
	a = fibonacci(n - 1);
#pragma omp task shared(b) if (n > 8)
	b = fibonacci(n - 2);
#pragma omp taskwait
	return a + b;
}

static long loops(void)
{
	long sum = 0;

#pragma omp parallel for schedule(dynamic, 100)
	for (int i = 0; i < N; i++)
		table[i] = i % 7;
#pragma omp parallel for reduction(+ : sum) schedule(static)
	for (int i = 0; i < N; i++)
		sum += (long)table[i];
	return sum;
}

static long meetings(void)
{
	long met = 0, each = 0;

#pragma omp parallel num_threads(4)
	{
		for (int i = 0; i < 50; i++) {
#pragma omp barrier
#pragma omp critical
			met++;
#pragma omp single
			each++;
		}
#pragma omp for ordered schedule(dynamic)
		for (int i = 0; i < 20; i++) {
#pragma omp ordered
			met = met * 3 % 100003 + i;
		}
	}
	return met * 100 + each;
}

static int sections(void)
{
	int a = 0, b = 0;

#pragma omp parallel sections
	{
#pragma omp section
		a = 1;
#pragma omp section
		b = 2;
	}
	return a + b;
}

static long locks(void)
{
	omp_lock_t lock;
	long count = 0;

	omp_init_lock(&lock);
#pragma omp parallel for schedule(static, 1)
	for (int i = 0; i < 2000; i++) {
		omp_set_lock(&lock);
		count += i;
		omp_unset_lock(&lock);
	}
	omp_destroy_lock(&lock);
	return count;
}

int main(int argc, char **argv)
{
	int times = argc > 1 ? atoi(argv[1]) : 1;
	long fib = 0, summed = 0, met = 0, locked = 0;
	int section = 0;

	for (int i = 0; i < times; i++) {
#pragma omp parallel
#pragma omp single
		fib += fibonacci(20);
		summed += loops();
		met += meetings();
		section += sections();
		locked += locks();
	}
	printf("tasks %ld, loops %ld, meetings %ld, sections %d, locks %ld\n", fib, summed, met, section, locked);
	return 0;
}
