/* Waiting for descriptors, and sockets. */
#include "bench.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

static int ends[2], set;
static pid_t other;

static void echo(void)
{
	char byte;
	close(ends[0]);
	while (read(ends[1], &byte, 1) == 1) write(ends[1], &byte, 1);
}

static void begin_socket(long rounds)
{
	(void)rounds;
	require(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
	other = child(echo);
	close(ends[1]);
}

static void round_trips(long rounds)
{
	char byte = 0;
	for (long i = 0; i < rounds; i++) {
		write(ends[0], &byte, 1);
		require(read(ends[0], &byte, 1) == 1, "read");
	}
}

static void end_socket(long rounds)
{
	(void)rounds;
	close(ends[0]);
	reap(other);
}

static void begin_counter(long rounds)
{
	(void)rounds;
	require((ends[0] = eventfd(0, EFD_NONBLOCK)) >= 0, "eventfd");
}

static void count(long rounds)
{
	uint64_t value = 1;
	for (long i = 0; i < rounds; i++) {
		write(ends[0], &value, sizeof value);
		read(ends[0], &value, sizeof value);
	}
}

static void end_counter(long rounds)
{
	(void)rounds;
	close(ends[0]);
}

static void begin_epoll(long rounds)
{
	begin_counter(rounds);
	uint64_t value = 1;
	write(ends[0], &value, sizeof value);
	struct epoll_event event = {.events = EPOLLIN};
	require((set = epoll_create1(0)) >= 0, "epoll_create1");
	require(!epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event), "epoll_ctl");
}

static void epoll_ready(long rounds)
{
	struct epoll_event event;
	for (long i = 0; i < rounds; i++) require(epoll_wait(set, &event, 1, -1) == 1, "epoll_wait");
}

static void end_epoll(long rounds)
{
	end_counter(rounds);
	close(set);
}

static void poll_ready(long rounds)
{
	struct pollfd wanted = {.fd = ends[0], .events = POLLIN};
	for (long i = 0; i < rounds; i++) require(poll(&wanted, 1, -1) == 1, "poll");
}

const struct operation events[] = {
	{"unix_round_trip", "AF_UNIX stream round trip, two processes", "lat_unix", 3000, round_trips, begin_socket, end_socket, 0},
	{"eventfd", "eventfd, write + read", 0, 3000, count, begin_counter, end_counter, 0},
	{"epoll_wait", "epoll_wait, one descriptor, ready", 0, 3000, epoll_ready, begin_epoll, end_epoll, 0},
	{"poll", "poll, one descriptor, ready", 0, 3000, poll_ready, begin_epoll, end_epoll, 0},
	{0},
};
