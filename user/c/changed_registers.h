/* An entry for the shim that makes the real call and then changes every register that an entry may change. It stands for the library
 * OS's also in that a new thread's or a vfork child's registers are its caller's, with the stack that was asked for. */
#pragma once

/* The shim's pointer; none in the stock flavour, nor for a dynamic program. */
extern void (*__chitin_entry)(void) __attribute__((weak, visibility("hidden")));
__attribute__((visibility("hidden"))) void changing_entry(void);

#ifdef __x86_64__
__asm__(
	".text\n.type changing_entry,@function\n.hidden changing_entry\n"
	"changing_entry:\n"
	/* rt_sigreturn, clone, vfork: the return address goes with the registers. */
	"	cmp $15, %eax\n	je 1f\n	cmp $56, %eax\n	je 1f\n	cmp $58, %eax\n	je 1f\n"
	/* munmap of what the stack pointer is in: when the thread ends (here: never). */
	"	cmp $11, %eax\n	jne 3f\n	cmp %rdi, %rsp\n	jb 3f\n	lea (%rdi, %rsi), %rcx\n	cmp %rcx, %rsp\n	jae 3f\n"
	"	xor %eax, %eax\n	jmp 4f\n"
	"3:	syscall\n"
	"4:	mov $0x5a5a5a5a5a5a5a5a, %rdi\n"
	"	mov %rdi, %r9\n"
	"	mov %rdi, %rcx\n"
	"	jmp 2f\n"
	"1:	pop %r9\n"
	"	syscall\n"
	"	mov $0x5a5a5a5a5a5a5a5a, %rdi\n"
	"	mov %rdi, %rcx\n"
	"	mov %rdi, %rsi\n	mov %rdi, %rdx\n	mov %rdi, %r10\n	mov %rdi, %r8\n	mov %rdi, %r11\n"
	"	jmp *%r9\n"
	"2:	mov %rdi, %rsi\n	mov %rdi, %rdx\n	mov %rdi, %r10\n	mov %rdi, %r8\n	mov %rdi, %r11\n"
	"	ret\n");
#else
__asm__(
	".text\n.type changing_entry,%function\n.hidden changing_entry\n"
	"changing_entry:\n"
	"	svc #0\n"
	"	mov x16, x30\n"
	"	ldr x1, =0x5a5a5a5a5a5a5a5a\n"
	"	mov x2, x1\n	mov x3, x1\n	mov x4, x1\n	mov x5, x1\n	mov x6, x1\n	mov x7, x1\n	mov x8, x1\n"
	"	mov x9, x1\n	mov x10, x1\n	mov x11, x1\n	mov x12, x1\n	mov x13, x1\n	mov x14, x1\n	mov x15, x1\n"
	"	mov x17, x1\n	mov x30, x1\n	cmp x1, #0\n"
	"	br x16\n"
	"	.ltorg\n");
#endif

static void change_registers(void)
{
	if (&__chitin_entry) __chitin_entry = changing_entry;
}
