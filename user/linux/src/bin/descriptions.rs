//! What processes have in common that inherited an open file description, and FIFOs, which they find by name.

use std::ffi::CString;

use linux_programs::descriptors::{child, close, control, drain, outcome, pause, pipe, poll, run, show, text, write};

fn open(path: &str, flags: i32) -> Result<i64, String> {
    let path = CString::new(path).expect("no NUL");
    // SAFETY: a string with its NUL.
    outcome(unsafe { libc::open(path.as_ptr(), flags, 0o644) })
}

fn must_open(path: &str, flags: i32) -> i32 {
    open(path, flags).expect("a file") as i32
}

fn seek(fd: i32, offset: i64, whence: i32) -> String {
    // SAFETY: the call takes no memory.
    show(outcome(unsafe { libc::lseek(fd, offset, whence) }))
}

fn one_offset() {
    let _ = std::fs::write("offsets", b"0123456789");
    let fd = must_open("offsets", libc::O_RDWR);
    println!("{}", text(fd, 2));
    let reader = child(|| i32::from(text(fd, 3) != "\"234\""));
    println!("child: {}", reader.end());
    println!("goes on: {} {}", text(fd, 2), seek(fd, 0, libc::SEEK_CUR));
    let seeker = child(|| i32::from(seek(fd, 1, libc::SEEK_SET) != "1"));
    println!("child: {}", seeker.end());
    println!("where it sought: {}", text(fd, 3));
    let own = child(|| {
        let own = must_open("offsets", libc::O_RDONLY);
        i32::from(text(own, 4) != "\"0123\"")
    });
    println!("another description: {} {}", own.end(), seek(fd, 0, libc::SEEK_CUR));
    let _ = close(fd);
    let _ = std::fs::remove_file("offsets");
}

fn one_output() {
    let fd = must_open("output", libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC);
    let _ = write(fd, b"parent\n");
    let children: Vec<_> = (0..4u8)
        .map(|number| {
            child(move || {
                for _ in 0..20 {
                    let _ = write(fd, &[b'a' + number; 10]);
                }
                0
            })
        })
        .collect();
    for child in children {
        println!("child: {}", child.end());
    }
    let _ = write(fd, b"\nend");
    let all = std::fs::read("output").unwrap_or_default();
    let counts: Vec<usize> = (b'a'..b'e').map(|letter| all[7..].iter().filter(|&&byte| byte == letter).count()).collect();
    // "end" has an e.. and the letters b to d of nothing else.
    println!("{} {:?} {}", all.len(), counts, all.ends_with(b"\nend"));
    let _ = close(fd);
    let _ = std::fs::remove_file("output");
}

fn appending() {
    let fd = must_open("appended", libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC | libc::O_APPEND);
    let first = child(|| {
        for _ in 0..20 {
            let _ = write(fd, b"first\n");
        }
        0
    });
    let second = child(|| {
        let own = must_open("appended", libc::O_WRONLY | libc::O_APPEND);
        for _ in 0..20 {
            let _ = write(own, b"other\n");
        }
        0
    });
    println!("{} {}", first.end(), second.end());
    let all = std::fs::read_to_string("appended").unwrap_or_default();
    println!("{} {}", all.lines().filter(|line| *line == "first").count(), all.lines().filter(|line| *line == "other").count());
    let _ = close(fd);
    let _ = std::fs::remove_file("appended");
}

fn flags() {
    let (reader, writer) = pipe(0);
    println!("at first: {}", show(control(reader, libc::F_GETFL, 0)));
    let setter = child(|| i32::from(control(reader, libc::F_SETFL, i64::from(libc::O_NONBLOCK)) != Ok(0)));
    println!("child: {}", setter.end());
    println!("set by the child: {}", control(reader, libc::F_GETFL, 0) == Ok(i64::from(libc::O_NONBLOCK)));
    println!("and it does not wait: {}", text(reader, 1));
    println!("the other end: {}", control(writer, libc::F_GETFL, 0) == Ok(1));
    let closer = child(|| {
        let _ = control(reader, libc::F_SETFD, 1);
        0
    });
    println!("child: {} {}", closer.end(), show(control(reader, libc::F_GETFD, 0)));
    let _ = (close(reader), close(writer));
}

fn duplicates() {
    let (reader, writer) = pipe(0);
    println!("not open: {} {}", show(control(99, libc::F_DUPFD, 0)), show(outcome(unsafe_dup3(99, 98, 0))));
    println!("too high: {} {}", show(control(reader, libc::F_DUPFD, 1 << 20)), show(outcome(unsafe_dup3(reader, 1 << 20, 0))));
    println!(
        "the same: {} {}",
        show(outcome(unsafe_dup3(reader, reader, 0))),
        show(outcome(unsafe_dup2(reader, reader))) == reader.to_string()
    );
    println!("bad flags: {}", show(outcome(unsafe_dup3(reader, 50, 1))));
    println!("from 40 on: {}", show(control(reader, libc::F_DUPFD_CLOEXEC, 40)));
    println!("closed at exec: {} {}", show(control(40, libc::F_GETFD, 0)), show(control(reader, libc::F_GETFD, 0)));
    println!("over another: {}", show(outcome(unsafe_dup2(writer, 40))));
    println!("it writes: {} {}", show(write(40, b"x")), text(reader, 1));
    // SAFETY: the call takes no memory.
    println!("range: {}", show(outcome(unsafe { libc::syscall(libc::SYS_close_range, 40, 60, 0) })));
    println!("closed: {}", show(control(40, libc::F_GETFD, 0)));
    // SAFETY: as above.
    println!("backwards: {}", show(outcome(unsafe { libc::syscall(libc::SYS_close_range, 60, 40, 0) })));
    let _ = (close(reader), close(writer));
}

fn unsafe_dup2(fd: i32, to: i32) -> i32 {
    // SAFETY: the call takes no memory.
    unsafe { libc::dup2(fd, to) }
}

fn unsafe_dup3(fd: i32, to: i32, flags: i32) -> i32 {
    // SAFETY: the call takes no memory.
    unsafe { libc::dup3(fd, to, flags) }
}

fn counters() {
    // SAFETY: the call takes no memory.
    let fd = unsafe { libc::eventfd(3, 0) };
    let adder = child(|| {
        pause(20);
        i32::from(write(fd, &4u64.to_ne_bytes()) != Ok(8))
    });
    let take = || linux_programs::descriptors::read(fd, 8).map(|bytes| bytes[0]);
    println!("{:?} {}", take(), poll(fd, libc::POLLIN | libc::POLLOUT, 0));
    println!("{} {:?} {}", poll(fd, libc::POLLIN, 5000), take(), adder.end());
    let waiter = child(|| i32::from(linux_programs::descriptors::read(fd, 8).map(|bytes| bytes[0]) != Ok(9)));
    pause(20);
    println!("{} {}", show(write(fd, &9u64.to_ne_bytes())), waiter.end());
    let _ = close(fd);
}

fn many_events() {
    const COUNT: usize = 20;
    // SAFETY: the calls take no memory.
    let (set, fds): (i32, Vec<i32>) = unsafe { (libc::epoll_create1(0), (0..COUNT).map(|_| libc::eventfd(0, 0)).collect()) };
    for (at, &fd) in fds.iter().enumerate() {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: at as u64 };
        // SAFETY: the struct is valid.
        unsafe { libc::epoll_ctl(set, libc::EPOLL_CTL_ADD, fd, &raw mut event) };
    }
    let adder = child(|| {
        for at in [3, 19, 0] {
            pause(20);
            let _ = write(fds[at], &1u64.to_ne_bytes());
        }
        0
    });
    for _ in 0..3 {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 4];
        // SAFETY: the structs are the call's to fill.
        let count = unsafe { libc::epoll_wait(set, events.as_mut_ptr(), 4, -1) };
        let (at, found) = (events[0].u64, events[0].events);
        let mut asked: Vec<libc::pollfd> = fds.iter().map(|&fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 }).collect();
        // SAFETY: the structs are the call's to read and fill.
        let polled = unsafe { libc::poll(asked.as_mut_ptr(), COUNT as libc::nfds_t, 0) };
        let same = asked[at as usize].revents == libc::POLLIN;
        println!(
            "{count} {at} {found}, {polled} {same}, {:?}",
            linux_programs::descriptors::read(fds[at as usize], 8).map(|bytes| bytes[0])
        );
    }
    println!("child: {}", adder.end());
    for fd in fds {
        let _ = close(fd);
    }
    let _ = close(set);
}

fn fifos() {
    let _ = std::fs::remove_file("a-fifo");
    let path = CString::new("a-fifo").expect("no NUL");
    // SAFETY: a string with its NUL.
    println!("made: {}", show(outcome(unsafe { libc::mkfifo(path.as_ptr(), 0o600) })));
    println!("nobody reads: {}", show(open("a-fifo", libc::O_WRONLY | libc::O_NONBLOCK)));
    let writer = child(|| {
        let own = must_open("a-fifo", libc::O_WRONLY);
        let _ = write(own, b"by name");
        0
    });
    let reader = must_open("a-fifo", libc::O_RDONLY);
    println!("{:?} {}", String::from_utf8_lossy(&drain(reader)), writer.end());
    let _ = close(reader);
    let late = child(|| {
        pause(30);
        let own = must_open("a-fifo", libc::O_RDONLY);
        i32::from(text(own, 10) != "\"waited\"")
    });
    let own = must_open("a-fifo", libc::O_WRONLY);
    println!("{} {}", show(write(own, b"waited")), late.end());
    let _ = close(own);
    let both = must_open("a-fifo", libc::O_RDWR);
    println!("both: {} {}", show(write(both, b"to myself")), text(both, 20));
    let second = must_open("a-fifo", libc::O_WRONLY | libc::O_NONBLOCK);
    println!("somebody reads: {} {}", show(write(second, b"x")), poll(both, libc::POLLIN, 0));
    let _ = (close(both), close(second));
    println!("emptied: {}", text(must_open("a-fifo", libc::O_RDONLY | libc::O_NONBLOCK), 1));
    let early = must_open("a-fifo", libc::O_RDONLY | libc::O_NONBLOCK);
    println!("before all writers: {} {}", poll(early, libc::POLLIN, 0), text(early, 1));
    let writer = child(|| {
        let own = must_open("a-fifo", libc::O_WRONLY);
        pause(20);
        let _ = write(own, b"came");
        pause(50);
        0
    });
    println!("one came: {}", poll(early, libc::POLLIN, -1));
    println!("and went: {} {}", writer.end(), poll(early, libc::POLLIN, 0));
    println!("{} {} {}", text(early, 9), poll(early, libc::POLLIN, 0), text(early, 9));
    let late = must_open("a-fifo", libc::O_RDONLY | libc::O_NONBLOCK);
    println!("another that comes after: {} {}", poll(late, libc::POLLIN, 0), poll(early, libc::POLLIN, 0));
    let _ = (close(early), close(late));
    let _ = std::fs::remove_file("a-fifo");
}

fn passed_files() {
    let _ = std::fs::write("passed", b"contents");
    let mut ends = [0; 2];
    // SAFETY: the array is the call's to fill.
    unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0, ends.as_mut_ptr()) };
    let [own, other] = ends;
    let receiver = child(|| {
        let Some(fd) = receive_one(other) else { return 1 };
        i32::from(text(fd, 20) != "\"contents\"" || write(fd, b"!") != Ok(1))
    });
    let fd = must_open("passed", libc::O_RDWR);
    println!("sent: {}", send_one(own, fd));
    println!("{} {:?}", receiver.end(), std::fs::read_to_string("passed").unwrap_or_default());
    for fd in [fd, own, other] {
        let _ = close(fd);
    }
    let _ = std::fs::remove_file("passed");
}

/// A message of one byte, and one descriptor along with it.
fn with_message<T>(work: impl FnOnce(&mut libc::msghdr) -> T) -> T {
    let (mut byte, mut control) = (0u8, [0u64; 8]);
    let mut vector = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    // SAFETY: zeros are a message without anything; everything it points to outlives the work.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut vector;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = 24;
    work(&mut message)
}

fn send_one(socket: i32, fd: i32) -> String {
    // SAFETY: the message and what it points to outlive the calls; its control buffer has room for a header and a descriptor.
    with_message(|message| unsafe {
        let header = libc::CMSG_FIRSTHDR(message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(4) as _;
        libc::CMSG_DATA(header).cast::<i32>().write_unaligned(fd);
        show(outcome(libc::sendmsg(socket, message, 0) as i64))
    })
}

fn receive_one(socket: i32) -> Option<i32> {
    // SAFETY: as above.
    with_message(|message| unsafe {
        outcome(libc::recvmsg(socket, message, 0) as i64).ok()?;
        let header = libc::CMSG_FIRSTHDR(message);
        if header.is_null() { None } else { Some(libc::CMSG_DATA(header).cast::<i32>().read_unaligned()) }
    })
}

fn main() {
    run(&[
        ("one offset", one_offset),
        ("one output", one_output),
        ("appending", appending),
        ("flags", flags),
        ("duplicates", duplicates),
        ("counters", counters),
        ("many events", many_events),
        ("fifos", fifos),
        ("passed files", passed_files),
    ]);
}
