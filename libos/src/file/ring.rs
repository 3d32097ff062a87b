//! A pipe between processes as a ring of pages that they share: what [`unix::ring`] describes, step by step.
//!
//! Nothing here waits or asks anybody. Each step says what came of it, and [`super::pipe`] goes on from there. All that is read from the
//! pages is an allegation of whoever has them: a length is never more than a ring's, whatever the indices say.

#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};

use unix::RingWords;
use unix::ring::{FROZEN, RING_BYTES, Side};

use super::pipe::PIPE_BUF;
use crate::errno::Result;
use crate::file::transfer::whole_pages;
use crate::file::{Access, Edges, Input, Output, Readiness};
use crate::user::UserMemory;

/// How often a writer lets another one go on before it says that it cannot get its turn, and how often indices are read until they agree.
const TURNS_MOST: usize = 64;

/// The pages of a ring, where they are mapped.
pub trait RingPages: Send + Sync {
    /// The words.
    fn words(&self) -> &RingWords;
    /// Put bytes out of the ring, from a place on, up to the ring's end at most; gives how many there was room for.
    ///
    /// # Errors
    /// As [`Output::put`].
    fn put(&self, at: usize, length: usize, output: &mut Output) -> Result<usize>;
    /// Take bytes into the ring, to a place, up to the ring's end at most; gives how many there were.
    ///
    /// # Errors
    /// As [`Input::take`].
    fn take(&self, at: usize, length: usize, input: &mut Input) -> Result<usize>;
    /// [`RingPages::take`] of one stretch of the program's memory, which is to be taken whole; whether it was.
    fn take_plain(&self, at: usize, length: usize, memory: &dyn UserMemory, address: usize) -> bool {
        self.take(at, length, &mut Input::user(memory, address, length)) == Ok(length)
    }
    /// Wake all who sleep on a word of it.
    fn wake(&self, word: &AtomicU32);
    /// What the caller's environment is called; never 0.
    fn own(&self) -> u64;
    /// Give the CPU to an environment that is in the middle of a write; whether it is still alive.
    fn let_run(&self, env: u64) -> bool;
    /// Which ring it is.
    fn index(&self) -> u32;
}

/// What a thread waits to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// To read.
    Read = 0,
    /// To write.
    Write = 1,
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many bytes were moved; whether somebody was woken.
    Moved(usize, bool),
    /// There is nothing to read, or no room to write.
    Wait,
    /// The other end is gone.
    Ended,
    /// Another writer does not come to its end.
    Held,
    /// `unixd` is to be asked from now on.
    Frozen,
}

impl RingPages for Box<dyn RingPages> {
    fn words(&self) -> &RingWords {
        (**self).words()
    }

    fn put(&self, at: usize, length: usize, output: &mut Output) -> Result<usize> {
        (**self).put(at, length, output)
    }

    fn take(&self, at: usize, length: usize, input: &mut Input) -> Result<usize> {
        (**self).take(at, length, input)
    }

    fn take_plain(&self, at: usize, length: usize, memory: &dyn UserMemory, address: usize) -> bool {
        (**self).take_plain(at, length, memory, address)
    }

    fn wake(&self, word: &AtomicU32) {
        (**self).wake(word);
    }

    fn own(&self) -> u64 {
        (**self).own()
    }

    fn let_run(&self, env: u64) -> bool {
        (**self).let_run(env)
    }

    fn index(&self) -> u32 {
        (**self).index()
    }
}

/// A ring.
pub struct Ring<P> {
    pages: P,
    /// Whether this side froze it.
    taken: AtomicBool,
}

impl<P: RingPages> Ring<P> {
    /// The ring in these pages.
    #[must_use]
    pub fn new(pages: P) -> Ring<P> {
        Ring { pages, taken: false.into() }
    }

    #[inline(always)]
    fn words(&self) -> &RingWords {
        self.pages.words()
    }

    /// Which ring it is.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.pages.index()
    }

    /// The indices, and how many bytes lie between them; none if it is frozen.
    #[inline(always)]
    fn indices(&self) -> Option<(u64, u64, usize)> {
        let words = self.words();
        let mut head = words.head.load(Ordering::Acquire);
        let mut tail = words.tail.load(Ordering::Acquire);
        for _ in 0..TURNS_MOST {
            let again = words.head.load(Ordering::Acquire);
            if again == head {
                break;
            }
            // Bytes were taken between the two loads.
            (head, tail) = (again, words.tail.load(Ordering::Acquire));
        }
        let used = tail.saturating_sub(head).min(RING_BYTES as u64) as usize;
        (tail != FROZEN && head != FROZEN).then_some((head, tail, used))
    }

    fn capacity(&self) -> usize {
        (self.words().capacity.load(Ordering::Relaxed) as usize).min(RING_BYTES)
    }

    /// Whether `unixd` is to be asked.
    #[must_use]
    #[inline(always)]
    pub fn is_frozen(&self) -> bool {
        self.indices().is_none()
    }

    /// Bytes that are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.indices().map_or(0, |(_, _, used)| used)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is nothing to read, and may be later.
    #[must_use]
    #[inline(always)]
    pub fn is_drained(&self) -> bool {
        self.words().writers.load(Ordering::Acquire) != 0 && self.indices().is_some_and(|(_, _, used)| used == 0)
    }

    /// Take what is there, as much as there is room for.
    ///
    /// # Errors
    /// `EFAULT`: as [`Output::put`], if nothing was moved.
    pub fn read(&self, output: &mut Output) -> Result<Step> {
        self.look_or_read(output, false)
    }

    /// [`Ring::read`], but what is read stays there.
    ///
    /// # Errors
    /// As [`Ring::read`].
    pub fn peek(&self, output: &mut Output) -> Result<Step> {
        self.look_or_read(output, true)
    }

    #[inline(always)]
    fn look_or_read(&self, output: &mut Output, stays: bool) -> Result<Step> {
        loop {
            // Who has seen the last writer go sees all that was written before.
            let is_last = self.words().writers.load(Ordering::Acquire) == 0;
            let Some((head, _, used)) = self.indices() else { return Ok(Step::Frozen) };
            if used == 0 {
                return Ok(if is_last { Step::Ended } else { Step::Wait });
            }
            let mark = output.mark();
            let before = output.done();
            let count = match self.copy(head, used.min(output.room()), |at, length| self.pages.put(at, length, output)) {
                Ok(count) => count,
                Err(fault) => whole_pages(output.done() - before, fault)?,
            };
            let next = head.wrapping_add(count as u64);
            if stays && self.words().head.load(Ordering::Acquire) == head {
                return Ok(Step::Moved(count, false));
            }
            if !stays && self.words().head.compare_exchange(head, next, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return Ok(Step::Moved(count, self.note_taken(used, count)));
            }
            output.go_back(mark);
        }
    }

    /// Put what there is room for; nothing, if it must be all or nothing and does not fit.
    ///
    /// # Errors
    /// `EFAULT`: as [`Input::take`], if nothing was moved.
    pub fn write(&self, input: &mut Input) -> Result<Step> {
        if self.words().readers.load(Ordering::Acquire) == 0 {
            return Ok(Step::Ended);
        }
        if !self.begin_write() {
            return Ok(Step::Held);
        }
        let outcome = self.write_alone(input);
        self.words().writer.store(0, Ordering::Release);
        match outcome {
            Ok(Step::Moved(count, _)) => Ok(Step::Moved(count, self.wake(Wish::Read))),
            outcome => outcome,
        }
    }

    /// [`Ring::write`] of one stretch of the program's memory, if it fits, lies in one piece and no other writes meanwhile; gives whether
    /// somebody was woken. `None`: nothing was written.
    pub fn write_plain(&self, memory: &dyn UserMemory, address: usize, length: usize) -> Option<bool> {
        if self.words().readers.load(Ordering::Acquire) == 0 || !self.begin_alone() {
            return None;
        }
        let is_written = self.write_piece(memory, address, length);
        self.words().writer.store(0, Ordering::Release);
        is_written.then(|| self.wake(Wish::Read))
    }

    #[inline(always)]
    fn write_piece(&self, memory: &dyn UserMemory, address: usize, length: usize) -> bool {
        let Some((_, tail, used)) = self.indices() else { return false };
        let at = (tail % RING_BYTES as u64) as usize;
        let room = self.capacity().saturating_sub(used).min(RING_BYTES - at).min(PIPE_BUF);
        let fits = (1..=room).contains(&length) && self.pages.take_plain(at, length, memory, address);
        // As in `write_alone`.
        let next = tail.wrapping_add(length as u64);
        fits && self.words().tail.compare_exchange(tail, next, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Be the one that writes; whether it is.
    #[inline(always)]
    fn begin_write(&self) -> bool {
        self.begin_alone() || self.begin_after_others()
    }

    #[inline(always)]
    fn begin_alone(&self) -> bool {
        self.words().writer.compare_exchange(0, self.pages.own(), Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    #[cold]
    fn begin_after_others(&self) -> bool {
        let (word, own) = (&self.words().writer, self.pages.own());
        for _ in 0..TURNS_MOST {
            // One's own name is of a write that was broken off, or forged: of a process one thread is in here at a time.
            let Err(other) = word.compare_exchange(0, own, Ordering::Acquire, Ordering::Relaxed) else { return true };
            if other == own {
                return true;
            }
            // What a dead writer left behind is behind the tail.
            if !self.pages.let_run(other) && word.compare_exchange(other, own, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                return true;
            }
        }
        false
    }

    #[inline(always)]
    fn write_alone(&self, input: &mut Input) -> Result<Step> {
        let Some((_, tail, used)) = self.indices() else { return Ok(Step::Frozen) };
        let (left, room) = (input.left(), self.capacity().saturating_sub(used));
        if room == 0 || left <= PIPE_BUF && room < left {
            return Ok(Step::Wait);
        }
        let mark = input.mark();
        let before = input.done();
        let count = match self.copy(tail, room.min(left), |at, length| self.pages.take(at, length, input)) {
            Ok(count) => count,
            Err(fault) => whole_pages(input.done() - before, fault)?,
        };
        let next = tail.wrapping_add(count as u64);
        if self.words().tail.compare_exchange(tail, next, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            // Only freezing moves it: what was copied is not in the pipe.
            input.go_back(mark);
            return Ok(Step::Frozen);
        }
        Ok(Step::Moved(count, false))
    }

    /// Copy from an index on, round the ring's end; gives how many bytes.
    #[inline(always)]
    fn copy(&self, index: u64, length: usize, mut part: impl FnMut(usize, usize) -> Result<usize>) -> Result<usize> {
        let mut done = 0;
        while done < length {
            let at = (index.wrapping_add(done as u64) % RING_BYTES as u64) as usize;
            let wanted = (length - done).min(RING_BYTES - at).min(PIPE_BUF);
            match part(at, wanted) {
                // What was moved before counts.
                Err(_) if done > 0 => break,
                outcome => match outcome? {
                    0 => break,
                    count => done += count,
                },
            }
        }
        Ok(done)
    }

    /// After `count` of `used` bytes were taken: writers go on where there is room for all that must be whole. Whether somebody was woken.
    #[inline(always)]
    fn note_taken(&self, used: usize, count: usize) -> bool {
        let is_open = |used: usize| self.capacity().saturating_sub(used) >= PIPE_BUF;
        if !is_open(used) && is_open(used - count) {
            self.words().openings.fetch_add(1, Ordering::Relaxed);
        }
        is_open(used - count) && self.wake(Wish::Write)
    }

    fn side(&self, wish: Wish) -> &Side {
        &self.words().sides[wish as usize]
    }

    /// Wake who waits for this, if somebody does; whether somebody did.
    #[inline(always)]
    fn wake(&self, wish: Wish) -> bool {
        // What was changed is to be seen by who is about to sleep, or its flag here.
        fence(Ordering::SeqCst);
        let waits = self.side(wish).waits.load(Ordering::Relaxed) != 0;
        if waits {
            self.wake_side(wish);
        }
        waits
    }

    fn wake_side(&self, wish: Wish) {
        let side = self.side(wish);
        side.waits.store(0, Ordering::SeqCst);
        side.changes.fetch_add(1, Ordering::SeqCst);
        self.pages.wake(&side.changes);
    }

    /// Say that somebody waits; gives what to sleep on, after having looked again.
    #[must_use]
    pub fn announce(&self, wish: Wish) -> u32 {
        let side = self.side(wish);
        let changes = side.changes.load(Ordering::SeqCst);
        side.waits.store(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        changes
    }

    /// The word to sleep on.
    #[must_use]
    pub fn changes(&self, wish: Wish) -> &AtomicU32 {
        &self.side(wish).changes
    }

    /// What would not block; none if `unixd` is to be asked.
    #[must_use]
    pub fn readiness(&self, access: Access) -> Option<Readiness> {
        let (readers, writers) = (self.words().readers.load(Ordering::Acquire), self.words().writers.load(Ordering::Acquire));
        let (_, _, used) = self.indices()?;
        Some(super::pipe::readiness(access, used, self.capacity(), [readers as usize, writers as usize]))
    }

    /// Its last edges.
    #[must_use]
    pub fn edges(&self) -> Edges {
        let words = self.words();
        let turns = u64::from(words.turns.load(Ordering::Acquire)) << 32;
        let input = words.tail.load(Ordering::Acquire).wrapping_add(turns);
        Edges { input, output: turns.wrapping_add(u64::from(words.openings.load(Ordering::Acquire))) }
    }

    /// `unixd`: let it hold so many bytes.
    pub fn set_capacity(&self, bytes: usize) {
        self.words().capacity.store(bytes as u32, Ordering::Relaxed);
        self.wake_all();
    }

    /// `unixd`: tell who is at the ends.
    pub fn set_ends(&self, readers: usize, writers: usize) {
        let words = self.words();
        words.readers.store(readers as u32, Ordering::Release);
        words.writers.store(writers as u32, Ordering::Release);
        words.turns.fetch_add(1, Ordering::Release);
        self.wake_all();
    }

    fn wake_all(&self) {
        self.wake(Wish::Read);
        self.wake(Wish::Write);
    }

    /// `unixd`: let nobody use it any more; gives the bytes that are in it, the first time.
    #[must_use]
    pub fn freeze(&self) -> Option<Vec<u8>> {
        if self.taken.swap(true, Ordering::Relaxed) {
            return None;
        }
        let tail = self.words().tail.swap(FROZEN, Ordering::AcqRel);
        let head = self.words().head.swap(FROZEN, Ordering::AcqRel);
        let used = tail.checked_sub(head).filter(|&used| used <= RING_BYTES as u64).unwrap_or(0) as usize;
        let mut bytes = vec![0; used];
        let mut output = Output::own(&mut bytes);
        let copied = self.copy(head, used, |at, length| self.pages.put(at, length, &mut output));
        debug_assert_eq!(copied, Ok(used));
        self.wake_all();
        Some(bytes)
    }
}
