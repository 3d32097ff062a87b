/* __unmapself(stack, size): unmap the stack that the thread stands on, then end the thread. The library OS unmaps what is under a
 * caller's stack pointer when the thread ends; Linux unmaps it at once, so there no call may return. */
.text
.global __unmapself
.hidden __chitin_entry
.hidden __chitin_instruction
.hidden __chitin_instruction_unmapself
.type __unmapself,@function
__unmapself:
	lea __chitin_instruction(%rip),%rax
	cmp %rax,__chitin_entry(%rip)
	je __chitin_instruction_unmapself
	mov $11,%eax
	call *__chitin_entry(%rip)
	xor %edi,%edi
	mov $60,%eax
	call *__chitin_entry(%rip)
	hlt
