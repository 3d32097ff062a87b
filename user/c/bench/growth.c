/* How costs grow: each operation at several sizes. */
#include "children.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/select.h>
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

/* lmbench's lat_ctx: a token goes round a ring of processes, each of which reads through its working set before it hands it on. */
enum { RING_MOST = 16 };
static int ring[RING_MOST][2];
static pid_t members[RING_MOST];
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

static void begin_ring(long rounds)
{
	(void)rounds;
	processes_in_ring = at % 100;
	working_set = at / 100;
	for (long i = 0; i < processes_in_ring; i++) require(!pipe(ring[i]), "pipe");
	for (beginning = 1; beginning < processes_in_ring; beginning++) members[beginning] = child(begin_member);
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

static void end_ring(long rounds)
{
	(void)rounds;
	for (long i = 0; i < processes_in_ring; i++) close(ring[i][0]), close(ring[i][1]);
	for (long i = 1; i < processes_in_ring; i++) reap(members[i]);
}

#define FORK(pages) {"fork_size@" #pages, "fork + exit + wait, by resident pages", 0, 4, fork_and_exit, begin_resident, end_resident, pages}
#define MAP(pages) {"mmap_length@" #pages, "mmap + munmap, by pages", 0, 200, map_and_unmap, 0, 0, pages}
#define TOUCH(pages) {"mmap_touch_length@" #pages, "mmap + touch all + munmap, by pages", 0, 4, map_touch_and_unmap, 0, 0, pages}
#define EPOLL(count) {"epoll_descriptors@" #count, "epoll_wait, one ready, by descriptors", "lat_select", 200, epoll_one, begin_descriptors, end_descriptors, count}
#define POLL(count) {"poll_descriptors@" #count, "poll, one ready, by descriptors", "lat_select", 100, poll_one, begin_descriptors, end_descriptors, count}
#define SELECT(count) {"select_descriptors@" #count, "select, one ready, by descriptors", "lat_select", 100, select_one, begin_descriptors, end_descriptors, count}
#define RING(count) {"switch_processes@" #count, "token round a ring, a step, by processes", "lat_ctx", 960, pass_the_token, begin_ring, end_ring, count}
#define RING_16K(count) {"switch_processes_16k@" #count, "the same, each with a working set of 16 KiB", "lat_ctx -s 16", 960, pass_the_token, begin_ring, end_ring, 400 + count}

const struct operation growth[] = {
	FORK(1), FORK(64), FORK(256), FORK(1024), FORK(4096), FORK(16384),
	MAP(1), MAP(16), MAP(256), MAP(4096), MAP(65536),
	TOUCH(1), TOUCH(16), TOUCH(256), TOUCH(4096),
	EPOLL(1), EPOLL(10), EPOLL(100), EPOLL(1000),
	POLL(1), POLL(10), POLL(100), POLL(1000),
	SELECT(1), SELECT(10), SELECT(100), SELECT(1000),
	RING(2), RING(4), RING(8), RING(16),
	RING_16K(2), RING_16K(4), RING_16K(8), RING_16K(16),
	{0},
};
