//! splice(2), tee(2), vmsplice(2): bytes from a pipe, or into one.
//!
//! Linux moves references to pages, here bytes are copied; who gets them sees no difference, but for pages that the program changes after
//! vmsplice(2). Bytes leave a pipe when they have arrived where they go.

use alloc::sync::Arc;
use alloc::vec;

use linux_raw_sys::general::{O_APPEND, SPLICE_F_GIFT, SPLICE_F_MORE, SPLICE_F_MOVE, SPLICE_F_NONBLOCK};

use crate::errno::{Errno, Result};
use crate::file::pipe::{End, PIPE_BUF};
use crate::file::{Access, Blocking, Description, File, Input, Output, Place, Readiness};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::Arguments;
use crate::user::UserMemory;
use crate::vfs::attributes::Kind;
use crate::vfs::world::World;

const KNOWN: u32 = SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT;
const SIGPIPE: u32 = 13;
/// Bytes moved at a time.
const CHUNK: usize = 16 << 10;

/// One of the two sides.
struct Side {
    description: Arc<Description>,
    /// Where the program keeps an offset, or 0: the description's.
    address: usize,
}

impl Side {
    fn pipe(&self) -> Option<&End> {
        self.description.file().ok()?.pipe()
    }

    /// The pipe, if the description was opened for that.
    fn pipe_for(&self, access: Access) -> Result<(&End, &Arc<dyn File>)> {
        let file = self.description.file_for(access)?;
        Ok((file.pipe().ok_or(Errno::EINVAL)?, file))
    }

    /// The offset, if the program keeps one.
    fn offset<K: Kernel>(&self, process: &Process<K>) -> Result<Option<i64>> {
        match self.address {
            0 => Ok(None),
            _ if self.pipe().is_some() => Err(Errno::ESPIPE),
            address => process.read_value(address).map(Some),
        }
    }

    /// Whether bytes can go there or come from there without a pipe's help.
    fn check_other(&self, offset: Option<i64>) -> Result<()> {
        let kind = self.description.attributes().kind;
        let is_served = matches!(kind, Kind::Regular | Kind::Character | Kind::Socket);
        let has_places = self.description.file()?.seeking().has_places();
        if is_served && (offset.is_none() || has_places) { Ok(()) } else { Err(Errno::EINVAL) }
    }

    fn is_nonblocking(&self) -> bool {
        self.description.blocking() == Blocking::Refused
    }
}

fn blocking(is_refused: bool) -> Blocking {
    if is_refused { Blocking::Refused } else { Blocking::Allowed }
}

/// Wait until there is room in a pipe for what must be whole.
fn await_room<K: Kernel>(process: &Process<K>, pipe: &Arc<dyn File>, blocking: Blocking) -> Result<()> {
    loop {
        let ready = pipe.readiness(process);
        if ready.contains(Readiness::ERROR) {
            process.signal(SIGPIPE);
            return Err(Errno::EPIPE);
        }
        if ready.contains(Readiness::OUT) {
            return Ok(());
        }
        if blocking == Blocking::Refused {
            return Err(Errno::EAGAIN);
        }
        process.await_change()?;
    }
}

/// Repeat a step, which gets how far one came, until `wanted` bytes were moved, it moves none, or fails. An error is told only if it is the
/// first step's.
fn repeat(wanted: usize, mut step: impl FnMut(usize) -> Result<usize>) -> Result<usize> {
    let mut done = 0;
    while done < wanted {
        match step(done) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(_) if done > 0 => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(done)
}

/// From a pipe to what `put` does with the bytes, which tells how many it took.
fn drain<K: Kernel>(
    process: &Process<K>,
    from: &Side,
    wanted: usize,
    first: Blocking,
    put: &mut dyn FnMut(&[u8], usize) -> Result<usize>,
) -> Result<usize> {
    let (end, file) = from.pipe_for(Access::READ)?;
    let mut buffer = vec![0; CHUNK.min(wanted)];
    repeat(wanted, |done| {
        let room = buffer.len().min(wanted - done);
        let count = end.peek(process, &mut Output::own(&mut buffer[..room]), if done == 0 { first } else { Blocking::Refused })?;
        let taken = put(&buffer[..count], done)?;
        if taken > 0 {
            file.read(process, &mut Output::own(&mut buffer[..taken]), 0, Blocking::Refused)?;
        }
        Ok(taken)
    })
}

/// From a file to a pipe.
fn fill<K: Kernel>(process: &Process<K>, from: &Side, to: &Side, offset: Option<i64>, wanted: usize, first: Blocking) -> Result<usize> {
    let (_, pipe) = to.pipe_for(Access::WRITE)?;
    let source = from.description.file_for(Access::READ)?;
    let mut buffer = vec![0; PIPE_BUF.min(wanted)];
    repeat(wanted, |done| {
        await_room(process, pipe, if done == 0 { first } else { Blocking::Refused })?;
        let room = buffer.len().min(wanted - done);
        let output = &mut Output::own(&mut buffer[..room]);
        let count = match offset {
            Some(offset) => from.description.read_at(process, output, offset + done as i64)?,
            // What comes in pieces is not waited for twice.
            None if done > 0 && !source.seeking().has_places() => source.read(process, output, 0, Blocking::Refused)?,
            None => from.description.read(process, output)?,
        };
        let mut total = 0;
        while total < count {
            total += pipe.write(process, &mut Input::own(&buffer[total..count]), Place::End, Blocking::Allowed)?.0;
        }
        Ok(count)
    })
}

/// splice(2)
pub fn splice<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let (wanted, flags) = (arguments.word(4).min(crate::user::MOST_BYTES), arguments.unsigned(5));
    if wanted == 0 {
        return Ok(0);
    }
    if flags & !KNOWN != 0 {
        return Err(Errno::EINVAL);
    }
    let side = |fd: usize, address: usize| {
        let description = process.files.get(arguments.int(fd))?;
        Ok::<Side, Errno>(Side { description, address: arguments.word(address) })
    };
    let (from, to) = (side(0, 1)?, side(2, 3)?);
    let (source, target) = (from.offset(process)?, to.offset(process)?);
    from.description.file_for(Access::READ)?;
    to.description.file_for(Access::WRITE)?;
    let refused = flags & SPLICE_F_NONBLOCK != 0;
    let done = match (from.pipe().is_some(), to.pipe().is_some()) {
        (true, true) => between(process, &from, &to, wanted, blocking(refused || from.is_nonblocking() || to.is_nonblocking()))?,
        (true, false) => {
            to.check_other(target)?;
            if to.description.flags() & O_APPEND != 0 {
                return Err(Errno::EINVAL);
            }
            drain(process, &from, wanted, blocking(refused || from.is_nonblocking()), &mut |bytes, done| match target {
                Some(offset) => to.description.write_at(process, &mut Input::own(bytes), offset + done as i64, false),
                None => to.description.write(process, &mut Input::own(bytes)),
            })?
        }
        (false, true) => {
            from.check_other(source)?;
            fill(process, &from, &to, source, wanted, blocking(refused || to.is_nonblocking()))?
        }
        (false, false) => return Err(Errno::EINVAL),
    };
    for (side, offset) in [(&from, source), (&to, target)] {
        if let Some(offset) = offset {
            process.write_value(side.address, &(offset + done as i64))?;
        }
    }
    Ok(done)
}

/// From one pipe to another.
fn between<K: Kernel>(process: &Process<K>, from: &Side, to: &Side, wanted: usize, first: Blocking) -> Result<usize> {
    check_apart(from, to)?;
    let (_, pipe) = to.pipe_for(Access::WRITE)?;
    drain(process, from, wanted, first, &mut |bytes, done| {
        let how = if done == 0 { first } else { Blocking::Refused };
        pipe.write(process, &mut Input::own(bytes), Place::End, how).map(|(count, _)| count)
    })
}

/// Whether they are ends of two pipes.
fn check_apart(from: &Side, to: &Side) -> Result<()> {
    let pipes = [from, to].map(|side| {
        let attributes = side.description.attributes();
        (attributes.device, attributes.inode)
    });
    if pipes[0] == pipes[1] { Err(Errno::EINVAL) } else { Ok(()) }
}

/// tee(2)
pub fn tee<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let (wanted, flags) = (arguments.word(2), arguments.unsigned(3));
    if flags & !KNOWN != 0 {
        return Err(Errno::EINVAL);
    }
    if wanted == 0 {
        return Ok(0);
    }
    let side = |fd: usize| Ok::<Side, Errno>(Side { description: process.files.get(arguments.int(fd))?, address: 0 });
    let (from, to) = (side(0)?, side(1)?);
    from.description.file_for(Access::READ)?;
    to.description.file_for(Access::WRITE)?;
    let ((end, _), (_, pipe)) = (from.pipe_for(Access::READ)?, to.pipe_for(Access::WRITE)?);
    check_apart(&from, &to)?;
    let how = blocking(flags & SPLICE_F_NONBLOCK != 0 || from.is_nonblocking() || to.is_nonblocking());
    let mut buffer = vec![0; CHUNK.min(wanted)];
    let count = end.peek(process, &mut Output::own(&mut buffer), how)?;
    if count == 0 {
        return Ok(0);
    }
    pipe.write(process, &mut Input::own(&buffer[..count]), Place::End, how).map(|(count, _)| count)
}

/// vmsplice(2): the program's bytes into a pipe, or a pipe's into its memory.
pub fn vmsplice<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let flags = arguments.unsigned(3);
    if flags & !KNOWN != 0 {
        return Err(Errno::EINVAL);
    }
    let description = process.files.get(arguments.int(0))?;
    let file = description.file()?;
    if file.pipe().is_none() {
        return Err(Errno::EBADF);
    }
    let stretches = process.read_vectors(arguments.word(1), arguments.word(2))?;
    let how = blocking(flags & SPLICE_F_NONBLOCK != 0);
    if !description.access().contains(Access::WRITE) {
        return file.read(process, &mut Output::vectors(process, &stretches), 0, how);
    }
    let mut input = Input::vectors(process, &stretches);
    if input.left() == 0 {
        return Ok(0);
    }
    // As much as there is room for: it waits for the first of it only.
    await_room(process, file, how)?;
    file.write(process, &mut input, Place::End, Blocking::Refused).map(|(count, _)| count)
}
