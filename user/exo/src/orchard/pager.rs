//! Which pages come with a fault, and which go.
//!
//! Regions' pages come in growing runs: a region that is filled in order soon faults once for many pages. The pages of the *table* are not
//! kept at all: so many frames go round among them, by the clock algorithm with the fault itself as the reference bit, and what comes again
//! is computed again.

use abi::{EnvId, FaultKind, PAGE_SIZE, Registers, Rights, UpcallPage};

use super::Own;
use super::region;
use crate::place::{FREE_TOO, page};
use crate::upcall;

/// Where the table is.
const TABLE: usize = FREE_TOO;
/// The most pages that it may have.
pub const PAGES: usize = 256;
/// The most frames that go round among them.
pub const FRAMES: usize = 32;
/// The most pages that come with one fault.
const RUN_MOST: usize = 32;

/// A page of the table: so many words.
pub type Page = [u64; PAGE_SIZE / 8];

/// How often what happened.
#[derive(Clone, Copy, Default, Debug)]
pub struct Counts {
    /// Faults in regions, and the pages that came with them.
    pub grown: [u32; 2],
    /// Pages of the table that were computed.
    pub computed: u32,
    /// Pages that were used again before their turn to go came.
    pub spared: u32,
    /// Ticks in all that, the kernel's part left out of the fault itself.
    pub ticks: u64,
}

/// What a page of the table is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Absent,
    /// There, and not used since the hand passed: it may not be loaded, so that the next use is seen.
    Idle,
    Used,
}

struct Pager {
    /// What makes a page of its number.
    compute: fn(usize, &mut Page),
    frames: usize,
    states: [State; PAGES],
    /// The pages that have frames, and whose turn it is.
    ring: [u16; FRAMES],
    there: usize,
    hand: usize,
    /// Where the last run of a region ended, and how long it was.
    last: (usize, usize),
    counts: Counts,
}

static PAGER: Own<Pager> = Own::new(Pager {
    compute: |_, _| {},
    frames: 0,
    states: [State::Absent; PAGES],
    ring: [0; FRAMES],
    there: 0,
    hand: 0,
    last: (0, 0),
    counts: Counts { grown: [0; 2], computed: 0, spared: 0, ticks: 0 },
});

/// Take this environment's faults. The table's pages are made by `compute`, with `frames` frames among them.
pub fn start(frames: usize, compute: fn(usize, &mut Page)) {
    assert!((1..=FRAMES).contains(&frames));
    PAGER.with(|pager| (pager.compute, pager.frames) = (compute, frames));
    upcall::install(0, serve);
}

/// What happened so far.
#[must_use]
pub fn counts() -> Counts {
    PAGER.with(|pager| pager.counts)
}

/// A page of the table, to be read.
#[must_use]
pub fn table(index: usize) -> *const Page {
    assert!(index < PAGES);
    page(TABLE, index) as *const Page
}

fn serve(_: &mut Registers, upcall: &mut UpcallPage) {
    let (address, kind) = (upcall.address as usize, upcall.kind);
    let begin = crate::isa::ticks();
    let is_known = PAGER.with(|pager| match address.checked_sub(TABLE).map(|offset| offset / PAGE_SIZE) {
        Some(index) if index < PAGES && kind == FaultKind::Read as u64 => pager.bring(index),
        _ if region::contains(address) && kind != FaultKind::Execute as u64 => pager.grow(address),
        _ => false,
    });
    assert!(is_known, "a fault of kind {kind} at {address:#x}, pc {:#x}", upcall.fault.pc);
    PAGER.with(|pager| pager.counts.ticks += crate::isa::ticks() - begin);
}

fn protect(index: usize, rights: Rights) {
    // SAFETY: nothing but the table's readers refers to the page, who have no more rights than these.
    unsafe { exo::page_protect(EnvId::SELF, page(TABLE, index), 1, rights) }.expect("the page is there");
}

impl Pager {
    /// Pages of a region, twice as many as the last time if it goes on where that ended.
    fn grow(&mut self, address: usize) -> bool {
        let start = address & !(PAGE_SIZE - 1);
        let run = if start == self.last.0 { (self.last.1 * 2).min(RUN_MOST) } else { 1 };
        let pages = run.min((region::end_of(start) - start) / PAGE_SIZE);
        let got = if exo::page_alloc(start, pages, Rights::READ_WRITE, None).is_ok() { pages } else { 1 };
        if got < pages {
            // SAFETY: the pages came just now.
            let _ = unsafe { exo::page_unmap(EnvId::SELF, start, pages) };
            exo::page_alloc(start, 1, Rights::READ_WRITE, None).expect("a frame is left");
        }
        self.last = (page(start, got), got);
        self.counts.grown[0] += 1;
        self.counts.grown[1] += got as u32;
        true
    }

    /// A page of the table.
    fn bring(&mut self, index: usize) -> bool {
        if self.states[index] == State::Idle {
            self.states[index] = State::Used;
            self.counts.spared += 1;
            protect(index, Rights::READ | Rights::MAY_ALL);
            return true;
        }
        let place = if self.there < self.frames {
            exo::page_alloc(page(TABLE, index), 1, Rights::READ_WRITE, None).expect("a frame for the table");
            self.there += 1;
            self.there - 1
        } else {
            let place = self.next_to_go();
            let old = page(TABLE, self.ring[place].into());
            // The frame goes on to the other page: it is not zeroed in between.
            protect(self.ring[place].into(), Rights::READ_WRITE);
            exo::page_map(EnvId::SELF, page(TABLE, index), old, 1, Rights::READ_WRITE).expect("a frame that is there");
            // SAFETY: who reads the page next finds it made again.
            unsafe { exo::page_unmap(EnvId::SELF, old, 1) }.expect("it is mapped");
            self.states[usize::from(self.ring[place])] = State::Absent;
            place
        };
        self.ring[place] = index as u16;
        self.states[index] = State::Used;
        self.counts.computed += 1;
        // SAFETY: the page was just mapped writable, and nobody reads it before this returns.
        (self.compute)(index, unsafe { &mut *(page(TABLE, index) as *mut Page) });
        protect(index, Rights::READ | Rights::MAY_ALL);
        true
    }

    /// The first page from the hand on that was not used since the hand passed. Those that were are passed once more.
    fn next_to_go(&mut self) -> usize {
        loop {
            let place = self.hand;
            self.hand = (self.hand + 1) % self.there;
            let index = usize::from(self.ring[place]);
            if self.states[index] == State::Idle {
                return place;
            }
            self.states[index] = State::Idle;
            protect(index, Rights::MAY_ALL);
        }
    }
}
