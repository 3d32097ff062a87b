/* Marks for the emulator's profile (cmake-free-scripts/profile/blocks.c): instructions that do nothing, and that nobody else has. */
#pragma once

#ifdef __x86_64__
#define MARK(word, number) __asm__ __volatile__(".byte 0x0f, 0x1f, 0x80; .ascii \"" word "\"" : : : "memory")
#else
#define MARK(word, number) __asm__ __volatile__("movz xzr, #" number : : : "memory")
#endif

/* What follows is another operation's. */
static inline void mark_operation(void)
{
	MARK("next", "0xc416");
}

static inline void mark_beginning(void)
{
	MARK("open", "0xc417");
}

static inline void mark_end(void)
{
	MARK("shut", "0xc418");
}
