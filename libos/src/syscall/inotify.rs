//! inotify(7): the queue is in `unixd`, and so are the watches.

use alloc::sync::Arc;

use linux_raw_sys::general::{O_CLOEXEC, O_NONBLOCK};
use unix::{Operation, Request};

use crate::errno::{Errno, Result};
use crate::file::event::AnonymousNode;
use crate::file::inotify::Happening;
use crate::file::remote::{Handle, NOTICES, RemoteFile};
use crate::file::{Access, Description, File};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::Arguments;
use crate::syscall::path::{find_at, path};
use crate::vfs::attributes::Kind;
use crate::vfs::world::World;

/// `AT_FDCWD`
const HERE: i32 = linux_raw_sys::general::AT_FDCWD;

fn init<K: Kernel>(process: &Process<K>, flags: u32) -> Result<usize> {
    if flags & !(O_CLOEXEC | O_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    let server = process.kernel.server().ok_or(Errno::ENOSYS)?;
    let inode = process.files.next_inode();
    let handle = Handle::new(server, server.call(Request::new(Operation::MakeNotices, [inode, 0, 0]))?[0] as u32);
    let file: Arc<dyn File> = Arc::new(RemoteFile::new(handle, NOTICES));
    let entry = AnonymousNode::entry(file.clone(), Kind::Anonymous, inode, b"anon_inode:inotify", process.now());
    let description = Description::new(entry, file, Access::READ, flags & O_NONBLOCK);
    process.files.insert(description, flags & O_CLOEXEC != 0).map(|fd| fd as usize)
}

/// inotify_init(2)
pub fn inotify_init<K: Kernel>(process: &Process<K>, _: &Arguments) -> Result<usize> {
    init(process, 0)
}

/// inotify_init1(2)
pub fn inotify_init1<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    init(process, arguments.unsigned(0))
}

/// Do something with the handle of an instance.
///
/// # Errors
/// `EBADF`: no such descriptor. `EINVAL`: it is none of an instance.
fn with_instance<K: Kernel, T>(process: &Process<K>, fd: i32, work: impl FnOnce(u32) -> Result<T>) -> Result<T> {
    let file = process.files.get(fd)?.file()?.of_type::<RemoteFile>().ok_or(Errno::EINVAL)?;
    work(file.handle().number())
}

/// inotify_add_watch(2)
pub fn inotify_add_watch<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let mask = Happening::from_bits_truncate(arguments.unsigned(2));
    if arguments.unsigned(2) == 0 || mask.contains(Happening::MASK_ADD | Happening::MASK_CREATE) {
        return Err(Errno::EINVAL);
    }
    with_instance(process, arguments.int(0), |instance| {
        let name = path(process, arguments.word(1))?;
        let entry = find_at(process, HERE, &name, !mask.contains(Happening::KEEP_LINK))?;
        if mask.contains(Happening::ONLY_DIRECTORY) && entry.node.kind() != Kind::Directory {
            return Err(Errno::ENOTDIR);
        }
        entry.node.watch(instance, mask.bits()).map(|watch| watch as usize)
    })
}

/// inotify_rm_watch(2)
pub fn inotify_rm_watch<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    with_instance(process, arguments.int(0), |instance| {
        process.ask(Operation::Unwatch, 0, 0, [u64::from(instance), arguments.int(1) as u32 as u64, 0]).map(|_| 0)
    })
}
