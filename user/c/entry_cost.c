/* What a call through libc costs: ticks per round of a loop, the loop itself included (a million rounds; an argument sets another number).
 * A loop of known length goes first: on x86_64 two instructions a round (sub, jne), on aarch64 two (subs, b.ne). */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "counter.h"

static void report(const char *name, uint64_t ticks, long rounds)
{
	uint64_t hundredths = ticks * 100 / rounds;
	printf("%s %llu.%02llu\n", name, (unsigned long long)hundredths / 100, (unsigned long long)hundredths % 100);
}

int main(int count, char **arguments)
{
	long rounds = count > 1 ? atol(arguments[1]) : 1000000;
	if (rounds <= 0) return 2;
	struct timespec time;
	/* The first calls find the entry. */
	getppid();
	clock_gettime(CLOCK_MONOTONIC, &time);

	uint64_t start = counter();
	long left = rounds;
#ifdef __x86_64__
	__asm__ __volatile__("1: sub $1, %0\n\tjne 1b" : "+r"(left) : : "cc");
#else
	__asm__ __volatile__("1: subs %0, %0, #1\n\tb.ne 1b" : "+r"(left) : : "cc");
#endif
	report("loop", counter() - start, rounds);

	start = counter();
	for (long i = 0; i < rounds; i++) getppid();
	report("getppid", counter() - start, rounds);

	start = counter();
	for (long i = 0; i < rounds; i++) clock_gettime(CLOCK_MONOTONIC, &time);
	report("clock_gettime", counter() - start, rounds);

	start = counter();
	for (long i = 0; i < rounds; i++) lseek(-1, 0, SEEK_SET);
	report("lseek", counter() - start, rounds);
	return 0;
}
