//! The boot image: the first environment's program, laid out as it is to be in memory, and the modules beside it.
//!
//! ELF is parsed here, on the host, so that the kernel need not know it.

use abi::{IMAGE_BASE, IMAGE_MAGIC, IMAGE_MODULES, IMAGE_SEGMENTS, ImageHeader, Module, PAGE_SIZE, Rights, Segment};
use anyhow::{Context, Result, bail, ensure};
use goblin::elf::Elf;
use goblin::elf::program_header::{PF_W, PF_X, PT_LOAD};

/// Pages of the first stack.
const STACK_PAGES: usize = 16;

/// A named module's contents.
pub struct Content {
    /// At most 16 bytes.
    pub name: &'static str,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Lay out a boot image: the program at its addresses, a guard page, the stack, the modules.
pub fn lay_out(program: &[u8], modules: &[Content]) -> Result<Vec<u8>> {
    let elf = Elf::parse(program).context("the first program is no ELF file")?;
    let mut image = vec![0; PAGE_SIZE];
    let mut segments = Vec::new();
    for load in elf.program_headers.iter().filter(|load| load.p_type == PT_LOAD && load.p_memsz > 0) {
        let bytes = program.get(load.p_offset as usize..(load.p_offset + load.p_filesz) as usize).context("a segment is cut off")?;
        ensure!(load.p_vaddr >= IMAGE_BASE + PAGE_SIZE as u64, "a segment at {:#x}, below the image", load.p_vaddr);
        let offset = (load.p_vaddr - IMAGE_BASE) as usize;
        ensure!(offset.is_multiple_of(PAGE_SIZE), "the segment at {:#x} is not page-aligned", load.p_vaddr);
        let end = (offset + load.p_memsz as usize).next_multiple_of(PAGE_SIZE);
        ensure!(end < 1 << 30, "the segment at {:#x} is far from the image", load.p_vaddr);
        image.resize(image.len().max(end), 0);
        image[offset..offset + bytes.len()].copy_from_slice(bytes);
        segments.push(Segment {
            page: (offset / PAGE_SIZE) as u64,
            pages: ((end - offset) / PAGE_SIZE) as u64,
            rights: rights(load.p_flags)?.bits(),
        });
    }
    ensure!(!segments.is_empty(), "the first program has nothing to load");
    let guard = Segment { page: (image.len() / PAGE_SIZE) as u64, pages: 1, rights: Rights::empty().bits() };
    segments.push(guard);
    image.resize(image.len() + (1 + STACK_PAGES) * PAGE_SIZE, 0);
    let stack = IMAGE_BASE + image.len() as u64;
    let modules = append(&mut image, modules)?;

    ensure!(segments.len() <= IMAGE_SEGMENTS, "more than {IMAGE_SEGMENTS} segments");
    segments.resize(IMAGE_SEGMENTS, Segment::default());
    let header = Words::default()
        .word(IMAGE_MAGIC)
        .word((image.len() / PAGE_SIZE) as u64)
        .word(elf.entry)
        .word(stack)
        .segments(&segments)
        .modules(&modules);
    header.write(&mut image, size_of::<ImageHeader>());
    Ok(image)
}

/// Put the modules at page boundaries behind the image.
fn append(image: &mut Vec<u8>, contents: &[Content]) -> Result<Vec<Module>> {
    ensure!(contents.len() <= IMAGE_MODULES, "more than {IMAGE_MODULES} modules");
    let mut modules = Vec::new();
    for content in contents {
        let mut name = [0; 16];
        ensure!(content.name.len() <= name.len(), "the module name {} is too long", content.name);
        name[..content.name.len()].copy_from_slice(content.name.as_bytes());
        modules.push(Module { name, offset: image.len() as u64, length: content.bytes.len() as u64 });
        image.extend_from_slice(&content.bytes);
        image.resize(image.len().next_multiple_of(PAGE_SIZE), 0);
    }
    modules.resize(IMAGE_MODULES, Module::default());
    Ok(modules)
}

/// The rights that a segment's flags ask for.
pub fn rights(flags: u32) -> Result<Rights> {
    Ok(match (flags & PF_W != 0, flags & PF_X != 0) {
        (false, false) => Rights::READ_ONLY,
        (true, false) => Rights::READ_WRITE,
        (false, true) => Rights::READ_EXECUTE,
        (true, true) => bail!("a segment is writable and executable"),
    })
}

/// A header as the little-endian words that both ISAs read it as.
#[derive(Default)]
pub struct Words(Vec<u8>);

impl Words {
    /// One word.
    #[must_use]
    pub fn word(mut self, word: u64) -> Self {
        self.0.extend_from_slice(&word.to_le_bytes());
        self
    }

    /// Segments, three words each.
    #[must_use]
    pub fn segments(self, segments: &[Segment]) -> Self {
        segments.iter().fold(self, |words, segment| words.word(segment.page).word(segment.pages).word(segment.rights))
    }

    fn modules(mut self, modules: &[Module]) -> Self {
        for module in modules {
            self.0.extend_from_slice(&module.name);
            self = self.word(module.offset).word(module.length);
        }
        self
    }

    /// Put the words at the front of `image`. `size` is that of the structure they stand for.
    ///
    /// # Panics
    /// If the structure has another size: the words do not describe it.
    pub fn write(&self, image: &mut [u8], size: usize) {
        assert_eq!(self.0.len(), size, "the header's words are not its structure's");
        image[..size].copy_from_slice(&self.0);
    }
}

#[cfg(test)]
mod tests;
