//! Calls that make threads, end them, and ask about them.

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::signal::{SIGCHLD, SIGNALS};
use crate::syscall::Arguments;
use crate::thread::{Beginning, Birth};
use crate::user::{PROGRAM_TOP, UserMemory};

/// `CLONE_*`, as `include/uapi/linux/sched.h` numbers them.
mod flags {
    pub const SIGNAL: u64 = 0xff;
    pub const VM: u64 = 0x100;
    pub const FS: u64 = 0x200;
    pub const FILES: u64 = 0x400;
    pub const SIGHAND: u64 = 0x800;
    pub const PIDFD: u64 = 0x1000;
    pub const VFORK: u64 = 0x4000;
    pub const PARENT: u64 = 0x8000;
    pub const THREAD: u64 = 0x1_0000;
    pub const SYSVSEM: u64 = 0x4_0000;
    pub const SETTLS: u64 = 0x8_0000;
    pub const PARENT_SETTID: u64 = 0x10_0000;
    pub const CHILD_CLEARTID: u64 = 0x20_0000;
    pub const DETACHED: u64 = 0x40_0000;
    pub const CHILD_SETTID: u64 = 0x100_0000;

    /// What is as asked whether it is asked or not: `CLONE_SYSVSEM`, `CLONE_PTRACE`, `CLONE_UNTRACED`, `CLONE_IO`.
    pub const WITHOUT_EFFECT: u64 = SYSVSEM | 0x2000 | 0x80_0000 | 0x8000_0000;
    /// What a process may be made with.
    pub const OF_A_PROCESS: u64 = SIGNAL | VM | PIDFD | VFORK | PARENT | SETTLS | PARENT_SETTID | CHILD_CLEARTID | CHILD_SETTID;
    /// What makes a thread of the same process, and nothing less.
    pub const OF_A_THREAD: u64 = VM | FS | FILES | SIGHAND | THREAD;
    /// What a thread may be made with beside that.
    pub const ALLOWED: u64 = OF_A_THREAD | SYSVSEM | SETTLS | PARENT_SETTID | CHILD_CLEARTID | CHILD_SETTID;
}

/// What clone(2) and clone3(2) are asked.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    flags: u64,
    stack: u64,
    parent_id: usize,
    pidfd: usize,
    child_id: usize,
    thread_pointer: u64,
}

/// clone(2)
pub fn clone<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let [flags, stack, parent_id, fourth, fifth, _] = arguments.0;
    let (child_id, thread_pointer) = if cfg!(target_arch = "x86_64") { (fourth, fifth) } else { (fifth, fourth) };
    let flags = flags & u64::from(u32::MAX);
    // Linux looks at neither the signal of a thread's end nor at `CLONE_DETACHED`.
    let flags = if flags & flags::THREAD != 0 { flags & !(flags::SIGNAL | flags::DETACHED) } else { flags };
    // The descriptor and the id have one place between them, and a thread has none.
    if flags & flags::PIDFD != 0 && flags & (flags::PARENT_SETTID | flags::DETACHED) != 0 {
        return Err(Errno::EINVAL);
    }
    let parent_id = parent_id as usize;
    begin(process, Asked { flags, stack, parent_id, pidfd: parent_id, child_id: child_id as usize, thread_pointer })
}

/// clone3(2)
pub fn clone3<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    /// Words of `struct clone_args` in its first version and in this one.
    const LEAST: usize = 8;
    const KNOWN: usize = 11;
    let (address, bytes) = (arguments.word(0), arguments.word(1));
    if bytes > abi::PAGE_SIZE {
        return Err(Errno::E2BIG);
    }
    if bytes < LEAST * 8 {
        return Err(Errno::EINVAL);
    }
    let mut block = alloc::vec![0; bytes.max(KNOWN * 8)];
    process.read(address, &mut block[..bytes])?;
    let words: alloc::vec::Vec<u64> = block.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes"))).collect();
    if block[KNOWN * 8..].iter().any(|&byte| byte != 0) {
        return Err(Errno::E2BIG);
    }
    let [flags, pidfd, child_id, parent_id, exit_signal, stack, stack_bytes, thread_pointer] =
        words[..LEAST].try_into().expect("eight words");
    let [set_ids, set_ids_count, _cgroup] = words[LEAST..KNOWN].try_into().expect("three words");
    let no_signal = flags & flags::SIGNAL == 0 && (flags & flags::THREAD == 0 || exit_signal == 0);
    if !no_signal
        || exit_signal > u64::from(SIGNALS)
        || flags & flags::DETACHED != 0
        || (stack == 0) != (stack_bytes == 0)
        || (set_ids == 0) != (set_ids_count == 0)
    {
        return Err(Errno::EINVAL);
    }
    if set_ids_count != 0 {
        return Err(Errno::ENOSYS);
    }
    let asked = Asked {
        flags: flags | exit_signal,
        stack: if stack == 0 { 0 } else { stack.wrapping_add(stack_bytes) },
        parent_id: parent_id as usize,
        pidfd: pidfd as usize,
        child_id: child_id as usize,
        thread_pointer,
    };
    begin(process, asked)
}

fn begin<K: Kernel>(process: &Process<K>, asked: Asked) -> Result<usize> {
    let has = |flag: u64| asked.flags & flag != 0;
    if has(flags::THREAD) && !has(flags::SIGHAND) || has(flags::SIGHAND) && !has(flags::VM) {
        return Err(Errno::EINVAL);
    }
    if has(flags::THREAD) && has(flags::PIDFD) {
        return Err(Errno::EINVAL);
    }
    if !has(flags::THREAD) {
        return fork_as_asked(process, &asked);
    }
    if asked.flags & flags::OF_A_THREAD != flags::OF_A_THREAD || asked.flags & !flags::ALLOWED != 0 {
        return Err(Errno::ENOSYS);
    }
    if has(flags::SETTLS) && asked.thread_pointer >= PROGRAM_TOP as u64 {
        return Err(Errno::EPERM);
    }
    let id = process.begin_thread(Beginning {
        sp: asked.stack,
        thread_pointer: has(flags::SETTLS).then_some(asked.thread_pointer),
        clear_at_end: if has(flags::CHILD_CLEARTID) { asked.child_id } else { 0 },
    })?;
    // Linux goes on where an id cannot be written.
    if has(flags::PARENT_SETTID) {
        let _ = process.write_value(asked.parent_id, &id);
    }
    if has(flags::CHILD_SETTID) {
        let _ = process.write_value(asked.child_id, &id);
    }
    Ok(id as usize)
}

/// fork(2) of a clone(2) that makes no thread. `EINVAL`: what the two were to share beside memory (`CLONE_FS`, `CLONE_FILES`, `CLONE_SIGHAND`) they
/// cannot, and there are no namespaces.
fn fork_as_asked<K: Kernel>(process: &Process<K>, asked: &Asked) -> Result<usize> {
    let has = |flag: u64| asked.flags & flag != 0;
    if asked.flags & !(flags::OF_A_PROCESS | flags::WITHOUT_EFFECT) != 0 {
        return Err(Errno::EINVAL);
    }
    if has(flags::SETTLS) && asked.thread_pointer >= PROGRAM_TOP as u64 {
        return Err(Errno::EPERM);
    }
    process.fork(&Birth {
        sp: asked.stack,
        thread_pointer: has(flags::SETTLS).then_some(asked.thread_pointer),
        set_id: if has(flags::CHILD_SETTID) { asked.child_id } else { 0 },
        clear_at_end: if has(flags::CHILD_CLEARTID) { asked.child_id } else { 0 },
        exit_signal: (asked.flags & flags::SIGNAL) as u32,
        is_sibling: has(flags::PARENT),
        parent_id: if has(flags::PARENT_SETTID) { asked.parent_id } else { 0 },
        pidfd: has(flags::PIDFD).then_some(asked.pidfd),
        shares_memory: has(flags::VM),
        waits: has(flags::VFORK),
    })
}

/// fork(2)
pub fn fork<K: Kernel>(process: &Process<K>, _: &Arguments) -> Result<usize> {
    process.fork(&Birth { exit_signal: SIGCHLD, ..Birth::default() })
}

/// vfork(2)
pub fn vfork<K: Kernel>(process: &Process<K>, _: &Arguments) -> Result<usize> {
    process.fork(&Birth { exit_signal: SIGCHLD, shares_memory: true, waits: true, ..Birth::default() })
}

/// exit(2): of the thread.
pub fn exit<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    process.end_thread(arguments.0[0] as u8)
}

/// set_tid_address(2)
pub fn set_tid_address<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    Ok(process.threads.with(|table| {
        let thread = table.current();
        thread.clear_at_end = arguments.word(0);
        thread.id as usize
    }))
}

/// Bytes of `struct robust_list_head`.
const ROBUST_LIST_BYTES: usize = 24;

/// set_robust_list(2)
pub fn set_robust_list<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    if arguments.word(1) != ROBUST_LIST_BYTES {
        return Err(Errno::EINVAL);
    }
    process.threads.with(|table| table.current().robust_list = arguments.0[0]);
    process.note_will();
    Ok(0)
}

/// get_robust_list(2)
pub fn get_robust_list<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let slot = process.find_thread(arguments.unsigned(0))?;
    let list = process.threads.with(|table| table.at(slot).robust_list);
    process.write_value(arguments.word(1), &list)?;
    process.write_value(arguments.word(2), &ROBUST_LIST_BYTES)?;
    Ok(0)
}
