/* Which frames a program's pages have: `frames PAGES`. Touches so many pages here and there, and says of their frames how many rows they
 * are (pages in a row with frames in a row), on how many pages both have one colour of 16, how many colours there are, and how many pages
 * are parts of rows that begin at a multiple of 2 MiB and are as long. Frames are told by /proc/self/pagemap, on Linux to root alone.
 *
 * Then it does to that memory what parts large pages: protects, unmaps and moves some, and forks, and finds everything where it was. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, LARGE = 512, COLOURS = 16, STRIDE = 40503 };

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t frame(int table, const char *page)
{
	uint64_t word;
	if (pread(table, &word, sizeof word, (uintptr_t)page / PAGE * sizeof word) != sizeof word) fail("pagemap");
	return word & ((1ull << 55) - 1);
}

static void describe(char *memory, long pages)
{
	int table = open("/proc/self/pagemap", O_RDONLY);
	if (table < 0) fail("pagemap");
	long rows = 0, same = 0, large = 0, row = 0;
	int seen[COLOURS] = {0}, colours = 0;
	uint64_t last = 0;
	for (long page = 0; page < pages; page++) {
		uint64_t number = frame(table, memory + page * PAGE);
		uintptr_t place = (uintptr_t)memory / PAGE + page;
		row = page && number == last + 1 ? row + 1 : 1;
		rows += row == 1;
		same += number % COLOURS == place % COLOURS;
		colours += !seen[number % COLOURS]++;
		if (number % LARGE == LARGE - 1 && place % LARGE == LARGE - 1 && row >= LARGE) large += LARGE;
		last = number;
	}
	close(table);
	printf("rows %ld same-colour %ld colours %d large %ld\n", rows, same, colours, large);
}

static int holds(const char *memory, long first, long last, int more)
{
	for (long page = first; page < last; page++)
		if (memory[page * PAGE + page % PAGE] != (char)(page * 7 + more)) return 0;
	return 1;
}

/* A child sees what was, and stores for itself. */
static int forked(char *memory, long first, long last)
{
	pid_t child = fork();
	if (child < 0) fail("fork");
	if (!child) {
		if (!holds(memory, first, last, 1)) _exit(1);
		for (long page = first; page < last; page += 3) memory[page * PAGE + page % PAGE]++;
		for (long page = first; page < last; page++)
			if (!holds(memory, page, page + 1, page % 3 == first % 3 ? 2 : 1)) _exit(2);
		_exit(0);
	}
	int status;
	if (waitpid(child, &status, 0) != child || status) return 0;
	return holds(memory, first, last, 1);
}

int main(int count, char **words)
{
	long pages = count > 1 ? atol(words[1]) : 2048;
	char *memory = mmap(0, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED) fail("mmap");
	for (long index = 0; index < pages; index++) {
		long page = index * STRIDE % pages;
		memory[page * PAGE + page % PAGE] = (char)(page * 7 + 1);
	}
	describe(memory, pages);
	/* Its neighbours stay as they are when a page in their middle is protected, lost, or moved. */
	if (mprotect(memory + 3 * PAGE, PAGE, PROT_READ) || !holds(memory, 0, pages, 1)) fail("mprotect");
	if (madvise(memory + 700 * PAGE, 5 * PAGE, MADV_DONTNEED) || memory[702 * PAGE + 702]) fail("madvise");
	if (madvise(memory + 1024 * PAGE, 100 * PAGE, MADV_DONTFORK) || madvise(memory + 1024 * PAGE, 100 * PAGE, MADV_DOFORK)) fail("fork's advice");
	char *moved = mremap(memory + 1100 * PAGE, 20 * PAGE, 20 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, memory + 720 * PAGE);
	if (moved != memory + 720 * PAGE || !holds(moved - 1100 * PAGE, 1100, 1120, 1)) fail("mremap");
	if (munmap(memory, PAGE) || !holds(memory, 1, 700, 1) || !holds(memory, 1120, pages, 1)) fail("munmap");
	printf("a child's: %s\n", forked(memory, 1200, pages) ? "its own" : "wrong");
	printf("all others: %s\n", holds(memory, 1, 700, 1) && holds(memory, 740, 1100, 1) && holds(memory, 1120, pages, 1) ? "right" : "wrong");
	if (!mprotect(memory + 3 * PAGE, PAGE, PROT_READ | PROT_WRITE)) memory[3 * PAGE] = 1;
	return munmap(memory + PAGE, (pages - 1) * PAGE) != 0;
}
