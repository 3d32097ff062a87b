//! Regular files, as the server itself looks for them.

use alloc::sync::Arc;

use libos::errno::{Errno, Result};
use libos::vfs::attributes::Kind;
use libos::vfs::node::Entry;
use libos::vfs::walk::{Last, Start, walk};

use super::Tree;
use super::world::RequestWorld;
use crate::family::credentials::Credentials;
use crate::{machine, memory};

impl Tree {
    /// The regular file at a path, as root finds it.
    ///
    /// # Errors
    /// Those of path_resolution(7). `EISDIR`: it is a directory. `ENXIO`: it is a device or the like, or in a file system that each process
    /// has for itself.
    pub fn regular_file(&self, path: &[u8]) -> Result<Arc<Entry>> {
        let (root, tick) = (Credentials::default(), machine::tick());
        let frames = memory::frames_for_files();
        let world = RequestWorld { mounts: Some(&self.mounts), ..RequestWorld::new(root.for_files(), &crate::sandbox::OPEN, tick, frames) };
        let start = Start { root: self.root.clone(), from: self.root.clone() };
        let found = walk(&world, &start, path, Last::Follow)?;
        let is_here = found.rest.is_none();
        let entry = found.existing()?;
        match entry.node.kind() {
            Kind::Regular if is_here => Ok(entry),
            Kind::Directory if is_here => Err(Errno::EISDIR),
            _ => Err(Errno::ENXIO),
        }
    }
}
