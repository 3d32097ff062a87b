//! Processes that talk with each other: pipes, sockets, epoll(7), message queues.

use std::ffi::CString;
use std::sync::atomic::Ordering;

use linux_programs::family::{child, shared};

use crate::{Random, await_progress, close, expect_end, kill, pipe};

const CHUNK: usize = 512;

/// write(2), all of it.
fn put(descriptor: i32, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let count = unsafe { libc::write(descriptor, bytes.as_ptr().cast(), bytes.len()) };
        assert!(count > 0, "a write that gives {count}");
        bytes = &bytes[count as usize..];
    }
}

fn get(descriptor: i32, bytes: &mut [u8]) -> usize {
    let count = unsafe { libc::read(descriptor, bytes.as_mut_ptr().cast(), bytes.len()) };
    usize::try_from(count).expect("a read that fails")
}

/// Bytes that count, whose reader sees whether one is missing.
fn count_from(start: usize) -> [u8; CHUNK] {
    std::array::from_fn(|index| ((start + index) % 251) as u8)
}

/// One writes, one passes on, one reads; one of them dies.
pub fn pipeline(random: &Random) -> Result<(), String> {
    let ([first_out, first_in], [second_out, second_in]) = (pipe(), pipe());
    let default = || unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    let writer = child(|| {
        default();
        close(&[first_out, second_out, second_in]);
        let mut at = 0;
        loop {
            put(first_in, &count_from(at));
            at += CHUNK;
        }
    });
    let middle = child(|| {
        default();
        close(&[first_in, second_out]);
        let mut bytes = [0; 3000];
        loop {
            match get(first_out, &mut bytes) {
                0 => return 0,
                count => put(second_in, &bytes[..count]),
            }
        }
    });
    let reader = child(|| {
        close(&[first_out, first_in, second_in]);
        let (mut bytes, mut at) = ([0; 2000], 0usize);
        loop {
            let count = get(second_out, &mut bytes);
            if bytes[..count].iter().zip(at..).any(|(&byte, at)| byte != (at % 251) as u8) {
                return 1;
            }
            if count == 0 {
                return 0;
            }
            at += count;
        }
    });
    close(&[first_out, first_in, second_out, second_in]);
    random.pause();
    let ends = match random.below(3) {
        0 => {
            kill(writer);
            ["signal 9", "exit 0", "exit 0"]
        }
        1 => {
            kill(middle);
            ["signal 13", "signal 9", "exit 0"]
        }
        _ => {
            kill(reader);
            ["signal 13", "signal 13", "signal 9"]
        }
    };
    expect_end("the writer", writer, &[ends[0]])?;
    expect_end("the middle", middle, &[ends[1]])?;
    expect_end("the reader", reader, &[ends[2]])
}

/// One waits for pipes by epoll, within another epoll, one writes; one of them dies.
pub fn epoll(random: &Random) -> Result<(), String> {
    let [out, into] = pipe();
    let steps = shared();
    let waiter = child(|| {
        close(&[into]);
        let (outer, inner) = unsafe { (libc::epoll_create1(0), libc::epoll_create1(0)) };
        let mut event = libc::epoll_event { events: (libc::EPOLLIN | libc::EPOLLET) as u32, u64: 1 };
        unsafe {
            assert_eq!(libc::epoll_ctl(inner, libc::EPOLL_CTL_ADD, out, &raw mut event), 0);
            event.events = libc::EPOLLIN as u32;
            assert_eq!(libc::epoll_ctl(outer, libc::EPOLL_CTL_ADD, inner, &raw mut event), 0);
            libc::fcntl(out, libc::F_SETFL, libc::O_NONBLOCK);
        }
        let mut bytes = [0u8; 64];
        loop {
            let found = unsafe { libc::epoll_wait(outer, &raw mut event, 1, -1) };
            assert_eq!(found, 1);
            assert_eq!(unsafe { libc::epoll_wait(inner, &raw mut event, 1, 0) }, 1);
            loop {
                match unsafe { libc::read(out, bytes.as_mut_ptr().cast(), bytes.len()) } {
                    0 => return 0,
                    -1 => break,
                    _ => _ = steps[0].fetch_add(1, Ordering::Relaxed),
                }
            }
        }
    });
    let writer = child(|| {
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        close(&[out]);
        loop {
            put(into, b"something");
            std::thread::yield_now();
        }
    });
    close(&[out, into]);
    await_progress(&steps[0]);
    random.pause();
    let ends = if random.below(2) == 0 {
        kill(waiter);
        ["signal 9", "signal 13"]
    } else {
        kill(writer);
        ["exit 0", "signal 9"]
    };
    unsafe { libc::munmap(core::ptr::from_ref(steps).cast_mut().cast(), 4096) };
    expect_end("who waits", waiter, &[ends[0]])?;
    expect_end("who writes", writer, &[ends[1]])
}

/// A message with a descriptor.
fn send_descriptor(socket: i32, descriptor: i32) -> isize {
    let mut control = [0u64; 4];
    let mut part = libc::iovec { iov_base: c"x".as_ptr().cast_mut().cast(), iov_len: 1 };
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = libc::CMSG_SPACE(4) as _;
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        ((*header).cmsg_level, (*header).cmsg_type) = (libc::SOL_SOCKET, libc::SCM_RIGHTS);
        (*header).cmsg_len = libc::CMSG_LEN(4) as _;
        libc::CMSG_DATA(header).cast::<i32>().write_unaligned(descriptor);
        libc::sendmsg(socket, &raw const message, libc::MSG_NOSIGNAL)
    }
}

/// The next descriptor; none at the end, and -1 if there is none with the byte.
fn receive_descriptor(socket: i32) -> Option<i32> {
    let (mut control, mut byte) = ([0u64; 4], 0u8);
    let mut part = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control) as _;
        if libc::recvmsg(socket, &raw mut message, 0) <= 0 {
            return None;
        }
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        Some(if header.is_null() { -1 } else { libc::CMSG_DATA(header).cast::<i32>().read_unaligned() })
    }
}

/// One sends a pipe's end over and over, another receives it; one of them dies, and the pipe's end comes with the last of those under way.
pub fn senders(random: &Random) -> Result<(), String> {
    let [out, into] = pipe();
    let mut sockets = [0; 2];
    assert_eq!(unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0, sockets.as_mut_ptr()) }, 0);
    let [left, right] = sockets;
    let sender = child(|| {
        close(&[out, right]);
        while send_descriptor(left, into) == 1 {}
        0
    });
    let receiver = child(|| {
        close(&[out, into, left]);
        while let Some(descriptor) = receive_descriptor(right) {
            if descriptor < 0 {
                return 1;
            }
            put(descriptor, b".");
            close(&[descriptor]);
        }
        0
    });
    close(&[into, left, right]);
    let mut bytes = [0; 64];
    if random.below(2) == 0 {
        get(out, &mut bytes);
    }
    random.pause();
    let ends = if random.below(2) == 0 {
        kill(sender);
        ["signal 9", "exit 0"]
    } else {
        kill(receiver);
        ["exit 0", "signal 9"]
    };
    // All that wrote into the pipe are gone at last.
    while get(out, &mut bytes) > 0 {}
    close(&[out]);
    expect_end("the sender", sender, &[ends[0]])?;
    expect_end("the receiver", receiver, &[ends[1]])
}

/// One sends messages, another receives them; both die, one after the other, and the queue still works.
pub fn queues(random: &Random) -> Result<(), String> {
    let name = CString::new(format!("/killings-{}", unsafe { libc::getpid() })).expect("no NUL");
    let mut limits: libc::mq_attr = unsafe { std::mem::zeroed() };
    (limits.mq_maxmsg, limits.mq_msgsize) = (4, 64);
    let queue = unsafe { libc::mq_open(name.as_ptr(), libc::O_CREAT | libc::O_RDWR, 0o600, &raw mut limits) };
    assert!(queue >= 0, "mq_open");
    let sender = child(|| {
        let mut count = 0u32;
        loop {
            assert_eq!(unsafe { libc::mq_send(queue, c"a message".as_ptr(), 9, count % 3) }, 0);
            count += 1;
        }
    });
    let receiver = child(|| {
        let mut bytes = [0; 64];
        loop {
            assert_eq!(unsafe { libc::mq_receive(queue, bytes.as_mut_ptr(), bytes.len(), std::ptr::null_mut()) }, 9);
        }
    });
    let mut victims = [sender, receiver];
    victims.rotate_left(random.below(2) as usize);
    for victim in victims {
        random.pause();
        kill(victim);
        expect_end("one of them", victim, &["signal 9"])?;
    }
    let mut bytes = [0; 64];
    unsafe {
        assert_eq!(libc::mq_getattr(queue, &raw mut limits), 0);
        for _ in 0..limits.mq_curmsgs {
            assert_eq!(libc::mq_receive(queue, bytes.as_mut_ptr(), bytes.len(), std::ptr::null_mut()), 9);
        }
        assert_eq!(libc::mq_send(queue, c"again".as_ptr(), 5, 7), 0);
        assert_eq!(libc::mq_receive(queue, bytes.as_mut_ptr(), bytes.len(), std::ptr::null_mut()), 5);
        assert_eq!(libc::mq_unlink(name.as_ptr()), 0);
        libc::mq_close(queue);
    }
    Ok(())
}
