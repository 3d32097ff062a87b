//! Message queues: order, limits, deadlines, names, a notice by signal, and a queue between parent and child.

use std::ffi::CString;
use std::io::Error;
use std::mem::zeroed;
use std::ptr::null_mut;

/// Bytes that a message of the queues here may have.
const LENGTH: usize = 16;

unsafe extern "C" {
    fn mq_notify(queue: libc::mqd_t, event: *const libc::sigevent) -> i32;
}

fn errno() -> i32 {
    Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// A result, or the error's number as a negative one.
fn outcome(result: i64) -> i64 {
    if result < 0 { -i64::from(errno()) } else { result }
}

/// The name of a queue that no other run of this program has.
fn name(suffix: &str) -> CString {
    CString::new(format!("/chitin-{}-{suffix}", std::process::id())).expect("no NUL")
}

fn open(name: &CString, flags: i32, messages: i64, bytes: i64) -> i64 {
    // SAFETY: all of its fields are numbers.
    let mut attributes: libc::mq_attr = unsafe { zeroed() };
    attributes.mq_maxmsg = messages;
    attributes.mq_msgsize = bytes;
    // SAFETY: name and attributes live until the call returns.
    outcome(i64::from(unsafe { libc::mq_open(name.as_ptr(), flags, 0o600, &raw mut attributes) }))
}

fn send(queue: i32, message: &str, priority: u32) -> i64 {
    // SAFETY: the message is read, and lives until the call returns.
    outcome(i64::from(unsafe { libc::mq_send(queue, message.as_ptr().cast(), message.len(), priority) }))
}

/// A message with its priority, or the error's negative number.
fn receive(queue: i32, room: usize, deadline_s: Option<i64>) -> Result<(String, u32), i64> {
    let mut buffer = vec![0u8; room];
    let mut priority = 0;
    let deadline = deadline_s.map(|tv_sec| libc::timespec { tv_sec, tv_nsec: 0 });
    let deadline = deadline.as_ref().map_or(std::ptr::null(), |deadline| deadline as *const libc::timespec);
    // SAFETY: the buffer has the room that is told, and all pointers are good until the call returns; a deadline may be null.
    let count = outcome(unsafe { libc::mq_timedreceive(queue, buffer.as_mut_ptr().cast(), room, &raw mut priority, deadline) } as i64);
    let count = usize::try_from(count).map_err(|_| count)?;
    Ok((String::from_utf8_lossy(&buffer[..count]).into_owned(), priority))
}

fn order_and_limits() {
    let queue = name("order");
    let number = open(&queue, libc::O_CREAT | libc::O_EXCL | libc::O_RDWR | libc::O_NONBLOCK, 3, LENGTH as i64) as i32;
    println!("again: {}", open(&queue, libc::O_CREAT | libc::O_EXCL | libc::O_RDWR, 3, LENGTH as i64));
    println!("sent: {:?}", [("low", 1), ("high", 5), ("high too", 5)].map(|(message, priority)| send(number, message, priority)));
    println!("full: {}", send(number, "more", 9));
    println!("too long: {}", send(number, "seventeen letters", 0));
    println!("no priority: {}", send(number, "", 32_768));
    println!("short: {:?}", receive(number, LENGTH - 1, None));
    (0..4).for_each(|_| println!("received: {:?}", receive(number, LENGTH, None)));
    // SAFETY: all of its fields are numbers.
    let mut attributes: libc::mq_attr = unsafe { zeroed() };
    // SAFETY: the call fills the structure.
    let found = unsafe { libc::mq_getattr(number, &raw mut attributes) };
    println!("attributes: {found} {:#o} {} {} {}", attributes.mq_flags, attributes.mq_maxmsg, attributes.mq_msgsize, attributes.mq_curmsgs);
    for (flags, why) in [(libc::O_RDONLY, "read"), (libc::O_WRONLY, "write")] {
        let limited = open(&queue, flags | libc::O_NONBLOCK, 0, 0) as i32;
        println!("to {why}: {} {:?}", send(limited, "x", 0), receive(limited, LENGTH, None));
        // SAFETY: the descriptor is this function's own.
        unsafe { libc::close(limited) };
    }
    // SAFETY: the name lives until the call returns.
    println!("unlinked: {:?}", [0, 1].map(|_| outcome(i64::from(unsafe { libc::mq_unlink(queue.as_ptr()) }))));
    println!("gone: {}", open(&queue, libc::O_RDWR, 0, 0));
    println!("still open: {} {:?}", send(number, "kept", 0), receive(number, LENGTH, None));
    for (messages, bytes) in [(0, 1), (1, 0), (-1, -1)] {
        println!("wish {messages} {bytes}: {}", open(&queue, libc::O_CREAT | libc::O_RDWR, messages, bytes));
    }
    println!("no queue: {} {:?}", send(1, "", 0), receive(0, LENGTH, None));
}

fn deadlines() {
    let queue = name("deadlines");
    let number = open(&queue, libc::O_CREAT | libc::O_RDWR, 1, LENGTH as i64) as i32;
    println!("past: {:?}", receive(number, LENGTH, Some(1)));
    println!("no time: {:?}", receive(number, LENGTH, Some(-1)));
    send(number, "there", 2);
    println!("in time: {:?}", receive(number, LENGTH, Some(1)));
    // SAFETY: the name lives until the call returns.
    unsafe { libc::mq_unlink(queue.as_ptr()) };
}

/// A signal comes with the first message, and with that one alone.
fn notice() {
    let queue = name("notice");
    let number = open(&queue, libc::O_CREAT | libc::O_RDWR | libc::O_NONBLOCK, 4, LENGTH as i64) as i32;
    // SAFETY: sets and structures are this function's own and live until the calls return; a zeroed sigevent is one.
    unsafe {
        let mut set: libc::sigset_t = zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGUSR1);
        libc::sigprocmask(libc::SIG_BLOCK, &set, null_mut());
        let mut event: libc::sigevent = zeroed();
        event.sigev_notify = libc::SIGEV_SIGNAL;
        event.sigev_signo = libc::SIGUSR1;
        event.sigev_value.sival_ptr = 77 as *mut _;
        println!("asked: {:?}", [0, 1].map(|_| outcome(i64::from(mq_notify(number, &event)))));
        send(number, "one", 0);
        send(number, "two", 0);
        let mut information: libc::siginfo_t = zeroed();
        let signal = libc::sigwaitinfo(&set, &raw mut information);
        let own = information.si_pid() == std::process::id() as i32;
        println!("told: {signal} {} {own} {:?}", information.si_code, information.si_value().sival_ptr);
        let none = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        println!("once: {}", outcome(i64::from(libc::sigtimedwait(&set, null_mut(), &none))));
        println!("asked again: {}", outcome(i64::from(mq_notify(number, &event))));
        println!("not any more: {}", outcome(i64::from(mq_notify(number, std::ptr::null()))));
        libc::mq_unlink(queue.as_ptr());
    }
}

/// A child answers each message; both wait for the other most of the time.
fn between_processes() {
    const ROUNDS: u32 = 200;
    let (there, back) = (name("there"), name("back"));
    let make = |name| open(name, libc::O_CREAT | libc::O_RDWR, 1, LENGTH as i64) as i32;
    let (there_number, back_number) = (make(&there), make(&back));
    // SAFETY: this program has one thread, so that the child may do what it likes.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let again = open(&there, libc::O_RDONLY, 0, 0) as i32;
        for _ in 0..ROUNDS {
            let (message, priority) = receive(again, LENGTH, None).expect("a message");
            send(back_number, &message, priority + 1);
        }
        std::process::exit(7);
    }
    let right = (0..ROUNDS).filter(|&round| {
        send(there_number, &round.to_string(), round);
        receive(back_number, LENGTH, None) == Ok((round.to_string(), round + 1))
    });
    println!("answered: {}", right.count());
    let mut status = 0;
    // SAFETY: the status is this function's own, and so are the names.
    unsafe {
        libc::waitpid(child, &raw mut status, 0);
        libc::mq_unlink(there.as_ptr());
        libc::mq_unlink(back.as_ptr());
    }
    println!("child: {status:#x}");
}

fn main() {
    order_and_limits();
    deadlines();
    notice();
    between_processes();
}
