//! What an app is allowed, as its manifest says: so many frames, and so many slices of each round.

use alloc::vec::Vec;
use exo::command::Command;

/// The share of a process.
#[derive(Debug)]
pub struct Share {
    /// The most frames that it may be charged for.
    frames: usize,
    /// The slots of the slice vector that it runs in.
    slots: Vec<usize>,
}

impl Share {
    /// What a command asks for, in these slots.
    #[must_use]
    pub fn of(command: Option<&Command<'_>>, slots: Vec<usize>) -> Share {
        let frames = command.map_or(0, |command| command.quota as usize);
        Share { frames: if frames == 0 { usize::MAX } else { frames }, slots }
    }

    /// That of a child: as many frames, and a slot of its own.
    #[must_use]
    pub fn of_child(&self, slot: usize) -> Share {
        Share { frames: self.frames, slots: Vec::from([slot]) }
    }

    /// The slots that it runs in.
    #[must_use]
    pub fn slots(&self) -> &[usize] {
        &self.slots
    }

    /// Frames by which a quota may still be raised.
    #[must_use]
    pub fn left(&self, quota: usize) -> usize {
        self.frames.saturating_sub(quota)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_may_have_as_much_memory_and_one_slice() {
        let share = Share { frames: 100, slots: Vec::from([3, 4]) };
        let child = share.of_child(7);
        assert_eq!((child.left(60), child.left(101), child.slots()), (40, 0, &[7][..]));
        assert_eq!(Share::of(None, Vec::new()).left(5), usize::MAX - 5);
    }
}
