//! pipe(2) between processes: who has which end, what ends it, what fits in it and who is woken.

use linux_programs::descriptors::{child, close, control, drain, outcome, pause, pipe, poll, read, run, show, text, write};

const READER: &[u8] = b"from the parent";

fn parent_to_child() {
    let (reader, writer) = pipe(0);
    let child = child(|| {
        let _ = close(writer);
        let bytes = drain(reader);
        i32::from(bytes != READER)
    });
    let _ = close(reader);
    println!("written: {}", show(write(writer, READER)));
    let _ = close(writer);
    println!("child: {}", child.end());
}

fn child_to_parent() {
    let (reader, writer) = pipe(0);
    let child = child(|| {
        let _ = write(writer, b"one ");
        pause(20);
        let _ = write(writer, b"two");
        0
    });
    let _ = close(writer);
    println!("all: {:?}", String::from_utf8_lossy(&drain(reader)));
    println!("at the end: {}", text(reader, 10));
    println!("child: {}", child.end());
    let _ = close(reader);
}

fn written_before() {
    let (reader, writer) = pipe(0);
    let _ = write(writer, b"before");
    let child = child(|| {
        let first = read(reader, 3).unwrap_or_default();
        let _ = write(writer, b" after");
        i32::from(first != b"bef")
    });
    println!("child: {}", child.end());
    let _ = close(writer);
    println!("rest: {:?}", String::from_utf8_lossy(&drain(reader)));
    let _ = close(reader);
}

fn no_reader() {
    let (reader, writer) = pipe(0);
    let ignoring = child(|| {
        let _ = close(reader);
        pause(60);
        i32::from(write(writer, b"x") != Err("EPIPE".into()))
    });
    let dying = child(|| {
        // SAFETY: no handler is involved.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        let _ = close(reader);
        pause(60);
        let _ = write(writer, b"x");
        0
    });
    println!("with a reader: {}", poll(writer, libc::POLLOUT, 0));
    let _ = close(reader);
    // Until the children have closed theirs.
    pause(10);
    println!("without: {}", poll(writer, libc::POLLOUT, 0));
    println!("ignored: {}", ignoring.end());
    println!("deadly: {}", dying.end());
    println!("here: {}", show(write(writer, b"x")));
    let _ = close(writer);
}

fn last_writer() {
    let (reader, writer) = pipe(0);
    let spare = outcome(unsafe_dup(writer)).expect("a descriptor") as i32;
    let first = child(|| {
        pause(60);
        0
    });
    let _ = close(writer);
    println!("one left here: {}", poll(reader, libc::POLLIN, 0));
    let _ = close(spare);
    println!("one left in the child: {}", poll(reader, libc::POLLIN, 0));
    println!("it ends: {}", poll(reader, libc::POLLIN, -1));
    println!("end: {}", text(reader, 1));
    println!("child: {}", first.end());
    let _ = close(reader);
}

fn unsafe_dup(fd: i32) -> i32 {
    // SAFETY: the call takes no memory.
    unsafe { libc::dup(fd) }
}

fn records() {
    const SIZE: usize = 3000;
    const COUNT: usize = 60;
    let (reader, writer) = pipe(0);
    let children: Vec<_> = (b'a'..b'd')
        .map(|letter| {
            child(move || {
                let _ = close(reader);
                let record = vec![letter; SIZE];
                i32::from(!(0..COUNT).all(|_| write(writer, &record) == Ok(SIZE as i64)))
            })
        })
        .collect();
    let _ = close(writer);
    let all = drain(reader);
    let whole = all.chunks(SIZE).all(|record| record.len() == SIZE && record.iter().all(|&byte| byte == record[0]));
    let counts: Vec<usize> = (b'a'..b'd').map(|letter| all.iter().filter(|&&byte| byte == letter).count() / SIZE).collect();
    println!("whole: {whole}, of each: {counts:?}");
    for child in children {
        println!("child: {}", child.end());
    }
    let _ = close(reader);
}

fn without_blocking() {
    let (reader, writer) = pipe(libc::O_NONBLOCK);
    let child = child(|| {
        let mut good = read(reader, 1) == Err("EAGAIN".into());
        let mut total = 0;
        while let Ok(count) = write(writer, &[7; 4096]) {
            total += count;
        }
        good &= total == 65536 && write(writer, b"x") == Err("EAGAIN".into());
        i32::from(!good)
    });
    println!("child: {}", child.end());
    println!("full: {}", poll(writer, libc::POLLOUT, 0));
    println!("more: {}", show(write(writer, b"x")));
    println!("a page out: {}", read(reader, 4096).map_or(0, |bytes| bytes.len()));
    println!("part of a large one fits: {}", show(write(writer, &[1; 5000])));
    println!("drained: {}", drain(reader).len());
    println!("empty: {} {}", text(reader, 1), poll(reader, libc::POLLIN, 0));
    let _ = (close(reader), close(writer));
}

fn capacity() {
    let (reader, writer) = pipe(0);
    println!("at first: {}", show(control(reader, libc::F_GETPIPE_SZ, 0)));
    let child = child(|| i32::from(control(writer, libc::F_SETPIPE_SZ, 5000) != Ok(8192)));
    println!("child: {}", child.end());
    println!("set by the child: {}", show(control(reader, libc::F_GETPIPE_SZ, 0)));
    let _ = write(writer, &[0; 6000]);
    println!("too small: {}", show(control(reader, libc::F_SETPIPE_SZ, 4096)));
    println!("of a file: {}", show(control(unsafe_open("/"), libc::F_GETPIPE_SZ, 0)));
    let _ = (close(reader), close(writer));
}

fn unsafe_open(path: &str) -> i32 {
    let path = std::ffi::CString::new(path).expect("no NUL");
    // SAFETY: a string with its NUL.
    unsafe { libc::open(path.as_ptr(), libc::O_RDONLY) }
}

fn bytes_waiting() {
    let (reader, writer) = pipe(0);
    let child = child(|| show(write(writer, b"12345")).parse().unwrap_or(0));
    println!("child: {}", child.end());
    for fd in [reader, writer] {
        let mut count = 0i32;
        // SAFETY: the word is the call's to fill.
        println!("{} {count}", show(outcome(unsafe { libc::ioctl(fd, libc::FIONREAD, &raw mut count) })));
        println!("{count}");
    }
    let _ = (close(reader), close(writer));
}

fn waking() {
    let (reader, writer) = pipe(0);
    let (back, answer) = pipe(0);
    let child = child(|| {
        for _ in 0..200 {
            let Ok(bytes) = read(reader, 100) else { return 1 };
            if write(answer, &bytes) != Ok(bytes.len() as i64) {
                return 2;
            }
        }
        0
    });
    let mut good = 0;
    for round in 0..200u32 {
        let _ = write(writer, &round.to_ne_bytes());
        good += i32::from(read(back, 100).as_deref() == Ok(&round.to_ne_bytes()[..]));
    }
    println!("rounds: {good}, child: {}", child.end());
    for fd in [reader, writer, back, answer] {
        let _ = close(fd);
    }
}

fn bulk() {
    const TOTAL: usize = 1 << 20;
    let (reader, writer) = pipe(0);
    let child = child(|| {
        let _ = close(reader);
        let bytes: Vec<u8> = (0..TOTAL).map(|at| (at * 7 / 3) as u8).collect();
        let mut rest = &bytes[..];
        for size in [1, 100_000, 4096, 65_537, TOTAL] {
            let part = &rest[..size.min(rest.len())];
            if write(writer, part) != Ok(part.len() as i64) {
                return 1;
            }
            rest = &rest[part.len()..];
        }
        0
    });
    let _ = close(writer);
    let mut all = Vec::new();
    for size in [1, 3, 70_000, 8192, 100].into_iter().cycle() {
        match read(reader, size) {
            Ok(bytes) if !bytes.is_empty() => all.extend(bytes),
            _ => break,
        }
    }
    let right = all.iter().enumerate().all(|(at, &byte)| byte == (at * 7 / 3) as u8);
    println!("{} {right}, child: {}", all.len(), child.end());
    let _ = close(reader);
}

fn blocked_writer() {
    let (reader, writer) = pipe(0);
    let child = child(|| {
        let _ = close(reader);
        i32::from(write(writer, &[3; 100_000]) != Ok(100_000))
    });
    let _ = close(writer);
    pause(30);
    let mut total = 0;
    while let Ok(bytes) = read(reader, 10_000) {
        if bytes.is_empty() {
            break;
        }
        total += bytes.len();
    }
    println!("{total}, child: {}", child.end());
    let _ = close(reader);
}

fn broken_in_the_middle() {
    let (reader, writer) = pipe(0);
    let child = child(|| {
        let _ = close(reader);
        match write(writer, &[3; 100_000]) {
            Ok(count) => i32::from(count != 65_536 + 4096),
            Err(_) => 2,
        }
    });
    let _ = close(writer);
    pause(30);
    println!("read: {}", read(reader, 4096).map_or(0, |bytes| bytes.len()));
    pause(30);
    let _ = close(reader);
    println!("what it wrote counts: {}", child.end());
}

fn killed() {
    let (reader, writer) = pipe(0);
    let waiting = child(|| {
        let _ = close(writer);
        let _ = read(reader, 1);
        0
    });
    let _ = close(reader);
    pause(30);
    println!("kill: {}", show(waiting.kill(libc::SIGKILL)));
    println!("child: {}", waiting.end());
    println!("nobody reads: {} {}", poll(writer, libc::POLLOUT, 0), show(write(writer, b"x")));
    let _ = close(writer);
    let (reader, writer) = pipe(0);
    let full = child(|| {
        let _ = write(writer, &[0; 1 << 20]);
        0
    });
    let _ = close(writer);
    pause(30);
    println!("kill: {}", show(full.kill(libc::SIGKILL)));
    println!("child: {}", full.end());
    println!("left, and the end: {}", drain(reader).len());
    let _ = close(reader);
}

fn pipeline() {
    let (first_out, first_in) = pipe(0);
    let (second_out, second_in) = pipe(0);
    let double = child(|| {
        let _ = (close(first_in), close(second_out));
        while let Ok(bytes) = read(first_out, 5) {
            if bytes.is_empty() {
                break;
            }
            let _ = write(second_in, &bytes.to_ascii_uppercase());
        }
        0
    });
    let source = child(|| {
        for word in ["the ", "quick ", "brown ", "fox"] {
            let _ = write(first_in, word.as_bytes());
        }
        0
    });
    for fd in [first_out, first_in, second_in] {
        let _ = close(fd);
    }
    println!("{:?}", String::from_utf8_lossy(&drain(second_out)));
    println!("{} {}", source.end(), double.end());
    let _ = close(second_out);
}

fn nothing_at_all() {
    let (reader, writer) = pipe(0);
    let child = child(|| i32::from(write(writer, b"") != Ok(0) || read(reader, 0) != Ok(Vec::new())));
    println!("child: {}", child.end());
    println!("{} {}", show(write(writer, b"")), poll(reader, libc::POLLIN, 0));
    println!("the wrong end: {} {}", text(writer, 1), show(write(reader, b"x")));
    println!("seek: {}", show(outcome(unsafe_seek(reader))));
    let _ = (close(reader), close(writer));
}

fn unsafe_seek(fd: i32) -> i64 {
    // SAFETY: the call takes no memory.
    unsafe { libc::lseek(fd, 0, libc::SEEK_CUR) }
}

fn opened_again() {
    let (reader, writer) = pipe(0);
    let child = child(|| {
        let own = unsafe_open(&format!("/proc/self/fd/{reader}"));
        let _ = close(reader);
        i32::from(read(own, 10).as_deref() != Ok(b"again"))
    });
    let _ = write(writer, b"again");
    println!("child: {}", child.end());
    let _ = (close(reader), close(writer));
}

fn grandchild() {
    let (reader, writer) = pipe(0);
    let outer = child(|| {
        let inner = child(|| {
            let _ = write(writer, b"inner ");
            0
        });
        let ended = inner.end();
        let _ = write(writer, ended.as_bytes());
        0
    });
    let _ = close(writer);
    println!("{:?} {}", String::from_utf8_lossy(&drain(reader)), outer.end());
    let _ = close(reader);
}

/// Up to so many bytes, however many reads that takes.
fn gather(fd: i32, bytes: usize) -> usize {
    let mut total = 0;
    while total < bytes {
        match read(fd, bytes - total) {
            Ok(some) if !some.is_empty() => total += some.len(),
            _ => break,
        }
    }
    total
}

fn larger() {
    const MANY: usize = 300_000;
    let (reader, writer) = pipe(0);
    let (answer, done) = pipe(0);
    let child = child(|| {
        let _ = close(writer);
        let first = gather(reader, 10);
        let _ = write(done, b"1");
        pause(30);
        i32::from(first != 10 || gather(reader, MANY) != MANY || read(reader, 1) != Ok(Vec::new()))
    });
    let _ = close(reader);
    pause(20);
    println!("waits meanwhile: {}", show(control(writer, libc::F_SETPIPE_SZ, 1 << 20)));
    println!("{} {}", show(write(writer, &[1; 10])), text(answer, 1));
    let _ = control(writer, libc::F_SETFL, i64::from(libc::O_NONBLOCK));
    println!("all at once: {}", show(write(writer, &[2; MANY])));
    for fd in [writer, answer, done] {
        let _ = close(fd);
    }
    println!("child: {}", child.end());
}

fn larger_for_a_writer() {
    let (reader, writer) = pipe(0);
    let child = child(|| {
        let _ = close(reader);
        let bytes: Vec<u8> = (0..200_000u32).map(|at| (at >> 6) as u8).collect();
        i32::from(write(writer, &bytes) != Ok(200_000))
    });
    let _ = close(writer);
    pause(30);
    println!("more room: {}", show(control(reader, libc::F_SETPIPE_SZ, 1 << 18)));
    println!("child: {}", child.end());
    let all = drain(reader);
    println!("{} {}", all.len(), all.iter().enumerate().all(|(at, &byte)| byte == (at >> 6) as u8));
    let _ = close(reader);
}

fn many_at_once() {
    const COUNT: usize = 12;
    let pipes: Vec<(i32, i32)> = (0..COUNT).map(|_| pipe(0)).collect();
    let child = child(|| {
        for at in [5, 11, 0, 7] {
            pause(20);
            let _ = write(pipes[at].1, &[at as u8]);
        }
        0
    });
    for _ in 0..4 {
        let mut asked: Vec<libc::pollfd> = pipes.iter().map(|&(fd, _)| libc::pollfd { fd, events: libc::POLLIN, revents: 0 }).collect();
        // SAFETY: the structs are the call's to read and fill.
        let count = outcome(unsafe { libc::poll(asked.as_mut_ptr(), COUNT as libc::nfds_t, -1) });
        let ready: Vec<usize> = (0..COUNT).filter(|&at| asked[at].revents != 0).collect();
        println!("{} {ready:?} {:?}", show(count), read(asked[ready[0]].fd, 9));
    }
    println!("child: {}", child.end());
    for (reader, writer) in pipes {
        let _ = (close(reader), close(writer));
    }
}

fn several_readers() {
    let (reader, writer) = pipe(0);
    let children: Vec<_> = (0..3)
        .map(|_| {
            child(|| {
                let _ = close(writer);
                let mut sum = 0;
                while let Ok(bytes) = read(reader, 7) {
                    if bytes.is_empty() {
                        break;
                    }
                    sum += bytes.iter().map(|&byte| i32::from(byte)).sum::<i32>();
                    pause(1);
                }
                sum
            })
        })
        .collect();
    let _ = close(reader);
    for byte in 0..20u8 {
        let _ = write(writer, &[byte]);
    }
    let _ = close(writer);
    let sum: i32 = children.into_iter().map(|child| child.end()[5..].parse().unwrap_or(1000)).sum();
    println!("all of it once: {}", sum == 190);
}

extern "C" fn note(_: i32) {}

fn signals() {
    for flags in [0, libc::SA_RESTART] {
        let (reader, writer) = pipe(0);
        // SAFETY: the struct is whole, and the handler does nothing.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = note as *const () as usize;
            action.sa_flags = flags;
            libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut());
        }
        let parent = std::process::id() as i32;
        let child = child(|| {
            pause(30);
            // SAFETY: the call takes no memory.
            unsafe { libc::kill(parent, libc::SIGUSR1) };
            pause(30);
            let _ = write(writer, b"late");
            0
        });
        println!("{}", text(reader, 9));
        println!("child: {}", child.end());
        let _ = (close(reader), close(writer));
    }
}

fn killed_anywhere() {
    const RECORD: usize = 3001;
    let mut whole = 0;
    for round in 0..40u64 {
        let (reader, writer) = pipe(0);
        let children: Vec<_> = (0..2)
            .map(|number| {
                child(move || {
                    let _ = close(reader);
                    let record = [number as u8 + 1; RECORD];
                    while write(writer, &record).is_ok() {}
                    0
                })
            })
            .collect();
        let _ = close(writer);
        let some = gather(reader, RECORD * (round as usize % 7) + 1);
        let _ = children[round as usize % 2].kill(libc::SIGKILL);
        let more = gather(reader, RECORD * 30);
        let _ = children[(round as usize + 1) % 2].kill(libc::SIGKILL);
        let rest = drain(reader).len();
        whole += i32::from((some + more + rest).is_multiple_of(RECORD));
        for child in children {
            let _ = child.end();
        }
        let _ = close(reader);
    }
    println!("whole records: {whole}");
}

fn hundreds() {
    let pipes: Vec<(i32, i32)> = (0..300).map(|_| pipe(0)).collect();
    let child = child(|| {
        for (at, &(_, writer)) in pipes.iter().enumerate() {
            let _ = write(writer, &(at as u32).to_ne_bytes());
        }
        0
    });
    let good = pipes.iter().enumerate().filter(|(at, (reader, _))| read(*reader, 9).as_deref() == Ok(&(*at as u32).to_ne_bytes()[..]));
    println!("{}, child: {}", good.count(), child.end());
    for (reader, writer) in pipes {
        let _ = (close(reader), close(writer));
    }
}

fn edges() {
    let (reader, writer) = pipe(libc::O_NONBLOCK);
    let (answer, turn) = pipe(0);
    // SAFETY: no memory is passed.
    let set = unsafe { libc::epoll_create1(0) };
    let mut event = libc::epoll_event { events: (libc::EPOLLIN | libc::EPOLLET) as u32, u64: 7 };
    let child = child(|| {
        for _ in 0..3 {
            let _ = read(answer, 1);
            let _ = write(writer, b"xy");
        }
        let _ = read(answer, 1);
        0
    });
    // SAFETY: the struct is valid.
    unsafe { libc::epoll_ctl(set, libc::EPOLL_CTL_ADD, reader, &raw mut event) };
    let mut wait = |timeout| {
        // SAFETY: the struct is the call's to fill.
        let count = unsafe { libc::epoll_wait(set, &raw mut event, 1, timeout) };
        format!("{count} {}", if count > 0 { event.events } else { 0 })
    };
    let _ = close(writer);
    println!("nothing: {}", wait(0));
    for _ in 0..3 {
        let _ = write(turn, b".");
        println!("an edge: {}, no other: {}", wait(-1), wait(20));
    }
    println!("{}", text(reader, 3));
    let _ = write(turn, b".");
    println!("the end: {}, then: {}", wait(-1), text(reader, 9));
    println!("child: {}", child.end());
    for fd in [reader, answer, turn, set] {
        let _ = close(fd);
    }
}

fn a_thread_waits() {
    let (reader, writer) = pipe(0);
    let waiter = std::thread::spawn(move || text(reader, 9));
    pause(20);
    // SAFETY: the child makes system calls only.
    let id = unsafe { libc::fork() };
    if id == 0 {
        // SAFETY: a byte is written, and nothing is to be done.
        unsafe {
            libc::write(writer, b"hello".as_ptr().cast(), 5);
            libc::_exit(0);
        }
    }
    println!("read by the thread: {}", waiter.join().unwrap_or_default());
    println!("child: {}", linux_programs::descriptors::Child(id).end());
    let _ = (close(reader), close(writer));
}

fn main() {
    run(&[
        ("parent to child", parent_to_child),
        ("child to parent", child_to_parent),
        ("written before the fork", written_before),
        ("no reader", no_reader),
        ("last writer", last_writer),
        ("records", records),
        ("without blocking", without_blocking),
        ("capacity", capacity),
        ("bytes waiting", bytes_waiting),
        ("waking", waking),
        ("bulk", bulk),
        ("blocked writer", blocked_writer),
        ("broken in the middle", broken_in_the_middle),
        ("killed", killed),
        ("pipeline", pipeline),
        ("nothing at all", nothing_at_all),
        ("opened again", opened_again),
        ("grandchild", grandchild),
        ("larger", larger),
        ("larger for a writer", larger_for_a_writer),
        ("many at once", many_at_once),
        ("several readers", several_readers),
        ("signals", signals),
        ("killed anywhere", killed_anywhere),
        ("hundreds", hundreds),
        ("edges", edges),
        ("a thread waits", a_thread_waits),
    ]);
}
