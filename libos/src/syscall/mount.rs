//! mount(2), umount2(2), pivot_root(2), reboot(2).

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::PAGE_SIZE;
use linux_raw_sys::general::{AT_FDCWD, MS_BIND, MS_MGC_MSK, MS_MGC_VAL, MS_MOVE, MS_REMOUNT};
use unix::Operation;

use crate::errno::{Errno, Result};
use crate::identity::Word;
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::Arguments;
use crate::syscall::path::{find_at, path};
use crate::user::UserMemory;
use crate::vfs::mount::{DETACH, PROPAGATION};
use crate::vfs::node::Entry;
use crate::vfs::remote::{Mounting, Tree};
use crate::vfs::walk::Last;
use crate::vfs::world::World;

/// A string that may be left out.
fn text<K: Kernel>(process: &Process<K>, address: usize) -> Result<Option<Vec<u8>>> {
    if address == 0 { Ok(None) } else { process.read_string(address, PAGE_SIZE).map(Some) }
}

fn check_right<K: Kernel>(process: &Process<K>) -> Result<()> {
    if process.kernel.identity().get(Word::EffectiveUser) == 0 { Ok(()) } else { Err(Errno::EPERM) }
}

/// Whose mounts they are. Without `unixd` there is nobody to make one.
fn tree<K: Kernel>(process: &Process<K>) -> Result<&Arc<Tree>> {
    process.files.shared_tree().ok_or(Errno::EPERM)
}

fn place<K: Kernel>(process: &Process<K>, address: usize) -> Result<Arc<Entry>> {
    find_at(process, AT_FDCWD, &path(process, address)?, true)
}

/// mount(2)
pub fn mount<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let kind = text(process, arguments.word(2))?;
    let source = text(process, arguments.word(0))?;
    let options = text(process, arguments.word(4))?;
    let mut flags = arguments.unsigned(3);
    if flags & MS_MGC_MSK == MS_MGC_VAL {
        flags &= !MS_MGC_MSK;
    }
    let target = place(process, arguments.word(1))?;
    check_right(process)?;
    let moves = flags & MS_REMOUNT == 0 && flags & (MS_BIND | MS_MOVE) != 0;
    let from = match &source {
        Some(source) if moves && !source.is_empty() => Some(find_at(process, AT_FDCWD, source, true)?),
        _ if moves => return Err(Errno::EINVAL),
        _ => None,
    };
    if kind.is_none() && flags & (MS_REMOUNT | MS_BIND | MS_MOVE | PROPAGATION) == 0 {
        return Err(Errno::EINVAL);
    }
    let (kind, source, options) = (kind.unwrap_or_default(), source.unwrap_or_default(), options.unwrap_or_default());
    tree(process)?.mount(&target, &Mounting { flags, kind: &kind, source: &source, options: &options, from: from.as_ref() })?;
    Ok(0)
}

/// umount2(2)
pub fn umount2<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    const FORCE: u32 = 1;
    const NO_FOLLOW: u32 = 8;
    /// How often others are asked to give up what they only keep, and how long they have for that.
    const ATTEMPTS: usize = 4;
    const PATIENCE_NS: u64 = 2_000_000;
    let flags = arguments.unsigned(1);
    if flags & !(FORCE | DETACH | NO_FOLLOW) != 0 {
        return Err(Errno::EINVAL);
    }
    let last = if flags & NO_FOLLOW != 0 { Last::Keep } else { Last::Follow };
    let name = path(process, arguments.word(0))?;
    let mut target = process.files.walk(process, AT_FDCWD, &name, last)?.existing()?;
    check_right(process)?;
    let tree = tree(process)?;
    let mut inner: &[u8] = &[];
    if tree.portal(&target).is_some() {
        // Which of the places where it is seen is meant its directory says.
        target = process.files.walk(process, AT_FDCWD, &name, Last::Name)?.parent;
        inner = name.split(|&byte| byte == b'/').rfind(|part| !part.is_empty()).unwrap_or_default();
    }
    for _ in 1..ATTEMPTS {
        match tree.unmount(&target, inner, flags) {
            Err(Errno::EBUSY) => match process.sleep(Some(process.monotonic_ns() + PATIENCE_NS)) {
                Err(Errno::ETIMEDOUT) => {}
                outcome => outcome?,
            },
            outcome => return outcome.map(|()| 0),
        }
    }
    tree.unmount(&target, inner, flags).map(|()| 0)
}

/// pivot_root(2): the root is the first file system that there was, which cannot be moved on Linux either.
pub fn pivot_root<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    check_right(process)?;
    for address in [arguments.word(0), arguments.word(1)] {
        if place(process, address)?.node.kind() != crate::vfs::attributes::Kind::Directory {
            return Err(Errno::ENOTDIR);
        }
    }
    Err(Errno::EINVAL)
}

/// reboot(2): the machine ends, whichever end is meant. There is nothing that could be started again.
pub fn reboot<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    const NO_KEYS: u32 = 0;
    const KEYS: u32 = 0x89ab_cdef;
    const RESTART: u32 = 0x0123_4567;
    const HALT: u32 = 0xcdef_0123;
    const POWER_OFF: u32 = 0x4321_fedc;
    const RESTART_TO: u32 = 0xa1b2_c3d4;
    const FIRST: u32 = 0xfee1_dead;
    const SECOND: [u32; 4] = [672_274_793, 85_072_278, 369_367_448, 537_993_216];
    check_right(process)?;
    if arguments.unsigned(0) != FIRST || !SECOND.contains(&arguments.unsigned(1)) {
        return Err(Errno::EINVAL);
    }
    match arguments.unsigned(2) {
        // Nobody presses them on a serial line.
        NO_KEYS | KEYS => Ok(0),
        RESTART | HALT | POWER_OFF | RESTART_TO => process.ask(Operation::EndRun, 0, 0, [0; 3]).map(|_| 0),
        _ => Err(Errno::EINVAL),
    }
}
