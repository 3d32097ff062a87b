/* Marks for the emulator's profile (cmake-free-scripts/profile/blocks.c): instructions that do nothing, and that nobody else has. */
#pragma once

/* What follows is another operation's. */
static inline void mark_operation(void)
{
#ifdef __x86_64__
	__asm__ __volatile__(".byte 0x0f, 0x1f, 0x80; .ascii \"next\"" : : : "memory");
#else
	__asm__ __volatile__("movz xzr, #0xc416" : : : "memory");
#endif
}

static inline void mark_beginning(void)
{
#ifdef __x86_64__
	__asm__ __volatile__(".byte 0x0f, 0x1f, 0x80; .ascii \"open\"" : : : "memory");
#else
	__asm__ __volatile__("movz xzr, #0xc417" : : : "memory");
#endif
}

static inline void mark_end(void)
{
#ifdef __x86_64__
	__asm__ __volatile__(".byte 0x0f, 0x1f, 0x80; .ascii \"shut\"" : : : "memory");
#else
	__asm__ __volatile__("movz xzr, #0xc418" : : : "memory");
#endif
}
