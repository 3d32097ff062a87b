/* Mappings and page faults. */
#include "bench.h"

#include <sys/mman.h>

static char *arena;

static char *fresh(long length)
{
	char *pages = mmap(0, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	require(pages != MAP_FAILED, "mmap");
	return pages;
}

static void map_and_unmap(long rounds)
{
	for (long i = 0; i < rounds; i++) munmap(fresh(PAGE), PAGE);
}

static void map_touch_and_unmap(long rounds)
{
	for (long i = 0; i < rounds; i++) {
		char *page = fresh(PAGE);
		*(volatile char *)page = 1;
		munmap(page, PAGE);
	}
}

/* Pages that are touched for the first time, one after the other. */
static void begin_touches(long rounds)
{
	arena = fresh(rounds * PAGE);
	madvise(arena, rounds * PAGE, MADV_NOHUGEPAGE);
}

static void touch(long rounds)
{
	for (long i = 0; i < rounds; i++) ((volatile char *)arena)[i * PAGE] = 1;
}

/* The same in an order that nobody foresees: steps of an odd number of pages, round and round. */
static void touch_apart(long rounds)
{
	for (long i = 0, page = 0; i < rounds; i++, page = (page + 1237) % rounds) ((volatile char *)arena)[page * PAGE] = 1;
}

static void end_touches(long rounds)
{
	munmap(arena, rounds * PAGE);
}

static void begin_protections(long rounds)
{
	(void)rounds;
	arena = fresh(PAGE);
	*(volatile char *)arena = 1;
}

static void protect(long rounds)
{
	for (long i = 0; i < rounds; i++) mprotect(arena, PAGE, i & 1 ? PROT_READ | PROT_WRITE : PROT_READ);
}

static void end_protections(long rounds)
{
	(void)rounds;
	munmap(arena, PAGE);
}

const struct operation memory[] = {
	{"mmap_munmap", "mmap + munmap 4 KiB", "lat_mmap", 1000, map_and_unmap, 0, 0, 0},
	{"mmap_touch_munmap", "mmap + touch + munmap 4 KiB", 0, 1000, map_touch_and_unmap, 0, 0, 0},
	{"page_fault", "page fault, anonymous, in order, per page", "lat_pagefault", 4096, touch, begin_touches, end_touches, 0},
	{"page_fault_apart", "page fault, anonymous, here and there, per page", 0, 4096, touch_apart, begin_touches, end_touches, 0},
	{"mprotect", "mprotect of one resident page", 0, 2000, protect, begin_protections, end_protections, 0},
	{0},
};
