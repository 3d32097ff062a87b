/* __clone(function, stack, flags, argument, parent_tid, tls, child_tid): rdi rsi rdx rcx r8 r9 8(%rsp)
 * clone(flags, stack, parent_tid, child_tid, tls): rdi rsi rdx r10 r8
 *
 * The child goes on after the call with the new stack, on which function and argument wait; nothing of the old one is read there. */
.text
.global __clone
.hidden __clone
.hidden __chitin_entry
.type __clone,@function
__clone:
	and $-16,%rsi
	sub $16,%rsi
	mov %rdi,(%rsi)
	mov %rcx,8(%rsi)
	mov %rdx,%rdi
	mov %r8,%rdx
	mov %r9,%r8
	mov 8(%rsp),%r10
	mov $56,%eax
	call *__chitin_entry(%rip)
	test %eax,%eax
	jnz 1f
	xor %ebp,%ebp
	pop %rax
	pop %rdi
	call *%rax
	mov %eax,%edi
	mov $60,%eax
	call *__chitin_entry(%rip)
	hlt
1:	ret
