/* A long computation that something ends near its end, three times: what has been done by then?
 *
 *   steps FOLDER STEPS ROUNDS    compute, and write a line after each step; at 90, 95 and 99 percent end by a fault, once each
 *   steps FOLDER STEPS ROUNDS again    run the above until it comes to its end, as a service manager would, and say how often it began
 *
 * The folder has what is to outlive it: what it wrote, and which ends it met. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void check(int good, const char *what)
{
	if (!good) {
		perror(what);
		exit(1);
	}
}

static int open_in(const char *folder, const char *name, int flags)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	return open(path, flags, 0600);
}

/* Which ends were met: a file that is stored to, so that it outlives who stores. */
static volatile char *ends_met(const char *folder)
{
	int fd = open_in(folder, "ends", O_CREAT | O_RDWR);
	check(fd >= 0 && ftruncate(fd, 1) == 0, "ends");
	volatile char *met = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	check(met != MAP_FAILED, "mmap");
	close(fd);
	return met;
}

/* A fault, unless it was met before. No call lies between the two stores: who goes on from a point before does not meet it again. */
static void meet_end(volatile char *met, int number)
{
	if (*met & 1 << number)
		return;
	*met |= 1 << number;
	volatile char *volatile nowhere = (volatile char *)16;
	*nowhere = 0;
}

static void compute(const char *folder, int steps, int rounds)
{
	static uint32_t table[1 << 14];
	static const int ends[] = {90, 95, 99};
	uint32_t state = 1;
	volatile char *met = ends_met(folder);
	int log = open_in(folder, "log", O_CREAT | O_TRUNC | O_RDWR);
	check(log >= 0, "log");
	for (int step = 1; step <= steps; step++) {
		for (int round = 0; round < rounds; round++) {
			state = state * 1664525 + 1013904223;
			table[state >> 18] ^= state;
		}
		char line[64];
		int length = snprintf(line, sizeof line, "%d %08x\n", step, state);
		check(write(log, line, length) == length, "write");
		for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
			if (step == steps * ends[i] / 100)
				meet_end(met, i);
	}
	uint32_t sum = 0;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		sum = sum * 31 + table[i];
	/* The log has each step once, whatever happened on the way. */
	FILE *written = fdopen(log, "r");
	rewind(written);
	int expected = 1, step, in_order = 1;
	unsigned value;
	while (fscanf(written, "%d %x\n", &step, &value) == 2)
		in_order &= step == expected++;
	printf("sum %08x, %d lines%s\n", sum, expected - 1, in_order ? " in order" : "");
}

static void run_again(char **arguments)
{
	int begun = 0, status;
	char ends[256];
	snprintf(ends, sizeof ends, "%s/ends", arguments[1]);
	unlink(ends);
	do {
		begun++;
		pid_t id = fork();
		check(id >= 0, "fork");
		if (id == 0) {
			arguments[4] = NULL;
			execv("/proc/self/exe", arguments);
			_exit(127);
		}
		check(waitpid(id, &status, 0) == id, "waitpid");
	} while (WIFSIGNALED(status));
	printf("begun %d\n", begun);
	exit(WEXITSTATUS(status));
}

int main(int count, char **arguments)
{
	if (count < 4)
		return 2;
	if (count > 4 && strcmp(arguments[4], "again") == 0)
		run_again(arguments);
	compute(arguments[1], atoi(arguments[2]), atoi(arguments[3]));
	return 0;
}
