//! Message queues: mq_overview(7). They are in `unixd`; a call that waits asks again after each change.

use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_raw_sys::general::{O_ACCMODE, O_CREAT, O_EXCL, O_NONBLOCK};
use unix::{MAILBOX_BYTES, Operation, Request};

use crate::errno::{Errno, Result};
use crate::file::event::AnonymousNode;
use crate::file::queue::{PRIORITIES, RemoteQueue};
use crate::file::remote::Handle;
use crate::file::{Access, Description, File};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::signal::SIGNALS;
use crate::syscall::Arguments;
use crate::syscall::path::permissions;
use crate::thread::Waits;
use crate::time::{Clock, Timespec};
use crate::user::UserMemory;
use crate::vfs::attributes::Kind;
use crate::vfs::world::World;

/// `NAME_MAX`
const NAME_MOST: usize = 255;
/// `struct mq_attr`: flags, messages, bytes of each, messages now, and four words of room.
type Attributes = [i64; 8];

/// A queue's name, which the C library has taken the slash from.
fn name<K: Kernel>(process: &Process<K>, address: usize) -> Result<Vec<u8>> {
    let name = process.read_string(address, NAME_MOST + 1)?;
    match name.as_slice() {
        b"" => Err(Errno::ENOENT),
        b"." | b".." => Err(Errno::EACCES),
        name if name.contains(&b'/') => Err(Errno::EACCES),
        _ => Ok(name),
    }
}

/// mq_open(2)
pub fn mq_open<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let flags = arguments.unsigned(1);
    let wish: Attributes = if arguments.word(3) == 0 { [0; 8] } else { process.read_value(arguments.word(3))? };
    let access = match flags & O_ACCMODE {
        0 => Access::READ,
        1 => Access::WRITE,
        2 => Access::READ | Access::WRITE,
        _ => return Err(Errno::EINVAL),
    };
    let name = name(process, arguments.word(0))?;
    if flags & O_CREAT != 0 && arguments.word(3) != 0 && (wish[1] <= 0 || wish[2] <= 0) {
        return Err(Errno::EINVAL);
    }
    let server = process.kernel.server().ok_or(Errno::ENOSYS)?;
    server.post(0, &name);
    let mode = permissions(process, arguments.unsigned(2));
    let words = [u64::from(mode), wish[1] as u64, wish[2] as u64];
    let request =
        Request { operation: Operation::QueueOpen, small: name.len() as u16, large: flags & (O_ACCMODE | O_CREAT | O_EXCL), words };
    let [handle, inode, ..] = server.call(request)?;
    let queue: Arc<dyn File> = Arc::new(RemoteQueue::new(Handle::new(server, handle as u32)));
    let entry = AnonymousNode::entry(queue.clone(), Kind::Regular, inode, &[b"/", name.as_slice()].concat(), process.now());
    let description = Description::new(entry, queue, access, flags & (O_ACCMODE | O_NONBLOCK));
    process.files.insert(description, true).map(|fd| fd as usize)
}

/// mq_unlink(2)
pub fn mq_unlink<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let name = name(process, arguments.word(0))?;
    process.kernel.post(0, &name);
    process.ask(Operation::QueueUnlink, name.len() as u16, 0, [0; 3]).map(|_| 0)
}

/// What a descriptor of a queue that was opened for `access` leads to.
///
/// # Errors
/// `EBADF`: it is none, or was not.
fn queue<K: Kernel>(process: &Process<K>, fd: i32, access: Access) -> Result<(Arc<Description>, Arc<RemoteQueue>)> {
    let description = process.files.get(fd)?;
    let queue = description.file()?.of_type::<RemoteQueue>().ok_or(Errno::EBADF)?;
    if description.access().contains(access) { Ok((description, queue)) } else { Err(Errno::EBADF) }
}

/// By when a call is to have succeeded, on the monotonic clock: a pointer to a time of day.
fn deadline<K: Kernel>(process: &Process<K>, address: usize) -> Result<Option<u64>> {
    if address == 0 {
        return Ok(None);
    }
    let left = Timespec(process.read_value(address)?).ns()?.saturating_sub(process.clock_ns(Clock::Realtime));
    Ok(Some(process.now_ns().saturating_add(left)))
}

/// Ask until it is granted, or the deadline has passed; once, if the descriptor is not to block.
fn ask_until<K: Kernel, T>(
    process: &Process<K>,
    description: &Description,
    deadline: Option<u64>,
    mut ask: impl FnMut() -> Result<T>,
) -> Result<T> {
    loop {
        match ask() {
            Err(Errno::EAGAIN) if description.flags() & O_NONBLOCK == 0 => process.block(Waits::Change, deadline)?,
            outcome => return outcome,
        }
    }
}

/// mq_timedsend(2)
pub fn mq_timedsend<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let (length, priority) = (arguments.word(2), arguments.unsigned(3));
    let deadline = deadline(process, arguments.word(4))?;
    if priority >= PRIORITIES {
        return Err(Errno::EINVAL);
    }
    let (description, queue) = queue(process, arguments.int(0), Access::WRITE)?;
    if length > MAILBOX_BYTES {
        return Err(Errno::EMSGSIZE);
    }
    let mut message = alloc::vec![0; length];
    process.read(arguments.word(1), &mut message)?;
    ask_until(process, &description, deadline, || {
        process.kernel.post(0, &message);
        queue.handle().ask(Operation::QueueSend, [u64::from(priority), length as u64, 0])
    })?;
    // It may be this very process that asked to be told.
    process.hear();
    Ok(0)
}

/// mq_timedreceive(2)
pub fn mq_timedreceive<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let deadline = deadline(process, arguments.word(4))?;
    let (description, queue) = queue(process, arguments.int(0), Access::READ)?;
    let waits = u16::from(description.flags() & O_NONBLOCK == 0);
    let thread = u64::from(process.threads.with(|table| table.current().id));
    let mut message = Vec::new();
    let priority = ask_until(process, &description, deadline, || {
        let request = queue.handle().request(Operation::QueueReceive, [arguments.0[2], thread, 0]);
        let [bytes, priority, ..] = queue.handle().server().call(Request { small: waits, ..request })?;
        message.resize((bytes as usize).min(MAILBOX_BYTES), 0);
        process.kernel.fetch(0, &mut message);
        Ok(priority as u32)
    })
    .inspect_err(|errno| {
        if matches!(*errno, Errno::ETIMEDOUT | Errno::EINTR) {
            // That it gave up is of no interest to a queue that is gone.
            let _ = queue.handle().ask(Operation::QueueLeave, [thread, 0, 0]);
        }
    })?;
    process.write(arguments.word(1), &message)?;
    if arguments.word(3) != 0 {
        process.write_value(arguments.word(3), &priority)?;
    }
    Ok(message.len())
}

/// mq_notify(2). That a thread is started (`SIGEV_THREAD`) is between the C library and a socket that there is not.
pub fn mq_notify<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    const BY_SIGNAL: u64 = 0;
    const NOT_AT_ALL: u64 = 1;
    let notice = match arguments.word(1) {
        0 => None,
        address => {
            let [value, number_and_kind] = process.read_value::<[u64; 2]>(address)?;
            match (number_and_kind >> 32, number_and_kind as u32) {
                (NOT_AT_ALL, _) => Some((0, value)),
                (BY_SIGNAL, signal) if signal <= SIGNALS => Some((signal, value)),
                _ => return Err(Errno::EINVAL),
            }
        }
    };
    let (_, queue) = queue(process, arguments.int(0), Access::empty())?;
    let (signal, value) = notice.unwrap_or_default();
    let request = queue.handle().request(Operation::QueueNotify, [u64::from(signal), value, 0]);
    queue.handle().server().call(Request { small: u16::from(notice.is_some()), ..request }).map(|_| 0)
}

/// mq_getsetattr(2)
pub fn mq_getsetattr<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let new: Option<Attributes> = if arguments.word(1) == 0 { None } else { Some(process.read_value(arguments.word(1))?) };
    if new.is_some_and(|new| new[0] & !i64::from(O_NONBLOCK) != 0) {
        return Err(Errno::EINVAL);
    }
    let (description, queue) = queue(process, arguments.int(0), Access::empty())?;
    let [messages, bytes, now, _] = queue.handle().ask(Operation::QueueAttributes, [0; 3])?;
    let flags = description.flags();
    if let Some(new) = new {
        description.set_flags(flags & !O_NONBLOCK | new[0] as u32);
    }
    if arguments.word(2) != 0 {
        let old: Attributes = [i64::from(flags & O_NONBLOCK), messages as i64, bytes as i64, now as i64, 0, 0, 0, 0];
        process.write_value(arguments.word(2), &old)?;
    }
    Ok(0)
}
