//! Where a read's bytes go and a write's bytes come from: stretches of user memory, or a buffer of our own.
//!
//! A file's bytes are copied once, from where they are kept to where the program wants them. A copy can fail in the middle: what was
//! moved before counts, as Linux counts it, and only a transfer that moved nothing is `EFAULT`.

use core::ops::Range;

use abi::PAGE_SIZE;

use crate::errno::{Errno, Result};
use crate::user::{Stretch, UserMemory, ZEROS};

/// Stretches of user memory, and how far a transfer got in them.
struct Cursor<'a> {
    memory: &'a dyn UserMemory,
    first: Stretch,
    rest: &'a [Stretch],
}

impl<'a> Cursor<'a> {
    fn new(memory: &'a dyn UserMemory, stretches: &'a [Stretch]) -> Self {
        let (first, rest) = stretches.split_first().map_or((Stretch { address: 0, length: 0 }, stretches), |(first, rest)| (*first, rest));
        Cursor { memory, first, rest }
    }

    fn left(&self) -> usize {
        self.first.length + self.rest.iter().map(|stretch| stretch.length).sum::<usize>()
    }

    /// The stretch that the next byte is in; empty only at the end.
    fn current(&mut self) -> Stretch {
        while let (0, Some((next, rest))) = (self.first.length, self.rest.split_first()) {
            self.first = *next;
            self.rest = rest;
        }
        self.first
    }

    fn advance(&mut self, bytes: usize) {
        self.first.address = self.first.address.wrapping_add(bytes);
        self.first.length -= bytes;
    }

    /// After a copy failed: how far one goes by whole pages, of at most so many bytes.
    #[cold]
    fn go_on(&mut self, most: usize, mut copy: impl FnMut(&dyn UserMemory, usize, Range<usize>) -> Result<()>) -> usize {
        let mut done = 0;
        loop {
            let at = self.current();
            let count = (PAGE_SIZE - at.address % PAGE_SIZE).min(at.length).min(most - done);
            if count == 0 || copy(self.memory, at.address, done..done + count).is_err() {
                return done;
            }
            self.advance(count);
            done += count;
        }
    }
}

/// How far a transfer had got.
#[derive(Clone, Copy)]
pub struct Mark<'a> {
    first: Stretch,
    rest: &'a [Stretch],
    done: usize,
}

impl<'a> Mark<'a> {
    fn of(cursor: Option<&Cursor<'a>>, done: usize) -> Mark<'a> {
        let (first, rest): (Stretch, &[Stretch]) =
            cursor.map_or((Stretch { address: 0, length: 0 }, &[]), |cursor| (cursor.first, cursor.rest));
        Mark { first, rest, done }
    }
}

enum Sink<'a> {
    User(Cursor<'a>),
    Own(&'a mut [u8]),
}

/// Where a read puts its bytes.
pub struct Output<'a> {
    sink: Sink<'a>,
    done: usize,
}

impl<'a> Output<'a> {
    /// Into one stretch of user memory.
    #[must_use]
    pub fn user(memory: &'a dyn UserMemory, address: usize, length: usize) -> Self {
        Output { sink: Sink::User(Cursor { memory, first: Stretch { address, length }, rest: &[] }), done: 0 }
    }

    /// Into several.
    #[must_use]
    pub fn vectors(memory: &'a dyn UserMemory, stretches: &'a [Stretch]) -> Self {
        Output { sink: Sink::User(Cursor::new(memory, stretches)), done: 0 }
    }

    /// Into a buffer of our own.
    #[must_use]
    pub fn own(buffer: &'a mut [u8]) -> Self {
        Output { sink: Sink::Own(buffer), done: 0 }
    }

    /// Bytes for which there is still room.
    #[must_use]
    pub fn room(&self) -> usize {
        match &self.sink {
            Sink::User(cursor) => cursor.left(),
            Sink::Own(buffer) => buffer.len() - self.done,
        }
    }

    /// Bytes put so far.
    #[must_use]
    pub fn done(&self) -> usize {
        self.done
    }

    /// How far it got.
    #[must_use]
    pub fn mark(&self) -> Mark<'a> {
        match &self.sink {
            Sink::User(cursor) => Mark::of(Some(cursor), self.done),
            Sink::Own(_) => Mark::of(None, self.done),
        }
    }

    /// Go back to where it was: what was put since is to be put again.
    pub fn go_back(&mut self, mark: Mark<'a>) {
        self.done = mark.done;
        if let Sink::User(cursor) = &mut self.sink {
            (cursor.first, cursor.rest) = (mark.first, mark.rest);
        }
    }

    /// Put bytes; gives how many there was room for.
    ///
    /// # Errors
    /// `EFAULT`: user memory could not be written. What was put before stays put, of these bytes too.
    pub fn put(&mut self, bytes: &[u8]) -> Result<usize> {
        let before = self.done;
        match &mut self.sink {
            Sink::Own(buffer) => {
                let count = bytes.len().min(buffer.len() - self.done);
                buffer[self.done..self.done + count].copy_from_slice(&bytes[..count]);
                self.done += count;
            }
            Sink::User(cursor) => {
                let mut bytes = bytes;
                while !bytes.is_empty() {
                    let stretch = cursor.current();
                    let count = bytes.len().min(stretch.length);
                    if count == 0 {
                        break;
                    }
                    if let Err(error) = cursor.memory.write(stretch.address, &bytes[..count]) {
                        self.done += cursor.go_on(count, |memory, address, part| memory.write(address, &bytes[part]));
                        return Err(error);
                    }
                    cursor.advance(count);
                    self.done += count;
                    bytes = &bytes[count..];
                }
            }
        }
        Ok(self.done - before)
    }

    /// Put what fits of `contents` from `offset` on: the whole read of a file whose contents are at hand.
    ///
    /// # Errors
    /// `EFAULT`: as [`Output::put`].
    pub fn put_from(&mut self, contents: &[u8], offset: u64) -> Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(contents.len());
        self.put(&contents[from..])
    }

    /// Put zeros; gives how many there was room for.
    ///
    /// # Errors
    /// `EFAULT`: as [`Output::put`].
    pub fn put_zeros(&mut self, count: usize) -> Result<usize> {
        let before = self.done;
        while self.done - before < count {
            let chunk = ZEROS.len().min(count - (self.done - before));
            if self.put(&ZEROS[..chunk])? < chunk {
                break;
            }
        }
        Ok(self.done - before)
    }
}

enum Source<'a> {
    User(Cursor<'a>),
    Own(&'a [u8]),
}

/// Where a write takes its bytes from.
pub struct Input<'a> {
    source: Source<'a>,
    done: usize,
    /// What is behind so many bytes is not taken.
    end: usize,
}

impl<'a> Input<'a> {
    /// From one stretch of user memory.
    #[must_use]
    pub fn user(memory: &'a dyn UserMemory, address: usize, length: usize) -> Self {
        Input { source: Source::User(Cursor { memory, first: Stretch { address, length }, rest: &[] }), done: 0, end: usize::MAX }
    }

    /// From several.
    #[must_use]
    pub fn vectors(memory: &'a dyn UserMemory, stretches: &'a [Stretch]) -> Self {
        Input { source: Source::User(Cursor::new(memory, stretches)), done: 0, end: usize::MAX }
    }

    /// From bytes of our own.
    #[must_use]
    pub fn own(bytes: &'a [u8]) -> Self {
        Input { source: Source::Own(bytes), done: 0, end: usize::MAX }
    }

    /// Take at most so many bytes more.
    pub fn cut(&mut self, most: usize) {
        self.end = self.end.min(self.done.saturating_add(most));
    }

    /// Bytes not taken yet.
    #[must_use]
    pub fn left(&self) -> usize {
        let left = match &self.source {
            Source::User(cursor) => cursor.left(),
            Source::Own(bytes) => bytes.len() - self.done,
        };
        left.min(self.end - self.done)
    }

    /// Bytes taken so far.
    #[must_use]
    pub fn done(&self) -> usize {
        self.done
    }

    /// How far it got.
    #[must_use]
    pub fn mark(&self) -> Mark<'a> {
        match &self.source {
            Source::User(cursor) => Mark::of(Some(cursor), self.done),
            Source::Own(_) => Mark::of(None, self.done),
        }
    }

    /// Go back to where it was: what was taken since is to be taken again.
    pub fn go_back(&mut self, mark: Mark<'a>) {
        self.done = mark.done;
        if let Source::User(cursor) = &mut self.source {
            (cursor.first, cursor.rest) = (mark.first, mark.rest);
        }
    }

    /// Take bytes; gives how many there were.
    ///
    /// # Errors
    /// `EFAULT`: user memory could not be read. What was taken before counts, of these bytes too.
    pub fn take(&mut self, into: &mut [u8]) -> Result<usize> {
        let before = self.done;
        let room = into.len().min(self.left());
        let into = &mut into[..room];
        match &mut self.source {
            Source::Own(bytes) => {
                let count = into.len().min(bytes.len() - self.done);
                into[..count].copy_from_slice(&bytes[self.done..self.done + count]);
                self.done += count;
            }
            Source::User(cursor) => {
                let mut into = into;
                while !into.is_empty() {
                    let stretch = cursor.current();
                    let count = into.len().min(stretch.length);
                    if count == 0 {
                        break;
                    }
                    let (now, later) = into.split_at_mut(count);
                    if let Err(error) = cursor.memory.read(stretch.address, now) {
                        self.done += cursor.go_on(count, |memory, address, part| memory.read(address, &mut now[part]));
                        return Err(error);
                    }
                    cursor.advance(count);
                    self.done += count;
                    into = later;
                }
            }
        }
        Ok(self.done - before)
    }

    /// Take exactly as many bytes.
    ///
    /// # Errors
    /// `EINVAL`: there are fewer. `EFAULT`: as [`Input::take`].
    pub fn take_exactly(&mut self, into: &mut [u8]) -> Result<()> {
        if self.take(into)? < into.len() { Err(Errno::EINVAL) } else { Ok(()) }
    }

    /// Take everything and drop it, unread.
    pub fn skip(&mut self) -> usize {
        let left = self.left();
        self.done += left;
        if let Source::User(cursor) = &mut self.source {
            cursor.first.length = 0;
            cursor.rest = &[];
        }
        left
    }
}

/// What a transfer answers: what was moved, if anything was, else the error that stopped it.
pub fn moved(done: usize, outcome: Result<()>) -> Result<usize> {
    match outcome {
        Err(error) if done == 0 => Err(error),
        _ => Ok(done),
    }
}

/// What a transfer that goes by whole pages moved, up to a fault.
///
/// # Errors
/// The fault: no page.
#[cold]
pub fn whole_pages(done: usize, fault: Errno) -> Result<usize> {
    moved(done / PAGE_SIZE * PAGE_SIZE, Err(fault))
}
