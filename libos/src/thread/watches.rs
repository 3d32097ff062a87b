//! What rings of pipes threads wait for.
//!
//! A thread that finds nothing to do at a ring notes it here and waits for a change, as for any file. Where the process sleeps it sleeps on the
//! rings' words too; where it gets the CPU again it looks at them.
#![forbid(unsafe_code)]

use alloc::sync::Weak;
use alloc::vec::Vec;

use abi::{MAX_WAIT_WORDS, WaitWord};

use crate::file::pipe::End;
use crate::file::ring::Wish;

/// The most: beside the doorbell the kernel waits for so many words.
const MOST: usize = MAX_WAIT_WORDS - 1;

/// That a thread waits for a ring.
#[derive(Debug)]
struct Watch {
    thread: usize,
    end: Weak<End>,
    wish: Wish,
    /// What the ring's word held when it looked.
    value: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Watches(Vec<Watch>);

impl Watches {
    /// A thread is about to wait for a ring; whether there is room for that.
    pub fn add(&mut self, thread: usize, end: &Weak<End>, wish: Wish, value: u32) -> bool {
        if let Some(known) = self.0.iter_mut().find(|watch| watch.thread == thread && watch.wish == wish && watch.end.ptr_eq(end)) {
            known.value = value;
            return true;
        }
        if self.0.len() >= MOST {
            self.0.retain(|watch| watch.end.strong_count() > 0);
        }
        let has_room = self.0.len() < MOST;
        if has_room {
            self.0.push(Watch { thread, end: end.clone(), wish, value });
        }
        has_room
    }

    /// A thread does not wait any more.
    pub fn forget(&mut self, thread: usize) {
        self.0.retain(|watch| watch.thread != thread);
    }

    /// No thread does.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether no thread does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is more than one.
    #[must_use]
    pub fn are_many(&self) -> bool {
        self.0.len() > 1
    }

    /// Whether a ring has changed.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        self.0.iter().any(|watch| watch.end.upgrade().is_some_and(|end| end.has_changed(watch.wish, watch.value)))
    }

    /// The words to sleep on.
    pub fn words(&self) -> impl Iterator<Item = WaitWord> {
        self.0.iter().filter_map(|watch| {
            let end = watch.end.upgrade()?;
            Some(WaitWord { address: end.changes(watch.wish)?.as_ptr() as u64, value: watch.value, reserved: 0 })
        })
    }
}
