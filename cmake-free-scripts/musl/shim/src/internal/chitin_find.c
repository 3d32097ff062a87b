/* Finds the entry that __chitin_entry is to hold: __chitin_syscall of the vDSO, or the real instruction where there is none.
 *
 * It runs inside a syscall, whose caller keeps values in vector registers over it, and before thread-local storage is there: so it
 * uses general registers only, and calls nothing. libc.auxv is set before the first syscall of a static program and of the loader. */
#include <elf.h>
#include <stdint.h>
#include "libc.h"

#pragma GCC target("general-regs-only")

typedef long entry(void);

extern hidden entry *volatile __chitin_entry;
extern hidden entry __chitin_instruction;
hidden entry *__chitin_find(void);

static int same(const char *a, const char *b)
{
	for (; *a == *b; a++, b++)
		if (!*a) return 1;
	return 0;
}

static entry *exported(const Elf64_Ehdr *image, const char *name)
{
	const Elf64_Phdr *segment = (const void *)((const char *)image + image->e_phoff);
	const Elf64_Dyn *dynamic = 0;
	uintptr_t base = -1;
	for (int i = 0; i < image->e_phnum; i++) {
		if (segment[i].p_type == PT_LOAD && base == (uintptr_t)-1)
			base = (uintptr_t)image + segment[i].p_offset - segment[i].p_vaddr;
		else if (segment[i].p_type == PT_DYNAMIC)
			dynamic = (const void *)((const char *)image + segment[i].p_offset);
	}
	if (!dynamic || base == (uintptr_t)-1) return 0;
	const char *strings = 0;
	const Elf64_Sym *symbols = 0;
	const uint32_t *hash = 0;
	for (; dynamic->d_tag; dynamic++) {
		const void *pointer = (const void *)(base + dynamic->d_un.d_ptr);
		if (dynamic->d_tag == DT_STRTAB) strings = pointer;
		if (dynamic->d_tag == DT_SYMTAB) symbols = pointer;
		if (dynamic->d_tag == DT_HASH) hash = pointer;
	}
	if (!strings || !symbols || !hash) return 0;
	/* The table's second word counts the symbols. */
	for (uint32_t i = 0; i < hash[1]; i++)
		if (symbols[i].st_shndx && same(strings + symbols[i].st_name, name))
			return (entry *)(base + symbols[i].st_value);
	return 0;
}

entry *__chitin_find(void)
{
	if (!libc.auxv) return __chitin_instruction;
	entry *found = 0;
	for (size_t *pair = libc.auxv; pair[0]; pair += 2)
		if (pair[0] == AT_SYSINFO_EHDR && pair[1])
			found = exported((const void *)pair[1], "__chitin_syscall");
	if (!found) found = __chitin_instruction;
	__chitin_entry = found;
	return found;
}
