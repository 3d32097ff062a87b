/* Signals, and what Appel and Li want of memory: "Virtual Memory Primitives for User Programs", 1991. */
#include "bench.h"

#include "../barrier.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

static volatile long handled;

static void mask(long rounds)
{
	sigset_t set;
	sigemptyset(&set);
	for (long i = 0; i < rounds; i++) sigprocmask(SIG_BLOCK, &set, 0);
}

static void install(long rounds)
{
	struct sigaction action = {.sa_handler = SIG_DFL};
	for (long i = 0; i < rounds; i++) sigaction(SIGUSR2, &action, 0);
}

static void on_signal(int number)
{
	(void)number;
	handled++;
}

static pid_t self;

static void begin_signals(long rounds)
{
	(void)rounds;
	self = getpid();
	handled = 0;
	handle(SIGUSR1, on_signal);
}

static void to_self(long rounds)
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
	require(!mprotect(arena, ARENA_PAGES * PAGE, PROT_READ), "mprotect");
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	require(!sigaction(SIGSEGV, &action, 0), "sigaction");
	handled = 0;
}

static void end_traps(long rounds)
{
	signal(SIGSEGV, SIG_DFL);
	munmap(arena, ARENA_PAGES * PAGE);
	require(handled == rounds, "a signal for each store");
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

/* Pages in an order that nobody foresees, the same each time. */
static int some_page(void)
{
	static uint32_t state = 1;
	state = state * 1664525 + 1013904223;
	return (state >> 8) % ARENA_PAGES;
}

static void unprotect(int number, siginfo_t *information, void *context)
{
	(void)number, (void)context;
	handled++;
	mprotect((char *)((unsigned long)information->si_addr & -PAGE), PAGE, PROT_READ | PROT_WRITE);
}

/* prot1 + trap + unprot: all pages but one are protected, and each handler makes another one it. */
static char *volatile open_page;

static void unprotect_instead(int number, siginfo_t *information, void *context)
{
	unprotect(number, information, context);
	mprotect(open_page, PAGE, PROT_READ);
	open_page = (char *)((unsigned long)information->si_addr & -PAGE);
}

static void begin_appel1(long rounds)
{
	(void)rounds;
	begin_traps(unprotect_instead);
	open_page = arena;
	mprotect(arena, PAGE, PROT_READ | PROT_WRITE);
}

static void appel1(long rounds)
{
	for (long i = 0; i < rounds; i++) {
		char *page;
		do page = arena + some_page() * PAGE;
		while (page == open_page);
		*(volatile char *)page = 2;
	}
}

/* protN + trap + unprot: all pages are protected, and then touched in an order of no pattern. */
static int order[ARENA_PAGES];

static void begin_appel2(long rounds)
{
	(void)rounds;
	begin_traps(unprotect);
	for (int i = 0; i < ARENA_PAGES; i++) {
		int other = some_page() % (i + 1);
		order[i] = order[other];
		order[other] = i;
	}
}

static void appel2(long rounds)
{
	for (long i = 0; i < rounds; i++) {
		if (i % ARENA_PAGES == 0) mprotect(arena, ARENA_PAGES * PAGE, PROT_READ);
		*(volatile char *)(arena + order[i % ARENA_PAGES] * PAGE) = 2;
	}
}

/* The same for a collector, which wants to know the pages: by the library OS's own barrier, where there is one. */
static unsigned char *cards;
static barrier_function *barrier;

static void begin_barrier(long rounds)
{
	begin_appel2(rounds);
	mprotect(arena, ARENA_PAGES * PAGE, PROT_READ | PROT_WRITE);
	cards = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	require(cards != MAP_FAILED, "mmap");
	barrier = best_barrier();
}

static void store_behind_barrier(long rounds)
{
	for (long i = 0; i < rounds; i++) {
		if (i % ARENA_PAGES == 0) {
			for (int page = 0; page < ARENA_PAGES; page++) handled += cards[page], cards[page] = 0;
			barrier(arena, ARENA_PAGES * PAGE, cards);
		}
		*(volatile char *)(arena + order[i % ARENA_PAGES] * PAGE) = 2;
	}
	for (int page = 0; page < ARENA_PAGES; page++) handled += cards[page];
}

static void end_barrier(long rounds)
{
	barrier(arena, 0, 0);
	munmap(cards, PAGE);
	end_traps(rounds);
}

const struct operation signals[] = {
	{"sigprocmask", "sigprocmask", 0, 5000, mask, 0, 0, 0},
	{"sigaction", "sigaction", "lat_sig install", 5000, install, 0, 0, 0},
	{"signal_to_self", "signal to self, handled", "lat_sig catch", 2000, to_self, begin_signals, end_signals, 0},
	{"trap", "Appel-Li trap: SIGSEGV round trip", "lat_sig prot", 2000, trap, begin_trap, end_traps, 0},
	{"appel1", "Appel-Li prot1 + trap + unprot", 0, 1000, appel1, begin_appel1, end_traps, 0},
	{"appel2", "Appel-Li protN + trap + unprot, per page", 0, 1000, appel2, begin_appel2, end_traps, 0},
	{"barrier", "a collector's write barrier: the same, by cards", 0, 1000, store_behind_barrier, begin_barrier, end_barrier, 0},
	{0},
};
