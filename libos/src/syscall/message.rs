//! Messages of sockets: send, recv and their kin.

use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_raw_sys::general::O_NONBLOCK;
use unix::{Object, Operation};

use crate::errno::{Errno, Result};
use crate::file::event::AnonymousNode;
use crate::file::pipe::Pipe;
use crate::file::queue::RemoteQueue;
use crate::file::remote::{Handle, RemoteFile};
use crate::file::socket::{Along, Received, Socket};
use crate::file::terminal::TerminalFile;
use crate::file::{Access, Blocking, Description, File, Input, Output};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::Arguments;
use crate::syscall::address::{AF_UNIX, Naming, address_of, find_name, read_name, write_name};
use crate::syscall::socket::{deadline, describe, wait, with_socket};
use crate::user::{MOST_BYTES, Stretch, UserMemory};
use crate::vfs::attributes::Kind;
use crate::vfs::world::World;

const MSG_CTRUNC: u32 = 8;
const MSG_DONTWAIT: u32 = 0x40;
const MSG_NOSIGNAL: u32 = 0x4000;
const MSG_WAITFORONE: u32 = 0x1_0000;
const MSG_CMSG_CLOEXEC: u32 = 0x4000_0000;
const SOL_SOCKET: u32 = 1;
const SCM_RIGHTS: u32 = 1;
const SCM_CREDENTIALS: u32 = 2;
/// The most bytes that control messages are looked at of (`net.core.optmem_max`).
const CONTROL_MOST: usize = 20_480;
/// Bytes of a `struct cmsghdr`.
const HEADER: usize = 16;
/// The most messages of one call (`UIO_MAXIOV`).
const MESSAGES_MOST: usize = 1024;
const SIGPIPE: u32 = 13;

/// A `struct msghdr`: name, its length, vector, elements of it, control messages, bytes of them, flags.
type Header = [usize; 7];
const NAME: usize = 0;
const NAME_LENGTH: usize = 1;
const VECTOR: usize = 2;
const VECTOR_LENGTH: usize = 3;
const CONTROL: usize = 4;
const CONTROL_LENGTH: usize = 5;
const FLAGS: usize = 6;
/// From one `struct mmsghdr` to the next.
const MANY_STEP: usize = size_of::<Header>() + 8;

fn blocking(description: &Description, flags: u32) -> Blocking {
    if flags & MSG_DONTWAIT != 0 { Blocking::Refused } else { description.blocking() }
}

/// Send, and raise `SIGPIPE` where a stream has nobody who reads.
fn transmit<K: Kernel>(process: &Process<K>, fd: i32, input: &mut Input, along: Along) -> Result<usize> {
    with_socket(process, fd, |socket, description| {
        let flags = along.flags;
        let deadline_ns = deadline(process, socket.timeouts.lock().send_ns);
        let blocking = blocking(description, flags);
        let outcome = socket.send(input, along, &mut || wait(process, blocking, deadline_ns));
        if outcome == Err(Errno::EPIPE) && socket.is_stream() && flags & MSG_NOSIGNAL == 0 {
            process.signal(SIGPIPE);
        }
        outcome
    })
}

fn receive<K: Kernel>(process: &Process<K>, fd: i32, output: &mut Output, flags: u32, rights: usize) -> Result<Received> {
    with_socket(process, fd, |socket, description| {
        let deadline_ns = deadline(process, socket.timeouts.lock().receive_ns);
        let blocking = blocking(description, flags);
        socket.receive(output, flags, rights, &mut || wait(process, blocking, deadline_ns))
    })
}

/// The name that a message goes to, if one is given.
fn destination<K: Kernel>(process: &Process<K>, fd: i32, address: usize, length: usize) -> Result<Option<crate::file::socket::Name>> {
    let (domain, is_stream) = with_socket(process, fd, |socket, _| Ok((socket.domain(), socket.is_stream())))?;
    // A connection of the Internet's needs no name, and does not look at one.
    if address == 0 || length == 0 || domain != AF_UNIX && is_stream {
        return Ok(None);
    }
    let bytes = read_name(process, domain, address, length, Naming::Sending)?.ok_or(Errno::EINVAL)?;
    find_name(process, domain, bytes).map(Some)
}

/// sendto(2)
pub fn sendto<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let along = Along {
        flags: arguments.unsigned(3),
        to: destination(process, arguments.int(0), arguments.word(4), arguments.unsigned(5) as usize)?,
        ..Along::default()
    };
    transmit(process, arguments.int(0), &mut Input::user(process, arguments.word(1), arguments.word(2).min(MOST_BYTES)), along)
}

/// recvfrom(2)
pub fn recvfrom<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let mut output = Output::user(process, arguments.word(1), arguments.word(2).min(MOST_BYTES));
    let received = receive(process, arguments.int(0), &mut output, arguments.unsigned(3), 0)?;
    if arguments.word(4) != 0 && arguments.word(5) != 0 {
        let domain = with_socket(process, arguments.int(0), |socket, _| Ok(socket.domain()))?;
        write_sender(process, domain, &received.from, arguments.word(4), arguments.word(5))?;
    }
    Ok(received.count)
}

/// Tell who sent, if it has a name.
fn write_sender<K: Kernel>(process: &Process<K>, domain: u16, from: &[u8], address: usize, length: usize) -> Result<()> {
    if from.is_empty() { process.write_value(length, &0u32) } else { write_name(process, domain, from, address, length) }
}

/// What the control messages of a message say.
fn read_control<K: Kernel>(process: &Process<K>, header: &Header, along: &mut Along) -> Result<Vec<Arc<Description>>> {
    let mut kept = Vec::new();
    let length = header[CONTROL_LENGTH];
    if header[CONTROL] == 0 || length == 0 {
        return Ok(kept);
    }
    if length > CONTROL_MOST {
        return Err(Errno::ENOBUFS);
    }
    let mut bytes = alloc::vec![0; length];
    process.read(header[CONTROL], &mut bytes)?;
    let word = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let mut at = 0;
    while at + HEADER <= length {
        let size = word(at) as usize | (word(at + 4) as usize) << 32;
        if size < HEADER || size > length - at {
            return Err(Errno::EINVAL);
        }
        let words: Vec<u32> = (at + HEADER..at + size).step_by(4).take((size - HEADER) / 4).map(word).collect();
        match (word(at + 8), word(at + 12)) {
            (SOL_SOCKET, SCM_RIGHTS) if words.len() <= unix::message::RIGHTS_MOST => {
                for fd in words {
                    let description = process.files.get(fd as i32)?;
                    let server = process.kernel.server().ok_or(Errno::EOPNOTSUPP)?;
                    // What cannot live outside the process, such as an epoll(7)'s set, cannot be sent.
                    along.rights.push(description.file()?.share(server)?.ok_or(Errno::EOPNOTSUPP)?);
                    kept.push(description);
                }
            }
            (SOL_SOCKET, SCM_CREDENTIALS) if words.len() == 3 => along.credentials = Some([words[0], words[1], words[2]]),
            (SOL_SOCKET, _) => return Err(Errno::EINVAL),
            _ => {}
        }
        at += size.next_multiple_of(8);
    }
    if !kept.is_empty() {
        // Others may wait for files that have just moved.
        process.note_change();
    }
    Ok(kept)
}

fn send_message<K: Kernel>(process: &Process<K>, fd: i32, address: usize, flags: u32) -> Result<usize> {
    with_socket(process, fd, |_, _| Ok(()))?;
    let header: Header = process.read_value(address)?;
    let stretches = read_stretches(process, &header)?;
    let to = destination(process, fd, header[NAME], header[NAME_LENGTH] as u32 as usize)?;
    let mut along = Along { flags, to, ..Along::default() };
    let mut kept = read_control(process, &header, &mut along)?;
    // Only sockets of one machine carry these, and others say nothing of it.
    if with_socket(process, fd, |socket, _| Ok(socket.domain() != AF_UNIX))? {
        (along.rights, along.credentials) = (Vec::new(), None);
        kept.clear();
    }
    let outcome = transmit(process, fd, &mut Input::vectors(process, &stretches), along);
    drop(kept);
    outcome
}

fn read_stretches<K: Kernel>(process: &Process<K>, header: &Header) -> Result<Vec<Stretch>> {
    if header[VECTOR_LENGTH] > MESSAGES_MOST {
        return Err(Errno::EMSGSIZE);
    }
    process.read_vectors(header[VECTOR], header[VECTOR_LENGTH])
}

/// sendmsg(2)
pub fn sendmsg<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    send_message(process, arguments.int(0), arguments.word(1), arguments.unsigned(2))
}

/// sendmmsg(2)
pub fn sendmmsg<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let (fd, address, count) = (arguments.int(0), arguments.word(1), arguments.unsigned(2) as usize);
    let mut done = 0;
    while done < count.min(MESSAGES_MOST) {
        let at = address.wrapping_add(done * MANY_STEP);
        let outcome = send_message(process, fd, at, arguments.unsigned(3))
            .and_then(|sent| process.write_value(at.wrapping_add(size_of::<Header>()), &(sent as u32)));
        match outcome {
            Err(_) if done > 0 => break,
            outcome => outcome?,
        }
        done += 1;
    }
    Ok(done)
}

/// A descriptor for a handle that came along with a message.
fn adopt<K: Kernel>(process: &Process<K>, handle: Handle, close_on_exec: bool) -> Result<i32> {
    let [what, inode, flags, special] = handle.ask(Operation::Describe, [0; 3])?;
    let object = Object::from_number(what as u8).ok_or(Errno::EIO)?;
    let access = Access::from_bits_truncate((what >> 8) as u32 & 0xff);
    let traits = (what >> 16) as u32;
    let mode = if access == Access::WRITE { 1 } else { access.bits() & 2 } | flags as u32 & O_NONBLOCK;
    let detached = |file: Arc<dyn File>, kind, name: &[u8]| {
        let entry = AnonymousNode::entry(file.clone(), kind, inode, name, process.now());
        Description::new(entry, file, access, mode)
    };
    let description = match object {
        Object::Socket => describe(process, handle, special as u32, inode, flags as u32),
        Object::Pipe => {
            let pipe = Pipe::new(inode);
            let end = pipe.adopt(handle, access, special);
            Description::new(pipe.entry(process.now()), end, access, mode)
        }
        Object::Event => detached(Arc::new(RemoteFile::new(handle, traits)), Kind::Anonymous, b"anon_inode:[eventfd]"),
        Object::Notices => detached(Arc::new(RemoteFile::new(handle, traits)), Kind::Anonymous, b"anon_inode:inotify"),
        Object::Terminal => detached(TerminalFile::adopt(handle), Kind::Character, b"/dev/tty"),
        Object::Queue => detached(Arc::new(RemoteQueue::new(handle)), Kind::Regular, b"/"),
        Object::File => {
            let (entry, file) = process.files.adopt(handle.into_number())?;
            Description::new(entry, file, access, mode)
        }
    };
    process.files.insert(description, close_on_exec)
}

/// Put control messages where a program wants them; gives their bytes, and whether something did not fit.
fn write_control<K: Kernel>(process: &Process<K>, header: &Header, received: &mut Received, flags: u32) -> Result<(usize, bool)> {
    let room = header[CONTROL_LENGTH];
    let (mut at, mut is_cut) = (0, false);
    let mut put = |kind: u32, words: &[u32]| {
        let size = HEADER + 4 * words.len();
        if at + size > room {
            return Ok(false);
        }
        let mut bytes = (size as u64).to_ne_bytes().to_vec();
        for word in [SOL_SOCKET, kind].iter().chain(words) {
            bytes.extend_from_slice(&word.to_ne_bytes());
        }
        process.write(header[CONTROL].wrapping_add(at), &bytes)?;
        at = (at + size.next_multiple_of(8)).min(room);
        Ok::<bool, Errno>(true)
    };
    if let Some(credentials) = received.credentials {
        is_cut |= !put(SCM_CREDENTIALS, &credentials)?;
    }
    let mut fds = Vec::new();
    for handle in received.rights.drain(..) {
        match adopt(process, handle, flags & MSG_CMSG_CLOEXEC != 0) {
            Ok(fd) => fds.push(fd as u32),
            Err(_) => is_cut = true,
        }
    }
    if !fds.is_empty() {
        put(SCM_RIGHTS, &fds)?;
    }
    Ok((at, is_cut))
}

fn receive_message<K: Kernel>(process: &Process<K>, fd: i32, address: usize, flags: u32) -> Result<usize> {
    let domain = with_socket(process, fd, |socket, _| Ok(socket.domain()))?;
    let mut header: Header = process.read_value(address)?;
    let stretches = read_stretches(process, &header)?;
    // As many descriptors as fit behind a header, and behind the credentials if they come.
    let passes = with_socket(process, fd, passes_credentials)?;
    let used = if passes { HEADER + 16 } else { 0 };
    let rights = header[CONTROL_LENGTH].saturating_sub(used + HEADER) / 4;
    let mut received = receive(process, fd, &mut Output::vectors(process, &stretches), flags, rights)?;
    if header[NAME] != 0 {
        let name = if received.from.is_empty() { Vec::new() } else { address_of(domain, &received.from) };
        let room = header[NAME_LENGTH] as u32 as usize;
        process.write(header[NAME], &name[..name.len().min(room)])?;
        header[NAME_LENGTH] = name.len();
    }
    process.write_value(address + 8 * NAME_LENGTH, &(header[NAME_LENGTH] as u32))?;
    let (control, is_cut) = write_control(process, &header, &mut received, flags)?;
    let cut = if is_cut { MSG_CTRUNC } else { 0 };
    process.write_value(address + 8 * CONTROL_LENGTH, &control)?;
    process.write_value(address + 8 * FLAGS, &(received.flags | cut | flags & MSG_CMSG_CLOEXEC))?;
    Ok(received.count)
}

fn passes_credentials(socket: &Socket, _: &Description) -> Result<bool> {
    const SO_PASSCRED: u64 = 16;
    Ok(socket.handle().ask(Operation::SocketOption, [SO_PASSCRED, u64::from(SOL_SOCKET), 0])?[0] != 0)
}

/// recvmsg(2)
pub fn recvmsg<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    receive_message(process, arguments.int(0), arguments.word(1), arguments.unsigned(2))
}

/// recvmmsg(2). The timeout is looked at after each message, as on Linux.
pub fn recvmmsg<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let (fd, address, count) = (arguments.int(0), arguments.word(1), arguments.unsigned(2) as usize);
    let mut flags = arguments.unsigned(3);
    let until = match arguments.word(4) {
        0 => None,
        address => Some(process.now_ns().saturating_add(crate::time::Timespec(process.read_value(address)?).ns()?)),
    };
    let mut done = 0;
    while done < count.min(MESSAGES_MOST) && (done == 0 || until.is_none_or(|until| process.now_ns() < until)) {
        let at = address.wrapping_add(done * MANY_STEP);
        let outcome = receive_message(process, fd, at, flags & !MSG_WAITFORONE)
            .and_then(|count| process.write_value(at.wrapping_add(size_of::<Header>()), &(count as u32)));
        match outcome {
            Err(_) if done > 0 => break,
            outcome => outcome?,
        }
        done += 1;
        if flags & MSG_WAITFORONE != 0 {
            flags |= MSG_DONTWAIT;
        }
    }
    Ok(done)
}
