/* How costs grow: each operation at several sizes. */
#include "children.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

static char *arena;

static char *fresh(long pages)
{
	char *place = mmap(0, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	require(place != MAP_FAILED, "mmap");
	madvise(place, pages * PAGE, MADV_NOHUGEPAGE);
	return place;
}

static void touch(char *place, long pages)
{
	for (long i = 0; i < pages; i++) ((volatile char *)place)[i * PAGE] = 1;
}

static void begin_resident(long rounds)
{
	(void)rounds;
	arena = fresh(at);
	touch(arena, at);
}

static void end_resident(long rounds)
{
	(void)rounds;
	munmap(arena, at * PAGE);
}

static void map_touch_and_unmap(long rounds)
{
	for (long i = 0; i < rounds; i++) {
		char *place = fresh(at);
		touch(place, at);
		munmap(place, at * PAGE);
	}
}

static void map_and_unmap(long rounds)
{
	for (long i = 0; i < rounds; i++) munmap(fresh(at), at * PAGE);
}

/* Pages that are touched for the first time, so many a round. */
static void begin_faults(long rounds)
{
	arena = fresh(rounds * at);
}

static void take_faults(long rounds)
{
	for (long i = 0; i < rounds; i++) touch(arena + i * at * PAGE, at);
}

static void end_faults(long rounds)
{
	munmap(arena, rounds * at * PAGE);
}

enum { MOST = 1000 };
static int descriptors[MOST], set;

static void begin_descriptors(long rounds)
{
	(void)rounds;
	require((set = epoll_create1(0)) >= 0, "epoll_create1");
	for (long i = 0; i < at; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.fd = i};
		require((descriptors[i] = eventfd(i + 1 == at, EFD_NONBLOCK)) >= 0, "eventfd");
		require(!epoll_ctl(set, EPOLL_CTL_ADD, descriptors[i], &event), "epoll_ctl");
	}
}

static void end_descriptors(long rounds)
{
	(void)rounds;
	for (long i = 0; i < at; i++) close(descriptors[i]);
	close(set);
}

/* The last one is ready. */
static void epoll_one(long rounds)
{
	struct epoll_event event;
	for (long i = 0; i < rounds; i++) require(epoll_wait(set, &event, 1, -1) == 1, "epoll_wait");
}

static void poll_one(long rounds)
{
	static struct pollfd wanted[MOST];
	for (long i = 0; i < at; i++) wanted[i] = (struct pollfd){.fd = descriptors[i], .events = POLLIN};
	for (long i = 0; i < rounds; i++) require(poll(wanted, at, -1) == 1, "poll");
}

static void select_one(long rounds)
{
	for (long i = 0; i < rounds; i++) {
		fd_set wanted;
		FD_ZERO(&wanted);
		for (long j = 0; j < at; j++) FD_SET(descriptors[j], &wanted);
		require(select(descriptors[at - 1] + 1, &wanted, 0, 0, 0) == 1, "select");
	}
}

/* Processes that are alive and asleep, until a signal ends them. */
enum { MEMBERS_MOST = 1000 };
static pid_t members[MEMBERS_MOST];
static long number_of_members;

static void leave(int number)
{
	(void)number;
	_exit(0);
}

static void end_members(void)
{
	while (number_of_members) {
		pid_t pid = members[--number_of_members];
		kill(pid, SIGUSR1);
		waitpid(pid, 0, 0);
	}
}

/* One more. Where there is no room for it, those that there are go before that is told. */
static void add_member(void (*work)(void))
{
	pid_t pid = fork();
	if (!pid) {
		work();
		_exit(0);
	}
	if (pid < 0) {
		int error = errno;
		end_members();
		errno = error;
		require(0, "fork");
	}
	members[number_of_members++] = pid;
}

static int begun[2];

static void sleep_for_good(void)
{
	char token = 0;
	write(begun[1], &token, 1);
	for (;;) pause();
}

/* All of them have run and are asleep before anything is measured. */
static void begin_alive(long rounds)
{
	char token;
	(void)rounds;
	handle(SIGUSR1, leave);
	require(!pipe(begun), "pipe");
	while (number_of_members < at) {
		add_member(sleep_for_good);
		require(read(begun[0], &token, 1) == 1, "read");
	}
	close(begun[0]);
	close(begun[1]);
	fork_and_exit(1);
}

static void end_alive(long rounds)
{
	(void)rounds;
	end_members();
}

/* lmbench's lat_ctx: a token goes round a ring of processes, each of which reads through its working set before it hands it on. */
enum { RING_MOST = 64 };
static int ring[RING_MOST][2];
static long processes_in_ring, working_set;

static void member(int index)
{
	char token;
	char *own = working_set ? fresh(working_set) : 0;
	long last = processes_in_ring - 1;
	for (long i = 0; i < processes_in_ring; i++) {
		if (i != index) close(ring[i][0]);
		if (i != (index == last ? 0 : index + 1)) close(ring[i][1]);
	}
	while (read(ring[index][0], &token, 1) == 1) {
		for (long i = 0; i < working_set * PAGE; i += 64) ((volatile char *)own)[i]++;
		write(ring[index == last ? 0 : index + 1][1], &token, 1);
	}
}

/* Which one begins. */
static long beginning;

static void begin_member(void)
{
	member(beginning);
}

/* After one that did not come to be, too. */
static void close_ring(void)
{
	for (long i = 0; i < RING_MOST; i++)
		for (int end = 0; end < 2; end++) {
			if (ring[i][end] > 0) close(ring[i][end]);
			ring[i][end] = 0;
		}
}

static void pass_the_token(long rounds)
{
	char token = 0;
	long first = processes_in_ring == 1 ? 0 : 1;
	for (long i = 0; i < rounds / processes_in_ring; i++) {
		write(ring[first][1], &token, 1);
		require(read(ring[0][0], &token, 1) == 1, "read");
	}
}

static void begin_ring(long rounds)
{
	(void)rounds;
	close_ring();
	processes_in_ring = at % 100;
	working_set = at / 100;
	handle(SIGUSR1, leave);
	for (long i = 0; i < processes_in_ring; i++) require(!pipe(ring[i]), "pipe");
	for (beginning = 1; beginning < processes_in_ring; beginning++) add_member(begin_member);
	/* All of them have run before anything is measured. */
	pass_the_token(2 * processes_in_ring);
}

static void end_ring(long rounds)
{
	(void)rounds;
	close_ring();
	end_members();
}

#define FORK(pages) {"fork_size@" #pages, "fork + exit + wait, by resident pages", 0, 4, fork_and_exit, begin_resident, end_resident, pages}
#define MAP(pages) {"mmap_length@" #pages, "mmap + munmap, by pages", 0, 200, map_and_unmap, 0, 0, pages}
#define TOUCH(pages) {"mmap_touch_length@" #pages, "mmap + touch all + munmap, by pages", 0, 4, map_touch_and_unmap, 0, 0, pages}
#define FAULTS(pages) {"fault_count@" #pages, "page faults in a row, by their number", "lat_pagefault", 4, take_faults, begin_faults, end_faults, pages}
#define ALIVE(count) {"fork_alive@" #count, "fork + exit + wait, by processes alive and asleep", "lat_proc fork", 4, fork_and_exit, begin_alive, end_alive, count}
#define EPOLL(count) {"epoll_descriptors@" #count, "epoll_wait, one ready, by descriptors", "lat_select", 200, epoll_one, begin_descriptors, end_descriptors, count}
#define POLL(count) {"poll_descriptors@" #count, "poll, one ready, by descriptors", "lat_select", 100, poll_one, begin_descriptors, end_descriptors, count}
#define SELECT(count) {"select_descriptors@" #count, "select, one ready, by descriptors", "lat_select", 100, select_one, begin_descriptors, end_descriptors, count}
#define RING(count) {"switch_processes@" #count, "token round a ring, a step, by processes", "lat_ctx", 960, pass_the_token, begin_ring, end_ring, count}
#define RING_16K(count) {"switch_processes_16k@" #count, "the same, each with a working set of 16 KiB", "lat_ctx -s 16", 960, pass_the_token, begin_ring, end_ring, 400 + count}
#define RING_64K(count) {"switch_processes_64k@" #count, "the same, each with a working set of 64 KiB", "lat_ctx -s 64", 960, pass_the_token, begin_ring, end_ring, 1600 + count}

const struct operation growth[] = {
	FORK(1), FORK(64), FORK(256), FORK(1024), FORK(4096), FORK(16384),
	MAP(1), MAP(16), MAP(256), MAP(4096), MAP(65536),
	TOUCH(1), TOUCH(16), TOUCH(256), TOUCH(4096),
	FAULTS(1), FAULTS(16), FAULTS(256), FAULTS(4096),
	ALIVE(1), ALIVE(10), ALIVE(50), ALIVE(100), ALIVE(150), ALIVE(250), ALIVE(1000),
	EPOLL(1), EPOLL(10), EPOLL(100), EPOLL(1000),
	POLL(1), POLL(10), POLL(100), POLL(1000),
	SELECT(1), SELECT(10), SELECT(100), SELECT(1000),
	RING(2), RING(4), RING(8), RING(16), RING(32), RING(64),
	RING_16K(2), RING_16K(4), RING_16K(8), RING_16K(16), RING_16K(32), RING_16K(64),
	RING_64K(2), RING_64K(4), RING_64K(8), RING_64K(16), RING_64K(32), RING_64K(64),
	{0},
};
