/* Where a signal handler returns to: rt_sigreturn. */
.text
.global __restore
.hidden __restore
.hidden __chitin_entry
.type __restore,%function
__restore:
.global __restore_rt
.hidden __restore_rt
.type __restore_rt,%function
__restore_rt:
	mov x8,#139
	adrp x16,__chitin_entry
	ldr x16,[x16,:lo12:__chitin_entry]
	blr x16
	brk #0
