/* __syscall_cp_asm(&self->cancel, number, six arguments): x0 x1 x2 x3 x4 x5 x6 x7
 *
 * A thread that is cancelled with its program counter from __cp_begin up to __cp_end has not begun the call, or will begin it again:
 * the library OS says that a blocked call stands at its call instruction. On Linux the program counter of a blocked call is at the real
 * instruction, so the whole sequence is another one there, between two labels of its own. The link register is on the stack
 * throughout, since the call changes it. */
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
.type __syscall_cp_asm,%function
__syscall_cp_asm:
	adrp x16,__chitin_entry
	ldr x16,[x16,:lo12:__chitin_entry]
	adrp x17,__chitin_instruction
	add x17,x17,:lo12:__chitin_instruction
	cmp x16,x17
	b.ne 1f
	b __chitin_instruction_cp
1:	stp x29,x30,[sp,#-16]!
__cp_begin:
	ldr w0,[x0]
	cbnz w0,__cp_cancel
	mov x8,x1
	mov x0,x2
	mov x1,x3
	mov x2,x4
	mov x3,x5
	mov x4,x6
	mov x5,x7
	blr x16
__cp_end:
	ldp x29,x30,[sp],#16
	ret
__cp_cancel:
	ldp x29,x30,[sp],#16
	b __cancel
