/* Everything that musl's threads synchronise by, by 64 threads at once, with signals and forks among them, each result checked. The argument is
 * how many times each thread does the cheap things; the dear ones are done a fixed part of that. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 64 };

static long rounds;
static long long operations;
static pthread_t threads[THREADS];

static void check(int holds, const char *what)
{
	if (holds) return;
	printf("wrong: %s\n", what);
	exit(1);
}

static void each(void *(*work)(void *))
{
	for (long i = 0; i < THREADS; i++) check(!pthread_create(&threads[i], 0, work, (void *)i), "pthread_create");
	for (long i = 0; i < THREADS; i++) pthread_join(threads[i], 0);
}

static void done(const char *what, long long count)
{
	operations += count;
	printf("%s: %lld\n", what, count);
}

/* Mutexes: plain, recursive and with inheritance. */
static pthread_mutex_t mutexes[3];
static long long counts[3];

static void *lock(void *which)
{
	long index = (long)which % 3;
	for (long i = 0; i < rounds; i++) {
		pthread_mutex_lock(&mutexes[index]);
		long long before = counts[index];
		if (i % 64 == 0) sched_yield();
		counts[index] = before + 1;
		pthread_mutex_unlock(&mutexes[index]);
	}
	return 0;
}

static void mutex(void)
{
	pthread_mutexattr_t attributes;
	for (int i = 0; i < 3; i++) {
		pthread_mutexattr_init(&attributes);
		if (i == 1) pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
		if (i == 2) pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
		pthread_mutex_init(&mutexes[i], &attributes);
	}
	each(lock);
	check(counts[0] + counts[1] + counts[2] == THREADS * rounds, "mutexes");
	done("mutexes", counts[0] + counts[1] + counts[2]);
}

/* A ring that all fill and empty. */
enum { ROOM = 16 };
static pthread_mutex_t ring_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER, not_empty = PTHREAD_COND_INITIALIZER;
static long ring[ROOM], head, tail;
static _Atomic long long taken;

static void *pass(void *which)
{
	long index = (long)which, items = rounds / 8;
	for (long i = 0; i < items; i++) {
		pthread_mutex_lock(&ring_lock);
		if (index % 2) {
			while (head - tail == ROOM) pthread_cond_wait(&not_full, &ring_lock);
			ring[head++ % ROOM] = index;
			pthread_cond_signal(&not_empty);
		} else {
			while (head == tail) pthread_cond_wait(&not_empty, &ring_lock);
			taken += ring[tail++ % ROOM];
			pthread_cond_signal(&not_full);
		}
		pthread_mutex_unlock(&ring_lock);
	}
	return 0;
}

static void conditions(void)
{
	each(pass);
	long long sum = 0;
	for (long i = 1; i < THREADS; i += 2) sum += i * (rounds / 8);
	check(taken == sum && head == tail, "conditions");
	done("conditions", THREADS * (rounds / 8));
}

static pthread_barrier_t barrier;
static _Atomic long arrived, serial;

static void *meet(void *unused)
{
	for (long i = 1; i <= rounds / 64; i++) {
		arrived++;
		if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) serial++;
		check(arrived >= i * THREADS, "nobody passes early");
		pthread_barrier_wait(&barrier);
	}
	return unused;
}

static void barriers(void)
{
	pthread_barrier_init(&barrier, 0, THREADS);
	each(meet);
	check(serial == rounds / 64, "one of each round is special");
	done("barriers", THREADS * (rounds / 64) * 2);
}

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static long long first, second;

static void *read_or_write(void *which)
{
	for (long i = 0; i < rounds / 4; i++) {
		if ((i + (long)which) % 8 == 0) {
			pthread_rwlock_wrlock(&rwlock);
			first++;
			if (i % 128 == 0) sched_yield();
			second++;
		} else {
			pthread_rwlock_rdlock(&rwlock);
			check(first == second, "nobody reads between two stores");
		}
		pthread_rwlock_unlock(&rwlock);
	}
	return 0;
}

static void rwlocks(void)
{
	each(read_or_write);
	done("readers and writers", THREADS * (rounds / 4));
}

/* Owners that end with the lock held. */
static pthread_mutex_t robust;
static long deaths, inherited;

static void *die_holding(void *unused)
{
	int error = pthread_mutex_lock(&robust);
	check(!error || error == EOWNERDEAD, "a lock of the dead");
	inherited += error == EOWNERDEAD;
	if (error) pthread_mutex_consistent(&robust);
	deaths++;
	return unused;
}

static void robust_mutex(void)
{
	pthread_mutexattr_t attributes;
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&robust, &attributes);
	long turns = rounds / 1024 + 1;
	for (long i = 0; i < turns; i++) each(die_holding);
	check(deaths == THREADS * turns && inherited == deaths - 1, "each but the first inherits");
	done("robust mutexes", deaths);
}

/* Thread-local data with destructors, and cancellation. */
static pthread_key_t key;
static _Atomic long destroyed, cleaned;
static sem_t ready;

static void destroy(void *value)
{
	destroyed += (long)value;
}

static void clean(void *unused)
{
	(void)unused;
	cleaned++;
}

static void *be_cancelled(void *which)
{
	pthread_setspecific(key, (void *)1);
	pthread_cleanup_push(clean, 0);
	sem_post(&ready);
	if ((long)which % 2)
		for (;;) pause();
	else
		for (;;) pthread_testcancel();
	pthread_cleanup_pop(0);
	return 0;
}

static void cancellation(void)
{
	pthread_key_create(&key, destroy);
	sem_init(&ready, 0, 0);
	long turns = rounds / 16384 + 1;
	for (long turn = 0; turn < turns; turn++) {
		for (long i = 0; i < THREADS; i++) check(!pthread_create(&threads[i], 0, be_cancelled, (void *)i), "pthread_create");
		for (long i = 0; i < THREADS; i++) sem_wait(&ready);
		for (long i = 0; i < THREADS; i++) pthread_cancel(threads[i]);
		for (long i = 0; i < THREADS; i++) {
			void *result;
			pthread_join(threads[i], &result);
			check(result == PTHREAD_CANCELED, "cancelled");
		}
	}
	check(destroyed == THREADS * turns && cleaned == destroyed, "destructors and cleanup");
	done("cancelled", destroyed);
}

/* A thread that takes signals by sigwait, while all others send. */
static _Atomic long sent, waited;

static void *take_signals(void *unused)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1);
	sigaddset(&set, SIGUSR2);
	for (int number;;) {
		check(!sigwait(&set, &number), "sigwait");
		if (number == SIGUSR2) return unused;
		waited++;
	}
}

static void *send(void *unused)
{
	for (long i = 0; i < rounds / 256; i++) {
		while (sigqueue(getpid(), SIGRTMIN + 1, (union sigval){0})) sched_yield();
		sent++;
	}
	return unused;
}

static void signals_waited_for(void)
{
	pthread_t taker;
	pthread_create(&taker, 0, take_signals, 0);
	each(send);
	while (waited < sent) sched_yield();
	kill(getpid(), SIGUSR2);
	pthread_join(taker, 0);
	check(waited == THREADS * (rounds / 256), "each signal once");
	done("signals waited for", waited);
}

/* Some threads fork, while others hold the locks of the allocator and of open streams, which the child has copies of. A mutex of our
 * own is left whole in the child by pthread_atfork(3). */
enum { FORKS = 2 };
static pthread_mutex_t kept = PTHREAD_MUTEX_INITIALIZER;
static long pair[2];
static atomic_int forking;
static _Atomic long forked;

static void take_kept(void)
{
	pthread_mutex_lock(&kept);
}

static void leave_kept(void)
{
	pthread_mutex_unlock(&kept);
}

static void *busy_with_locks(void *which)
{
	void *blocks[32] = {0};
	for (unsigned i = 0; forking > 0; i++) {
		void **block = &blocks[i % 32];
		free(*block);
		check((*block = malloc(1 + i % 5000)) != 0, "malloc");
		if (i % 16 == 0) {
			char *text;
			size_t length;
			FILE *stream = open_memstream(&text, &length);
			fprintf(stream, "%ld", (long)which);
			fclose(stream);
			check(atol(text) == (long)which, "a stream in memory");
			free(text);
			/* On a busy machine those who fork need their turns. */
			usleep(1000);
		}
		pthread_mutex_lock(&kept);
		pair[0]++;
		if (i % 64 == 0) sched_yield();
		pair[1]++;
		pthread_mutex_unlock(&kept);
	}
	for (int i = 0; i < 32; i++) free(blocks[i]);
	return 0;
}

static void *add_in_child(void *number)
{
	pthread_mutex_lock(&kept);
	pair[0] += (long)number;
	pthread_mutex_unlock(&kept);
	return number;
}

/* In the child: locks, memory, streams and new threads work. Its status says who it is. */
static int in_child(long which, pid_t parent)
{
	if (getppid() != parent || pair[0] != pair[1]) return 101;
	pthread_t others[2];
	for (long i = 0; i < 2; i++)
		if (pthread_create(&others[i], 0, add_in_child, (void *)(i + 1))) return 102;
	char *text = 0;
	size_t length;
	FILE *stream = open_memstream(&text, &length);
	for (int i = 0; i < 100; i++) fprintf(stream, "%d,", i);
	fclose(stream);
	if (length != 10 * 2 + 90 * 3 || memcmp(text + length - 3, "99,", 3)) return 103;
	free(text);
	for (int i = 0; i < 2; i++) pthread_join(others[i], 0);
	if (pair[0] != pair[1] + 3) return 104;
	return (int)which;
}

static void *fork_some(void *which)
{
	for (int i = 0; i < FORKS; i++) {
		pid_t parent = getpid(), child = fork();
		check(child >= 0, "fork");
		if (!child) _exit(in_child((long)which, parent));
		int status;
		check(waitpid(child, &status, 0) == child, "waitpid");
		if (status != (int)(long)which << 8) printf("status %#x of %ld\n", status, (long)which);
		check(status == (int)(long)which << 8, "the child's status");
		forked++;
	}
	forking--;
	return 0;
}

static void *fork_or_disturb(void *which)
{
	return (long)which % 4 == 1 ? fork_some(which) : (long)which % 4 ? 0 : busy_with_locks(which);
}

static void forks(void)
{
	pthread_atfork(take_kept, leave_kept, leave_kept);
	forking = THREADS / 4;
	each(fork_or_disturb);
	check(waitpid(-1, 0, 0) == -1 && errno == ECHILD, "no child is left");
	done("forked", forked);
}

/* All of it while this comes. */
static _Atomic long handled;
static atomic_int over;

static void on_signal(int number)
{
	(void)number;
	handled++;
}

static void *disturb(void *unused)
{
	while (!over) {
		for (int i = 0; i < THREADS; i++) kill(getpid(), SIGUSR1);
		usleep(2000);
	}
	return unused;
}

int main(int count, char **arguments)
{
	rounds = count > 1 ? atol(arguments[1]) : 10000;
	setvbuf(stdout, 0, _IOLBF, 0);
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	sigaction(SIGUSR1, &action, 0);
	/* For one thread alone. */
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, 0);
	pthread_t disturber;
	pthread_create(&disturber, 0, disturb, 0);
	mutex();
	conditions();
	barriers();
	rwlocks();
	robust_mutex();
	cancellation();
	signals_waited_for();
	forks();
	over = 1;
	pthread_join(disturber, 0);
	check(handled > 0, "signals among them");
	printf("operations: %lld\n", operations);
	return 0;
}
