/* Every way into the system that libc has assembly for: clone, cancellation points, a detached thread's end on its own stack, vfork,
 * signal returns, and posix_spawn, fork and popen beside them.
 *
 * With the argument `changed-registers` the shim's entry is one that changes every register that an entry may change. Nothing else
 * changes, but that cancellation is left out: that entry's calls are in nobody's cancellation window. */
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "changed_registers.h"

enum { THREADS = 8, CALLS = 1000, DETACHED = 50 };

extern char **environ;
static volatile sig_atomic_t signals;
static int blocked_on[2];
static sem_t done;

static void on_signal(int number)
{
	(void)number;
	signals++;
}

static void *blocked(void *canary)
{
	char byte;
	return read(blocked_on[0], &byte, 1) == 1 ? canary : 0;
}

static void *calling(void *sum)
{
	for (int i = 0; i < CALLS; i++) __atomic_fetch_add((long *)sum, getppid() > 0, __ATOMIC_RELAXED);
	return sum;
}

static void *detached(void *unused)
{
	sem_post(&done);
	return unused;
}

static void cancellation(void)
{
	pthread_t thread;
	void *result;
	for (int wait = 0; wait < 2; wait++) {
		pthread_create(&thread, 0, blocked, 0);
		if (wait) usleep(50000);
		pthread_cancel(thread);
		pthread_join(thread, &result);
		printf("cancelled %s: %d\n", wait ? "in the call" : "at once", result == PTHREAD_CANCELED);
	}
	int canary;
	pthread_create(&thread, 0, blocked, &canary);
	usleep(50000);
	pthread_kill(thread, SIGUSR1);
	usleep(50000);
	write(blocked_on[1], "x", 1);
	pthread_join(thread, &result);
	printf("restarted after a signal: %d, signals: %d\n", result == &canary, (int)signals);
}

static void threads(void)
{
	pthread_t thread[THREADS];
	long sum = 0;
	for (int i = 0; i < THREADS; i++) pthread_create(&thread[i], 0, calling, &sum);
	for (int i = 0; i < THREADS; i++) pthread_join(thread[i], 0);
	printf("calls of all threads: %ld\n", sum);
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	for (int i = 0; i < DETACHED; i++) {
		pthread_create(&thread[0], &attributes, detached, 0);
		sem_wait(&done);
	}
	printf("detached threads: %d\n", DETACHED);
}

static int status_of(pid_t child)
{
	int status = -1;
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void processes(void)
{
	char *exit_seven[] = {"sh", "-c", "exit 7", 0};
	fflush(stdout);
	for (int i = 0; i < 3; i++) {
		pid_t child = vfork();
		if (child == 0) {
			execve("/bin/sh", exit_seven, environ);
			_exit(127);
		}
		printf("vfork: %d\n", status_of(child));
	}
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) _exit(9);
	printf("fork: %d\n", status_of(child));
	int error = posix_spawn(&child, "/bin/sh", 0, 0, exit_seven, environ);
	printf("posix_spawn: %d %d\n", error, status_of(child));
	error = posix_spawn(&child, "/nowhere", 0, 0, exit_seven, environ);
	printf("posix_spawn of nothing: %d\n", error);
	fflush(stdout);
	FILE *stream = popen("echo from popen", "r");
	char line[64] = "";
	fgets(line, sizeof line, stream);
	printf("%s%d\n", line, pclose(stream));
}

int main(int count, char **arguments)
{
	int changed = count > 1 && !strcmp(arguments[1], "changed-registers");
	if (changed) change_registers();
	setvbuf(stdout, 0, _IOLBF, 0);
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	sigaction(SIGUSR1, &action, 0);
	for (int i = 0; i < 1000; i++) raise(SIGUSR1);
	kill(getpid(), SIGUSR1);
	printf("signals: %d\n", (int)signals);
	sem_init(&done, 0, 0);
	if (pipe(blocked_on)) return 1;
	if (!changed) cancellation();
	threads();
	processes();
	return 0;
}
