//! The linker's own output of a program that is stripped where it runs: the same text, with symbols and lines.

use goblin::elf::Elf;
use goblin::elf::program_header::{PF_X, PT_LOAD};

use crate::entry::Flavour;
use crate::isa::Isa;
use crate::tree;

/// Executable segments: address and bytes.
fn text(bytes: &[u8]) -> Option<Vec<(u64, &[u8])>> {
    let elf = Elf::parse(bytes).ok()?;
    let executable = elf.program_headers.iter().filter(|load| load.p_type == PT_LOAD && load.p_flags & PF_X != 0);
    executable.map(|load| Some((load.p_vaddr, bytes.get(load.file_range())?))).collect()
}

/// The address of the function whose name ends so.
pub fn function(bytes: &[u8], end: &str) -> Option<u64> {
    let elf = Elf::parse(bytes).ok()?;
    let named = |name: &str| format!("{:#}", rustc_demangle::demangle(name)).ends_with(end);
    let found = elf.syms.iter().find(|symbol| symbol.is_function() && elf.strtab.get_at(symbol.st_name).is_some_and(named));
    found.map(|symbol| symbol.st_value)
}

/// A guest's file with the symbols that are known of it: the file itself, if there are no others.
pub fn with_symbols(isa: Isa, path: &str, contents: &[u8]) -> Vec<u8> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let own = text(contents);
    let known = Flavour::ALL.map(|flavour| tree::linux_release(isa, flavour).join(name));
    let same = known.iter().filter_map(|path| std::fs::read(path).ok()).find(|bytes| own.is_some() && text(bytes) == own);
    same.unwrap_or_else(|| contents.to_vec())
}
