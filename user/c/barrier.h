/* Which pages of a range were stored to first, for a collector's write barrier: two ways to the same cards.
 *
 * By signal, as on any POSIX system: the pages are read-only, and the handler of SIGSEGV sets the page's card and makes it writable again.
 * Direct, where the vDSO has __chitin_barrier: the library OS, to which the fault comes anyway, does that itself. */
#pragma once
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

enum { BARRIER_PAGE = 4096 };

/* Set the byte `cards[i]` to 1 at the first store to page i of `length` bytes from `start` on, until the same is asked again; a length of 0
 * ends that. Range and cards are private anonymous memory, and stay as they are until then. 0, or a negative errno. */
typedef int barrier_function(void *start, size_t length, unsigned char *cards);

/* A function of the vDSO, or 0. */
static inline void *of_vdso(const char *name)
{
	const Elf64_Ehdr *image = (const void *)getauxval(AT_SYSINFO_EHDR);
	if (!image) return 0;
	const Elf64_Phdr *segment = (const void *)((const char *)image + image->e_phoff);
	const Elf64_Dyn *dynamic = 0;
	uintptr_t base = (uintptr_t)-1;
	for (int i = 0; i < image->e_phnum; i++) {
		if (segment[i].p_type == PT_LOAD && base == (uintptr_t)-1)
			base = (uintptr_t)image + segment[i].p_offset - segment[i].p_vaddr;
		if (segment[i].p_type == PT_DYNAMIC) dynamic = (const void *)((const char *)image + segment[i].p_offset);
	}
	const char *strings = 0;
	const Elf64_Sym *symbols = 0;
	const uint32_t *hash = 0;
	for (; dynamic && dynamic->d_tag; dynamic++) {
		uintptr_t value = dynamic->d_un.d_ptr;
		/* Linux has offsets here, a loaded object addresses. */
		const void *place = (const void *)(value < (uintptr_t)image ? base + value : value);
		if (dynamic->d_tag == DT_STRTAB) strings = place;
		if (dynamic->d_tag == DT_SYMTAB) symbols = place;
		if (dynamic->d_tag == DT_HASH) hash = place;
	}
	if (!strings || !symbols || !hash) return 0;
	for (uint32_t i = 0; i < hash[1]; i++)
		if (symbols[i].st_shndx && !strcmp(strings + symbols[i].st_name, name)) return (void *)(base + symbols[i].st_value);
	return 0;
}

static struct {
	char *start;
	size_t length;
	unsigned char *cards;
} by_signal;

static void note_store(int number, siginfo_t *information, void *context)
{
	(void)context;
	size_t offset = (char *)information->si_addr - by_signal.start;
	if (offset >= by_signal.length) {
		/* A fault of another kind: the next time it is deadly. */
		signal(number, SIG_DFL);
		return;
	}
	size_t page = offset / BARRIER_PAGE;
	by_signal.cards[page] = 1;
	mprotect(by_signal.start + page * BARRIER_PAGE, BARRIER_PAGE, PROT_READ | PROT_WRITE);
}

/* The same by signals, for one range at a time. */
static inline int signal_barrier(void *start, size_t length, unsigned char *cards)
{
	if (!length) return mprotect(by_signal.start, by_signal.length, PROT_READ | PROT_WRITE) ? -errno : 0;
	if (by_signal.start != start) {
		struct sigaction action = {.sa_sigaction = note_store, .sa_flags = SA_SIGINFO};
		if (sigaction(SIGSEGV, &action, 0)) return -errno;
	}
	by_signal.start = start, by_signal.length = length, by_signal.cards = cards;
	return mprotect(start, length, PROT_READ) ? -errno : 0;
}

/* The best there is. */
static inline barrier_function *best_barrier(void)
{
	barrier_function *direct = (barrier_function *)of_vdso("__chitin_barrier");
	return direct ? direct : signal_barrier;
}
