/* The pointer that every syscall of the shim goes through, what it points to at first, and the real instruction.
 *
 * An entry is called with the registers of the `svc` instruction. It may change x0 to x17, x30 and the flags.
 * Every raw instruction of this libc is in a function whose name begins with __chitin_instruction. */
.data
.balign 8
.global __chitin_entry
.hidden __chitin_entry
.type __chitin_entry,%object
.size __chitin_entry,8
__chitin_entry:
	.quad __chitin_resolve

.text
/* Finds the entry, keeping the arguments (and x18, which C may change), and goes on there. */
.hidden __chitin_find
.type __chitin_resolve,%function
__chitin_resolve:
	stp x29,x30,[sp,#-80]!
	mov x29,sp
	stp x0,x1,[sp,#16]
	stp x2,x3,[sp,#32]
	stp x4,x5,[sp,#48]
	stp x8,x18,[sp,#64]
	bl __chitin_find
	mov x16,x0
	ldp x0,x1,[sp,#16]
	ldp x2,x3,[sp,#32]
	ldp x4,x5,[sp,#48]
	ldp x8,x18,[sp,#64]
	ldp x29,x30,[sp],#80
	br x16
.size __chitin_resolve,.-__chitin_resolve

/* Linux. */
.global __chitin_instruction
.hidden __chitin_instruction
.type __chitin_instruction,%function
__chitin_instruction:
	svc #0
	ret
.size __chitin_instruction,.-__chitin_instruction

/* Linux, a cancellation point: pthread_cancel looks whether a thread is between the two labels. Arguments as of __syscall_cp_asm,
 * whose __cp_cancel expects the same two words on the stack. */
.global __chitin_instruction_cp
.hidden __chitin_instruction_cp
.global __chitin_instruction_cp_begin
.hidden __chitin_instruction_cp_begin
.global __chitin_instruction_cp_end
.hidden __chitin_instruction_cp_end
.hidden __cp_cancel
.type __chitin_instruction_cp,%function
__chitin_instruction_cp:
	stp x29,x30,[sp,#-16]!
__chitin_instruction_cp_begin:
	ldr w0,[x0]
	cbz w0,1f
	b __cp_cancel
1:	mov x8,x1
	mov x0,x2
	mov x1,x3
	mov x2,x4
	mov x3,x5
	mov x4,x6
	mov x5,x7
	svc #0
__chitin_instruction_cp_end:
	ldp x29,x30,[sp],#16
	ret
.size __chitin_instruction_cp,.-__chitin_instruction_cp
