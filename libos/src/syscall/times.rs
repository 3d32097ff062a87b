//! The calls that set an inode's times: utimensat(2) and those before it.

use alloc::sync::Arc;

use linux_raw_sys::general::AT_FDCWD;

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::Arguments;
use crate::syscall::path::{find_at, path};
use crate::syscall::stat::entry_at;
use crate::time::Timespec;
use crate::user::UserMemory;
use crate::vfs::attributes::{Change, Time};
use crate::vfs::node::Entry;
use crate::vfs::world::World;

const AT_SYMLINK_NOFOLLOW: u32 = linux_raw_sys::general::AT_SYMLINK_NOFOLLOW;
const AT_EMPTY_PATH: u32 = linux_raw_sys::general::AT_EMPTY_PATH;

/// What a call sets.
struct Times {
    accessed: Option<Time>,
    modified: Option<Time>,
    /// Both are the present one, because the call says so.
    is_present_time: bool,
}

impl Times {
    fn now(now: Time) -> Times {
        Times { accessed: Some(now), modified: Some(now), is_present_time: true }
    }

    fn given([accessed, modified]: [Option<Time>; 2]) -> Times {
        Times { accessed, modified, is_present_time: false }
    }
}

fn set<K: Kernel>(process: &Process<K>, entry: &Arc<Entry>, times: &Times) -> Result<usize> {
    let Times { accessed, modified, is_present_time } = *times;
    entry.node.change(&Change { accessed, modified, is_present_time, ..Change::default() }, &process.actor()).map(|()| 0)
}

/// utimensat(2)
pub fn utimensat<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    const NOW: i64 = 0x3fff_ffff;
    const OMIT: i64 = 0x3fff_fffe;
    let (directory, flags) = (arguments.int(0), arguments.unsigned(3));
    let now = process.now();
    let mut times = Times::now(now);
    if arguments.word(2) != 0 {
        let given: [[i64; 2]; 2] = process.read_value(arguments.word(2))?;
        times.is_present_time = given.iter().all(|&[_, ns]| ns == NOW);
        for (time, [seconds, ns]) in [&mut times.accessed, &mut times.modified].into_iter().zip(given) {
            *time = match ns {
                NOW => Some(now),
                OMIT => None,
                _ => {
                    Timespec([0, ns]).ns()?;
                    Some(Time { seconds, nanoseconds: ns as u32 })
                }
            };
        }
    }
    if times.accessed.is_none() && times.modified.is_none() {
        return Ok(0);
    }
    let entry = match arguments.word(1) {
        0 if directory == AT_FDCWD => return Err(Errno::EFAULT),
        0 if flags != 0 => return Err(Errno::EINVAL),
        0 => {
            let description = process.files.get(directory)?;
            description.file()?;
            description.entry.clone()
        }
        _ if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 => return Err(Errno::EINVAL),
        address => entry_at(process, directory, address, flags)?,
    };
    set(process, &entry, &times)
}

/// Two `struct timeval`s; now, if there are none.
fn two_timevals<K: Kernel>(process: &Process<K>, address: usize) -> Result<Times> {
    const MICROSECONDS: core::ops::Range<i64> = 0..1_000_000;
    if address == 0 {
        return Ok(Times::now(process.now()));
    }
    let given: [[i64; 2]; 2] = process.read_value(address)?;
    if given.iter().any(|[_, microseconds]| !MICROSECONDS.contains(microseconds)) {
        return Err(Errno::EINVAL);
    }
    Ok(Times::given(given.map(|[seconds, microseconds]| Some(Time { seconds, nanoseconds: microseconds as u32 * 1000 }))))
}

/// futimesat(2)
pub fn futimesat<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let times = two_timevals(process, arguments.word(2))?;
    let entry = match arguments.word(1) {
        0 => process.files.get(arguments.int(0))?.entry.clone(),
        address => find_at(process, arguments.int(0), &path(process, address)?, true)?,
    };
    set(process, &entry, &times)
}

/// utimes(2)
pub fn utimes<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let times = two_timevals(process, arguments.word(1))?;
    set(process, &find_at(process, AT_FDCWD, &path(process, arguments.word(0))?, true)?, &times)
}

/// utime(2)
pub fn utime<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let times = match arguments.word(1) {
        0 => Times::now(process.now()),
        address => Times::given(process.read_value::<[i64; 2]>(address)?.map(|seconds| Some(Time { seconds, nanoseconds: 0 }))),
    };
    set(process, &find_at(process, AT_FDCWD, &path(process, arguments.word(0))?, true)?, &times)
}
