//! Calls of epoll(7).

use alloc::sync::Arc;

use linux_raw_sys::general::O_CLOEXEC;

use crate::errno::{Errno, Result};
use crate::file::epoll::{Epoll, Event};
use crate::file::event::AnonymousNode;
use crate::file::{Access, Description};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::Arguments;
use crate::syscall::poll::{await_change, mask, masked, milliseconds};
use crate::time::Timespec;
use crate::user::{PROGRAM_TOP, UserMemory};
use crate::vfs::attributes::Kind;
use crate::vfs::world::World;

/// Bytes of `struct epoll_event`, which is packed on x86_64, and where the caller's word is in it.
const EVENT_BYTES: usize = if cfg!(target_arch = "x86_64") { 12 } else { 16 };
const DATA: usize = EVENT_BYTES - 8;

/// epoll_create(2), whose size is of no use any more
pub fn epoll_create<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    if arguments.int(0) <= 0 { Err(Errno::EINVAL) } else { make(process, false) }
}

/// epoll_create1(2)
pub fn epoll_create1<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let flags = arguments.unsigned(0);
    if flags & !O_CLOEXEC != 0 { Err(Errno::EINVAL) } else { make(process, flags & O_CLOEXEC != 0) }
}

fn make<K: Kernel>(process: &Process<K>, close_on_exec: bool) -> Result<usize> {
    let epoll = Arc::new(Epoll::default());
    let inode = process.files.next_inode();
    let entry = AnonymousNode::entry(epoll.clone(), Kind::Anonymous, inode, b"anon_inode:[eventpoll]", process.now());
    let description = Description::new(entry, epoll, Access::READ | Access::WRITE, linux_raw_sys::general::O_RDWR);
    process.files.insert(description, close_on_exec).map(|fd| fd as usize)
}

/// epoll_ctl(2)
pub fn epoll_ctl<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    const ADD: i32 = 1;
    const REMOVE: i32 = 2;
    const MODIFY: i32 = 3;
    let (operation, fd) = (arguments.int(1), arguments.int(2));
    let wanted = if operation == REMOVE { Event { events: 0, data: 0 } } else { read_event(process, arguments.word(3))? };
    let own = process.files.get(arguments.int(0))?;
    let own = own.file()?;
    let target = process.files.get(fd)?;
    if !target.file()?.is_pollable() {
        return Err(Errno::EPERM);
    }
    let epoll = own.of_type::<Epoll>().ok_or(Errno::EINVAL)?;
    match operation {
        ADD => epoll.add(process, fd, &target, wanted)?,
        REMOVE => epoll.remove(fd, &target)?,
        MODIFY => epoll.modify(process, fd, &target, wanted)?,
        _ => return Err(Errno::EINVAL),
    }
    // Who waits on the set may find something in it now.
    process.note_change();
    Ok(0)
}

fn read_event<K: Kernel>(process: &Process<K>, address: usize) -> Result<Event> {
    let mut bytes = [0; EVENT_BYTES];
    process.read(address, &mut bytes)?;
    let mut words = [[0; 4], [0; 4], [0; 4]];
    words[0].copy_from_slice(&bytes[..4]);
    words[1].copy_from_slice(&bytes[DATA..DATA + 4]);
    words[2].copy_from_slice(&bytes[DATA + 4..]);
    let [events, low, high] = words.map(u32::from_ne_bytes);
    Ok(Event { events, data: u64::from(low) | u64::from(high) << 32 })
}

fn write_event<K: Kernel>(process: &Process<K>, address: usize, event: Event) -> Result<()> {
    let mut bytes = [0; EVENT_BYTES];
    bytes[..4].copy_from_slice(&event.events.to_ne_bytes());
    bytes[DATA..].copy_from_slice(&event.data.to_ne_bytes());
    process.write(address, &bytes)
}

/// epoll_wait(2)
pub fn epoll_wait<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    wait(process, arguments, milliseconds(process, arguments.int(3)))
}

/// epoll_pwait(2)
pub fn epoll_pwait<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let mask = mask(process, arguments.word(4), arguments.word(5))?;
    let deadline = milliseconds(process, arguments.int(3));
    masked(process, mask, || wait(process, arguments, deadline))
}

/// epoll_pwait2(2)
pub fn epoll_pwait2<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let deadline = match arguments.word(3) {
        0 => None,
        address => Some(process.now_ns().saturating_add(Timespec(process.read_value(address)?).ns()?)),
    };
    let mask = mask(process, arguments.word(4), arguments.word(5))?;
    masked(process, mask, || wait(process, arguments, deadline))
}

fn wait<K: Kernel>(process: &Process<K>, arguments: &Arguments, deadline_ns: Option<u64>) -> Result<usize> {
    const EVENTS_MOST: usize = i32::MAX as usize / EVENT_BYTES;
    let address = arguments.word(1);
    let most = usize::try_from(arguments.int(2)).ok().filter(|&most| (1..=EVENTS_MOST).contains(&most)).ok_or(Errno::EINVAL)?;
    if address.checked_add(most * EVENT_BYTES).is_none_or(|end| end > PROGRAM_TOP) {
        return Err(Errno::EFAULT);
    }
    let description = process.files.get(arguments.int(0))?;
    let epoll = description.file()?.of_type::<Epoll>().ok_or(Errno::EINVAL)?;
    loop {
        let count = epoll.take(process, most, &mut |index, event| write_event(process, address + index * EVENT_BYTES, event))?;
        if count > 0 || deadline_ns.is_some_and(|deadline| process.now_ns() >= deadline) {
            return Ok(count);
        }
        await_change(process, deadline_ns)?;
    }
}
