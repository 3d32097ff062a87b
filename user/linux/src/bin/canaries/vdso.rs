//! Looks a function up in the vDSO, as a libc does (vdso(7)).

/// A dynamic symbol (elf(5), `Elf64_Sym`).
#[repr(C)]
struct Symbol {
    name: u32,
    info: u8,
    other: u8,
    section: u16,
    value: usize,
    size: usize,
}

/// The address of an exported function; none if there is no vDSO or it has none of that name.
pub fn find(wanted: &str) -> Option<usize> {
    const PT_LOAD: u32 = 1;
    const PT_DYNAMIC: u32 = 2;
    const DT_HASH: usize = 4;
    const DT_STRTAB: usize = 5;
    const DT_SYMTAB: usize = 6;
    // SAFETY: the kernel vouches for the image: headers, segments and tables are where its words say.
    unsafe {
        let base = libc::getauxval(libc::AT_SYSINFO_EHDR) as usize;
        if base == 0 {
            return None;
        }
        let word = |address: usize| (address as *const usize).read_unaligned();
        let half = |address: usize| (address as *const u16).read_unaligned() as usize;
        let headers = (0..half(base + 56)).map(|index| base + word(base + 32) + index * half(base + 54));
        let (mut bias, mut dynamic) = (None, None);
        for header in headers {
            match (header as *const u32).read_unaligned() {
                PT_LOAD if bias.is_none() => bias = Some(base.wrapping_add(word(header + 8)).wrapping_sub(word(header + 16))),
                PT_DYNAMIC => dynamic = Some(base + word(header + 8)),
                _ => {}
            }
        }
        let (bias, mut entry) = (bias?, dynamic?);
        let (mut hash, mut strings, mut symbols) = (0, 0, 0);
        while word(entry) != 0 {
            let address = bias.wrapping_add(word(entry + 8));
            match word(entry) {
                DT_HASH => hash = address,
                DT_STRTAB => strings = address,
                DT_SYMTAB => symbols = address,
                _ => {}
            }
            entry += 16;
        }
        if hash == 0 {
            return None;
        }
        let count = (hash as *const u32).add(1).read_unaligned() as usize;
        (0..count).map(|index| &*(symbols as *const Symbol).add(index)).find_map(|symbol| {
            let name = std::ffi::CStr::from_ptr((strings + symbol.name as usize) as *const _);
            (symbol.section != 0 && name.to_bytes() == wanted.as_bytes()).then(|| bias.wrapping_add(symbol.value))
        })
    }
}
