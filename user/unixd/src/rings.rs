//! The rings of pipes: pages that are mapped here and, at the same addresses, in those processes that hold an end.
//!
//! A process has a ring's pages for as long as it has a handle of one of the pipe's ends: they come with the first and go with the last. A child
//! inherits them with its parent's handles. Places and pages are used again; what was in them is erased before anybody else sees them, and
//! pages that a process has kept by a mapping of its own making are left to it: the kernel counts those.

use core::sync::atomic::{AtomicU32, Ordering};

use abi::{EnvId, Error, PAGE_SIZE, Rights};
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;
use libos::file::pipe::{PIPE_BUF, Pipe};
use libos::file::ring::RingPages;
use libos::file::{Input, Output};
use libos::mapped_ring::{MappedRing, address};
use spin::Mutex;
use unix::RingWords;
use unix::place::RINGS_MOST;
use unix::ring::{RING_BYTES, RING_PAGES};

use crate::handles::{Held, Opened};
use crate::machine;
use crate::server::Server;

/// Pages of so many rings are kept when they are not used.
const SPARE_MOST: usize = 16;
/// Frames that are left for other things.
const RESERVE: usize = 4096;
const BOTH: Rights = Rights::READ.union(Rights::WRITE).union(Rights::MAY_READ).union(Rights::MAY_WRITE);

/// Which places there are.
struct Places {
    /// Nobody's, with pages that are erased.
    spare: Vec<u32>,
    /// Nobody's, without pages.
    free: Vec<u32>,
    /// How many were ever used.
    used: u32,
    /// Processes, and rings that they have mapped.
    mapped: BTreeSet<(u32, u32)>,
    /// The frames of each place that has pages.
    frames: Vec<[u64; RING_PAGES]>,
}

static PLACES: Mutex<Places> =
    Mutex::new(Places { spare: Vec::new(), free: Vec::new(), used: 0, mapped: BTreeSet::new(), frames: Vec::new() });

/// A ring that is used.
struct Place(MappedRing);

impl Place {
    /// A ring of zeros that nobody uses.
    fn take(available: usize) -> Option<Place> {
        let mut places = PLACES.lock();
        let index = match places.spare.pop() {
            Some(index) => index,
            None if available < RESERVE + RING_PAGES => return None,
            None => {
                let index = places.free.pop().or_else(|| (places.used < RINGS_MOST as u32).then_some(places.used))?;
                if exo::page_alloc(address(index), RING_PAGES, BOTH, None).is_err() {
                    unmap(EnvId::SELF, index);
                    return None;
                }
                places.used = places.used.max(index + 1);
                places.note_frames(index);
                index
            }
        };
        // SAFETY: mapped just now or when it was used last, and up to when this is dropped.
        unsafe { MappedRing::new(index) }.map(Place)
    }
}

impl Places {
    /// Remember which frames a place has got.
    fn note_frames(&mut self, index: u32) {
        if self.frames.len() <= index as usize {
            self.frames.resize(index as usize + 1, [0; RING_PAGES]);
        }
        for (page, frame) in self.frames[index as usize].iter_mut().enumerate() {
            let found = exo::page_query(EnvId::SELF, address(index) + page * PAGE_SIZE);
            *frame = found.map_or(0, |found| found.frame);
        }
    }

    /// Whether nobody else has a ring's pages, at whatever address.
    fn are_own(&self, index: u32) -> bool {
        self.frames[index as usize].iter().all(|&frame| machine::frame_uses(frame) == 1)
    }
}

impl Place {
    /// Make its bytes zeros as far as any were put, by what its holders say: they had them, and can give them to whom they like.
    fn erase(&self) {
        let words = self.words();
        // A write that failed or was broken off left bytes behind the tail.
        let written = words.tail.load(Ordering::Relaxed).saturating_add(PIPE_BUF as u64);
        let is_whole = words.writer.load(Ordering::Relaxed) != 0 || written > RING_BYTES as u64;
        let bytes = if is_whole { RING_BYTES } else { written as usize };
        // SAFETY: mapped here, and nobody else's any more: `self.0` is not used again.
        unsafe {
            let start = address(self.0.index()) as *mut u8;
            start.write_bytes(0, size_of::<RingWords>());
            start.add(PAGE_SIZE).write_bytes(0, bytes);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let index = self.0.index();
        let mut places = PLACES.lock();
        if places.spare.len() >= SPARE_MOST || !places.are_own(index) {
            unmap(EnvId::SELF, index);
            places.free.push(index);
        } else {
            self.erase();
            places.spare.push(index);
        }
    }
}

fn unmap(env: EnvId, index: u32) {
    // SAFETY: a ring that is nobody's, or another environment's mapping.
    let _ = unsafe { exo::page_unmap(env, address(index), RING_PAGES) };
}

impl RingPages for Place {
    fn words(&self) -> &RingWords {
        self.0.words()
    }

    fn put(&self, at: usize, length: usize, output: &mut Output) -> libos::errno::Result<usize> {
        self.0.put(at, length, output)
    }

    fn take(&self, at: usize, length: usize, input: &mut Input) -> libos::errno::Result<usize> {
        self.0.take(at, length, input)
    }

    fn wake(&self, word: &AtomicU32) {
        self.0.wake(word);
    }

    fn own(&self) -> u64 {
        self.0.own()
    }

    fn let_run(&self, env: u64) -> bool {
        self.0.let_run(env)
    }

    fn index(&self) -> u32 {
        self.0.index()
    }
}

/// What there may be of a process.
fn of(id: u32) -> core::ops::RangeInclusive<(u32, u32)> {
    (id, 0)..=(id, u32::MAX)
}

/// A child has mapped what its parent has.
pub fn clone_mappings(parent: u32, child: u32) {
    let mapped = &mut PLACES.lock().mapped;
    let inherited: Vec<(u32, u32)> = mapped.range(of(parent)).map(|&(_, ring)| (child, ring)).collect();
    mapped.extend(inherited);
}

/// A process is gone.
pub fn forget(id: u32) {
    PLACES.lock().mapped.extract_if(of(id), |_| true).for_each(drop);
}

fn forget_one(index: u32, id: u32) {
    PLACES.lock().mapped.remove(&(id, index));
}

fn ring_of(opened: &Opened) -> Option<u32> {
    opened.file.pipe()?.served()
}

impl Server {
    /// Let a pipe that has no ends yet have a ring; gives its number as it is told to the process, which has it mapped: 0 for none.
    pub(crate) fn make_ring(&mut self, id: u32, pipe: &Arc<Pipe>) -> u64 {
        let Some(place) = Place::take(crate::memory::available()) else { return 0 };
        let index = place.0.index();
        // What could not be mapped is given back here.
        if !self.map_ring(id, index) {
            return 0;
        }
        pipe.serve(Box::new(place));
        u64::from(index) + 1
    }

    /// Let a process have the ring of a pipe that it holds an end of; gives its number as it is told, 0 for none.
    pub(crate) fn show_ring(&mut self, id: u32, opened: &Opened) -> u64 {
        match ring_of(opened) {
            Some(index) if self.map_ring(id, index) => u64::from(index) + 1,
            _ => 0,
        }
    }

    fn map_ring(&mut self, id: u32, index: u32) -> bool {
        let Some(env) = self.processes.get(id).map(|process| process.env) else { return false };
        // A child may not have all that its parent had.
        if PLACES.lock().mapped.contains(&(id, index))
            && exo::page_query(env, address(index)).is_ok_and(|page| page.rights != Rights::empty())
        {
            return true;
        }
        forget_one(index, id);
        let attempt = || exo::page_map(env, address(index), address(index), RING_PAGES, BOTH);
        let mut outcome = attempt();
        if outcome == Err(Error::Quota) && self.more_frames(id, RING_PAGES).is_ok() {
            unmap(env, index);
            outcome = attempt();
        }
        if outcome.is_err() {
            unmap(env, index);
            return false;
        }
        PLACES.lock().mapped.insert((id, index));
        true
    }

    /// A process does not hold something any more: if that was its last end of a pipe, it has no business with the ring.
    pub(crate) fn hide_ring(&mut self, id: u32, held: &Held) {
        let Held::Open(opened) = held else { return };
        let Some(index) = ring_of(opened) else { return };
        let Some(process) = self.processes.get(id) else { return };
        if process.handles.files().any(|other| ring_of(other) == Some(index)) {
            return;
        }
        unmap(process.env, index);
        forget_one(index, id);
    }
}
