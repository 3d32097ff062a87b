/* Threads and futexes. */
#include "bench.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *nothing(void *argument)
{
	return argument;
}

static void create_and_join(long rounds)
{
	for (long i = 0; i < rounds; i++) {
		pthread_t thread;
		require(!pthread_create(&thread, 0, nothing, 0), "pthread_create");
		pthread_join(thread, 0);
	}
}

static void mutex(long rounds)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	for (long i = 0; i < rounds; i++) {
		pthread_mutex_lock(&lock);
		pthread_mutex_unlock(&lock);
	}
}

static long futex(int *word, int operation, int value)
{
	return syscall(SYS_futex, word, operation, value, 0, 0, 0);
}

static void wake_nobody(long rounds)
{
	static int word;
	for (long i = 0; i < rounds; i++) futex(&word, FUTEX_WAKE_PRIVATE, 1);
}

/* Whose turn it is: the ball is with the one whose number it holds. */
static int ball;

static void play(int mine, int other, long rounds)
{
	for (long i = 0; i < rounds; i++) {
		while (__atomic_load_n(&ball, __ATOMIC_ACQUIRE) != mine) futex(&ball, FUTEX_WAIT_PRIVATE, other);
		__atomic_store_n(&ball, other, __ATOMIC_RELEASE);
		futex(&ball, FUTEX_WAKE_PRIVATE, 1);
	}
}

static void *other_player(void *rounds)
{
	play(1, 0, (long)rounds);
	return 0;
}

static void ping_pong(long rounds)
{
	pthread_t thread;
	require(!pthread_create(&thread, 0, other_player, (void *)rounds), "pthread_create");
	play(0, 1, rounds);
	pthread_join(thread, 0);
}

static void yield_alone(long rounds)
{
	for (long i = 0; i < rounds; i++) sched_yield();
}

const struct operation threads[] = {
	{"pthread_create_join", "pthread create + join", 0, 300, create_and_join, 0, 0, 0},
	{"mutex", "mutex lock + unlock, uncontended", 0, 10000, mutex, 0, 0, 0},
	{"futex_wake_nobody", "futex wake, no waiter", 0, 10000, wake_nobody, 0, 0, 0},
	{"futex_ping_pong", "futex ping-pong round trip, two threads", 0, 5000, ping_pong, 0, 0, 0},
	{"yield_alone", "sched_yield, nobody else ready", 0, 5000, yield_alone, 0, 0, 0},
	{0},
};
