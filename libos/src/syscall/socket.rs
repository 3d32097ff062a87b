//! Sockets: how they are made, named and connected, and what is asked of them.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_raw_sys::general::{AT_FDCWD, O_CLOEXEC, O_NONBLOCK, O_RDWR};
use unix::{Operation, Request};

use crate::errno::{Errno, Result};
use crate::file::event::AnonymousNode;
use crate::file::remote::Handle;
use crate::file::socket::{Name, Socket};
use crate::file::{Access, Blocking, Description, File};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::address::{AF_INET, AF_INET6, AF_UNIX, Naming, find_name, read_name, write_name};
use crate::syscall::path::permissions;
use crate::syscall::{Arguments, poll};
use crate::user::UserMemory;
use crate::vfs::attributes::Kind;
use crate::vfs::node::New;
use crate::vfs::walk::Last;
use crate::vfs::world::World;

/// `SOCK_STREAM`, and what is not a type.
const SOCK_STREAM: u32 = 1;
const TYPE_MASK: u32 = 0xf;
const TYPES: u32 = 11;
/// Where a domain stands above a type.
const DOMAIN_SHIFT: u32 = 8;
const SOL_SOCKET: i32 = 1;

/// A description of a socket, of a type and above it a domain, with flags.
pub fn describe<K: Kernel>(process: &Process<K>, handle: Handle, kind: u32, inode: u64, flags: u32) -> Arc<Description> {
    let socket: Arc<dyn File> = Arc::new(Socket::new(handle, (kind >> DOMAIN_SHIFT) as u16, kind & TYPE_MASK == SOCK_STREAM));
    let entry = AnonymousNode::entry(socket.clone(), Kind::Socket, inode, format!("socket:[{inode}]").as_bytes(), process.now());
    Description::new(entry, socket, Access::READ | Access::WRITE, flags & O_NONBLOCK | O_RDWR)
}

/// Domain, type and protocol as socket(2) and socketpair(2) take them; gives the type, with the domain above it, and its flags.
fn kind<K: Kernel>(arguments: &Arguments, process: &Process<K>) -> Result<(u32, u32)> {
    let (domain, kind, protocol) = (arguments.int(0), arguments.unsigned(1), arguments.int(2));
    let (kind, flags) = (kind & TYPE_MASK, kind & !TYPE_MASK);
    if flags & !(O_CLOEXEC | O_NONBLOCK) != 0 || kind >= TYPES {
        return Err(Errno::EINVAL);
    }
    if process.kernel.server().is_none() {
        return Err(Errno::EAFNOSUPPORT);
    }
    match u16::try_from(domain).map_err(|_| Errno::EAFNOSUPPORT)? {
        AF_UNIX if protocol == 0 || protocol == 1 => {}
        AF_UNIX => return Err(Errno::EPROTONOSUPPORT),
        AF_INET | AF_INET6 => check_protocol(kind, protocol)?,
        _ => return Err(Errno::EAFNOSUPPORT),
    }
    Ok((kind | (domain as u32) << DOMAIN_SHIFT, flags))
}

/// Check that a type of the Internet's has a protocol.
fn check_protocol(kind: u32, protocol: i32) -> Result<()> {
    const SOCK_DATAGRAM: u32 = 2;
    const MESSAGES: i32 = 1;
    const TCP: i32 = 6;
    const UDP: i32 = 17;
    /// One more than the number of any protocol (`IPPROTO_MAX`).
    const PROTOCOLS: i32 = 263;
    match (kind, protocol) {
        (_, protocol) if !(0..PROTOCOLS).contains(&protocol) => Err(Errno::EINVAL),
        (SOCK_STREAM, 0 | TCP) | (SOCK_DATAGRAM, 0 | UDP) => Ok(()),
        // Nobody's group may (`net.ipv4.ping_group_range`).
        (SOCK_DATAGRAM, MESSAGES) => Err(Errno::EACCES),
        (SOCK_STREAM | SOCK_DATAGRAM, _) => Err(Errno::EPROTONOSUPPORT),
        _ => Err(Errno::ESOCKTNOSUPPORT),
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
    if kind >> DOMAIN_SHIFT != u32::from(AF_UNIX) {
        return Err(Errno::EOPNOTSUPP);
    }
    let server = process.kernel.server().ok_or(Errno::EAFNOSUPPORT)?;
    let inodes = [process.files.next_inode(), process.files.next_inode()];
    let numbers = server.call(Request::new(Operation::MakeSockets, [u64::from(kind & TYPE_MASK), inodes[0], 0]))?[0];
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

/// bind(2)
pub fn bind<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    with_socket(process, arguments.int(0), |socket, _| {
        let domain = socket.domain();
        let bytes = read_name(process, domain, arguments.word(1), arguments.unsigned(2) as usize, Naming::Binding)?.ok_or(Errno::EINVAL)?;
        if domain != AF_UNIX || bytes.first().is_none_or(|&first| first == 0) {
            return socket.ask_with_name(Operation::Bind, &Name { bytes, place: None }, 0).map(|_| 0);
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
        socket.ask_with_name(Operation::Bind, &Name { bytes, place: Some(entry) }, 0).map(|_| 0)
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
        let domain = socket.domain();
        let naming = if socket.is_stream() { Naming::Connecting } else { Naming::Directing };
        let bytes = read_name(process, domain, arguments.word(1), arguments.unsigned(2) as usize, naming)?;
        let Some(bytes) = bytes else {
            if socket.is_stream() && domain == AF_UNIX {
                return Err(Errno::EINVAL);
            }
            return socket.ask_with_name(Operation::Connect, &Name::default(), 0).map(|_| 0);
        };
        let name = find_name(process, domain, bytes)?;
        let deadline_ns = deadline(process, socket.timeouts.lock().send_ns);
        let is_nonblocking = u64::from(description.blocking() == Blocking::Refused);
        let is_of_internet = domain != AF_UNIX;
        loop {
            match socket.ask_with_name(Operation::Connect, &name, is_nonblocking) {
                Err(Errno::EAGAIN) => wait(process, description.blocking(), deadline_ns)
                    .map_err(|errno| if is_of_internet && errno == Errno::EAGAIN { Errno::EINPROGRESS } else { errno })?,
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
        let kind = if socket.is_stream() { SOCK_STREAM } else { 0 } | u32::from(socket.domain()) << DOMAIN_SHIFT;
        let accepted = describe(process, handle, kind, inode, flags);
        if arguments.word(1) != 0 {
            let name = accepted.file()?.socket().ok_or(Errno::ENOTSOCK)?.name(true)?;
            write_name(process, socket.domain(), &name, arguments.word(1), arguments.word(2))?;
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

/// getsockname(2)
pub fn getsockname<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let (domain, name) = with_socket(process, arguments.int(0), |socket, _| Ok((socket.domain(), socket.name(false)?)))?;
    write_name(process, domain, &name, arguments.word(1), arguments.word(2)).map(|()| 0)
}

/// getpeername(2)
pub fn getpeername<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let (domain, name) = with_socket(process, arguments.int(0), |socket, _| Ok((socket.domain(), socket.name(true)?)))?;
    write_name(process, domain, &name, arguments.word(1), arguments.word(2)).map(|()| 0)
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
        if level != SOL_SOCKET && socket.domain() == AF_UNIX {
            return Err(Errno::EOPNOTSUPP);
        }
        let room = usize::try_from(process.read_value::<i32>(length)?).map_err(|_| Errno::EINVAL)?;
        let is_own = level == SOL_SOCKET;
        let bytes: Vec<u8> = if is_own && (SO_RCVTIMEO.contains(&option) || SO_SNDTIMEO.contains(&option)) {
            let timeouts = *socket.timeouts.lock();
            let ns = if SO_RCVTIMEO.contains(&option) { timeouts.receive_ns } else { timeouts.send_ns };
            crate::time::timeval(ns).iter().flat_map(|word| word.to_ne_bytes()).collect()
        } else {
            let [first, second, third, _] =
                socket.handle().ask(Operation::SocketOption, [u64::from(option as u32), u64::from(level as u32), 0])?;
            let words = match option {
                SO_PEERCRED if is_own => 3,
                SO_LINGER if is_own => 2,
                _ => 1,
            };
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
        if level != SOL_SOCKET && socket.domain() == AF_UNIX {
            return Err(Errno::EOPNOTSUPP);
        }
        if length < 4 {
            return Err(Errno::EINVAL);
        }
        let is_own = level == SOL_SOCKET;
        if is_own && (SO_RCVTIMEO.contains(&option) || SO_SNDTIMEO.contains(&option)) {
            return set_timeout(process, socket, option, address, length);
        }
        let value: i32 = process.read_value(address)?;
        let mut value = u64::from(value as u32);
        if is_own && option == SO_LINGER {
            if length < 8 {
                return Err(Errno::EINVAL);
            }
            value |= u64::from(process.read_value::<u32>(address.wrapping_add(4))?) << 32;
        }
        socket.handle().ask(Operation::SetSocketOption, [u64::from(option as u32), value, u64::from(level as u32)]).map(|_| 0)
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
