//! Calls that make descriptors of timers and of signals.

use alloc::sync::Arc;

use linux_raw_sys::general::{O_CLOEXEC, O_NONBLOCK, O_RDWR};

use crate::errno::{Errno, Result};
use crate::file::event::AnonymousNode;
use crate::file::signal::Signal;
use crate::file::timer::Timer;
use crate::file::{Access, Description, File};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::Arguments;
use crate::syscall::timer::ABSOLUTE;
use crate::time::Clock;
use crate::timer::{Interval, Setting, base_clock};
use crate::user::UserMemory;
use crate::vfs::attributes::Kind;
use crate::vfs::world::World;

fn insert<K: Kernel>(process: &Process<K>, file: Arc<dyn File>, name: &[u8], flags: u32) -> Result<usize> {
    let entry = AnonymousNode::entry(file.clone(), Kind::Anonymous, process.files.next_inode(), name, process.now());
    let description = Description::new(entry, file, Access::READ | Access::WRITE, flags & O_NONBLOCK | O_RDWR);
    process.files.insert(description, flags & O_CLOEXEC != 0).map(|fd| fd as usize)
}

/// timerfd_create(2)
pub fn timerfd_create<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let flags = arguments.unsigned(1);
    // REALTIME, MONOTONIC, BOOTTIME, and the two that would wake a machine that is suspended.
    if flags & !(O_CLOEXEC | O_NONBLOCK) != 0 || !matches!(arguments.int(0), 0 | 1 | 7 | 8 | 9) {
        return Err(Errno::EINVAL);
    }
    let timer = Timer::new(Clock::from_number(arguments.int(0))?);
    process.add_timer_file(&timer);
    insert(process, timer, b"anon_inode:[timerfd]", flags)
}

fn timer<K: Kernel>(process: &Process<K>, fd: i32) -> Result<Arc<Timer>> {
    process.files.get(fd)?.file()?.of_type::<Timer>().ok_or(Errno::EINVAL)
}

/// timerfd_settime(2)
pub fn timerfd_settime<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    const CANCEL_ON_SET: u32 = 2;
    let flags = arguments.unsigned(1);
    let times: [[i64; 2]; 2] = process.read_value(arguments.word(2))?;
    if flags & !(ABSOLUTE | CANCEL_ON_SET) != 0 {
        return Err(Errno::EINVAL);
    }
    let setting = Setting::from_timespecs(times)?;
    let timer = timer(process, arguments.int(0))?;
    let absolute = flags & ABSOLUTE != 0;
    let clock = base_clock(timer.clock, absolute);
    let interval = Interval::new(clock, process.clock_ns(clock), setting, absolute);
    let old = timer.set(process, interval, clock == Clock::Realtime && flags & CANCEL_ON_SET != 0)?;
    process.note_change();
    if arguments.word(3) != 0 {
        process.write_value(arguments.word(3), &old.timespecs())?;
    }
    Ok(0)
}

/// timerfd_gettime(2)
pub fn timerfd_gettime<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let setting = timer(process, arguments.int(0))?.left(process);
    process.write_value(arguments.word(1), &setting.timespecs()).map(|()| 0)
}

/// signalfd(2), which has no flags
pub fn signalfd<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    make_signal_file(process, arguments, 0)
}

/// signalfd4(2)
pub fn signalfd4<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    make_signal_file(process, arguments, arguments.unsigned(3))
}

fn make_signal_file<K: Kernel>(process: &Process<K>, arguments: &Arguments, flags: u32) -> Result<usize> {
    const SET_BYTES: usize = 8;
    if arguments.word(2) != SET_BYTES {
        return Err(Errno::EINVAL);
    }
    let set: u64 = process.read_value(arguments.word(1))?;
    if flags & !(O_CLOEXEC | O_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    let fd = arguments.int(0);
    if fd == -1 {
        return insert(process, Signal::new(process, set), b"anon_inode:[signalfd]", flags);
    }
    let file = process.files.get(fd)?.file()?.of_type::<Signal>().ok_or(Errno::EINVAL)?;
    file.set(process, set);
    Ok(fd as usize)
}
