//! The library OS as a module: relocated once, here, so that every process shares the frames of its text. `unixd` is laid out the same.

use abi::{PAGE_SIZE, Segment};
use anyhow::{Context, Result, ensure};
use exo::libos_image::{LIBOS_BASE, LIBOS_MAGIC, LIBOS_SEGMENTS, LibosHeader};
use goblin::elf::Elf;
use goblin::elf::program_header::PT_LOAD;

use crate::image::{Words, rights};
use crate::isa::Isa;
use crate::vdso;

/// The section type of packed relative relocations (System V ABI, draft of 2018).
const SHT_RELR: u32 = 19;

/// Make the library OS's module out of the linked file: presented as a vDSO.
pub fn lay_out(program: &[u8], isa: Isa) -> Result<Vec<u8>> {
    module(program, isa, |image| {
        vdso::present(image)?;
        vdso::check(image, isa).context("the image as a vDSO")
    })
}

/// Make `unixd`'s module out of the linked file.
pub fn lay_out_server(program: &[u8], isa: Isa) -> Result<Vec<u8>> {
    module(program, isa, |_| Ok(()))
}

fn module(program: &[u8], isa: Isa, present: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<Vec<u8>> {
    let elf = Elf::parse(program).context("the library OS is no ELF file")?;
    let mut image = Vec::new();
    let mut segments = Vec::new();
    for load in elf.program_headers.iter().filter(|load| load.p_type == PT_LOAD && load.p_memsz > 0) {
        let bytes = program.get(load.p_offset as usize..(load.p_offset + load.p_filesz) as usize).context("a segment is cut off")?;
        let start = load.p_vaddr as usize;
        ensure!(start.is_multiple_of(PAGE_SIZE), "the segment at {start:#x} is not page-aligned");
        let end = (start + load.p_memsz as usize).next_multiple_of(PAGE_SIZE);
        ensure!(end < 1 << 28, "the segment at {start:#x} is too large");
        image.resize(image.len().max(end), 0);
        image[start..start + bytes.len()].copy_from_slice(bytes);
        segments.push(Segment {
            page: (start / PAGE_SIZE) as u64,
            pages: ((end - start) / PAGE_SIZE) as u64,
            rights: rights(load.p_flags)?.bits(),
        });
    }
    ensure!(image.starts_with(b"\x7fELF"), "the first segment does not hold the ELF header");
    relocate(&mut image, &elf, isa)?;
    present(&mut image)?;

    ensure!(segments.len() <= LIBOS_SEGMENTS, "more than {LIBOS_SEGMENTS} segments");
    segments.resize(LIBOS_SEGMENTS, Segment::default());
    let mut module = vec![0; PAGE_SIZE];
    Words::default()
        .word(LIBOS_MAGIC)
        .word(LIBOS_BASE)
        .word(LIBOS_BASE + elf.entry)
        .word(segments.iter().map(|segment| segment.pages).sum())
        .segments(&segments)
        .write(&mut module, size_of::<LibosHeader>());
    for segment in segments {
        let [first, end] = [segment.page, segment.page + segment.pages].map(|page| page as usize * PAGE_SIZE);
        module.extend_from_slice(&image[first..end]);
    }
    Ok(module)
}

/// Apply the relocations. Only "base plus addend" is known: anything else would need a symbol that nobody provides.
fn relocate(image: &mut [u8], elf: &Elf, isa: Isa) -> Result<()> {
    ensure!(elf.dynrels.is_empty() && elf.pltrelocs.is_empty(), "relocations without addends, or of a PLT");
    for relocation in &elf.dynrelas {
        ensure!(
            relocation.r_type == isa.relative_relocation(),
            "a relocation of kind {} at {:#x}: the library OS must not need any symbol",
            relocation.r_type,
            relocation.r_offset
        );
        let place = relocation.r_offset as usize;
        let word = image.get_mut(place..place + 8).context("a relocation outside the image")?;
        let value = LIBOS_BASE.wrapping_add_signed(relocation.r_addend.unwrap_or(0));
        word.copy_from_slice(&value.to_le_bytes());
    }
    let relr = elf.section_headers.iter().any(|section| section.sh_type == SHT_RELR);
    ensure!(!relr, "packed relative relocations, which are not asked for");
    Ok(())
}
