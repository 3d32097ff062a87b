//! Calls of the address space: brk, mmap and their like.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::ops::Range;

use abi::PAGE_SIZE;

use crate::errno::{Errno, Result};
use crate::file::Access;
use crate::kernel::Kernel;
use crate::memory::{Contents, FileMapping, Label, PROGRAM_BOTTOM, Placement, Protection, Region, is_in_a_file, may_reserve, pages_up};
use crate::process::Process;
use crate::syscall::Arguments;
use crate::syscall::system_v::settle_attachments;
use crate::user::{PROGRAM_TOP, UserMemory};

const MAP_SHARED: u32 = 0x01;
const MAP_PRIVATE: u32 = 0x02;
const MAP_SHARED_VALIDATE: u32 = 0x03;
const MAP_TYPE: u32 = 0x0f;
const MAP_FIXED: u32 = 0x10;
const MAP_ANONYMOUS: u32 = 0x20;
const MAP_GROWSDOWN: u32 = 0x100;
const MAP_LOCKED: u32 = 0x2000;
const MAP_NORESERVE: u32 = 0x4000;
const MAP_POPULATE: u32 = 0x8000;
const MAP_HUGETLB: u32 = 0x4_0000;
const MAP_FIXED_NOREPLACE: u32 = 0x10_0000;

/// brk(2)
pub fn brk<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    Ok(process.memory.lock().set_break(&process.kernel, arguments.word(0)))
}

/// The `PROT_*` bits of an argument. Linux ignores bits that it does not know.
fn protection(bits: usize) -> Protection {
    Protection::from_bits_truncate(bits as u32)
}

/// The whole pages of a range that a program named.
///
/// # Errors
/// `EINVAL`: it does not begin at a page. `ENOMEM`: it wraps around.
fn range(address: usize, length: usize) -> Result<Range<usize>> {
    if !address.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::EINVAL);
    }
    let end = pages_up(length).and_then(|length| address.checked_add(length)).ok_or(Errno::ENOMEM)?;
    Ok(address..end)
}

/// mmap(2)
pub fn mmap<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let (address, flags, offset) = (arguments.word(0), arguments.unsigned(3), arguments.0[5]);
    if !offset.is_multiple_of(PAGE_SIZE as u64) || arguments.word(1) == 0 {
        return Err(Errno::EINVAL);
    }
    let length = pages_up(arguments.word(1)).ok_or(Errno::ENOMEM)?;
    let protection = protection(arguments.word(2));
    let shared = match flags & MAP_TYPE {
        MAP_PRIVATE => false,
        MAP_SHARED | MAP_SHARED_VALIDATE => true,
        _ => return Err(Errno::EINVAL),
    };
    if flags & MAP_HUGETLB != 0 {
        // The pool of huge pages is empty.
        return Err(Errno::ENOMEM);
    }
    if flags & MAP_GROWSDOWN != 0 && flags & MAP_ANONYMOUS == 0 {
        return Err(Errno::EINVAL);
    }
    let contents = if flags & MAP_ANONYMOUS != 0 {
        Contents::Anonymous
    } else {
        file_contents(process, arguments.int(4), protection, shared, offset, length)?
    };
    let charged = !shared && protection.contains(Protection::WRITE) && flags & MAP_NORESERVE == 0;
    if charged && !may_reserve(&process.kernel, length) {
        return Err(Errno::ENOMEM);
    }
    let mut placement = match (flags & MAP_FIXED_NOREPLACE != 0, flags & MAP_FIXED != 0) {
        (true, _) => Placement::FixedFree(address),
        (false, true) => Placement::Fixed(address),
        (false, false) => Placement::Hint(address),
    };
    let mut memory = process.memory.lock();
    let mut region =
        Region { end: 0, protection, shared, locked: flags & MAP_LOCKED != 0 || memory.lock_future, contents, label: Label::None };
    memory.rewrite_mapping(&process.kernel, &mut placement, length, &mut region);
    let populated = region.locked || flags & MAP_POPULATE != 0;
    let start = memory.map(&process.kernel, placement, length, region)?;
    if populated && !protection.is_empty() {
        // What cannot be had now is left to the fault that wants it.
        let _ = memory.populate(&process.kernel, start..start + length);
    }
    let has_attachments = matches!(placement, Placement::Fixed(_)) && !memory.attachments.is_empty();
    drop(memory);
    if has_attachments {
        settle_attachments(process);
    }
    Ok(start)
}

/// What a mapping of a descriptor starts as.
fn file_contents<K: Kernel>(
    process: &Process<K>,
    fd: i32,
    protection: Protection,
    shared: bool,
    offset: u64,
    length: usize,
) -> Result<Contents> {
    let description = process.files.get(fd)?;
    let file = description.file()?;
    if !is_in_a_file(offset, length as u64) {
        return Err(Errno::EOVERFLOW);
    }
    if !description.access().contains(Access::READ) {
        return Err(Errno::EACCES);
    }
    if shared && protection.contains(Protection::WRITE) && !description.access().contains(Access::WRITE) {
        return Err(Errno::EACCES);
    }
    if file.maps_zeros() {
        return Ok(Contents::Anonymous);
    }
    let mut may_write = description.access().contains(Access::WRITE);
    let mut to_store = None;
    if shared && may_write {
        match Arc::clone(file).backing_to_store() {
            // Sealed against stores: it is as if it were open for reading only, since Linux 6.7.
            Err(Errno::EPERM) if !protection.contains(Protection::WRITE) => may_write = false,
            outcome => to_store = Some(outcome?),
        }
    }
    let backing = to_store.or_else(|| Arc::clone(file).backing()).ok_or(Errno::ENODEV)?;
    file.note_mapped(process)?;
    Ok(Contents::File(Box::new(FileMapping { backing, offset, path: Arc::from(description.entry.path()), may_write })))
}

/// munmap(2)
pub fn munmap<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let range = range(arguments.word(0), arguments.word(1)).map_err(|_| Errno::EINVAL)?;
    if range.is_empty() || range.end > PROGRAM_TOP {
        return Err(Errno::EINVAL);
    }
    // A thread that ends unmaps its own stack (musl's `__unmapself`), and a linked call returns by that stack: it goes when the thread does.
    let sp = process.kernel.stack_in_use() as usize;
    if range.contains(&sp.wrapping_sub(1)) && process.threads.with(|table| table.iter().nth(1).is_some()) {
        process.threads.with(|table| table.current().unmap_at_end = Some((range.start, range.len())));
        return Ok(0);
    }
    let mut memory = process.memory.lock();
    if !memory.may_unmap(&range) {
        return Err(Errno::ENOMEM);
    }
    memory.unmap(&process.kernel, range);
    let has_attachments = !memory.attachments.is_empty();
    drop(memory);
    if has_attachments {
        settle_attachments(process);
    }
    Ok(0)
}

/// mprotect(2)
pub fn mprotect<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let range = range(arguments.word(0), arguments.word(1))?;
    const KNOWN: usize = 7;
    if arguments.word(2) & !KNOWN != 0 {
        return Err(Errno::EINVAL);
    }
    process.memory.lock().protect(&process.kernel, range, protection(arguments.word(2)))?;
    Ok(0)
}

/// mremap(2)
pub fn mremap<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    const MAY_MOVE: usize = 1;
    const FIXED: usize = 2;
    let (flags, target) = (arguments.word(3), arguments.word(4));
    let old = range(arguments.word(0), arguments.word(1)).map_err(|_| Errno::EINVAL)?;
    let length = pages_up(arguments.word(2)).ok_or(Errno::EINVAL)?;
    let fixed = flags & FIXED != 0;
    if flags & !(MAY_MOVE | FIXED) != 0 || fixed && flags & MAY_MOVE == 0 || length == 0 || old.is_empty() {
        return Err(Errno::EINVAL);
    }
    if fixed {
        let end = target.checked_add(length).ok_or(Errno::EINVAL)?;
        if !target.is_multiple_of(PAGE_SIZE) || end > PROGRAM_TOP || target < old.end && old.start < end {
            return Err(Errno::EINVAL);
        }
    }
    process.memory.lock().remap(&process.kernel, old, length, flags & MAY_MOVE != 0, fixed.then_some(target))
}

/// madvise(2)
pub fn madvise<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let range = range(arguments.word(0), arguments.word(1)).map_err(|_| Errno::EINVAL)?;
    let mut memory = process.memory.lock();
    let covered = memory.regions.covers(range.clone());
    match arguments.int(2) {
        // NORMAL, RANDOM, SEQUENTIAL, WILLNEED, DONTFORK, DOFORK, MERGEABLE, UNMERGEABLE, HUGEPAGE, NOHUGEPAGE, DONTDUMP, DODUMP: advice that
        // may be ignored.
        0..=3 | 10..=17 => {}
        // COLD, PAGEOUT.
        20 | 21 if memory.regions.overlapping(range.clone()).any(|(_, region)| region.locked) => return Err(Errno::EINVAL),
        20 => {}
        21 => memory.page_out(&process.kernel, range),
        // DONTNEED. FREE may do the same: contents are lost at any time from the call on.
        advice @ (4 | 8) => {
            let anonymous = memory
                .regions
                .overlapping(range.clone())
                .all(|(_, region)| matches!(region.contents, Contents::Anonymous) && !region.shared);
            if advice == 8 && !anonymous {
                return Err(Errno::EINVAL);
            }
            // What is shared and of no file has no other place.
            let kept = |region: &Region| region.shared && matches!(region.contents, Contents::Anonymous);
            let parts: alloc::vec::Vec<_> =
                memory.regions.overlapping(range.clone()).filter(|(_, region)| !kept(region)).map(|(part, _)| part).collect();
            for part in parts {
                memory.discard(&process.kernel, part);
            }
        }
        // POPULATE_READ, POPULATE_WRITE.
        22 | 23 if covered => memory.populate(&process.kernel, range).map_err(|_| Errno::EFAULT)?,
        22 | 23 => {}
        _ => return Err(Errno::EINVAL),
    }
    if covered { Ok(0) } else { Err(Errno::ENOMEM) }
}

/// `__chitin_barrier` of the vDSO: `(address, length, cards)`; a length of 0 lifts the barrier. Linux has no call of that number.
pub fn barrier<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let range = range(arguments.word(0), arguments.word(1))?;
    let mut memory = process.memory.lock();
    if range.is_empty() {
        return memory.lift_barrier(range.start).map(|()| 0);
    }
    memory.set_barrier(&process.kernel, range, arguments.word(2)).map(|()| 0)
}

/// msync(2). A shared mapping is the file's own memory, so that there is nothing to write back.
pub fn msync<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    const ASYNC: usize = 1;
    const INVALIDATE: usize = 2;
    const SYNC: usize = 4;
    const KNOWN: usize = 7;
    let flags = arguments.word(2);
    if flags & !KNOWN != 0 || flags & (ASYNC | SYNC) == ASYNC | SYNC {
        return Err(Errno::EINVAL);
    }
    let range = range(arguments.word(0), arguments.word(1))?;
    let memory = process.memory.lock();
    if flags & INVALIDATE != 0 && memory.regions.overlapping(range.clone()).any(|(_, region)| region.locked) {
        return Err(Errno::EBUSY);
    }
    if memory.regions.covers(range) { Ok(0) } else { Err(Errno::ENOMEM) }
}

/// The whole pages that a range touches, as mlock(2) takes it.
fn touched(address: usize, length: usize) -> Result<Range<usize>> {
    let start = address & !(PAGE_SIZE - 1);
    let length = length.checked_add(address - start).ok_or(Errno::EINVAL)?;
    range(start, length)
}

/// mlock(2)
pub fn mlock<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    lock(process, arguments, 0)
}

/// mlock2(2)
pub fn mlock2<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    lock(process, arguments, arguments.unsigned(2))
}

/// Memory is never paged out, so that bringing it in is all there is to do, but for a note that it was asked for.
fn lock<K: Kernel>(process: &Process<K>, arguments: &Arguments, flags: u32) -> Result<usize> {
    const ON_FAULT: u32 = 1;
    if flags & !ON_FAULT != 0 {
        return Err(Errno::EINVAL);
    }
    let range = touched(arguments.word(0), arguments.word(1))?;
    let mut memory = process.memory.lock();
    memory.regions.lock(range.clone(), true)?;
    if flags & ON_FAULT == 0 {
        memory.populate(&process.kernel, range).map_err(|_| Errno::ENOMEM)?;
    }
    Ok(0)
}

/// munlock(2)
pub fn munlock<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    process.memory.lock().regions.lock(touched(arguments.word(0), arguments.word(1))?, false).map(|()| 0)
}

/// mlockall(2)
pub fn mlockall<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    const CURRENT: u32 = 1;
    const FUTURE: u32 = 2;
    const ON_FAULT: u32 = 4;
    let flags = arguments.unsigned(0);
    if flags & !(CURRENT | FUTURE | ON_FAULT) != 0 || flags & (CURRENT | FUTURE) == 0 {
        return Err(Errno::EINVAL);
    }
    let mut memory = process.memory.lock();
    memory.lock_future = flags & FUTURE != 0;
    if flags & CURRENT != 0 {
        for part in memory.lock_all(true) {
            if flags & ON_FAULT == 0 {
                // What cannot be had now is left to the fault that wants it.
                let _ = memory.populate(&process.kernel, part);
            }
        }
    }
    Ok(0)
}

/// munlockall(2)
pub fn munlockall<K: Kernel>(process: &Process<K>, _: &Arguments) -> Result<usize> {
    let mut memory = process.memory.lock();
    memory.lock_future = false;
    memory.lock_all(false);
    Ok(0)
}

/// mincore(2)
pub fn mincore<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let range = range(arguments.word(0), arguments.word(1))?;
    for (index, page) in range.clone().step_by(PAGE_SIZE).enumerate() {
        let resident = {
            let memory = process.memory.lock();
            if page < PROGRAM_BOTTOM || memory.regions.find(page).is_none() {
                return Err(Errno::ENOMEM);
            }
            memory.is_in_memory(page)
        };
        process.write(arguments.word(2).wrapping_add(index), &[u8::from(resident)])?;
    }
    Ok(0)
}
