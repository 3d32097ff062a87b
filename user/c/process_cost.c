/* What threads, signals, memory and processes cost: ticks per round of each row, its loop included. Without arguments every row, with
 * arguments the rows that they name. A row runs twice and reports the second time, when what is made once has been made. */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "counter.h"

enum { PAGE = 4096 };

static void require(int holds, const char *what)
{
	if (holds) return;
	perror(what);
	exit(1);
}

/* A loop of known length: two instructions a round on both ISAs. It shows that a tick is an instruction. */
static void loop(long rounds)
{
#ifdef __x86_64__
	__asm__ __volatile__("1: sub $1, %0\n\tjne 1b" : "+r"(rounds) : : "cc");
#else
	__asm__ __volatile__("1: subs %0, %0, #1\n\tb.ne 1b" : "+r"(rounds) : : "cc");
#endif
}

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

static void mask(long rounds)
{
	sigset_t set;
	sigemptyset(&set);
	for (long i = 0; i < rounds; i++) sigprocmask(SIG_BLOCK, &set, 0);
}

static volatile long handled;

static void on_signal(int number)
{
	(void)number;
	handled++;
}

static void handle(int number, void (*handler)(int), void (*with_context)(int, siginfo_t *, void *))
{
	struct sigaction action = {.sa_handler = handler};
	if (with_context) {
		action.sa_sigaction = with_context;
		action.sa_flags = SA_SIGINFO;
	}
	require(!sigaction(number, &action, 0), "sigaction");
}

static pid_t self;

static void begin_signals(long rounds)
{
	(void)rounds;
	self = getpid();
	handled = 0;
	handle(SIGUSR1, on_signal, 0);
}

static void signal_to_self(long rounds)
{
	for (long i = 0; i < rounds; i++) kill(self, SIGUSR1);
}

static void end_signals(long rounds)
{
	require(handled == rounds, "a signal for each kill");
}

/* The store that faults, and the instruction after it. */
extern char fault_at[], fault_over[];

static void step_over(int number, siginfo_t *information, void *context)
{
	ucontext_t *state = context;
	(void)number, (void)information;
	handled++;
#ifdef __x86_64__
	state->uc_mcontext.gregs[REG_RIP] = (greg_t)fault_over;
#else
	state->uc_mcontext.pc = (unsigned long)fault_over;
#endif
}

__attribute__((noinline, noclone)) static void store(char *place)
{
#ifdef __x86_64__
	__asm__ __volatile__(".globl fault_at, fault_over\nfault_at: movb $1, (%0)\nfault_over:" : : "r"(place) : "memory");
#else
	__asm__ __volatile__(".globl fault_at, fault_over\nfault_at: strb wzr, [%0]\nfault_over:" : : "r"(place) : "memory");
#endif
}

/* What is stored to. */
static char *arena;
enum { ARENA_PAGES = 100 };

static void begin_traps(void (*handler)(int, siginfo_t *, void *))
{
	arena = mmap(0, ARENA_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	require(arena != MAP_FAILED, "mmap");
	memset(arena, 1, ARENA_PAGES * PAGE);
	mprotect(arena, ARENA_PAGES * PAGE, PROT_READ);
	handle(SIGSEGV, 0, handler);
	handled = 0;
}

static void end_traps(long rounds)
{
	require(handled == rounds, "a signal for each store");
	signal(SIGSEGV, SIG_DFL);
	munmap(arena, ARENA_PAGES * PAGE);
}

static void begin_trap(long rounds)
{
	(void)rounds;
	begin_traps(step_over);
}

static void trap(long rounds)
{
	for (long i = 0; i < rounds; i++) store(arena);
}

/* Appel and Li, "Virtual Memory Primitives for User Programs", 1991: prot1 + trap + unprot (each handler protects another page), and
 * protN + trap + unprot. */
static void unprotect(int number, siginfo_t *information, void *context)
{
	(void)number, (void)context;
	handled++;
	mprotect((char *)((unsigned long)information->si_addr & -PAGE), PAGE, PROT_READ | PROT_WRITE);
}

static void protect_another(int number, siginfo_t *information, void *context)
{
	char *page = (char *)((unsigned long)information->si_addr & -PAGE);
	unprotect(number, information, context);
	mprotect(page == arena ? arena + (ARENA_PAGES - 1) * PAGE : page - PAGE, PAGE, PROT_READ);
}

static void begin_appel1(long rounds)
{
	(void)rounds;
	begin_traps(protect_another);
}

static void appel1(long rounds)
{
	for (long i = 0; i < rounds; i++) arena[i % ARENA_PAGES * PAGE] = 2;
}

static void begin_appel2(long rounds)
{
	(void)rounds;
	begin_traps(unprotect);
}

static void appel2(long rounds)
{
	for (long i = 0; i < rounds; i++) {
		if (i % ARENA_PAGES == 0) mprotect(arena, ARENA_PAGES * PAGE, PROT_READ);
		arena[i % ARENA_PAGES * PAGE] = 2;
	}
}

static void map(long rounds, int touched)
{
	for (long i = 0; i < rounds; i++) {
		char *page = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		require(page != MAP_FAILED, "mmap");
		if (touched) *(volatile char *)page = 1;
		munmap(page, PAGE);
	}
}

static void map_and_unmap(long rounds)
{
	map(rounds, 0);
}

static void map_touch_and_unmap(long rounds)
{
	map(rounds, 1);
}

/* Pages that are touched for the first time, one after the other. */
static void begin_touches(long rounds)
{
	arena = mmap(0, rounds * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	require(arena != MAP_FAILED, "mmap");
	madvise(arena, rounds * PAGE, MADV_NOHUGEPAGE);
}

static void touch(long rounds)
{
	for (long i = 0; i < rounds; i++) ((volatile char *)arena)[i * PAGE] = 1;
}

/* The same, in an order that nobody foresees: steps of an odd number of pages, round and round. */
static void touch_apart(long rounds)
{
	for (long i = 0, page = 0; i < rounds; i++, page = (page + 1237) % rounds) ((volatile char *)arena)[page * PAGE] = 1;
}

static void end_touches(long rounds)
{
	munmap(arena, rounds * PAGE);
}

static void yield_alone(long rounds)
{
	for (long i = 0; i < rounds; i++) sched_yield();
}

/* This program's name, and what it is told to end at once. */
static char *program;
#define END "end"

static void await(pid_t child)
{
	int status;
	require(waitpid(child, &status, 0) == child && status == 0, "waitpid");
}

static void execute(void)
{
	execv(program, (char *[]){program, END, 0});
	_exit(1);
}

static void fork_and_exit(long rounds)
{
	for (long i = 0; i < rounds; i++) {
		pid_t child = fork();
		if (!child) _exit(0);
		await(child);
	}
}

static void fork_and_exec(long rounds)
{
	for (long i = 0; i < rounds; i++) {
		pid_t child = fork();
		if (!child) execute();
		await(child);
	}
}

/* The child returns from vfork() first, in the frame that its parent then goes on in. */
__attribute__((noinline)) static void vfork_and_exec_once(void)
{
	pid_t child = vfork();
	if (!child) execute();
	await(child);
}

static void vfork_and_exec(long rounds)
{
	for (long i = 0; i < rounds; i++) vfork_and_exec_once();
}

static const struct row {
	const char *name;
	long rounds;
	void (*run)(long rounds);
	/* Before and after, neither counted. */
	void (*begin)(long rounds);
	void (*end)(long rounds);
} rows[] = {
	{"loop", 100000, loop, 0, 0},
	{"pthread_create_join", 1000, create_and_join, 0, 0},
	{"mutex", 10000, mutex, 0, 0},
	{"futex_wake_nobody", 10000, wake_nobody, 0, 0},
	{"futex_ping_pong", 5000, ping_pong, 0, 0},
	{"sched_yield_alone", 10000, yield_alone, 0, 0},
	{"sigprocmask", 10000, mask, 0, 0},
	{"signal_to_self", 5000, signal_to_self, begin_signals, end_signals},
	{"trap", 5000, trap, begin_trap, end_traps},
	{"appel1", 2000, appel1, begin_appel1, end_traps},
	{"appel2", 2000, appel2, begin_appel2, end_traps},
	{"mmap_munmap", 5000, map_and_unmap, 0, 0},
	{"mmap_touch_munmap", 5000, map_touch_and_unmap, 0, 0},
	{"page_fault", 4096, touch, begin_touches, end_touches},
	{"page_fault_apart", 4096, touch_apart, begin_touches, end_touches},
	{"fork_exit_wait", 100, fork_and_exit, 0, 0},
	{"fork_exec_wait", 100, fork_and_exec, 0, 0},
	{"vfork_exec_wait", 100, vfork_and_exec, 0, 0},
};

static uint64_t measure(const struct row *row)
{
	if (row->begin) row->begin(row->rounds);
	uint64_t start = counter();
	row->run(row->rounds);
	uint64_t ticks = counter() - start;
	if (row->end) row->end(row->rounds);
	return ticks;
}

static int is_wanted(const char *name, int count, char **names)
{
	for (int i = 1; i < count; i++)
		if (!strcmp(names[i], name)) return 1;
	return count == 1;
}

int main(int count, char **names)
{
	if (count == 2 && !strcmp(names[1], END)) _exit(0);
	program = names[0];
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (!is_wanted(rows[i].name, count, names)) continue;
		measure(&rows[i]);
		uint64_t hundredths = measure(&rows[i]) * 100 / rows[i].rounds;
		printf("%s %llu.%02llu\n", rows[i].name, (unsigned long long)hundredths / 100, (unsigned long long)hundredths % 100);
	}
	return 0;
}
