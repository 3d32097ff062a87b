//! Which pages are there: one bit a page, in chunks of 2 MiB that exist only where something is resident.
//!
//! The region map says what may be; this says what is. It lets `munmap` of a large reservation touch only what was used, tells a first
//! fault from one on a page that is there, and is the process's resident set.

use alloc::collections::BTreeMap;
use core::ops::Range;

use abi::PAGE_SIZE;

const CHUNK_PAGES: usize = 512;
const WORDS: usize = CHUNK_PAGES / 64;

/// The set of resident pages, by address.
#[derive(Default)]
pub struct Resident {
    chunks: BTreeMap<usize, [u64; WORDS]>,
    pages: usize,
}

impl Resident {
    /// Nothing.
    #[must_use]
    pub const fn new() -> Resident {
        Resident { chunks: BTreeMap::new(), pages: 0 }
    }

    /// How many pages.
    #[must_use]
    pub fn pages(&self) -> usize {
        self.pages
    }

    /// Whether the page that holds an address is there.
    #[must_use]
    pub fn contains(&self, address: usize) -> bool {
        let page = address / PAGE_SIZE;
        self.chunks.get(&(page / CHUNK_PAGES)).is_some_and(|words| bit(words, page % CHUNK_PAGES))
    }

    /// Add the pages of a range.
    pub fn insert(&mut self, range: Range<usize>) {
        for page in range.start / PAGE_SIZE..range.end / PAGE_SIZE {
            let words = self.chunks.entry(page / CHUNK_PAGES).or_insert([0; WORDS]);
            let mask = 1 << (page % 64);
            let word = &mut words[page % CHUNK_PAGES / 64];
            self.pages += usize::from(*word & mask == 0);
            *word |= mask;
        }
    }

    /// The first run of resident pages in a range, as addresses.
    #[must_use]
    pub fn first_run(&self, range: Range<usize>) -> Option<Range<usize>> {
        let (first, last) = (range.start / PAGE_SIZE, range.end.div_ceil(PAGE_SIZE));
        if first >= last {
            return None;
        }
        let mut run: Option<Range<usize>> = None;
        for (&chunk, words) in self.chunks.range(first / CHUNK_PAGES..last.div_ceil(CHUNK_PAGES)) {
            let base = chunk * CHUNK_PAGES;
            for page in first.max(base)..last.min(base + CHUNK_PAGES) {
                match (&mut run, bit(words, page - base)) {
                    (None, true) => run = Some(page..page + 1),
                    (Some(run), true) if run.end == page => run.end += 1,
                    (Some(run), _) => return Some(run.start * PAGE_SIZE..run.end * PAGE_SIZE),
                    (None, false) => {}
                }
            }
        }
        run.map(|run| run.start * PAGE_SIZE..run.end * PAGE_SIZE)
    }

    /// Call `work` for each run of resident pages in a range.
    pub fn for_runs(&self, range: Range<usize>, mut work: impl FnMut(Range<usize>)) {
        let mut at = range.start;
        while let Some(run) = self.first_run(at..range.end) {
            at = run.end;
            work(run);
        }
    }

    /// Take the pages of a range out, and call `work` for each run.
    pub fn remove(&mut self, range: Range<usize>, mut work: impl FnMut(Range<usize>)) {
        while let Some(run) = self.first_run(range.clone()) {
            for page in run.start / PAGE_SIZE..run.end / PAGE_SIZE {
                let chunk = page / CHUNK_PAGES;
                if let Some(words) = self.chunks.get_mut(&chunk) {
                    words[page % CHUNK_PAGES / 64] &= !(1 << (page % 64));
                    if words.iter().all(|&word| word == 0) {
                        self.chunks.remove(&chunk);
                    }
                }
            }
            self.pages -= run.len() / PAGE_SIZE;
            work(run);
        }
    }
}

fn bit(words: &[u64; WORDS], page: usize) -> bool {
    words[page / 64] & 1 << (page % 64) != 0
}
