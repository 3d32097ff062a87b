//! Where changes of inodes are counted, for those who keep what they were told of them.

use alloc::boxed::Box;

use spin::Once;
use unix::{ChangeCounts, Changes};

/// The counts of all file systems in memory.
static CHANGES: Once<&'static Changes> = Once::new();

/// Count in this table, which others see. To be said before there is a file system.
pub fn count_in(changes: &'static Changes) {
    CHANGES.call_once(|| changes);
}

/// The counts of an inode.
pub(super) fn of(device: u64, inode: u64) -> &'static ChangeCounts {
    CHANGES.call_once(|| Box::leak(Box::default())).of(device, inode)
}
