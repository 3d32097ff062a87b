/* Children that do one thing, from fork to wait: what several tables measure. */
#pragma once
#include "bench.h"

#include <unistd.h>

/* So many children, one after the other, that end at once. */
static inline void fork_and_exit(long rounds)
{
	for (long i = 0; i < rounds; i++) {
		pid_t pid = fork();
		require(pid >= 0, "fork");
		if (!pid) _exit(0);
		reap(pid);
	}
}

/* A child that executes a program, after `prepare` if there is one. */
static inline void fork_and_execute(char *const *words, void (*prepare)(char *const *words))
{
	pid_t pid = fork();
	require(pid >= 0, "fork");
	if (!pid) {
		if (prepare) prepare(words);
		execve(words[0], words, environ);
		_exit(127);
	}
	reap(pid);
}
