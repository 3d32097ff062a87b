//! Which pages are there: one bit a page, in chunks of 2 MiB that exist only where something is resident.
//!
//! The region map says what may be; this says what is. It lets `munmap` of a large reservation touch only what was used, tells a first
//! fault from one on a page that is there, and is the process's resident set.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cell::Cell;
use core::ops::Range;

use abi::PAGE_SIZE;

const CHUNK_PAGES: usize = 512;
const WORDS: usize = CHUNK_PAGES / 64;

/// The set of resident pages, by address.
pub struct Resident {
    /// Where a chunk's bits are.
    chunks: BTreeMap<usize, usize>,
    bits: Vec<[u64; WORDS]>,
    /// Places in `bits` that no chunk has.
    free: Vec<usize>,
    /// The chunk that was last asked for, and where its bits are, or [`NOWHERE`]: most pages are beside the one before.
    recent: Cell<(usize, usize)>,
    pages: usize,
    /// Pages that were taken out so far.
    removed: u64,
}

/// Chunks that stay where nothing is resident in them any more: most will be used again.
const KEPT: usize = 64;

/// No chunk's number, and no place.
const NOWHERE: usize = usize::MAX;

impl Default for Resident {
    fn default() -> Self {
        Self::new()
    }
}

impl Resident {
    /// Nothing.
    #[must_use]
    pub const fn new() -> Resident {
        Resident { chunks: BTreeMap::new(), bits: Vec::new(), free: Vec::new(), recent: Cell::new((NOWHERE, 0)), pages: 0, removed: 0 }
    }

    /// How many pages.
    #[must_use]
    pub fn pages(&self) -> usize {
        self.pages
    }

    /// How many were added so far.
    #[must_use]
    pub fn added(&self) -> u64 {
        self.pages as u64 + self.removed
    }

    /// The bits of a chunk in which something is resident.
    #[inline(always)]
    fn bits(&self, chunk: usize) -> Option<&[u64; WORDS]> {
        self.bits.get(self.place(chunk))
    }

    /// Where a chunk's bits are, or [`NOWHERE`].
    #[inline(always)]
    fn place(&self, chunk: usize) -> usize {
        let (recent, place) = self.recent.get();
        if recent == chunk { place } else { self.find(chunk) }
    }

    #[inline(never)]
    fn find(&self, chunk: usize) -> usize {
        let place = self.chunks.get(&chunk).copied().unwrap_or(NOWHERE);
        self.recent.set((chunk, place));
        place
    }

    /// Whether the page that holds an address is there.
    #[must_use]
    #[inline(always)]
    pub fn contains(&self, address: usize) -> bool {
        let page = address / PAGE_SIZE;
        self.bits(page / CHUNK_PAGES).is_some_and(|bits| bit(bits, page % CHUNK_PAGES))
    }

    /// Where a chunk's bits are, made if need be.
    #[inline(always)]
    fn place_or_make(&mut self, chunk: usize) -> usize {
        let (recent, place) = self.recent.get();
        if recent == chunk && place != NOWHERE {
            return place;
        }
        let place = self.find_or_make(chunk);
        self.recent.set((chunk, place));
        place
    }

    fn find_or_make(&mut self, chunk: usize) -> usize {
        let Resident { chunks, bits, free, .. } = self;
        *chunks.entry(chunk).or_insert_with(|| {
            free.pop().unwrap_or_else(|| {
                bits.push([0; WORDS]);
                bits.len() - 1
            })
        })
    }

    /// Take all pages out.
    pub fn clear(&mut self) {
        let removed = self.added();
        *self = Resident { removed, ..Resident::new() };
    }

    /// Add the pages of a range.
    #[inline(always)]
    pub fn insert(&mut self, range: Range<usize>) {
        for page in range.start / PAGE_SIZE..range.end / PAGE_SIZE {
            let place = self.place_or_make(page / CHUNK_PAGES);
            let word = &mut self.bits[place][page % CHUNK_PAGES / 64];
            let mask = 1 << (page % 64);
            self.pages += usize::from(*word & mask == 0);
            *word |= mask;
        }
    }

    /// The first run of resident pages in a range, as addresses.
    #[must_use]
    #[inline(always)]
    pub fn first_run(&self, range: Range<usize>) -> Option<Range<usize>> {
        if self.pages == 0 {
            return None;
        }
        let (first, last) = (range.start / PAGE_SIZE, range.end.div_ceil(PAGE_SIZE));
        if last.wrapping_sub(first) == 1 {
            return self.contains(range.start).then(|| first * PAGE_SIZE..last * PAGE_SIZE);
        }
        self.first_run_of_many(first, last)
    }

    /// [`Resident::first_run`] of the pages from `first` on, and below `last`.
    #[inline(never)]
    fn first_run_of_many(&self, first: usize, last: usize) -> Option<Range<usize>> {
        if first >= last {
            return None;
        }
        if first / CHUNK_PAGES == (last - 1) / CHUNK_PAGES {
            let bits = self.bits(first / CHUNK_PAGES)?;
            let base = first / CHUNK_PAGES * CHUNK_PAGES;
            let page = next_bit(bits, first - base, last - base, true);
            let end = next_bit(bits, page, last - base, false);
            return (page < end).then(|| (base + page) * PAGE_SIZE..(base + end) * PAGE_SIZE);
        }
        let mut run: Option<Range<usize>> = None;
        for (&chunk, &place) in self.chunks.range(first / CHUNK_PAGES..last.div_ceil(CHUNK_PAGES)) {
            let base = chunk * CHUNK_PAGES;
            if run.as_ref().is_some_and(|run| run.end != base) {
                break;
            }
            let end = last.min(base + CHUNK_PAGES);
            let mut page = first.max(base);
            while page < end {
                let wanted = run.is_none();
                page = next_bit(&self.bits[place], page - base, end - base, wanted) + base;
                match &mut run {
                    _ if page >= end && wanted => break,
                    None => run = Some(page..page),
                    Some(run) => {
                        run.end = page.min(end);
                        if page < end {
                            return Some(run.start * PAGE_SIZE..run.end * PAGE_SIZE);
                        }
                    }
                }
            }
        }
        run.map(|run| run.start * PAGE_SIZE..run.end * PAGE_SIZE)
    }

    /// Call `work` for each run of resident pages in a range.
    #[inline(always)]
    pub fn for_runs(&self, range: Range<usize>, mut work: impl FnMut(Range<usize>)) {
        let mut at = range.start;
        while at < range.end
            && let Some(run) = self.first_run(at..range.end)
        {
            at = run.end;
            work(run);
        }
    }

    /// Take the pages of a range out, and call `work` for each run.
    pub fn remove(&mut self, range: Range<usize>, mut work: impl FnMut(Range<usize>)) {
        let mut at = range.start;
        while at < range.end
            && let Some(run) = self.first_run(at..range.end)
        {
            at = run.end;
            for page in run.start / PAGE_SIZE..run.end / PAGE_SIZE {
                let place = self.place(page / CHUNK_PAGES);
                let Some(words) = self.bits.get_mut(place) else { continue };
                words[page % CHUNK_PAGES / 64] &= !(1 << (page % 64));
                let last = page % CHUNK_PAGES == CHUNK_PAGES - 1 || page + 1 == run.end / PAGE_SIZE;
                if last && self.chunks.len() > KEPT && words.iter().all(|&word| word == 0) {
                    self.chunks.remove(&(page / CHUNK_PAGES));
                    self.free.push(place);
                    self.recent.set((NOWHERE, 0));
                }
            }
            self.pages -= run.len() / PAGE_SIZE;
            self.removed += (run.len() / PAGE_SIZE) as u64;
            work(run);
        }
    }
}

#[inline(always)]
fn bit(words: &[u64; WORDS], page: usize) -> bool {
    words[page / 64] & 1 << (page % 64) != 0
}

/// The first page from `page` on, and below `end`, that is there (or, if not `wanted`, that is not); `end` if none is.
#[inline(always)]
fn next_bit(words: &[u64; WORDS], page: usize, end: usize, wanted: bool) -> usize {
    let mut at = page;
    while at < end {
        let word = if wanted { words[at / 64] } else { !words[at / 64] } >> (at % 64);
        if word != 0 {
            return end.min(at + word.trailing_zeros() as usize);
        }
        at = (at / 64 + 1) * 64;
    }
    end
}
