//! Sockets of the Unix domain, in one process and between several: unix(7).

use std::mem::{size_of, zeroed};
use std::sync::LazyLock;

use linux_programs::descriptors::{
    Outcome, child, close, control, drain, events_named, outcome, pause, pipe, poll, read, run, show, text, write,
};

const STREAM: i32 = libc::SOCK_STREAM;
const DATAGRAM: i32 = libc::SOCK_DGRAM;
const PACKETS: i32 = libc::SOCK_SEQPACKET;

fn socket(kind: i32) -> i32 {
    // SAFETY: the call takes no memory.
    outcome(unsafe { libc::socket(libc::AF_UNIX, kind, 0) }).expect("a socket") as i32
}

fn pair(kind: i32) -> (i32, i32) {
    let mut ends = [0; 2];
    // SAFETY: the array is the call's to fill.
    outcome(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) }).expect("a pair");
    (ends[0], ends[1])
}

fn close_all(fds: &[i32]) {
    for &fd in fds {
        let _ = close(fd);
    }
}

/// What stands for `chitin` in abstract names, and is as long: runs of this program at the same time are in one name space on Linux.
static RUN: LazyLock<String> = LazyLock::new(|| format!("{:06x}", std::process::id()));

/// A name: abstract if it begins with `@`.
fn address(name: &str) -> (libc::sockaddr_un, u32) {
    let name = &name.replace("@chitin", &format!("@{}", *RUN));
    // SAFETY: zeros are an address.
    let mut address: libc::sockaddr_un = unsafe { zeroed() };
    address.sun_family = libc::AF_UNIX as u16;
    for (to, from) in address.sun_path.iter_mut().zip(name.bytes()) {
        *to = from as _;
    }
    if name.starts_with('@') {
        address.sun_path[0] = 0;
    }
    let nul = u32::from(!name.starts_with('@') && !name.is_empty());
    (address, 2 + name.len() as u32 + nul)
}

type Naming = unsafe extern "C" fn(i32, *const libc::sockaddr, u32) -> i32;

fn named(call: Naming, fd: i32, name: &str) -> Outcome {
    let (address, length) = address(name);
    // SAFETY: the address is as long as it says.
    outcome(unsafe { call(fd, (&raw const address).cast(), length) })
}

fn bind(fd: i32, name: &str) -> Outcome {
    named(libc::bind, fd, name)
}

fn connect(fd: i32, name: &str) -> Outcome {
    named(libc::connect, fd, name)
}

fn listen(fd: i32, backlog: i32) -> Outcome {
    // SAFETY: the call takes no memory.
    outcome(unsafe { libc::listen(fd, backlog) })
}

fn accept(fd: i32) -> Outcome {
    // SAFETY: no address is asked for.
    outcome(unsafe { libc::accept4(fd, std::ptr::null_mut(), std::ptr::null_mut(), 0) })
}

fn shutdown(fd: i32, how: i32) -> Outcome {
    // SAFETY: the call takes no memory.
    outcome(unsafe { libc::shutdown(fd, how) })
}

fn send(fd: i32, bytes: &[u8], flags: i32) -> Outcome {
    // SAFETY: the slice is valid for reads.
    outcome(unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), flags) } as i64)
}

fn send_to(fd: i32, bytes: &[u8], name: &str) -> Outcome {
    let (address, length) = address(name);
    // SAFETY: slice and address are valid for reads.
    outcome(unsafe { libc::sendto(fd, bytes.as_ptr().cast(), bytes.len(), 0, (&raw const address).cast(), length) } as i64)
}

fn receive(fd: i32, most: usize, flags: i32) -> String {
    let mut bytes = vec![0; most];
    // SAFETY: the buffer is valid for writes.
    match outcome(unsafe { libc::recv(fd, bytes.as_mut_ptr().cast(), most, flags) } as i64) {
        Ok(count) => format!("{count} {:?}", String::from_utf8_lossy(&bytes[..most.min(count as usize)])),
        Err(error) => error,
    }
}

/// An address as it is shown, and its length.
fn shown(address: &libc::sockaddr_un, length: u32) -> String {
    let bytes: Vec<u8> = address.sun_path.iter().map(|&byte| byte.to_ne_bytes()[0]).take((length as usize).saturating_sub(2)).collect();
    format!("{length} {:?}", String::from_utf8_lossy(&bytes).replace(&*RUN, "chitin"))
}

type Asking = unsafe extern "C" fn(i32, *mut libc::sockaddr, *mut u32) -> i32;

fn name(call: Asking, fd: i32) -> String {
    let (mut address, _) = address("");
    let mut length = size_of::<libc::sockaddr_un>() as u32;
    // SAFETY: address and length are the call's to fill.
    match outcome(unsafe { call(fd, (&raw mut address).cast(), &raw mut length) }) {
        Ok(_) => shown(&address, length),
        Err(error) => error,
    }
}

fn option(fd: i32, option: i32) -> String {
    let (mut value, mut length) = (0i32, 4u32);
    // SAFETY: value and length are the call's to fill.
    let asked = outcome(unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, option, (&raw mut value).cast(), &raw mut length) });
    asked.map_or_else(|error| error, |_| value.to_string())
}

fn set_option<T>(fd: i32, option: i32, value: T) -> Outcome {
    // SAFETY: the value is valid for reads.
    outcome(unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, option, (&raw const value).cast(), size_of::<T>() as u32) })
}

/// What came along with a message.
struct Along {
    text: String,
    flags: i32,
    fds: Vec<i32>,
    credentials: Option<libc::ucred>,
}

fn send_along(fd: i32, bytes: &[u8], fds: &[i32]) -> Outcome {
    let mut control = [0u64; 64];
    let mut vector = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: zeros are a message without anything; all pointers below outlive the call.
    unsafe {
        let mut message: libc::msghdr = zeroed();
        message.msg_iov = &raw mut vector;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = libc::CMSG_SPACE(4 * fds.len() as u32) as _;
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(4 * fds.len() as u32) as _;
        libc::CMSG_DATA(header).cast::<i32>().copy_from_nonoverlapping(fds.as_ptr(), fds.len());
        outcome(libc::sendmsg(fd, &raw const message, 0) as i64)
    }
}

fn receive_along(fd: i32, most: usize, control_bytes: usize, flags: i32) -> Result<Along, String> {
    let mut control = [0u64; 64];
    let mut bytes = vec![0u8; most];
    let mut vector = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: most };
    // SAFETY: zeros are a message without anything; all pointers below outlive the call.
    unsafe {
        let mut message: libc::msghdr = zeroed();
        message.msg_iov = &raw mut vector;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = control_bytes as _;
        let count = outcome(libc::recvmsg(fd, &raw mut message, flags) as i64)?;
        let text = String::from_utf8_lossy(&bytes[..count as usize]).into_owned();
        let mut along = Along { text, flags: message.msg_flags, fds: Vec::new(), credentials: None };
        let mut header = libc::CMSG_FIRSTHDR(&raw const message);
        while !header.is_null() {
            let data = libc::CMSG_DATA(header);
            let length = (*header).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
            match (*header).cmsg_type {
                libc::SCM_RIGHTS => along.fds.extend((0..length / 4).map(|index| data.cast::<i32>().add(index).read_unaligned())),
                libc::SCM_CREDENTIALS => along.credentials = Some(data.cast::<libc::ucred>().read_unaligned()),
                other => println!("control message {other}"),
            }
            header = libc::CMSG_NXTHDR(&raw const message, header);
        }
        Ok(along)
    }
}

fn refusals() {
    for (domain, kind, protocol) in [(200, STREAM, 0), (1, 99, 0), (1, 4, 0), (1, STREAM, 7), (1, STREAM | 0x100, 0), (1, STREAM, 1)] {
        // SAFETY: the call takes no memory.
        let made = outcome(unsafe { libc::socket(domain, kind, protocol) });
        println!("{domain} {kind} {protocol}: {}", made.as_ref().map_or_else(Clone::clone, |_| "made".into()));
        if let Ok(fd) = made {
            let _ = close(fd as i32);
        }
    }
    let (reader, writer) = pipe(0);
    println!("no socket: {} {} {}", show(bind(reader, "@x")), show(send(writer, b"x", 0)), receive(reader, 1, 0));
    println!("no socket: {} {}", show(listen(reader, 1)), name(libc::getsockname, reader));
    println!("not open: {}", show(connect(-1, "@x")));
    let own = socket(STREAM);
    println!("no family: {}", show(bind_bytes(own, &[9, 0, b'x'])));
    println!("too short: {}", show(bind_bytes(own, &[1])));
    println!("too long: {}", show(bind_bytes(own, &[1; 120])));
    println!("no level: {}", show(outcome(unsafe_level(own))));
    println!("no option: {}", option(own, 99));
    close_all(&[reader, writer, own]);
}

fn unsafe_level(fd: i32) -> i32 {
    let (mut value, mut length) = (0i32, 4u32);
    // SAFETY: value and length are the call's to fill.
    unsafe { libc::getsockopt(fd, 77, 1, (&raw mut value).cast(), &raw mut length) }
}

fn bind_bytes(fd: i32, bytes: &[u8]) -> Outcome {
    // SAFETY: the slice is valid for reads.
    outcome(unsafe { libc::bind(fd, bytes.as_ptr().cast(), bytes.len() as u32) })
}

fn options() {
    for kind in [STREAM, DATAGRAM, PACKETS] {
        let own = socket(kind);
        let asked = [libc::SO_TYPE, libc::SO_DOMAIN, libc::SO_PROTOCOL, libc::SO_ERROR, libc::SO_ACCEPTCONN, libc::SO_PASSCRED];
        println!("{:?}", asked.map(|number| option(own, number)));
        let _ = close(own);
    }
    let own = socket(STREAM);
    println!("buffers: {} {}", option(own, libc::SO_SNDBUF), option(own, libc::SO_RCVBUF));
    println!("set: {} {}", show(set_option(own, libc::SO_SNDBUF, 10_000i32)), option(own, libc::SO_SNDBUF));
    println!("least: {} {}", show(set_option(own, libc::SO_SNDBUF, 1i32)), option(own, libc::SO_SNDBUF));
    println!("reuse: {} {}", show(set_option(own, libc::SO_REUSEADDR, 5i32)), option(own, libc::SO_REUSEADDR));
    println!("too short: {}", show(set_option(own, libc::SO_REUSEADDR, 5i16)));
    println!("read only: {}", show(set_option(own, libc::SO_TYPE, 1i32)));
    let _ = close(own);
}

fn connected_stream() {
    let (own, other) = pair(STREAM);
    println!("names: {} {}", name(libc::getsockname, own), name(libc::getpeername, own));
    println!("sent: {}", show(send(own, b"hello", 0)));
    println!("peeked: {}", receive(other, 3, libc::MSG_PEEK));
    println!("received: {} {}", receive(other, 3, 0), receive(other, 10, 0));
    println!("nothing: {}", receive(other, 1, libc::MSG_DONTWAIT));
    let _ = (send(own, b"ab", 0), send(own, b"cd", 0));
    println!("without borders: {}", text(other, 10));
    println!("ready: {} {}", poll(own, libc::POLLOUT | libc::POLLIN, 0), poll(other, libc::POLLIN, 0));
    println!("to a name: {}", show(send_to(own, b"x", "@anybody")));
    println!("connected: {}", show(connect(own, "@anybody")));
    println!("seek: {}", show(outcome(unsafe_seek(own))));
    close_all(&[own, other]);
}

fn unsafe_seek(fd: i32) -> i64 {
    // SAFETY: the call takes no memory.
    unsafe { libc::lseek(fd, 0, libc::SEEK_CUR) }
}

fn messages() {
    for kind in [DATAGRAM, PACKETS] {
        let (own, other) = pair(kind);
        println!("{} {} {}", show(send(own, b"first", 0)), show(send(own, b"second", 0)), show(send(own, b"", 0)));
        println!("{} {} {}", receive(other, 100, 0), receive(other, 3, libc::MSG_TRUNC), receive(other, 100, 0));
        let _ = send(own, b"long one", 0);
        println!("cut: {:?}", receive_along(other, 4, 0, 0).map(|along| (along.text, along.flags & libc::MSG_TRUNC != 0)));
        println!("nothing: {}", receive(other, 1, libc::MSG_DONTWAIT));
        let large: Vec<u8> = (0..100_000).map(|at| (at % 251) as u8).collect();
        println!("large: {} {}", show(send(own, &large, 0)), read(other, 200_000) == Ok(large.clone()));
        println!("too large: {}", show(send(own, &vec![0; 300_000], 0)));
        close_all(&[other]);
        println!("nobody: {} {}", show(send(own, b"x", 0)), poll(own, libc::POLLIN, 0));
        close_all(&[own]);
    }
}

fn shutting_down() {
    let (own, other) = pair(STREAM);
    let _ = send(own, b"last", 0);
    println!("shut: {} {}", show(shutdown(own, libc::SHUT_WR)), show(shutdown(own, 3)));
    println!("no more: {}", show(send(own, b"x", libc::MSG_NOSIGNAL)));
    println!("there: {}", poll(other, libc::POLLIN | libc::POLLRDHUP | libc::POLLOUT, 0));
    println!("rest: {} {}", receive(other, 10, 0), receive(other, 10, 0));
    println!("back: {} {}", show(send(other, b"reply", 0)), receive(own, 10, 0));
    println!("both: {} {}", show(shutdown(other, libc::SHUT_RDWR)), poll(own, libc::POLLIN | libc::POLLOUT, 0));
    println!("end: {}", receive(own, 10, 0));
    println!("alone: {}", show(shutdown(socket(STREAM), libc::SHUT_RD)));
    close_all(&[own, other]);
}

fn endings() {
    let (own, other) = pair(STREAM);
    let _ = send(other, b"rest", 0);
    let _ = close(other);
    println!("closed: {}", poll(own, libc::POLLIN | libc::POLLOUT | libc::POLLRDHUP, 0));
    println!("{} {}", receive(own, 10, 0), receive(own, 10, 0));
    println!("{}", show(send(own, b"x", libc::MSG_NOSIGNAL)));
    println!("still named: {}", name(libc::getpeername, own));
    let _ = close(own);
    let (own, other) = pair(STREAM);
    let _ = send(own, b"never read", 0);
    let _ = close(other);
    println!("unread: {}", poll(own, libc::POLLIN, 0));
    println!("{} {}", receive(own, 10, 0), receive(own, 10, 0));
    let _ = close(own);
    let (own, other) = pair(STREAM);
    let dying = child(|| {
        // SAFETY: no handler is involved.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        let _ = close(other);
        pause(30);
        let _ = send(own, b"x", 0);
        0
    });
    let _ = close(other);
    println!("SIGPIPE: {}", dying.end());
    let _ = close(own);
}

fn listening() {
    let server = socket(STREAM);
    println!("no name yet: {} {}", show(listen(server, 1)), show(accept(server)));
    println!("bound: {} {}", show(bind(server, "@chitin.listening")), name(libc::getsockname, server));
    println!("again: {}", show(bind(server, "@chitin.other")));
    println!("not listening: {}", show(connect(socket(STREAM), "@chitin.listening")));
    println!("listening: {} {}", show(listen(server, 1)), option(server, libc::SO_ACCEPTCONN));
    let second = socket(STREAM);
    println!("in use: {}", show(bind(second, "@chitin.listening")));
    println!("another type: {}", show(connect(socket(DATAGRAM), "@chitin.listening")));
    println!("nobody: {}", show(connect(second, "@chitin.nobody")));
    println!("idle: {}", poll(server, libc::POLLIN | libc::POLLOUT, 0));
    println!("connected: {}", show(connect(second, "@chitin.listening")));
    println!("waits: {}", poll(server, libc::POLLIN, 0));
    println!("before accept: {}", show(send(second, b"early", 0)));
    let accepted = accept(server).expect("a connection") as i32;
    println!("names: {} {}", name(libc::getsockname, accepted), name(libc::getpeername, accepted));
    println!("peer: {}", name(libc::getpeername, second));
    println!("data: {}", receive(accepted, 10, 0));
    println!("connect of a listener: {}", show(connect(server, "@chitin.listening")));
    println!("read of a listener: {}", receive(server, 1, 0));
    println!("unconnected: {} {}", receive(socket(STREAM), 1, 0), show(send(socket(STREAM), b"x", libc::MSG_NOSIGNAL)));
    println!("unconnected: {}", poll(socket(STREAM), libc::POLLIN | libc::POLLOUT, 0));
    println!("no peer: {}", name(libc::getpeername, server));
    println!("datagrams: {}", show(listen(socket(DATAGRAM), 1)));
    close_all(&[server, second, accepted]);
    println!("the name is free: {}", show(bind(socket(STREAM), "@chitin.listening")));
}

fn backlog() {
    let server = socket(STREAM);
    let _ = (bind(server, "@chitin.backlog"), listen(server, 0));
    let clients: Vec<i32> = (0..2).map(|_| socket(STREAM | libc::SOCK_NONBLOCK)).collect();
    for &client in &clients {
        println!("{}", show(connect(client, "@chitin.backlog")));
    }
    let waiting = child(|| i32::from(connect(socket(STREAM), "@chitin.backlog") != Ok(0)));
    pause(30);
    let first = accept(server).expect("a connection") as i32;
    println!("room again: {}", waiting.end());
    let late = socket(STREAM);
    println!("the dead one's: {}", accept(server).is_ok());
    println!("closing: {}", show(close(server)));
    println!("refused: {}", show(connect(late, "@chitin.backlog")));
    close_all(&clients);
    close_all(&[first, late]);
}

fn paths() {
    let _ = std::fs::remove_file("socket-name");
    let server = socket(STREAM);
    println!("bound: {} {}", show(bind(server, "socket-name")), name(libc::getsockname, server));
    let kind = std::os::unix::fs::FileTypeExt::is_socket(&std::fs::metadata("socket-name").expect("a name").file_type());
    println!("in the tree: {kind}");
    println!("in use: {}", show(bind(socket(STREAM), "socket-name")));
    println!("open: {:?}", std::fs::File::open("socket-name").err().and_then(|error| error.raw_os_error()) == Some(libc::ENXIO));
    let _ = listen(server, 5);
    let client = socket(STREAM);
    println!("connected: {} {}", show(connect(client, "socket-name")), name(libc::getpeername, client));
    println!("nothing: {}", show(connect(socket(STREAM), "no-such-name")));
    let _ = std::fs::write("a-file", b"");
    println!("a file: {}", show(connect(socket(STREAM), "a-file")));
    println!("removed: {:?}", std::fs::remove_file("socket-name").is_ok());
    println!("gone: {}", show(connect(socket(STREAM), "socket-name")));
    println!("still connected: {} {}", accept(server).is_ok(), show(send(client, b"x", 0)));
    let _ = std::fs::remove_file("a-file");
    close_all(&[server, client]);
}

fn automatic_names() {
    let own = socket(DATAGRAM);
    println!("bound: {}", show(bind_bytes(own, &[1, 0])));
    let first = name(libc::getsockname, own);
    println!("{} {}", first.len(), first.starts_with("8 \"\\0"));
    println!("again: {} {}", show(bind_bytes(own, &[1, 0])), name(libc::getsockname, own) == first);
    let _ = close(own);
}

fn datagrams() {
    let (server, client) = (socket(DATAGRAM), socket(DATAGRAM));
    let _ = (bind(server, "@chitin.server"), bind(client, "@chitin.client"));
    println!("sent: {}", show(send_to(client, b"question", "@chitin.server")));
    let (mut from, _) = address("");
    let mut length = size_of::<libc::sockaddr_un>() as u32;
    let mut bytes = [0u8; 100];
    // SAFETY: buffer, address and length are the call's to fill.
    let count =
        outcome(unsafe { libc::recvfrom(server, bytes.as_mut_ptr().cast(), 100, 0, (&raw mut from).cast(), &raw mut length) as i64 });
    println!("received: {} from {}", show(count), shown(&from, length));
    println!("nobody: {} {}", show(send_to(client, b"x", "@chitin.nowhere")), show(send(client, b"x", 0)));
    println!("connected: {} {}", show(connect(client, "@chitin.server")), show(send(client, b"more", 0)));
    println!("{}", receive(server, 10, 0));
    let stranger = socket(DATAGRAM);
    println!("only the peer: {} {}", show(connect(server, "@chitin.client")), show(send_to(stranger, b"x", "@chitin.server")));
    println!("of another type: {}", show(connect(socket(STREAM), "@chitin.server")));
    let _ = close(server);
    println!("gone: {} {}", show(send(client, b"x", 0)), show(send(client, b"x", 0)));
    close_all(&[client, stranger]);
}

fn full_queue() {
    let (server, client) = (socket(DATAGRAM), socket(DATAGRAM | libc::SOCK_NONBLOCK));
    let _ = (bind(server, "@chitin.queue"), connect(client, "@chitin.queue"));
    let sent = (0..100).take_while(|_| send(client, b"x", 0) == Ok(1)).count();
    println!("some fit: {}", sent > 5 && sent < 100);
    println!("full: {}", show(send(client, b"x", 0)));
    println!("room: {} {}", receive(server, 1, 0), show(send(client, b"x", 0)));
    close_all(&[server, client]);
    let (own, other) = pair(STREAM | libc::SOCK_NONBLOCK);
    let mut total = 0;
    while let Ok(count) = send(own, &[0; 10_000], 0) {
        total += count;
    }
    println!("a stream's: {} {}", total > 50_000, poll(own, libc::POLLOUT, 0));
    println!("drained: {} {}", drain(other).len() as i64 == total, poll(own, libc::POLLOUT, 0));
    close_all(&[own, other]);
}

fn between_processes() {
    let (own, other) = pair(STREAM);
    let echo = child(|| {
        let _ = close(own);
        while let Ok(bytes) = read(other, 1000) {
            if bytes.is_empty() {
                break;
            }
            let _ = write(other, &bytes.to_ascii_uppercase());
        }
        0
    });
    let _ = close(other);
    for word in ["one", "two", "three"] {
        println!("{} {}", show(write(own, word.as_bytes())), text(own, 100));
    }
    println!("{} {}", show(shutdown(own, libc::SHUT_WR)), echo.end());
    println!("end: {}", text(own, 1));
    let _ = close(own);
}

fn server_and_clients() {
    let server = socket(STREAM);
    let _ = (bind(server, "@chitin.many"), listen(server, 10));
    let clients: Vec<_> = (0..4u8)
        .map(|number| {
            child(move || {
                let own = socket(STREAM);
                if connect(own, "@chitin.many") != Ok(0) {
                    return 1;
                }
                let _ = write(own, &[number; 10]);
                i32::from(read(own, 1).as_deref() != Ok(&[number * 10][..]))
            })
        })
        .collect();
    for _ in 0..4 {
        let own = accept(server).expect("a connection") as i32;
        let bytes = read(own, 100).unwrap_or_default();
        let _ = write(own, &[bytes[0] * 10]);
        let _ = close(own);
    }
    println!("{:?}", clients.into_iter().map(linux_programs::descriptors::Child::end).collect::<Vec<_>>());
    let _ = close(server);
}

fn bulk() {
    const TOTAL: usize = 1 << 20;
    let (own, other) = pair(STREAM);
    let sender = child(|| {
        let _ = close(other);
        let bytes: Vec<u8> = (0..TOTAL).map(|at| (at * 11 / 7) as u8).collect();
        i32::from(write(own, &bytes) != Ok(TOTAL as i64))
    });
    let _ = close(own);
    let all = drain(other);
    println!("{} {}", all.len(), all.iter().enumerate().all(|(at, &byte)| byte == (at * 11 / 7) as u8));
    println!("{}", sender.end());
    let _ = close(other);
}

fn waiting_for_all() {
    let (own, other) = pair(STREAM);
    let sender = child(|| {
        for part in [&b"ab"[..], b"cd", b"ef"] {
            let _ = write(own, part);
            pause(20);
        }
        0
    });
    println!("{}", receive(other, 6, libc::MSG_WAITALL));
    println!("{}", sender.end());
    close_all(&[own, other]);
}

fn timeouts() {
    let (own, other) = pair(STREAM);
    let time = libc::timeval { tv_sec: 0, tv_usec: 30_000 };
    println!("set: {}", show(set_option(own, libc::SO_RCVTIMEO, time)));
    println!("nothing came: {}", receive(own, 1, 0));
    println!("a bad one: {}", show(set_option(own, libc::SO_RCVTIMEO, libc::timeval { tv_sec: 0, tv_usec: 1_000_000 })) != "0");
    close_all(&[own, other]);
}

fn descriptors() {
    let (own, other) = pair(STREAM);
    let (reader, writer) = pipe(0);
    let receiver = child(|| {
        let Ok(along) = receive_along(other, 10, 100, 0) else { return 1 };
        let [fd] = along.fds[..] else { return 2 };
        i32::from(along.text != "take" || write(fd, b"through another's") != Ok(17))
    });
    println!("sent: {}", show(send_along(own, b"take", &[writer])));
    let _ = close(writer);
    println!("{:?}", String::from_utf8_lossy(&drain(reader)));
    println!("{}", receiver.end());
    let (first, second) = pair(STREAM);
    println!("a socket: {}", show(send_along(own, b"s", &[first, second])));
    close_all(&[first, second]);
    let along = receive_along(other, 10, 100, libc::MSG_CMSG_CLOEXEC).expect("a message");
    println!("{} {}", along.fds.len(), along.flags & libc::MSG_CMSG_CLOEXEC != 0);
    println!("closed at exec: {}", show(control(along.fds[0], libc::F_GETFD, 0)));
    println!("{} {}", show(write(along.fds[0], b"passed")), text(along.fds[1], 10));
    close_all(&along.fds);
    println!("not open: {}", show(send_along(own, b"x", &[777])));
    close_all(&[own, other, reader]);
}

fn descriptors_lost() {
    let (own, other) = pair(STREAM);
    let (reader, writer) = pipe(0);
    let _ = send_along(own, b"x", &[writer]);
    let _ = close(writer);
    println!("in flight: {}", poll(reader, libc::POLLIN, 0));
    println!("read without room: {}", text(other, 1));
    println!("gone with it: {}", poll(reader, libc::POLLIN, 0));
    let _ = close(reader);
    let (reader, writer) = pipe(0);
    let _ = send_along(own, b"x", &[writer, writer, writer]);
    let _ = close(writer);
    let along = receive_along(other, 1, 24, 0).expect("a message");
    println!("room for two: {} {}", along.fds.len(), along.flags & libc::MSG_CTRUNC != 0);
    close_all(&along.fds);
    println!("all gone: {}", poll(reader, libc::POLLIN, 0));
    let _ = close(reader);
    let (reader, writer) = pipe(0);
    let _ = send_along(own, b"x", &[writer]);
    close_all(&[writer, own, other]);
    println!("with the sockets: {}", poll(reader, libc::POLLIN, 0));
    let _ = close(reader);
}

fn credentials() {
    let (own, other) = pair(STREAM);
    let mut known = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = size_of::<libc::ucred>() as u32;
    // SAFETY: value and length are the call's to fill; the others take no memory.
    let (asked, me) =
        unsafe { (libc::getsockopt(own, libc::SOL_SOCKET, libc::SO_PEERCRED, (&raw mut known).cast(), &raw mut length), libc::getpid()) };
    println!("peer: {asked} {}", known.pid == me);
    println!("passed: {}", show(set_option(other, libc::SO_PASSCRED, 1i32)));
    let sender = child(|| i32::from(send(own, b"me", 0) != Ok(2)));
    let id = sender.0;
    println!("{}", sender.end());
    let along = receive_along(other, 10, 100, 0).expect("a message");
    println!("{} {}", along.text, along.credentials.is_some_and(|told| told.pid == id));
    close_all(&[own, other]);
    let idle = socket(STREAM);
    // SAFETY: as above.
    unsafe { libc::getsockopt(idle, libc::SOL_SOCKET, libc::SO_PEERCRED, (&raw mut known).cast(), &raw mut length) };
    println!("nobody: {} {}", known.pid, known.uid as i32);
    let _ = close(idle);
}

/// Send who one says one is.
fn claim(fd: i32, who: libc::ucred) -> Outcome {
    let mut control = [0u64; 8];
    let mut byte = 0u8;
    let mut vector = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    // SAFETY: zeros are a message without anything; all pointers below outlive the call.
    unsafe {
        let mut message: libc::msghdr = zeroed();
        message.msg_iov = &raw mut vector;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = libc::CMSG_SPACE(size_of::<libc::ucred>() as u32) as _;
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_CREDENTIALS;
        (*header).cmsg_len = libc::CMSG_LEN(size_of::<libc::ucred>() as u32) as _;
        libc::CMSG_DATA(header).cast::<libc::ucred>().write_unaligned(who);
        outcome(libc::sendmsg(fd, &raw const message, 0) as i64)
    }
}

/// One who is not root cannot say that he is, nor that he is another process.
fn claimed_credentials() {
    const USER: u32 = 1234;
    let (own, other) = pair(DATAGRAM);
    let _ = set_option(other, libc::SO_PASSCRED, 1i32);
    // SAFETY: the call takes no memory.
    let before = unsafe { libc::geteuid() };
    let user = if before == 0 { USER } else { before };
    let sender = child(move || {
        // SAFETY: the calls take no memory.
        let (pid, gid) = unsafe {
            if before == 0 {
                libc::setresgid(USER, USER, USER);
                libc::setresuid(USER, USER, USER);
            }
            (libc::getpid(), libc::getgid())
        };
        let who = libc::ucred { pid, uid: user, gid };
        let refused = |who| claim(own, who) == Err("EPERM".into());
        if !refused(libc::ucred { pid: 1, ..who }) || !refused(libc::ucred { uid: 0, ..who }) || !refused(libc::ucred { gid: 77, ..who }) {
            return 1;
        }
        i32::from(claim(own, who) != Ok(1) || send(own, b"plain", 0) != Ok(5))
    });
    let id = sender.0;
    println!("{}", sender.end());
    for _ in 0..2 {
        let told = receive_along(other, 10, 100, 0).expect("a message").credentials;
        println!("{}", told.is_some_and(|told| told.pid == id && told.uid == user));
    }
    close_all(&[own, other]);
}

fn killed_peers() {
    let (own, other) = pair(STREAM);
    let peer = child(|| {
        let _ = close(own);
        let _ = read(other, 1);
        let _ = read(other, 1);
        0
    });
    let _ = close(other);
    let _ = write(own, b"x");
    pause(30);
    println!("{} {}", show(peer.kill(libc::SIGKILL)), peer.end());
    println!("{} {}", poll(own, libc::POLLIN, -1), text(own, 1));
    let _ = close(own);
}

fn waking_by_poll() {
    let (first, far) = pair(STREAM);
    let (second, also) = pair(DATAGRAM);
    let sender = child(|| {
        pause(20);
        let _ = write(also, b"second");
        pause(20);
        let _ = write(far, b"first");
        0
    });
    for _ in 0..2 {
        let mut asked = [first, second].map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
        // SAFETY: the array is the call's to read and fill.
        println!("{}", show(outcome(unsafe { libc::poll(asked.as_mut_ptr(), 2, 5000) })));
        for asked in asked.iter().filter(|asked| asked.revents != 0) {
            println!("{} {}", events_named(asked.revents), text(asked.fd, 10));
        }
    }
    println!("{}", sender.end());
    close_all(&[first, far, second, also]);
}

fn main() {
    // Before any child asks for it.
    LazyLock::force(&RUN);
    run(&[
        ("refusals", refusals),
        ("options", options),
        ("connected stream", connected_stream),
        ("messages", messages),
        ("shutting down", shutting_down),
        ("endings", endings),
        ("listening", listening),
        ("backlog", backlog),
        ("paths", paths),
        ("automatic names", automatic_names),
        ("datagrams", datagrams),
        ("full queue", full_queue),
        ("between processes", between_processes),
        ("server and clients", server_and_clients),
        ("bulk", bulk),
        ("waiting for all", waiting_for_all),
        ("timeouts", timeouts),
        ("descriptors", descriptors),
        ("descriptors lost", descriptors_lost),
        ("credentials", credentials),
        ("claimed credentials", claimed_credentials),
        ("killed peers", killed_peers),
        ("waking by poll", waking_by_poll),
    ]);
}
