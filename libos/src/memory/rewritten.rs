//! Rewritten text: executable mappings of files in which syscall instructions are jumps (crate `rewrite`).
//!
//! What a file holds stays what read(2) gives. An executable private mapping of an ELF file, placed as its segments ask, shows a
//! [`Text`] instead: the file with patched copies of some pages. Its trampolines lie at a fixed distance, in regions of their own, mapped
//! before any page of the text is. Where that room is taken the file is mapped as it is. The patched pages come from the boot image's
//! overlay, shared by all who have it; for a file without one the rewriter runs here, and they are the mapping's own.
//!
//! A text goes when the last page of it does. It is also undone, its mappings showing the file again, when somebody takes its trampolines' room or
//! moves its pages.

#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use abi::PAGE_SIZE;
use goblin::elf::header::{ELFMAG, EM_AARCH64, EM_X86_64};
use rewrite::elf::Image;
use rewrite::overlay::{self, Overlay};

use crate::errno::Result;
use crate::kernel::Kernel;
use crate::memory::backing::{Backing, Frames, Purpose};
use crate::memory::{Contents, FileMapping, Label, MAPPING_TOP, Memory, PROGRAM_BOTTOM, Placement, Protection, Region};
use crate::user::PROGRAM_TOP;

const MACHINE: u16 = if cfg!(target_arch = "x86_64") { EM_X86_64 } else { EM_AARCH64 };
/// A larger file without an overlay is not rewritten: it would have to be read whole (64 MiB).
const FILE_MOST: u64 = 64 << 20;
/// Room left above the first mapping of an ELF file without an overlay: trampolines of all but huge files fit (4 MiB).
const ROOM: usize = 4 << 20;

/// A file with patched copies of some pages.
pub struct Text {
    original: Arc<dyn Backing>,
    bytes: Bytes,
}

/// An overlay, checked.
enum Bytes {
    /// In the boot image.
    Image(&'static [u8]),
    /// Made here.
    Own(Vec<u8>),
}

impl Text {
    /// The text of a file, if it has sites that can be patched. A malformed overlay is reported, and none.
    fn of<K: Kernel>(kernel: &K, file: &Arc<dyn Backing>) -> Option<Arc<Text>> {
        let bytes = match file.overlay() {
            Some(bytes) if Overlay::read(bytes, file.size(), MACHINE).is_some() => Bytes::Image(bytes),
            Some(_) => {
                kernel.put(b"chitin: a malformed overlay is ignored\n");
                return None;
            }
            None => Bytes::Own(make(&**file)?),
        };
        Some(Arc::new(Text { original: Arc::clone(file), bytes }))
    }

    fn bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Image(bytes) => bytes,
            Bytes::Own(bytes) => bytes,
        }
    }

    fn overlay(&self) -> Option<Overlay<'_>> {
        Overlay::open(self.bytes())
    }

    /// What was added to the file's addresses if its page at `offset` is executed at `start`.
    fn bias(&self, start: usize, offset: u64) -> Option<usize> {
        let page = PAGE_SIZE as u64;
        let holds = |offset: u64, start: u64, size: u64| (start / page * page..start.saturating_add(size)).contains(&offset);
        let segment = self.overlay()?.segments().find(|segment| holds(offset, segment.offset, segment.size))?;
        Some(start.wrapping_sub(segment.address.wrapping_sub(segment.offset).wrapping_add(offset) as usize))
    }

    /// Frames of the overlay that may be mapped.
    fn shown(&self, at: usize, pages: usize) -> Option<Frames> {
        let Bytes::Image(bytes) = self.bytes else { return None };
        let address = bytes.as_ptr().addr() + at;
        address.is_multiple_of(PAGE_SIZE).then_some(Frames { address, pages, writable: false, moved: 0..0 })
    }
}

/// Rewrite a file here and now; gives its overlay.
fn make(file: &dyn Backing) -> Option<Vec<u8>> {
    let size = file.size();
    if size > FILE_MOST || !is_elf(file) {
        return None;
    }
    let mut bytes = vec![0; size as usize];
    let mut done = 0;
    while done < bytes.len() {
        match file.read_at(done as u64, &mut bytes[done..]) {
            Ok(count) if count > 0 => done += count,
            _ => return None,
        }
    }
    let image = Image::read(&bytes).ok().filter(|image| image.machine == MACHINE)?;
    #[cfg(target_arch = "x86_64")]
    let outcome = rewrite::x86_64::rewrite(&image);
    #[cfg(target_arch = "aarch64")]
    let outcome = rewrite::aarch64::rewrite(&image);
    (!outcome.is_empty()).then(|| overlay::encode(&outcome, size))
}

fn is_elf(file: &dyn Backing) -> bool {
    let mut magic = [0; 4];
    matches!(file.read_at(0, &mut magic), Ok(4)) && &magic == ELFMAG
}

/// What an offset in a page leaves of `into`.
fn up_to_page(offset: u64, into: &mut [u8]) -> &mut [u8] {
    let count = into.len().min(PAGE_SIZE - (offset % PAGE_SIZE as u64) as usize);
    &mut into[..count]
}

impl Backing for Text {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize> {
        let within = offset % PAGE_SIZE as u64;
        let into = up_to_page(offset, into);
        let count = self.original.read_at(offset, into)?;
        if let Some(at) = self.overlay().and_then(|overlay| overlay.text_page(offset - within)) {
            into[..count].copy_from_slice(&self.bytes()[at + within as usize..][..count]);
        }
        Ok(count)
    }

    fn size(&self) -> u64 {
        self.original.size()
    }

    fn identity(&self) -> (u64, u64) {
        self.original.identity()
    }

    fn frames(&self, page: u64, most: usize, purpose: Purpose) -> Result<Option<Frames>> {
        let offset = page * PAGE_SIZE as u64;
        let Some(overlay) = self.overlay() else { return Ok(None) };
        if let Some(at) = overlay.text_page(offset) {
            return Ok(self.shown(at, 1));
        }
        let before = overlay.next_text_page(offset).map_or(most, |next| ((next - offset) / PAGE_SIZE as u64) as usize);
        self.original.frames(page, most.min(before), purpose)
    }

    fn is_present(&self, page: u64) -> bool {
        self.original.is_present(page)
    }
}

/// The trampolines of a text, as a file: the overlay itself.
struct Trampolines(Arc<Text>);

impl Backing for Trampolines {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize> {
        let rest = self.0.bytes().get(offset as usize..).unwrap_or(&[]);
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn size(&self) -> u64 {
        self.0.bytes().len() as u64
    }

    fn identity(&self) -> (u64, u64) {
        (0, 0)
    }

    fn frames(&self, page: u64, most: usize, _: Purpose) -> Result<Option<Frames>> {
        Ok(self.0.shown(page as usize * PAGE_SIZE, most))
    }
}

/// A text in the address space.
pub(super) struct Placed {
    text: Arc<Text>,
    /// What its executable mappings show.
    shown: Arc<dyn Backing>,
    /// What its trampolines' regions show.
    trampolines: Arc<dyn Backing>,
    /// What is added to its addresses.
    bias: usize,
}

fn shows(region: &Region, backing: &Arc<dyn Backing>) -> bool {
    matches!(&region.contents, Contents::File(file) if Arc::ptr_eq(&file.backing, backing))
}

/// What image placement needs to know of a text.
pub struct Preparation(Arc<Text>);

impl Preparation {
    /// One past the file's last address that trampolines take.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.0.overlay().map_or(0, |overlay| overlay.span().end)
    }
}

impl Memory {
    /// Look at a program that is about to be mapped. None if it is not to be rewritten.
    pub fn prepare_text<K: Kernel>(&self, kernel: &K, file: &Arc<dyn Backing>) -> Option<Preparation> {
        if self.rewrites { Text::of(kernel, file).map(Preparation) } else { None }
    }

    /// Map the trampolines of a text; gives what its executable segments are to show, and the end of its room.
    pub fn place_text(&mut self, text: Preparation, bias: usize) -> Option<(Arc<dyn Backing>, usize)> {
        let end = (text.end() as usize).wrapping_add(bias);
        self.place_trampolines(text.0, bias).map(|shown| (shown, end))
    }

    fn place_trampolines(&mut self, text: Arc<Text>, bias: usize) -> Option<Arc<dyn Backing>> {
        let runs: Vec<(Range<usize>, usize)> = text
            .overlay()?
            .trampoline_runs()
            .map(|(run, at)| ((run.start as usize).wrapping_add(bias)..(run.end as usize).wrapping_add(bias), at))
            .collect();
        let fits = |run: &Range<usize>| run.start >= PROGRAM_BOTTOM && run.start < run.end && run.end <= PROGRAM_TOP;
        if !runs.iter().all(|(run, _)| fits(run) && self.regions.is_free(run.clone())) {
            return None;
        }
        let trampolines: Arc<dyn Backing> = Arc::new(Trampolines(Arc::clone(&text)));
        let path: Arc<[u8]> = Arc::from(&b"[rewritten]"[..]);
        for (run, at) in runs {
            let file = FileMapping { backing: Arc::clone(&trampolines), offset: at as u64, path: Arc::clone(&path), may_write: false };
            let protection = Protection::READ | Protection::EXECUTE;
            let region = Region {
                end: run.end,
                protection,
                shared: false,
                locked: false,
                contents: Contents::File(Box::new(file)),
                label: Label::None,
            };
            self.regions.insert(run.start, region);
        }
        let shown: Arc<dyn Backing> = text.clone();
        self.placed.push(Placed { text, shown: Arc::clone(&shown), trampolines, bias });
        Some(shown)
    }

    /// Let a new private mapping of a file show rewritten text, if it is one of an ELF file's text in its place; and leave room for
    /// trampolines above a new mapping of a whole ELF file.
    #[inline(always)]
    pub fn rewrite_mapping<K: Kernel>(&mut self, kernel: &K, placement: &mut Placement, length: usize, region: &mut Region) {
        if self.rewrites && !region.shared && matches!(region.contents, Contents::File(_)) {
            self.rewrite_file_mapping(kernel, placement, length, region);
        }
    }

    #[inline(never)]
    fn rewrite_file_mapping<K: Kernel>(&mut self, kernel: &K, placement: &mut Placement, length: usize, region: &mut Region) {
        let Contents::File(file) = &mut region.contents else { return };
        if let Placement::Hint(hint) = *placement
            && (file.offset == 0 || region.protection.contains(Protection::EXECUTE))
            && let Some(start) = self.roomy(&*file.backing, hint, length)
        {
            *placement = Placement::Fixed(start);
        }
        let (Placement::Fixed(start) | Placement::FixedFree(start)) = *placement else { return };
        // Only what `map` will not refuse: trampolines come before their text.
        let end = start.checked_add(length).filter(|&end| end <= PROGRAM_TOP && start >= PROGRAM_BOTTOM && start.is_multiple_of(PAGE_SIZE));
        let free = |end| !matches!(placement, Placement::FixedFree(_)) || self.regions.is_free(start..end);
        let Some(end) = end.filter(|&end| free(end)) else { return };
        if region.protection.contains(Protection::EXECUTE)
            && !region.protection.contains(Protection::WRITE)
            && let Some(shown) = self.text_at(kernel, &file.backing, start..end, file.offset)
        {
            file.backing = shown;
        }
    }

    /// A place with room above it for trampolines.
    fn roomy(&mut self, file: &dyn Backing, hint: usize, length: usize) -> Option<usize> {
        let room = match file.overlay().and_then(|bytes| Overlay::read(bytes, file.size(), MACHINE)) {
            Some(overlay) => (overlay.span().end - overlay.image().end) as usize,
            None if is_elf(file) => ROOM,
            None => return None,
        };
        let whole = length.checked_add(room)?;
        let end = hint.checked_add(whole)?;
        if hint >= PROGRAM_BOTTOM && hint.is_multiple_of(PAGE_SIZE) && end <= PROGRAM_TOP && self.regions.is_free(hint..end) {
            return Some(hint);
        }
        self.regions.gap(whole, PAGE_SIZE, PROGRAM_BOTTOM.max(0x1_0000)..MAPPING_TOP)
    }

    /// The text that the file's page at `offset` belongs to if it is executed at the start of `range`.
    fn text_at<K: Kernel>(&mut self, kernel: &K, file: &Arc<dyn Backing>, range: Range<usize>, offset: u64) -> Option<Arc<dyn Backing>> {
        let same = |placed: &Placed| Arc::ptr_eq(&placed.text.original, file) && placed.text.bias(range.start, offset) == Some(placed.bias);
        if let Some(index) = self.placed.iter().position(same) {
            // What was made here may be older than the file: only for its other segments it is taken again.
            let again = self.regions.overlapping(range.clone()).any(|(_, region)| shows(region, &self.placed[index].shown));
            if !again || matches!(self.placed[index].text.bytes, Bytes::Image(_)) {
                return Some(Arc::clone(&self.placed[index].shown));
            }
            self.undo(kernel, index);
        }
        let text = Text::of(kernel, file)?;
        let bias = text.bias(range.start, offset)?;
        self.place_trampolines(text, bias)
    }

    /// Before the mappings of a range go: undo the texts whose trampolines are in it; gives those whose pages are.
    #[inline(always)]
    pub(super) fn disturb_texts<K: Kernel>(&mut self, kernel: &K, range: &Range<usize>) -> Vec<Arc<dyn Backing>> {
        if self.placed.is_empty() { Vec::new() } else { self.disturb_placed(kernel, range) }
    }

    #[inline(never)]
    fn disturb_placed<K: Kernel>(&mut self, kernel: &K, range: &Range<usize>) -> Vec<Arc<dyn Backing>> {
        let mut index = 0;
        while index < self.placed.len() {
            let trampolines = &self.placed[index].trampolines;
            if self.regions.overlapping(range.clone()).any(|(_, region)| shows(region, trampolines)) {
                self.undo(kernel, index);
            } else {
                index += 1;
            }
        }
        let touched = |placed: &&Placed| self.regions.overlapping(range.clone()).any(|(_, region)| shows(region, &placed.shown));
        self.placed.iter().filter(touched).map(|placed| Arc::clone(&placed.shown)).collect()
    }

    /// After mappings went: remove the trampolines of texts of which no page is left.
    pub(super) fn settle_texts<K: Kernel>(&mut self, kernel: &K, touched: &[Arc<dyn Backing>]) {
        for shown in touched {
            let gone = !self.regions.iter().any(|(_, region)| shows(region, shown));
            if gone && let Some(index) = self.placed.iter().position(|placed| Arc::ptr_eq(&placed.shown, shown)) {
                self.undo(kernel, index);
            }
        }
    }

    /// Undo the texts that a range shows: it is to be moved.
    pub(super) fn undo_texts<K: Kernel>(&mut self, kernel: &K, range: &Range<usize>) {
        for shown in self.disturb_texts(kernel, range) {
            if let Some(index) = self.placed.iter().position(|placed| Arc::ptr_eq(&placed.shown, &shown)) {
                self.undo(kernel, index);
            }
        }
    }

    /// Let a text's mappings show the file again, and remove its trampolines.
    fn undo<K: Kernel>(&mut self, kernel: &K, index: usize) {
        let placed = self.placed.remove(index);
        let regions = |memory: &Memory, backing: &Arc<dyn Backing>| -> Vec<(usize, Region)> {
            memory.regions.iter().filter(|(_, region)| shows(region, backing)).map(|(start, region)| (start, region.clone())).collect()
        };
        for (start, mut region) in regions(self, &placed.shown) {
            self.discard(kernel, start..region.end);
            if let Contents::File(file) = &mut region.contents {
                file.backing = Arc::clone(&placed.text.original);
            }
            self.regions.insert(start, region);
        }
        for (start, region) in regions(self, &placed.trampolines) {
            self.discard(kernel, start..region.end);
            self.regions.remove(start..region.end);
        }
    }

    /// Whether any rewritten text is shown.
    #[must_use]
    pub fn has_texts(&self) -> bool {
        !self.placed.is_empty()
    }

    /// Where a program goes on that faulted at `pc` because of what the rewriter made of it.
    #[must_use]
    pub fn resume_rewritten(&self, pc: usize) -> Option<usize> {
        let (_, region) = self.regions.find(pc)?;
        let placed = self.placed.iter().find(|placed| shows(region, &placed.shown) || shows(region, &placed.trampolines))?;
        let resume = placed.text.overlay()?.resume(pc.wrapping_sub(placed.bias) as u64)?;
        Some((resume as usize).wrapping_add(placed.bias))
    }

    /// The address in the program's own text that an address in a trampoline stands for.
    #[must_use]
    pub fn original_of(&self, pc: usize) -> Option<usize> {
        let (_, region) = self.regions.find(pc)?;
        let placed = self.placed.iter().find(|placed| shows(region, &placed.trampolines))?;
        let original = placed.text.overlay()?.original(pc.wrapping_sub(placed.bias) as u64)?;
        Some((original as usize).wrapping_add(placed.bias))
    }
}
