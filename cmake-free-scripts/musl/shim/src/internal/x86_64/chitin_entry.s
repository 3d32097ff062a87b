/* The pointer that every syscall of the shim goes through, what it points to at first, and the real instruction.
 *
 * An entry is called with the registers of the `syscall` instruction. It may change rax rcx r11 rdi rsi rdx r10 r8 r9 and the flags.
 * Every raw instruction of this libc is in a function whose name begins with __chitin_instruction. */
.data
.balign 8
.global __chitin_entry
.hidden __chitin_entry
.type __chitin_entry,@object
.size __chitin_entry,8
__chitin_entry:
	.quad __chitin_resolve

.text
/* Finds the entry, keeping the arguments, and goes on there. */
.hidden __chitin_find
.type __chitin_resolve,@function
__chitin_resolve:
	push %rbp
	mov %rsp,%rbp
	push %rax
	push %rdi
	push %rsi
	push %rdx
	push %r10
	push %r8
	push %r9
	and $-16,%rsp
	call __chitin_find
	mov %rax,%r11
	lea -56(%rbp),%rsp
	pop %r9
	pop %r8
	pop %r10
	pop %rdx
	pop %rsi
	pop %rdi
	pop %rax
	pop %rbp
	jmp *%r11
.size __chitin_resolve,.-__chitin_resolve

/* Linux. After sigreturn, clone and vfork the stack pointer, or what is below it, is not what it was: there the return address
 * travels in r9, which none of the three reads. */
.global __chitin_instruction
.hidden __chitin_instruction
.type __chitin_instruction,@function
__chitin_instruction:
	cmp $15,%eax
	je 1f
	cmp $56,%eax
	je 1f
	cmp $58,%eax
	je 1f
	syscall
	ret
1:	pop %r9
	syscall
	jmp *%r9
.size __chitin_instruction,.-__chitin_instruction

/* Linux, a cancellation point: pthread_cancel looks whether a thread is between this label and the next. Arguments as of
 * __syscall_cp_asm. */
.global __chitin_instruction_cp
.hidden __chitin_instruction_cp
.global __chitin_instruction_cp_begin
.hidden __chitin_instruction_cp_begin
.global __chitin_instruction_cp_end
.hidden __chitin_instruction_cp_end
.hidden __cp_cancel
.type __chitin_instruction_cp,@function
__chitin_instruction_cp:
__chitin_instruction_cp_begin:
	mov (%rdi),%eax
	test %eax,%eax
	jnz __cp_cancel
	mov %rsi,%rax
	mov %rdx,%rdi
	mov %rcx,%rsi
	mov %r8,%rdx
	mov %r9,%r10
	mov 8(%rsp),%r8
	mov 16(%rsp),%r9
	syscall
__chitin_instruction_cp_end:
	ret
.size __chitin_instruction_cp,.-__chitin_instruction_cp

/* Linux: unmap the stack that this thread stands on, and end it, without a stack. */
.global __chitin_instruction_unmapself
.hidden __chitin_instruction_unmapself
.type __chitin_instruction_unmapself,@function
__chitin_instruction_unmapself:
	mov $11,%eax
	syscall
	xor %edi,%edi
	mov $60,%eax
	syscall
	hlt
.size __chitin_instruction_unmapself,.-__chitin_instruction_unmapself
