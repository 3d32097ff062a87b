//! Segments of shared memory: shmget(2), shmop(2), shmctl(2). Attaching one is mapping a file that `unixd` has for it.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use abi::PAGE_SIZE;
use unix::Operation;
use unix::system_v::{Command, ObjectKind, READ_ONLY, SEGMENTS_MOST, word};

use super::{IPC_INFO, IPC_RMID, IPC_SET, IPC_STAT, control, get, id, ownership, pair, set, state};
use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::memory::{Attachment, Contents, FileMapping, Label, Placement, Protection, Region, pages_up};
use crate::process::Process;
use crate::syscall::Arguments;
use crate::user::{PROGRAM_TOP, UserMemory};

const KIND: ObjectKind = ObjectKind::Segment;
const SHM_LOCK: i32 = 11;
const SHM_UNLOCK: i32 = 12;
const SHM_STAT: i32 = 13;
const SHM_INFO: i32 = 14;
const SHM_STAT_ANY: i32 = 15;
/// shmat(2)'s flags.
const SHM_RND: u32 = 0o20000;
const SHM_REMAP: u32 = 0o40000;
const SHM_EXEC: u32 = 0o100000;

/// shmget(2)
pub fn shmget<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    get(process, KIND, arguments.int(0), arguments.0[1], arguments.unsigned(2))
}

/// Where a segment is to be attached.
fn placement(address: usize, flags: u32) -> Result<Placement> {
    let remaps = flags & SHM_REMAP != 0;
    if address == 0 {
        return if remaps { Err(Errno::EINVAL) } else { Ok(Placement::Hint(0)) };
    }
    let rounded = address & !(PAGE_SIZE - 1);
    match rounded {
        _ if rounded != address && flags & SHM_RND == 0 => Err(Errno::EINVAL),
        0 if remaps => Err(Errno::EINVAL),
        _ if remaps => Ok(Placement::Fixed(rounded)),
        _ => Ok(Placement::FixedFree(rounded)),
    }
}

/// shmat(2)
pub fn shmat<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let (segment, flags) = (id(arguments.int(0))?, arguments.unsigned(2));
    let placement = placement(arguments.word(1), flags)?;
    let [handle, bytes, ..] = process.ask(Operation::SegmentAttach, 0, segment, [u64::from(flags), 0, 0])?;
    let attached = attach(process, handle as u32, bytes, placement, flags, segment);
    if attached.is_err() {
        detach(process, segment);
    }
    attached
}

fn attach<K: Kernel>(process: &Process<K>, handle: u32, bytes: u64, placement: Placement, flags: u32, id: u32) -> Result<usize> {
    let (entry, file) = process.files.adopt(handle)?;
    let length = usize::try_from(bytes).ok().and_then(pages_up).ok_or(Errno::ENOMEM)?;
    let may_write = flags & READ_ONLY == 0;
    let mut protection = Protection::READ;
    protection.set(Protection::WRITE, may_write);
    protection.set(Protection::EXECUTE, flags & SHM_EXEC != 0);
    let backing = Arc::clone(&file).backing().ok_or(Errno::EIO)?;
    file.note_mapped(process)?;
    let contents = Contents::File(Box::new(FileMapping { backing: backing.clone(), offset: 0, path: Arc::from(entry.path()), may_write }));
    if let Placement::Fixed(address) = placement {
        process.memory.lock().unmap(&process.kernel, address..address.saturating_add(length).min(PROGRAM_TOP));
        settle_attachments(process);
    }
    let mut memory = process.memory.lock();
    let region = Region { end: 0, protection, shared: true, locked: memory.lock_future, contents, label: Label::None };
    let address = memory.map(&process.kernel, placement, length, region).map_err(|errno| match errno {
        Errno::EEXIST | Errno::EPERM => Errno::EINVAL,
        errno => errno,
    })?;
    memory.attachments.push(Attachment { range: address..address + length, backing, id });
    Ok(address)
}

/// Say that a segment is attached here once less.
fn detach<K: Kernel>(process: &Process<K>, segment: u32) {
    // A segment that is gone has no attachments to count.
    let _ = process.ask(Operation::SegmentDetach, 0, segment, [0; 3]);
}

/// shmdt(2)
pub fn shmdt<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let address = arguments.word(0);
    let mut memory = process.memory.lock();
    let place = memory.attachments.iter().position(|attachment| attachment.range.start == address).ok_or(Errno::EINVAL)?;
    let attachment = memory.attachments.remove(place);
    let parts: Vec<Range<usize>> = memory
        .regions
        .overlapping(attachment.range.clone())
        .filter(|(_, region)| attachment.is_shown_by(region))
        .map(|(part, _)| part)
        .collect();
    for part in parts {
        memory.unmap(&process.kernel, part);
    }
    drop(memory);
    detach(process, attachment.id);
    Ok(0)
}

/// After memory was unmapped: the segments of which nothing is mapped any more are not attached either.
pub fn settle_attachments<K: Kernel>(process: &Process<K>) {
    let mut memory = process.memory.lock();
    let attachments = core::mem::take(&mut memory.attachments);
    let is_there =
        |attachment: &Attachment| memory.regions.overlapping(attachment.range.clone()).any(|(_, region)| attachment.is_shown_by(region));
    let (kept, gone): (Vec<Attachment>, Vec<Attachment>) = attachments.into_iter().partition(is_there);
    memory.attachments = kept;
    drop(memory);
    for attachment in gone {
        detach(process, attachment.id);
    }
}

/// shmctl(2)
pub fn shmctl<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let (segment, command, address) = (id(arguments.int(0))?, arguments.int(1), arguments.word(2));
    let command = match command {
        IPC_RMID => return control(process, KIND, Command::Remove, segment, [0; 2]).map(|_| 0),
        IPC_SET => return set(process, KIND, segment, address, 0),
        IPC_INFO => return limits(process, address),
        SHM_INFO => return usage(process, address),
        SHM_LOCK | SHM_UNLOCK => {
            return control(process, KIND, Command::Lock, segment, [0, u64::from(command == SHM_LOCK)]).map(|_| 0);
        }
        IPC_STAT => Command::State,
        SHM_STAT => Command::StateAt,
        SHM_STAT_ANY => Command::StateAtAny,
        _ => return Err(Errno::EINVAL),
    };
    let (found, state) = state(process, KIND, command, segment)?;
    let [bytes, attached_s, detached_s, changed_s, maker, last, attachments] =
        *state[word::FIRST_OF_KIND..word::FIRST_OF_KIND + 7].as_array().ok_or(Errno::EIO)?;
    let [a, b, c, d, e, f] = ownership(&state);
    let told = [a, b, c, d, e, f, bytes, attached_s, detached_s, changed_s, pair(maker, last), attachments, 0, 0];
    process.write_value(address, &told).map(|()| found)
}

/// `struct shminfo64`
fn limits<K: Kernel>(process: &Process<K>, address: usize) -> Result<usize> {
    const MOST: u64 = u64::MAX - (1 << 24);
    let [highest, ..] = control(process, KIND, Command::Usage, 0, [0; 2])?;
    let told: [u64; 9] = [MOST, 1, SEGMENTS_MOST as u64, SEGMENTS_MOST as u64, MOST, 0, 0, 0, 0];
    process.write_value(address, &told).map(|()| highest as usize)
}

/// `struct shm_info`
fn usage<K: Kernel>(process: &Process<K>, address: usize) -> Result<usize> {
    let [highest, segments, pages, resident] = control(process, KIND, Command::Usage, 0, [0; 2])?;
    let told: [u64; 6] = [segments, pages, resident, 0, 0, 0];
    process.write_value(address, &told).map(|()| highest as usize)
}
