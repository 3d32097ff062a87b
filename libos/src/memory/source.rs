//! Where the frames of a mapped file's pages come from: decided here, and nowhere else.

use abi::{PAGE_SIZE, Rights};

use crate::errno::Errno;
use crate::memory::backing::{Frames, Purpose};
use crate::memory::fault::{Access, Refusal, rights_for};
use crate::memory::{FileMapping, Protection};

/// Pages of a mapped file that are wanted.
pub(super) struct Wanted<'a> {
    /// The file.
    pub file: &'a FileMapping,
    /// Offset in the file of the first page.
    pub offset: u64,
    /// How many there may be: all in one region, none of them there yet.
    pub most: usize,
    /// `MAP_SHARED`
    pub shared: bool,
    /// What the region allows.
    pub protection: Protection,
    /// What the program tried.
    pub access: Access,
}

/// Where they come from.
#[derive(Debug)]
pub(super) enum Source {
    /// Frames that the library has: they are mapped once more, with these rights.
    Shown(Frames, Rights),
    /// Frames of the mapping's own, with the bytes of those.
    Copied(Frames),
    /// Frames of the mapping's own, with bytes that the file reads into them.
    Read(usize),
}

impl Wanted<'_> {
    /// Decide. Gives nothing with more rights than the region allows, and never a right to store into a frame that others show.
    pub(super) fn source(&self) -> Result<Source, Refusal> {
        let left = self.file.backing.size().saturating_sub(self.offset);
        if left == 0 {
            return Err(Refusal::PastEnd);
        }
        let most = self.most.min(usize::try_from(left.div_ceil(PAGE_SIZE as u64)).unwrap_or(usize::MAX));
        let purpose = match (self.shared, self.access) {
            (false, _) => Purpose::Private,
            (true, Access::Write) => Purpose::Stored,
            (true, _) => Purpose::Shared,
        };
        let frames = self.file.backing.frames(self.offset / PAGE_SIZE as u64, most, purpose).map_err(refusal)?;
        Ok(match frames {
            None => Source::Read(most),
            Some(frames) if !self.shared && self.access == Access::Write => Source::Copied(frames),
            Some(frames) => {
                let stores = self.shared && self.file.may_write && frames.writable;
                let rights = if stores { rights_for(self.protection, self.access) } else { shown(self.protection) };
                Source::Shown(frames, rights)
            }
        })
    }
}

fn refusal(errno: Errno) -> Refusal {
    if errno == Errno::ENOMEM { Refusal::NoMemory } else { Refusal::Unreadable }
}

/// The rights of a page whose frame others show too: never to be written through this mapping.
pub(super) fn shown(protection: Protection) -> Rights {
    let current = if protection.contains(Protection::EXECUTE) {
        Rights::READ | Rights::EXECUTE
    } else if protection.is_empty() {
        Rights::empty()
    } else {
        Rights::READ
    };
    current | Rights::MAY_READ | Rights::MAY_EXECUTE
}
