/* Reads the head of every page of a file from its beginning to its end, again and again, as a join without an index reads its inner table:
 *
 *     scan PAGES PASSES [figures]
 *
 * Prints a sum of what it read; with a third argument what a read takes from the second pass on, too. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "counter.h"

enum { PAGE = 4096, HEAD = 16 };

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* A file that has a number of its own in each head, and no name. */
static int make(long pages)
{
	char name[] = "/tmp/scan-XXXXXX";
	int file = mkstemp(name);
	if (file < 0 || unlink(name) < 0)
		fail("mkstemp");
	static uint64_t page[PAGE / sizeof(uint64_t)];
	for (long number = 0; number < pages; number++) {
		page[0] = (uint64_t)number * 0x9e3779b97f4a7c15;
		if (write(file, page, PAGE) != PAGE)
			fail("write");
	}
	return file;
}

static uint64_t pass(int file, long pages)
{
	uint64_t sum = 0, head[HEAD / sizeof(uint64_t)];
	for (long number = 0; number < pages; number++) {
		if (pread(file, head, HEAD, number * PAGE) != HEAD)
			fail("pread");
		sum = (sum << 7 | sum >> 57) ^ head[0];
	}
	return sum;
}

int main(int count, char **words)
{
	if (count < 3) {
		fprintf(stderr, "scan PAGES PASSES [figures]\n");
		return 2;
	}
	long pages = atol(words[1]), passes = atol(words[2]);
	int file = make(pages);
	uint64_t sum = pass(file, pages), begin = counter();
	for (long again = 1; again < passes; again++)
		sum = sum * 31 + pass(file, pages);
	uint64_t ticks = counter() - begin;
	printf("sum of heads: %016llx\n", (unsigned long long)sum);
	if (count > 3 && passes > 1)
		printf("read_of_a_head %llu\n", (unsigned long long)(ticks / (uint64_t)(pages * (passes - 1))));
	return 0;
}
