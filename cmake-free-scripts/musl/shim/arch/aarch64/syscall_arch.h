/* aarch64 for the shim: each of musl's syscalls is a call through __chitin_entry, with the registers of the `svc` instruction.
 * The callee may change x0 to x17 and the link register; it keeps x18 and the vector registers. */
#define __SYSCALL_LL_E(x) (x)
#define __SYSCALL_LL_O(x) (x)

#define __CHITIN_CALL \
	"adrp x16,__chitin_entry\n\tldr x16,[x16,:lo12:__chitin_entry]\n\tblr x16"
/* What no argument is in, whatever the number of arguments. */
#define __CHITIN_CLOBBERS "x6", "x7", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "x30", "memory", "cc"

static inline long __syscall0(long n)
{
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0");
	__asm__ __volatile__ (__CHITIN_CALL : "+r"(x8), "=r"(x0)
		: : "x1", "x2", "x3", "x4", "x5", __CHITIN_CLOBBERS);
	return x0;
}

static inline long __syscall1(long n, long a)
{
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	__asm__ __volatile__ (__CHITIN_CALL : "+r"(x8), "+r"(x0)
		: : "x1", "x2", "x3", "x4", "x5", __CHITIN_CLOBBERS);
	return x0;
}

static inline long __syscall2(long n, long a, long b)
{
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	__asm__ __volatile__ (__CHITIN_CALL : "+r"(x8), "+r"(x0), "+r"(x1)
		: : "x2", "x3", "x4", "x5", __CHITIN_CLOBBERS);
	return x0;
}

static inline long __syscall3(long n, long a, long b, long c)
{
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	__asm__ __volatile__ (__CHITIN_CALL : "+r"(x8), "+r"(x0), "+r"(x1), "+r"(x2)
		: : "x3", "x4", "x5", __CHITIN_CLOBBERS);
	return x0;
}

static inline long __syscall4(long n, long a, long b, long c, long d)
{
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	__asm__ __volatile__ (__CHITIN_CALL : "+r"(x8), "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
		: : "x4", "x5", __CHITIN_CLOBBERS);
	return x0;
}

static inline long __syscall5(long n, long a, long b, long c, long d, long e)
{
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	__asm__ __volatile__ (__CHITIN_CALL : "+r"(x8), "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4)
		: : "x5", __CHITIN_CLOBBERS);
	return x0;
}

static inline long __syscall6(long n, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;
	__asm__ __volatile__ (__CHITIN_CALL : "+r"(x8), "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4), "+r"(x5)
		: : __CHITIN_CLOBBERS);
	return x0;
}

#define VDSO_USEFUL
#define VDSO_CGT_SYM "__kernel_clock_gettime"
#define VDSO_CGT_VER "LINUX_2.6.39"

#define IPC_64 0
