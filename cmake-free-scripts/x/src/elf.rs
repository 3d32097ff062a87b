//! What every linked file must satisfy before anything boots it.
//!
//! A linker that was not given its script still links, and what comes out may have no code in it, or everything writable. So each file is
//! parsed again and judged by what a loader would make of it.

use goblin::elf::program_header::{PF_W, PF_X, PT_LOAD, ProgramHeader};
use goblin::elf::section_header::SHF_ALLOC;
use goblin::elf::{Elf, header};

use crate::isa::Isa;

/// What a file is checked against.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The machine that it is for.
    pub isa: Isa,
    /// The fewest bytes of code.
    pub text_floor: u64,
}

/// Parse a linked file and check it. Gives all that is wrong with it.
pub fn verify(bytes: &[u8], rules: Rules) -> Result<(), Vec<String>> {
    let elf = Elf::parse(bytes).map_err(|error| vec![format!("not an ELF file: {error}")])?;
    let mut faults = Vec::new();
    if elf.header.e_machine != rules.isa.elf_machine() || !elf.is_64 {
        faults.push(format!("for machine {}, not {}", header::machine_to_str(elf.header.e_machine), rules.isa));
    }
    let loads: Vec<&ProgramHeader> =
        elf.program_headers.iter().filter(|segment| segment.p_type == PT_LOAD && segment.p_memsz > 0).collect();
    let text: Vec<&&ProgramHeader> = loads.iter().filter(|segment| segment.p_flags & PF_X != 0).collect();
    let text_bytes: u64 = text.iter().map(|segment| segment.p_filesz).sum();
    if text_bytes < rules.text_floor {
        faults.push(format!("{text_bytes} bytes of code, fewer than {}: was the linker script used?", rules.text_floor));
    }
    let entry = elf.entry;
    let inside = |start: u64, size: u64| entry >= start && entry - start < size;
    if !text.iter().any(|segment| inside(segment.p_vaddr, segment.p_filesz) || inside(segment.p_paddr, segment.p_filesz)) {
        faults.push(format!("the entry {entry:#x} is outside the code"));
    }
    for segment in &loads {
        if segment.p_flags & PF_W != 0 && segment.p_flags & PF_X != 0 {
            faults.push(format!("the segment at {:#x} is writable and executable", segment.p_vaddr));
        }
    }
    faults.extend(shared_pages(&loads));
    faults.extend(loaded_debug_sections(&elf, &loads));
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Segments that meet in one page cannot have different rights.
fn shared_pages(loads: &[&ProgramHeader]) -> Vec<String> {
    let page = abi::PAGE_SIZE as u64;
    let mut faults = Vec::new();
    for (index, one) in loads.iter().enumerate() {
        for other in &loads[index + 1..] {
            let end = |segment: &ProgramHeader| segment.p_vaddr.saturating_add(segment.p_memsz).div_ceil(page);
            let apart = end(one) <= other.p_vaddr / page || end(other) <= one.p_vaddr / page;
            if !apart && one.p_flags != other.p_flags {
                faults.push(format!("segments of different rights share a page: {:#x} and {:#x}", one.p_vaddr, other.p_vaddr));
            }
        }
    }
    faults
}

fn loaded_debug_sections(elf: &Elf, loads: &[&ProgramHeader]) -> Vec<String> {
    let mut faults = Vec::new();
    for section in &elf.section_headers {
        let name = elf.shdr_strtab.get_at(section.sh_name).unwrap_or("");
        if !name.starts_with(".debug") && !name.starts_with(".zdebug") {
            continue;
        }
        let in_a_segment = loads.iter().any(|segment| {
            section.sh_size > 0
                && section.sh_offset < segment.p_offset + segment.p_filesz
                && segment.p_offset < section.sh_offset + section.sh_size
        });
        if section.sh_flags & u64::from(SHF_ALLOC) != 0 || in_a_segment {
            faults.push(format!("the debug section {name} is in the loaded image"));
        }
    }
    faults
}

#[cfg(test)]
mod tests;
