//! Sockets: how they are made, named and connected, and what is asked of them.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_raw_sys::general::{AT_FDCWD, O_CLOEXEC, O_NONBLOCK, O_RDWR};
use unix::message::NAME_MOST;
use unix::{Operation, Request};

use crate::errno::{Errno, Result};
use crate::file::event::AnonymousNode;
use crate::file::remote::Handle;
use crate::file::socket::{Name, Socket};
use crate::file::{Access, Blocking, Description, File};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::path::permissions;
use crate::syscall::{Arguments, poll};
use crate::user::UserMemory;
use crate::vfs::attributes::Kind;
use crate::vfs::node::New;
use crate::vfs::walk::Last;
use crate::vfs::world::World;

/// `AF_UNSPEC`, `AF_UNIX`, and one more than any family's number.
const AF_UNSPEC: u16 = 0;
const AF_UNIX: u16 = 1;
/// `SOCK_STREAM`, and what is not a type.
const SOCK_STREAM: u32 = 1;
const TYPE_MASK: u32 = 0xf;
const TYPES: u32 = 11;
/// Bytes of a `struct sockaddr_un` before `sun_path`.
const FAMILY_BYTES: usize = 2;
const SOL_SOCKET: i32 = 1;

/// A description of a socket, with the flags of its type.
pub fn describe<K: Kernel>(process: &Process<K>, handle: Handle, kind: u32, inode: u64, flags: u32) -> Arc<Description> {
    let socket: Arc<dyn File> = Arc::new(Socket::new(handle, kind == SOCK_STREAM));
    let entry = AnonymousNode::entry(socket.clone(), Kind::Socket, inode, format!("socket:[{inode}]").as_bytes(), process.now());
    Description::new(entry, socket, Access::READ | Access::WRITE, flags & O_NONBLOCK | O_RDWR)
}

/// Domain, type and protocol as socket(2) and socketpair(2) take them; gives the type and its flags.
fn kind<K: Kernel>(arguments: &Arguments, process: &Process<K>) -> Result<(u32, u32)> {
    let (domain, kind, protocol) = (arguments.int(0), arguments.unsigned(1), arguments.int(2));
    let (kind, flags) = (kind & TYPE_MASK, kind & !TYPE_MASK);
    if flags & !(O_CLOEXEC | O_NONBLOCK) != 0 || kind >= TYPES {
        return Err(Errno::EINVAL);
    }
    if domain != i32::from(AF_UNIX) || process.kernel.server().is_none() {
        return Err(Errno::EAFNOSUPPORT);
    }
    match protocol {
        0 | 1 => Ok((kind, flags)),
        _ => Err(Errno::EPROTONOSUPPORT),
    }
}

/// socket(2)
pub fn socket<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let (kind, flags) = kind(arguments, process)?;
    let server = process.kernel.server().ok_or(Errno::EAFNOSUPPORT)?;
    let inode = process.files.next_inode();
    let number = server.call(Request::new(Operation::MakeSocket, [u64::from(kind), inode, 0]))?[0] as u32;
    let description = describe(process, Handle::new(server, number), kind, inode, flags);
    process.files.insert(description, flags & O_CLOEXEC != 0).map(|fd| fd as usize)
}

/// socketpair(2)
pub fn socketpair<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let (kind, flags) = kind(arguments, process)?;
    let server = process.kernel.server().ok_or(Errno::EAFNOSUPPORT)?;
    let inodes = [process.files.next_inode(), process.files.next_inode()];
    let numbers = server.call(Request::new(Operation::MakeSockets, [u64::from(kind), inodes[0], 0]))?[0];
    let handles = [numbers as u32, (numbers >> 32) as u32].map(|number| Handle::new(server, number));
    let mut fds = [0; 2];
    let undo = |fds: &[i32]| fds.iter().for_each(|&fd| drop(process.files.with_table(|table| table.remove(fd))));
    for (index, handle) in handles.into_iter().enumerate() {
        let description = describe(process, handle, kind, inodes[index], flags);
        fds[index] = process.files.insert(description, flags & O_CLOEXEC != 0).inspect_err(|_| undo(&fds[..index]))?;
    }
    process.write_value(arguments.word(3), &fds).inspect_err(|_| undo(&fds))?;
    Ok(0)
}

/// Work on a descriptor's socket.
///
/// # Errors
/// `EBADF`: it is not open. `ENOTSOCK`: it is none. Others are `work`'s.
pub fn with_socket<K: Kernel, T>(process: &Process<K>, fd: i32, work: impl FnOnce(&Socket, &Description) -> Result<T>) -> Result<T> {
    let description = process.files.get(fd)?;
    let file = description.file()?;
    work(file.socket().ok_or(Errno::ENOTSOCK)?, &description)
}

/// The `sun_path` of an address; `None` for `AF_UNSPEC`.
///
/// # Errors
/// `EINVAL`: of another family, or of a length that none has. `EFAULT`.
pub fn read_name<K: Kernel>(process: &Process<K>, address: usize, length: usize) -> Result<Option<Vec<u8>>> {
    const MOST: usize = 128;
    if !(FAMILY_BYTES..=MOST).contains(&length) {
        return Err(Errno::EINVAL);
    }
    let mut bytes = alloc::vec![0; length];
    process.read(address, &mut bytes)?;
    let family = u16::from_ne_bytes([bytes[0], bytes[1]]);
    let mut name = bytes.split_off(FAMILY_BYTES);
    match family {
        AF_UNSPEC => return Ok(None),
        AF_UNIX if name.len() <= NAME_MOST => {}
        _ => return Err(Errno::EINVAL),
    }
    // A path ends at its NUL; a name that begins with one is as long as it says.
    if name.first().is_some_and(|&first| first != 0) {
        let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
        name.truncate(end);
    }
    Ok(Some(name))
}

/// A name that something is to be found by.
///
/// # Errors
/// `EINVAL`: no name. `ECONNREFUSED`: a path to something that is no socket. Others are the walk's.
pub fn find_name<K: Kernel>(process: &Process<K>, bytes: Vec<u8>) -> Result<Name> {
    match bytes.first() {
        None => Err(Errno::EINVAL),
        Some(0) => Ok(Name { bytes, place: None }),
        Some(_) => {
            let entry = process.files.find(process, &bytes)?;
            if entry.node.kind() != Kind::Socket {
                return Err(Errno::ECONNREFUSED);
            }
            Ok(Name { bytes, place: Some(entry) })
        }
    }
}

/// bind(2)
pub fn bind<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    with_socket(process, arguments.int(0), |socket, _| {
        let bytes = read_name(process, arguments.word(1), arguments.unsigned(2) as usize)?.ok_or(Errno::EINVAL)?;
        if bytes.first().is_none_or(|&first| first == 0) {
            return socket.ask_with_name(Operation::Bind, &Name { bytes, place: None }).map(|_| 0);
        }
        if !socket.name(false)?.is_empty() {
            return Err(Errno::EINVAL);
        }
        let found = process.files.walk(process, AT_FDCWD, &bytes, Last::Name)?;
        if found.entry.is_some() {
            return Err(Errno::EADDRINUSE);
        }
        const MODE: u32 = 0o777;
        let new = New { kind: Kind::Socket, permissions: permissions(process, MODE), special: 0, target: &[] };
        let entry = found.parent.node.create(&found.parent, &found.name, &new, &process.actor())?;
        socket.ask_with_name(Operation::Bind, &Name { bytes, place: Some(entry) }).map(|_| 0)
    })
}

/// listen(2)
pub fn listen<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    // A negative backlog is a very long one.
    let backlog = u64::from(arguments.unsigned(1));
    with_socket(process, arguments.int(0), |socket, _| socket.handle().ask(Operation::Listen, [backlog, 0, 0]).map(|_| 0))
}

/// The point of the monotonic clock where a wait of so many nanoseconds ends; 0: none.
pub fn deadline<K: Kernel>(process: &Process<K>, timeout_ns: u64) -> Option<u64> {
    (timeout_ns != 0).then(|| process.now_ns().saturating_add(timeout_ns))
}

/// Let time pass until something may have changed, if sleeping is allowed.
///
/// # Errors
/// `EAGAIN`: it is not, or the deadline passed. `EINTR`: a signal came.
pub fn wait<K: Kernel>(process: &Process<K>, blocking: Blocking, deadline_ns: Option<u64>) -> Result<()> {
    if blocking == Blocking::Refused || deadline_ns.is_some_and(|deadline| process.now_ns() >= deadline) {
        return Err(Errno::EAGAIN);
    }
    poll::await_change(process, deadline_ns)
}

/// connect(2)
pub fn connect<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    with_socket(process, arguments.int(0), |socket, description| {
        let bytes = read_name(process, arguments.word(1), arguments.unsigned(2) as usize)?;
        let Some(bytes) = bytes else {
            if socket.is_stream() {
                return Err(Errno::EINVAL);
            }
            return socket.ask_with_name(Operation::Connect, &Name::default()).map(|_| 0);
        };
        let name = find_name(process, bytes)?;
        let deadline_ns = deadline(process, socket.timeouts.lock().send_ns);
        loop {
            match socket.ask_with_name(Operation::Connect, &name) {
                Err(Errno::EAGAIN) => wait(process, description.blocking(), deadline_ns)?,
                outcome => return outcome.map(|_| 0),
            }
        }
    })
}

fn accept_with<K: Kernel>(process: &Process<K>, arguments: &Arguments, flags: u32) -> Result<usize> {
    if flags & !(O_CLOEXEC | O_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    with_socket(process, arguments.int(0), |socket, description| {
        let deadline_ns = deadline(process, socket.timeouts.lock().receive_ns);
        let inode = process.files.next_inode();
        let number = loop {
            match socket.handle().ask(Operation::Accept, [inode, 0, 0]) {
                Err(Errno::EAGAIN) => wait(process, description.blocking(), deadline_ns)?,
                outcome => break outcome?[0] as u32,
            }
        };
        let handle = Handle::new(socket.handle().server(), number);
        let kind = if socket.is_stream() { SOCK_STREAM } else { 0 };
        let accepted = describe(process, handle, kind, inode, flags);
        if arguments.word(1) != 0 {
            let name = accepted.file()?.socket().ok_or(Errno::ENOTSOCK)?.name(true)?;
            write_name(process, &name, arguments.word(1), arguments.word(2))?;
        }
        process.files.insert(accepted, flags & O_CLOEXEC != 0).map(|fd| fd as usize)
    })
}

/// accept(2)
pub fn accept<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    accept_with(process, arguments, 0)
}

/// accept4(2)
pub fn accept4<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    accept_with(process, arguments, arguments.unsigned(3))
}

/// An address as programs read it: of a path with its NUL.
#[must_use]
pub fn address_of(name: &[u8]) -> Vec<u8> {
    let mut bytes = AF_UNIX.to_ne_bytes().to_vec();
    bytes.extend_from_slice(name);
    if name.first().is_some_and(|&first| first != 0) && name.len() < NAME_MOST {
        bytes.push(0);
    }
    bytes
}

/// Tell a name where a program wants it, as much as there is room for, and its whole length.
///
/// # Errors
/// `EINVAL`: a negative room. `EFAULT`.
pub fn write_name<K: Kernel>(process: &Process<K>, name: &[u8], address: usize, length: usize) -> Result<()> {
    let room = usize::try_from(process.read_value::<i32>(length)?).map_err(|_| Errno::EINVAL)?;
    let bytes = address_of(name);
    process.write(address, &bytes[..bytes.len().min(room)])?;
    process.write_value(length, &(bytes.len() as u32))
}

/// getsockname(2)
pub fn getsockname<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let name = with_socket(process, arguments.int(0), |socket, _| socket.name(false))?;
    write_name(process, &name, arguments.word(1), arguments.word(2)).map(|()| 0)
}

/// getpeername(2)
pub fn getpeername<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let name = with_socket(process, arguments.int(0), |socket, _| socket.name(true))?;
    write_name(process, &name, arguments.word(1), arguments.word(2)).map(|()| 0)
}

/// shutdown(2)
pub fn shutdown<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let how = arguments.unsigned(1);
    with_socket(process, arguments.int(0), |socket, _| socket.handle().ask(Operation::Shutdown, [u64::from(how), 0, 0]).map(|_| 0))
}

const SO_PEERCRED: i32 = 17;
const SO_LINGER: i32 = 13;
const SO_RCVTIMEO: [i32; 2] = [20, 66];
const SO_SNDTIMEO: [i32; 2] = [21, 67];

/// getsockopt(2)
pub fn getsockopt<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let (level, option, address, length) = (arguments.int(1), arguments.int(2), arguments.word(3), arguments.word(4));
    with_socket(process, arguments.int(0), |socket, _| {
        if level != SOL_SOCKET {
            return Err(Errno::EOPNOTSUPP);
        }
        let room = usize::try_from(process.read_value::<i32>(length)?).map_err(|_| Errno::EINVAL)?;
        let bytes: Vec<u8> = if SO_RCVTIMEO.contains(&option) || SO_SNDTIMEO.contains(&option) {
            let timeouts = *socket.timeouts.lock();
            let ns = if SO_RCVTIMEO.contains(&option) { timeouts.receive_ns } else { timeouts.send_ns };
            crate::time::timeval(ns).iter().flat_map(|word| word.to_ne_bytes()).collect()
        } else if option == SO_LINGER {
            alloc::vec![0; 8]
        } else {
            let [first, second, third, _] = socket.handle().ask(Operation::SocketOption, [option as u64, 0, 0])?;
            let words = if option == SO_PEERCRED { 3 } else { 1 };
            [first, second, third].iter().take(words).flat_map(|&word| (word as u32).to_ne_bytes()).collect()
        };
        let count = bytes.len().min(room);
        process.write(address, &bytes[..count])?;
        process.write_value(length, &(count as u32)).map(|()| 0)
    })
}

/// setsockopt(2)
pub fn setsockopt<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let (level, option, address, length) = (arguments.int(1), arguments.int(2), arguments.word(3), arguments.int(4));
    with_socket(process, arguments.int(0), |socket, _| {
        if level != SOL_SOCKET {
            return Err(Errno::EOPNOTSUPP);
        }
        if length < 4 {
            return Err(Errno::EINVAL);
        }
        if SO_RCVTIMEO.contains(&option) || SO_SNDTIMEO.contains(&option) {
            return set_timeout(process, socket, option, address, length);
        }
        let value: i32 = process.read_value(address)?;
        if option == SO_LINGER {
            return if length < 8 { Err(Errno::EINVAL) } else { Ok(0) };
        }
        socket.handle().ask(Operation::SetSocketOption, [option as u64, value as u32 as u64, 0]).map(|_| 0)
    })
}

fn set_timeout<K: Kernel>(process: &Process<K>, socket: &Socket, option: i32, address: usize, length: i32) -> Result<usize> {
    const MILLION: i64 = 1_000_000;
    if length < 16 {
        return Err(Errno::EINVAL);
    }
    let [seconds, microseconds]: [i64; 2] = process.read_value(address)?;
    if !(0..MILLION).contains(&microseconds) {
        return Err(Errno::EDOM);
    }
    let ns = u64::try_from(seconds).map_or(0, |seconds| seconds.saturating_mul(1_000_000_000).saturating_add(microseconds as u64 * 1000));
    let mut timeouts = socket.timeouts.lock();
    *(if SO_RCVTIMEO.contains(&option) { &mut timeouts.receive_ns } else { &mut timeouts.send_ns }) = ns;
    Ok(0)
}
