//! What is read of an ELF file: where its code is, and where functions begin.

use alloc::vec::Vec;
use core::ops::Range;

use goblin::container::{Container, Ctx, Endian};
use goblin::elf::dynamic::{DF_TEXTREL, DT_FLAGS, DT_NULL, DT_TEXTREL};
use goblin::elf::header::{ELFCLASS64, ELFDATA2LSB, Header};
use goblin::elf::program_header::{PF_X, PT_DYNAMIC, PT_GNU_EH_FRAME, PT_LOAD, ProgramHeader};
use goblin::elf::section_header::{SHF_ALLOC, SHF_EXECINSTR, SHT_DYNSYM, SHT_PROGBITS, SHT_SYMTAB, SectionHeader};
use goblin::elf::sym::{STT_FUNC, STT_GNU_IFUNC, STT_NOTYPE, Symtab};
use goblin::elf::{Elf, header};

use crate::{PAGE, Refusal, frames};

const CONTEXT: Ctx = Ctx { container: Container::Big, le: Endian::Little };
const PAGE_WORD: u64 = PAGE as u64;

/// A part of the file that is loaded executable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Offset in the file.
    pub offset: u64,
    /// Address in the image.
    pub address: u64,
    /// Bytes in the file.
    pub size: u64,
}

impl Segment {
    /// Its addresses.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        self.address..self.address + self.size
    }

    /// Offset in the file of an address in it.
    #[must_use]
    pub fn offset_of(&self, address: u64) -> u64 {
        address - self.address + self.offset
    }
}

/// A function, or another range of code that something describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Function {
    /// Its first address.
    pub start: u64,
    /// One past its last; the start again where that is unknown.
    pub end: u64,
}

/// A file, as far as rewriting is concerned.
pub struct Image<'a> {
    /// All of its bytes.
    pub file: &'a [u8],
    /// As ELF numbers it.
    pub machine: u16,
    /// The addresses that it takes, in whole pages.
    pub pages: Range<u64>,
    /// Executable segments.
    pub segments: Vec<Segment>,
    /// Where code is: executable sections, or whole segments where there are no section headers.
    pub code: Vec<Segment>,
    /// Whether `code` is sections.
    pub has_sections: bool,
    /// The first instruction.
    pub entry: u64,
    /// Described code, sorted.
    pub functions: Vec<Function>,
    /// Addresses from which on bytes are data (`$d`) or code (`$x`), sorted.
    pub marks: Vec<(u64, bool)>,
}

impl<'a> Image<'a> {
    /// Read a file.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn read(file: &'a [u8]) -> Result<Image<'a>, Refusal> {
        let header = Elf::parse_header(file).map_err(|_| Refusal::NotAProgram)?;
        let programs = matches!(header.e_type, header::ET_EXEC | header::ET_DYN);
        let kind = (header.e_ident[header::EI_CLASS], header.e_ident[header::EI_DATA]);
        if !programs || kind != (ELFCLASS64, ELFDATA2LSB) || usize::from(header.e_phentsize) != goblin::elf64::program_header::SIZEOF_PHDR {
            return Err(Refusal::NotAProgram);
        }
        let headers =
            ProgramHeader::parse(file, header.e_phoff as usize, usize::from(header.e_phnum), CONTEXT).map_err(|_| Refusal::NotAProgram)?;
        if has_text_relocations(file, &headers) {
            return Err(Refusal::TextRelocations);
        }
        let segments = executable_segments(file, &headers)?;
        let sections = sections(file, &header);
        let code = code_sections(&sections, &segments);
        let has_sections = !code.is_empty();
        let mut image = Image {
            file,
            machine: header.e_machine,
            pages: pages(&headers)?,
            code: if has_sections { code } else { segments.clone() },
            segments,
            has_sections,
            entry: header.e_entry,
            functions: frame_functions(file, &headers),
            marks: Vec::new(),
        };
        image.read_symbols(&sections);
        image.functions.sort_unstable();
        image.functions.dedup();
        image.marks.sort_unstable();
        Ok(image)
    }

    fn read_symbols(&mut self, sections: &[SectionHeader]) {
        each_symbol(self.file, sections, |name, symbol| {
            let kind = symbol.st_type();
            if matches!(kind, STT_FUNC | STT_GNU_IFUNC) && symbol.st_shndx != 0 {
                let end = symbol.st_value.saturating_add(symbol.st_size);
                self.functions.push(Function { start: symbol.st_value, end });
            } else if kind == STT_NOTYPE && (is_mark(name, "$d") || is_mark(name, "$x")) {
                self.marks.push((symbol.st_value, name.starts_with("$d")));
            }
        });
    }

    /// Whether a mapping symbol says that an address is data.
    #[must_use]
    pub fn is_marked_data(&self, address: u64) -> bool {
        let after = self.marks.partition_point(|mark| mark.0 <= address);
        after > 0 && self.marks[after - 1].1
    }

    /// The bytes of a part of the file.
    #[must_use]
    pub fn bytes(&self, part: &Segment) -> &'a [u8] {
        &self.file[part.offset as usize..(part.offset + part.size) as usize]
    }

    /// Offset in the file of an executable address.
    #[must_use]
    pub fn offset_of(&self, address: u64) -> Option<u64> {
        self.segments.iter().find(|segment| segment.range().contains(&address)).map(|segment| segment.offset_of(address))
    }
}

/// The names of functions, for reports.
pub struct Names<'a>(Vec<(u64, u64, &'a str)>);

impl<'a> Names<'a> {
    /// Read a file's.
    #[must_use]
    pub fn read(file: &'a [u8]) -> Names<'a> {
        let mut names = Vec::new();
        if let Ok(header) = Elf::parse_header(file) {
            each_symbol(file, &sections(file, &header), |name, symbol| {
                if matches!(symbol.st_type(), STT_FUNC | STT_GNU_IFUNC | STT_NOTYPE)
                    && symbol.st_shndx != 0
                    && !name.is_empty()
                    && !name.starts_with('$')
                {
                    names.push((symbol.st_value, symbol.st_size, name));
                }
            });
        }
        names.sort_unstable();
        Names(names)
    }

    /// The function that an address is in.
    #[must_use]
    pub fn find(&self, address: u64) -> Option<&'a str> {
        let after = self.0.partition_point(|name| name.0 <= address);
        let holds = |name: &&(u64, u64, &'a str)| address < name.0.saturating_add(name.1.max(1)) || name.1 == 0;
        self.0[..after].iter().rev().take(8).find(holds).map(|name| name.2)
    }
}

/// Whether a symbol's name is a mapping symbol's: alone, or with a suffix after a dot.
fn is_mark(name: &str, mark: &str) -> bool {
    name.strip_prefix(mark).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn executable_segments(file: &[u8], headers: &[ProgramHeader]) -> Result<Vec<Segment>, Refusal> {
    let mut segments = Vec::new();
    for header in headers.iter().filter(|header| header.p_type == PT_LOAD && header.p_flags & PF_X != 0 && header.p_filesz > 0) {
        let end = header.p_offset.checked_add(header.p_filesz).ok_or(Refusal::NotAProgram)?;
        let sane = header.p_offset % PAGE_WORD == header.p_vaddr % PAGE_WORD && header.p_vaddr.checked_add(header.p_memsz).is_some();
        if end > file.len() as u64 || !sane || header.p_filesz > header.p_memsz {
            return Err(Refusal::NotAProgram);
        }
        segments.push(Segment { offset: header.p_offset, address: header.p_vaddr, size: header.p_filesz });
    }
    let pages = |segment: &Segment| segment.offset / PAGE_WORD..(segment.offset + segment.size).div_ceil(PAGE_WORD);
    for (index, one) in segments.iter().enumerate() {
        for other in &segments[index + 1..] {
            let apart = pages(one).end <= pages(other).start || pages(other).end <= pages(one).start;
            if !apart && one.address.wrapping_sub(one.offset) != other.address.wrapping_sub(other.offset) {
                return Err(Refusal::SharedPages);
            }
        }
    }
    Ok(segments)
}

/// The whole pages of all segments.
fn pages(headers: &[ProgramHeader]) -> Result<Range<u64>, Refusal> {
    let loads = || headers.iter().filter(|header| header.p_type == PT_LOAD && header.p_memsz > 0);
    let start = loads().map(|header| header.p_vaddr).min().ok_or(Refusal::NotAProgram)?;
    let end = loads().map(|header| header.p_vaddr.saturating_add(header.p_memsz)).max().ok_or(Refusal::NotAProgram)?;
    let end = end.checked_next_multiple_of(PAGE_WORD).filter(|&end| end < 1 << 47).ok_or(Refusal::NotAProgram)?;
    Ok(start / PAGE_WORD * PAGE_WORD..end)
}

fn has_text_relocations(file: &[u8], headers: &[ProgramHeader]) -> bool {
    let Some(dynamic) = headers.iter().find(|header| header.p_type == PT_DYNAMIC) else { return false };
    let Some(bytes) = part(file, dynamic.p_offset, dynamic.p_filesz) else { return false };
    bytes
        .chunks_exact(16)
        .map(|entry| (word(entry, 0), word(entry, 8)))
        .take_while(|entry| entry.0 != DT_NULL)
        .any(|(tag, value)| tag == DT_TEXTREL || tag == DT_FLAGS && value & DF_TEXTREL != 0)
}

fn sections(file: &[u8], header: &Header) -> Vec<SectionHeader> {
    if usize::from(header.e_shentsize) != goblin::elf64::section_header::SIZEOF_SHDR || header.e_shoff == 0 {
        return Vec::new();
    }
    SectionHeader::parse(file, header.e_shoff as usize, usize::from(header.e_shnum), CONTEXT).unwrap_or_default()
}

/// The executable sections that lie in executable segments as their addresses say.
fn code_sections(sections: &[SectionHeader], segments: &[Segment]) -> Vec<Segment> {
    let wanted = u64::from(SHF_ALLOC | SHF_EXECINSTR);
    let code =
        sections.iter().filter(|section| section.sh_type == SHT_PROGBITS && section.sh_flags & wanted == wanted && section.sh_size > 0);
    code.map(|section| Segment { offset: section.sh_offset, address: section.sh_addr, size: section.sh_size })
        .filter(|section| {
            segments.iter().any(|segment| {
                let inside = section.address >= segment.address
                    && section.size <= segment.size
                    && section.address - segment.address <= segment.size - section.size;
                inside && segment.offset_of(section.address) == section.offset
            })
        })
        .collect()
}

fn frame_functions(file: &[u8], headers: &[ProgramHeader]) -> Vec<Function> {
    let at = |address: u64| {
        let load = headers
            .iter()
            .find(|header| header.p_type == PT_LOAD && address >= header.p_vaddr && address - header.p_vaddr < header.p_filesz)?;
        let start = usize::try_from(address - load.p_vaddr + load.p_offset).ok()?;
        let end = usize::try_from(load.p_offset.checked_add(load.p_filesz)?).ok()?;
        file.get(start..end)
    };
    let header = headers.iter().find(|header| header.p_type == PT_GNU_EH_FRAME);
    header.map(|header| frames::functions(header.p_vaddr, &at)).unwrap_or_default()
}

/// Call `work` for each symbol: those of the full table, or the dynamic ones where there is none.
fn each_symbol<'a>(file: &'a [u8], sections: &[SectionHeader], mut work: impl FnMut(&'a str, &goblin::elf::Sym)) {
    let find = |kind| sections.iter().find(|section| section.sh_type == kind);
    let Some(section) = find(SHT_SYMTAB).or_else(|| find(SHT_DYNSYM)) else { return };
    let count = section.sh_size as usize / goblin::elf64::sym::SIZEOF_SYM;
    let Ok(symbols) = Symtab::parse(file, section.sh_offset as usize, count, CONTEXT) else { return };
    let strings = sections.get(section.sh_link as usize).and_then(|strings| part(file, strings.sh_offset, strings.sh_size)).unwrap_or(&[]);
    for symbol in symbols.iter() {
        work(string(strings, symbol.st_name).unwrap_or(""), &symbol);
    }
}

/// The string at an offset of a table.
fn string(table: &[u8], at: usize) -> Option<&str> {
    let rest = table.get(at..)?;
    let end = rest.iter().position(|&byte| byte == 0)?;
    core::str::from_utf8(&rest[..end]).ok()
}

fn part(file: &[u8], offset: u64, size: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    file.get(start..start.checked_add(usize::try_from(size).ok()?)?)
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
