//! The outcome of a rewriting as one file, read where it lies.
//!
//! ```text
//! 0      header: 16 words of 8 bytes, little-endian like all that follows
//!          0  magic                     8  text pages
//!          1  version and machine       9  trampoline pages
//!          2  bytes of the original    10  entries
//!          3  image's first page       11  origins
//!          4  image's end              12  sites that were patched
//!          5  trampolines' first page  13  sites that were left
//!          6  trampolines' end         14  bytes of the whole
//!          7  executable segments      15  offset of the first page
//!        segments: {offset, address, size}
//!        places of the text pages: offsets in the original, sorted
//!        places of the trampoline pages: addresses, sorted
//!        entries: {fault, resume}, sorted
//!        origins: {trampoline, original}, sorted
//! page   the text pages, then the trampoline pages
//! ```
//!
//! A reader takes nothing for granted: every count is checked against the length, every list against its order.

use alloc::vec::Vec;
use core::ops::Range;

use crate::{Entry, Origin, PAGE, Rewriting, Segment};

/// Folder in the archive under which a file's overlay has the file's own path.
pub const FOLDER: &str = ".chitin/rewritten";

const MAGIC: u64 = u64::from_le_bytes(*b"chitinRW");
/// Counts up with the format.
const VERSION: u64 = 1;
const HEADER_WORDS: usize = 16;
const WORD: usize = 8;

/// Write an overlay for a file of `size` bytes.
#[must_use]
pub fn encode(rewriting: &Rewriting, size: u64) -> Vec<u8> {
    let places = |pages: &[crate::Page]| pages.iter().map(|page| page.place).collect::<Vec<u64>>();
    let mut lists: Vec<u64> = rewriting.segments.iter().flat_map(|segment| [segment.offset, segment.address, segment.size]).collect();
    lists.extend(places(&rewriting.text));
    lists.extend(places(&rewriting.trampolines));
    lists.extend(rewriting.entries.iter().flat_map(|entry| [entry.fault, entry.resume]));
    lists.extend(rewriting.origins.iter().flat_map(|origin| [origin.trampoline, origin.original]));
    let first = ((HEADER_WORDS + lists.len()) * WORD).next_multiple_of(PAGE);
    let pages = rewriting.text.len() + rewriting.trampolines.len();
    let patched = rewriting.patched();
    let header: [u64; HEADER_WORDS] = [
        MAGIC,
        VERSION << 32 | u64::from(rewriting.machine),
        size,
        rewriting.image.start,
        rewriting.image.end,
        rewriting.trampolines.first().map_or(rewriting.image.end, |page| page.place),
        rewriting.trampolines.last().map_or(rewriting.image.end, |page| page.place + PAGE as u64),
        rewriting.segments.len() as u64,
        rewriting.text.len() as u64,
        rewriting.trampolines.len() as u64,
        rewriting.entries.len() as u64,
        rewriting.origins.len() as u64,
        patched as u64,
        (rewriting.sites.len() - patched) as u64,
        (first + pages * PAGE) as u64,
        first as u64,
    ];
    let mut bytes: Vec<u8> = header.iter().chain(&lists).flat_map(|word| word.to_le_bytes()).collect();
    bytes.resize(first, 0);
    for page in rewriting.text.iter().chain(&rewriting.trampolines) {
        bytes.extend_from_slice(&page.bytes);
    }
    bytes
}

/// An overlay, checked.
#[derive(Clone, Copy, Debug)]
pub struct Overlay<'a> {
    bytes: &'a [u8],
    segments: List<'a>,
    text: List<'a>,
    trampolines: List<'a>,
    entries: List<'a>,
    origins: List<'a>,
    first: usize,
}

/// A list of records of some words each.
#[derive(Clone, Copy, Debug)]
struct List<'a> {
    bytes: &'a [u8],
    words: usize,
}

impl<'a> List<'a> {
    /// The first `count` records of `words` words; the rest.
    fn split(bytes: &'a [u8], count: u64, words: usize) -> Option<(List<'a>, &'a [u8])> {
        let length = usize::try_from(count).ok()?.checked_mul(words * WORD)?;
        let (bytes, rest) = bytes.split_at_checked(length)?;
        Some((List { bytes, words }, rest))
    }

    fn len(&self) -> usize {
        self.bytes.len() / WORD / self.words
    }

    fn word(&self, index: usize, word: usize) -> u64 {
        read(self.bytes, index * self.words + word)
    }

    fn is_sorted(&self) -> bool {
        (1..self.len()).all(|index| self.word(index - 1, 0) < self.word(index, 0))
    }

    fn is_of_pages(&self) -> bool {
        (0..self.len()).all(|index| self.word(index, 0).is_multiple_of(PAGE as u64))
    }

    /// The record whose first word is `key`.
    fn find(&self, key: u64) -> Option<usize> {
        let index = self.partition(key);
        (index < self.len() && self.word(index, 0) == key).then_some(index)
    }

    /// The first record whose first word is not below `key`.
    fn partition(&self, key: u64) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.word(middle, 0) < key { low = middle + 1 } else { high = middle }
        }
        low
    }
}

fn read(bytes: &[u8], index: usize) -> u64 {
    bytes.get(index * WORD..(index + 1) * WORD).and_then(|word| word.try_into().ok()).map_or(0, u64::from_le_bytes)
}

impl<'a> Overlay<'a> {
    /// Check the overlay of a file of `size` bytes for a machine. None if it is not one, or malformed.
    #[must_use]
    pub fn read(bytes: &'a [u8], size: u64, machine: u16) -> Option<Overlay<'a>> {
        let overlay = Self::open(bytes)?;
        let kind = VERSION << 32 | u64::from(machine);
        let expected = read(bytes, 0) == MAGIC && read(bytes, 1) == kind && read(bytes, 2) == size && read(bytes, 14) == bytes.len() as u64;
        let Overlay { text, trampolines, entries, origins, .. } = &overlay;
        let ordered = [text, trampolines, entries, origins].into_iter().all(List::is_sorted);
        let paged = text.is_of_pages() && trampolines.is_of_pages();
        (expected && ordered && paged && overlay.is_placed_well()).then_some(overlay)
    }

    /// [`Overlay::read`] once more of the same bytes: only what keeps reading inside them is checked.
    #[must_use]
    pub fn open(bytes: &'a [u8]) -> Option<Overlay<'a>> {
        let lists = bytes.get(HEADER_WORDS * WORD..)?;
        let header = |index| read(bytes, index);
        let (segments, rest) = List::split(lists, header(7), 3)?;
        let (text, rest) = List::split(rest, header(8), 1)?;
        let (trampolines, rest) = List::split(rest, header(9), 1)?;
        let (entries, rest) = List::split(rest, header(10), 2)?;
        let (origins, rest) = List::split(rest, header(11), 2)?;
        let first = usize::try_from(header(15)).ok()?;
        let pages = (text.len() + trampolines.len()).checked_mul(PAGE)?;
        let fits = first.is_multiple_of(PAGE) && first >= bytes.len() - rest.len() && first.checked_add(pages)? == bytes.len();
        fits.then_some(Overlay { bytes, segments, text, trampolines, entries, origins, first })
    }

    /// Whether trampolines lie after the image and below what an address can be.
    fn is_placed_well(&self) -> bool {
        let (image, trampolines) = (self.image(), self.span());
        let bounds = [image.start, image.end, trampolines.start, trampolines.end];
        let inside = (0..self.trampolines.len()).all(|index| {
            let page = self.trampolines.word(index, 0);
            page >= trampolines.start && page < trampolines.end
        });
        bounds.is_sorted() && trampolines.end < 1 << 47 && bounds.iter().all(|bound| bound.is_multiple_of(PAGE as u64)) && inside
    }

    /// Addresses of the image, in whole pages.
    #[must_use]
    pub fn image(&self) -> Range<u64> {
        read(self.bytes, 3)..read(self.bytes, 4)
    }

    /// From the first trampoline page to the end of the last; pages in between may be free.
    #[must_use]
    pub fn span(&self) -> Range<u64> {
        read(self.bytes, 5)..read(self.bytes, 6)
    }

    /// Executable segments.
    pub fn segments(&self) -> impl Iterator<Item = Segment> + use<'a> {
        let list = self.segments;
        (0..list.len()).map(move |index| Segment { offset: list.word(index, 0), address: list.word(index, 1), size: list.word(index, 2) })
    }

    /// Offset in the overlay of the patched copy of the file's page at `offset`.
    #[must_use]
    pub fn text_page(&self, offset: u64) -> Option<usize> {
        self.text.find(offset).map(|index| self.first + index * PAGE)
    }

    /// Offset in the file, from `offset` on, of the first page that has a patched copy.
    #[must_use]
    pub fn next_text_page(&self, offset: u64) -> Option<u64> {
        let index = self.text.partition(offset);
        (index < self.text.len()).then(|| self.text.word(index, 0))
    }

    /// Runs of trampoline pages: addresses, and the offset in the overlay of the first page of each.
    pub fn trampoline_runs(&self) -> impl Iterator<Item = (Range<u64>, usize)> + use<'a> {
        let (list, pages) = (self.trampolines, self.first + self.text.len() * PAGE);
        let mut index = 0;
        core::iter::from_fn(move || {
            let first = index;
            (first < list.len()).then(|| {
                index += 1;
                while index < list.len() && list.word(index, 0) == list.word(index - 1, 0) + PAGE as u64 {
                    index += 1;
                }
                let start = list.word(first, 0);
                (start..start + ((index - first) * PAGE) as u64, pages + first * PAGE)
            })
        })
    }

    /// Where to go on after a fault at an address.
    #[must_use]
    pub fn resume(&self, fault: u64) -> Option<u64> {
        self.entries.find(fault).map(|index| self.entries.word(index, 1))
    }

    /// All of them.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + use<'a> {
        let list = self.entries;
        (0..list.len()).map(move |index| Entry { fault: list.word(index, 0), resume: list.word(index, 1) })
    }

    /// What a trampoline's instruction stands for.
    #[must_use]
    pub fn original(&self, trampoline: u64) -> Option<u64> {
        self.origins.find(trampoline).map(|index| self.origins.word(index, 1))
    }

    /// All of them.
    pub fn origins(&self) -> impl Iterator<Item = Origin> + use<'a> {
        let list = self.origins;
        (0..list.len()).map(move |index| Origin { trampoline: list.word(index, 0), original: list.word(index, 1) })
    }

    /// Sites that were patched, and left.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (read(self.bytes, 12), read(self.bytes, 13))
    }
}
