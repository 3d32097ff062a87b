//! Where file systems begin that each process keeps for itself.

use alloc::sync::Arc;
use alloc::vec::Vec;

use libos::vfs::attributes::{Attributes, Kind, Time};
use libos::vfs::node::{Entry, Node, Statistics};
use libos::vfs::world::World;

/// The names, in the order in which processes number them.
const NAMES: [&[u8]; 2] = [b"proc", b"sys"];

struct Portal(u32);

/// All portals, in the root directory.
pub(super) fn all(root: &Arc<Entry>) -> Vec<Arc<Entry>> {
    NAMES.iter().zip(0..).map(|(name, number)| Entry::mounted(Arc::new(Portal(number)), root, name)).collect()
}

impl Node for Portal {
    fn attributes(&self) -> Attributes {
        Attributes::new(0, 1, Kind::Directory, 0o555, Time::default())
    }

    fn statistics(&self, _: &dyn World) -> Statistics {
        Statistics::default()
    }

    fn portal(&self) -> Option<u32> {
        Some(self.0)
    }
}
