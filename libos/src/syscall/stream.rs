//! Calls that move bytes through descriptors.

use alloc::sync::Arc;

use crate::errno::{Errno, Result};
use crate::file::terminal::TerminalFile;
use crate::file::{Access, Description, Input, Output};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::Arguments;
use crate::user::{MOST_BYTES, UserMemory};
use crate::vfs::attributes::Kind;

fn descriptor<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<Arc<Description>> {
    process.files.get(arguments.int(0))
}

fn output<'a, K: Kernel>(process: &'a Process<K>, arguments: &Arguments) -> Output<'a> {
    Output::user(process, arguments.word(1), arguments.word(2).min(MOST_BYTES))
}

fn input<'a, K: Kernel>(process: &'a Process<K>, arguments: &Arguments) -> Input<'a> {
    Input::user(process, arguments.word(1), arguments.word(2).min(MOST_BYTES))
}

/// A lane of a call on a descriptor. While `work` looks at what that refers to nobody else works on the table: a fault of a
/// copy has no business with it. Where somebody does already, there is no lane.
#[inline(always)]
fn plainly<K: Kernel>(process: &Process<K>, fd: i32, work: impl FnOnce(&Description) -> Option<usize>) -> Option<usize> {
    work(&process.files.try_table()?.get(fd).ok()?.description)
}

/// The lane of [`read`]: a copy.
#[inline(always)]
pub fn read_plain<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Option<usize> {
    plainly(process, arguments.int(0), |description| description.read_plain(process, arguments.word(1), arguments.word(2)))
}

/// read(2)
pub fn read<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    descriptor(process, arguments)?.read(process, &mut output(process, arguments))
}

/// The lane of [`write()`]: to where nobody looks, or a copy.
#[inline(always)]
pub fn write_plain<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Option<usize> {
    plainly(process, arguments.int(0), |description| description.write_plain(process, arguments.word(1), arguments.word(2).min(MOST_BYTES)))
}

/// write(2)
pub fn write<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    descriptor(process, arguments)?.write(process, &mut input(process, arguments))
}

/// The lane of [`pread64`]: a copy.
#[inline(always)]
pub fn pread64_plain<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Option<usize> {
    let (address, length, offset) = (arguments.word(1), arguments.word(2), arguments.signed(3));
    plainly(process, arguments.int(0), |description| description.read_plain_at(process, address, length, offset))
}

/// pread64(2)
pub fn pread64<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    descriptor(process, arguments)?.read_at(process, &mut output(process, arguments), arguments.signed(3))
}

/// The lane of [`pwrite64`]: a copy.
#[inline(always)]
pub fn pwrite64_plain<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Option<usize> {
    let (address, length, offset) = (arguments.word(1), arguments.word(2), arguments.signed(3));
    plainly(process, arguments.int(0), |description| description.write_plain_at(process, address, length, offset))
}

/// pwrite64(2)
pub fn pwrite64<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let description = descriptor(process, arguments)?;
    // As on Linux, O_APPEND wins over the offset.
    let append = description.flags() & linux_raw_sys::general::O_APPEND != 0;
    description.write_at(process, &mut input(process, arguments), arguments.signed(3), append)
}

/// readv(2)
pub fn readv<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let description = descriptor(process, arguments)?;
    let stretches = process.read_vectors(arguments.word(1), arguments.word(2))?;
    description.read(process, &mut Output::vectors(process, &stretches))
}

/// writev(2)
pub fn writev<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let description = descriptor(process, arguments)?;
    let stretches = process.read_vectors(arguments.word(1), arguments.word(2))?;
    description.write(process, &mut Input::vectors(process, &stretches))
}

/// preadv(2), preadv2(2) without flags. Both ISAs pass the whole offset in one register.
pub fn preadv<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let description = descriptor(process, arguments)?;
    let stretches = process.read_vectors(arguments.word(1), arguments.word(2))?;
    description.read_at(process, &mut Output::vectors(process, &stretches), arguments.signed(3))
}

/// pwritev(2)
pub fn pwritev<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let description = descriptor(process, arguments)?;
    let append = description.flags() & linux_raw_sys::general::O_APPEND != 0;
    let stretches = process.read_vectors(arguments.word(1), arguments.word(2))?;
    description.write_at(process, &mut Input::vectors(process, &stretches), arguments.signed(3), append)
}

/// The flags of preadv2(2) and pwritev2(2) that are known.
const RWF_NOWAIT: u32 = linux_raw_sys::general::RWF_NOWAIT;
const RWF_APPEND: u32 = linux_raw_sys::general::RWF_APPEND;
/// Flags that ask for what is so anyway: nothing is ever written to a device.
const RWF_IGNORED: u32 =
    linux_raw_sys::general::RWF_HIPRI | linux_raw_sys::general::RWF_DSYNC | linux_raw_sys::general::RWF_SYNC | RWF_NOWAIT;

/// preadv2(2): an offset of -1 is the description's own.
pub fn preadv2<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    if arguments.unsigned(5) & !RWF_IGNORED != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    match arguments.signed(3) {
        -1 if arguments.unsigned(5) & RWF_NOWAIT != 0 => {
            let stretches = process.read_vectors(arguments.word(1), arguments.word(2))?;
            descriptor(process, arguments)?.read_now(process, &mut Output::vectors(process, &stretches))
        }
        -1 => readv(process, arguments),
        _ => preadv(process, arguments),
    }
}

/// pwritev2(2): an offset of -1 is the description's own.
pub fn pwritev2<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let flags = arguments.unsigned(5);
    if flags & !(RWF_IGNORED | RWF_APPEND) != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    if flags & RWF_APPEND == 0 {
        return match arguments.signed(3) {
            -1 if flags & RWF_NOWAIT != 0 => {
                let stretches = process.read_vectors(arguments.word(1), arguments.word(2))?;
                descriptor(process, arguments)?.write_now(process, &mut Input::vectors(process, &stretches))
            }
            -1 => writev(process, arguments),
            _ => pwritev(process, arguments),
        };
    }
    let description = descriptor(process, arguments)?;
    let stretches = process.read_vectors(arguments.word(1), arguments.word(2))?;
    description.write_at(process, &mut Input::vectors(process, &stretches), arguments.signed(3).max(0), true)
}

/// The lane of [`lseek`]: to an offset, or by one.
#[inline(always)]
pub fn lseek_plain<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Option<usize> {
    plainly(process, arguments.int(0), |description| description.seek_plain(arguments.signed(1), arguments.unsigned(2)))
}

/// lseek(2)
pub fn lseek<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let (offset, whence) = (arguments.signed(1), arguments.unsigned(2));
    // A file that looks for data or a hole looks at nobody's descriptors.
    process.files.with_table(|table| table.get(arguments.int(0))?.description.seek(offset, whence)).map(|offset| offset as usize)
}

/// ioctl(2)
pub fn ioctl<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    const FIOCLEX: u32 = 0x5451;
    const FIONCLEX: u32 = 0x5450;
    const FIONBIO: u32 = 0x5421;
    let (fd, request, argument) = (arguments.int(0), arguments.unsigned(1), arguments.word(2));
    let description = descriptor(process, arguments)?;
    let file = description.file()?;
    match request {
        FIOCLEX | FIONCLEX => {
            let close = request == FIOCLEX;
            process.files.with_table(|table| table.get_mut(fd).map(|slot| slot.close_on_exec = close)).map(|()| 0)
        }
        FIONBIO => {
            let on = process.read_value::<i32>(argument)? != 0;
            let flag = linux_raw_sys::general::O_NONBLOCK;
            let flags = description.flags();
            description.set_flags(if on { flags | flag } else { flags & !flag });
            Ok(0)
        }
        linux_raw_sys::ioctl::TIOCGPTPEER => {
            let terminal = file.of_type::<TerminalFile>().ok_or(Errno::ENOTTY)?;
            super::open::open_peer(process, terminal.pair_number()?, argument as u32)
        }
        _ => match super::owner::request(process, &description, fd, request, argument) {
            Some(outcome) => outcome,
            None => file.control(process, request, argument),
        },
    }
}

/// Bytes that sendfile(2) moves at a time.
const CHUNK: usize = 16 << 10;

/// sendfile(2)
pub fn sendfile<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let offset_address = arguments.word(2);
    let mut offset = if offset_address == 0 { None } else { Some(process.read_value::<i64>(offset_address)?) };
    let wanted = arguments.word(3).min(MOST_BYTES);
    let from = process.files.get(arguments.int(1))?;
    let is_stream = !from.file_for(Access::READ)?.seeking().has_places();
    match offset {
        Some(_) if is_stream => return Err(Errno::ESPIPE),
        Some(..0) => return Err(Errno::EINVAL),
        _ => {}
    }
    let to = process.files.get(arguments.int(0))?;
    to.file_for(Access::WRITE)?;
    let is_to_pipe = to.entry.node.kind() == Kind::Fifo;
    let cannot_send = from.entry.node.kind() == Kind::Directory || is_stream && !is_to_pipe;
    if cannot_send || !is_to_pipe && to.flags() & linux_raw_sys::general::O_APPEND != 0 {
        return Err(Errno::EINVAL);
    }
    let mut buffer = alloc::vec![0; CHUNK.min(wanted.max(1))];
    let mut done = 0;
    // Out of a stream into a pipe goes what one read gives.
    while done < wanted && !(is_stream && done > 0) {
        let room = buffer.len().min(wanted - done);
        let count = match offset {
            Some(offset) => from.read_at(process, &mut Output::own(&mut buffer[..room]), offset),
            None => from.read(process, &mut Output::own(&mut buffer[..room])),
        };
        let count = match count {
            Ok(0) => break,
            Err(_) if done > 0 => break,
            count => count?,
        };
        let outcome = to.write(process, &mut Input::own(&buffer[..count]));
        let written = *outcome.as_ref().unwrap_or(&0);
        done += written;
        offset = offset.map(|offset| offset + written as i64);
        if written < count {
            // What did not go out is read again.
            if offset.is_none() && !is_stream {
                from.set_offset(from.offset() - (count - written) as u64);
            }
            if done > 0 {
                break;
            } else {
                outcome?
            };
            break;
        }
    }
    if let Some(offset) = offset {
        process.write_value(offset_address, &offset)?;
    }
    if done == 0 && wanted > isize::MAX as usize { Err(Errno::EINVAL) } else { Ok(done) }
}

/// Where a copy reads or writes: at an offset of its own, which is told to the program afterwards, or the description's.
struct Side {
    description: Arc<Description>,
    address: usize,
    offset: i64,
}

impl Side {
    fn new<K: Kernel>(process: &Process<K>, fd: i32, address: usize) -> Result<Side> {
        let description = process.files.get(fd)?;
        match description.attributes().kind {
            Kind::Regular => {}
            Kind::Directory => return Err(Errno::EISDIR),
            _ => return Err(Errno::EINVAL),
        }
        let offset = if address == 0 { description.offset() as i64 } else { process.read_value(address)? };
        Ok(Side { description, address, offset })
    }

    fn finish<K: Kernel>(&self, process: &Process<K>, moved: usize) -> Result<()> {
        let end = self.offset + moved as i64;
        if self.address != 0 {
            return process.write_value(self.address, &end);
        }
        self.description.set_offset(end as u64);
        Ok(())
    }
}

/// copy_file_range(2)
pub fn copy_file_range<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let (from, to) = (Side::new(process, arguments.int(0), arguments.word(1))?, Side::new(process, arguments.int(2), arguments.word(3))?);
    let wanted = arguments.word(4).min(MOST_BYTES);
    if arguments.unsigned(5) != 0 || from.offset < 0 || to.offset < 0 {
        return Err(Errno::EINVAL);
    }
    if to.description.flags() & linux_raw_sys::general::O_APPEND != 0 {
        return Err(Errno::EBADF);
    }
    let same = Arc::ptr_eq(&from.description.entry.node, &to.description.entry.node);
    if same && from.offset.abs_diff(to.offset) < wanted as u64 {
        return Err(Errno::EINVAL);
    }
    to.description.file_for(Access::WRITE)?;
    let mut buffer = alloc::vec![0; CHUNK.min(wanted.max(1))];
    let mut done = 0;
    while done < wanted {
        let room = buffer.len().min(wanted - done);
        let count = from.description.read_at(process, &mut Output::own(&mut buffer[..room]), from.offset + done as i64)?;
        if count == 0 {
            break;
        }
        match to.description.write_at(process, &mut Input::own(&buffer[..count]), to.offset + done as i64, false) {
            Err(_) if done > 0 => break,
            written => done += written?,
        }
    }
    from.finish(process, done)?;
    to.finish(process, done)?;
    Ok(done)
}
