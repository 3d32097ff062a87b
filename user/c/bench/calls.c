/* The entry itself, and calls that do little. */
#include "bench.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* A loop of known length: two instructions a round on both ISAs. It shows that a tick is an instruction. */
static void loop(long rounds)
{
#ifdef __x86_64__
	__asm__ __volatile__("1: sub $1, %0\n\tjne 1b" : "+r"(rounds) : : "cc");
#else
	__asm__ __volatile__("1: subs %0, %0, #1\n\tb.ne 1b" : "+r"(rounds) : : "cc");
#endif
}

static void null_call(long rounds)
{
	for (long i = 0; i < rounds; i++) getppid();
}

/* By the instruction itself, which no C library stands before: three instructions a round, and the call's own. */
static void null_call_instruction(long rounds)
{
#ifdef __x86_64__
	long result;
	__asm__ __volatile__("1: mov %2, %%eax\n\tsyscall\n\tsub $1, %1\n\tjne 1b"
			     : "=&a"(result), "+r"(rounds)
			     : "i"(SYS_getppid)
			     : "rcx", "r11", "cc", "memory");
#else
	register long number __asm__("x8") = SYS_getppid;
	register long result __asm__("x0");
	__asm__ __volatile__("1: svc #0\n\tsubs %1, %1, #1\n\tb.ne 1b" : "=&r"(result), "+r"(rounds) : "r"(number) : "cc", "memory");
#endif
}

static void clock_through_vdso(long rounds)
{
	struct timespec time;
	for (long i = 0; i < rounds; i++) clock_gettime(CLOCK_MONOTONIC, &time);
}

static void clock_by_call(long rounds)
{
	struct timespec time;
	for (long i = 0; i < rounds; i++) syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &time);
}

static int descriptor;

static void open_zero(long rounds)
{
	(void)rounds;
	require((descriptor = open("/dev/zero", O_RDONLY)) >= 0, "open /dev/zero");
}

static void open_null(long rounds)
{
	(void)rounds;
	require((descriptor = open("/dev/null", O_WRONLY)) >= 0, "open /dev/null");
}

static void open_file(long rounds)
{
	(void)rounds;
	require((descriptor = open(file_of("seek", PAGE), O_RDONLY)) >= 0, "open");
}

static void close_it(long rounds)
{
	(void)rounds;
	close(descriptor);
}

static void read_byte(long rounds)
{
	char byte;
	for (long i = 0; i < rounds; i++) read(descriptor, &byte, 1);
}

static void write_byte(long rounds)
{
	for (long i = 0; i < rounds; i++) write(descriptor, "", 1);
}

static void seek(long rounds)
{
	for (long i = 0; i < rounds; i++) lseek(descriptor, i & 63, SEEK_SET);
}

static void copy(long rounds)
{
	static char from[PAGE] __attribute__((aligned(4096))), to[PAGE] __attribute__((aligned(4096)));
	for (long i = 0; i < rounds; i++) {
		memcpy(to, from, PAGE);
		__asm__ __volatile__("" : : "r"(to) : "memory");
	}
}

const struct operation calls[] = {
	{"loop", "a loop of two instructions: the clock's own proof", 0, 100000, loop, 0, 0, 0},
	{"memcpy_4k", "memcpy of 4 KiB, no call: the floor for copies", "bw_mem bcopy", 2000, copy, 0, 0, 0},
	{"null_call", "null call (getppid), through libc", "lat_syscall null", 10000, null_call, 0, 0, 0},
	{"null_call_instruction", "null call, by the raw instruction", "lat_syscall null", 10000, null_call_instruction, 0, 0, 0},
	{"clock", "clock_gettime, vDSO", 0, 10000, clock_through_vdso, 0, 0, 0},
	{"clock_call", "clock_gettime, as a call", 0, 10000, clock_by_call, 0, 0, 0},
	{"read_zero", "read 1 byte, /dev/zero", "lat_syscall read", 10000, read_byte, open_zero, close_it, 0},
	{"write_null", "write 1 byte, /dev/null", "lat_syscall write", 10000, write_byte, open_null, close_it, 0},
	{"lseek", "lseek", 0, 10000, seek, open_file, close_it, 0},
	{0},
};
