//! Sockets of the Internet between processes of one machine: streams and datagrams of both families, names, ports, options, and what poll(2) says.
//!
//! To be run where there is the loopback and nothing else.
#![expect(clippy::undocumented_unsafe_blocks, reason = "each block is a plain call, on numbers and on memory of the program's own")]

use std::io::{Read, Write};
use std::mem::zeroed;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd};
use std::time::Duration;

use linux_programs::family::{child, end_of, run};
use linux_programs::{called, report};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

fn v4(address: [u8; 4], port: u16) -> (libc::sockaddr_storage, u32) {
    unsafe {
        let mut storage: libc::sockaddr_storage = zeroed();
        let inner = &mut *(&raw mut storage).cast::<libc::sockaddr_in>();
        (inner.sin_family, inner.sin_port) = (libc::AF_INET as _, port.to_be());
        inner.sin_addr.s_addr = u32::from_ne_bytes(address);
        (storage, 16)
    }
}

fn v6(address: Ipv6Addr, port: u16) -> (libc::sockaddr_storage, u32) {
    unsafe {
        let mut storage: libc::sockaddr_storage = zeroed();
        let inner = &mut *(&raw mut storage).cast::<libc::sockaddr_in6>();
        (inner.sin6_family, inner.sin6_port) = (libc::AF_INET6 as _, port.to_be());
        inner.sin6_addr.s6_addr = address.octets();
        (storage, 28)
    }
}

fn socket(domain: i32, kind: i32) -> i32 {
    let fd = unsafe { libc::socket(domain, kind, 0) };
    assert!(fd >= 0, "{}", called(-1));
    fd
}

fn bind(fd: i32, (address, length): (libc::sockaddr_storage, u32)) -> String {
    called(unsafe { libc::bind(fd, (&raw const address).cast(), length) })
}

fn connect(fd: i32, (address, length): (libc::sockaddr_storage, u32)) -> String {
    called(unsafe { libc::connect(fd, (&raw const address).cast(), length) })
}

fn send_to(fd: i32, bytes: &[u8], (address, length): (libc::sockaddr_storage, u32)) -> String {
    called(unsafe { libc::sendto(fd, bytes.as_ptr().cast(), bytes.len(), 0, (&raw const address).cast(), length) } as i32)
}

fn receive(fd: i32) -> String {
    let mut bytes = [0u8; 64];
    called(unsafe { libc::recv(fd, bytes.as_mut_ptr().cast(), 64, libc::MSG_DONTWAIT) } as i32)
}

fn send(fd: i32) -> String {
    called(unsafe { libc::send(fd, c"x".as_ptr().cast(), 1, libc::MSG_NOSIGNAL) } as i32)
}

/// A name, with ports that were given by the system called `some`.
fn name(fd: i32, of_peer: bool) -> String {
    unsafe {
        let mut storage: libc::sockaddr_storage = zeroed();
        let mut length = size_of::<libc::sockaddr_storage>() as u32;
        let get = if of_peer { libc::getpeername } else { libc::getsockname };
        if get(fd, (&raw mut storage).cast(), &raw mut length) != 0 {
            return called(-1);
        }
        let (address, port) = if i32::from(storage.ss_family) == libc::AF_INET {
            let inner = &*(&raw const storage).cast::<libc::sockaddr_in>();
            (IpAddr::from(inner.sin_addr.s_addr.to_ne_bytes()), u16::from_be(inner.sin_port))
        } else {
            let inner = &*(&raw const storage).cast::<libc::sockaddr_in6>();
            (IpAddr::from(inner.sin6_addr.s6_addr), u16::from_be(inner.sin6_port))
        };
        let port = if port >= 32_768 { "some".into() } else { port.to_string() };
        format!("{length} {address} {port}")
    }
}

fn option(fd: i32, level: i32, option: i32) -> String {
    let (mut value, mut length) = (-7i32, 4u32);
    let outcome = unsafe { libc::getsockopt(fd, level, option, (&raw mut value).cast(), &raw mut length) };
    if outcome == 0 { value.to_string() } else { called(outcome) }
}

fn set(fd: i32, level: i32, option: i32, value: i32) -> String {
    called(unsafe { libc::setsockopt(fd, level, option, (&raw const value).cast(), 4) })
}

fn poll(fd: i32) -> String {
    let all = libc::POLLIN | libc::POLLOUT | libc::POLLRDHUP | libc::POLLPRI;
    let mut one = libc::pollfd { fd, events: all, revents: 0 };
    unsafe { libc::poll(&raw mut one, 1, 0) };
    let names = [
        (libc::POLLIN, "in"),
        (libc::POLLOUT, "out"),
        (libc::POLLRDHUP, "rdhup"),
        (libc::POLLHUP, "hup"),
        (libc::POLLERR, "err"),
        (libc::POLLPRI, "pri"),
    ];
    names.iter().filter(|(bit, _)| one.revents & bit != 0).map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
}

fn close(fd: i32) {
    unsafe { libc::close(fd) };
}

fn port_of(address: std::io::Result<SocketAddr>) -> u16 {
    address.expect("it is bound").port()
}

/// Two connected streams.
fn pair() -> (i32, i32) {
    let listener = TcpListener::bind((V4, 0)).expect("a port");
    let one = TcpStream::connect(listener.local_addr().expect("an address")).expect("it listens");
    let other = listener.accept().expect("one waits").0;
    let fds = (one.as_raw_fd(), other.as_raw_fd());
    std::mem::forget((one, other));
    fds
}

fn streams() {
    for address in [V4, V6, IpAddr::from([127, 1, 2, 3]), IpAddr::from([0; 4])] {
        let listener = TcpListener::bind((address, 0)).expect("a port");
        let at = listener.local_addr().expect("an address");
        println!("{} {}", at.ip(), at.port() >= 32_768);
        let id = child(move || {
            let mut stream = TcpStream::connect(at).expect("it listens");
            println!("  connected to {} from {}", stream.peer_addr().expect("a peer").ip(), stream.local_addr().expect("it").ip());
            stream.write_all(&vec![7; 300_000]).expect("a reader");
            stream.shutdown(Shutdown::Write).expect("it is open");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("an answer");
            println!("  {answer}");
            0
        });
        let (mut stream, from) = listener.accept().expect("one comes");
        let is_same = stream.peer_addr().ok() == Some(from);
        let mut all = Vec::new();
        let count = stream.read_to_end(&mut all).expect("all of it");
        stream.write_all(format!("{count} bytes, {is_same}, {}", from.ip()).as_bytes()).expect("a reader");
        drop(stream);
        println!("{}", end_of(id));
    }
}

fn names() {
    for (label, domain) in [("4", libc::AF_INET), ("6", libc::AF_INET6)] {
        for (kind_label, kind) in [("stream", libc::SOCK_STREAM), ("datagram", libc::SOCK_DGRAM)] {
            let fd = socket(domain, kind);
            println!("{label} {kind_label}: {}; {}; {}", name(fd, false), name(fd, true), poll(fd));
            let here = if domain == libc::AF_INET { v4([127, 0, 0, 1], 0) } else { v6(Ipv6Addr::LOCALHOST, 0) };
            println!("bind: {}; again: {}; {}", bind(fd, here), bind(fd, here), name(fd, false));
            println!("domain {}, type {}, protocol {}", option(fd, 1, 39), option(fd, 1, 3), option(fd, 1, 38));
            let (mut short, family) = (here, if domain == libc::AF_INET { v6(Ipv6Addr::LOCALHOST, 0) } else { v4([127, 0, 0, 1], 0) });
            short.1 = 8;
            let other = socket(domain, kind);
            println!(
                "short: {} {}; of another family: {} {}",
                bind(other, short),
                connect(other, short),
                bind(other, family),
                connect(other, family)
            );
            println!(
                "not ours: {}",
                bind(other, if domain == libc::AF_INET { v4([10, 1, 2, 3], 0) } else { v6("2001:db8::1".parse().expect("an address"), 0) })
            );
            println!(
                "nowhere: {}",
                connect(
                    other,
                    if domain == libc::AF_INET { v4([10, 1, 2, 3], 7) } else { v6("2001:db8::1".parse().expect("an address"), 7) }
                )
            );
            println!("{}", name(other, true));
            close(fd);
            close(other);
        }
    }
    let try_socket = |domain, kind, protocol| {
        let fd = unsafe { libc::socket(domain, kind, protocol) };
        if fd < 0 { called(-1) } else { format!("made {}", called(unsafe { libc::close(fd) })) }
    };
    for (domain, kind, protocol) in [
        (libc::AF_INET, libc::SOCK_STREAM, 6),
        (libc::AF_INET, libc::SOCK_DGRAM, 17),
        (libc::AF_INET, libc::SOCK_STREAM, 17),
        (libc::AF_INET, libc::SOCK_DGRAM, 6),
        (libc::AF_INET, libc::SOCK_SEQPACKET, 0),
        (libc::AF_INET, libc::SOCK_STREAM, 999),
        (libc::AF_INET, libc::SOCK_STREAM, -1),
        (libc::AF_INET, 9, 0),
        (libc::AF_INET, 99, 0),
        (libc::AF_INET6, libc::SOCK_STREAM, 0),
        (200, libc::SOCK_STREAM, 0),
    ] {
        println!("{domain} {kind} {protocol}: {}", try_socket(domain, kind, protocol));
    }
    let mut both = [0; 2];
    println!("pair: {}", called(unsafe { libc::socketpair(libc::AF_INET, libc::SOCK_STREAM, 0, both.as_mut_ptr()) }));
}

fn ports() {
    const PORT: u16 = 7011;
    for kind in [libc::SOCK_STREAM, libc::SOCK_DGRAM] {
        let try_all = |first: (libc::sockaddr_storage, u32),
                       second: (libc::sockaddr_storage, u32),
                       domains: [i32; 2],
                       shared: i32,
                       listening: bool| {
            let fds = domains.map(|domain| socket(domain, kind));
            for fd in fds {
                set(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, shared & 1);
                set(fd, libc::SOL_SOCKET, libc::SO_REUSEPORT, shared >> 1 & 1);
                if shared & 4 != 0 {
                    set(fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1);
                }
            }
            let outcome = bind(fds[0], first);
            if listening && kind == libc::SOCK_STREAM {
                unsafe { libc::listen(fds[0], 1) };
            }
            let outcome = format!("{outcome} {}", bind(fds[1], second));
            let listens = if kind == libc::SOCK_STREAM { called(unsafe { libc::listen(fds[1], 1) }) } else { String::new() };
            fds.into_iter().for_each(close);
            format!("{outcome} {listens}")
        };
        let (here, there, all) = (v4([127, 0, 0, 1], PORT), v4([127, 0, 0, 2], PORT), v4([0; 4], PORT));
        let (all6, here6) = (v6(Ipv6Addr::UNSPECIFIED, PORT), v6(Ipv6Addr::LOCALHOST, PORT));
        let (four, six, mixed) = ([libc::AF_INET; 2], [libc::AF_INET6; 2], [libc::AF_INET, libc::AF_INET6]);
        for (label, first, second, domains) in [
            ("the same", here, here, four),
            ("another address", here, there, four),
            ("one and all", here, all, four),
            ("all and one", all, here, four),
            ("both families", here, here6, mixed),
            ("all of both", all, all6, mixed),
            ("one and all of both", here, all6, mixed),
            ("six", here6, all6, six),
        ] {
            for shared in [0, 1, 2, 4, 5] {
                for listening in [false, true] {
                    println!("{label} {shared} {listening}: {}", try_all(first, second, domains, shared, listening));
                }
            }
        }
    }
}

fn refusals() {
    let free = port_of(TcpListener::bind((V4, 0)).and_then(|listener| listener.local_addr()));
    let fd = socket(libc::AF_INET, libc::SOCK_STREAM);
    println!("refused: {}; {}; {}", connect(fd, v4([127, 0, 0, 1], free)), name(fd, false), poll(fd));
    println!(
        "send {} receive {} accept {}",
        send(fd),
        receive(fd),
        called(unsafe { libc::accept(fd, std::ptr::null_mut(), std::ptr::null_mut()) })
    );
    println!("shutdown {}", called(unsafe { libc::shutdown(fd, libc::SHUT_RDWR) }));
    println!("port 0: {}", connect(fd, v4([127, 0, 0, 1], 0)));
    let listener = TcpListener::bind((V4, free)).expect("it is free");
    println!("then: {}; {}; {}", connect(fd, v4([127, 0, 0, 1], free)), name(fd, false), name(fd, true).replace(&free.to_string(), "its"));
    println!("again: {}", connect(fd, v4([127, 0, 0, 1], free)));
    println!("listen: {}", called(unsafe { libc::listen(fd, 5) }));
    let at = listener.as_raw_fd();
    println!("listener: {} {} {} {}", connect(at, v4([127, 0, 0, 1], free)), send(at), receive(at), poll(at));
    println!("datagrams: {}", called(unsafe { libc::listen(socket(libc::AF_INET, libc::SOCK_DGRAM), 1) }));
    let mut none = v4([0; 4], 0);
    none.0.ss_family = libc::AF_UNSPEC as _;
    println!("apart: {}; {}; {}", connect(fd, none), name(fd, true), poll(fd));
}

fn without_waiting() {
    let free = port_of(TcpListener::bind((V4, 0)).and_then(|listener| listener.local_addr()));
    let fd = socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_NONBLOCK);
    println!("refused: {}", connect(fd, v4([127, 0, 0, 1], free)));
    println!("{}; {}; {}", poll(fd), option(fd, libc::SOL_SOCKET, libc::SO_ERROR), option(fd, libc::SOL_SOCKET, libc::SO_ERROR));
    let other = socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_NONBLOCK);
    println!("refused: {}; {}", connect(other, v4([127, 0, 0, 1], free)), connect(other, v4([127, 0, 0, 1], free)));
    let listener = TcpListener::bind((V4, free)).expect("it is free");
    listener.set_nonblocking(true).expect("a flag");
    report("nobody waits", listener.accept().map(drop));
    let third = socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_NONBLOCK);
    println!(
        "connecting: {}; {}; {}",
        connect(third, v4([127, 0, 0, 1], free)),
        poll(third),
        option(third, libc::SOL_SOCKET, libc::SO_ERROR)
    );
    println!("listener: {}", poll(listener.as_raw_fd()));
    println!("then: {}; {}", connect(third, v4([127, 0, 0, 1], free)), connect(third, v4([127, 0, 0, 1], free)));
    println!("receive: {}", receive(third));
    let (stream, _) = listener.accept().expect("one waits");
    println!("accepted: {}", poll(stream.as_raw_fd()));
    let mut total = 0;
    loop {
        match unsafe { libc::send(third, [0u8; 4096].as_ptr().cast(), 4096, 0) } {
            -1 => break,
            count => total += count,
        }
    }
    println!("full: {} {}, {}", total > 100_000, called(-1), poll(third));
    drop(stream);
}

fn ends() {
    let (one, other) = pair();
    println!("open: {} | {}", poll(one), poll(other));
    close(other);
    println!("closed: {}; read {}; send {}; send {}; send {}", poll(one), receive(one), send(one), send(one), send(one));
    println!("{}; read {}; {}", poll(one), receive(one), option(one, 1, libc::SO_ERROR));
    close(one);

    let (one, other) = pair();
    send(one);
    close(other);
    println!("closed unread: {}; {}", poll(one), name(one, true));
    println!("read {}; read {}; send {}", receive(one), receive(one), send(one));
    close(one);

    let (one, other) = pair();
    send(other);
    send(one);
    close(other);
    println!("closed unread, with more: {}; read {}; send {}; read {}", poll(one), receive(one), send(one), receive(one));
    close(one);

    let (one, other) = pair();
    println!("shut: {}", called(unsafe { libc::shutdown(one, libc::SHUT_WR) }));
    println!("{} | {}; send {}; read {}; back {}; read {}", poll(one), poll(other), send(one), receive(other), send(other), receive(one));
    println!("shut: {}; {} | {}", called(unsafe { libc::shutdown(other, libc::SHUT_WR) }), poll(one), poll(other));
    close(one);
    close(other);

    let (one, other) = pair();
    println!("shut to read: {}", called(unsafe { libc::shutdown(one, libc::SHUT_RD) }));
    println!("{} | {}; read {}; send {}; read {}", poll(one), poll(other), receive(one), send(other), receive(one));
    close(one);
    close(other);

    let (one, other) = pair();
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    println!("linger: {}", called(unsafe { libc::setsockopt(other, 1, libc::SO_LINGER, (&raw const linger).cast(), 8) }));
    close(other);
    println!("ended: {}; read {}; {}", poll(one), receive(one), name(one, true));
    close(one);

    let listener = TcpListener::bind((V4, 0)).expect("a port");
    let mut waiting = TcpStream::connect(listener.local_addr().expect("an address")).expect("it listens");
    let mut byte = [0];
    drop(listener);
    report("never accepted", waiting.read(&mut byte));
    unsafe {
        let (one, other) = pair();
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        close(other);
        let id = child(|| {
            libc::write(one, c"x".as_ptr().cast(), 1);
            libc::write(one, c"x".as_ptr().cast(), 1);
            0
        });
        println!("pipe: {}", end_of(id));
    }
}

fn options() {
    let (one, other) = pair();
    let numbers = [(6, 1), (6, 3), (6, 4), (6, 5), (6, 6), (6, 7), (6, 18), (0, 1), (0, 2), (0, 10), (41, 26), (17, 1), (6, 999), (77, 1)];
    for (level, number) in numbers {
        println!("{level} {number}: {} {} {}", option(one, level, number), set(one, level, number, 1), option(one, level, number));
    }
    for (level, number, value) in [(6, 4, 0), (6, 4, 40_000), (6, 6, 128), (0, 2, 256), (0, 2, 0), (0, 1, 300), (0, 10, 9), (6, 1, 77)] {
        println!("{level} {number} {value}: {} {}", set(one, level, number, value), option(one, level, number));
    }
    for number in [libc::SO_KEEPALIVE, libc::SO_REUSEADDR, libc::SO_BROADCAST, libc::SO_OOBINLINE, libc::SO_ACCEPTCONN] {
        println!("{number}: {} {}", option(other, 1, number), set(other, 1, number, 5));
        println!("{}", option(other, 1, number));
    }
    let six = socket(libc::AF_INET6, libc::SOCK_DGRAM);
    for number in [16, 18, 19, 26, 67] {
        println!("6 {number}: {} {} {}", option(six, 41, number), set(six, 41, number, 1), option(six, 41, number));
    }
    println!("bound: {} {}", bind(six, v6(Ipv6Addr::LOCALHOST, 0)), set(six, 41, 26, 0));
    println!("of tcp: {} {}", option(six, 6, 1), set(six, 6, 1, 1));
    // What accepts hands its options on.
    let listener = TcpListener::bind((V4, 0)).expect("a port");
    set(listener.as_raw_fd(), 6, 1, 1);
    set(listener.as_raw_fd(), 1, libc::SO_KEEPALIVE, 1);
    let stream = TcpStream::connect(listener.local_addr().expect("an address")).expect("it listens");
    let accepted = listener.accept().expect("one waits").0;
    println!("handed on: {:?} {}", accepted.nodelay().ok(), option(accepted.as_raw_fd(), 1, libc::SO_KEEPALIVE));
    println!("not to the other side: {:?}", stream.nodelay().ok());
}

fn mapped() {
    let listener = TcpListener::bind((IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0)).expect("a port");
    let port = port_of(listener.local_addr());
    let stream = TcpStream::connect((V4, port)).expect("it takes both");
    println!("{} to {}", listener.accept().expect("one waits").1.ip(), stream.peer_addr().expect("a peer").ip());
    let fd = socket(libc::AF_INET6, libc::SOCK_STREAM);
    let here = Ipv4Addr::LOCALHOST.to_ipv6_mapped();
    println!("{}; {}", connect(fd, v6(here, port)), name(fd, false));
    println!("{}", listener.accept().expect("one waits").1.ip());
    let only = socket(libc::AF_INET6, libc::SOCK_STREAM);
    set(only, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1);
    println!("only six: {} {}", bind(only, v6(here, 0)), connect(only, v6(here, port)));
    println!("{} {}", bind(only, v6(Ipv6Addr::UNSPECIFIED, 0)), called(unsafe { libc::listen(only, 1) }));
    let port = port_of(unsafe { TcpListener::from_raw_fd(libc::dup(only)) }.local_addr());
    report("from four", TcpStream::connect((V4, port)).map(drop));
    report("from six", TcpStream::connect((V6, port)).map(drop));
}

fn datagrams() {
    let one = UdpSocket::bind((V4, 0)).expect("a port");
    let other = UdpSocket::bind((IpAddr::from([0; 4]), 0)).expect("a port");
    let (at_one, at_other) = (one.local_addr().expect("it"), SocketAddr::from((V4, port_of(other.local_addr()))));
    let mut bytes = [0; 10];
    report("sent", one.send_to(b"letter", at_other));
    let (count, from) = other.recv_from(&mut bytes).expect("one waits");
    println!("{count} {}", from == at_one);
    report("sent back", other.send_to(b"a long answer, cut", at_one));
    let (count, from) = one.recv_from(&mut bytes).expect("one waits");
    println!("{count} {}", from == at_other);
    report("nothing", one.send_to(b"", at_other));
    report("nothing", other.recv_from(&mut bytes).map(|(count, _)| count));
    report("too long", one.send_to(&vec![0; 65_508], at_other));
    report("the longest", one.send_to(&vec![1; 65_507], at_other));
    report("the longest", other.recv_from(&mut vec![0; 70_000]).map(|(count, _)| count));
    report("nowhere", one.send_to(b"x", (IpAddr::from([10, 0, 0, 1]), 9)));
    println!("without a destination: {} {}", send(one.as_raw_fd()), send_to(one.as_raw_fd(), b"x", v4([127, 0, 0, 1], 0)));
    // Who is connected hears one, and that nobody is there.
    report("connect", one.connect(at_other));
    let third = UdpSocket::bind((V4, 0)).expect("a port");
    report("from another", third.send_to(b"x", at_one));
    println!("{}", receive(one.as_raw_fd()));
    report("from its peer", other.send_to(b"xy", at_one));
    println!("{} {}", receive(one.as_raw_fd()), name(one.as_raw_fd(), false));
    drop(other);
    println!("gone: {}; {}", send(one.as_raw_fd()), poll(one.as_raw_fd()));
    println!("{}; {}; {}", receive(one.as_raw_fd()), send(one.as_raw_fd()), option(one.as_raw_fd(), 1, libc::SO_ERROR));
    println!("to nobody: {} {}", send_to(third.as_raw_fd(), b"x", v4([127, 0, 0, 1], port_of(Ok(at_other)))), receive(third.as_raw_fd()));
    let mut none = v4([0; 4], 0);
    none.0.ss_family = libc::AF_UNSPEC as _;
    println!("apart: {}; {}; {}", connect(one.as_raw_fd(), none), name(one.as_raw_fd(), true), name(one.as_raw_fd(), false));
    println!("shut: {}", called(unsafe { libc::shutdown(third.as_raw_fd(), libc::SHUT_RDWR) }));
    let fresh = socket(libc::AF_INET, libc::SOCK_DGRAM);
    println!("fresh: {}; {}; {}", send_to(fresh, b"x", v4([127, 0, 0, 1], port_of(Ok(at_one)))), name(fresh, false), receive(fresh));
    third.set_read_timeout(Some(Duration::from_millis(20))).expect("a time");
    let six = UdpSocket::bind((V6, 0)).expect("a port");
    report("six", six.send_to(b"12345", six.local_addr().expect("it")));
    report("six", six.recv_from(&mut bytes).map(|(count, from)| (count, from.ip())));
}

fn many() {
    let listener = TcpListener::bind((V4, 0)).expect("a port");
    let at = listener.local_addr().expect("an address");
    let ids: Vec<i32> = (0..8u8)
        .map(|number| {
            child(move || {
                for round in 0..10 {
                    let mut stream = TcpStream::connect(at).expect("it listens");
                    stream.write_all(&[number, round]).expect("a reader");
                    let mut answer = [0; 2];
                    stream.read_exact(&mut answer).expect("an answer");
                    assert_eq!(answer, [round, number]);
                }
                0
            })
        })
        .collect();
    for _ in 0..80 {
        let (mut stream, _) = listener.accept().expect("one comes");
        let mut bytes = [0; 2];
        stream.read_exact(&mut bytes).expect("two bytes");
        bytes.reverse();
        stream.write_all(&bytes).expect("a reader");
    }
    println!("{:?}", ids.into_iter().map(end_of).collect::<Vec<_>>());
}

/// The loopback is taken up where it is down.
fn interfaces() {
    unsafe {
        let fd = socket(libc::AF_INET, libc::SOCK_DGRAM);
        let mut request: libc::ifreq = zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
            *to = *from as _;
        }
        assert_eq!(libc::ioctl(fd, libc::SIOCGIFFLAGS as _, &raw mut request), 0);
        request.ifr_ifru.ifru_flags |= libc::IFF_UP as i16;
        assert_eq!(libc::ioctl(fd, libc::SIOCSIFFLAGS as _, &raw mut request), 0, "{}", called(-1));
        assert_eq!(libc::ioctl(fd, libc::SIOCGIFFLAGS as _, &raw mut request), 0);
        println!("{:#x}", request.ifr_ifru.ifru_flags);
        println!("{} {}", libc::ioctl(fd, libc::SIOCGIFINDEX as _, &raw mut request), request.ifr_ifru.ifru_ifindex);
        println!("{} {}", libc::ioctl(fd, libc::SIOCGIFMTU as _, &raw mut request), request.ifr_ifru.ifru_mtu);
        println!("{} {}", libc::ioctl(fd, libc::SIOCGIFNETMASK as _, &raw mut request), request.ifr_ifru.ifru_addr.sa_data[2] as u8);
        request.ifr_name[0] = b'x' as _;
        println!("{}", called(libc::ioctl(fd, libc::SIOCGIFFLAGS as _, &raw mut request)));
        close(fd);
    }
}

fn main() {
    println!("[interfaces]");
    interfaces();
    run(&[
        ("streams", streams),
        ("names", names),
        ("ports", ports),
        ("refusals", refusals),
        ("without waiting", without_waiting),
        ("ends", ends),
        ("options", options),
        ("mapped", mapped),
        ("datagrams", datagrams),
        ("many", many),
    ]);
}
