//! What unlink(2) and rmdir(2) find before a name is taken away.

use crate::errno::{Errno, Result};
use crate::vfs::attributes::Kind;
use crate::vfs::mount;
use crate::vfs::node::Entry;
use crate::vfs::walk::{Ending, Found};
use crate::vfs::world::World;

/// Check what a walk to a name found, which is to be taken away.
///
/// # Errors
/// unlink(2)'s, of `.`, `..` and `/`, of what is not there, what is mounted, and a file with a slash behind its name.
pub fn check(world: &dyn World, found: &Found, is_directory: bool) -> Result<()> {
    check_ending(found.ending, is_directory)?;
    let entry = found.entry.as_ref().ok_or_else(|| absent(world, &found.parent))?;
    if entry.mount {
        return check_kind(entry, is_directory).and(Err(Errno::EBUSY));
    }
    if !is_directory && found.slash { check_kind(entry, false).and(Err(Errno::ENOTDIR)) } else { Ok(()) }
}

/// Check that it is a directory's name which is to be taken away, or that it is none: a tree says so when it has looked whether the caller may.
///
/// # Errors
/// `EISDIR`, `ENOTDIR`: it is not so.
pub fn check_kind(entry: &Entry, is_directory: bool) -> Result<()> {
    match (entry.node.kind() == Kind::Directory, is_directory) {
        (true, false) => Err(Errno::EISDIR),
        (false, true) => Err(Errno::ENOTDIR),
        _ => Ok(()),
    }
}

/// What those calls say that change directories where there is no such name in one: that it may not be changed comes first.
#[must_use]
pub fn absent(world: &dyn World, parent: &Entry) -> Errno {
    if (parent.node.statistics(world).flags | parent.mount_flags()) & mount::READ_ONLY != 0 { Errno::EROFS } else { Errno::ENOENT }
}

fn check_ending(ending: Ending, is_directory: bool) -> Result<()> {
    match ending {
        Ending::Name => Ok(()),
        _ if !is_directory => Err(Errno::EISDIR),
        Ending::Dot => Err(Errno::EINVAL),
        Ending::DotDot => Err(Errno::ENOTEMPTY),
        Ending::Root => Err(Errno::EBUSY),
    }
}
