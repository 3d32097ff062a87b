/* A counter that user mode reads. Under QEMU's -icount shift=0 (aarch64: -cpu max) one tick is one instruction. */
#pragma once
#include <stdint.h>

static inline uint64_t counter(void)
{
#ifdef __x86_64__
	uint32_t low, high;
	__asm__ __volatile__("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
#else
	uint64_t ticks;
	__asm__ __volatile__("isb\n\tmrs %0, cntvct_el0" : "=r"(ticks) : : "memory");
	return ticks;
#endif
}
