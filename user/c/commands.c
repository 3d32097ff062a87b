/* What a shell does: waits for somebody who types, forks, and waits for the child, which uses fresh memory: `commands COUNT PAGES [figures]`. Prints
 * what the children found, and, with a third argument, what a command takes from fork to wait. */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "counter.h"

enum { PAGE = 4096, TYPING_MS = 5 };

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* Fresh memory is zeros, and stays what is stored to it. */
static int work(long pages)
{
	volatile char *memory = mmap(0, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED) return 1;
	/* Here and there, as a heap is used. */
	for (long index = 0; index < pages; index++) {
		volatile char *page = memory + index * 37 % pages * PAGE;
		if (page[index] || page[PAGE - 1]) return 2;
		page[index] = page[PAGE - 1] = (char)index;
	}
	for (long index = 0; index < pages; index++)
		if (memory[index * 37 % pages * PAGE + PAGE - 1] != (char)index) return 3;
	return 0;
}

int main(int count, char **words)
{
	if (count < 3) {
		fprintf(stderr, "commands COUNT PAGES [figures]\n");
		return 2;
	}
	long commands = atol(words[1]), pages = atol(words[2]), wrong = 0;
	uint64_t ticks = 0;
	for (long command = 0; command < commands; command++) {
		poll(0, 0, TYPING_MS);
		uint64_t start = counter();
		pid_t child = fork();
		if (child < 0) fail("fork");
		if (!child) _exit(work(pages));
		int status;
		if (waitpid(child, &status, 0) != child) fail("waitpid");
		ticks += counter() - start;
		wrong += status != 0;
	}
	printf("%ld commands, %ld wrong\n", commands, wrong);
	if (count > 3) printf("command %llu\n", (unsigned long long)(ticks / commands));
	return 0;
}
