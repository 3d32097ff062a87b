/* __clone(function, stack, flags, argument, parent_tid, tls, child_tid): x0 x1 w2 x3 x4 x5 x6
 * clone(flags, stack, parent_tid, tls, child_tid): x0 x1 x2 x3 x4
 *
 * The child goes on after the call with the new stack, on which function and argument wait; nothing of the old one is read there. */
.text
.global __clone
.hidden __clone
.hidden __chitin_entry
.type __clone,%function
__clone:
	and x1,x1,#-16
	stp x0,x3,[x1,#-16]!
	stp x29,x30,[sp,#-16]!
	uxtw x0,w2
	mov x2,x4
	mov x3,x5
	mov x4,x6
	mov x8,#220
	adrp x16,__chitin_entry
	ldr x16,[x16,:lo12:__chitin_entry]
	blr x16
	cbz x0,1f
	ldp x29,x30,[sp],#16
	ret
1:	mov x29,#0
	ldp x1,x0,[sp],#16
	blr x1
	mov x8,#93
	adrp x16,__chitin_entry
	ldr x16,[x16,:lo12:__chitin_entry]
	blr x16
	brk #0
