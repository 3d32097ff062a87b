/* x86_64 for the shim: each of musl's syscalls is a call through __chitin_entry, with the registers of the `syscall` instruction.
 * The callee may change every register that a syscall's arguments have, so all are named; it keeps the vector registers. The call
 * writes below the stack pointer, which the compiler does not know: hence -mno-red-zone. */
#define __SYSCALL_LL_E(x) (x)
#define __SYSCALL_LL_O(x) (x)

#define __CHITIN_CALL "call *__chitin_entry(%%rip)"

static __inline long __syscall0(long n)
{
	__asm__ __volatile__ (__CHITIN_CALL : "+a"(n)
		: : "rdi", "rsi", "rdx", "r10", "r8", "r9", "rcx", "r11", "memory", "cc");
	return n;
}

static __inline long __syscall1(long n, long a)
{
	__asm__ __volatile__ (__CHITIN_CALL : "+a"(n), "+D"(a)
		: : "rsi", "rdx", "r10", "r8", "r9", "rcx", "r11", "memory", "cc");
	return n;
}

static __inline long __syscall2(long n, long a, long b)
{
	__asm__ __volatile__ (__CHITIN_CALL : "+a"(n), "+D"(a), "+S"(b)
		: : "rdx", "r10", "r8", "r9", "rcx", "r11", "memory", "cc");
	return n;
}

static __inline long __syscall3(long n, long a, long b, long c)
{
	__asm__ __volatile__ (__CHITIN_CALL : "+a"(n), "+D"(a), "+S"(b), "+d"(c)
		: : "r10", "r8", "r9", "rcx", "r11", "memory", "cc");
	return n;
}

static __inline long __syscall4(long n, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	__asm__ __volatile__ (__CHITIN_CALL : "+a"(n), "+D"(a), "+S"(b), "+d"(c), "+r"(r10)
		: : "r8", "r9", "rcx", "r11", "memory", "cc");
	return n;
}

static __inline long __syscall5(long n, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	__asm__ __volatile__ (__CHITIN_CALL : "+a"(n), "+D"(a), "+S"(b), "+d"(c), "+r"(r10), "+r"(r8)
		: : "r9", "rcx", "r11", "memory", "cc");
	return n;
}

static __inline long __syscall6(long n, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	__asm__ __volatile__ (__CHITIN_CALL : "+a"(n), "+D"(a), "+S"(b), "+d"(c), "+r"(r10), "+r"(r8), "+r"(r9)
		: : "rcx", "r11", "memory", "cc");
	return n;
}

#define VDSO_USEFUL
#define VDSO_CGT_SYM "__vdso_clock_gettime"
#define VDSO_CGT_VER "LINUX_2.6"
#define VDSO_GETCPU_SYM "__vdso_getcpu"
#define VDSO_GETCPU_VER "LINUX_2.6"

#define IPC_64 0
