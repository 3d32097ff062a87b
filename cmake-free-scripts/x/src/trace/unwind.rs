//! Backtraces from registers and a copy of the stack, by the unwind tables of the files, with their symbols and lines.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use framehop::aarch64::{CacheAarch64, UnwindRegsAarch64, UnwinderAarch64};
use framehop::x86_64::{CacheX86_64, UnwindRegsX86_64, UnwinderX86_64};
use framehop::{ExplicitModuleSectionInfo, FrameAddress, Unwinder};
use gimli::{BaseAddresses, CieOrFde, DebugFrame, Dwarf, EndianArcSlice, LittleEndian, SectionId, UnwindSection};
use goblin::elf::Elf;
use goblin::elf::program_header::{PF_X, PT_LOAD};
use goblin::elf::sym::STT_FUNC;

/// The most frames that are told.
const FRAMES_MOST: usize = 64;

/// Where a thread was.
pub struct State {
    /// Of which ISA: x86_64, or aarch64.
    pub is_x86_64: bool,
    /// The program counter.
    pub pc: u64,
    /// The stack pointer.
    pub sp: u64,
    /// The frame pointer.
    pub frame: u64,
    /// aarch64: the link register.
    pub link: u64,
}

/// A frame of a backtrace.
pub struct Frame {
    /// Its address.
    pub address: u64,
    /// The innermost function first: what was inlined there, and where.
    places: Vec<String>,
}

impl fmt::Display for Frame {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.places.join("\n                          inlined in "))
    }
}

type Lines = addr2line::Context<EndianArcSlice<LittleEndian>>;

/// A linked file that is mapped.
pub struct Module {
    path: String,
    bytes: Vec<u8>,
    /// Where it is.
    range: Range<u64>,
    /// What is added to its addresses.
    bias: u64,
    /// Functions: address, bytes, name.
    functions: Vec<(u64, u64, String)>,
    lines: Option<Lines>,
    /// Functions that tables for debuggers tell of.
    debug_ranges: Vec<Range<u64>>,
}

/// Which of a file's tables say how to leave a function.
#[derive(Clone, Copy)]
enum Tables {
    /// Those for exceptions.
    Exceptions,
    /// Those for debuggers.
    Debug,
}

impl Module {
    /// A file whose bytes from `offset` on are mapped at `start`; its last mapping ends at `end`.
    pub fn new(path: &str, bytes: Vec<u8>, start: u64, offset: u64, end: u64) -> Option<Module> {
        let elf = Elf::parse(&bytes).ok()?;
        let loads = || elf.program_headers.iter().filter(|load| load.p_type == PT_LOAD);
        // Two segments may have parts of one page of the file: the mapping is executable.
        let executable = || loads().filter(|load| load.p_flags & PF_X != 0);
        let holder = executable().find(|load| (load.p_offset & !0xfff..load.p_offset + load.p_filesz).contains(&offset))?;
        let bias = start.wrapping_sub(holder.p_vaddr.wrapping_add(offset.wrapping_sub(holder.p_offset)));
        let lowest = loads().map(|load| load.p_vaddr & !0xfff).min()?;
        let mut functions: Vec<(u64, u64, String)> = Vec::new();
        for (table, names) in [(&elf.syms, &elf.strtab), (&elf.dynsyms, &elf.dynstrtab)] {
            let wanted = table.iter().filter(|symbol| symbol.st_type() == STT_FUNC && symbol.st_shndx != 0);
            functions.extend(wanted.filter_map(|symbol| Some((symbol.st_value, symbol.st_size, names.get_at(symbol.st_name)?.to_owned()))));
        }
        functions.sort();
        let (lines, debug_ranges) = (lines_of(&elf, &bytes), told_by_debug(&elf, &bytes));
        let range = lowest.wrapping_add(bias)..end;
        Some(Module { path: path.to_owned(), range, bias, functions, lines, debug_ranges, bytes })
    }

    /// Its path in the guest.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What the unwinder is given of it.
    fn sections(&self) -> ExplicitModuleSectionInfo<Vec<u8>> {
        let Ok(elf) = Elf::parse(&self.bytes) else { return ExplicitModuleSectionInfo::default() };
        let find = |name: &str| {
            let section = elf.section_headers.iter().find(|section| elf.shdr_strtab.get_at(section.sh_name) == Some(name))?;
            let bytes = self.bytes.get(section.file_range()?)?.to_vec();
            Some((section.sh_addr..section.sh_addr + section.sh_size, bytes))
        };
        let (text, frames, header) = (find(".text"), find(".eh_frame"), find(".eh_frame_hdr"));
        ExplicitModuleSectionInfo {
            text_svma: text.clone().map(|(range, _)| range),
            text: text.map(|(_, bytes)| bytes),
            got_svma: find(".got").map(|(range, _)| range),
            eh_frame_svma: frames.clone().map(|(range, _)| range),
            eh_frame: frames.map(|(_, bytes)| bytes),
            eh_frame_hdr_svma: header.clone().map(|(range, _)| range),
            eh_frame_hdr: header.map(|(_, bytes)| bytes),
            debug_frame: find(".debug_frame").map(|(_, bytes)| bytes),
            ..ExplicitModuleSectionInfo::default()
        }
    }

    /// What the unwinder knows it as.
    fn for_unwinder(&self, tables: Tables) -> framehop::Module<Vec<u8>> {
        let all = self.sections();
        let sections = match tables {
            Tables::Exceptions => ExplicitModuleSectionInfo { debug_frame: None, ..all },
            Tables::Debug => ExplicitModuleSectionInfo { eh_frame: None, eh_frame_hdr: None, ..all },
        };
        framehop::Module::new(self.path.clone(), self.range.clone(), self.bias, sections)
    }

    /// Whether tables for debuggers tell how to leave the function at an address of memory.
    fn is_told_by_debug(&self, address: u64) -> bool {
        let own = address.wrapping_sub(self.bias);
        self.range.contains(&address) && self.debug_ranges.iter().any(|range| range.contains(&own))
    }

    /// The functions that an address of memory is in, the innermost first.
    fn places(&self, address: u64) -> Vec<String> {
        let own = address.wrapping_sub(self.bias);
        let mut places = Vec::new();
        if let Some(lines) = &self.lines
            && let Ok(mut frames) = lines.find_frames(own).skip_all_loads()
        {
            while let Ok(Some(frame)) = frames.next() {
                let Some(function) = &frame.function else { continue };
                let name = function.raw_name().map_or_else(|_| "?".into(), |name| format!("{:#}", rustc_demangle::demangle(&name)));
                let line = frame.location.as_ref().and_then(|at| Some(format!(" at {}:{}", at.file?, at.line?)));
                places.push(format!("{name}{}", line.unwrap_or_default()));
            }
        }
        if places.is_empty() {
            let function = self.functions.iter().rev().find(|(start, _, _)| *start <= own);
            let known = function.filter(|(start, size, _)| *size == 0 || own - start < *size);
            places.push(known.map_or_else(
                || format!("{}+{own:#x}", self.path),
                |(start, _, name)| format!("{:#}+{:#x}", rustc_demangle::demangle(name), own - start),
            ));
        }
        if let Some(last) = places.last_mut() {
            *last += &format!(" ({})", self.path);
        }
        places
    }
}

fn lines_of(elf: &Elf, bytes: &[u8]) -> Option<Lines> {
    let section = |id: SectionId| -> Result<EndianArcSlice<LittleEndian>, ()> {
        let header = elf.section_headers.iter().find(|section| elf.shdr_strtab.get_at(section.sh_name) == Some(id.name()));
        let bytes = header.and_then(|header| bytes.get(header.file_range()?)).unwrap_or_default();
        Ok(EndianArcSlice::new(Arc::from(bytes), LittleEndian))
    };
    Lines::from_dwarf(Dwarf::load(section).ok()?).ok()
}

/// Addresses of functions that `.debug_frame` tells of: those of C libraries without tables for exceptions, say.
fn told_by_debug(elf: &Elf, bytes: &[u8]) -> Vec<Range<u64>> {
    let header = elf.section_headers.iter().find(|section| elf.shdr_strtab.get_at(section.sh_name) == Some(".debug_frame"));
    let Some(bytes) = header.and_then(|header| bytes.get(header.file_range()?)) else { return Vec::new() };
    let mut section = DebugFrame::new(bytes, LittleEndian);
    section.set_address_size(size_of::<u64>() as u8);
    let bases = BaseAddresses::default();
    let mut entries = section.entries(&bases);
    let mut ranges = Vec::new();
    while let Ok(Some(entry)) = entries.next() {
        if let CieOrFde::Fde(partial) = entry
            && let Ok(known) = partial.parse(DebugFrame::cie_from_offset)
        {
            ranges.push(known.initial_address()..known.initial_address() + known.len());
        }
    }
    ranges
}

/// Addresses of frames, and where to look for what they are in. There are two unwinders: for tables of exceptions, and of debuggers.
fn addresses<U: Unwinder<Module = framehop::Module<Vec<u8>>>>(
    mut unwinders: [U; 2],
    mut registers: U::UnwindRegs,
    mut caches: [U::Cache; 2],
    pc: u64,
    modules: &[Module],
    word: impl Fn(u64) -> Option<u64>,
) -> Vec<(u64, u64)> {
    for (unwinder, tables) in unwinders.iter_mut().zip([Tables::Exceptions, Tables::Debug]) {
        modules.iter().for_each(|module| unwinder.add_module(module.for_unwinder(tables)));
    }
    let mut read = |address| word(address).ok_or(());
    let mut found = Vec::new();
    let mut next = Some(FrameAddress::from_instruction_pointer(pc));
    while let Some(frame) = next.filter(|_| found.len() < FRAMES_MOST) {
        let within = frame.address_for_lookup();
        found.push((frame.address(), within));
        let which = usize::from(modules.iter().any(|module| module.is_told_by_debug(within)));
        let caller = unwinders[which].unwind_frame(frame, &mut registers, &mut caches[which], &mut read);
        next = caller.ok().flatten().and_then(FrameAddress::from_return_address);
    }
    found
}

/// The frames of a thread, the innermost first. `word` reads its stack.
pub fn backtrace(state: &State, modules: &[Module], word: impl Fn(u64) -> Option<u64>) -> Vec<Frame> {
    let &State { pc, sp, frame, link, .. } = state;
    let found = if state.is_x86_64 {
        addresses(
            [UnwinderX86_64::new(), UnwinderX86_64::new()],
            UnwindRegsX86_64::new(pc, sp, frame),
            [CacheX86_64::<_>::new(), CacheX86_64::<_>::new()],
            pc,
            modules,
            word,
        )
    } else {
        addresses(
            [UnwinderAarch64::new(), UnwinderAarch64::new()],
            UnwindRegsAarch64::new(link, sp, frame),
            [CacheAarch64::<_>::new(), CacheAarch64::<_>::new()],
            pc,
            modules,
            word,
        )
    };
    let places = |address: u64| {
        let module = modules.iter().find(|module| module.range.contains(&address));
        module.map_or_else(|| vec!["(in no file that is known here)".into()], |module| module.places(address))
    };
    found.into_iter().map(|(address, within)| Frame { address, places: places(within) }).collect()
}
