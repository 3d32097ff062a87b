/* __syscall_cp_asm(&self->cancel, number, six arguments): rdi rsi rdx rcx r8 r9 8(%rsp) 16(%rsp)
 *
 * A thread that is cancelled with its program counter from __cp_begin up to __cp_end has not begun the call, or will begin it again:
 * the library OS says that a blocked call stands at its call instruction. On Linux the program counter of a blocked call is at the real
 * instruction, so the whole sequence is another one there, between two labels of its own. */
.text
.global __cp_begin
.hidden __cp_begin
.global __cp_end
.hidden __cp_end
.global __cp_cancel
.hidden __cp_cancel
.hidden __cancel
.hidden __chitin_entry
.hidden __chitin_instruction
.hidden __chitin_instruction_cp
.global __syscall_cp_asm
.hidden __syscall_cp_asm
.type __syscall_cp_asm,@function
__syscall_cp_asm:
	lea __chitin_instruction(%rip),%rax
	cmp %rax,__chitin_entry(%rip)
	je __chitin_instruction_cp
__cp_begin:
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
	call *__chitin_entry(%rip)
__cp_end:
	ret
__cp_cancel:
	jmp __cancel
