//! Calls of groups, sessions, credentials, limits and priorities: those of one's own, and of other processes'.

use alloc::vec::Vec;

use unix::{Operation, SetIds, Setting};

use crate::errno::{Errno, Result};
use crate::identity::Word;
use crate::kernel::Kernel;
use crate::limits::{ADDRESS_SPACE, DATA, FILE_SIZE, FILES, Limit, RESOURCES, STACK};
use crate::process::Process;
use crate::syscall::Arguments;
use crate::user::UserMemory;

/// getpgid(2)
pub fn getpgid<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    if arguments.int(0) < 0 {
        return Err(Errno::ESRCH);
    }
    if arguments.int(0) == 0 || arguments.unsigned(0) == process.id() {
        return Ok(process.kernel.identity().get(Word::Group) as usize);
    }
    process.ask(Operation::GetGroup, 0, arguments.unsigned(0), [0; 3]).map(|answer| answer[0] as usize)
}

/// getsid(2)
pub fn getsid<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    if arguments.int(0) < 0 {
        return Err(Errno::ESRCH);
    }
    process.ask(Operation::GetGroup, 0, arguments.unsigned(0), [0; 3]).map(|answer| answer[1] as usize)
}

/// setpgid(2)
pub fn setpgid<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    // A group of 0 is that of the id.
    if arguments.int(1) < 0 || arguments.int(1) == 0 && arguments.int(0) < 0 {
        return Err(Errno::EINVAL);
    }
    process.ask(Operation::SetGroup, 0, arguments.unsigned(0), [arguments.0[1] & 0xffff_ffff, 0, 0])?;
    process.hear();
    Ok(0)
}

/// setsid(2)
pub fn setsid<K: Kernel>(process: &Process<K>, _: &Arguments) -> Result<usize> {
    let [session, ..] = process.ask(Operation::SetSession, 0, 0, [0; 3])?;
    process.hear();
    Ok(session as usize)
}

/// Set ids of a kind as the call says.
///
/// # Errors
/// setresuid(2)'s.
pub fn set_ids<K: Kernel>(process: &Process<K>, how: SetIds, of_groups: bool, ids: [u32; 3]) -> Result<()> {
    let number = how as u16 | if of_groups { SetIds::GROUPS } else { 0 };
    process.files.forget_names();
    let [_, first, second, _] = process.ask(Operation::SetIds, number, 0, ids.map(u64::from))?;
    let words = if of_groups { [Word::UserGroup, Word::EffectiveUserGroup] } else { [Word::User, Word::EffectiveUser] };
    process.kernel.identity().set(words[0], first as u32);
    process.kernel.identity().set(words[1], (first >> 32) as u32);
    let place = if of_groups { 2 } else { 0 };
    process.family.other_ids.lock()[place..place + 2].copy_from_slice(&[second as u32, (second >> 32) as u32]);
    Ok(())
}

macro_rules! setters {
    ($($name:ident $how:ident $groups:literal $count:literal $doc:literal,)*) => { $(
        #[doc = $doc]
        pub fn $name<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
            let mut ids = [u32::MAX; 3];
            for (index, id) in ids.iter_mut().enumerate().take($count) {
                *id = arguments.unsigned(index);
            }
            set_ids(process, SetIds::$how, $groups, ids).map(|()| 0)
        }
    )* };
}

setters! {
    setuid One false 1 "setuid(2)",
    setgid One true 1 "setgid(2)",
    setreuid Two false 2 "setreuid(2)",
    setregid Two true 2 "setregid(2)",
    setresuid Three false 3 "setresuid(2)",
    setresgid Three true 3 "setresgid(2)",
}

fn set_file_id<K: Kernel>(process: &Process<K>, arguments: &Arguments, of_groups: bool) -> Result<usize> {
    let old = process.family.other_ids.lock()[if of_groups { 3 } else { 1 }];
    set_ids(process, SetIds::File, of_groups, [arguments.unsigned(0), 0, 0])?;
    Ok(old as usize)
}

/// setfsuid(2): gives what it was, whatever comes of it.
pub fn setfsuid<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    set_file_id(process, arguments, false)
}

/// setfsgid(2): gives what it was, whatever comes of it.
pub fn setfsgid<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    set_file_id(process, arguments, true)
}

fn get_ids<K: Kernel>(process: &Process<K>, arguments: &Arguments, words: [Word; 2], saved: usize) -> Result<usize> {
    let saved = process.family.other_ids.lock()[saved];
    let identity = process.kernel.identity();
    for (index, id) in [identity.get(words[0]), identity.get(words[1]), saved].iter().enumerate() {
        process.write_value(arguments.word(index), id)?;
    }
    Ok(0)
}

/// getresuid(2)
pub fn getresuid<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    get_ids(process, arguments, [Word::User, Word::EffectiveUser], 0)
}

/// getresgid(2)
pub fn getresgid<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    get_ids(process, arguments, [Word::UserGroup, Word::EffectiveUserGroup], 2)
}

/// `NGROUPS_MAX` is more; so many fit into a letter.
const GROUPS_MOST: usize = unix::MAILBOX_BYTES / 4;

/// getgroups(2)
pub fn getgroups<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let room = usize::try_from(arguments.int(0)).map_err(|_| Errno::EINVAL)?;
    let groups = process.family.groups.lock().clone();
    if room == 0 {
        return Ok(groups.len());
    }
    if room < groups.len() {
        return Err(Errno::EINVAL);
    }
    for (index, group) in groups.iter().enumerate() {
        process.write_value(arguments.word(1).wrapping_add(index * 4), group)?;
    }
    Ok(groups.len())
}

/// setgroups(2)
pub fn setgroups<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    if process.kernel.identity().get(Word::EffectiveUser) != 0 {
        return Err(Errno::EPERM);
    }
    let count = arguments.unsigned(0) as usize;
    if count > GROUPS_MOST {
        return Err(Errno::EINVAL);
    }
    let mut groups: Vec<u32> = Vec::with_capacity(count);
    for index in 0..count {
        groups.push(process.read_value(arguments.word(1).wrapping_add(index * 4))?);
    }
    let bytes: Vec<u8> = groups.iter().copied().flat_map(u32::to_le_bytes).collect();
    process.kernel.post(0, &bytes);
    process.files.forget_names();
    process.ask(Operation::SetGroups, 0, count as u32, [0; 3])?;
    // As the kernel keeps them, so that it finds one soon.
    groups.sort_unstable();
    *process.family.groups.lock() = groups;
    Ok(0)
}

/// getrlimit(2)
pub fn getrlimit<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let limit = process.limits.lock().get(arguments.unsigned(0) as usize)?;
    process.write_value(arguments.word(1), &limit)?;
    Ok(0)
}

/// setrlimit(2)
pub fn setrlimit<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let limit = process.read_value(arguments.word(1))?;
    let resource = arguments.unsigned(0) as usize;
    if resource >= RESOURCES {
        return Err(Errno::EINVAL);
    }
    set_limit(process, 0, resource, limit).map(|_| 0)
}

/// prlimit64(2)
pub fn prlimit64<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let resource = arguments.unsigned(1) as usize;
    if resource >= RESOURCES {
        return Err(Errno::EINVAL);
    }
    let new = match arguments.word(2) {
        0 => None,
        address => Some(process.read_value(address)?),
    };
    let id = if arguments.unsigned(0) == process.id() { 0 } else { arguments.unsigned(0) };
    if arguments.int(0) < 0 {
        return Err(Errno::ESRCH);
    }
    let old = match new {
        Some(new) => set_limit(process, id, resource, new)?,
        None if id == 0 => process.limits.lock().get(resource)?,
        None => {
            let [_, soft, hard, _] = process.ask(Operation::Limit, resource as u16, id, [0; 3])?;
            [soft, hard]
        }
    };
    if arguments.word(3) != 0 {
        process.write_value(arguments.word(3), &old)?;
    }
    Ok(0)
}

fn set_limit<K: Kernel>(process: &Process<K>, id: u32, resource: usize, limit: Limit) -> Result<Limit> {
    const SET: u16 = 0x100;
    let [_, soft, hard, _] = process.ask(Operation::Limit, resource as u16 | SET, id, [limit[0], limit[1], 0])?;
    if id == 0 {
        process.note_limit(resource, limit);
    }
    Ok([soft, hard])
}

impl<K: Kernel> Process<K> {
    /// A limit is now this.
    pub fn note_limit(&self, resource: usize, limit: Limit) {
        let _ = self.limits.lock().set(resource, limit, true);
        match resource {
            STACK => self.memory.lock().stack_limit = limit[0] as usize,
            ADDRESS_SPACE => self.memory.lock().size_limit = limit[0] as usize,
            DATA => self.memory.lock().data_limit = limit[0] as usize,
            FILE_SIZE => self.family.set_file_size_limit(limit[0]),
            FILES => self.files.set_limit(limit[0] as usize),
            _ => {}
        }
    }
}

/// getpriority(2)
pub fn getpriority<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let whose = u16::try_from(arguments.int(0)).ok().filter(|&whose| whose <= 2).ok_or(Errno::EINVAL)?;
    process.ask(Operation::Priority, whose, arguments.unsigned(1), [0; 3]).map(|answer| answer[0] as usize)
}

/// setpriority(2)
pub fn setpriority<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let whose = u16::try_from(arguments.int(0)).ok().filter(|&whose| whose <= 2).ok_or(Errno::EINVAL)?;
    process.ask(Operation::SetPriority, whose, arguments.unsigned(1), [arguments.0[2] & 0xffff_ffff, 0, 0]).map(|_| 0)
}

/// A setting of prctl(2) that `unixd` keeps; set if there is a new value. Gives the one before.
///
/// # Errors
/// `EINVAL`: a value that it cannot have.
pub fn setting<K: Kernel>(process: &Process<K>, setting: Setting, new: Option<u32>) -> Result<u32> {
    let words = [u64::from(new.unwrap_or(0)), 0, 0];
    process.ask(Operation::Setting, setting as u16, u32::from(new.is_some()), words).map(|answer| answer[0] as u32)
}
