//! Bulletins and mailboxes: the pages that a process shares with `unixd`.

use core::sync::atomic::{AtomicU32, Ordering};

use abi::{EnvId, PAGE_SIZE, Rights};
use alloc::vec::Vec;
use libos::signal::Set;
use unix::{Bulletin, Changes, MAILBOX_BYTES, MAILBOX_PAGES, place};

/// Where the channels are here: a bulletin and a mailbox each, and a page that is never mapped.
const CHANNELS: usize = 0x7d00_0000_0000;
/// From one to the next.
const STEP: usize = (1 + MAILBOX_PAGES + 1) * PAGE_SIZE;

/// Where the counts of changes of files are here.
const CHANGES: usize = 0x7d60_0000_0000;

/// Make the page that changes of files are counted in.
///
/// # Errors
/// The kernel's, of `page_alloc`.
pub fn make_changes() -> exo::Result<&'static Changes> {
    exo::page_alloc(CHANGES, 1, Rights::READ | Rights::WRITE | Rights::MAY_READ | Rights::MAY_WRITE, None)?;
    // SAFETY: the page was just mapped, stays so for ever, and is zeroed; everything in it is atomic.
    Ok(unsafe { &*(CHANGES as *const Changes) })
}

/// Let a first process read it. Others have the page from the process that made them.
///
/// # Errors
/// The kernel's, of `page_map`.
pub fn show_changes(env: EnvId) -> exo::Result<()> {
    exo::page_map(env, place::CHANGES, CHANGES, 1, Rights::READ_ONLY)
}

/// A process's channel.
#[derive(Debug)]
pub struct Channel {
    address: usize,
}

impl Channel {
    /// Let the process have its ends: the bulletin to read, the mailbox to write.
    ///
    /// # Errors
    /// The kernel's, of `page_map`.
    pub fn show(&self, env: EnvId) -> exo::Result<()> {
        exo::page_map(env, place::BULLETIN, self.address, 1, Rights::READ_ONLY)?;
        let both = Rights::READ | Rights::WRITE | Rights::MAY_READ | Rights::MAY_WRITE;
        exo::page_map(env, place::MAILBOX, self.address + PAGE_SIZE, MAILBOX_PAGES, both)
    }

    /// The bulletin.
    #[must_use]
    pub fn bulletin(&self) -> &Bulletin {
        // SAFETY: the page is mapped as long as the channel exists, zeroed at first, and only words that are atomic are in it.
        unsafe { &*(self.address as *const Bulletin) }
    }

    /// Set a word of the bulletin.
    pub fn tell(&self, word: fn(&Bulletin) -> &AtomicU32, value: u32) {
        word(self.bulletin()).store(value, Ordering::Relaxed);
    }

    /// Say which signals wait to be taken.
    pub fn tell_signals(&self, set: Set) {
        self.bulletin().signals.store(set, Ordering::Relaxed);
    }

    /// Count a word of the bulletin up.
    pub fn count(&self, word: fn(&Bulletin) -> &AtomicU32) {
        word(self.bulletin()).fetch_add(1, Ordering::Relaxed);
    }

    /// Say how many frames the process is asked for, and until when.
    pub fn tell_asked(&self, frames: u32, until: u64) {
        self.bulletin().asked_until.store(until, Ordering::Relaxed);
        self.bulletin().asked.store(frames, Ordering::Release);
    }

    /// Ring the doorbell.
    pub fn ring(&self) {
        let doorbell = &self.bulletin().doorbell;
        doorbell.fetch_add(1, Ordering::Release);
        let _ = exo::wake(doorbell.as_ptr(), usize::MAX);
    }

    /// The first bytes of the mailbox, to be copied to where they are a file's: the process may change them meanwhile.
    #[must_use]
    pub fn posted(&self, length: usize) -> Option<&[u8]> {
        // SAFETY: the mailbox is mapped as long as the channel exists and holds so many bytes; nothing is concluded from their values.
        (length <= MAILBOX_BYTES).then(|| unsafe { core::slice::from_raw_parts((self.address + PAGE_SIZE) as *const u8, length) })
    }

    /// The first bytes of the mailbox, as the process left them.
    #[must_use]
    pub fn letter(&self, length: usize) -> Option<Vec<u8>> {
        if length > MAILBOX_BYTES {
            return None;
        }
        let mut bytes: Vec<u8> = Vec::with_capacity(length);
        // SAFETY: the mailbox is mapped and holds so many bytes; the process may change them meanwhile: they are copied once, and nothing is
        // concluded from them before.
        unsafe {
            bytes.as_mut_ptr().copy_from_nonoverlapping((self.address + PAGE_SIZE) as *const u8, length);
            bytes.set_len(length);
        }
        Some(bytes)
    }

    /// Leave bytes in the mailbox, from `at` on; gives how many there was room for.
    pub fn answer(&self, at: usize, bytes: &[u8]) -> usize {
        let count = bytes.len().min(MAILBOX_BYTES.saturating_sub(at));
        // SAFETY: the mailbox is mapped and has room for so many bytes from there on; `bytes` is no part of it.
        unsafe { ((self.address + PAGE_SIZE + at) as *mut u8).copy_from_nonoverlapping(bytes.as_ptr(), count) };
        count
    }
}

/// Channels that nobody has, and how many places were ever used.
#[derive(Debug, Default)]
pub struct Channels {
    free: Vec<usize>,
    made: usize,
    /// Whether files are watched, as fresh bulletins say.
    watched: bool,
}

impl Channels {
    /// A fresh channel, its pages zeroed.
    ///
    /// # Errors
    /// The kernel's, of `page_alloc`.
    pub fn take(&mut self) -> exo::Result<Channel> {
        let address = self.free.pop().unwrap_or_else(|| {
            self.made += 1;
            CHANNELS + (self.made - 1) * STEP
        });
        let data = Rights::READ | Rights::WRITE | Rights::MAY_READ | Rights::MAY_WRITE;
        exo::page_alloc(address, 1 + MAILBOX_PAGES, data, None).inspect_err(|_| self.give(Channel { address }))?;
        let channel = Channel { address };
        channel.tell(|bulletin| &bulletin.watched, u32::from(self.watched));
        Ok(channel)
    }

    /// Say in all bulletins whether files are watched.
    pub fn tell_watched<'a>(&mut self, watched: bool, channels: impl Iterator<Item = &'a Channel>) {
        if core::mem::replace(&mut self.watched, watched) != watched {
            channels.for_each(|channel| channel.tell(|bulletin| &bulletin.watched, u32::from(watched)));
        }
    }

    /// Take a channel back: its process is gone.
    pub fn give(&mut self, channel: Channel) {
        // SAFETY: the channel was the only way to the pages.
        let _ = unsafe { exo::page_unmap(EnvId::SELF, channel.address, 1 + MAILBOX_PAGES) };
        self.free.push(channel.address);
    }
}
