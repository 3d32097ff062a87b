/* vfork, as clone(SIGCHLD | CLONE_VM | CLONE_VFORK, 0): the child runs on the parent's stack and overwrites what is below this
 * function's caller. So the return address is in no memory while it does: a call keeps the vector registers, and C expects no v16. */
.text
.global vfork
.hidden __chitin_entry
.hidden __syscall_ret
.type vfork,%function
vfork:
	fmov d16,x30
	mov x8,#220
	mov x0,#0x4111
	mov x1,#0
	adrp x16,__chitin_entry
	ldr x16,[x16,:lo12:__chitin_entry]
	blr x16
	fmov x30,d16
	b __syscall_ret
