//! Who the process is, as words: what the calls answer that only read one.
//!
//! The words lie where the entries' assembly finds them (`entry::words`), so that such a call is answered without a frame and on the
//! program's own stack.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, Ordering};

/// A word of the identity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Word {
    /// getpid(2)
    Process = 0,
    /// getppid(2)
    Parent,
    /// gettid(2)
    Thread,
    /// getpgrp(2)
    Group,
    /// getuid(2)
    User,
    /// geteuid(2)
    EffectiveUser,
    /// getgid(2)
    UserGroup,
    /// getegid(2)
    EffectiveUserGroup,
}

/// How many there are.
pub const WORDS: usize = Word::EffectiveUserGroup as usize + 1;

/// The words.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct Identity([AtomicU32; WORDS]);

impl Identity {
    /// Read a word.
    #[must_use]
    pub fn get(&self, word: Word) -> u32 {
        self.0[word as usize].load(Ordering::Relaxed)
    }

    /// Root's, in a group of its own: the words of a process with this id.
    pub fn begin(&self, id: u32, parent: u32) {
        for word in [Word::Process, Word::Thread, Word::Group] {
            self.set(word, id);
        }
        self.set(Word::Parent, parent);
    }

    /// Change a word: the next call answers it, by whichever entry it comes.
    pub fn set(&self, word: Word, value: u32) {
        self.0[word as usize].store(value, Ordering::Relaxed);
    }
}
