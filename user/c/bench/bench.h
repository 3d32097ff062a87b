/* The benchmark program: tables of operations, one table a file, and what they share. */
#pragma once
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "../counter.h"

enum { PAGE = 4096 };

/* Something to measure: ticks a round, the loop over the rounds included. */
struct operation {
	/* One word. A point of a curve has where it is behind a @: fork_size@64. */
	const char *name;
	/* What it does, for people; and the benchmark by others that measures the same, if there is one. */
	const char *title, *kin;
	/* Rounds of a pass; there are four, the first of which warms what can be warm. */
	long rounds;
	void (*run)(long rounds);
	/* Before and after each pass, not counted. */
	void (*begin)(long rounds);
	void (*end)(long rounds);
	/* What `at` is while it runs. */
	long at;
};

struct table {
	const char *group;
	const struct operation *operations;
};

/* An operation without a name ends a table. */
extern const struct operation calls[], files[], memory[], signals[], threads[], processes[], programs[], events[], growth[];

/* A user's own program, and what runs it. */
extern char *const *own_program;
void run_own_program(long rounds);

/* The parameter of a curve. */
extern long at;

/* Give up this operation if something does not hold; `what` and errno are reported in place of a figure. Not from another thread, nor
 * from a child process. */
void require(int holds, const char *what);

void sort_ascending(double *figures, long count);

/* A child process that runs `work` and exits; and its end. */
pid_t child(void (*work)(void));
void reap(pid_t pid);

/* A file of `length` bytes in the folder for files. */
const char *file_of(const char *name, long length);

/* Handle a signal. */
void handle(int number, void (*handler)(int));
