/* Processes, and pipes between them. */
#include "children.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCK = 65536 };

static int there[2], back[2];

static void make_pipes(void)
{
	require(!pipe(there), "pipe");
	require(!pipe(back), "pipe");
}

static void close_all(void)
{
	for (int i = 0; i < 2; i++) close(there[i]), close(back[i]);
}

static void to_itself(long rounds)
{
	char byte = 0;
	for (long i = 0; i < rounds; i++) {
		write(there[1], &byte, 1);
		read(there[0], &byte, 1);
	}
}

static void begin_to_itself(long rounds)
{
	(void)rounds;
	make_pipes();
}

static void end_to_itself(long rounds)
{
	(void)rounds;
	close_all();
}

static pid_t other;

static void echo(void)
{
	char byte;
	close(there[1]);
	while (read(there[0], &byte, 1) == 1) write(back[1], &byte, 1);
}

static void begin_round_trips(long rounds)
{
	(void)rounds;
	make_pipes();
	other = child(echo);
}

static void round_trips(long rounds)
{
	char byte = 0;
	for (long i = 0; i < rounds; i++) {
		write(there[1], &byte, 1);
		require(read(back[0], &byte, 1) == 1, "read");
	}
}

static void end_child(long rounds)
{
	(void)rounds;
	close_all();
	reap(other);
}

/* Not part of the program: forks before and after are those of a small process. */
static char *block;

static void pour(void)
{
	signal(SIGPIPE, SIG_IGN);
	close(there[0]);
	while (write(there[1], block, BLOCK) > 0) {}
}

static void begin_pouring(long rounds)
{
	(void)rounds;
	make_pipes();
	block = mmap(0, BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	require(block != MAP_FAILED, "mmap");
	other = child(pour);
}

static void drink(long rounds)
{
	for (long left = rounds * BLOCK; left > 0;) {
		long got = read(there[0], block, BLOCK);
		require(got > 0, "read");
		left -= got;
	}
}

static void end_pouring(long rounds)
{
	munmap(block, BLOCK);
	end_child(rounds);
}

static char *const nothing[] = {"/bin/nothing", 0};

static void fork_and_exec(long rounds)
{
	for (long i = 0; i < rounds; i++) fork_and_execute(nothing, 0);
}

/* The child borrows the parent's frame, so the frame holds nothing else. */
__attribute__((noinline)) static pid_t spawn(void)
{
	pid_t pid = vfork();
	if (!pid) {
		execve(nothing[0], nothing, environ);
		_exit(1);
	}
	return pid;
}

static void vfork_and_exec(long rounds)
{
	for (long i = 0; i < rounds; i++) {
		pid_t pid = spawn();
		require(pid >= 0, "vfork");
		reap(pid);
	}
}

static void shell(long rounds)
{
	static char *const words[] = {"/bin/sh", "-c", "/bin/nothing", 0};
	for (long i = 0; i < rounds; i++) fork_and_execute(words, 0);
}

/* Two processes that yield to each other, and count. */
static struct shared {
	volatile long counts[2];
	volatile int over;
} *shared;

static void yielder(void)
{
	while (!shared->over) {
		shared->counts[1]++;
		sched_yield();
	}
}

static int set_policy(int policy)
{
	struct sched_param parameter = {.sched_priority = policy == SCHED_FIFO ? 10 : 0};
	/* musl's own function refuses. */
	return syscall(SYS_sched_setscheduler, 0, policy, &parameter);
}

static void begin_yields(long rounds)
{
	(void)rounds;
	shared = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	require(shared != MAP_FAILED, "mmap");
	*shared = (struct shared){0};
	require(!set_policy(SCHED_FIFO), "sched_setscheduler");
	other = child(yielder);
	sched_yield();
	shared->counts[1] = 0;
}

static void yields(long rounds)
{
	for (long i = 0; i < rounds; i++) sched_yield();
}

static void end_yields(long rounds)
{
	long counted = shared->counts[1];
	shared->over = 1;
	set_policy(SCHED_OTHER);
	reap(other);
	munmap((void *)shared, PAGE);
	errno = 0;
	require(counted >= rounds - 2 && counted <= rounds + 2, "a yield is no switch to the other process");
}

const struct operation processes[] = {
	{"pipe_self", "pipe to self, write 1 + read 1", 0, 3000, to_itself, begin_to_itself, end_to_itself, 0},
	{"pipe_round_trip", "pipe round trip, two processes", "lat_pipe", 5000, round_trips, begin_round_trips, end_child, 0},
	{"pipe_bandwidth", "pipe bandwidth, per 64 KiB", "bw_pipe", 300, drink, begin_pouring, end_pouring, 0},
	{"fork", "fork + exit + wait", "lat_proc fork", 50, fork_and_exit, 0, 0, 0},
	{"fork_exec", "fork + exec + exit + wait, tiny static", "lat_proc exec", 30, fork_and_exec, 0, 0, 0},
	{"vfork_exec", "vfork + exec + exit + wait, tiny static", 0, 30, vfork_and_exec, 0, 0, 0},
	{"fork_shell", "fork + exec of a shell that runs the program", "lat_proc shell", 10, shell, 0, 0, 0},
	{"yield_switch", "sched_yield to another process and back, FIFO: two switches", 0, 1000, yields, begin_yields, end_yields, 0},
	/* Counted by itself, once. */
	{"boot", "boot to the first program's main", 0, 0, 0, 0, 0, 0},
	{0},
};
