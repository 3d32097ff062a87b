/* Cycles: read between barriers, so that nothing of what is measured runs outside, and what reading costs is taken off. */
#include "cycles.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>

enum { HOT = 31, COLD = 9, EVICTED = 32 << 20, READS = 1000 };

static inline uint64_t cycles(void)
{
	uint64_t count;
#ifdef __x86_64__
	__asm__ __volatile__("lfence" : : : "memory");
	count = counter();
	__asm__ __volatile__("lfence" : : : "memory");
#else
	__asm__ __volatile__("isb\n\tmrs %0, pmccntr_el0\n\tisb" : "=r"(count) : : "memory");
#endif
	return count;
}

static sigjmp_buf refused;

static void on_refusal(int number)
{
	siglongjmp(refused, number);
}

const char *cycle_clock(void)
{
	uint64_t start;
	handle(SIGILL, on_refusal);
	if (sigsetjmp(refused, 1)) {
		signal(SIGILL, SIG_DFL);
		return 0;
	}
	start = cycles();
	for (volatile int i = 0; i < 1000; i++) {}
	signal(SIGILL, SIG_DFL);
#ifdef __x86_64__
	return cycles() > start ? "rdtsc" : 0;
#else
	return cycles() > start ? "pmccntr_el0" : 0;
#endif
}

/* What two reads cost, one after the other, at the least. */
static uint64_t overhead(void)
{
	uint64_t least = -1;
	for (int i = 0; i < READS; i++) {
		uint64_t start = cycles(), end = cycles();
		if (end - start < least) least = end - start;
	}
	return least;
}

/* Other memory than what is measured fills the caches. */
static void evict(void)
{
	static char *memory;
	if (!memory) require((memory = malloc(EVICTED)) != 0, "malloc");
	for (long i = 0; i < EVICTED; i += 64) ((volatile char *)memory)[i]++;
}

static double pass(const struct operation *operation, long rounds, int is_cold, uint64_t reading)
{
	if (operation->begin) operation->begin(rounds);
	if (is_cold) evict();
	uint64_t start = cycles();
	operation->run(rounds);
	uint64_t took = cycles() - start;
	if (operation->end) operation->end(rounds);
	return took > reading ? (double)(took - reading) / rounds : 0;
}

void measure_cycles(const struct operation *operation)
{
	double hot[HOT], cold[COLD];
	long rounds = operation->rounds > 20 ? operation->rounds / 10 : operation->rounds;
	uint64_t reading = overhead();
	pass(operation, rounds, 0, reading);
	for (int i = 0; i < HOT; i++) hot[i] = pass(operation, rounds, 0, reading);
	for (int i = 0; i < COLD; i++) cold[i] = pass(operation, 1, 1, reading);
	sort_ascending(hot, HOT);
	sort_ascending(cold, COLD);
	printf("%s %.2f %.2f %.2f %.2f\n", operation->name, hot[HOT / 2], cold[COLD / 2], hot[HOT / 10], hot[HOT - 1 - HOT / 10]);
}
