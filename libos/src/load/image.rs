//! A program's segments as regions.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use abi::PAGE_SIZE;
use goblin::elf64::program_header::{PF_R, PF_W, PF_X, PT_LOAD, PT_PHDR, ProgramHeader};

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::load::Executable;
use crate::load::elf::Program;
use crate::memory::backing::Backing;
use crate::memory::rewritten::Preparation;
use crate::memory::{
    Contents, FileMapping, Label, MAPPING_TOP, Memory, PROGRAM_BOTTOM, Placement, Protection, Region, is_in_a_file, may_reserve, pages_up,
};
use crate::user::PROGRAM_TOP;
use crate::vfs::node::Role;

/// Where a position-independent program goes: two thirds up, where Linux puts it without randomization.
const RELOCATABLE_BASE: usize = if cfg!(target_arch = "x86_64") { 0x5555_5555_4000 } else { 0x5555_5555_0000 };

/// A program in memory.
#[derive(Debug)]
pub struct Image {
    /// What was added to its addresses.
    pub bias: usize,
    /// Its first instruction.
    pub entry: usize,
    /// Where its program headers are.
    pub headers: usize,
    /// One past its last page: where the heap begins.
    pub end: usize,
    /// Bytes to be zeroed: what follows segments' contents in their last pages.
    pub tails: Vec<Range<usize>>,
}

/// Map a program; an interpreter goes among the mappings instead.
///
/// # Errors
/// `EINVAL`: no segments, or one that makes no sense. Others as `Memory::map`.
pub fn map<K: Kernel>(memory: &mut Memory, kernel: &K, program: &Program, file: &Executable, role: Role) -> Result<Image> {
    let segments: Vec<&ProgramHeader> = program.headers.iter().filter(|header| header.p_type == PT_LOAD).collect();
    for segment in &segments {
        check(segment)?;
    }
    let text = memory.prepare_text(kernel, &file.backing);
    let room = text.as_ref().map_or(0, Preparation::end);
    let bias = if program.is_relocatable() { bias(memory, &segments, role, room)? } else { 0 };
    let text = text.and_then(|text| memory.place_text(text, bias));
    let entry = (program.header.e_entry as usize).wrapping_add(bias);
    let mut image = Image { bias, entry, headers: 0, end: 0, tails: Vec::new() };
    let shown = text.as_ref().map(|text| &text.0);
    for (index, segment) in segments.iter().enumerate() {
        map_segment(memory, kernel, segment, file, shown, &mut image, index == 0)?;
    }
    if let Some((_, end)) = text {
        image.end = image.end.max(end);
    }
    if entry >= PROGRAM_TOP {
        return Err(Errno::EINVAL);
    }
    image.headers = headers_address(program, &segments, bias);
    Ok(image)
}

/// The checks that Linux makes of each segment.
fn check(segment: &ProgramHeader) -> Result<()> {
    let top = PROGRAM_TOP as u64;
    let fits = segment.p_vaddr < top && segment.p_memsz <= top && top - segment.p_memsz >= segment.p_vaddr;
    if segment.p_filesz > segment.p_memsz || !fits || segment.p_offset % PAGE_SIZE as u64 != segment.p_vaddr % PAGE_SIZE as u64 {
        return Err(Errno::EINVAL);
    }
    if segment.p_filesz > 0 && !is_in_a_file(segment.p_offset, segment.p_filesz) {
        return Err(Errno::EOVERFLOW);
    }
    Ok(())
}

/// Where a relocatable program goes: all of its span free, up to its address `room` at least, at a multiple of its largest alignment.
fn bias(memory: &mut Memory, segments: &[&ProgramHeader], role: Role, room: u64) -> Result<usize> {
    let low = segments.iter().map(|segment| segment.p_vaddr as usize).min().ok_or(Errno::EINVAL)? & !(PAGE_SIZE - 1);
    let high = segments.iter().map(|segment| (segment.p_vaddr + segment.p_memsz) as usize).max().ok_or(Errno::EINVAL)?;
    let high = high.max(room as usize);
    let span = pages_up(high - low).ok_or(Errno::ENOMEM)?;
    let aligned = segments.iter().map(|segment| segment.p_align as usize).filter(|align| align.is_power_of_two());
    let alignment = aligned.max().unwrap_or(PAGE_SIZE).max(PAGE_SIZE);
    let base = RELOCATABLE_BASE.checked_next_multiple_of(alignment).ok_or(Errno::ENOMEM)?;
    let free = role == Role::Program && base.checked_add(span).is_some_and(|end| end <= MAPPING_TOP && memory.regions.is_free(base..end));
    let start = if free { base } else { memory.regions.gap(span, alignment, PROGRAM_BOTTOM..MAPPING_TOP).ok_or(Errno::ENOMEM)? };
    Ok(start.wrapping_sub(low))
}

fn map_segment<K: Kernel>(
    memory: &mut Memory,
    kernel: &K,
    segment: &ProgramHeader,
    file: &Executable,
    text: Option<&Arc<dyn Backing>>,
    image: &mut Image,
    first: bool,
) -> Result<()> {
    let address = (segment.p_vaddr as usize).wrapping_add(image.bias);
    let (start, inside) = (address & !(PAGE_SIZE - 1), address % PAGE_SIZE);
    let contents_end = address + segment.p_filesz as usize;
    let pages_end = if segment.p_filesz == 0 { start } else { pages_up(contents_end).ok_or(Errno::ENOMEM)? };
    let end = pages_up(address + segment.p_memsz as usize).ok_or(Errno::ENOMEM)?;
    let protection = protection(segment.p_flags);
    let place = |at| if first { Placement::FixedFree(at) } else { Placement::Fixed(at) };
    if pages_end > start {
        let offset = segment.p_offset - inside as u64;
        let text = text.filter(|_| protection.contains(Protection::EXECUTE) && !protection.contains(Protection::WRITE));
        let backing = Arc::clone(text.unwrap_or(&file.backing));
        let contents = Contents::File(Box::new(FileMapping { backing, offset, path: Arc::clone(&file.path), may_write: false }));
        let region = Region { end: pages_end, protection, shared: false, locked: false, contents, label: Label::None };
        memory.map(kernel, place(start), pages_end - start, region)?;
    }
    if end > pages_end {
        if !may_reserve(kernel, end - pages_end) {
            return Err(Errno::ENOMEM);
        }
        memory.map(kernel, place(pages_end), end - pages_end, Region::anonymous(end, protection, Label::None))?;
    }
    if segment.p_memsz > segment.p_filesz && pages_end > contents_end {
        image.tails.push(contents_end..pages_end);
    }
    image.end = image.end.max(end);
    Ok(())
}

fn protection(flags: u32) -> Protection {
    let mut protection = Protection::empty();
    protection.set(Protection::READ, flags & PF_R != 0);
    protection.set(Protection::WRITE, flags & PF_W != 0);
    protection.set(Protection::EXECUTE, flags & PF_X != 0);
    protection
}

/// Where the program headers are in memory: what `AT_PHDR` says.
fn headers_address(program: &Program, segments: &[&ProgramHeader], bias: usize) -> usize {
    if let Some(header) = program.headers.iter().find(|header| header.p_type == PT_PHDR) {
        return (header.p_vaddr as usize).wrapping_add(bias);
    }
    let offset = program.header.e_phoff;
    let holder = segments.iter().find(|segment| segment.p_offset <= offset && offset < segment.p_offset + segment.p_filesz);
    holder.map_or(0, |segment| (offset - segment.p_offset + segment.p_vaddr) as usize).wrapping_add(if holder.is_some() { bias } else { 0 })
}
